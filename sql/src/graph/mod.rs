//! Graph patterns in a statement: what the front end ([`slipstream_graph_language`]) makes of their text, as plans.
//!
//! [`age`] is what clients of Apache AGE say; [`relation`] puts a pattern into FROM and decides how it is answered, and
//! [`graph_table`] puts that of a GRAPH_TABLE there; [`arguments`] finds the values of a pattern's parameters; [`join`] is the way
//! without the index. [`algorithm`] puts graph algorithms into FROM.

pub(crate) mod age;
pub(crate) mod algorithm;
pub(crate) mod arguments;
pub(crate) mod graph_table;
pub(crate) mod join;
pub(crate) mod relation;
