//! K-cores: the largest parts of a graph in which everybody has at least k neighbours.
//!
//! By Batagelj and Zaversnik, "An O(m) Algorithm for Cores Decomposition of Networks", 2003: vertices are taken out by the
//! number of neighbours that are left to them, the fewest first.

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::neighbours::Neighbours;
use super::network::Network;
use super::pulse::Pulse;
use crate::expand::Way;

/// The largest k for which each vertex is in a k-core. Neighbours count once, whichever way and however many edges lead to
/// them, and nobody is their own.
pub(super) fn cores(network: &Network, pulse: &mut Pulse) -> PlanResult<Answer> {
    let neighbours = Neighbours::of(&network.edges, None, network.vertices(), Way::Both, pulse)?.distinct(pulse)?;
    let cores = core_numbers(&neighbours, pulse)?;
    Ok(Answer::of_all(vec![Values::Counts(cores.into_iter().map(i64::from).collect())]))
}

fn core_numbers(neighbours: &Neighbours, pulse: &mut Pulse) -> PlanResult<Vec<u32>> {
    let mut left: Vec<u32> =
        (0..neighbours.vertices() as u32).map(|vertex| neighbours.list(vertex).len() as u32).collect();
    let mut queue = Queue::of(&left);
    for at in 0..left.len() {
        let vertex = queue.order[at];
        for other in neighbours.list(vertex) {
            pulse.beat()?;
            if left[*other as usize] > left[vertex as usize] {
                queue.forward(*other, left[*other as usize]);
                left[*other as usize] -= 1;
            }
        }
        pulse.beat()?;
    }
    Ok(left)
}

/// Vertices by how many neighbours are left to them.
struct Queue {
    order: Vec<u32>,
    /// Where a vertex stands in the order.
    places: Vec<usize>,
    /// Where those with so many neighbours begin.
    starts: Vec<usize>,
}

impl Queue {
    fn of(left: &[u32]) -> Self {
        let most = left.iter().max().map_or(0, |most| *most as usize);
        let mut starts = vec![0; most + 2];
        for count in left {
            starts[*count as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut queue = Queue { order: vec![0; left.len()], places: vec![0; left.len()], starts };
        for (vertex, count) in left.iter().enumerate() {
            let place = &mut next[*count as usize];
            queue.order[*place] = vertex as u32;
            queue.places[vertex] = *place;
            *place += 1;
        }
        queue
    }

    /// Moves a vertex with `count` neighbours among those with one less: it changes places with the first of its kind, which
    /// then begin behind it.
    fn forward(&mut self, vertex: u32, count: u32) {
        let (place, first) = (self.places[vertex as usize], self.starts[count as usize]);
        let other = self.order[first];
        self.order.swap(place, first);
        self.places[vertex as usize] = first;
        self.places[other as usize] = place;
        self.starts[count as usize] += 1;
    }
}
