//! PageRank: where a walker is who follows edges at random, and now and then jumps.

use datafusion::error::Result as PlanResult;

use super::answer::{Answer, Values};
use super::neighbours::Neighbours;
use super::network::{Keys, Network};
use super::pulse::Pulse;
use crate::expand::Way;

/// What is asked of PageRank.
#[derive(Debug, Clone)]
pub struct PageRank {
    /// The way in which edges are followed.
    pub way: Way,
    /// How likely it is that the walker follows an edge, and does not jump; at least 0 and below 1.
    pub damping: f64,
    /// Rounds at most.
    pub iterations: usize,
    /// The rounds end when the scores of all vertices together have changed by less than this.
    pub tolerance: f64,
    /// Where jumps go: to these, or to all alike.
    pub sources: Option<Keys>,
}

/// The scores of all vertices. Their sum is 1. A walker without an edge to follow jumps.
pub(super) fn page_rank(network: &Network, asked: &PageRank, pulse: &mut Pulse) -> PlanResult<Answer> {
    let vertices = network.vertices();
    let jumps = match &asked.sources {
        None => vec![1.0 / vertices as f64; vertices],
        Some(sources) => {
            let sources = network.find(sources)?;
            if sources.is_empty() {
                return Ok(Answer::of(Vec::new(), vec![Values::Numbers(Vec::new())]));
            }
            let mut jumps = vec![0.0; vertices];
            for source in &sources {
                jumps[*source as usize] = 1.0 / sources.len() as f64;
            }
            jumps
        }
    };
    let weights = network.weights.as_deref();
    let neighbours = Neighbours::of(&network.edges, weights, vertices, asked.way, pulse)?;
    let leaving: Vec<f64> =
        (0..vertices as u32).map(|vertex| neighbours.weighted(vertex).map(|(_, weight)| weight).sum()).collect();
    let mut scores = jumps.clone();
    for _ in 0..asked.iterations {
        let next = round(&neighbours, &leaving, &jumps, &scores, asked.damping, pulse)?;
        let change: f64 = scores.iter().zip(&next).map(|(before, after)| (before - after).abs()).sum();
        scores = next;
        if change < asked.tolerance {
            break;
        }
    }
    Ok(Answer::of_all(vec![Values::Numbers(scores)]))
}

fn round(
    neighbours: &Neighbours,
    leaving: &[f64],
    jumps: &[f64],
    scores: &[f64],
    damping: f64,
    pulse: &mut Pulse,
) -> PlanResult<Vec<f64>> {
    let mut next = vec![0.0; scores.len()];
    let mut stuck = 0.0;
    for (vertex, score) in scores.iter().enumerate() {
        if leaving[vertex] <= 0.0 {
            stuck += score;
            continue;
        }
        let share = damping * score / leaving[vertex];
        let vertex = vertex as u32;
        pulse.beats(neighbours.list(vertex).len() + 1)?;
        for (neighbour, weight) in neighbours.weighted(vertex) {
            next[neighbour as usize] += share * weight;
        }
    }
    let jumping = damping * stuck + (1.0 - damping);
    for (score, jump) in next.iter_mut().zip(jumps) {
        *score += jumping * jump;
    }
    // Rounding adds up otherwise.
    let sum: f64 = next.iter().sum();
    next.iter_mut().for_each(|score| *score /= sum);
    Ok(next)
}
