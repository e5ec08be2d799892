//! Neighbours that vertices have in common.

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::neighbours::Neighbours;
use super::network::{Keys, Network};
use super::pulse::Pulse;
use crate::expand::Way;

/// What is asked of common neighbours.
#[derive(Debug, Clone)]
pub struct CommonNeighbours {
    /// The way in which edges lead to neighbours.
    pub way: Way,
    /// A vertex.
    pub vertex: Keys,
    /// Another one, where the neighbours of two are asked for.
    pub other: Option<Keys>,
}

/// Of two vertices: the neighbours of both. Of one: all that have neighbours with it in common, who has the most first. Neighbours
/// count once, and nobody is their own.
pub(super) fn common(network: &Network, asked: &CommonNeighbours, pulse: &mut Pulse) -> PlanResult<Answer> {
    let of = |way: Way, pulse: &mut Pulse| {
        Neighbours::of(&network.edges, None, network.vertices(), way, pulse)?.distinct(pulse)
    };
    let neighbours = of(asked.way, pulse)?;
    let [vertex] = network.find(&asked.vertex)?[..] else { return Ok(nothing(asked)) };
    if let Some(other) = &asked.other {
        let [other] = network.find(other)?[..] else { return Ok(nothing(asked)) };
        return Ok(Answer::of(shared(neighbours.list(vertex), neighbours.list(other)), Vec::new()));
    }
    let back = match asked.way {
        Way::Forward => of(Way::Backward, pulse)?,
        Way::Backward => of(Way::Forward, pulse)?,
        Way::Both => return ranked(&neighbours, &neighbours, vertex, pulse),
    };
    ranked(&neighbours, &back, vertex, pulse)
}

fn nothing(asked: &CommonNeighbours) -> Answer {
    let values = match asked.other {
        Some(_) => Vec::new(),
        None => vec![Values::Counts(Vec::new()), Values::Numbers(Vec::new()), Values::Flags(Vec::new())],
    };
    Answer::of(Vec::new(), values)
}

/// What is in two sorted lists.
fn shared(left: &[u32], right: &[u32]) -> Vec<u32> {
    let (short, long) = if left.len() <= right.len() { (left, right) } else { (right, left) };
    short.iter().copied().filter(|vertex| long.binary_search(vertex).is_ok()).collect()
}

/// All that have neighbours in common with a vertex: how many, how many of those that either has, and whether they are
/// neighbours themselves. `back` are the vertices that have one as a neighbour.
fn ranked(neighbours: &Neighbours, back: &Neighbours, vertex: u32, pulse: &mut Pulse) -> PlanResult<Answer> {
    let mut counts = vec![0_u32; neighbours.vertices()];
    let mut others = Vec::new();
    for neighbour in neighbours.list(vertex) {
        pulse.beats(back.list(*neighbour).len() + 1)?;
        for other in back.list(*neighbour).iter().filter(|other| **other != vertex) {
            let count = &mut counts[*other as usize];
            if *count == 0 {
                others.push(*other);
            }
            *count += 1;
        }
    }
    let own = neighbours.list(vertex);
    let jaccard = |other: u32| {
        let count = counts[other as usize] as usize;
        count as f64 / (own.len() + neighbours.list(other).len() - count) as f64
    };
    others.sort_unstable_by(|left, right| {
        let counted = counts[*right as usize].cmp(&counts[*left as usize]);
        counted.then(jaccard(*right).total_cmp(&jaccard(*left))).then(left.cmp(right))
    });
    let values = vec![
        Values::Counts(others.iter().map(|other| i64::from(counts[*other as usize])).collect()),
        Values::Numbers(others.iter().map(|other| jaccard(*other)).collect()),
        Values::Flags(others.iter().map(|other| own.binary_search(other).is_ok()).collect()),
    ];
    Ok(Answer::of(others, values))
}
