//! The physical side: plans of the subquery, and who runs them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNode, cast};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, collect};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use slipstream_catalog::apply::{Answer, Apply, ApplyExec, ChangePlan};
use slipstream_engine::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::node::{LateralNode, PlannedNode};
use super::value::{Row, types, with_row};
use crate::error::from_datafusion;

/// Rows for which a subquery runs at once.
const AT_ONCE: usize = 4;

/// Takes the subqueries of a plan out of the physical planner's sight.
pub(crate) fn set_aside(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let planned = plan.transform_up_with_subqueries(|plan| match LateralNode::of(&plan) {
        Some(node) => {
            let node = Arc::new(PlannedNode::of(node));
            Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
        }
        None => Ok(Transformed::no(plan)),
    });
    planned.data()
}

/// Makes [`PlannedNode`] physical.
#[derive(Debug)]
pub(crate) struct LateralPlanner;

#[async_trait]
impl ExtensionPlanner for LateralPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &SessionState,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<PlannedNode>() else { return Ok(None) };
        let ([outside], [input]) = (logical_inputs, physical_inputs) else {
            return Err(Error::internal("a planned LATERAL subquery has one input").into());
        };
        let mut lanes = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE {
            let row = Row::default();
            let own = with_row(node.rows.as_ref().clone(), &row)?;
            lanes.push(Lane { plan: planner.create_physical_plan(&own, session).await?, row });
        }
        // The literals of VALUES may have got other types since the subquery was planned.
        let types = types(&node.rows)?;
        let mut fields = Vec::with_capacity(node.values.len() * 2);
        for (number, value) in node.values.iter().enumerate() {
            fields.push(Expr::Literal(ScalarValue::Utf8(Some(number.to_string())), None));
            let is_type = value.get_type(outside.schema())?;
            fields.push(match types.get(&number) {
                Some(wanted) if *wanted != is_type => cast(value.clone(), wanted.clone()),
                _ => value.clone(),
            });
        }
        let values = datafusion::functions::core::named_struct().call(fields);
        let apply = Apply {
            argument: planner.create_physical_expr(&values, outside.schema(), session)?,
            answer: Arc::new(Lanes::new(lanes, session.task_ctx())),
            outer: node.outer,
            at_once: AT_ONCE,
            description: String::new(),
        };
        let schema = Arc::clone(node.schema.inner());
        Ok(Some(Arc::new(ApplyExec::new(Arc::clone(input), apply, schema))))
    }
}

/// A plan of the subquery, and where it finds the values of the row for which it runs.
#[derive(Debug, Clone)]
struct Lane {
    plan: Arc<dyn ExecutionPlan>,
    row: Row,
}

/// Runs a subquery, for some rows at once.
#[derive(Debug)]
struct Lanes {
    all: Vec<Lane>,
    free: Arc<Mutex<Vec<Lane>>>,
    permits: Arc<Semaphore>,
    task: Arc<TaskContext>,
}

impl Lanes {
    fn new(all: Vec<Lane>, task: Arc<TaskContext>) -> Self {
        let permits = Arc::new(Semaphore::new(all.len()));
        Lanes { free: Arc::new(Mutex::new(all.clone())), all, permits, task }
    }
}

/// A lane that is taken; it is free again when this is gone.
struct Taken {
    lane: Lane,
    free: Arc<Mutex<Vec<Lane>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.free.lock().push(self.lane.clone());
    }
}

#[async_trait]
impl Answer for Lanes {
    async fn answer(&self, argument: ScalarValue) -> Result<SendableRecordBatchStream> {
        let ScalarValue::Struct(values) = argument else {
            return Err(Error::internal("the values of a row are no row"));
        };
        let values = values.columns().iter().map(|value| ScalarValue::try_from_array(value, 0));
        let values = values.collect::<PlanResult<Vec<_>>>().map_err(from_datafusion)?;
        let gone = || Error::internal("a LATERAL subquery has no plan");
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| gone())?;
        let lane = self.free.lock().pop().ok_or_else(gone)?;
        let taken = Taken { lane, free: Arc::clone(&self.free), _permit: permit };
        let schema = taken.lane.plan.schema();
        let task = Arc::clone(&self.task);
        let run = SpawnedTask::spawn(async move {
            *taken.lane.row.write() = values;
            // Some operators keep what they had the last time.
            let plan = reset_plan_states(Arc::clone(&taken.lane.plan))?;
            let rows = collect(plan, task).await;
            drop(taken);
            rows
        });
        let rows = run.await.map_err(|error| Error::internal(format!("a LATERAL subquery stopped: {error}")))?;
        let rows = rows.map_err(from_datafusion)?;
        let rows = futures::stream::iter(rows.into_iter().map(Ok));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    fn plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        self.all.first().map(|lane| &lane.plan)
    }

    fn mapped(&self, change: &ChangePlan<'_>) -> PlanResult<Option<Arc<dyn Answer>>> {
        let lanes =
            self.all.iter().map(|lane| Ok(Lane { plan: change(Arc::clone(&lane.plan))?, row: Arc::clone(&lane.row) }));
        let lanes = Lanes::new(lanes.collect::<PlanResult<Vec<_>>>()?, Arc::clone(&self.task));
        Ok(Some(Arc::new(lanes)))
    }
}
