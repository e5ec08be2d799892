//! Slipstream's engine: tables in Lance, graph indexes in Kuzu, one log of commits over both.
//!
//! # The life of a commit
//!
//! A statement that changes something ends as [`change::Changes`]: the snapshot it read, catalog edits, a
//! [`change::Delta`] of rows per table, or rows that [`Database::stage_load`] has written ahead. [`Database::commit`] hands
//! them to the one committer (`transaction::committer`), in a task of its own, so that a client that goes away ends its
//! waiting and not the commit. The committer runs [`transaction::CommitStep::ALL`]:
//!
//! 1. **Check** (`transaction::checks::RowChecks::run`). Rows that go are named by their address at the base snapshot, so
//!    their table must not have moved since: the first committer wins, the second gets `40001` and runs again. New keys are
//!    looked up in [`store::key_index`], end points of edges in the key index of their vertex table; vertices that go take
//!    their edges along or are refused.
//! 2. **Stage tables** ([`store::Store::stage`]). Lance files are written that no version names: new fragments, and deletion
//!    files for rows that went. Small fragments are folded into what is written anyway (`store::folding`), so a stream of
//!    small commits does not leave a table of thousands of files.
//! 3. **Stage graph** (`Committer::stage_graphs`). The same changes in an open write transaction of each graph index, with
//!    the versions they lead to. An index that fails here is left out: it is derived.
//! 4. **Write record** (`Committer::write_record`). The staged files and their directories are synced by name, then the
//!    [`log::CommitRecord`] is created if absent. This is the commit point. It carries the complete version map and the redo.
//! 5. **Commit tables** ([`store::Store::publish`]). Each staged write becomes exactly the version the record names; a
//!    version that somebody else made is never built upon.
//! 6. **Commit graph**. The indexes commit; one that could not is brought forward from Lance (`graph_set`).
//! 7. **Publish**. Readers' next snapshot is this one.
//! 8. **Announce**. Room for the version-map event; the log is its outbox.
//!
//! Before step 4 a failure leaves files that nothing names. After it everything goes forward: a commit that could not be
//! finished is finished before the next one, and after a crash by `transaction::recovery`, which reads the newest record,
//! redoes what its tables lack, takes a new epoch and brings the graph indexes along.
//!
//! What each of these decides is in `transaction::kernel`, free of input and output; a model checker takes every way through it
//! (`engine/model`).
//!
//! # What a reader sees
//!
//! [`Database::read_view`] gives a [`snapshot::Snapshot`], which opens tables at exactly its versions, and read transactions
//! of graph indexes that stand exactly at it. An index may be a commit ahead of or behind the newest snapshot; then a recent
//! snapshot that fits it is used, so reading does not wait for writing.
//!
//! # Doors
//!
//! Lance is used in [`store`] only, Kuzu in [`graph::kuzu`] only, the object store of the log in [`storage`] and [`log`].

pub mod catalog;
pub mod change;
pub mod check;
pub mod database;
pub mod error;
pub mod graph;
mod graph_set;
mod lock;
pub mod log;
pub mod pending;
pub mod sequences;
pub mod snapshot;
pub mod storage;
pub mod store;
pub mod stream;
pub mod transaction;
pub mod types;
mod view;

pub use database::{Database, OpenOptions};
pub use error::{Error, ErrorKind, Result};
pub use graph_set::IndexFactory;
pub use transaction::block::{Savepoint, Transaction};
pub use view::ReadView;

#[cfg(test)]
mod tests;
