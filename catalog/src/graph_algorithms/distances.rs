//! Shortest distances from some vertices to all that can be reached.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::neighbours::Neighbours;
use super::network::{Keys, Network};
use super::pulse::Pulse;
use crate::expand::Way;

/// What is asked of shortest distances.
#[derive(Debug, Clone)]
pub struct Distances {
    /// The way in which edges are followed.
    pub way: Way,
    /// Where paths start. A distance is from the nearest of them.
    pub sources: Keys,
    /// What is farther away is left out.
    pub most: Option<f64>,
}

/// The distances of the vertices that can be reached: edges counted, or their weights added.
pub(super) fn distances(network: &Network, asked: &Distances, pulse: &mut Pulse) -> PlanResult<Answer> {
    let sources = network.find(&asked.sources)?;
    let weights = network.weights.as_deref();
    let neighbours = Neighbours::of(&network.edges, weights, network.vertices(), asked.way, pulse)?;
    let most = asked.most.unwrap_or(f64::INFINITY);
    Ok(match weights {
        None => {
            let hops = hops(&neighbours, &sources, most, pulse)?;
            let (vertices, hops) = reached(&hops, |hops| *hops != UNREACHED);
            Answer::of(vertices, vec![Values::Counts(hops.into_iter().map(i64::from).collect())])
        }
        Some(_) => {
            let distances = lengths(&neighbours, &sources, most, pulse)?;
            let (vertices, distances) = reached(&distances, |distance| distance.is_finite());
            Answer::of(vertices, vec![Values::Numbers(distances)])
        }
    })
}

fn reached<T: Copy>(distances: &[T], is_reached: impl Fn(&T) -> bool) -> (Vec<u32>, Vec<T>) {
    let reached = (0_u32..).zip(distances).filter(|(_, distance)| is_reached(distance));
    reached.map(|(vertex, distance)| (vertex, *distance)).unzip()
}

const UNREACHED: u32 = u32::MAX;

/// Breadth first.
fn hops(neighbours: &Neighbours, sources: &[u32], most: f64, pulse: &mut Pulse) -> PlanResult<Vec<u32>> {
    let mut hops = vec![UNREACHED; neighbours.vertices()];
    let mut frontier = if most >= 0.0 { sources.to_vec() } else { Vec::new() };
    frontier.iter().for_each(|source| hops[*source as usize] = 0);
    let mut depth = 0;
    while !frontier.is_empty() && f64::from(depth + 1) <= most {
        depth += 1;
        let mut next = Vec::new();
        for vertex in frontier {
            pulse.beats(neighbours.list(vertex).len() + 1)?;
            for neighbour in neighbours.list(vertex) {
                if hops[*neighbour as usize] == UNREACHED {
                    hops[*neighbour as usize] = depth;
                    next.push(*neighbour);
                }
            }
        }
        frontier = next;
    }
    Ok(hops)
}

/// A vertex in Dijkstra's queue.
#[derive(Debug, PartialEq)]
struct Reached {
    distance: f64,
    vertex: u32,
}

impl Eq for Reached {}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.vertex.cmp(&other.vertex))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By Dijkstra; what is not reached is infinitely far away.
fn lengths(neighbours: &Neighbours, sources: &[u32], most: f64, pulse: &mut Pulse) -> PlanResult<Vec<f64>> {
    let mut distances = vec![f64::INFINITY; neighbours.vertices()];
    let mut queue = BinaryHeap::new();
    for vertex in sources.iter().copied().filter(|_| most >= 0.0) {
        distances[vertex as usize] = 0.0;
        queue.push(Reverse(Reached { distance: 0.0, vertex }));
    }
    while let Some(Reverse(Reached { distance, vertex })) = queue.pop() {
        if distance > distances[vertex as usize] {
            continue;
        }
        pulse.beats(neighbours.list(vertex).len() + 1)?;
        for (neighbour, weight) in neighbours.weighted(vertex) {
            let farther = distance + weight;
            if farther < distances[neighbour as usize] && farther <= most {
                distances[neighbour as usize] = farther;
                queue.push(Reverse(Reached { distance: farther, vertex: neighbour }));
            }
        }
    }
    Ok(distances)
}
