//! The operator.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter, filter_record_batch, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::common::DFSchema;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::pending::TableState;

/// Where an output column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputColumn {
    /// A column of the input, by position.
    Input(usize),
    /// A fetched column of the table, by position among the fetched ones.
    Store(usize),
}

/// Fetches the rows of a table whose keys come out of the input, batch by batch. The input's order is kept; memory is
/// one batch of input and the rows it leads to (and, where every row is wanted once, the keys seen so far).
#[derive(Debug)]
pub struct IndexThenStore {
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<usize>,
    fetch: Arc<Fetch>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

/// What is fetched and what becomes of it.
#[derive(Debug, Clone)]
struct Fetch {
    table: Arc<TableState>,
    columns: Vec<String>,
    /// A condition on the fetched columns.
    condition: Option<Arc<dyn PhysicalExpr>>,
    matching: Matching,
    output: Vec<OutputColumn>,
}

/// Which rows come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// A row for every row of the input that finds one.
    Inner,
    /// Every row of the table at most once, however often its key comes.
    Once,
    /// A row for every row of the input; the table's columns are NULL for those that find none.
    Outer,
}

/// What an [`IndexThenStore`] fetches.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The table, which has a primary key.
    pub table: Arc<TableState>,
    /// Columns to fetch.
    pub columns: Vec<String>,
    /// A condition on the table's columns, unqualified; rows for which it is not true are left out.
    pub condition: Option<Expr>,
    /// Which rows come out.
    pub matching: Matching,
    /// The output's columns.
    pub output: Vec<OutputColumn>,
}

impl IndexThenStore {
    /// Looks up the keys in columns `keys` of `input`, which are in the order of the primary key.
    pub fn new(input: Arc<dyn ExecutionPlan>, keys: Vec<usize>, lookup: Lookup) -> PlanResult<Self> {
        let Lookup { table, mut columns, condition, matching, output } = lookup;
        for column in condition.iter().flat_map(Expr::column_refs) {
            if !columns.contains(&column.name) {
                columns.push(column.name.clone());
            }
        }
        let fetched = fetched_schema(&table, &columns)?;
        let condition = condition
            .map(|condition| {
                let schema = DFSchema::try_from(fetched.as_ref().clone())?;
                create_physical_expr(&condition, &schema, &ExecutionProps::new())
            })
            .transpose()?;
        let fetch = Fetch { table, columns, condition, matching, output };
        Ok(Self::assemble(input, keys, Arc::new(fetch), &fetched))
    }

    fn assemble(input: Arc<dyn ExecutionPlan>, keys: Vec<usize>, fetch: Arc<Fetch>, fetched: &Schema) -> Self {
        let fields: Vec<Arc<Field>> = fetch
            .output
            .iter()
            .map(|column| match column {
                OutputColumn::Input(position) => Arc::clone(&input.schema().fields()[*position]),
                OutputColumn::Store(position) if fetch.matching == Matching::Outer => {
                    Arc::new(fetched.field(*position).clone().with_nullable(true))
                }
                OutputColumn::Store(position) => Arc::clone(&fetched.fields()[*position]),
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            datafusion::physical_plan::Partitioning::UnknownPartitioning(
                input.properties().output_partitioning().partition_count(),
            ),
            input.properties().emission_type,
            input.properties().boundedness,
        ));
        IndexThenStore { input, keys, fetch, schema, properties }
    }
}

