//! What is loaded: persons who know one another, and items with a price and a vector. The same in every run.

use super::super::random::Random;

/// The dimension of the items' vectors.
pub(super) const DIMENSION: usize = 64;

/// Edges for each person.
const DEGREE: usize = 5;

/// Rows of the three tables; ids count from one.
pub(super) struct Data {
    /// The age of each person.
    pub(super) ages: Vec<i32>,
    /// Source and destination of each edge.
    pub(super) edges: Vec<(i64, i64)>,
    /// The price of each item, in 0 to 100.
    pub(super) prices: Vec<f64>,
    /// The vectors of the items, one after another.
    pub(super) vectors: Vec<f32>,
}

impl Data {
    pub(super) fn make(rows: usize) -> Self {
        let mut random = Random::new(42);
        let mut person = || 1 + (random.next() % rows as u64) as i64;
        let edges = (0..rows * DEGREE).map(|index| ((index / DEGREE) as i64 + 1, person())).collect();
        Data {
            ages: (0..rows).map(|_| (random.next() % 100) as i32).collect(),
            edges,
            prices: (0..rows).map(|_| random.unit() * 100.0).collect(),
            vectors: (0..rows * DIMENSION).map(|_| random.unit() as f32).collect(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.ages.len()
    }

    /// The key of a round: far from the last one's, so that nothing is measured twice in a row.
    pub(super) fn key(&self, round: usize) -> i64 {
        1 + ((round * 7919) % self.rows()) as i64
    }

    /// The price below which one item in a hundred is, a little different for each key.
    pub(super) fn price_limit(&self, key: i64) -> f64 {
        1.0 + (key % 10) as f64 / 1000.0
    }

    /// The vector of an item.
    pub(super) fn vector(&self, id: i64) -> &[f32] {
        let start = (id as usize - 1) * DIMENSION;
        &self.vectors[start..start + DIMENSION]
    }
}
