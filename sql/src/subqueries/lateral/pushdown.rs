//! Conditions on the rows outside go below the subquery: nothing runs for rows that do not count.

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};
use std::sync::Arc;

use super::node::LateralNode;

/// The optimizer rule.
#[derive(Debug, Default)]
pub(crate) struct ConditionsBelowLateral;

impl OptimizerRule for ConditionsBelowLateral {
    fn name(&self) -> &str {
        "conditions_below_lateral"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        let Some(node) = LateralNode::of(&filter.input) else { return Ok(Transformed::no(plan)) };
        let outside = node.input.schema();
        let goes = |condition: &Expr| {
            !condition.contains_outer()
                && !condition.is_volatile()
                && condition.column_refs().iter().all(|column| outside.has_column(column))
        };
        let (below, above): (Vec<Expr>, Vec<Expr>) =
            split_conjunction_owned(filter.predicate.clone()).into_iter().partition(goes);
        let Some(below) = conjunction(below) else { return Ok(Transformed::no(plan)) };
        let input = LogicalPlanBuilder::from(node.input.clone()).filter(below)?.build()?;
        let node = Arc::new(LateralNode { input, ..node.clone() });
        let lateral = LogicalPlan::Extension(Extension { node });
        Ok(Transformed::yes(match conjunction(above) {
            Some(above) => LogicalPlanBuilder::from(lateral).filter(above)?.build()?,
            None => lateral,
        }))
    }
}
