//! Operators at their right precedence.
//!
//! The parser lets the right side of `a IS DISTINCT FROM b AND c` reach over AND and OR, which bind less closely.
//!
//! The parser knows `<=>` as MySQL's comparison, so `0.5 > a <=> b` comes as `(0.5 > a) <=> b`, and `a <=> b BETWEEN 0 AND
//! 1` as `a <=> (b BETWEEN 0 AND 1)`. In Postgres it binds closer than comparisons, as every operator without a rule of its
//! own does.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, VisitMut, visit_expressions_mut};

/// Regroups every `<=>` and IS DISTINCT FROM of a statement (or of any part of one).
pub fn reassociate(node: &mut impl VisitMut) {
    let _: ControlFlow<()> = visit_expressions_mut(node, |expr| {
        regroup(expr);
        ControlFlow::Continue(())
    });
}

fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Brings one expression into order; its parts are in order.
fn regroup(expr: &mut Expr) {
    if let Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) = expr {
        if is_logical(right) {
            end_before_logical(expr);
        }
        return;
    }
    let Expr::BinaryOp { left, op: BinaryOperator::Spaceship, right } = expr else { return };
    if let Expr::BinaryOp { left: first, op, right: second } = left.as_mut()
        && is_comparison(op)
    {
        let distance = spaceship(take(second), take(right));
        *expr = Expr::BinaryOp { left: Box::new(take(first)), op: op.clone(), right: Box::new(distance) };
        if let Expr::BinaryOp { right, .. } = expr {
            regroup(right);
        }
        return;
    }
    let tested = match right.as_mut() {
        Expr::Between { expr, .. } | Expr::InList { expr, .. } | Expr::InSubquery { expr, .. } => expr,
        _ => return,
    };
    let distance = spaceship(take(left), take(tested));
    **tested = distance;
    regroup(tested);
    *expr = take(right);
}

fn is_logical(expr: &Expr) -> bool {
    matches!(expr, Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. })
}

/// Turns `a IS DISTINCT FROM (b AND c)` into `(a IS DISTINCT FROM b) AND c`, however many conditions follow.
fn end_before_logical(expr: &mut Expr) {
    let (left, right, is_not) = match take(expr) {
        Expr::IsDistinctFrom(left, right) => (left, right, false),
        Expr::IsNotDistinctFrom(left, right) => (left, right, true),
        other => {
            *expr = other;
            return;
        }
    };
    *expr = *right;
    let mut first = expr;
    while is_logical(first) {
        let Expr::BinaryOp { left, .. } = first else { return };
        first = left;
    }
    let right = Box::new(take(first));
    *first = if is_not { Expr::IsNotDistinctFrom(left, right) } else { Expr::IsDistinctFrom(left, right) };
}

fn spaceship(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Spaceship, right: Box::new(right) }
}

/// Moves an expression out of a tree that is being taken apart.
fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Tuple(Vec::new()))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn regrouped(sql: &str) -> Expr {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, &format!("SELECT {sql}")).expect(sql);
        reassociate(&mut statements);
        let expected_shape = format!("{}", statements[0]);
        let again = Parser::parse_sql(&PostgreSqlDialect {}, &expected_shape).expect("prints as SQL");
        drop(again);
        let mut found = None;
        let _: ControlFlow<()> = visit_expressions_mut(&mut statements, |expr| {
            found = Some(expr.clone());
            ControlFlow::Continue(())
        });
        found.expect("an expression")
    }

    fn operator(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", operator(left), operator(right)),
            Expr::Between { expr, .. } => format!("between {}", operator(expr)),
            Expr::IsDistinctFrom(left, right) => format!("({} differs {})", operator(left), operator(right)),
            Expr::IsNotDistinctFrom(left, right) => format!("({} is {})", operator(left), operator(right)),
            other => other.to_string(),
        }
    }

    #[test]
    fn is_distinct_from_ends_before_and_and_or() {
        for (sql, expected) in [
            ("a IS DISTINCT FROM b", "(a differs b)"),
            ("a IS DISTINCT FROM b AND c", "((a differs b) AND c)"),
            ("a IS NOT DISTINCT FROM b AND c OR d", "(((a is b) AND c) OR d)"),
            ("x OR a IS DISTINCT FROM b = c AND d", "(x OR ((a differs (b = c)) AND d))"),
            ("a IS DISTINCT FROM (b AND c)", "(a differs (b AND c))"),
        ] {
            assert_eq!(operator(&regrouped(sql)), expected, "{sql}");
        }
    }

    #[test]
    fn the_spaceship_binds_closer_than_comparisons() {
        for (sql, expected) in [
            ("0.5 > a <=> b", "(0.5 > (a <=> b))"),
            ("a <=> b < 0.5", "((a <=> b) < 0.5)"),
            ("x = 1 AND 0.5 > a <=> b", "((x = 1) AND (0.5 > (a <=> b)))"),
            ("a <=> b BETWEEN 0 AND 1", "between (a <=> b)"),
            ("a <=> b", "(a <=> b)"),
        ] {
            assert_eq!(operator(&regrouped(sql)), expected, "{sql}");
        }
    }
}
