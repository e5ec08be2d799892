//! The analyzer rules.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, JoinType};
use datafusion::config::ConfigOptions;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Subquery, SubqueryAlias};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::node::LateralNode;
use super::outer::{names, with_values};
use super::scalar;

/// Finds subqueries that run for each row: those in FROM, and scalar ones with a LIMIT. Must run before the rules that look
/// at outer columns.
#[derive(Debug)]
pub(crate) struct LateralSubqueries;

impl AnalyzerRule for LateralSubqueries {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> PlanResult<LogicalPlan> {
        let analyzed = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) => Ok(match applied(&join)? {
                Some(plan) => Transformed::yes(plan),
                None => Transformed::no(LogicalPlan::Join(join)),
            }),
            other => scalar::applied(other, scalar::has_limit),
        });
        analyzed.data()
    }

    fn name(&self) -> &str {
        "lateral_subqueries"
    }
}

/// Finds the scalar subqueries that no other rule has a join for. Must run after them.
#[derive(Debug)]
pub(crate) struct LateralLeftovers;

impl AnalyzerRule for LateralLeftovers {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> PlanResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| scalar::applied(node, has_no_join)).data()
    }

    fn name(&self) -> &str {
        "lateral_leftovers"
    }
}

/// The node for a join with such a subquery.
fn applied(join: &Join) -> PlanResult<Option<LogicalPlan>> {
    let outer = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left => true,
        _ => return Ok(None),
    };
    let Some((subquery, alias)) = subquery(&join.right) else { return Ok(None) };
    let outside = join.left.schema();
    if !runs_for_each_row(&subquery.subquery, outside)? {
        return Ok(None);
    }
    let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery));
    let rows = match alias {
        Some(alias) => rows.alias(alias.alias.clone())?.build()?,
        None => rows.build()?,
    };
    let keys = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let rows = match conjunction(keys.chain(join.filter.clone())) {
        Some(condition) => {
            let condition = as_outside(condition, join)?;
            LogicalPlanBuilder::from(rows).filter(condition)?.build()?
        }
        None => rows,
    };
    let Some(with_values) = with_values(&rows, outside)? else { return Ok(None) };
    LateralNode::new(join.left.as_ref().clone(), with_values, outer).map(|node| Some(node.into_plan()))
}

/// A condition of a join, as the rows on its right see it.
fn as_outside(condition: Expr, join: &Join) -> PlanResult<Expr> {
    let own = join.right.schema();
    let outside = join.left.schema();
    let seen = condition.transform_down(|expr| match expr {
        Expr::Column(column) if !own.has_column(&column) && outside.has_column(&column) => {
            let (_, field) = outside.qualified_field_from_column(&column)?;
            Ok(Transformed::yes(Expr::OuterReferenceColumn(Arc::clone(field), column)))
        }
        other => Ok(Transformed::no(other)),
    });
    seen.data()
}

fn subquery(plan: &LogicalPlan) -> Option<(&Subquery, Option<&SubqueryAlias>)> {
    match plan {
        LogicalPlan::Subquery(subquery) => Some((subquery, None)),
        LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
            LogicalPlan::Subquery(subquery) => Some((subquery, Some(alias))),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a subquery names columns of the rows of `outside`, and DataFusion has no join for it.
fn runs_for_each_row(subquery: &LogicalPlan, outside: &DFSchema) -> PlanResult<bool> {
    if !names(subquery, outside)? {
        return Ok(false);
    }
    // Limits, and questions inside the subquery: what they depend on would be moved out of them.
    let asks = |expr: &Expr| match expr {
        Expr::ScalarSubquery(subquery) => names(&subquery.subquery, outside),
        Expr::Exists(exists) => names(&exists.subquery.subquery, outside),
        Expr::InSubquery(question) => names(&question.subquery.subquery, outside),
        _ => Ok(false),
    };
    let stays = subquery.exists(|node| {
        let mut asked = matches!(node, LogicalPlan::Limit(_));
        for expr in node.expressions() {
            asked |= expr.exists(asks)?;
        }
        Ok(asked)
    })?;
    if stays { Ok(true) } else { has_no_join(subquery) }
}

/// Whether the conditions on outer columns cannot be moved out of a subquery.
fn has_no_join(subquery: &LogicalPlan) -> PlanResult<bool> {
    let mut pull_up = PullUpCorrelatedExpr::new().with_need_handle_count_bug(true);
    subquery.clone().rewrite(&mut pull_up)?;
    Ok(!pull_up.can_pull_up || pull_up.pull_up_having_expr.is_some())
}
