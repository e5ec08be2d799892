//! Communities by the Louvain method.
//!
//! By Blondel, Guillaume, Lambiotte and Lefebvre, "Fast unfolding of communities in large networks", 2008. Vertices move to
//! the community of a neighbour for as long as that raises the modularity; then communities become the vertices of a smaller
//! graph, and so on until nothing moves.

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::components::named_by_first;
use super::neighbours::Neighbours;
use super::network::Network;
use super::pulse::Pulse;
use crate::expand::Way;

/// What is asked of the Louvain method.
#[derive(Debug, Clone, Copy)]
pub struct Louvain {
    /// Above 1 communities are smaller, below 1 larger.
    pub resolution: f64,
    /// The order in which vertices are visited follows from it.
    pub seed: u64,
}

/// A move has to be worth more than what rounding makes of sums.
const WORTH: f64 = 1e-12;
/// Rounds of moves in one graph at most.
const ROUNDS: usize = 1000;

/// The community of each vertex, which is called by its first vertex. Edges lead both ways, and parallel ones add up.
pub(super) fn louvain(network: &Network, asked: Louvain, pulse: &mut Pulse) -> PlanResult<Answer> {
    let mut level = Level::first(network, pulse)?;
    let mut communities: Vec<u32> = (0..network.vertices() as u32).collect();
    let mut order = Order(asked.seed);
    while let Some(moved) = level.moved(asked.resolution, &mut order, pulse)? {
        let (smaller, names) = level.folded(&moved, pulse)?;
        communities.iter_mut().for_each(|community| *community = names[*community as usize]);
        level = smaller;
    }
    Ok(Answer::of_all(vec![Values::Vertices(named_by_first(&communities))]))
}

/// A graph whose vertices are communities of the one before.
struct Level {
    /// Without edges from a vertex to itself.
    neighbours: Neighbours,
    /// The weight of a vertex's edges to itself.
    inner: Vec<f64>,
    /// The weights of the ends of edges at a vertex.
    degrees: Vec<f64>,
    /// All of them.
    total: f64,
}

impl Level {
    fn first(network: &Network, pulse: &mut Pulse) -> PlanResult<Self> {
        let weights = network.weights.as_deref();
        let weighted = network.edges.iter().copied().enumerate();
        let weighted = weighted.map(|(edge, ends)| (ends, weights.map_or(1.0, |weights| weights[edge])));
        Self::of(weighted, network.vertices(), pulse)
    }

    fn of(edges: impl Iterator<Item = ((u32, u32), f64)>, vertices: usize, pulse: &mut Pulse) -> PlanResult<Self> {
        let mut inner = vec![0.0; vertices];
        let mut degrees = vec![0.0; vertices];
        let (mut ends, mut weights) = (Vec::new(), Vec::new());
        for ((source, destination), weight) in edges {
            pulse.beat()?;
            degrees[source as usize] += weight;
            degrees[destination as usize] += weight;
            if source == destination {
                inner[source as usize] += weight;
            } else {
                ends.push((source, destination));
                weights.push(weight);
            }
        }
        let neighbours = Neighbours::of(&ends, Some(&weights), vertices, Way::Both, pulse)?;
        let total = degrees.iter().sum();
        Ok(Level { neighbours, inner, degrees, total })
    }

    /// The communities after all moves that are worth it; `None` where there are none.
    fn moved(&self, resolution: f64, order: &mut Order, pulse: &mut Pulse) -> PlanResult<Option<Vec<u32>>> {
        let mut communities: Vec<u32> = (0..self.inner.len() as u32).collect();
        let mut weights = self.degrees.clone();
        let mut near = Near { weights: vec![0.0; self.inner.len()], touched: Vec::new() };
        let visits = order.of(self.inner.len());
        let mut any = false;
        for _ in 0..ROUNDS {
            let mut moves = false;
            for vertex in &visits {
                let degree = self.degrees[*vertex as usize];
                let own = communities[*vertex as usize];
                pulse.beats(self.neighbours.list(*vertex).len() + 1)?;
                near.gather(self.neighbours.weighted(*vertex), &communities);
                weights[own as usize] -= degree;
                let gain = |community: u32| {
                    let expected = resolution * degree * weights[community as usize] / self.total;
                    near.weights[community as usize] - expected
                };
                let stay = gain(own) + WORTH * self.total;
                let best = near.touched.iter().copied().map(|community| (gain(community), community));
                let best = best.max_by(|left, right| left.0.total_cmp(&right.0).then(right.1.cmp(&left.1)));
                let chosen = best.filter(|(gain, _)| *gain > stay).map_or(own, |(_, community)| community);
                weights[chosen as usize] += degree;
                communities[*vertex as usize] = chosen;
                moves |= chosen != own;
                near.clear();
            }
            if !moves {
                break;
            }
            any = true;
        }
        Ok(any.then_some(communities))
    }

    /// The graph of the communities, and the vertex that each community became.
    fn folded(&self, communities: &[u32], pulse: &mut Pulse) -> PlanResult<(Level, Vec<u32>)> {
        let mut names = vec![u32::MAX; communities.len()];
        let mut count = 0;
        for community in communities {
            let name = &mut names[*community as usize];
            if *name == u32::MAX {
                *name = count;
                count += 1;
            }
        }
        let vertices: Vec<u32> = communities.iter().map(|community| names[*community as usize]).collect();
        let mut edges: Vec<((u32, u32), f64)> = Vec::new();
        for vertex in 0..communities.len() as u32 {
            let from = vertices[vertex as usize];
            if self.inner[vertex as usize] > 0.0 {
                edges.push(((from, from), self.inner[vertex as usize]));
            }
            // Each edge is in the lists of both its ends.
            let once = self.neighbours.weighted(vertex).filter(|(neighbour, _)| *neighbour > vertex);
            edges.extend(once.map(|(neighbour, weight)| {
                let to = vertices[neighbour as usize];
                ((from.min(to), from.max(to)), weight)
            }));
            pulse.beats(self.neighbours.list(vertex).len() + 1)?;
        }
        edges.sort_by_key(|(ends, _)| *ends);
        edges.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        Ok((Level::of(edges.into_iter(), count as usize, pulse)?, vertices))
    }
}

/// The weights of a vertex's edges by the communities that they lead to.
struct Near {
    weights: Vec<f64>,
    touched: Vec<u32>,
}

impl Near {
    fn gather(&mut self, neighbours: impl Iterator<Item = (u32, f64)>, communities: &[u32]) {
        for (neighbour, weight) in neighbours.filter(|(_, weight)| *weight > 0.0) {
            let community = communities[neighbour as usize];
            let known = &mut self.weights[community as usize];
            if *known == 0.0 {
                self.touched.push(community);
            }
            *known += weight;
        }
    }

    fn clear(&mut self) {
        for community in self.touched.drain(..) {
            self.weights[community as usize] = 0.0;
        }
    }
}

/// Orders of visits, one after the other: SplitMix64 by Steele, Lea and Flood, 2014, so that a seed means the same always.
struct Order(u64);

impl Order {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn of(&mut self, vertices: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..vertices as u32).collect();
        for last in (1..vertices).rev() {
            order.swap(last, (self.next() % (last as u64 + 1)) as usize);
        }
        order
    }
}
