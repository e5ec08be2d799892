//! IN lists over the same value, kept apart.
//!
//! DataFusion's simplifier makes one list of two that are connected by AND or OR, by comparing their items as expressions. So
//! `x IN ($1, $2) AND x IN ($3, $4)` became false whatever the parameters were, and `x NOT IN (1) OR x NOT IN (2)` true where
//! x is NULL. Filters of several nodes may come together later; so of all lists of a plan over one value only the first stays
//! as it is, and the others stand behind `CASE WHEN x IS NOT NULL THEN x IN (...) END`, which means the same.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Case, Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;

/// Keeps IN lists over the same value apart.
#[derive(Debug, Default)]
pub(crate) struct SeparateLists;

impl AnalyzerRule for SeparateLists {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> PlanResult<LogicalPlan> {
        let mut seen = HashSet::new();
        plan.transform_down_with_subqueries(|node| {
            node.map_expressions(|expr| {
                expr.transform_up(|expr| {
                    Ok(match expr {
                        Expr::InList(list) if !seen.insert(value_of(&list.expr)) => Transformed::yes(guarded(list)),
                        other => Transformed::no(other),
                    })
                })
            })
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "separate_lists"
    }
}

/// What two lists must have in common to be mistaken for one: a column may have another qualifier in another node.
fn value_of(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column.name.clone(),
        other => other.to_string(),
    }
}

fn guarded(list: InList) -> Expr {
    let is_there = Expr::IsNotNull(list.expr.clone());
    let case =
        Case { expr: None, when_then_expr: vec![(Box::new(is_there), Box::new(Expr::InList(list)))], else_expr: None };
    Expr::Case(case)
}
