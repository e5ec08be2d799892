//! IndexThenStore: keys stream out of an index, rows and only the needed columns stream out of Lance by key.
//!
//! [`operator`] runs it, [`rule`] chooses it: for every join of something that an index answered, or of a few rows that the
//! statement brings itself, with a table on that table's primary key, whichever way the SQL was written.

mod operator;
mod rule;

pub use operator::{IndexThenStore, Lookup, Matching, OutputColumn};
pub use rule::IndexThenStoreRule;
