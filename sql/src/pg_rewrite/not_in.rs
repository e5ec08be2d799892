//! `constant NOT IN (SELECT ...)`: `constant <> ALL (ARRAY(SELECT ...))`.
//!
//! DataFusion joins for NOT IN, and minds the NULLs of the subquery where the tested value is a column. With a constant the
//! comparison becomes a filter, and NULLs would count as different from it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Ident, ObjectName, Visit, Visitor,
};

use super::take;

/// Replaces NOT IN of a value that names no column.
pub(super) fn of_a_constant(expr: &mut Expr) {
    let Expr::InSubquery { expr: value, subquery, negated: true } = expr else { return };
    if names_columns(value) {
        return;
    }
    let array = Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("array")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::Subquery(subquery.clone()),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    });
    let left = Box::new(take(value));
    *expr = Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right: Box::new(array) };
}

fn names_columns(expr: &Expr) -> bool {
    struct Columns;
    impl Visitor for Columns {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Columns).is_break()
}
