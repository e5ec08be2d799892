//! A graph algorithm, running.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::{Stream, StreamExt, TryStreamExt};
use slipstream_engine::Error;

use super::algorithm::Algorithm;
use super::answer::Sheet;
use super::gather::{EdgeRows, VertexRows, gather};
use super::pulse::Waiting;

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) algorithm: Algorithm,
    /// The names of the vertex tables, whose rows are the first inputs.
    pub(super) tables: Vec<String>,
    /// The vertex tables that edges are between; the rows of those are the other inputs.
    pub(super) edges: Vec<(usize, usize)>,
    pub(super) description: String,
}

/// Runs an algorithm. Its children are the vertices, then the edges.
#[derive(Debug)]
pub struct GraphAlgorithmExec {
    work: Work,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// The columns of the algorithm.
    whole: SchemaRef,
    /// Those that are wanted.
    projection: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl GraphAlgorithmExec {
    pub(super) fn new(
        work: Work,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
        whole: &SchemaRef,
        projection: Option<&Vec<usize>>,
    ) -> PlanResult<Self> {
        let projection = projection.cloned().unwrap_or_else(|| (0..whole.fields().len()).collect());
        let schema = Arc::new(whole.project(&projection)?);
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        let whole = Arc::clone(whole);
        Ok(GraphAlgorithmExec {
            work,
            inputs,
            whole,
            projection,
            schema,
            properties,
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

impl DisplayAs for GraphAlgorithmExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GraphAlgorithm: {}", self.work.description)
    }
}

impl ExecutionPlan for GraphAlgorithmExec {
    fn name(&self) -> &str {
        "GraphAlgorithm"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition; self.inputs.len()]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        if children.len() != self.inputs.len() {
            return Err(Error::internal("a graph algorithm has other inputs than it had").into());
        }
        let exec = GraphAlgorithmExec::new(self.work.clone(), children, &self.whole, Some(&self.projection))?;
        Ok(Arc::new(exec))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let (vertices, edges) = self.inputs.split_at(self.work.tables.len());
        let rows = |input: &Arc<dyn ExecutionPlan>| input.execute(0, Arc::clone(&context));
        let vertices = self.work.tables.iter().cloned().zip(vertices);
        let vertices = vertices.map(|(name, input)| Ok((name, rows(input)?))).collect::<PlanResult<Vec<_>>>()?;
        let edges = self.work.edges.iter().copied().zip(edges);
        let edges = edges.map(|(ends, input)| Ok((ends, rows(input)?))).collect::<PlanResult<Vec<_>>>()?;
        let run = Run {
            algorithm: self.work.algorithm.clone(),
            whole: Arc::clone(&self.whole),
            projection: self.projection.clone(),
            schema: Arc::clone(&self.schema),
            memory: MemoryConsumer::new("GraphAlgorithm").register(context.memory_pool()),
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let size = context.session_config().batch_size();
        let batches = futures::stream::once(run.answer(vertices, edges))
            .map_ok(move |answered| batches(answered, size))
            .try_flatten()
            .map(move |batch| batch.map(|batch| batch.record_output(&metrics)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// One run.
struct Run {
    algorithm: Algorithm,
    whole: SchemaRef,
    projection: Vec<usize>,
    schema: SchemaRef,
    memory: MemoryReservation,
}

impl Run {
    /// Gathers the network, and runs the algorithm on a thread where it holds nobody up.
    async fn answer(self, vertices: Vec<VertexRows>, edges: Vec<EdgeRows>) -> PlanResult<(Sheet, MemoryReservation)> {
        let with_tables = vertices.len() > 1;
        let key = if with_tables { 1 } else { 0 };
        let network = gather(vertices, edges, self.whole.field(key).data_type(), &self.memory).await?;
        self.memory.try_grow(self.algorithm.memory(network.vertices(), network.edges.len()))?;
        let waiting = Waiting::default();
        let mut pulse = waiting.pulse();
        let Run { algorithm, projection, schema, memory, .. } = self;
        let work = SpawnedTask::spawn_blocking(move || {
            let answer = algorithm.run(&network, &mut pulse)?;
            Ok((Sheet::new(network, answer, with_tables, &projection, &schema), memory))
        });
        let answered = work.await.map_err(|error| Error::internal(format!("a graph algorithm ended: {error}")))?;
        drop(waiting);
        answered
    }
}

/// The rows, for as long as which the memory is taken.
fn batches(
    (sheet, memory): (Sheet, MemoryReservation),
    size: usize,
) -> impl Stream<Item = PlanResult<RecordBatch>> + Send {
    let rows = sheet.rows();
    let pieces = (0..rows).step_by(size.max(1));
    futures::stream::iter(pieces.map(move |start| {
        let _memory = &memory;
        sheet.batch(start..rows.min(start + size))
    }))
}
