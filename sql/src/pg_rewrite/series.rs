//! `FROM generate_series(1, $1)`: a subquery with the series in its select list.
//!
//! DataFusion's table function takes literals only. With those it makes its rows one batch at a time, so they are left to it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, SelectItem, TableAlias, TableFactor, UnaryOperator, Visit, Visitor,
};

use super::{call, catalog_name, push_argument};
use crate::planner::syntax;

/// The function, and the name of its column.
const SERIES: &str = "generate_series";

/// Replaces a series whose bounds are not all literals, and name no column.
pub(super) fn in_from(factor: &mut TableFactor) {
    let TableFactor::Table { name, args: Some(args), alias, with_ordinality: false, .. } = factor else { return };
    if catalog_name(name).as_deref() != Some(SERIES) {
        return;
    }
    let bounds: Option<Vec<&Expr>> = args.args.iter().map(bound).collect();
    let Some(bounds) = bounds.filter(|bounds| !bounds.is_empty()) else { return };
    if bounds.iter().all(|bound| is_literal(bound)) || bounds.iter().any(|bound| names_columns(bound)) {
        return;
    }
    let mut function = call(SERIES, bounds[0].clone(), Vec::new());
    bounds[1..].iter().for_each(|bound| push_argument(&mut function, (*bound).clone()));
    let alias = alias.take().unwrap_or_else(|| TableAlias {
        explicit: true,
        name: Ident::new(SERIES),
        columns: Vec::new(),
        at: None,
    });
    let item = SelectItem::ExprWithAlias { expr: function, alias: alias.name.clone() };
    let subquery = Box::new(syntax::select(vec![item], Vec::new(), None));
    *factor = TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None };
}

fn bound(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => !matches!(value.value, datafusion::sql::sqlparser::ast::Value::Placeholder(_)),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } | Expr::Nested(expr) => is_literal(expr),
        Expr::Interval(_) | Expr::TypedString(_) => true,
        Expr::Cast { expr, .. } => is_literal(expr),
        _ => false,
    }
}

fn names_columns(expr: &Expr) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Columns).is_break()
}
