//! Rows looked up in a table by its unique keys.
//!
//! The node has two inputs: the rows, and the table in the form that is read by key ([`KeyedTable`]). No scan: every batch of
//! rows leads to the rows of the table that have the same keys, in memory for one batch. The rows are checked first: as in
//! Postgres, a row that breaks NOT NULL or CHECK is an error, even if it would then have been passed over.
//!
//! [`KeyedTable`]: slipstream_catalog::keyed_table::KeyedTable

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter_record_batch, take};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use slipstream_catalog::keyed_table::KeyedSource;
use slipstream_engine::catalog::UniqueConstraint;
use slipstream_engine::pending::TableState;
use slipstream_engine::{Error, Result};

use super::checks::Checks;
use super::rows::table_rows;
use crate::error::from_datafusion;

/// Which rows go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Keep {
    /// Those that meet no row of the table by any key, as they are.
    Strangers,
    /// All, with the columns of the row that they meet by the one key behind their own, NULL where they meet none.
    Everybody,
}

/// What a look-up is to find: for each constraint the columns of the rows that it is about, in its order.
pub(super) struct Sought<'a> {
    pub(super) constraints: &'a [UniqueConstraint],
    pub(super) keys: Vec<Vec<Expr>>,
    /// CHECK constraints that the rows have to satisfy, whomever they meet.
    pub(super) checks: Vec<(String, Expr)>,
}

/// Plans a look-up of rows that have the columns of the table.
pub(super) fn plan(rows: LogicalPlan, table: LogicalPlan, sought: Sought<'_>, keep: Keep) -> Result<LogicalPlan> {
    let Sought { constraints, keys, checks } = sought;
    let keys = constraints.iter().cloned().zip(keys).map(|(constraint, columns)| Key { constraint, columns }).collect();
    let node = LookupNode::new(rows, table, keys, Arc::new(checks), keep).map_err(from_datafusion)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

#[derive(Debug, Clone, PartialEq)]
struct Key {
    constraint: UniqueConstraint,
    columns: Vec<Expr>,
}

/// The node.
#[derive(Debug, Clone)]
pub(crate) struct LookupNode {
    rows: LogicalPlan,
    table: LogicalPlan,
    keys: Vec<Key>,
    checks: Arc<Vec<(String, Expr)>>,
    keep: Keep,
    schema: DFSchemaRef,
}

impl LookupNode {
    fn new(
        rows: LogicalPlan,
        table: LogicalPlan,
        keys: Vec<Key>,
        checks: Arc<Vec<(String, Expr)>>,
        keep: Keep,
    ) -> PlanResult<Self> {
        let own = rows.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
        let met = table
            .schema()
            .iter()
            .filter(|_| keep == Keep::Everybody)
            .map(|(qualifier, field)| (qualifier.cloned(), Arc::new(field.as_ref().clone().with_nullable(true))));
        let schema = DFSchema::new_with_metadata(own.chain(met).collect(), Default::default())?;
        Ok(LookupNode { rows, table, keys, checks, keep, schema: Arc::new(schema) })
    }

    /// The operator over the inputs' plans.
    pub(crate) fn physical(
        &self,
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &SessionState,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let [rows, table] = inputs else { return Err(Error::internal("a look-up has two inputs").into()) };
        let table = KeyedSource::of(table)
            .ok_or_else(|| Error::internal("a look-up was planned over something else than a table"))?;
        let positions = |key: &Key| {
            let positions = key.columns.iter().map(|column| match column {
                Expr::Column(column) => self.rows.schema().index_of_column(column),
                _ => Err(Error::internal("a key that is no column").into()),
            });
            Ok((key.constraint.clone(), positions.collect::<PlanResult<Vec<usize>>>()?))
        };
        let keys = self.keys.iter().map(positions).collect::<PlanResult<Vec<_>>>()?;
        let checks = Checks::new(table.table().definition(), &self.checks, session)?;
        let lookup =
            Lookup { table: Arc::clone(table.table()), columns: table.columns(), checks, keys, keep: self.keep };
        let schema = Arc::clone(self.schema.inner());
        Ok(Arc::new(LookupExec::new(Arc::clone(rows), Arc::new(lookup), schema)))
    }
}

impl PartialEq for LookupNode {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.table == other.table && self.keys == other.keys && self.keep == other.keep
    }
}

impl Eq for LookupNode {}

impl Hash for LookupNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rows.hash(state);
        self.table.hash(state);
        self.keep.hash(state);
    }
}

impl PartialOrd for LookupNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.rows.partial_cmp(&other.rows)
    }
}

