//! The operator.

use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream, execute_stream,
};
use futures::TryStreamExt;
use slipstream_engine::AddressSet;
use slipstream_engine::store::{Coverage, ScanRequest, TableVersion};

use super::best::Best;
use super::wanted::Wanted;

/// Rows that can match, by indexes of text.
#[derive(Debug)]
pub struct TextSearch {
    search: Arc<Search>,
    /// All rows, for what no index can answer.
    rows: Arc<dyn ExecutionPlan>,
    /// What the indexes cover, for EXPLAIN.
    described: Arc<OnceLock<Vec<(String, Coverage)>>>,
    properties: Arc<PlanProperties>,
}

/// What is searched for.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) table: Arc<TableVersion>,
    pub(super) request: ScanRequest,
    pub(super) wanted: Wanted,
    /// Where only the rows with the highest scores are wanted.
    pub(super) best: Option<Best>,
}

impl TextSearch {
    pub(super) fn new(search: Search, rows: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        TextSearch { search: Arc::new(search), rows, described: Arc::default(), properties: Arc::new(properties) }
    }

    /// The same where only the rows with the highest scores are wanted.
    pub(super) fn of_best(&self, best: Best) -> Self {
        TextSearch::new(Search { best: Some(best), ..self.search.as_ref().clone() }, Arc::clone(&self.rows))
    }

    pub(super) fn search(&self) -> &Search {
        &self.search
    }
}

/// Finds out what the indexes of a plan's text searches cover, so that EXPLAIN can say it.
pub async fn describe(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<()> {
    let mut found = Vec::new();
    plan.apply(|node| {
        if let Some(search) = node.downcast_ref::<TextSearch>() {
            found.push((Arc::clone(&search.search), Arc::clone(&search.described)));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    for (search, described) in found {
        let mut coverages = Vec::new();
        for index in search.wanted.indexes() {
            let coverage = search.table.coverage(index).await?;
            coverages.push((format!("{} ({})", index.name, index.method.name()), coverage));
        }
        let _ = described.set(coverages);
    }
    Ok(())
}

impl Search {
    /// The rows that are read; `None` where all are.
    async fn candidates(&self, context: &Arc<TaskContext>) -> PlanResult<Option<AddressSet>> {
        if let Some(best) = &self.best
            && let Some(rows) = best.candidates(&self.table, &self.request, context).await?
        {
            return Ok(Some(rows));
        }
        self.wanted.candidates(&self.table).await
    }
}

impl DisplayAs for TextSearch {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let search = &self.search;
        let (name, version) = (&search.table.definition().name, search.table.version());
        write!(f, "TextSearch: table={name}, version={version}, wanted={}", search.wanted)?;
        if let Some(best) = &search.best {
            write!(f, ", best={}", best.count)?;
        }
        for (index, coverage) in self.described.get().into_iter().flatten() {
            match coverage.covered_rows {
                0 => write!(f, ", exact: index {index} has no data")?,
                covered => write!(
                    f,
                    ", index={index}, covered={covered} of {} rows, {} of {} fragments",
                    coverage.rows, coverage.covered_fragments, coverage.fragments
                )?,
            }
        }
        if let Some(columns) = &search.request.columns {
            write!(f, ", columns=[{}]", columns.join(", "))?;
        }
        if let Some(filter) = &search.request.filter {
            write!(f, ", filter={filter}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for TextSearch {
    fn name(&self) -> &str {
        "TextSearch"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let (search, rows) = (Arc::clone(&self.search), Arc::clone(&self.rows));
        let found = futures::stream::once(async move {
            let plan = match search.candidates(&context).await? {
                Some(candidates) => search.table.scan_rows(&search.request, &candidates).await?,
                None => rows,
            };
            execute_stream(plan, context)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), found.try_flatten())))
    }
}
