//! RETURNING: expressions over the rows that a write has affected.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Field;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, TableReference};
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast::{Expr as Syntax, ObjectName, SelectItem, SelectItemQualifiedWildcardKind};
use slipstream_engine::{Error, ErrorKind, Result};

use super::normalize;
use super::target::Target;
use super::write::target_fields;
use crate::error::from_datafusion;
use crate::planner::Scope;
use crate::planner::columns::item_name;

/// What RETURNING asks for.
pub(crate) struct Returned {
    /// The columns of the result.
    pub(crate) items: Vec<Expr>,
    /// Columns of other tables that they refer to.
    pub(crate) sources: Vec<Column>,
}

/// Plans the items of a RETURNING over the target's row and the other tables of `base`; `stars` are the other tables' columns
/// as `*` gives them.
pub(super) fn plan(
    scope: &mut Scope<'_>,
    items: &[SelectItem],
    target: &Target,
    base: &LogicalPlan,
    stars: &[Column],
    sources_first: bool,
) -> Result<Returned> {
    let own: Vec<Column> =
        target.table.columns.iter().map(|column| Column::new(Some(target.qualifier()), column.name.as_str())).collect();
    let others = source_fields(base, stars);
    let fields: Vec<_> = target_fields(target).into_iter().chain(others.iter().cloned()).collect();
    let schema = DFSchema::new_with_metadata(fields, Default::default()).map_err(from_datafusion)?;
    let rows = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema) });
    let star: Vec<Column> = match sources_first {
        true => stars.iter().chain(&own).cloned().collect(),
        false => own.iter().chain(stars).cloned().collect(),
    };
    let mut planned: Vec<(Expr, Option<String>)> = Vec::with_capacity(items.len());
    for item in items {
        match item {
            SelectItem::Wildcard(_) => planned.extend(star.iter().cloned().map(|column| (Expr::Column(column), None))),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                planned.extend(columns_of(&rows, name)?.into_iter().map(|column| (Expr::Column(column), None)));
            }
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                planned.push((expression(scope, expr, &rows)?, Some(item_name(item))));
            }
            _ => return Err(Error::not_supported(format!("RETURNING {item} is not supported"))),
        }
    }
    let sources = referenced(&planned, &others)?;
    Ok(Returned { items: distinct(planned), sources })
}

/// All columns of the tables that `*` gives columns of.
fn source_fields(base: &LogicalPlan, stars: &[Column]) -> Vec<(Option<TableReference>, Arc<Field>)> {
    let tables: HashSet<&TableReference> = stars.iter().filter_map(|column| column.relation.as_ref()).collect();
    base.schema()
        .iter()
        .filter(|(of, field)| of.is_some_and(|of| tables.contains(of)) && !field.name().starts_with('?'))
        .map(|(of, field)| (of.cloned(), Arc::clone(field)))
        .collect()
}

fn expression(scope: &mut Scope<'_>, expr: &Syntax, rows: &LogicalPlan) -> Result<Expr> {
    let planned = scope.expression(expr.clone(), rows)?;
    refuse_aggregates(&planned, "RETURNING")?;
    Ok(planned)
}

/// Refuses what would need more than one row.
pub(super) fn refuse_aggregates(expr: &Expr, place: &str) -> Result<()> {
    let mut found = None;
    let searched = expr.apply(|expr| {
        found = match expr {
            Expr::AggregateFunction(_) => Some("aggregate functions"),
            Expr::WindowFunction(_) => Some("window functions"),
            Expr::Unnest(_) => Some("set-returning functions"),
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        Ok(TreeNodeRecursion::Stop)
    });
    searched.map_err(from_datafusion)?;
    match found {
        Some(what) => Err(Error::new(ErrorKind::Grouping, format!("{what} are not allowed in {place}"))),
        None => Ok(()),
    }
}

fn columns_of(rows: &LogicalPlan, name: &ObjectName) -> Result<Vec<Column>> {
    let table = name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
    let columns: Vec<Column> = rows
        .schema()
        .iter()
        .filter(|(qualifier, _)| qualifier.is_some_and(|qualifier| qualifier.table() == table))
        .map(Column::from)
        .collect();
    if columns.is_empty() {
        let message = format!("missing FROM-clause entry for table \"{table}\"");
        return Err(Error::new(ErrorKind::UndefinedTable, message));
    }
    Ok(columns)
}

/// The columns of other tables that the items need; all of them where a subquery may refer to some.
fn referenced(
    planned: &[(Expr, Option<String>)],
    others: &[(Option<TableReference>, Arc<Field>)],
) -> Result<Vec<Column>> {
    let mut wanted: HashSet<Column> = HashSet::new();
    let mut has_subquery = false;
    for (expr, _) in planned {
        wanted.extend(expr.column_refs().into_iter().cloned());
        has_subquery |= expr
            .exists(|expr| {
                Ok(matches!(
                    expr,
                    Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
                ))
            })
            .map_err(from_datafusion)?;
    }
    let columns = others.iter().map(|(qualifier, field)| Column::new(qualifier.clone(), field.name()));
    Ok(columns.filter(|column| has_subquery || wanted.contains(column)).collect())
}

/// Columns of a plan must differ in name; the client sees other names anyway.
fn distinct(planned: Vec<(Expr, Option<String>)>) -> Vec<Expr> {
    let of_stars = planned.iter().filter(|(_, name)| name.is_none());
    let mut taken: HashSet<String> = of_stars.filter_map(|(expr, _)| Some(column(expr)?.name.clone())).collect();
    let mut stars = HashSet::new();
    planned
        .into_iter()
        .enumerate()
        .map(|(index, (expr, name))| match (name, column(&expr).cloned()) {
            (Some(name), _) if taken.insert(name.clone()) => expr.alias(name),
            (Some(_), _) => expr.alias(format!("?{index}")),
            (None, Some(column)) if !stars.insert(column.clone()) => {
                expr.alias_qualified(Some(TableReference::bare(format!("?{index}"))), column.name)
            }
            (None, _) => expr,
        })
        .collect()
}

fn column(expr: &Expr) -> Option<&Column> {
    match expr {
        Expr::Column(column) => Some(column),
        _ => None,
    }
}
