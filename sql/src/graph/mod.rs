//! Graph patterns in a statement: what the front end ([`slipstream_graph_language`]) makes of their text, as plans.
//!
//! [`relation`] puts a pattern into FROM, [`graph_table`] that of a GRAPH_TABLE; [`route`] decides how it is answered, [`table`]
//! makes the plan that does; [`arguments`] finds the values of its parameters; [`join`] is the way without the index, and on
//! from where the index ends. [`lateral`] gives a pattern values of the rows beside it, and [`answer`] answers it for each. [`age`] is what clients of Apache AGE say, [`algorithm`] puts graph algorithms into FROM.

pub(crate) mod age;
pub(crate) mod algorithm;
pub(crate) mod answer;
pub(crate) mod arguments;
pub(crate) mod graph_table;
pub(crate) mod join;
pub(crate) mod lateral;
pub(crate) mod relation;
pub(crate) mod route;
pub(crate) mod table;
pub(crate) mod value;
pub(crate) mod write;
