//! Cuts a history down to the statements that its mismatch needs. Whatever else comes up on the way, since statements are
//! missing, is left alone.

use super::sides::Sides;
use super::{Mismatch, Step};

/// Replays that a mismatch is worth.
const REPLAYS: usize = 150;

/// Leaves out ever smaller parts for as long as the servers still disagree in the same way.
pub(super) async fn shrink(sides: &mut Sides, mismatch: Mismatch) -> Mismatch {
    let mut smallest = mismatch;
    let mut replays = 0;
    let mut part = smallest.history.len() / 2;
    while part > 0 {
        let mut from = 0;
        let mut shorter = false;
        while from < smallest.history.len() {
            if replays == REPLAYS {
                return smallest;
            }
            replays += 1;
            match sides.replay(&without(&smallest.history, from, part)).await {
                Some(found) if found.is_like(&smallest) => (smallest, shorter) = (found, true),
                _ => from += part,
            }
        }
        if !shorter || part > 1 {
            part /= 2;
        }
    }
    smallest
}

fn without(history: &[Step], from: usize, count: usize) -> Vec<Step> {
    let to = (from + count).min(history.len());
    [&history[..from], &history[to..]].concat()
}
