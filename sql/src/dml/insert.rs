//! INSERT as a query: the source, cast to the table's columns, defaults filled in.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::sql::sqlparser::ast::{self, Insert, Query, SetExpr, TableObject, visit_expressions};
use slipstream_engine::catalog::{ColumnDefinition, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::assign::{assign, typed_null};
use super::{is_default, normalize, written_table};
use crate::error::from_datafusion;
use crate::planner::{Plan, Planning};
use crate::statement::parse_expression;

/// Plans an INSERT: the table, and a query of rows with exactly its columns.
pub(crate) async fn insert(planning: &Planning<'_>, insert: &Insert) -> Result<(Arc<TableDefinition>, Plan)> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::not_supported("INSERT takes the name of a table"));
    };
    check_clauses(insert)?;
    let table = written_table(&planning.view.snapshot.catalog, name)?;
    let named = named_columns(&table, insert)?;
    let mut plan = match &insert.source {
        Some(query) => match values_of(query) {
            Some(rows) => values(planning, insert, &table, &named, rows).await?,
            None => from_query(planning, query, &table, &named, !insert.columns.is_empty()).await?,
        },
        None => Plan::of(LogicalPlanBuilder::empty(true).build().map_err(from_datafusion)?),
    };
    plan.plan = fill(planning, &table, &named, plan.plan, insert.source.is_some())?;
    Ok((table, plan))
}

fn check_clauses(insert: &Insert) -> Result<()> {
    let refused = [
        (insert.on.is_some(), "ON CONFLICT"),
        (insert.returning.is_some(), "RETURNING"),
        (insert.overwrite || insert.replace_into || insert.ignore || insert.or.is_some(), "this form of INSERT"),
        (insert.partitioned.is_some() || !insert.after_columns.is_empty(), "INSERT ... PARTITION"),
        (insert.output.is_some() || !insert.assignments.is_empty(), "this form of INSERT"),
        (insert.settings.is_some() || insert.format_clause.is_some(), "INSERT ... FORMAT"),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported yet"))),
        None => Ok(()),
    }
}

/// Positions in the table of the columns that the source gives, in its order.
fn named_columns(table: &TableDefinition, insert: &Insert) -> Result<Vec<usize>> {
    if insert.columns.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut seen = HashSet::new();
    insert
        .columns
        .iter()
        .map(|name| {
            let name = name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
            table.column(&name)?;
            if !seen.insert(name.clone()) {
                return Err(Error::new(
                    ErrorKind::DuplicateColumn,
                    format!("column \"{name}\" specified more than once"),
                )
                .on_column(name));
            }
            Ok(table.columns.iter().position(|column| column.name == name).expect("the column was found"))
        })
        .collect()
}

/// The rows of a plain VALUES.
fn values_of(query: &Query) -> Option<&[ast::Parens<Vec<ast::Expr>>]> {
    match &*query.body {
        SetExpr::Values(values)
            if query.with.is_none()
                && query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.fetch.is_none() =>
        {
            Some(&values.rows)
        }
        _ => None,
    }
}

/// Rows of VALUES, each value cast to its column.
async fn values(
    planning: &Planning<'_>,
    insert: &Insert,
    table: &TableDefinition,
    named: &[usize],
    rows: &[ast::Parens<Vec<ast::Expr>>],
) -> Result<Plan> {
    let width = rows.first().map_or(0, |row| row.content.len());
    if rows.iter().any(|row| row.content.len() != width) {
        return Err(Error::new(ErrorKind::Syntax, "VALUES lists must all be the same length"));
    }
    check_width(width, named, !insert.columns.is_empty())?;
    let columns: Vec<&ColumnDefinition> = named[..width].iter().map(|position| &table.columns[*position]).collect();
    let mut texts = Vec::with_capacity(rows.len() * width);
    for row in rows {
        for (value, column) in row.content.iter().zip(&columns) {
            texts.push(if is_default(value) { default_text(column)? } else { value.clone() });
        }
    }
    let with_subqueries = texts.iter().any(has_subquery);
    let (expressions, tables) = planning.expressions(texts, &ast::Statement::Insert(insert.clone())).await?;
    let schema = DFSchema::empty();
    let mut assigned = Vec::with_capacity(rows.len());
    let mut expressions = expressions.into_iter();
    for _ in rows {
        let row = columns
            .iter()
            .map(|column| {
                let value = expressions.next().expect("as many expressions as values");
                // The rows of VALUES must agree in metadata too, whatever their expressions make of it.
                let metadata = FieldMetadata::from(&column.sql_type.field("", true));
                let value = assign(value, &schema, column)?.unalias();
                Ok(value.alias_with_metadata(&column.name, Some(metadata)))
            })
            .collect::<Result<Vec<_>>>()?;
        assigned.push(row);
    }
    let plan = if with_subqueries { one_by_one(assigned)? } else { together(assigned, &columns)? };
    Ok(Plan { plan, tables })
}

