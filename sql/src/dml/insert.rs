//! INSERT as a query: the source, cast to the table's columns, defaults filled in.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::sql::sqlparser::ast::{
    self, Insert, OnInsert, Query, SetExpr, Statement, TableObject, With, visit_expressions,
};
use slipstream_engine::catalog::{ColumnDefinition, Identity, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::assign::{assign, typed_null};
use super::set::column_position;
use super::syntax::{Overriding, overriding};
use super::target::Target;
use super::write::{Again, Command, Parts};
use super::{conflict, generated, is_default};
use crate::error::from_datafusion;
use crate::planner::{Plan, Planning, Scope};
use crate::statement::parse_expression;

/// Plans an INSERT.
pub(super) async fn insert(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    insert: &Insert,
) -> Result<Plan> {
    let TableObject::TableName(name) = &insert.table else {
        return Err(Error::not_supported("INSERT takes the name of a table"));
    };
    check_clauses(insert)?;
    let target = Target::named(planning, name, insert.table_alias.as_ref().map(|alias| &alias.alias))?;
    let mut scope = planning.scope(statement, with).await?;
    let source = Source::of(&target.table, insert)?.plan(&mut scope, insert)?;
    let plan = match &insert.on {
        Some(OnInsert::OnConflict(on)) => conflict::plan(&mut scope, &target, insert, on, source).await?,
        _ => new_rows(&target, insert, source).plan(&mut scope)?,
    };
    Ok(scope.finish(plan))
}

/// A write of rows that are all new.
pub(super) fn new_rows<'a>(target: &'a Target, insert: &'a Insert, source: LogicalPlan) -> Parts<'a> {
    Parts {
        command: Command::Insert,
        target,
        action: None,
        has_identity: false,
        row: source.schema().iter().map(|field| Expr::Column(Column::from(field))).collect(),
        sources: Vec::new(),
        sources_first: false,
        again: Again::Never,
        arbiters: Vec::new(),
        arbiter_names: Vec::new(),
        returning: insert.returning.as_deref(),
        base: source,
    }
}

fn check_clauses(insert: &Insert) -> Result<()> {
    let refused = [
        (matches!(insert.on, Some(OnInsert::DuplicateKeyUpdate(_))), "ON DUPLICATE KEY UPDATE"),
        (insert.overwrite || insert.replace_into || insert.ignore || insert.or.is_some(), "this form of INSERT"),
        (insert.partitioned.is_some() || !insert.after_columns.is_empty(), "INSERT ... PARTITION"),
        (insert.output.is_some() || !insert.assignments.is_empty(), "this form of INSERT"),
        (insert.settings.is_some() || insert.format_clause.is_some(), "INSERT ... FORMAT"),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// Where the values of an INSERT go.
struct Source<'a> {
    table: &'a TableDefinition,
    /// Positions in the table of the columns that the statement names, in its order.
    named: Vec<usize>,
    /// Whether it names them.
    explicit: bool,
    overriding: Option<Overriding>,
}

impl<'a> Source<'a> {
    fn of(table: &'a TableDefinition, insert: &Insert) -> Result<Self> {
        let (named, explicit) = (named_columns(table, &insert.columns)?, !insert.columns.is_empty());
        Ok(Source { table, named, explicit, overriding: overriding(insert) })
    }

    /// A query of rows with exactly the table's columns, under their names.
    fn plan(&self, scope: &mut Scope<'_>, insert: &Insert) -> Result<LogicalPlan> {
        let Some(query) = &insert.source else {
            let nothing = LogicalPlanBuilder::empty(true).build().map_err(from_datafusion)?;
            return fill(scope.planning, self.table, &[], nothing);
        };
        let (given, rows) = match values_of(query) {
            Some(rows) => self.values(scope, rows)?,
            None => self.query(scope, query)?,
        };
        fill(scope.planning, self.table, &given, rows)
    }

    fn check_width(&self, width: usize) -> Result<()> {
        if width > self.named.len() {
            return Err(Error::new(ErrorKind::Syntax, "INSERT has more expressions than target columns"));
        }
        if width < self.named.len() && self.explicit {
            return Err(Error::new(ErrorKind::Syntax, "INSERT has more target columns than expressions"));
        }
        Ok(())
    }

    /// Rows of VALUES, each value cast to its column, and the columns that they have. A column that is DEFAULT in every row
    /// is left out: it is filled in above, so that its default is not drawn before the statement runs.
    fn values(&self, scope: &mut Scope<'_>, rows: &[ast::Parens<Vec<ast::Expr>>]) -> Result<(Vec<usize>, LogicalPlan)> {
        let width = rows.first().map_or(0, |row| row.content.len());
        if rows.iter().any(|row| row.content.len() != width) {
            return Err(Error::new(ErrorKind::Syntax, "VALUES lists must all be the same length"));
        }
        self.check_width(width)?;
        let mut given = Vec::with_capacity(width);
        for (index, position) in self.named[..width].iter().enumerate() {
            let column = &self.table.columns[*position];
            let is_given = !rows.iter().all(|row| is_default(&row.content[index]));
            if is_given && takes_value(column, self.overriding)? {
                given.push((index, *position));
            }
        }
        let columns: Vec<&ColumnDefinition> =
            given.iter().map(|(_, position)| &self.table.columns[*position]).collect();
        let with_subqueries = rows.iter().flat_map(|row| &row.content).any(has_subquery);
        let mut assigned = Vec::with_capacity(rows.len());
        for row in rows {
            let values = given.iter().zip(&columns).map(|((index, _), column)| {
                let value = &row.content[*index];
                let value = match is_default(value) {
                    true => default_value(scope.planning, column)?,
                    false => assign(scope.constant(value.clone())?, &DFSchema::empty(), column)?,
                };
                // The rows of VALUES must agree in metadata too, whatever their expressions make of it.
                let metadata = FieldMetadata::from(&column.sql_type.field("", true));
                Ok(value.unalias().alias_with_metadata(&column.name, Some(metadata)))
            });
            assigned.push(values.collect::<Result<Vec<_>>>()?);
        }
        let positions = given.iter().map(|(_, position)| *position).collect();
        if columns.is_empty() {
            return Ok((positions, empty_rows(rows.len())?));
        }
        let plan = if with_subqueries { one_by_one(assigned)? } else { together(assigned, &columns)? };
        Ok((positions, plan))
    }

    /// Rows of a query, cast to their columns, and the columns that they have.
    fn query(&self, scope: &mut Scope<'_>, query: &Query) -> Result<(Vec<usize>, LogicalPlan)> {
        let plan = scope.query(query.clone())?;
        let width = plan.schema().fields().len();
        self.check_width(width)?;
        let (input, expressions) = match plan {
            // Casting inside the topmost projection lets bare strings of its list be read as the column's type.
            LogicalPlan::Projection(Projection { expr, input, .. }) => (Arc::unwrap_or_clone(input), expr),
            other => {
                let columns = other.schema().columns().into_iter().map(Expr::Column).collect();
                (other, columns)
            }
        };
        let mut given = Vec::with_capacity(width);
        let mut assigned = Vec::with_capacity(width);
        for (position, expr) in self.named.iter().zip(expressions) {
            let column = &self.table.columns[*position];
            if takes_value(column, self.overriding)? {
                let value = assign(expr, input.schema(), column)?;
                assigned.push(value.unalias().alias(column_name(given.len())));
                given.push(*position);
            }
        }
        let plan = LogicalPlanBuilder::from(input).project(assigned).and_then(LogicalPlanBuilder::build);
        Ok((given, plan.map_err(from_datafusion)?))
    }
}

/// Whether a column takes the statement's value, and not its sequence's; `428C9` where it must not have one.
pub(super) fn takes_value(column: &ColumnDefinition, overriding: Option<Overriding>) -> Result<bool> {
    if column.generated.is_some() {
        let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
        return Err(Error::new(ErrorKind::GeneratedAlways, message)
            .with_detail(format!("Column \"{}\" is a generated column.", column.name))
            .on_column(&column.name));
    }
    match (column.identity, overriding) {
        (None, _) | (Some(Identity::ByDefault), None | Some(Overriding::System)) => Ok(true),
        (Some(Identity::Always), Some(Overriding::System)) => Ok(true),
        (Some(_), Some(Overriding::User)) => Ok(false),
        (Some(Identity::Always), None) => {
            let message = format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name);
            Err(Error::new(ErrorKind::GeneratedAlways, message)
                .with_detail(format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name))
                .with_hint("Use OVERRIDING SYSTEM VALUE to override.")
                .on_column(&column.name))
        }
    }
}

