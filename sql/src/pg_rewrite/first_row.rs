//! `(SELECT x ... ORDER BY y LIMIT 1)`: the aggregate `first_value(x ORDER BY y)`.
//!
//! DataFusion does not plan a LIMIT in a subquery that names outer columns, but it does plan an aggregate; and over no rows
//! both are NULL. A query that sorts by the distance of vectors stays as it is: an index may answer it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, visit_expressions};

use super::arrays::{self, is_first_row};

/// Replaces the LIMIT of a scalar subquery.
pub(super) fn aggregate(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else { return };
    if !is_first_row(query) || sorts_by_distance(query) {
        return;
    }
    let limit = query.limit_clause.take();
    if !arrays::aggregate(query, "first_value") {
        query.limit_clause = limit;
    }
}

fn sorts_by_distance(query: &Query) -> bool {
    let is_distance = |expr: &Expr| match expr {
        Expr::BinaryOp {
            op: BinaryOperator::Custom(_) | BinaryOperator::LtDashGt | BinaryOperator::Spaceship, ..
        } => ControlFlow::Break(()),
        Expr::Function(function) if function.name.to_string().ends_with("_distance") => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    query.order_by.as_ref().is_some_and(|order| visit_expressions(order, is_distance).is_break())
}
