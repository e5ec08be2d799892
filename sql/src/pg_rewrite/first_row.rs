//! `(SELECT x ... ORDER BY y LIMIT 1)`: the aggregate `first_value(x ORDER BY y)`.
//!
//! DataFusion does not plan a LIMIT in a subquery that names outer columns, but it does plan an aggregate; and over no rows
//! both are NULL.

use datafusion::sql::sqlparser::ast::Expr;

use super::arrays::{self, is_first_row};

/// Replaces the LIMIT of a scalar subquery.
pub(super) fn aggregate(expr: &mut Expr) {
    let Expr::Subquery(query) = expr else { return };
    if !is_first_row(query) {
        return;
    }
    let limit = query.limit_clause.take();
    if !arrays::aggregate(query, "first_value") {
        query.limit_clause = limit;
    }
}
