//! Graph patterns in a statement: what the front end ([`slipstream_graph_language`]) makes of their text, as plans.
//!
//! [`age`] is what clients of Apache AGE say; [`relation`] puts a pattern into FROM and decides how it is answered; [`arguments`] finds the values of its parameters;
//! [`join`] is the way without the index. [`algorithm`] puts graph algorithms into FROM.

pub(crate) mod age;
pub(crate) mod algorithm;
pub(crate) mod arguments;
pub(crate) mod join;
pub(crate) mod relation;
