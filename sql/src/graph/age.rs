//! What clients of Apache AGE say beside `cypher(...)`.
//!
//! Their first statements, `LOAD 'age'` and `SET search_path = ag_catalog, "$user", public`, change nothing here: Cypher is
//! built in, and the schema `ag_catalog` has nothing but its functions in it, which are found without it too. `agtype` in the
//! column list of `cypher()` leaves a column as it is; in a cast it is `jsonb`. AGE's functions that make and drop graphs have no
//! counterpart, because a graph here is made of tables: they are refused with the statement that does it.

use datafusion::sql::sqlparser::ast::{DataType, Ident, ObjectName};
use slipstream_engine::Error;

/// The schema of AGE's functions and of its type.
pub(crate) const SCHEMA: &str = "ag_catalog";

/// The name of AGE's type.
pub(crate) const TYPE: &str = "agtype";

/// AGE's functions that this database has other statements for, and how to go on.
const REFUSED: &[(&str, &str)] = &[
    ("create_graph", CREATE),
    ("create_vlabel", CREATE),
    ("create_elabel", CREATE),
    ("create_complete_graph", CREATE),
    ("load_labels_from_file", LOAD),
    ("load_edges_from_file", LOAD),
    ("drop_graph", DROP),
    ("drop_label", DROP),
    ("alter_graph", DROP),
];

const CREATE: &str =
    "A graph is made of tables here: CREATE TABLE makes those, CREATE PROPERTY GRAPH the graph over them.";
const DROP: &str = "DROP PROPERTY GRAPH drops a graph and leaves its tables; CREATE PROPERTY GRAPH makes another one.";
const LOAD: &str = "COPY fills the tables that a graph is over.";

/// Whether `LOAD` names the library of AGE.
pub(crate) fn is_library(name: &Ident) -> bool {
    matches!(name.value.as_str(), "age" | "$libdir/age" | "$libdir/plugins/age")
}

/// Whether a type is AGE's.
pub(crate) fn is_agtype(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Custom(name, arguments) if arguments.is_empty() && is_ours(name, TYPE))
}

/// The error for a function of AGE that is not here.
pub(crate) fn refused(function: &ObjectName) -> Option<Error> {
    let (name, hint) = REFUSED.iter().find(|(name, _)| is_ours(function, name))?;
    Some(Error::not_supported(format!("function {name}() of Apache AGE is not supported")).with_hint(*hint))
}

/// Whether a name is that of an object of AGE, with its schema or without.
pub(crate) fn is_ours(name: &ObjectName, object: &str) -> bool {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    match parts.as_deref() {
        Some([name]) => name.value.eq_ignore_ascii_case(object),
        Some([schema, name]) => schema.value.eq_ignore_ascii_case(SCHEMA) && name.value.eq_ignore_ascii_case(object),
        _ => false,
    }
}
