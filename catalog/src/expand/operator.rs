//! Expand, running.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int64Array, ListArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::EmissionType;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryFutureExt};
use parking_lot::Mutex;
use slipstream_engine::Error;

use super::adjacency::{Adjacency, EdgePositions, Way};
use super::walk::{Bounds, Found, Paths};

/// Steps between two moments in which others may run.
const FUEL: usize = 50_000;

/// The neighbours, gathered by whichever partition asks first.
type Gathering = Shared<BoxFuture<'static, Result<Arc<Adjacency>, Arc<DataFusionError>>>>;

/// Joins each row with the ends of the paths that start in it. Its children are the rows and the edges.
#[derive(Debug)]
pub struct ExpandExec {
    children: [Arc<dyn ExecutionPlan>; 2],
    start: Arc<dyn PhysicalExpr>,
    edges: (EdgePositions, Way),
    bounds: Bounds,
    outer: bool,
    added: Vec<FieldRef>,
    name: String,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    gathering: Mutex<Option<Gathering>>,
    metrics: ExecutionPlanMetricsSet,
}

impl ExpandExec {
    pub(super) fn new(
        children: [Arc<dyn ExecutionPlan>; 2],
        start: Arc<dyn PhysicalExpr>,
        edges: (EdgePositions, Way),
        bounds: Bounds,
        outer: bool,
        added: Vec<FieldRef>,
        name: String,
    ) -> Self {
        let [input, _] = &children;
        let fields: Vec<FieldRef> = input.schema().fields().iter().chain(&added).map(Arc::clone).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, input.schema().metadata().clone()));
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.properties().output_partitioning().partition_count()),
            EmissionType::Incremental,
            input.properties().boundedness,
        ));
        ExpandExec {
            children,
            start,
            edges,
            bounds,
            outer,
            added,
            name,
            schema,
            properties,
            gathering: Mutex::new(None),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn gathering(&self, context: &Arc<TaskContext>) -> PlanResult<Gathering> {
        let mut gathering = self.gathering.lock();
        if let Some(running) = &*gathering {
            return Ok(running.clone());
        }
        let rows = self.children[1].execute(0, Arc::clone(context))?;
        let memory = MemoryConsumer::new(format!("Expand[{}]", self.name)).register(context.memory_pool());
        let (positions, way) = self.edges.clone();
        let future = async move {
            let gathered = Adjacency::gather(rows, positions, way, memory).await;
            gathered.map(Arc::new).map_err(Arc::new)
        };
        Ok(gathering.insert(future.boxed().shared()).clone())
    }
}

impl DisplayAs for ExpandExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bounds { least, most, repeats, search } = self.bounds;
        let way = match self.edges.1 {
            Way::Forward => "forward",
            Way::Backward => "backward",
            Way::Both => "both",
        };
        write!(f, "Expand: edges={}, length={least}..{most}, way={way}, start={}", self.name, self.start)?;
        if repeats {
            write!(f, ", walks")?;
        }
        if let Some(search) = search {
            write!(f, ", {}", if search.all { "all shortest" } else { "shortest" })?;
        }
        if self.outer { write!(f, ", outer") } else { Ok(()) }
    }
}

impl ExecutionPlan for ExpandExec {
    fn name(&self) -> &str {
        "Expand"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.children.iter().collect()
    }

