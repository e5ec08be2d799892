//! CREATE TABLE.

use arrow::datatypes::Schema;
use datafusion::sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion::sql::sqlparser::ast::{CreateTable, Statement};
use slipstream_engine::catalog::{Catalog, CatalogEdit, ColumnDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::Definition;
use super::super::names::{Place, already_exists, is_taken, place};
use super::constraints::Constraint;
use super::draft::Draft;
use crate::dml::normalize;
use crate::planner::Planning;

/// Columns that a table may have, as in Postgres.
const MAX_COLUMNS: usize = 1600;

/// The same table with an identity and a directory of its own.
pub(crate) fn identify(catalog: &Catalog, table: TableDefinition) -> TableDefinition {
    let oid = catalog.reserve_oid();
    TableDefinition { oid, schema: table.schema, ..TableDefinition::new(table.name, table.columns, table.primary_key) }
}

/// CREATE TABLE without AS.
pub(crate) fn create_table(planning: &Planning<'_>, statement: &CreateTable) -> Result<Definition> {
    check_clauses(statement)?;
    let place = place(planning, &statement.name)?;
    if let Some(passed_over) = existing(planning, &place, statement.if_not_exists)? {
        return Ok(passed_over);
    }
    let table = empty(planning, place, Vec::new());
    let mut draft = Draft::new(planning, table);
    let mut constraints = Vec::new();
    for column in &statement.columns {
        constraints.extend(draft.add_column(column)?);
    }
    check_columns(&draft.table)?;
    for constraint in &statement.constraints {
        constraints.push(Constraint::of_table(constraint)?);
    }
    // Keys first: a reference to the table itself needs them.
    constraints.sort_by_key(Constraint::order);
    for constraint in constraints {
        draft.add_constraint(constraint)?;
    }
    draft.check_generated()?;
    let mut edits = draft.sequence_edits();
    edits.insert(0, CatalogEdit::CreateTable(draft.table));
    Ok(Definition::new("CREATE TABLE", edits))
}

/// The table that CREATE TABLE AS makes of a query's columns; `None` where IF NOT EXISTS finds one.
pub(crate) fn table_from_query(
    planning: &Planning<'_>,
    statement: &CreateTable,
    schema: &Schema,
) -> Result<Option<TableDefinition>> {
    check_clauses(&CreateTable { query: None, ..statement.clone() })?;
    let place = place(planning, &statement.name)?;
    if existing(planning, &place, statement.if_not_exists)?.is_some() {
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
            Ok(ColumnDefinition { name, sql_type, not_null: false, default: None, identity: None, generated: None })
        })
        .collect::<Result<Vec<_>>>()?;
    let table = empty(planning, place, columns);
    check_columns(&table)?;
    Ok(Some(table))
}

fn empty(planning: &Planning<'_>, place: Place, columns: Vec<ColumnDefinition>) -> TableDefinition {
    let oid = planning.view.snapshot.catalog.reserve_oid();
    TableDefinition { oid, schema: place.schema, ..TableDefinition::new(place.name, columns, Vec::new()) }
}

/// `42P07`, or with IF NOT EXISTS nothing to do.
fn existing(planning: &Planning<'_>, place: &Place, if_not_exists: bool) -> Result<Option<Definition>> {
    match (is_taken(&planning.view.snapshot.catalog, place), if_not_exists) {
        (false, _) => Ok(None),
        (true, true) => {
            let notice = format!("relation \"{}\" already exists, skipping", place.name);
            Ok(Some(Definition::passed_over("CREATE TABLE", notice)))
        }
        (true, false) => Err(already_exists(&place.name)),
    }
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

/// The number of columns must be one that a table can have.
pub(super) fn check_columns(table: &TableDefinition) -> Result<()> {
    let invalid = |message: String| Err(Error::new(ErrorKind::InvalidTableDefinition, message).on_table(&table.name));
    if table.columns.is_empty() {
        return invalid("a table needs at least one column".to_string());
    }
    if table.columns.len() > MAX_COLUMNS {
        return invalid(format!("tables can have at most {MAX_COLUMNS} columns"));
    }
    for (position, column) in table.columns.iter().enumerate() {
        if table.columns[..position].iter().any(|other| other.name == column.name) {
            let message = format!("column \"{}\" specified more than once", column.name);
            return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(&column.name));
        }
        super::columns::check_name(&column.name)?;
    }
    Ok(())
}
