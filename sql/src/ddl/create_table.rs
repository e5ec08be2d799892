//! CREATE TABLE: columns, NOT NULL, DEFAULT, PRIMARY KEY.

use std::collections::HashSet;

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, Expr, IndexColumn, Statement, TableConstraint,
};
use slipstream_engine::catalog::CatalogEdit;
use slipstream_engine::catalog::{ColumnDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use crate::dml::assign::assign;
use crate::dml::{normalize, table_name};
use crate::planner::Planning;
use crate::types::sql_type;

/// Columns that a table may have, as in Postgres.
const MAX_COLUMNS: usize = 1600;

/// The same table with an identity and a directory of its own.
pub(crate) fn identify(table: TableDefinition) -> TableDefinition {
    TableDefinition::new(table.name, table.columns, table.primary_key)
}

/// CREATE TABLE without AS.
pub(crate) fn create_table(planning: &Planning<'_>, statement: &CreateTable) -> Result<Definition> {
    check_clauses(statement)?;
    let name = table_name(&statement.name)?;
    if let Some(passed_over) = existing(planning, &name, statement.if_not_exists)? {
        return Ok(passed_over);
    }
    let mut columns = Vec::with_capacity(statement.columns.len());
    let mut key: Option<Vec<String>> = None;
    for column in &statement.columns {
        let (column, is_key) = column_definition(planning, column)?;
        if is_key && key.replace(vec![column.name.clone()]).is_some() {
            return Err(several_keys(&name));
        }
        columns.push(column);
    }
    for constraint in &statement.constraints {
        if key.replace(key_columns(constraint)?).is_some() {
            return Err(several_keys(&name));
        }
    }
    let table = TableDefinition::new(name, columns, key.unwrap_or_default());
    Ok(Definition { edits: vec![CatalogEdit::CreateTable(checked(table)?)], tag: "CREATE TABLE", notices: Vec::new() })
}

/// The table that CREATE TABLE AS makes of a query's columns; `None` where IF NOT EXISTS finds one.
pub(crate) fn table_from_query(
    planning: &Planning<'_>,
    statement: &CreateTable,
    schema: &Schema,
) -> Result<Option<TableDefinition>> {
    check_clauses(&CreateTable { query: None, ..statement.clone() })?;
    let name = table_name(&statement.name)?;
    if existing(planning, &name, statement.if_not_exists)?.is_some() {
        return Ok(None);
    }
    if statement.columns.len() > schema.fields().len() {
        return Err(Error::new(ErrorKind::Syntax, "too many column names were specified"));
    }
    let columns = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(position, field)| {
            let name =
                statement.columns.get(position).map_or_else(|| field.name().clone(), |column| normalize(&column.name));
            let sql_type = SqlType::of_field(field).ok_or_else(|| {
                Error::not_supported(format!(
                    "column \"{name}\" has a type that a table cannot keep: {}",
                    field.data_type()
                ))
            })?;
            Ok(ColumnDefinition { name, sql_type, not_null: false, default: None, identity: None })
        })
        .collect::<Result<Vec<_>>>()?;
    let table = TableDefinition::new(name, columns, Vec::new());
    checked(table).map(Some)
}

