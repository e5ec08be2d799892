//! Scalar subqueries that name outer columns, such as `SELECT (SELECT ... ORDER BY ... LIMIT 1) FROM t`.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Subquery};

use super::node::LateralNode;
use super::outer::with_values;
use crate::pg_rewrite::single_row;

/// Whether a subquery has a LIMIT.
pub(super) fn has_limit(subquery: &LogicalPlan) -> PlanResult<bool> {
    subquery.exists(|node| Ok(matches!(node, LogicalPlan::Limit(_))))
}

/// A projection or filter over a node that computes those of the subqueries in its expressions that are `wanted`.
pub(super) fn applied(
    plan: LogicalPlan,
    wanted: fn(&LogicalPlan) -> PlanResult<bool>,
) -> PlanResult<Transformed<LogicalPlan>> {
    let input = match &plan {
        LogicalPlan::Projection(projection) => &projection.input,
        LogicalPlan::Filter(filter) => &filter.input,
        _ => return Ok(Transformed::no(plan)),
    };
    let own: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut below = Below { input: input.as_ref().clone(), added: 0, wanted };
    let names = NamePreserver::new(&plan);
    let mut exprs = Vec::new();
    for expr in plan.expressions() {
        let name = names.save(&expr);
        let computed = expr.transform_down(|expr| match expr {
            Expr::ScalarSubquery(subquery) => Ok(match below.value(&subquery)? {
                Some(value) => Transformed::yes(value),
                None => Transformed::no(Expr::ScalarSubquery(subquery)),
            }),
            other => Ok(Transformed::no(other)),
        });
        exprs.push(name.restore(computed.data()?));
    }
    if below.added == 0 {
        return Ok(Transformed::no(plan));
    }
    let is_filter = matches!(plan, LogicalPlan::Filter(_));
    let computed = plan.with_new_exprs(exprs, vec![below.input])?;
    Ok(Transformed::yes(match is_filter {
        true => LogicalPlanBuilder::from(computed).project(own)?.build()?,
        false => computed,
    }))
}

/// What stands below an expression.
struct Below {
    input: LogicalPlan,
    added: usize,
    wanted: fn(&LogicalPlan) -> PlanResult<bool>,
}

impl Below {
    /// The column with the value of a subquery; `None` where DataFusion joins for it.
    fn value(&mut self, subquery: &Subquery) -> PlanResult<Option<Expr>> {
        if subquery.outer_ref_columns.is_empty() || !(self.wanted)(&subquery.subquery)? {
            return Ok(None);
        }
        let plan = subquery.subquery.as_ref().clone();
        let plan = if plan.max_rows().is_some_and(|rows| rows <= 1) { plan } else { single_row(plan)? };
        // Of its own, whatever has been added before.
        let name = TableReference::bare(format!("?scalar{}", self.input.schema().fields().len()));
        let rows = LogicalPlanBuilder::from(plan).alias(name.clone())?.build()?;
        let Some(with_values) = with_values(&rows, self.input.schema())? else { return Ok(None) };
        let column = Column::from(with_values.rows.schema().qualified_field(0));
        self.input = LateralNode::new(std::mem::take(&mut self.input), with_values, true)?.into_plan();
        self.added += 1;
        Ok(Some(Expr::Column(column)))
    }
}
