//! SET: which columns get which values.
//!
//! `(a, b) = (SELECT x, y ...)` is said as `a = (SELECT x ...), b = (SELECT y ...)` before anything else looks at the
//! statement ([`split_rows`]).

use std::ops::ControlFlow;

use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    self, Assignment, AssignmentTarget, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    MergeAction, ObjectName, OnConflictAction, OnInsert, OrderByKind, Query, SelectItem, SetExpr, Statement,
    TableAlias, TableAliasColumnDef, TableWithJoins, Value, VisitMut, VisitorMut,
};
use slipstream_engine::catalog::{ColumnDefinition, Identity, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::assign::assign;
use super::insert::default_value;
use super::returning::refuse_aggregates;
use super::target::Target;
use super::{is_default, normalize};
use crate::planner::{Scope, syntax};

/// The row that SET makes of the target's in `base`, in the order of the table's columns.
pub(super) fn new_row(
    scope: &mut Scope<'_>,
    target: &Target,
    base: &LogicalPlan,
    assignments: &[Assignment],
) -> Result<Vec<Expr>> {
    let table = &target.table;
    let mut row = target.columns();
    let mut assigned = vec![false; row.len()];
    for (name, value) in flat(assignments)? {
        let position = column_position(table, name)?;
        let column = &table.columns[position];
        if std::mem::replace(&mut assigned[position], true) {
            let message = format!("multiple assignments to same column \"{}\"", column.name);
            return Err(Error::new(ErrorKind::Syntax, message));
        }
        row[position] = match is_default(value) {
            true => default_value(scope.planning, column)?,
            false => {
                refuse_generated(column)?;
                let value = scope.expression(value.clone(), base)?;
                refuse_aggregates(&value, "UPDATE")?;
                assign(value, base.schema(), column)?.unalias()
            }
        };
    }
    Ok(row)
}

/// `428C9` for a column whose values are its sequence's, or computed.
fn refuse_generated(column: &ColumnDefinition) -> Result<()> {
    let what = match (column.identity, &column.generated) {
        (_, Some(_)) => "a generated column",
        (Some(Identity::Always), None) => "an identity column defined as GENERATED ALWAYS",
        _ => return Ok(()),
    };
    let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
    Err(Error::new(ErrorKind::GeneratedAlways, message)
        .with_detail(format!("Column \"{}\" is {what}.", column.name))
        .on_column(&column.name))
}

/// Columns and values, one by one.
fn flat(assignments: &[Assignment]) -> Result<Vec<(&ObjectName, &ast::Expr)>> {
    let mut pairs = Vec::new();
    for assignment in assignments {
        match &assignment.target {
            AssignmentTarget::ColumnName(name) => pairs.push((name, &assignment.value)),
            AssignmentTarget::Tuple(names) => {
                let values = row_values(&assignment.value)?;
                if names.len() != values.len() {
                    return Err(wrong_width());
                }
                pairs.extend(names.iter().zip(values));
            }
        }
    }
    Ok(pairs)
}

fn wrong_width() -> Error {
    Error::new(ErrorKind::Syntax, "number of columns does not match number of values")
}

/// The values of `(a, b)` and `ROW(a, b)`.
fn row_values(value: &ast::Expr) -> Result<Vec<&ast::Expr>> {
    match value {
        ast::Expr::Tuple(values) => Ok(values.iter().collect()),
        ast::Expr::Nested(inner) => row_values(inner),
        ast::Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("row") => {
            let FunctionArguments::List(list) = &function.args else { return Err(no_row()) };
            let value = |argument| match argument {
                &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref value)) => Ok(value),
                _ => Err(no_row()),
            };
            list.args.iter().map(value).collect()
        }
        _ => Err(no_row()),
    }
}

fn no_row() -> Error {
    Error::not_supported("source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression")
}

/// The position of a column that is written.
pub(super) fn column_position(table: &TableDefinition, name: &ObjectName) -> Result<usize> {
    // A qualified name would be a field of a column of a composite type, which there are none of.
    let name = name.0.first().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
    table.column(&name)?;
    table
        .columns
        .iter()
        .position(|column| column.name == name)
        .ok_or_else(|| Error::internal(format!("column \"{name}\" is there and is not")))
}

