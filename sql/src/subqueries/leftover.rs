//! Subqueries that no rule had a plan for.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan};
use slipstream_engine::Error;

/// Refuses an optimized plan with a subquery in it that cannot be run.
pub(crate) fn refuse(plan: &LogicalPlan) -> PlanResult<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| match is_stranded(part) {
                true => {
                    Err(Error::not_supported("a subquery that refers to columns outside of it is not supported here")
                        .with_hint("A join with the subquery's tables may say the same.")
                        .into())
                }
                false => Ok(TreeNodeRecursion::Continue),
            })
        })
    })?;
    Ok(())
}

fn is_stranded(expr: &Expr) -> bool {
    match expr {
        Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) | Expr::OuterReferenceColumn(..) => true,
        Expr::ScalarSubquery(subquery) => !subquery.outer_ref_columns.is_empty(),
        _ => false,
    }
}