fn fetched_schema(table: &TableState, columns: &[String]) -> PlanResult<SchemaRef> {
    let definition = table.definition();
    let fields = columns
        .iter()
        .map(|name| {
            if name == ROW_ADDRESS {
                return Ok(Field::new(ROW_ADDRESS, DataType::UInt64, false));
            }
            let column = definition.column(name)?;
            Ok(column.sql_type.field(&column.name, !column.not_null))
        })
        .collect::<PlanResult<Vec<_>>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

impl DisplayAs for IndexThenStore {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.fetch.table;
        write!(
            f,
            "IndexThenStore: table={}, version={}, key={}, columns=[{}]",
            table.definition().name,
            table.version_text(),
            table.definition().primary_key.join(", "),
            self.fetch.columns.join(", ")
        )?;
        if let Some(condition) = &self.fetch.condition {
            write!(f, ", filter={condition}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for IndexThenStore {
    fn name(&self) -> &str {
        "IndexThenStore"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Partitioning the input would lose its order, which is often that of a search.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    /// A key that must come out once must be seen by one partition.
    fn required_input_distribution(&self) -> Vec<datafusion::physical_plan::Distribution> {
        use datafusion::physical_plan::Distribution::{SinglePartition, UnspecifiedDistribution};
        vec![if self.fetch.matching == Matching::Once { SinglePartition } else { UnspecifiedDistribution }]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        let fetched = fetched_schema(&self.fetch.table, &self.fetch.columns)?;
        Ok(Arc::new(Self::assemble(input, self.keys.clone(), Arc::clone(&self.fetch), &fetched)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let state = State {
            keys: self.keys.clone(),
            fetch: Arc::clone(&self.fetch),
            schema: Arc::clone(&self.schema),
            seen: match self.fetch.matching {
                Matching::Once => Some(Seen::new(&self.input.schema(), &self.keys)?),
                Matching::Inner | Matching::Outer => None,
            },
        };
        let rows = futures::stream::try_unfold((input, state), |(mut input, mut state)| async move {
            while let Some(batch) = input.next().await.transpose()? {
                let rows = state.look_up(&batch).await?;
                if rows.num_rows() > 0 {
                    return Ok(Some((rows, (input, state))));
                }
            }
            Ok(None)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

struct State {
    keys: Vec<usize>,
    fetch: Arc<Fetch>,
    schema: SchemaRef,
    seen: Option<Seen>,
}

impl State {
    async fn look_up(&mut self, batch: &RecordBatch) -> PlanResult<RecordBatch> {
        let batch = match &mut self.seen {
            Some(seen) => filter_record_batch(batch, &seen.first_time(&columns(batch, &self.keys))?)?,
            None => batch.clone(),
        };
        let keys = columns(&batch, &self.keys);
        let (positions, rows) = self.fetch.table.take_by_key(&keys, &self.fetch.columns).await?;
        let (positions, rows) = self.satisfying(positions, rows)?;
        if self.fetch.matching == Matching::Outer {
            return self.every_row(&batch, &positions, &rows);
        }
        let columns = self
            .fetch
            .output
            .iter()
            .map(|column| match column {
                OutputColumn::Input(position) => Ok(take(batch.column(*position), &positions, None)?),
                OutputColumn::Store(position) => Ok(Arc::clone(rows.column(*position))),
            })
            .collect::<PlanResult<Vec<ArrayRef>>>()?;
        self.output(columns, positions.len())
    }

    /// The rows of the input, with what was found for each.
    fn every_row(&self, batch: &RecordBatch, positions: &UInt32Array, rows: &RecordBatch) -> PlanResult<RecordBatch> {
        let mut found: Vec<Option<u32>> = vec![None; batch.num_rows()];
        positions.values().iter().enumerate().for_each(|(index, row)| found[*row as usize] = Some(index as u32));
        let found = UInt32Array::from(found);
        let columns = self
            .fetch
            .output
            .iter()
            .map(|column| match column {
                OutputColumn::Input(position) => Ok(Arc::clone(batch.column(*position))),
                OutputColumn::Store(position) => Ok(take(rows.column(*position), &found, None)?),
            })
            .collect::<PlanResult<Vec<ArrayRef>>>()?;
        self.output(columns, batch.num_rows())
    }

    fn output(&self, columns: Vec<ArrayRef>, rows: usize) -> PlanResult<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn satisfying(&self, positions: UInt32Array, rows: RecordBatch) -> PlanResult<(UInt32Array, RecordBatch)> {
        let Some(condition) = &self.fetch.condition else { return Ok((positions, rows)) };
        let holds = condition.evaluate(&rows)?.into_array(rows.num_rows())?;
        let holds = holds.as_boolean();
        let positions = filter(&positions, holds)?;
        Ok((positions.as_primitive().clone(), filter_record_batch(&rows, holds)?))
    }
}

fn columns(batch: &RecordBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().map(|position| Arc::clone(batch.column(*position))).collect()
}

/// Keys that have come by.
struct Seen {
    converter: RowConverter,
    keys: HashSet<OwnedRow>,
}

impl Seen {
    fn new(input: &Schema, keys: &[usize]) -> PlanResult<Self> {
        let fields = keys.iter().map(|key| SortField::new(input.field(*key).data_type().clone())).collect();
        Ok(Seen { converter: RowConverter::new(fields)?, keys: HashSet::new() })
    }

    fn first_time(&mut self, keys: &[ArrayRef]) -> PlanResult<BooleanArray> {
        let rows = self.converter.convert_columns(keys)?;
        Ok(rows.iter().map(|row| Some(self.keys.insert(row.owned()))).collect())
    }
}