/// Positions in the table of the columns that an INSERT names; all of them where it names none.
pub(super) fn named_columns(table: &TableDefinition, names: &[ast::ObjectName]) -> Result<Vec<usize>> {
    if names.is_empty() {
        return Ok((0..table.columns.len()).collect());
    }
    let mut seen = HashSet::new();
    names
        .iter()
        .map(|name| {
            let position = column_position(table, name)?;
            if !seen.insert(position) {
                let name = &table.columns[position].name;
                let message = format!("column \"{name}\" specified more than once");
                return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(name));
            }
            Ok(position)
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

/// Rows without columns.
fn empty_rows(rows: usize) -> Result<LogicalPlan> {
    if rows == 1 {
        return LogicalPlanBuilder::empty(true).build().map_err(from_datafusion);
    }
    let rows = (0..rows as i64).map(|number| vec![datafusion::logical_expr::lit(number)]).collect();
    LogicalPlanBuilder::values(rows).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
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

/// Puts the source's columns, which are those at `given`, into the table's order, defaults in the places of the others, and
/// computes those that are generated.
fn fill(planning: &Planning<'_>, table: &TableDefinition, given: &[usize], source: LogicalPlan) -> Result<LogicalPlan> {
    let mut columns = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        columns.push(match given.iter().position(|target| *target == position) {
            Some(index) => Expr::Column(Column::from(source.schema().qualified_field(index))).alias(&column.name),
            None => default_value(planning, column)?.alias(&column.name),
        });
    }
    let rows = LogicalPlanBuilder::from(source).project(columns).and_then(LogicalPlanBuilder::build);
    generated::fill(planning, table, rows.map_err(from_datafusion)?)
}

/// The default of every column, as a value of its type.
pub(crate) fn defaults(planning: &Planning<'_>, table: &TableDefinition) -> Result<Vec<Expr>> {
    table.columns.iter().map(|column| Ok(default_value(planning, column)?.alias(&column.name))).collect()
}

/// The default of a column, as a value of its type.
pub(super) fn default_value(planning: &Planning<'_>, column: &ColumnDefinition) -> Result<Expr> {
    match &column.default {
        Some(text) => {
            let value = assign(planning.constant(parse_expression(text)?)?, &DFSchema::empty(), column)?;
            Ok(value.unalias())
        }
        None => typed_null(&column.sql_type),
    }
}
