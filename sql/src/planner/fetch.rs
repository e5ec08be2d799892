//! `FETCH FIRST n ROWS ONLY`, the standard's way to write `LIMIT n`.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, LimitClause, Query, Statement, Value, VisitMut, VisitorMut};

/// Writes every FETCH as a LIMIT. Those that LIMIT cannot say stay, to be refused.
pub(crate) fn as_limit(statement: &mut Statement) {
    struct Fetches;
    impl VisitorMut for Fetches {
        type Break = ();

        fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
            rewrite(query);
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Fetches);
}

fn rewrite(query: &mut Query) {
    let Some(fetch) = &query.fetch else { return };
    if fetch.with_ties || fetch.percent {
        return;
    }
    let rows = fetch.quantity.clone().unwrap_or_else(|| Expr::Value(Value::Number("1".to_string(), false).into()));
    let offset = match &query.limit_clause {
        None => None,
        Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset.clone(),
        Some(_) => return,
    };
    query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(rows), offset, limit_by: Vec::new() });
    query.fetch = None;
}