impl UserDefinedLogicalNodeCore for LookupNode {
    fn name(&self) -> &str {
        "KeyLookup"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.rows, &self.table]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.iter().flat_map(|key| key.columns.iter().cloned()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLookup")
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let Ok([rows, table]) = <[LogicalPlan; 2]>::try_from(inputs) else {
            return Err(DataFusionError::from(Error::internal("a look-up has two inputs")));
        };
        let mut exprs = exprs.into_iter();
        let keys = self.keys.iter().map(|key| Key {
            constraint: key.constraint.clone(),
            columns: exprs.by_ref().take(key.columns.len()).collect(),
        });
        LookupNode::new(rows, table, keys.collect(), Arc::clone(&self.checks), self.keep)
    }

    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = self.rows.schema().fields().len();
        let met = output.iter().filter_map(|position| position.checked_sub(own)).collect();
        // The constraints are about whole rows.
        Some(vec![(0..own).collect(), met])
    }
}

/// What is looked up.
#[derive(Debug)]
struct Lookup {
    table: Arc<TableState>,
    /// The columns of the rows that are met.
    columns: Vec<String>,
    /// What the rows have to be, whomever they meet.
    checks: Checks,
    /// The keys, with the positions of their columns in the rows.
    keys: Vec<(UniqueConstraint, Vec<usize>)>,
    keep: Keep,
}

impl Lookup {
    async fn batch(&self, batch: RecordBatch, schema: &SchemaRef) -> PlanResult<RecordBatch> {
        self.checks.check(&table_rows(self.table.definition(), batch.columns(), batch.num_rows())?)?;
        match self.keep {
            Keep::Strangers => self.strangers(batch).await,
            Keep::Everybody => self.everybody(batch, schema).await,
        }
    }

    async fn strangers(&self, mut batch: RecordBatch) -> PlanResult<RecordBatch> {
        for (constraint, positions) in &self.keys {
            let keys = columns(&batch, positions);
            let (met, _) = self.table.take_by_unique_key(&constraint.columns, &keys, &[]).await?;
            if !met.is_empty() {
                let mut strangers = vec![true; batch.num_rows()];
                met.values().iter().for_each(|row| strangers[*row as usize] = false);
                batch = filter_record_batch(&batch, &BooleanArray::from(strangers))?;
            }
        }
        Ok(batch)
    }

    async fn everybody(&self, batch: RecordBatch, schema: &SchemaRef) -> PlanResult<RecordBatch> {
        let Some((constraint, positions)) = self.keys.first() else {
            return Err(Error::internal("a look-up without a key").into());
        };
        let keys = columns(&batch, positions);
        let (met, rows) = self.table.take_by_unique_key(&constraint.columns, &keys, &self.columns).await?;
        let mut place: Vec<Option<u32>> = vec![None; batch.num_rows()];
        met.values().iter().enumerate().for_each(|(index, row)| place[*row as usize] = Some(index as u32));
        let place = UInt32Array::from(place);
        let mut all: Vec<ArrayRef> = batch.columns().to_vec();
        for column in rows.columns() {
            all.push(take(column, &place, None)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), all, &options)?)
    }
}

fn columns(batch: &RecordBatch, positions: &[usize]) -> Vec<ArrayRef> {
    positions.iter().map(|position| Arc::clone(batch.column(*position))).collect()
}

/// The operator.
#[derive(Debug)]
pub(crate) struct LookupExec {
    rows: Arc<dyn ExecutionPlan>,
    lookup: Arc<Lookup>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl LookupExec {
    fn new(rows: Arc<dyn ExecutionPlan>, lookup: Arc<Lookup>, schema: Arc<Schema>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            rows.output_partitioning().clone(),
            rows.pipeline_behavior(),
            rows.boundedness(),
        );
        LookupExec { rows, lookup, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for LookupExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.lookup.table;
        let keys: Vec<&str> = self.lookup.keys.iter().map(|(constraint, _)| constraint.name.as_str()).collect();
        let keep = match self.lookup.keep {
            Keep::Strangers => "new",
            Keep::Everybody => "all",
        };
        let (name, version) = (&table.definition().name, table.version_text());
        write!(f, "KeyLookup: table={name}, version={version}, keys=[{}], keep={keep}", keys.join(", "))
    }
}

impl ExecutionPlan for LookupExec {
    fn name(&self) -> &str {
        "KeyLookup"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.rows]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let rows = children.pop().unwrap_or_else(|| Arc::clone(&self.rows));
        Ok(Arc::new(LookupExec::new(rows, Arc::clone(&self.lookup), Arc::clone(&self.schema))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.rows.execute(partition, context)?;
        let (lookup, schema) = (Arc::clone(&self.lookup), Arc::clone(&self.schema));
        let looked_up = rows.then(move |batch| {
            let (lookup, schema) = (Arc::clone(&lookup), Arc::clone(&schema));
            async move { lookup.batch(batch?, &schema).await }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), looked_up)))
    }
}
