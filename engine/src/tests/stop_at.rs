//! Stops every commit at one step, as a crash would: what is on disk stays, what is in memory is dropped.

use super::*;
use crate::transaction::{CommitObserver, RecoveryStep};

/// Where to stop.
#[derive(Debug, Default)]
pub(super) struct StopAt {
    /// The step, and whether the stop is before it.
    commit: Mutex<Option<(CommitStep, bool)>>,
    /// The step of recovery that is the last.
    recovery: Mutex<Option<RecoveryStep>>,
}

impl StopAt {
    /// Stops commits from here, or lets them pass.
    pub(super) fn set(&self, step: Option<(CommitStep, bool)>) {
        *self.commit.lock() = step;
    }

    /// Stops recoveries after a step, or lets them pass.
    pub(super) fn set_recovery(&self, step: Option<RecoveryStep>) {
        *self.recovery.lock() = step;
    }

    fn pass(&self, step: CommitStep, before: bool) -> Result<()> {
        match *self.commit.lock() {
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

    fn recovered(&self, step: RecoveryStep) -> Result<()> {
        match *self.recovery.lock() {
            Some(last) if last == step => Err(Error::internal("stopped by the test")),
            _ => Ok(()),
        }
    }
}