/// `42P07`, or with IF NOT EXISTS nothing to do.
fn existing(planning: &Planning<'_>, name: &str, if_not_exists: bool) -> Result<Option<Definition>> {
    let catalog = &planning.view.snapshot.catalog;
    if catalog.get_table(name).is_none() && !catalog.graphs.contains_key(name) {
        return Ok(None);
    }
    if if_not_exists {
        let notices = vec![format!("relation \"{name}\" already exists, skipping")];
        return Ok(Some(Definition { edits: Vec::new(), tag: "CREATE TABLE", notices }));
    }
    Err(Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")).on_table(name))
}

/// Refuses every clause that is not read here: what is left after taking the known ones must be the bare statement.
fn check_clauses(statement: &CreateTable) -> Result<()> {
    let refused = [
        (statement.temporary, "CREATE TEMPORARY TABLE"),
        (statement.external, "CREATE EXTERNAL TABLE"),
        (statement.or_replace, "CREATE OR REPLACE TABLE"),
        (statement.inherits.is_some(), "INHERITS"),
        (statement.partition_of.is_some() || statement.partition_by.is_some(), "a partitioned table"),
        (statement.like.is_some(), "CREATE TABLE ... (LIKE ...)"),
        (statement.on_commit.is_some(), "ON COMMIT"),
        (statement.query.is_some(), "AS together with constraints"),
    ];
    if let Some((_, what)) = refused.iter().find(|(refused, _)| *refused) {
        return Err(Error::not_supported(format!("{what} is not supported yet")));
    }
    let bare = CreateTableBuilder::new(statement.name.clone())
        .if_not_exists(statement.if_not_exists)
        .columns(statement.columns.clone())
        .constraints(statement.constraints.clone())
        .build();
    if bare != *statement {
        let clause = Statement::from(statement.clone()).to_string();
        return Err(Error::not_supported("CREATE TABLE has a clause that is not supported yet")
            .with_detail(format!("Read as: {clause}")));
    }
    Ok(())
}

/// A column, and whether it says PRIMARY KEY.
fn column_definition(planning: &Planning<'_>, column: &ColumnDef) -> Result<(ColumnDefinition, bool)> {
    let name = normalize(&column.name);
    let mut definition = ColumnDefinition {
        sql_type: serial(&name, &column.data_type)?,
        name,
        not_null: false,
        default: None,
        identity: None,
    };
    let (mut is_key, mut is_null) = (false, false);
    for option in &column.options {
        match &option.option {
            ColumnOption::NotNull => definition.not_null = true,
            ColumnOption::Null => is_null = true,
            ColumnOption::PrimaryKey(_) => is_key = true,
            ColumnOption::Default(expr) => {
                check_default(planning, expr, &definition)?;
                definition.default = Some(expr.to_string());
            }
            other => return Err(unsupported_option(other, &definition.name)),
        }
    }
    if is_null && (definition.not_null || is_key) {
        let message = format!("conflicting NULL/NOT NULL declarations for column \"{}\"", definition.name);
        return Err(Error::new(ErrorKind::Syntax, message));
    }
    Ok((definition, is_key))
}

fn serial(name: &str, data_type: &datafusion::sql::sqlparser::ast::DataType) -> Result<SqlType> {
    let spelled = data_type.to_string().to_lowercase();
    if matches!(spelled.as_str(), "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" | "serial2") {
        return Err(Error::not_supported(format!("column \"{name}\" is {spelled}: sequences are not supported yet"))
            .with_hint("Give the values yourself, or use uuid with DEFAULT gen_random_uuid()."));
    }
    sql_type(data_type)
}

fn unsupported_option(option: &ColumnOption, column: &str) -> Error {
    let what = match option {
        ColumnOption::Unique(_) => "UNIQUE",
        ColumnOption::ForeignKey(_) => "REFERENCES",
        ColumnOption::Check(_) => "CHECK",
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => "GENERATED",
        ColumnOption::Collation(_) => "COLLATE",
        _ => return Error::not_supported(format!("{option} on column \"{column}\" is not supported yet")),
    };
    let error = Error::not_supported(format!("{what} on column \"{column}\" is not supported yet"));
    match option {
        ColumnOption::ForeignKey(_) => {
            error.with_hint("The end points of an edge table are checked when a property graph has it.")
        }
        _ => error,
    }
}

/// A default must be an expression without columns that the column can take.
fn check_default(planning: &Planning<'_>, expr: &Expr, column: &ColumnDefinition) -> Result<()> {
    let value = planning.constant(expr.clone()).map_err(|error| match error.kind() {
        ErrorKind::UndefinedColumn => {
            Error::not_supported("cannot use column reference in DEFAULT expression").on_column(&column.name)
        }
        _ => error,
    })?;
    assign(value, &datafusion::common::DFSchema::empty(), column).map(drop)
}

fn key_columns(constraint: &TableConstraint) -> Result<Vec<String>> {
    let what = match constraint {
        TableConstraint::PrimaryKey(key) => return key.columns.iter().map(key_column).collect(),
        TableConstraint::Unique(_) => "UNIQUE",
        TableConstraint::ForeignKey(_) => "FOREIGN KEY",
        TableConstraint::Check(_) => "CHECK",
        _ => return Err(Error::not_supported(format!("{constraint} is not supported yet"))),
    };
    Err(Error::not_supported(format!("{what} is not supported yet")))
}

fn key_column(column: &IndexColumn) -> Result<String> {
    match &column.column.expr {
        Expr::Identifier(ident) => Ok(normalize(ident)),
        other => Err(Error::new(ErrorKind::Syntax, format!("a primary key is made of columns, not of {other}"))),
    }
}

/// Checks the table as a whole, and makes its key columns NOT NULL.
fn checked(mut table: TableDefinition) -> Result<TableDefinition> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidTableDefinition, message).on_table(&table.name));
    if table.columns.is_empty() {
        return invalid("a table needs at least one column".to_string());
    }
    if table.columns.len() > MAX_COLUMNS {
        return invalid(format!("tables can have at most {MAX_COLUMNS} columns"));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = table.columns.iter().find(|column| !seen.insert(&column.name)) {
        let message = format!("column \"{}\" specified more than once", twice.name);
        return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(&twice.name));
    }
    for column in &table.columns {
        if column.name.starts_with("_row") {
            return Err(Error::not_supported(format!("column name \"{}\" is reserved for the store", column.name)));
        }
    }
    let mut in_key = HashSet::new();
    for name in &table.primary_key {
        let column = table.columns.iter_mut().find(|column| &column.name == name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedColumn, format!("column \"{name}\" named in key does not exist"))
                .on_column(name)
        })?;
        column.not_null = true;
        if !in_key.insert(name) {
            let message = format!("column \"{name}\" appears twice in primary key constraint");
            return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(name));
        }
        check_key_type(column)?;
    }
    Ok(table)
}

fn check_key_type(column: &ColumnDefinition) -> Result<()> {
    use SqlType::{Array, Interval, Json, Jsonb, Vector};
    match column.sql_type {
        Array(_) | Interval | Json | Jsonb | Vector(_) => Err(Error::not_supported(format!(
            "column \"{}\" of type {} cannot be in a primary key",
            column.name, column.sql_type
        ))),
        _ => Ok(()),
    }
}

fn several_keys(table: &str) -> Error {
    Error::new(
        ErrorKind::InvalidTableDefinition,
        format!("multiple primary keys for table \"{table}\" are not allowed"),
    )
}
