//! What is known of an index's standing without asking it.
//!
//! Where an index stands is a query, and costs a reader as much as the query that it is there for. Only the writer's thread
//! changes the answer, so one that a reader has found is good until the writer's thread works again.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::graph::index::Standing;

/// A standing that a reader has found, for the readers after it.
#[derive(Debug, Default)]
pub(super) struct KnownStanding(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    /// How often the writer's thread has begun or ended to work: odd while it does.
    moves: u64,
    standing: Option<Arc<Standing>>,
}

/// A look at what is known, taken before a transaction begins.
pub(super) struct Look(State);

/// Says that the writer's thread works, until it is dropped.
pub(super) struct Working<'a>(&'a KnownStanding);

impl KnownStanding {
    /// Forgets what is known, for as long as the writer's thread works.
    pub(super) fn work(&self) -> Working<'_> {
        let mut state = self.0.lock();
        state.moves += 1;
        state.standing = None;
        Working(self)
    }

    /// What is known.
    pub(super) fn look(&self) -> Look {
        Look(self.0.lock().clone())
    }

    /// The standing that a transaction sees which began after `look`; `None` where it has to find out.
    pub(super) fn seen_since(&self, look: &Look) -> Option<Arc<Standing>> {
        let known = look.0.standing.clone()?;
        (self.0.lock().moves == look.0.moves).then_some(known)
    }

    /// Takes what a transaction has found that began after `look`, unless the writer's thread has worked since.
    pub(super) fn learn(&self, look: &Look, standing: &Arc<Standing>) {
        let mut state = self.0.lock();
        if state.moves == look.0.moves && state.moves.is_multiple_of(2) {
            state.standing = Some(Arc::clone(standing));
        }
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.0.lock().moves += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn standing(seq: u64) -> Arc<Standing> {
        Arc::new(Standing { seq, versions: BTreeMap::new() })
    }

    #[test]
    fn what_one_reader_has_found_the_next_need_not_ask() {
        let known = KnownStanding::default();
        let look = known.look();
        assert_eq!(known.seen_since(&look), None);
        known.learn(&look, &standing(1));
        assert_eq!(known.seen_since(&known.look()), Some(standing(1)));
    }

    #[test]
    fn nothing_is_known_once_the_writer_works() {
        let known = KnownStanding::default();
        known.learn(&known.look(), &standing(1));
        let before = known.look();
        let working = known.work();
        let during = known.look();
        assert_eq!(known.seen_since(&before), None, "the transaction may have begun after the commit");
        known.learn(&before, &standing(1));
        known.learn(&during, &standing(1));
        assert_eq!(known.seen_since(&known.look()), None, "what is found while it works may be old already");
        drop(working);
        known.learn(&before, &standing(1));
        known.learn(&during, &standing(1));
        assert_eq!(known.seen_since(&known.look()), None);
        known.learn(&known.look(), &standing(2));
        assert_eq!(known.seen_since(&known.look()), Some(standing(2)));
    }
}
