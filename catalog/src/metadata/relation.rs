//! The declaration of a metadata table.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::pg_catalog::oids::PgType;

/// What a metadata relation is to Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A system table.
    Table,
    /// A system view.
    View,
}

/// A metadata table, declared once.
#[derive(Debug)]
pub struct Relation {
    /// Name within its schema.
    pub name: &'static str,
    /// Object id; the one that Postgres gives where Postgres has the relation.
    pub oid: u32,
    /// Table or view.
    pub kind: Kind,
    /// What it shows, in a sentence.
    pub documentation: &'static str,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// The Arrow schema of the rows.
    pub schema: SchemaRef,
}

/// A column of a metadata table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Name.
    pub name: &'static str,
    /// Type.
    pub pg_type: PgType,
    /// Whether it is never NULL.
    pub not_null: bool,
    /// What it holds, where the name does not say it.
    pub documentation: Option<&'static str>,
}

impl Relation {
    /// Declares a relation.
    ///
    /// `columns` is a list `name type[!] [-- documentation]`, separated by commas or, for documented columns, by line
    /// ends; `!` means NOT NULL. The types are names of `pg_type`, with `[]` for arrays.
    pub fn new(name: &'static str, oid: u32, kind: Kind, documentation: &'static str, columns: &'static str) -> Self {
        let columns = parse(columns);
        let fields: Vec<_> = columns.iter().map(|column| column.pg_type.field(column.name, !column.not_null)).collect();
        Relation { name, oid, kind, documentation, columns, schema: Arc::new(Schema::new(fields)) }
    }
}

/// Reads a column list. A type that does not exist is a mistake in a declaration, found by the test that reads them all.
fn parse(declaration: &'static str) -> Vec<Column> {
    let mut columns = Vec::new();
    for line in declaration.lines() {
        let (names, documentation) = match line.split_once("--") {
            Some((names, documentation)) => (names, Some(documentation.trim())),
            None => (line, None),
        };
        for column in names.split(',').map(str::trim).filter(|column| !column.is_empty()) {
            let (name, type_name) = column.split_once(' ').expect("a declared column has a type");
            let not_null = type_name.ends_with('!');
            let type_name = type_name.trim_end_matches('!').trim();
            let pg_type = PgType::named(type_name).expect("a declared column's type is in pg_type");
            columns.push(Column { name, pg_type, not_null, documentation });
        }
    }
    columns
}
