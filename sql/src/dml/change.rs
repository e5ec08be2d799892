//! UPDATE and DELETE as queries over the table's rows and their addresses.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::sql::sqlparser::ast::{
    self, AssignmentTarget, Delete, FromTable, Ident, ObjectName, SelectItem, TableFactor, TableWithJoins, Update,
};
use slipstream_engine::catalog::{ColumnDefinition, TableDefinition};
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::{Error, ErrorKind, Result};

use super::assign::assign;
use super::insert::default_text;
use super::{is_default, normalize, written_table};
use crate::error::from_datafusion;
use crate::planner::names::TARGET_SCHEMA;
use crate::planner::{Plan, Planning};

/// Plans a DELETE: the table, and a query of the identity columns and addresses of the rows that go.
pub(crate) async fn delete(planning: &Planning<'_>, delete: &Delete) -> Result<(Arc<TableDefinition>, Plan)> {
    let refused = [
        (delete.using.is_some(), "DELETE ... USING"),
        (delete.returning.is_some(), "RETURNING"),
        (!delete.tables.is_empty() || delete.output.is_some(), "this form of DELETE"),
        (!delete.order_by.is_empty() || delete.limit.is_some(), "DELETE with ORDER BY or LIMIT"),
    ];
    refuse(&refused)?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [from] = &from[..] else {
        return Err(Error::not_supported("DELETE from several tables is not supported"));
    };
    let target = Target::of(planning, from)?;
    let query = target.query(target.identity(planning), delete.selection.clone());
    Ok((target.table, planning.query(&query).await?))
}

/// Plans an UPDATE: the table, and a query of the identity columns and addresses of the rows that change, then of their
/// new values.
pub(crate) async fn update(planning: &Planning<'_>, update: &Update) -> Result<(Arc<TableDefinition>, Plan)> {
    let refused = [
        (update.from.is_some(), "UPDATE ... FROM"),
        (update.returning.is_some(), "RETURNING"),
        (update.or.is_some() || update.output.is_some(), "this form of UPDATE"),
        (!update.order_by.is_empty() || update.limit.is_some(), "UPDATE with ORDER BY or LIMIT"),
    ];
    refuse(&refused)?;
    let target = Target::of(planning, &update.table)?;
    let mut values = assignments(&target.table, &update.assignments)?;
    let mut items = target.identity(planning);
    let identity = items.len();
    for (position, column) in target.table.columns.iter().enumerate() {
        let value = values.remove(&column.name).unwrap_or_else(|| target.column(&column.name));
        items.push(aliased(value, &format!("?{position}")));
    }
    let query = target.query(items, update.selection.clone());
    let Plan { plan, tables } = planning.query(&query).await?;
    let plan = assign_values(plan, identity, &target.table)?;
    Ok((target.table, Plan { plan, tables }))
}

fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported yet"))),
        None => Ok(()),
    }
}

/// Casts the new values, which follow the identity columns, to their columns.
fn assign_values(plan: LogicalPlan, identity: usize, table: &TableDefinition) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(Projection { mut expr, input, .. }) = plan else {
        return Err(Error::internal("an UPDATE was not planned as a projection"));
    };
    for (value, (position, column)) in expr[identity..].iter_mut().zip(table.columns.iter().enumerate()) {
        let assigned = assign(std::mem::take(value), input.schema(), column)?;
        *value = assigned.unalias().alias(format!("?{position}"));
    }
    LogicalPlanBuilder::from(Arc::unwrap_or_clone(input))
        .project(expr)
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_datafusion)
}

/// The table of an UPDATE or DELETE and the name that the statement gives it.
struct Target {
    table: Arc<TableDefinition>,
    alias: Ident,
}

impl Target {
    fn of(planning: &Planning<'_>, from: &TableWithJoins) -> Result<Self> {
        let TableFactor::Table { name, alias, args: None, .. } = &from.relation else {
            return Err(Error::not_supported("UPDATE and DELETE take the name of a table"));
        };
        if !from.joins.is_empty() {
            return Err(Error::not_supported("UPDATE and DELETE of a join are not supported"));
        }
        let table = written_table(&planning.view.snapshot.catalog, name)?;
        let alias = match alias {
            Some(alias) => alias.name.clone(),
            None => Ident::with_quote('"', &table.name),
        };
        Ok(Target { table, alias })
    }

    fn column(&self, name: &str) -> ast::Expr {
        ast::Expr::CompoundIdentifier(vec![self.alias.clone(), Ident::with_quote('"', name)])
    }

    /// The columns that identify a row wherever it is kept, and its address.
    fn identity(&self, planning: &Planning<'_>) -> Vec<SelectItem> {
        let columns = planning.view.snapshot.catalog.identity_columns(&self.table);
        columns.iter().map(String::as_str).chain([ROW_ADDRESS]).map(|name| aliased(self.column(name), name)).collect()
    }

    fn query(&self, projection: Vec<SelectItem>, selection: Option<ast::Expr>) -> ast::Query {
        let name = [TARGET_SCHEMA, &self.table.name].map(|part| Ident::with_quote('"', part));
        let relation = TableFactor::Table {
            name: ObjectName::from(name.to_vec()),
            alias: Some(ast::TableAlias { explicit: true, name: self.alias.clone(), columns: Vec::new(), at: None }),
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        select(projection, relation, selection)
    }
}

fn aliased(expr: ast::Expr, alias: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', alias) }
}

fn select(projection: Vec<SelectItem>, relation: TableFactor, selection: Option<ast::Expr>) -> ast::Query {
    let select = ast::Select {
        select_token: ast::helpers::attached_token::AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from: vec![TableWithJoins { relation, joins: Vec::new() }],
        lateral_views: Vec::new(),
        prewhere: None,
        selection,
        connect_by: Vec::new(),
        group_by: ast::GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: ast::SelectFlavor::Standard,
    };
    ast::Query {
        with: None,
        body: Box::new(ast::SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The new value of every column that SET names.
fn assignments(table: &TableDefinition, assignments: &[ast::Assignment]) -> Result<HashMap<String, ast::Expr>> {
    let mut values = HashMap::new();
    for assignment in assignments {
        for (column, value) in pairs(table, assignment)? {
            let value = if is_default(&value) { default_text(column)? } else { value };
            if values.insert(column.name.clone(), value).is_some() {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    format!("multiple assignments to same column \"{}\"", column.name),
                ));
            }
        }
    }
    Ok(values)
}

fn pairs<'a>(
    table: &'a TableDefinition,
    assignment: &ast::Assignment,
) -> Result<Vec<(&'a ColumnDefinition, ast::Expr)>> {
    match (&assignment.target, &assignment.value) {
        (AssignmentTarget::ColumnName(name), value) => Ok(vec![(column(table, name)?, value.clone())]),
        (AssignmentTarget::Tuple(names), ast::Expr::Tuple(values)) if names.len() == values.len() => {
            names.iter().zip(values).map(|(name, value)| Ok((column(table, name)?, value.clone()))).collect()
        }
        (AssignmentTarget::Tuple(_), ast::Expr::Tuple(_)) => {
            Err(Error::new(ErrorKind::Syntax, "number of columns does not match number of values"))
        }
        (AssignmentTarget::Tuple(_), _) => {
            Err(Error::not_supported("UPDATE ... SET (columns) = (subquery) is not supported yet"))
        }
    }
}

fn column<'a>(table: &'a TableDefinition, name: &ObjectName) -> Result<&'a ColumnDefinition> {
    let name = name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
    table.column(&name)
}
