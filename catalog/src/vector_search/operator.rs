//! The operator.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream, execute_stream,
};
use futures::TryStreamExt;
use slipstream_engine::AddressSet;
use slipstream_engine::catalog::{IndexDefinition, Metric};
use slipstream_engine::change::PENDING_ROW;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::{Coverage, NearestRequest, ScanRequest, SearchEffort};
use slipstream_engine::types::SqlType;

use crate::apply::ApplyExec;
use crate::prefilter;

/// So few rows that satisfy the conditions are measured, whatever the index.
const FEW_ROWS: usize = 256;

/// What is searched for.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) table: Arc<TableState>,
    /// Indexes that can answer it; the one that covers most does.
    pub(super) indexes: Vec<IndexDefinition>,
    pub(super) metric: Metric,
    /// The vector; it may be known when the plan runs only.
    pub(super) query: Arc<dyn PhysicalExpr>,
    /// How many of the nearest are wanted.
    pub(super) count: usize,
    /// The rows among which they are, and conditions over the request's columns.
    pub(super) request: ScanRequest,
    pub(super) conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// The output's columns, by name in the table.
    pub(super) columns: Vec<String>,
    pub(super) effort: SearchEffort,
}

/// Candidates for the nearest rows, by an index.
#[derive(Debug)]
pub struct VectorSearch {
    search: Arc<Search>,
    /// All the rows that satisfy the conditions, for what the index cannot answer.
    rows: Arc<dyn ExecutionPlan>,
    /// The index that answers, and what it covers, for EXPLAIN.
    described: Arc<OnceLock<Option<(String, Coverage)>>>,
    properties: Arc<PlanProperties>,
}

impl VectorSearch {
    pub(super) fn new(search: Search, rows: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        VectorSearch { search: Arc::new(search), rows, described: Arc::default(), properties: Arc::new(properties) }
    }
}

/// The plan with searches that try as hard as a session wants.
pub fn with_effort(plan: Arc<dyn ExecutionPlan>, effort: SearchEffort) -> PlanResult<Arc<dyn ExecutionPlan>> {
    if effort == SearchEffort::default() {
        return Ok(plan);
    }
    plan.transform_down(|node| {
        if let Some(found) = node.downcast_ref::<VectorSearch>() {
            let search = Search { effort, ..found.search.as_ref().clone() };
            return Ok(Transformed::yes(Arc::new(VectorSearch::new(search, Arc::clone(&found.rows)))));
        }
        if let Some(apply) = node.downcast_ref::<ApplyExec>()
            && let Some(apply) = apply.with_answering_plans(&|plan| with_effort(plan, effort))?
        {
            return Ok(Transformed::yes(Arc::new(apply)));
        }
        Ok(Transformed::no(node))
    })
    .map(|transformed| transformed.data)
}

/// Finds out which indexes answer the searches of a plan, so that EXPLAIN can say it.
pub async fn describe(plan: &Arc<dyn ExecutionPlan>) -> PlanResult<()> {
    let mut found = Vec::new();
    searches(plan, &mut found)?;
    for (search, described) in found {
        let best = search.best_index().await?;
        let _ = described
            .set(best.map(|(index, coverage)| (format!("{} ({})", index.name, index.method.name()), coverage)));
    }
    Ok(())
}

/// A search, and the place for what EXPLAIN says of it.
type Described = (Arc<Search>, Arc<OnceLock<Option<(String, Coverage)>>>);

