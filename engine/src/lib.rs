//! Slipstream's engine: tables in Lance, graph indexes in Kuzu, one log of commits over both.
//!
//! # The life of a commit
//!
//! What a statement changes is [`change::Changes`]: catalog edits, row changes per table, rows that
//! [`Database::stage_load`] has written ahead. A statement alone hands them to [`Database::commit`]. In a transaction block
//! [`Transaction::apply`] checks them against what the transaction sees (`transaction::checks`) and adds them to its
//! [`pending::Pending`] changes, which its later statements read; [`Transaction::commit`] hands over all of them. Rows are
//! [`Batches`] on the whole way, which wait in a temporary file (`spill`) when they are many. Either runs
//! in a task of its own, so that a client that goes away ends its waiting and not the commit.
//!
//! Transactions wait in a queue, and those that wait together commit together (`transaction::committer`): each is admitted
//! against the head plus those before it (`transaction::members`) or drops out alone. Then come the steps of
//! [`transaction::CommitStep::ALL`]:
//!
//! 1. **Check**. Nobody else may have written the same primary keys since the transaction's snapshot
//!    (`transaction::conflicts`): the first committer wins, the second gets `40001`. Rows that go are found again by key,
//!    since they may lie elsewhere by now. Then NOT NULL, unique keys ([`store::key_index`]), and references: rows that others
//!    refer to take those along, lose the reference, or stay.
//! 2. **Stage tables** ([`store::Store::stage`]). Lance files are written that no version names: new fragments, and deletion
//!    files for rows that went. Small fragments are folded into what is written anyway (`store::folding`), so a stream of
//!    small commits does not leave a table of thousands of files. Altered and truncated tables are written anew.
//! 3. **Stage graph** (`transaction::graph_step`). The same changes in an open write transaction of each graph index, with
//!    the versions they lead to. An index that fails here is left out: it is derived.
//! 4. **Write record** (`Committer::write_record`). In a directory the [`log::CommitRecord`] is written under a name that nobody
//!    reads; then it, the staged files, the manifests that the commit before has published, and their directories are synced by
//!    name, all at a time. Then the record is created if absent: it gets its name. This is the commit point. So a commit waits
//!    for the disk twice. The record carries the complete version map and the redo.
//! 5. **Commit tables** ([`store::Store::publish`]). Each staged write becomes exactly the version the record names; a
//!    version that somebody else made is never built upon.
//! 6. **Commit graph**. The indexes commit; one that could not is brought forward from Lance (`graph_set`).
//! 7. **Publish**. Readers' next snapshot is this one.
//! 8. **Announce**. Room for the version-map event; the log is its outbox.
//!
//! Before step 4 a failure leaves files that nothing names. After it everything goes forward: a commit that could not be
//! finished is finished before the next one, and after a crash by `transaction::recovery`, which reads the newest record,
//! redoes what its tables lack, takes a new epoch and brings the graph indexes along. The decisions in all this are pure
//! functions (`transaction::kernel`), which a model checker explores.
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

mod addresses;
mod batches;
pub mod catalog;
pub mod change;
pub mod check;
mod cleanup;
pub mod database;
pub mod error;
pub mod graph;
mod graph_set;
pub mod history;
pub mod index_builds;
mod lock;
pub mod log;
mod maintenance;
pub mod pending;
pub mod sequences;
pub mod snapshot;
mod spill;
pub mod storage;
pub mod store;
pub mod stream;
pub mod transaction;
pub mod types;
mod view;

pub use addresses::AddressSet;
pub use batches::Batches;
pub use cleanup::CleanupReport;
pub use database::{Database, OpenOptions};
pub use error::{Error, ErrorKind, Result};
pub use graph::index::IndexFactory;
pub use history::Version;
pub use maintenance::CompactionReport;
pub use spill::SpillLimits;
pub use transaction::block::{Savepoint, Transaction};
pub use view::{Hold, ReadView};

#[cfg(test)]
mod tests;