/// Gives every column of `(a, b) = (SELECT ...)` a subquery of its own.
pub(crate) fn split_rows(statement: &mut Statement) {
    struct Split;
    impl VisitorMut for Split {
        type Break = ();

        fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<()> {
            match statement {
                Statement::Update(update) => split(&mut update.assignments),
                Statement::Insert(insert) => {
                    if let Some(OnInsert::OnConflict(conflict)) = &mut insert.on
                        && let OnConflictAction::DoUpdate(update) = &mut conflict.action
                    {
                        split(&mut update.assignments);
                    }
                }
                Statement::Merge(merge) => {
                    for clause in &mut merge.clauses {
                        if let MergeAction::Update(update) = &mut clause.action {
                            split(&mut update.assignments);
                        }
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Split);
}

fn split(assignments: &mut Vec<Assignment>) {
    *assignments = std::mem::take(assignments)
        .into_iter()
        .flat_map(|assignment| match (&assignment.target, &assignment.value) {
            (AssignmentTarget::Tuple(names), ast::Expr::Subquery(query)) => {
                match (0..names.len()).map(|index| item(query, index, names.len())).collect::<Option<Vec<_>>>() {
                    Some(values) => names
                        .iter()
                        .zip(values)
                        .map(|(name, query)| Assignment {
                            target: AssignmentTarget::ColumnName(name.clone()),
                            value: ast::Expr::Subquery(Box::new(query)),
                        })
                        .collect(),
                    // The wrong number of columns, which is refused later.
                    None => vec![Assignment { value: ast::Expr::Tuple(Vec::new()), ..assignment }],
                }
            }
            _ => vec![assignment],
        })
        .collect();
}

/// The query of one item of a query; `None` where it is seen not to have `width` items.
fn item(query: &Query, index: usize, width: usize) -> Option<Query> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Some(wrapped(query, index, width)) };
    let has_star = select
        .projection
        .iter()
        .any(|item| !matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }));
    if !has_star && select.projection.len() != width {
        return None;
    }
    if has_star || select.distinct.is_some() || orders_by_items(query) || groups_by_items(&select.group_by) {
        return Some(wrapped(query, index, width));
    }
    let mut query = query.clone();
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = vec![select.projection.swap_remove(index)];
    }
    Some(query)
}

/// Whether ORDER BY speaks of the select list, by position or by alias.
fn orders_by_items(query: &Query) -> bool {
    let Some(order) = &query.order_by else { return false };
    let OrderByKind::Expressions(keys) = &order.kind else { return true };
    keys.iter().any(|key| match &key.expr {
        ast::Expr::Identifier(name) => match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.iter().any(
                |item| matches!(item, SelectItem::ExprWithAlias { alias, .. } if normalize(alias) == normalize(name)),
            ),
            _ => true,
        },
        other => is_number(other),
    })
}

fn groups_by_items(group_by: &GroupByExpr) -> bool {
    match group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => keys.iter().any(is_number),
    }
}

fn is_number(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Value(value) if matches!(value.value, Value::Number(..)))
}

/// `(SELECT "?2" FROM (query) AS "?row"("?1", "?2", ...))`
fn wrapped(query: &Query, index: usize, width: usize) -> Query {
    let name = |index: usize| syntax::quoted(&format!("?{index}"));
    let columns = (0..width).map(|index| TableAliasColumnDef { name: name(index), data_type: None }).collect();
    let alias = TableAlias { columns, ..syntax::table_alias(syntax::quoted("?row")) };
    let from = TableWithJoins { relation: syntax::derived(query.clone(), alias), joins: Vec::new() };
    let column: Ident = name(index);
    syntax::select(vec![SelectItem::UnnamedExpr(ast::Expr::Identifier(column))], vec![from], None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{Command, parse};

    fn split(sql: &str) -> String {
        let statements = parse(sql).expect(sql);
        let Command::Sql(statement) = statements[0].command() else { panic!("{sql}") };
        let mut statement = statement.as_ref().clone();
        split_rows(&mut statement);
        statement.to_string()
    }

    #[test]
    fn every_column_gets_a_subquery() {
        assert_eq!(
            split("update t set (a, b) = (select x, y from s where s.k = t.k), c = 1"),
            "UPDATE t SET a = (SELECT x FROM s WHERE s.k = t.k), b = (SELECT y FROM s WHERE s.k = t.k), c = 1"
        );
    }

    #[test]
    fn what_speaks_of_its_own_items_is_wrapped() {
        assert_eq!(
            split("update t set (a, b) = (select x, y from s order by 2 limit 1)"),
            "UPDATE t SET a = (SELECT \"?0\" FROM (SELECT x, y FROM s ORDER BY 2 LIMIT 1) AS \"?row\" (\"?0\", \"?1\")), \
             b = (SELECT \"?1\" FROM (SELECT x, y FROM s ORDER BY 2 LIMIT 1) AS \"?row\" (\"?0\", \"?1\"))"
        );
    }
}
