//! Chance, from a seed.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// A source of choices that can be replayed.
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(StdRng::seed_from_u64(seed))
    }

    /// True in that many of a hundred cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// A number between both, which are included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// One of them, of which there must be one.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        choices.choose(&mut self.0).expect("there is something to choose")
    }

    /// Some of them, in their order, at least one.
    pub(super) fn some<'a, T>(&mut self, choices: &'a [T], most: usize) -> Vec<&'a T> {
        let amount = self.between(1, most.min(choices.len()) as i64) as usize;
        let mut chosen = rand::seq::index::sample(&mut self.0, choices.len(), amount).into_vec();
        chosen.sort_unstable();
        chosen.into_iter().map(|index| &choices[index]).collect()
    }

    /// One of them, as often as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let all = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.0.random_range(0..all);
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        unreachable!("the weights add up")
    }
}
