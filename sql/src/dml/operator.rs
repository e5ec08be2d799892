//! A write as an operator of the physical plan.
//!
//! It takes all rows of its input before it gives one: batch by batch through [`Rows`], which decides what becomes of them.
//! Rows that come go to a [`Sink`](super::sink::Sink), those that go are kept, and both end up in the statement's [`Gathering`].
//! What is kept goes to temporary files when it is much. What it gives are the rows for RETURNING. It runs once, however often it is asked for its rows, because a second run would
//! write twice.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::{StreamExt, stream};
use slipstream_engine::change::{Changes, RowChanges};
use slipstream_engine::{Batches, Error, Result};
use tokio::sync::OnceCell;

use super::checks::Checks;
use super::gathering::Gathering;
use super::lock::{LockExec, LockNode};
use super::lookup::LookupNode;
use super::rows::{Counts, Rows};
use super::write::{Write, WriteNode};
use crate::error::from_datafusion;

/// Makes operators of this module's nodes.
#[derive(Debug)]
pub(crate) struct Operators;

#[async_trait]
impl ExtensionPlanner for Operators {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &SessionState,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        if let Some(lookup) = node.as_any().downcast_ref::<LookupNode>() {
            return lookup.physical(inputs, session).map(Some);
        }
        let input = || {
            inputs.first().cloned().ok_or_else(|| DataFusionError::from(Error::internal("an operator without input")))
        };
        if let Some(lock) = node.as_any().downcast_ref::<LockNode>() {
            return Ok(Some(Arc::new(LockExec::new(lock, input()?))));
        }
        let Some(node) = node.as_any().downcast_ref::<WriteNode>() else { return Ok(None) };
        let checks = Checks::new(&node.write().table, &node.write().checks, session)?;
        let schema = Arc::clone(UserDefinedLogicalNode::schema(node).inner());
        Ok(Some(Arc::new(WriteExec::new(input()?, Arc::clone(node.write()), Arc::new(checks), schema))))
    }
}

/// The operator.
pub(crate) struct WriteExec {
    input: Arc<dyn ExecutionPlan>,
    write: Arc<Write>,
    checks: Arc<Checks>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// The rows for RETURNING, once the write has run.
    returned: Arc<OnceCell<Batches>>,
}

impl WriteExec {
    fn new(input: Arc<dyn ExecutionPlan>, write: Arc<Write>, checks: Arc<Checks>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        WriteExec {
            input,
            write,
            checks,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
            returned: Arc::default(),
        }
    }

    /// Runs the write of a plan that has run, if what is above it has not asked for its rows.
    pub(crate) async fn finish(plan: &Arc<dyn ExecutionPlan>, task: &Arc<TaskContext>) -> Result<()> {
        let mut plans = vec![plan];
        while let Some(plan) = plans.pop() {
            match plan.downcast_ref::<WriteExec>() {
                Some(write) if write.returned.initialized() => return Ok(()),
                Some(write) => {
                    let mut rows = write.execute(0, Arc::clone(task)).map_err(from_datafusion)?;
                    while let Some(batch) = rows.next().await {
                        batch.map_err(from_datafusion)?;
                    }
                    return Ok(());
                }
                None => plans.extend(plan.children()),
            }
        }
        Ok(())
    }

    /// Takes the whole input.
    fn take_all(&self, context: &Arc<TaskContext>) -> PlanResult<impl Future<Output = Result<Batches>> + use<>> {
        let gathering = Gathering::of(context).ok_or_else(|| Error::internal("a write runs outside of a statement"))?;
        let mut input = self.input.execute(0, Arc::clone(context))?;
        let checks = Arc::clone(&self.checks);
        let mut rows = Rows::new(&self.write, checks, Arc::clone(&self.schema))?;
        let (write, metrics) = (Arc::clone(&self.write), self.metrics.clone());
        Ok(async move {
            let keeps = write.replaces() || !gathering.is_bulk();
            let mut sink = gathering.sink(&write.table);
            if keeps {
                sink = sink.keeping();
            }
            let (mut removed, mut returned) = (gathering.batches(), gathering.batches());
            let mut reserved = 0;
            let mut counts = Counts::default();
            while let Some(batch) = input.next().await {
                let changed = rows.change(&batch.map_err(from_datafusion)?)?;
                counts.add(changed.counts);
                changed.removed.map_or(Ok(()), |batch| removed.push(batch))?;
                changed.returned.map_or(Ok(()), |batch| returned.push(batch))?;
                if let Some(added) = changed.added {
                    sink.push(added).await?;
                }
                let used = removed.memory() + returned.memory() + sink.memory() + rows.memory();
                gathering.reserve(used.saturating_sub(reserved))?;
                reserved = reserved.max(used);
            }
            let mut changes = Changes::default();
            sink.finish(&mut changes).await?;
            if !removed.is_empty() {
                match changes.rows.first_mut() {
                    Some(rows) => rows.removed = removed,
                    None => changes.rows.push(RowChanges { removed, ..RowChanges::new(Arc::clone(&write.table)) }),
                }
            }
            for (name, count) in
                [("inserted", counts.inserted), ("updated", counts.updated), ("deleted", counts.deleted)]
            {
                if count > 0 {
                    MetricBuilder::new(&metrics).global_counter(name).add(count);
                }
            }
            gathering.add(changes, counts);
            Ok(returned)
        })
    }
}

impl fmt::Debug for WriteExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.write, f)
    }
}

impl DisplayAs for WriteExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.write, f)
    }
}

impl ExecutionPlan for WriteExec {
    fn name(&self) -> &str {
        "Write"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        let (write, checks) = (Arc::clone(&self.write), Arc::clone(&self.checks));
        Ok(Arc::new(WriteExec::new(input, write, checks, Arc::clone(&self.schema))))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let (returned, schema) = (Arc::clone(&self.returned), Arc::clone(&self.schema));
        let rows = match returned.initialized() {
            true => None,
            false => Some(self.take_all(&context)?),
        };
        let batches = stream::once(async move {
            let batches = match rows {
                None => returned.get().cloned().unwrap_or_default(),
                Some(rows) => returned.get_or_try_init(|| rows).await?.clone(),
            };
            Ok::<_, DataFusionError>(batches.stream(schema))
        });
        let batches = futures::TryStreamExt::try_flatten(batches);
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}
