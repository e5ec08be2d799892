//! Where new objects go, and the names that are made up for what has none.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::ObjectName;
use slipstream_catalog::pg_catalog::definitions::{quote_identifier, quote_literal};
use slipstream_catalog::search_path::is_system_schema;
use slipstream_engine::catalog::{Catalog, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::planner::Planning;

/// Bytes of a name that count.
const LONGEST_NAME: usize = 63;

/// The schema and name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) schema: String,
    pub(super) name: String,
}

/// Where an object goes that is made under a name.
pub(super) fn place(planning: &Planning<'_>, name: &ObjectName) -> Result<Place> {
    let (schema, name) = planning.tables.split(name)?;
    let catalog = &planning.view.snapshot.catalog;
    let schema = match schema {
        Some(schema) => schema,
        None => {
            let current = planning.tables.path().current(catalog).ok_or_else(|| {
                Error::new(ErrorKind::UndefinedSchema, "no schema has been selected to create in")
                    .with_hint("SET search_path names the schemas that are looked at.")
            })?;
            current.to_string()
        }
    };
    check_schema(catalog, &schema)?;
    Ok(Place { schema, name })
}

/// Refuses schemas that are not there or that nobody makes anything in.
pub(super) fn check_schema(catalog: &Catalog, schema: &str) -> Result<()> {
    if is_system_schema(schema) {
        let message = format!("permission denied for schema {schema}");
        return Err(Error::new(ErrorKind::InsufficientPrivilege, message));
    }
    match catalog.has_schema(schema) {
        true => Ok(()),
        false => Err(undefined_schema(schema)),
    }
}

pub(super) fn undefined_schema(schema: &str) -> Error {
    Error::new(ErrorKind::UndefinedSchema, format!("schema \"{schema}\" does not exist"))
}

/// Whether a relation has that name: a table, view, sequence or graph, or an index.
pub(super) fn is_taken(catalog: &Catalog, place: &Place) -> bool {
    let is_key = |table: &TableDefinition| {
        table.schema == place.schema && table.unique_keys().iter().any(|key| key.name == place.name)
    };
    catalog.get_relation(&place.schema, &place.name).is_some()
        || catalog.get_index(&place.schema, &place.name).is_some()
        || catalog.tables.values().any(|table| is_key(table))
}

pub(super) fn already_exists(name: &str) -> Error {
    Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")).on_table(name)
}

/// `42P07` where a relation has that name.
pub(super) fn check_free(catalog: &Catalog, place: &Place) -> Result<()> {
    if is_taken(catalog, place) { Err(already_exists(&place.name)) } else { Ok(()) }
}

/// The names of all constraints in a schema.
pub(super) fn constraint_names(catalog: &Catalog, schema: &str) -> HashSet<String> {
    catalog.tables.values().filter(|table| table.schema == schema).flat_map(|table| names_of(table)).collect()
}

/// The names of a table's constraints.
pub(super) fn names_of(table: &TableDefinition) -> Vec<String> {
    let keys = table.unique_keys().into_iter().map(|key| key.name);
    let checks = table.checks.iter().map(|check| check.name.clone());
    let foreign = table.foreign_keys.iter().map(|key| key.name.clone());
    keys.chain(checks).chain(foreign).collect()
}

/// A name made of a table's, of columns' and of a label (`t_a_b_key`), numbered until it is free.
pub(super) fn choose(table: &str, columns: &[String], label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0;
    loop {
        let suffix = if number == 0 { label.to_string() } else { format!("{label}{number}") };
        let name = joined(table, &columns.join("_"), &suffix);
        if !is_taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// Joins the parts with underscores; the longer of the first two gives way until everything fits.
fn joined(table: &str, columns: &str, label: &str) -> String {
    let (mut table, mut columns) = (table.to_string(), columns.to_string());
    let underscores = 1 + usize::from(!columns.is_empty());
    while table.len() + columns.len() + label.len() + underscores > LONGEST_NAME {
        let longer = if table.len() > columns.len() { &mut table } else { &mut columns };
        if longer.pop().is_none() {
            break;
        }
    }
    match columns.is_empty() {
        true => format!("{table}_{label}"),
        false => format!("{table}_{columns}_{label}"),
    }
}

/// The default of a column that draws from a sequence; the name is complete, whatever the search path.
pub(super) fn nextval(schema: &str, sequence: &str) -> String {
    let name = format!("{}.{}", quote_identifier(schema), quote_identifier(sequence));
    format!("nextval({}::regclass)", quote_literal(&name))
}

/// A relation's name in messages: with its schema, unless it is found without.
pub(super) fn shown(planning: &Planning<'_>, schema: &str, name: &str) -> String {
    let catalog = &planning.view.snapshot.catalog;
    let found = planning.tables.path().schemas().iter().find(|schema| catalog.get_relation(schema, name).is_some());
    let quoted = quote_identifier(name);
    if found.is_some_and(|found| found == schema) { quoted } else { format!("{}.{quoted}", quote_identifier(schema)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_until_they_are_free() {
        let columns = ["a".to_string(), "b".to_string()];
        assert_eq!(choose("t", &columns, "key", |_| false), "t_a_b_key");
        assert_eq!(choose("t", &columns, "key", |name| name == "t_a_b_key"), "t_a_b_key1");
        assert_eq!(choose("t", &[], "check", |_| false), "t_check");
    }

    #[test]
    fn long_names_are_cut() {
        let name = choose(&"t".repeat(60), &["c".repeat(60)], "fkey", |_| false);
        assert_eq!(name.len(), LONGEST_NAME);
        assert!(name.ends_with("_fkey"));
    }

    #[test]
    fn a_default_names_its_sequence_completely() {
        assert_eq!(nextval("public", "t_a_seq"), "nextval('public.t_a_seq'::regclass)");
        assert_eq!(nextval("S", "it's"), "nextval('\"S\".\"it''s\"'::regclass)");
    }
}
