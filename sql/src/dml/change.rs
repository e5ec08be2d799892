//! UPDATE and DELETE: a query of the target's rows, joined with the tables of FROM or USING.

use datafusion::common::Column;
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::utils::expand_wildcard;
use datafusion::sql::sqlparser::ast::{
    self, Delete, FromTable, Statement, TableWithJoins, Update, UpdateTableFromKind, With,
};
use slipstream_engine::{Error, Result};

use super::set;
use super::target::Target;
use super::write::{Again, Command, Parts};
use crate::error::from_datafusion;
use crate::planner::{Plan, Planning, Scope};

/// Plans a DELETE.
pub(super) async fn delete(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    delete: &Delete,
) -> Result<Plan> {
    refuse(&[
        (!delete.tables.is_empty() || delete.output.is_some(), "this form of DELETE"),
        (!delete.order_by.is_empty() || delete.limit.is_some(), "DELETE with ORDER BY or LIMIT"),
    ])?;
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [from] = &from[..] else {
        return Err(Error::not_supported("DELETE from several tables is not supported"));
    };
    let target = Target::without_joins(planning, from)?;
    let mut scope = planning.scope(statement, with).await?;
    let others = delete.using.as_deref().unwrap_or_default();
    let base = rows(&mut scope, &target, others, delete.selection.as_ref()).await?;
    let row = if delete.returning.is_some() { target.columns() } else { Vec::new() };
    let plan = parts(Command::Delete, &target, base, others, delete.returning.as_deref())?;
    let plan = Parts { row, ..plan }.plan(&mut scope)?;
    Ok(scope.finish(plan))
}

/// Plans an UPDATE.
pub(super) async fn update(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    update: &Update,
) -> Result<Plan> {
    refuse(&[
        (update.or.is_some() || update.output.is_some(), "this form of UPDATE"),
        (!update.order_by.is_empty() || update.limit.is_some(), "UPDATE with ORDER BY or LIMIT"),
        (matches!(update.from, Some(UpdateTableFromKind::BeforeSet(_))), "FROM before SET"),
    ])?;
    let target = Target::without_joins(planning, &update.table)?;
    let mut scope = planning.scope(statement, with).await?;
    let others = match &update.from {
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => &from[..],
        None => &[],
    };
    let base = rows(&mut scope, &target, others, update.selection.as_ref()).await?;
    let row = set::new_row(&mut scope, &target, &base, &update.assignments)?;
    let plan = parts(Command::Update, &target, base, others, update.returning.as_deref())?;
    let plan = Parts { row, ..plan }.plan(&mut scope)?;
    Ok(scope.finish(plan))
}

fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(Error::not_supported(format!("{what} is not supported"))),
        None => Ok(()),
    }
}

/// The rows of the target that a statement is about, with those of the other tables.
async fn rows(
    scope: &mut Scope<'_>,
    target: &Target,
    others: &[TableWithJoins],
    selection: Option<&ast::Expr>,
) -> Result<LogicalPlan> {
    let mut from = vec![TableWithJoins { relation: target.rows(scope).await?, joins: Vec::new() }];
    from.extend_from_slice(others);
    scope.relation(from, selection.cloned())
}

fn parts<'a>(
    command: Command,
    target: &'a Target,
    base: LogicalPlan,
    others: &[TableWithJoins],
    returning: Option<&'a [ast::SelectItem]>,
) -> Result<Parts<'a>> {
    Ok(Parts {
        command,
        target,
        action: None,
        has_identity: true,
        row: Vec::new(),
        sources: source_columns(target, &base)?,
        sources_first: false,
        again: if others.is_empty() { Again::Never } else { Again::FirstCounts },
        arbiters: Vec::new(),
        arbiter_names: Vec::new(),
        returning,
        base,
    })
}

/// The columns that `*` gives, without the target's.
pub(super) fn source_columns(target: &Target, base: &LogicalPlan) -> Result<Vec<Column>> {
    let qualifier = target.qualifier();
    let columns = expand_wildcard(base.schema(), base, None).map_err(from_datafusion)?;
    Ok(columns
        .into_iter()
        .filter_map(|expr| match expr {
            datafusion::logical_expr::Expr::Column(column) => Some(column),
            _ => None,
        })
        .filter(|column| column.relation.as_ref() != Some(&qualifier) && !column.name.starts_with('?'))
        .collect())
}
