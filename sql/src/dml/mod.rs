//! INSERT, UPDATE and DELETE.
//!
//! Each is planned as a query whose rows say what changes, and those rows become a [`Delta`] (or, when there are many of
//! them and all are new, a staged load) that the engine commits:
//!
//! - INSERT ([`insert()`]): the source, cast to the table's columns, defaults filled in;
//! - UPDATE ([`update`]): the identity of each row that matches, its address, and its new values;
//! - DELETE ([`delete`]): the identity and the address alone.
//!
//! [`assign`] decides which values fit a column, and [`sink`] gathers the rows. NULL, key and end point checks are the engine's, at commit.
//!
//! Not here yet, and refused: RETURNING, ON CONFLICT, UPDATE ... FROM, DELETE ... USING, MERGE, TRUNCATE.
//!
//! [`Delta`]: slipstream_engine::change::Delta

pub(crate) mod assign;
mod change;
mod insert;
pub(crate) mod sink;

pub(crate) use change::{delete, update};
pub(crate) use insert::{defaults, insert};

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use slipstream_engine::catalog::{Catalog, DEFAULT_SCHEMA, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

/// The table that a write names: one of the user's own.
pub(crate) fn written_table(catalog: &Catalog, name: &ObjectName) -> Result<Arc<TableDefinition>> {
    let table = table_name(name)?;
    catalog.get_table(&table).cloned().ok_or_else(|| {
        if slipstream_catalog::pg_catalog::contains(&table) {
            return Error::new(
                ErrorKind::InsufficientPrivilege,
                format!("permission denied: \"{table}\" is a system catalog"),
            );
        }
        Error::new(ErrorKind::UndefinedTable, format!("relation \"{table}\" does not exist")).on_table(table)
    })
}

/// The name of a table in the one schema that tables live in.
pub(crate) fn table_name(name: &ObjectName) -> Result<String> {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalize).collect();
    match &parts[..] {
        [table] => Ok(table.clone()),
        [.., schema, table] if schema == DEFAULT_SCHEMA => Ok(table.clone()),
        [.., schema, table] if slipstream_catalog::pg_catalog::NAME == schema || schema == "information_schema" => {
            Err(Error::new(
                ErrorKind::InsufficientPrivilege,
                format!("permission denied: \"{schema}.{table}\" is a system catalog"),
            ))
        }
        [.., schema, _] => Err(Error::new(ErrorKind::UndefinedSchema, format!("schema \"{schema}\" does not exist"))
            .with_hint("Tables live in the schema public.")),
        [] => Err(Error::new(ErrorKind::Syntax, format!("\"{name}\" is not a name"))),
    }
}

/// An identifier as it is meant: folded to lower case unless it is quoted.
pub(crate) fn normalize(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Whether an expression is the word DEFAULT.
pub(crate) fn is_default(expr: &datafusion::sql::sqlparser::ast::Expr) -> bool {
    matches!(expr, datafusion::sql::sqlparser::ast::Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
