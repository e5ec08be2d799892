//! What scores are made of, by an index.
//!
//! An index knows how many texts there are, how long they are, and how many have a word, of the rows that it covers. Only texts
//! that it does not cover are read, and those that have all words of a phrase, which the index cannot count.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream, execute_stream,
};
use futures::{StreamExt, TryStreamExt};
use slipstream_engine::AddressSet;
use slipstream_engine::store::{ScanRequest, TableVersion};
use slipstream_text_search::bm25::Corpus;
use slipstream_text_search::parts;
use slipstream_text_search::search::{Leaf, Search, What, Words};

use super::wanted::{SearchCall, of_part};

/// One row: the statistics of a search, as `bm25_corpus` gives them.
pub struct TextStatistics {
    gathering: Arc<Gathering>,
    /// The aggregate, for what no index knows.
    rows: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl fmt::Debug for TextStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextStatistics").field("search", &self.gathering.call.search).finish_non_exhaustive()
    }
}

struct Gathering {
    table: Arc<TableVersion>,
    call: SearchCall,
}

impl TextStatistics {
    pub(super) fn new(table: Arc<TableVersion>, call: SearchCall, rows: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(rows.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let gathering = Arc::new(Gathering { table, call });
        TextStatistics { gathering, rows, properties: Arc::new(properties) }
    }
}

impl Gathering {
    /// The statistics; `None` where no index knows them.
    async fn corpus(&self, context: &Arc<TaskContext>) -> PlanResult<Option<Corpus>> {
        let Some(search) = self.call.parse() else { return Ok(None) };
        let (leaves, config) = (search.leaves(), self.call.config);
        let lexeme = |leaf: &Leaf| match &leaf.what {
            What::Term(lexeme) if parts::counts(config, lexeme) => Some(lexeme.clone()),
            _ => None,
        };
        let lexemes: Vec<Option<String>> = leaves.iter().map(lexeme).collect();
        let Some(uncovered) = self.uncovered().await? else { return Ok(None) };
        let mut corpus = {
            let known: Vec<String> = lexemes.iter().flatten().cloned().collect();
            let mut fields = Vec::new();
            let mut texts = vec![Vec::new(); leaves.len()];
            for (number, field) in self.call.fields.iter().enumerate() {
                let statistics = self.table.text_statistics(&field.index, &field.column, &known).await?;
                let Some(statistics) = statistics else { return Ok(None) };
                fields.push((statistics.texts, statistics.words));
                let mut having = statistics.having.into_iter();
                for ((texts, leaf), lexeme) in texts.iter_mut().zip(leaves).zip(&lexemes) {
                    let count = if lexeme.is_some() { having.next().unwrap_or_default() } else { 0 };
                    texts.push(if leaf.field.is_none_or(|wanted| wanted == number) { count } else { 0 });
                }
            }
            Corpus::of(fields, texts)
        };
        let mut rest = Corpus::default();
        let uncounted: Vec<usize> = (0..leaves.len()).filter(|leaf| lexemes[*leaf].is_none()).collect();
        if !uncounted.is_empty() {
            let Some(candidates) = self.candidates(&search, &uncounted).await? else { return Ok(None) };
            self.read(&candidates.without(&uncovered), &search, context, &mut rest).await?;
            corpus.merge(&rest.only_leaves(&uncounted));
            rest = Corpus::default();
        }
        if !uncovered.is_empty() {
            self.read(&uncovered, &search, context, &mut rest).await?;
            corpus.merge(&rest);
        }
        Ok(Some(corpus))
    }

    /// The rows that no index covers; `None` where the columns differ in that.
    async fn uncovered(&self) -> PlanResult<Option<AddressSet>> {
        let mut rows: Option<AddressSet> = None;
        for field in &self.call.fields {
            let Some(uncovered) = self.table.uncovered(&field.index, &field.column).await? else { return Ok(None) };
            if rows.as_ref().is_some_and(|others| *others != uncovered) {
                return Ok(None);
            }
            rows = Some(uncovered);
        }
        Ok(rows)
    }

    /// The rows that can have one of the leaves.
    async fn candidates(&self, search: &Search, leaves: &[usize]) -> PlanResult<Option<AddressSet>> {
        let mut rows = AddressSet::default();
        for leaf in leaves {
            let part = parts::of_leaf(self.call.config, search, *leaf);
            let Some(wanted) = part.and_then(|part| of_part(&self.call.fields, part)) else { return Ok(None) };
            let Some(candidates) = wanted.candidates(&self.table).await? else { return Ok(None) };
            rows = rows.or(&candidates);
        }
        Ok(Some(rows))
    }

    /// Adds the texts of rows.
    async fn read(
        &self,
        rows: &AddressSet,
        search: &Search,
        context: &Arc<TaskContext>,
        corpus: &mut Corpus,
    ) -> PlanResult<()> {
        let columns = self.call.fields.iter().map(|field| field.column.clone()).collect();
        let request = ScanRequest { columns: Some(columns), ..ScanRequest::default() };
        let mut batches = execute_stream(self.table.scan_rows(&request, rows).await?, Arc::clone(context))?;
        let mut lexer = self.call.config.lexer();
        while let Some(batch) = batches.next().await {
            let texts = texts(&batch?)?;
            for row in 0..texts.first().map_or(0, Array::len) {
                let mut words =
                    |texts: &StringArray| texts.is_valid(row).then(|| Words::of(&mut lexer, texts.value(row)));
                let fields: Vec<Option<Words>> = texts.iter().map(&mut words).collect();
                if fields.iter().any(Option::is_some) {
                    corpus.add(search, &fields);
                }
            }
        }
        Ok(())
    }
}

fn texts(batch: &RecordBatch) -> PlanResult<Vec<StringArray>> {
    let text = |column: &ArrayRef| Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone());
    batch.columns().iter().map(text).collect()
}

impl DisplayAs for TextStatistics {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gathering { table, call } = self.gathering.as_ref();
        let (name, version) = (&table.definition().name, table.version());
        write!(f, "TextStatistics: table={name}, version={version}, search={}", call.search)?;
        let mut indexes: Vec<&str> = call.fields.iter().map(|field| field.index.name.as_str()).collect();
        indexes.dedup();
        write!(f, ", index={}", indexes.join(", "))
    }
}

impl ExecutionPlan for TextStatistics {
    fn name(&self) -> &str {
        "TextStatistics"
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
        let (gathering, rows, schema) = (Arc::clone(&self.gathering), Arc::clone(&self.rows), self.schema());
        let found = futures::stream::once(async move {
            match gathering.corpus(&context).await? {
                Some(corpus) => {
                    let text = Arc::new(StringArray::from(vec![corpus.to_string()]));
                    let only = futures::stream::iter([Ok(RecordBatch::try_new(Arc::clone(&schema), vec![text])?)]);
                    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, only)) as SendableRecordBatchStream)
                }
                None => execute_stream(rows, context),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), found.try_flatten())))
    }
}
