//! The node and the operator that note the rows which a statement locks.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::compute::{filter_record_batch, is_not_null};
use arrow::datatypes::{Field, Schema};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{
    Expr, Extension, LogicalPlan, LogicalPlanBuilder, SubqueryAlias, UserDefinedLogicalNodeCore,
};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;
use slipstream_engine::{Error, Result};

use super::{LOCKED, Lock, Locks};
use crate::dml::gathering::Gathering;
use crate::error::{from_arrow, from_datafusion};

/// Puts nodes into the plan of a statement that was rewritten. The identities are gone from what the plan gives.
pub(crate) fn wrap(plan: LogicalPlan, locks: &Locks) -> Result<LogicalPlan> {
    let plan = plan.transform_down_with_subqueries(|node| {
        let LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) = &node else {
            return Ok(Transformed::no(node));
        };
        let number = alias.table().strip_prefix(LOCKED).and_then(|number| number.parse::<usize>().ok());
        let Some(locks) = number.and_then(|number| locks.below.get(number)) else { return Ok(Transformed::no(node)) };
        if matches!(input.as_ref(), LogicalPlan::Extension(_)) {
            return Ok(Transformed::no(node));
        }
        let locked = Arc::new(LockNode::over(input.as_ref().clone(), locks));
        Ok(Transformed::yes(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(locked, alias.clone())?)))
    });
    let plan = plan.map_err(from_datafusion)?.data;
    if locks.top.is_empty() {
        return Ok(plan);
    }
    let hidden: usize = locks.top.iter().map(|lock| lock.identity.len()).sum();
    let shown = plan.schema().fields().len() - hidden;
    let locked = LockNode::over(plan, &locks.top);
    let columns: Vec<Expr> =
        locked.schema().iter().take(shown).map(|field| Expr::Column(Column::from(field))).collect();
    LogicalPlanBuilder::from(locked).project(columns).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
}

/// The node: its input's last columns are identities, for one table after the other.
#[derive(Debug, Clone)]
pub(crate) struct LockNode {
    input: LogicalPlan,
    locks: Arc<Vec<Lock>>,
}

impl LockNode {
    fn over(input: LogicalPlan, locks: &[Lock]) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(LockNode { input, locks: Arc::new(locks.to_vec()) }) })
    }
}

impl PartialEq for LockNode {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.locks, &other.locks) && self.input == other.input
    }
}

impl Eq for LockNode {}

impl Hash for LockNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
    }
}

impl PartialOrd for LockNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input)
    }
}

impl UserDefinedLogicalNodeCore for LockNode {
    fn name(&self) -> &str {
        "LockRows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockRows")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let input = inputs.pop().ok_or_else(|| DataFusionError::from(Error::internal("a lock without an input")))?;
        Ok(LockNode { input, locks: Arc::clone(&self.locks) })
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}

/// The operator.
#[derive(Debug)]
pub(crate) struct LockExec {
    input: Arc<dyn ExecutionPlan>,
    locks: Arc<Vec<Lock>>,
    properties: Arc<PlanProperties>,
}

impl LockExec {
    pub(crate) fn new(node: &LockNode, input: Arc<dyn ExecutionPlan>) -> Self {
        LockExec::over(input, Arc::clone(&node.locks))
    }

    fn over(input: Arc<dyn ExecutionPlan>, locks: Arc<Vec<Lock>>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(
                input.schema(),
                input.output_ordering().map(|ordering| ordering.iter().cloned().collect::<Vec<_>>()),
            ),
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        LockExec { input, locks, properties: Arc::new(properties) }
    }
}

fn note(gathering: &Gathering, locks: &[Lock], batch: &RecordBatch) -> Result<()> {
    let hidden: usize = locks.iter().map(|lock| lock.identity.len()).sum();
    let mut start = batch.num_columns() - hidden;
    for lock in locks {
        let columns = batch.columns()[start..start + lock.identity.len()].to_vec();
        start += lock.identity.len();
        let fields: Vec<Field> = lock
            .identity
            .iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(name, column.data_type().clone(), true))
            .collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(from_arrow)?;
        let there = is_not_null(rows.column(rows.num_columns() - 1)).map_err(from_arrow)?;
        gathering.lock(&lock.table, lock.exclusive, filter_record_batch(&rows, &there).map_err(from_arrow)?)?;
    }
    Ok(())
}

impl DisplayAs for LockExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<&str> = self.locks.iter().map(|lock| lock.table.name.as_str()).collect();
        write!(f, "LockRows: tables=[{}]", tables.join(", "))
    }
}

impl ExecutionPlan for LockExec {
    fn name(&self) -> &str {
        "LockRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
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
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(LockExec::over(input, Arc::clone(&self.locks))))
    }

    /// Outside of a transaction block nobody keeps the locks: the statement is over when its rows are there.
    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, Arc::clone(&context))?;
        let Some(gathering) = Gathering::of(&context) else { return Ok(rows) };
        let locks = Arc::clone(&self.locks);
        let noted = rows.map(move |batch| {
            let batch = batch?;
            note(&gathering, &locks, &batch)?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), noted)))
    }
}
