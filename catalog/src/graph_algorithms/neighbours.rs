//! Lists of neighbours.

use super::pulse::Pulse;
use crate::expand::Way;
use datafusion::error::Result as PlanResult;

/// The neighbours of each vertex, by number: one for each edge.
#[derive(Debug)]
pub(super) struct Neighbours {
    /// Those of vertex `n` are from `starts[n]` to `starts[n + 1]`.
    starts: Vec<usize>,
    ends: Vec<u32>,
    weights: Option<Vec<f64>>,
}

/// What a list costs for each vertex.
pub(super) const START_BYTES: usize = size_of::<usize>();
/// What it costs for each edge and way.
pub(super) const END_BYTES: usize = size_of::<u32>() + size_of::<f64>();

impl Neighbours {
    /// Those that edges lead to, that way. An edge from a vertex to itself leads there once, also where both ways are.
    pub(super) fn of(
        edges: &[(u32, u32)],
        weights: Option<&[f64]>,
        vertices: usize,
        way: Way,
        pulse: &mut Pulse,
    ) -> PlanResult<Self> {
        let mut each = |take: &mut dyn FnMut(u32, u32, usize)| -> PlanResult<()> {
            for (edge, (source, destination)) in edges.iter().copied().enumerate() {
                pulse.beat()?;
                if way != Way::Backward {
                    take(source, destination, edge);
                }
                if way == Way::Backward || way == Way::Both && source != destination {
                    take(destination, source, edge);
                }
            }
            Ok(())
        };
        let mut starts = vec![0; vertices + 1];
        each(&mut |from, _, _| starts[from as usize + 1] += 1)?;
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut ends = vec![0; starts[vertices]];
        let mut listed = weights.map(|_| vec![0.0; ends.len()]);
        each(&mut |from, to, edge| {
            let place = &mut next[from as usize];
            ends[*place] = to;
            if let (Some(listed), Some(weights)) = (&mut listed, weights) {
                listed[*place] = weights[edge];
            }
            *place += 1;
        })?;
        Ok(Neighbours { starts, ends, weights: listed })
    }

    /// The same, each neighbour once, in order, and nobody their own. Weights are left out.
    pub(super) fn distinct(self, pulse: &mut Pulse) -> PlanResult<Self> {
        let Neighbours { starts, mut ends, .. } = self;
        let mut kept = vec![0; starts.len()];
        let mut length = 0;
        for vertex in 0..starts.len() - 1 {
            let (start, end) = (starts[vertex], starts[vertex + 1]);
            pulse.beats(end - start + 1)?;
            ends[start..end].sort_unstable();
            let first = length;
            for at in start..end {
                let neighbour = ends[at];
                let known = length > first && ends[length - 1] == neighbour;
                if neighbour as usize != vertex && !known {
                    ends[length] = neighbour;
                    length += 1;
                }
            }
            kept[vertex + 1] = length;
        }
        ends.truncate(length);
        Ok(Neighbours { starts: kept, ends, weights: None })
    }

    /// How many vertices there are.
    pub(super) fn vertices(&self) -> usize {
        self.starts.len() - 1
    }

    /// The neighbours of a vertex.
    pub(super) fn list(&self, vertex: u32) -> &[u32] {
        &self.ends[self.range(vertex)]
    }

    /// The neighbours of a vertex and the weights of the edges to them, which are one where edges have none.
    pub(super) fn weighted(&self, vertex: u32) -> impl Iterator<Item = (u32, f64)> + '_ {
        self.range(vertex).map(|at| (self.ends[at], self.weights.as_ref().map_or(1.0, |weights| weights[at])))
    }

    fn range(&self, vertex: u32) -> std::ops::Range<usize> {
        self.starts[vertex as usize]..self.starts[vertex as usize + 1]
    }
}
