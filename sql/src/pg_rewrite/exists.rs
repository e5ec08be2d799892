//! `EXISTS (SELECT ...)` in a select list: `(SELECT count(*) <> 0 ...)`.
//!
//! DataFusion joins for EXISTS in conditions, but has no plan for it where its value is wanted.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Query, Select, SelectItem, SetExpr, Value, VisitMut, VisitorMut,
};

use super::absent::calls_aggregate;
use super::call;

/// Replaces EXISTS in the select list of a query.
pub(super) fn count(select: &mut Select) {
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = expr.visit(&mut Counter { depth: 0 });
        }
    }
}

/// Looks at the expression itself; subqueries have select lists of their own.
struct Counter {
    depth: usize,
}

impl VisitorMut for Counter {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, negated } = expr
            && self.depth == 0
            && let Some(query) = counted(subquery, *negated)
        {
            *expr = Expr::Subquery(Box::new(query));
        }
        ControlFlow::Continue(())
    }
}

/// A plain query with a count of its rows, compared with none, for a select list.
fn counted(query: &Query, negated: bool) -> Option<Query> {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let mut query = query.clone();
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    let aggregates = select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => calls_aggregate(expr),
        _ => false,
    });
    if !ungrouped || aggregates || select.having.is_some() {
        return None;
    }
    let count = Expr::BinaryOp {
        left: Box::new(call("count", number("1"), Vec::new())),
        op: if negated { BinaryOperator::Eq } else { BinaryOperator::NotEq },
        right: Box::new(number("0")),
    };
    select.projection = vec![SelectItem::UnnamedExpr(count)];
    select.distinct = None;
    query.order_by = None;
    Some(query)
}

fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_string(), false).with_empty_span())
}