fn together(rows: Vec<Vec<Expr>>, columns: &[&ColumnDefinition]) -> Result<LogicalPlan> {
    let fields = columns.iter().enumerate().map(|(index, column)| column.sql_type.field(&column_name(index), true));
    let schema = DFSchema::from_unqualified_fields(fields.collect(), Default::default()).map_err(from_datafusion)?;
    LogicalPlanBuilder::values_with_schema(rows, &Arc::new(schema))
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_datafusion)
}

/// Rows that hold subqueries are queries of their own.
fn one_by_one(rows: Vec<Vec<Expr>>) -> Result<LogicalPlan> {
    let mut union: Option<LogicalPlanBuilder> = None;
    for row in rows {
        let named = row.into_iter().enumerate().map(|(index, value)| value.alias(column_name(index)));
        let row = LogicalPlanBuilder::empty(true).project(named).map_err(from_datafusion)?;
        union = Some(match union {
            None => row,
            Some(rows) => rows.union(row.build().map_err(from_datafusion)?).map_err(from_datafusion)?,
        });
    }
    union.ok_or_else(|| Error::internal("VALUES without rows")).and_then(|plan| plan.build().map_err(from_datafusion))
}

/// The name that DataFusion gives the n-th column of VALUES.
fn column_name(index: usize) -> String {
    format!("column{}", index + 1)
}

fn has_subquery(expr: &ast::Expr) -> bool {
    visit_expressions(expr, |expr| match expr {
        ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// Rows of a query, cast to their columns.
async fn from_query(
    planning: &Planning<'_>,
    query: &Query,
    table: &TableDefinition,
    named: &[usize],
    explicit: bool,
) -> Result<Plan> {
    let Plan { plan, tables } = planning.query(query).await?;
    let width = plan.schema().fields().len();
    check_width(width, named, explicit)?;
    let columns = named[..width].iter().map(|position| &table.columns[*position]);
    let (input, expressions) = match plan {
        // Casting inside the topmost projection lets bare strings of its list be read as the column's type.
        LogicalPlan::Projection(Projection { expr, input, .. }) => (Arc::unwrap_or_clone(input), expr),
        other => {
            let columns = other.schema().columns().into_iter().map(Expr::Column).collect();
            (other, columns)
        }
    };
    let assigned = expressions
        .into_iter()
        .zip(columns)
        .enumerate()
        .map(|(index, (expr, column))| Ok(assign(expr, input.schema(), column)?.unalias().alias(column_name(index))))
        .collect::<Result<Vec<_>>>()?;
    let plan = LogicalPlanBuilder::from(input).project(assigned).and_then(LogicalPlanBuilder::build);
    Ok(Plan { plan: plan.map_err(from_datafusion)?, tables })
}

fn check_width(width: usize, named: &[usize], explicit: bool) -> Result<()> {
    if width > named.len() {
        return Err(Error::new(ErrorKind::Syntax, "INSERT has more expressions than target columns"));
    }
    if width < named.len() && explicit {
        return Err(Error::new(ErrorKind::Syntax, "INSERT has more target columns than expressions"));
    }
    Ok(())
}

/// Puts the source's columns in the table's order and defaults in the places of the others.
fn fill(
    planning: &Planning<'_>,
    table: &TableDefinition,
    named: &[usize],
    source: LogicalPlan,
    has_source: bool,
) -> Result<LogicalPlan> {
    let given = if has_source { source.schema().fields().len() } else { 0 };
    let defaults = defaults(planning, table)?;
    let columns = table.columns.iter().zip(defaults).enumerate().map(|(position, (column, default))| {
        match named[..given].iter().position(|target| *target == position) {
            Some(index) => Expr::Column(Column::from(source.schema().qualified_field(index))).alias(&column.name),
            None => default,
        }
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(source).project(columns).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
}

/// The default of every column, as a value of its type.
pub(crate) fn defaults(planning: &Planning<'_>, table: &TableDefinition) -> Result<Vec<Expr>> {
    let schema = DFSchema::empty();
    let mut values = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        values.push(match &column.default {
            Some(text) => assign(planning.constant(parse_expression(text)?)?, &schema, column)?,
            None => typed_null(&column.sql_type)?.alias(&column.name),
        });
    }
    Ok(values)
}

/// The default of a column as text to plan.
pub(super) fn default_text(column: &ColumnDefinition) -> Result<ast::Expr> {
    match &column.default {
        Some(text) => parse_expression(text),
        None => Ok(ast::Expr::Value(ast::Value::Null.into())),
    }
}
