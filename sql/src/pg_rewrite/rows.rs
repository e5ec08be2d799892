//! JSON aggregates, and rows as JSON: `row_to_json(r)` of a subquery `r` is an object of its columns.
//!
//! DataFusion has no value that is a whole row, so the name of a relation is replaced by its columns, where the statement says
//! which they are: in a subquery without `*`. A table's own name is left for the planner to report.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, TableFactor, VisitMut, VisitorMut,
};

use super::folded;
use crate::functions::rewrite_json;

/// Rewrites the JSON functions of one SELECT; those of its subqueries are theirs.
pub(super) fn into_json(select: &mut Select) {
    let relations: Vec<(Ident, Vec<Ident>)> = select
        .from
        .iter()
        .flat_map(|tables| std::iter::once(&tables.relation).chain(tables.joins.iter().map(|join| &join.relation)))
        .filter_map(named_columns)
        .collect();
    let mut functions = Functions { relations, depth: 0 };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut functions);
        }
    }
    if let Some(having) = &mut select.having {
        let _ = having.visit(&mut functions);
    }
}

struct Functions {
    relations: Vec<(Ident, Vec<Ident>)>,
    depth: usize,
}

impl VisitorMut for Functions {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            rewrite_json(expr, |name| {
                let relation = self.relations.iter().find(|(relation, _)| folded(relation) == folded(name))?;
                Some(relation.1.clone())
            });
        }
        ControlFlow::Continue(())
    }
}

/// The name of a subquery in FROM and its columns, if it says which they are.
fn named_columns(factor: &TableFactor) -> Option<(Ident, Vec<Ident>)> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor else { return None };
    if !alias.columns.is_empty() {
        return Some((alias.name.clone(), alias.columns.iter().map(|column| column.name.clone()).collect()));
    }
    let columns = columns(&subquery.body)?;
    Some((alias.name.clone(), columns))
}

fn columns(body: &SetExpr) -> Option<Vec<Ident>> {
    match body {
        SetExpr::Select(select) => select.projection.iter().map(column).collect(),
        SetExpr::Query(query) => columns(&query.body),
        SetExpr::SetOperation { left, .. } => columns(left),
        _ => None,
    }
}

/// Expressions have got their names by now.
fn column(item: &SelectItem) -> Option<Ident> {
    let name = match item {
        SelectItem::ExprWithAlias { alias, .. } => alias,
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => name,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last()?,
        _ => return None,
    };
    Some(Ident::with_quote('"', folded(name)))
}
