//! Edges as lists of neighbours.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::error::Result as PlanResult;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use slipstream_engine::Error;

/// Which way edges are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd)]
pub enum Way {
    /// From source to destination.
    Forward,
    /// From destination to source.
    Backward,
    /// Either.
    Both,
}

/// Where a column of the edges is found in their batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EdgePositions {
    /// The key of the vertex where an edge starts.
    pub(super) source: usize,
    /// The key of the vertex where it ends.
    pub(super) destination: usize,
    /// The columns that are kept for each edge.
    pub(super) lists: Vec<usize>,
}

/// One step from a vertex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The edge, by number.
    pub(super) edge: u32,
    /// The vertex that it leads to, by number.
    pub(super) vertex: u32,
}

/// The edges of a table: which lead away from each vertex, and where to. Vertices and edges have numbers, and by them keys.
#[derive(Debug)]
pub(super) struct Adjacency {
    converter: RowConverter,
    numbers: HashMap<Box<[u8]>, u32>,
    /// The steps of vertex `n` are those from `starts[n]` to `starts[n + 1]`.
    starts: Vec<usize>,
    steps: Vec<Step>,
    vertices: ArrayRef,
    edges: Vec<ArrayRef>,
    _memory: MemoryReservation,
}

/// What a vertex costs beside the bytes of its key: its number, its place among the steps, and the table's slot.
const VERTEX_BYTES: usize = 64;
/// What an edge costs while it is gathered: its ends, and a step for each way.
const EDGE_BYTES: usize = 8 + 2 * size_of::<Step>();

impl Adjacency {
    /// Gathers edges. Memory is asked of `memory`, which says no with an error of its own.
    pub(super) async fn gather(
        mut edges: SendableRecordBatchStream,
        positions: EdgePositions,
        way: Way,
        memory: MemoryReservation,
    ) -> PlanResult<Adjacency> {
        let key_type = edges.schema().field(positions.source).data_type().clone();
        let mut vertices = Vertices::new(&key_type)?;
        let mut ends: Vec<(u32, u32)> = Vec::new();
        let schema = edges.schema();
        let mut kept: Vec<Vec<ArrayRef>> = vec![Vec::new(); positions.lists.len()];
        while let Some(batch) = edges.next().await.transpose()? {
            let source = vertices.number(batch.column(positions.source))?;
            let destination = vertices.number(batch.column(positions.destination))?;
            ends.extend(source.into_iter().zip(destination));
            let mut bytes = batch.num_rows() * EDGE_BYTES + vertices.take_bytes();
            for (kept, at) in kept.iter_mut().zip(&positions.lists) {
                bytes += batch.column(*at).get_array_memory_size();
                kept.push(std::sync::Arc::clone(batch.column(*at)));
            }
            memory.try_grow(bytes)?;
        }
        let kept = kept.iter().zip(&positions.lists);
        let edges = kept.map(|(pieces, at)| joined(pieces, schema.field(*at).data_type()));
        let edges = edges.collect::<PlanResult<Vec<ArrayRef>>>()?;
        let (starts, steps) = lists(&ends, vertices.numbers.len(), way);
        let Vertices { converter, numbers, keys, .. } = vertices;
        let vertices = joined(&keys, &key_type)?;
        Ok(Adjacency { converter, numbers, starts, steps, vertices, edges, _memory: memory })
    }

    /// The numbers of the vertices with these keys; none for a key that no edge touches.
    pub(super) fn find(&self, keys: &ArrayRef) -> PlanResult<Vec<Option<u32>>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(keys))?;
        Ok((0..keys.len())
            .map(|at| keys.is_valid(at).then(|| self.numbers.get(rows.row(at).as_ref()).copied()).flatten())
            .collect())
    }

    /// Where the steps from a vertex stand.
    pub(super) fn steps_of(&self, vertex: u32) -> std::ops::Range<usize> {
        self.starts[vertex as usize]..self.starts[vertex as usize + 1]
    }

    pub(super) fn step(&self, at: usize) -> Step {
        self.steps[at]
    }

    /// Keys of vertices, by number.
    pub(super) fn vertices(&self) -> &ArrayRef {
        &self.vertices
    }

    /// The columns that were asked for of each edge, by number.
    pub(super) fn edges(&self) -> &[ArrayRef] {
        &self.edges
    }
}

/// Vertices, numbered as they come by.
struct Vertices {
    converter: RowConverter,
    numbers: HashMap<Box<[u8]>, u32>,
    /// Their keys in the order of their numbers, in pieces.
    keys: Vec<ArrayRef>,
    bytes: usize,
}

impl Vertices {
    fn new(key_type: &DataType) -> PlanResult<Self> {
        let converter = RowConverter::new(vec![SortField::new(key_type.clone())])?;
        Ok(Vertices { converter, numbers: HashMap::new(), keys: Vec::new(), bytes: 0 })
    }

    fn number(&mut self, keys: &ArrayRef) -> PlanResult<Vec<u32>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(keys))?;
        let mut numbers = Vec::with_capacity(keys.len());
        let mut fresh: Vec<u32> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let key: &[u8] = row.as_ref();
            if let Some(number) = self.numbers.get(key) {
                numbers.push(*number);
                continue;
            }
            let number = u32::try_from(self.numbers.len()).map_err(|_| Error::internal("too many vertices"))?;
            self.numbers.insert(key.into(), number);
            self.bytes += key.len() + VERTEX_BYTES;
            fresh.push(at as u32);
            numbers.push(number);
        }
        if !fresh.is_empty() {
            let fresh = take(keys, &UInt32Array::from(fresh), None)?;
            self.bytes += fresh.get_array_memory_size();
            self.keys.push(fresh);
        }
        Ok(numbers)
    }

    /// Bytes added since the last call.
    fn take_bytes(&mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

fn joined(pieces: &[ArrayRef], key_type: &DataType) -> PlanResult<ArrayRef> {
    if pieces.is_empty() {
        return Ok(new_empty_array(key_type));
    }
    let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| piece.as_ref() as &dyn Array).collect();
    Ok(concat(&pieces)?)
}

/// Steps sorted by the vertex that they leave. An edge from a vertex to itself is one step, also where both ways are.
fn lists(ends: &[(u32, u32)], vertices: usize, way: Way) -> (Vec<usize>, Vec<Step>) {
    let each = |take: &mut dyn FnMut(u32, Step)| {
        for (edge, (source, destination)) in ends.iter().enumerate() {
            let edge = edge as u32;
            if way != Way::Backward {
                take(*source, Step { edge, vertex: *destination });
            }
            if way == Way::Backward || way == Way::Both && source != destination {
                take(*destination, Step { edge, vertex: *source });
            }
        }
    };
    let mut starts = vec![0; vertices + 1];
    each(&mut |from, _| starts[from as usize + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut steps = vec![Step { edge: 0, vertex: 0 }; starts[vertices]];
    each(&mut |from, step| {
        steps[next[from as usize]] = step;
        next[from as usize] += 1;
    });
    (starts, steps)
}