    /// The edges are gathered by one reader.
    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::UnspecifiedDistribution, Distribution::SinglePartition]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![true, false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let children: [Arc<dyn ExecutionPlan>; 2] =
            children.try_into().map_err(|_| Error::internal("Expand has two children"))?;
        Ok(Arc::new(ExpandExec::new(
            children,
            Arc::clone(&self.start),
            self.edges.clone(),
            self.bounds,
            self.outer,
            self.added.clone(),
            self.name.clone(),
        )))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let gathering = self.gathering(&context)?;
        let input = self.children[0].execute(partition, Arc::clone(&context))?;
        let expansion = Expansion {
            start: Arc::clone(&self.start),
            bounds: self.bounds,
            outer: self.outer,
            added: self.added.clone(),
            schema: Arc::clone(&self.schema),
            batch_size: context.session_config().batch_size(),
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let rows = async move {
            let adjacency = gathering.await.map_err(DataFusionError::Shared)?;
            Ok::<_, DataFusionError>(futures::stream::try_unfold(
                (input, None::<Progress>, expansion, adjacency, metrics),
                |(mut input, mut progress, expansion, adjacency, metrics)| async move {
                    loop {
                        let Some(current) = &mut progress else {
                            let Some(batch) = input.next().await.transpose()? else { return Ok(None) };
                            progress = Some(expansion.begin(batch, &adjacency)?);
                            continue;
                        };
                        let timer = metrics.elapsed_compute().timer();
                        let state = expansion.advance(current, &adjacency);
                        let rows = match state {
                            State::Tired => None,
                            State::Full | State::Done => Some(expansion.batch(current, &adjacency)?),
                        };
                        timer.done();
                        if state == State::Done {
                            progress = None;
                        }
                        match rows {
                            None => tokio::task::yield_now().await,
                            Some(rows) if rows.num_rows() == 0 => {}
                            Some(rows) => {
                                metrics.record_output(rows.num_rows());
                                return Ok(Some((rows, (input, progress, expansion, adjacency, metrics))));
                            }
                        }
                    }
                },
            ))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows.try_flatten_stream())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// What an expansion does with each batch.
struct Expansion {
    start: Arc<dyn PhysicalExpr>,
    bounds: Bounds,
    outer: bool,
    added: Vec<FieldRef>,
    schema: SchemaRef,
    batch_size: usize,
}

/// How far it has come with a batch.
struct Progress {
    batch: RecordBatch,
    /// The vertices in which the rows start: their keys, and their numbers where they have edges.
    starts: ArrayRef,
    numbers: Vec<Option<u32>>,
    /// The row whose paths are being searched, and whether one has been found.
    row: usize,
    walking: bool,
    found: bool,
    paths: Paths,
    rows: Rows,
}

/// Rows of paths found and not yet sent.
#[derive(Default)]
struct Rows {
    rows: Vec<u32>,
    ends: Vec<PathEnd>,
    lengths: Vec<Option<i64>>,
    edges: Vec<u32>,
}

/// Where a path ends.
#[derive(Clone, Copy)]
enum PathEnd {
    /// There is none.
    Missing,
    /// Where it starts.
    Start,
    /// In the vertex of this number.
    Vertex(u32),
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A batch is full.
    Full,
    /// Others should run.
    Tired,
    /// All rows are done.
    Done,
}

impl Rows {
    fn push(&mut self, row: usize, end: PathEnd, edges: &[u32]) {
        self.rows.push(row as u32);
        self.ends.push(end);
        self.lengths.push(if matches!(end, PathEnd::Missing) { None } else { Some(edges.len() as i64) });
        self.edges.extend_from_slice(edges);
    }
}

impl Expansion {
    fn begin(&self, batch: RecordBatch, adjacency: &Adjacency) -> PlanResult<Progress> {
        let starts = self.start.evaluate(&batch)?.into_array(batch.num_rows())?;
        let numbers = adjacency.find(&starts)?;
        Ok(Progress {
            batch,
            starts,
            numbers,
            row: 0,
            walking: false,
            found: false,
            paths: Paths::new(self.bounds),
            rows: Rows::default(),
        })
    }

    /// Searches until a batch is full, the fuel is used up, or the rows are done.
    fn advance(&self, progress: &mut Progress, adjacency: &Adjacency) -> State {
        let mut fuel = FUEL;
        while progress.row < progress.numbers.len() {
            if progress.rows.rows.len() >= self.batch_size {
                return State::Full;
            }
            if !progress.walking {
                self.start_row(progress, adjacency);
                continue;
            }
            match progress.paths.next(adjacency, self.bounds, &mut fuel) {
                Found::Tired => return State::Tired,
                Found::Nothing => self.end_row(progress),
                Found::End(vertex) => {
                    progress.found = true;
                    progress.rows.push(progress.row, PathEnd::Vertex(vertex), progress.paths.edges());
                }
            }
        }
        State::Done
    }

    fn start_row(&self, progress: &mut Progress, adjacency: &Adjacency) {
        progress.found = false;
        if self.bounds.least == 0 && progress.starts.is_valid(progress.row) {
            progress.found = true;
            progress.rows.push(progress.row, PathEnd::Start, &[]);
        }
        match progress.numbers[progress.row] {
            Some(vertex) if self.bounds.most > 0 => {
                progress.paths.begin(vertex, adjacency);
                progress.walking = true;
            }
            _ => self.end_row(progress),
        }
    }

    fn end_row(&self, progress: &mut Progress) {
        if self.outer && !progress.found {
            progress.rows.push(progress.row, PathEnd::Missing, &[]);
        }
        progress.walking = false;
        progress.row += 1;
    }

    /// The paths found so far, as a batch.
    fn batch(&self, progress: &mut Progress, adjacency: &Adjacency) -> PlanResult<RecordBatch> {
        let paths = std::mem::take(&mut progress.rows);
        let count = paths.rows.len();
        let rows = UInt32Array::from(paths.rows);
        let mut columns = progress
            .batch
            .columns()
            .iter()
            .map(|column| Ok(take(column, &rows, None)?))
            .collect::<PlanResult<Vec<ArrayRef>>>()?;
        columns.push(ends(&paths.ends, &rows, &progress.starts, adjacency)?);
        let mut edges = adjacency.edges().iter();
        for field in &self.added[1..] {
            columns.push(match field.data_type() {
                DataType::List(item) => edge_lists(&paths.lengths, &paths.edges, item, edges.next())?,
                _ => Arc::new(Int64Array::from(paths.lengths.clone())),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

fn ends(ends: &[PathEnd], rows: &UInt32Array, starts: &ArrayRef, adjacency: &Adjacency) -> PlanResult<ArrayRef> {
    let vertices = adjacency.vertices();
    let missing = new_null_array(vertices.data_type(), 1);
    let places: Vec<(usize, usize)> = ends
        .iter()
        .zip(rows.values())
        .map(|(end, row)| match end {
            PathEnd::Missing => (2, 0),
            PathEnd::Start => (1, *row as usize),
            PathEnd::Vertex(number) => (0, *number as usize),
        })
        .collect();
    Ok(interleave(&[vertices.as_ref(), starts.as_ref(), missing.as_ref()], &places)?)
}

/// The values of a column along each path as a list; NULL where there is no path.
fn edge_lists(
    lengths: &[Option<i64>],
    edges: &[u32],
    item: &FieldRef,
    column: Option<&ArrayRef>,
) -> PlanResult<ArrayRef> {
    let column = column.ok_or_else(|| Error::internal("Expand without a column that it promised"))?;
    let values = take(column, &UInt32Array::from(edges.to_vec()), None)?;
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| length.unwrap_or_default() as usize));
    let nulls: NullBuffer = lengths.iter().map(Option::is_some).collect();
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, Some(nulls))?))
}
