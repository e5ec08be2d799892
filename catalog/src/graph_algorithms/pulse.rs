//! Whether anybody still waits for an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::error::{DataFusionError, Result as PlanResult};

/// Beats between two looks at the flag.
const PATIENCE: u32 = 10_000;

/// Stops the work when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Waiting(Arc<AtomicBool>);

impl Waiting {
    /// For the work to feel.
    pub(super) fn pulse(&self) -> Pulse {
        Pulse { stopped: Arc::clone(&self.0), left: PATIENCE }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What long work feels every so often.
#[derive(Debug)]
pub(super) struct Pulse {
    stopped: Arc<AtomicBool>,
    left: u32,
}

impl Pulse {
    /// To be called for every piece of work of about the size of an edge. An error once nobody waits.
    pub(super) fn beat(&mut self) -> PlanResult<()> {
        self.beats(1)
    }

    /// The same for several pieces.
    pub(super) fn beats(&mut self, pieces: usize) -> PlanResult<()> {
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX);
        if pieces < self.left {
            self.left -= pieces;
            return Ok(());
        }
        self.left = PATIENCE;
        match self.stopped.load(Ordering::Relaxed) {
            true => Err(DataFusionError::Execution("a graph algorithm was stopped".to_string())),
            false => Ok(()),
        }
    }
}
