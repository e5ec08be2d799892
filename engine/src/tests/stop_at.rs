//! Stops every commit at one step, as a crash would: what is on disk stays, what is in memory is dropped.

use super::*;
use crate::transaction::CommitObserver;

/// The step, and whether the stop is before it.
#[derive(Debug, Default)]
pub(super) struct StopAt(Mutex<Option<(CommitStep, bool)>>);

impl StopAt {
    /// Stops commits from here, or lets them pass.
    pub(super) fn set(&self, step: Option<(CommitStep, bool)>) {
        *self.0.lock() = step;
    }

    fn pass(&self, step: CommitStep, before: bool) -> Result<()> {
        match *self.0.lock() {
            Some(stop) if stop == (step, before) => Err(Error::internal("stopped by the test")),
            _ => Ok(()),
        }
    }
}

impl CommitObserver for StopAt {
    fn before(&self, step: CommitStep) -> Result<()> {
        self.pass(step, true)
    }

    fn after(&self, step: CommitStep) -> Result<()> {
        self.pass(step, false)
    }
}
