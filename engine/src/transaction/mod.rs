//! Transactions: how changes become a commit, and how a crash in the middle is finished.
//!
//! [`CommitStep::ALL`] is the whole protocol. Everything before [`CommitStep::WriteRecord`] leaves nothing but unreferenced
//! files behind when it fails; everything after it is finished forward, by the next commit or by recovery.
//!
//! * [`block`]: a transaction over several statements.
//! * [`checks`]: keys, references, NOT NULL, for a statement in its transaction and for a transaction at the head;
//!   [`load_checks`] the same for bulk loads, [`cover_checks`] whether covered values fit into a graph index.
//! * [`conflicts`]: who was first.
//! * [`committer`]: runs the steps, one group of transactions at a time; [`members`] admits them, [`prepare`] writes what they
//!   change.
//! * [`index_upkeep`]: data of indexes, built and brought forward.
//! * [`graph_step`], [`graph_changes`]: what a commit means for the graph indexes.
//! * [`upkeep`]: commits that change no row, such as compactions and named snapshots.
//! * [`recovery`]: brings a database that was left anywhere to its newest record.
//! * [`kernel`]: what these decide, as pure functions, which a model checker runs too.

pub mod block;
pub(crate) mod checks;
pub(crate) mod committer;
pub(crate) mod conflicts;
mod cover_checks;
pub(crate) mod graph_changes;
mod graph_step;
pub(crate) mod index_upkeep;
pub(crate) mod kernel;
pub(crate) mod load_checks;
mod members;
pub(crate) mod messages;
pub(crate) mod prepare;
pub(crate) mod recovery;
pub(crate) mod references;
mod upkeep;

use std::fmt::Debug;

use crate::error::Result;

pub use kernel::steps::{CommitStep, RecoveryStep};

/// Watches the steps of every commit and of recovery. Tests stop a commit with it; an error from [`CommitObserver::before`] is
/// treated as a failure of that step.
pub trait CommitObserver: Send + Sync + Debug {
    /// Called before a step runs.
    fn before(&self, step: CommitStep) -> Result<()>;
    /// Called after a step has succeeded.
    fn after(&self, step: CommitStep) -> Result<()>;
    /// Called after a step of recovery has succeeded; an error ends the opening.
    fn recovered(&self, _step: RecoveryStep) -> Result<()> {
        Ok(())
    }
}
