//! Every way through a commit and a recovery.
//!
//! The decisions of the engine's kernel (`engine/src/transaction/kernel`) are compiled here from the same files, and a model
//! around them does what the committer and recovery do: the steps of `CommitStep::ALL` and `RecoveryStep::ALL`, with the parts
//! of the larger ones one by one. A checker (`stateright`) goes through every order in which the steps of two writers, their
//! clients and their misfortunes can come, and asks in every state whether the [`properties`] hold.
//!
//! * [`disk`]: log, tables and staged files, each with whether it is synced.
//! * [`process`]: what a writer remembers, and its graph index. [`commit`] and [`recovery`] are its steps.
//! * [`workload`]: four transactions over two tables: two that want the same row, one that shares a group with either, one
//!   that must commit alone.
//! * [`model`]: what may happen next. Any step may fail, or fail and have happened all the same. Between any two steps a process
//!   may be killed, or the power may go, taking any part of what is not synced; recovery is stopped in the same way, and runs
//!   again. A second process may take over while the first goes on. Indexes are deleted, and a stranger writes to a table.
//! * [`decisions`]: the kernel, into which a [`decisions::Mistake`] can be put. Each of them is found, which shows that the
//!   checker looks.
//!
//! Not modelled: the rows themselves (a row is the set of the transactions that wrote it), constraints, locked rows, sequences,
//! the catalog's contents, bulk loads, files half written, requests that a bucket carries out after their time-out, and what
//! cleans up files. How often each misfortune strikes is bounded, see `tests`.
#![cfg(test)]

mod commit;
mod decisions;
mod disk;
#[path = "../../src/transaction/kernel/mod.rs"]
mod kernel;
mod model;
mod process;
mod properties;
mod recovery;
mod tests;
mod workload;

/// Tables of the database; the graph index covers all of them.
const TABLES: usize = 2;
/// Rows of each that are written.
const ROWS: usize = 2;
/// Transactions that commit together at the most.
const LARGEST_GROUP: usize = 2;
/// Rows of which a writer remembers who has written them last.
const MOST_ROWS: usize = 1;

/// A set of transactions.
type Set = u8;
/// The version of each table.
type Versions = [u64; TABLES];

fn bit(transaction: usize) -> Set {
    1 << transaction
}

fn in_set(set: Set, transaction: usize) -> bool {
    set & bit(transaction) != 0
}

/// How an operation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    /// It is reported as failed, and has happened.
    FailsYetDone,
}

impl Fate {
    /// Itself, where an operation can end like that.
    fn one_of(self, possible: &[Fate]) -> Option<Fate> {
        possible.contains(&self).then_some(self)
    }
}
