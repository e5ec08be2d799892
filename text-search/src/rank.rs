//! `ts_rank`: how well a text answers a query, by how often and how near to each other its words stand.
//!
//! The formulas are Postgres's, and so is their precision: sums are 32-bit floats.

use crate::query::{Node, Operand, TsQuery};
use crate::vector::{Position, TsVector, Weight};

/// What the labels D, C, B and A weigh unless the caller says otherwise.
pub const DEFAULT_WEIGHTS: [f32; 4] = [0.1, 0.2, 0.4, 1.0];

/// The sum of 1 / i² over all i.
const SUM_OF_SQUARES: f32 = 1.644_934;
/// Words farther from each other than this are as good as unrelated.
const FAR: u16 = 100;
/// Where a word without positions stands.
const NOWHERE: u16 = 16_383;

/// Divides a rank by the logarithm of the text's length.
const BY_LOG_LENGTH: i32 = 1;
const BY_LENGTH: i32 = 2;
const BY_WORDS: i32 = 8;
const BY_LOG_WORDS: i32 = 16;
const INTO_ONE: i32 = 32;

/// The rank of a text; `normalization` is Postgres's bit mask.
pub fn rank(weights: [f32; 4], vector: &TsVector, query: &TsQuery, normalization: i32) -> f32 {
    let Some(root) = query.root().filter(|_| !vector.is_empty()) else { return 0.0 };
    let operands = query.operands();
    let together = matches!(root, Node::And(..) | Node::Phrase(..)) && operands.len() > 1;
    let rank = match together {
        true => near_each_other(weights, vector, &operands),
        false => how_often(weights, vector, &operands),
    };
    normalize(if rank < 0.0 { 1e-20 } else { rank }, vector, normalization)
}

fn normalize(rank: f32, vector: &TsVector, normalization: i32) -> f32 {
    let length: usize = vector.lexemes().map(|(_, positions)| positions.len().max(1)).sum();
    let log2 = |count: usize| (count as f64 + 1.0).ln() / std::f64::consts::LN_2;
    let mut rank = rank;
    if normalization & BY_LOG_LENGTH != 0 {
        rank = (f64::from(rank) / log2(length)) as f32;
    }
    if normalization & BY_LENGTH != 0 {
        rank /= length as f32;
    }
    if normalization & BY_WORDS != 0 {
        rank /= vector.len() as f32;
    }
    if normalization & BY_LOG_WORDS != 0 {
        rank = (f64::from(rank) / log2(vector.len())) as f32;
    }
    if normalization & INTO_ONE != 0 {
        rank /= rank + 1.0;
    }
    rank
}

/// The positions of each lexeme that an operand stands for.
fn entries<'a>(vector: &'a TsVector, operand: &'a Operand) -> Vec<&'a [Position]> {
    match operand.prefix {
        true => vector.with_prefix(&operand.lexeme).map(|(_, positions)| positions).collect(),
        false => vector.positions(&operand.lexeme).into_iter().collect(),
    }
}

static UNPLACED: [Position; 1] = [Position { place: NOWHERE, weight: Weight::D }];

fn how_often(weights: [f32; 4], vector: &TsVector, operands: &[&Operand]) -> f32 {
    let mut rank = 0.0_f32;
    for positions in operands.iter().flat_map(|operand| entries(vector, operand)) {
        let positions = if positions.is_empty() { &UNPLACED } else { positions };
        let (mut sum, mut best, mut best_at) = (0.0_f32, -1.0_f32, 0);
        for (at, position) in positions.iter().enumerate() {
            let weight = weights[position.weight as usize];
            sum += weight / square(at);
            if weight > best {
                (best, best_at) = (weight, at);
            }
        }
        rank = (f64::from(rank) + f64::from(best + sum - best / square(best_at)) / f64::from(SUM_OF_SQUARES)) as f32;
    }
    match operands.len() {
        0 => rank,
        count => rank / count as f32,
    }
}

fn square(at: usize) -> f32 {
    ((at + 1) * (at + 1)) as f32
}

fn near_each_other(weights: [f32; 4], vector: &TsVector, operands: &[&Operand]) -> f32 {
    let mut rank = -1.0_f32;
    // For every operand, the positions of the lexeme that was looked at last.
    let mut seen: Vec<Option<(&[Position], bool)>> = vec![None; operands.len()];
    for (at, operand) in operands.iter().enumerate() {
        for positions in entries(vector, operand) {
            let unplaced = positions.is_empty();
            let positions: &[Position] = if unplaced { &UNPLACED } else { positions };
            seen[at] = Some((positions, unplaced));
            for (others, other_unplaced) in seen[..at].iter().flatten() {
                for (a, b) in positions.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
                    let mut distance = a.place.abs_diff(b.place);
                    if distance == 0 && !unplaced && !other_unplaced {
                        continue;
                    }
                    if distance == 0 {
                        distance = NOWHERE;
                    }
                    let weight = weights[a.weight as usize] * weights[b.weight as usize] * nearness(distance);
                    let weight = f64::from(weight).sqrt() as f32;
                    rank = if rank < 0.0 {
                        weight
                    } else {
                        (1.0 - (1.0 - f64::from(rank)) * (1.0 - f64::from(weight))) as f32
                    };
                }
            }
        }
    }
    rank
}

fn nearness(distance: u16) -> f32 {
    if distance > FAR {
        return 1e-30;
    }
    (1.0 / (1.005 + 0.05 * ((f32::from(distance) / 1.5 - 2.0) as f64).exp())) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PostgreSQL 15 says.
    #[test]
    fn ranks_are_those_of_postgres() {
        for (vector, query, normalization, expected) in [
            ("a:1 b:2 c:3", "a", 0, 0.060_792_71),
            ("a:1 b:2 c:3", "a & b", 0, 0.099_103_22),
            ("a:1,5A b:2", "a | c", 0, 0.334_359_9),
            ("a b", "a & b", 0, 1e-16),
            ("a:1 b:2 c:3", "a & b", 1, 0.049_551_61),
            ("a:1 b:2 c:3", "x", 0, 0.0),
            ("a:1 b:2 c:3", "a & b", 2, 0.033_034_407),
        ] {
            let (vector, text) = (TsVector::parse(vector).expect(vector), query);
            let query = TsQuery::parse(query).expect(query);
            let rank = rank(DEFAULT_WEIGHTS, &vector, &query, normalization);
            assert!((rank - expected).abs() < 1e-6, "{vector} {text}: {rank} {expected}");
        }
    }
}
