//! The commit log: one record per commit, whose creation is the commit point.
//!
//! * [`record`] is what a record says: the complete version map, the catalog in force and the redo of this commit.
//! * [`commit_log`] creates records (create-if-absent, so exactly one writer wins a sequence number) and finds them again.
//!
//! Order is `seq` and nothing else.

pub mod commit_log;
pub mod record;

pub(crate) use commit_log::Ahead;
pub use commit_log::CommitLog;
pub use record::{CommitRecord, SequenceEntry, TableEntry, TableRedo};
