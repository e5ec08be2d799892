//! Graph indexes: derived, disposable copies of a graph's keys and covered properties, laid out for traversal.
//!
//! [`index`] is the door every graph engine stands behind; [`kuzu`] is the one in use and [`memory`] its in-memory twin, the
//! oracle that Kuzu is checked against; [`cover`] says what an index can hold. An index says for itself at which table
//! versions it stands ([`index::Standing`]); nothing else is believed about it.

pub mod cover;
pub mod index;
pub mod kuzu;
pub mod memory;
