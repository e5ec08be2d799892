//! Older versions in statements.
//!
//! `t VERSION AS OF 5`, `t VERSION AS OF 'name'` and `t FOR SYSTEM_TIME AS OF <timestamp>` read one table, and `GRAPH_TABLE (g
//! VERSION AS OF 5 MATCH ...)` one graph, as they were. `SET slipstream.as_of` reads everything so.
//!
//! 1. [`clause`]: before sqlparser sees the tokens, the clause is taken away and the name in front of it gets a database that
//!    nobody can name by accident, a [`Key`]. So no part of the planner can pass over it: a name of a database that is not
//!    there is an error everywhere.
//! 2. [`versions`]: before a statement is planned, and again before each run, its keys are looked up in the history of the database.
//!    A plan is good as long as they lead to the same catalogs.
//! 3. While planning and binding, `planner::names::Tables` finds the tables under a key in the view of that version. A graph
//!    pattern at an older version is answered by joins.
//!
//! [`diff`] is a table over two versions, [`procedures`] name, restore and give up versions.

mod as_of;
mod clause;
pub(crate) mod diff;
mod key;
pub(crate) mod procedures;
mod versions;

pub(crate) use as_of::{AsOf, SETTING, export_function};
pub(crate) use clause::{behind_name, expand};
pub(crate) use key::{Key, PATH};
pub(crate) use versions::{Versions, keys};