/// The searches of a plan, those that run for each row of another among them.
fn searches(plan: &Arc<dyn ExecutionPlan>, found: &mut Vec<Described>) -> PlanResult<()> {
    plan.apply(|node| {
        if let Some(search) = node.downcast_ref::<VectorSearch>() {
            found.push((Arc::clone(&search.search), Arc::clone(&search.described)));
        }
        if let Some(plan) = node.downcast_ref::<ApplyExec>().and_then(ApplyExec::answering_plan) {
            searches(plan, found)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

impl Search {
    /// The index that covers most rows; `None` where none has data.
    async fn best_index(&self) -> PlanResult<Option<(&IndexDefinition, Coverage)>> {
        let mut best: Option<(&IndexDefinition, Coverage)> = None;
        for index in &self.indexes {
            let Some(coverage) = self.table.coverage(index).await? else { continue };
            if coverage.covered_rows > best.as_ref().map_or(0, |(_, best)| best.covered_rows) {
                best = Some((index, coverage));
            }
        }
        Ok(best)
    }

    /// Whether rows need not be looked at to know which ones take part.
    fn takes_all(&self) -> bool {
        self.table.stored().is_some() && self.request.filter.is_none() && self.conditions.is_empty()
    }

    /// The elements of the vector, where an index can search for it.
    fn vector(&self, index: &IndexDefinition) -> PlanResult<Option<ArrayRef>> {
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let value = self.query.evaluate(&row)?.into_array(1)?;
        let column = index.plain_column().and_then(|name| self.table.definition().get_column(name));
        let Some(dimension) = column.and_then(|column| dimension(&column.sql_type)) else { return Ok(None) };
        if value.is_null(0) {
            return Ok(None);
        }
        let of_any_dimension = || value.as_list_opt::<i32>().map(|list| list.value(0));
        let vector = value.as_fixed_size_list_opt().map(|list| list.value(0)).or_else(of_any_dimension);
        // Zeros have no direction.
        let searchable = |vector: &ArrayRef| {
            let (is_finite, is_zero) = match vector.data_type() {
                DataType::Float32 => {
                    let numbers = vector.as_primitive::<Float32Type>().values();
                    (numbers.iter().all(|n| n.is_finite()), numbers.iter().all(|n| *n == 0.0))
                }
                DataType::Float16 => {
                    let numbers = vector.as_primitive::<Float16Type>().values();
                    (numbers.iter().all(|n| n.is_finite()), numbers.iter().all(|n| n.to_f32() == 0.0))
                }
                DataType::Boolean => (true, false),
                _ => (false, false),
            };
            vector.len() == dimension as usize && is_finite && !(is_zero && self.metric == Metric::Cosine)
        };
        Ok(vector.filter(searchable))
    }

    /// Addresses of candidates; `None` where all rows have to be looked at.
    async fn candidates(&self, context: &Arc<TaskContext>) -> PlanResult<Option<Vec<u64>>> {
        let Some((index, coverage)) = self.best_index().await? else { return Ok(None) };
        let Some(query) = self.vector(index)? else { return Ok(None) };
        let (own, among) = match self.takes_all() {
            true => (Vec::new(), None),
            false => {
                let addresses = prefilter::addresses(&self.table, &self.request, &self.conditions, context).await?;
                if addresses.len() <= FEW_ROWS.max(self.count) {
                    return Ok(Some(addresses));
                }
                let (own, stored): (Vec<u64>, Vec<u64>) =
                    addresses.into_iter().partition(|address| address & PENDING_ROW != 0);
                (own, Some(stored.into_iter().collect::<AddressSet>()))
            }
        };
        let most = among.as_ref().map_or(coverage.rows, AddressSet::len);
        // Of half of the rows it is faster to measure all.
        if self.count > FEW_ROWS && self.count > most / 2 {
            return Ok(None);
        }
        let (count, effort) = (self.count, self.effort);
        let request = NearestRequest { index, query: &query, count, among: among.as_ref(), effort };
        let Some(mut found) = self.table.nearest(&request).await? else { return Ok(None) };
        // Rows without a distance are in no index, and come last.
        if found.len() < count.min(most) {
            return Ok(None);
        }
        found.extend(own);
        Ok(Some(found))
    }

    /// Rows by address, as the output has them.
    async fn fetch(&self, mut addresses: Vec<u64>, schema: &SchemaRef) -> PlanResult<RecordBatch> {
        // The store reads them in their order; that of candidates means nothing.
        addresses.sort_unstable();
        let rows = self.table.take_rows(&addresses, &self.columns).await?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), rows.columns().to_vec(), &options)?)
    }
}

/// The elements of a vector of that type, where an index can be of it.
fn dimension(sql_type: &SqlType) -> Option<u32> {
    match sql_type {
        SqlType::Vector(dimension) | SqlType::Halfvec(dimension) | SqlType::Bit(dimension) => Some(*dimension),
        _ => None,
    }
}

impl DisplayAs for VectorSearch {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let search = &self.search;
        let (name, version) = (&search.table.definition().name, search.table.version_text());
        write!(f, "VectorSearch: table={name}, version={version}, nearest={}", search.count)?;
        match self.described.get() {
            Some(Some((index, coverage))) => write!(
                f,
                ", index={index}, covered={} of {} rows, {} of {} fragments",
                coverage.covered_rows, coverage.rows, coverage.covered_fragments, coverage.fragments
            )?,
            Some(None) => write!(f, ", exact: index {} has no data", search.indexes[0].name)?,
            None => {}
        }
        write!(f, ", columns=[{}]", search.columns.join(", "))?;
        if let Some(filter) = &search.request.filter {
            write!(f, ", filter={filter}")?;
        }
        search.conditions.iter().try_for_each(|condition| write!(f, ", condition={condition}"))
    }
}

impl ExecutionPlan for VectorSearch {
    fn name(&self) -> &str {
        "VectorSearch"
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
        let (search, rows, schema) = (Arc::clone(&self.search), Arc::clone(&self.rows), self.schema());
        let found = futures::stream::once(async move {
            match search.candidates(&context).await? {
                Some(addresses) => {
                    let batch = search.fetch(addresses, &schema).await?;
                    let only = futures::stream::iter([Ok(batch)]);
                    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, only)) as SendableRecordBatchStream)
                }
                None => execute_stream(rows, context),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), found.try_flatten())))
    }
}
