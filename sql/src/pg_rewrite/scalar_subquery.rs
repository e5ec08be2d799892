//! Scalar subqueries that name outer columns, in the one shape that DataFusion decorrelates: an aggregate, over filters
//! that equate an inner column with an outer one.
//!
//! Where `x` of `(SELECT x FROM r WHERE ...)` names outer columns, every inner column of it becomes a subquery of its own, and `x` is
//! computed outside: `(SELECT r.a + o.b FROM r ...)` is `CASE WHEN <there is a row> THEN (SELECT r.a FROM r ...) + o.b END`.
//!
//! A subquery `(SELECT x FROM r WHERE ...)` that is not an aggregate is changed in three steps:
//!
//! 1. An outer column that a condition equates with an inner one is replaced by that in all other conditions:
//!    `r.a = o.a AND o.a <> r.b` is `r.a = o.a AND r.a <> r.b`.
//! 2. Conditions on outer columns alone move out: `(SELECT ... WHERE o.p AND q)` is `CASE WHEN o.p THEN (SELECT ... WHERE
//!    q) END`, because a subquery without rows is NULL.
//! 3. `x` becomes `single_value(x)`, which is NULL over no rows and an error over two, as the subquery was.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result as PlanResult};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, lit, when,
};
use datafusion::optimizer::AnalyzerRule;

use super::functions::{SINGLE_VALUE, single_value};

/// The analyzer rule. It runs after type coercion.
#[derive(Debug, Default)]
pub(crate) struct ScalarSubqueries;

impl AnalyzerRule for ScalarSubqueries {
    fn name(&self) -> &str {
        "scalar_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            // A subquery gives its column's name to the expression that it stands in.
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(expr.transform_up(reshape)?.update_data(|expr| name.restore(expr)))
            })
        })
        .data()
    }
}

fn reshape(expr: Expr) -> PlanResult<Transformed<Expr>> {
    let Expr::ScalarSubquery(subquery) = expr else { return Ok(Transformed::no(expr)) };
    if let Some(value) = computed_outside(&subquery)? {
        return Ok(Transformed::yes(value));
    }
    if subquery.outer_ref_columns.is_empty() || is_single_row(&subquery.subquery) {
        return Ok(Transformed::no(Expr::ScalarSubquery(subquery)));
    }
    let mut outer_conditions = Vec::new();
    let plan = subquery
        .subquery
        .as_ref()
        .clone()
        .transform_up(|node| match node {
            LogicalPlan::Filter(filter) => simplify(filter, &mut outer_conditions),
            other => Ok(Transformed::no(other)),
        })
        .data()?;
    let plan = single_row(plan)?;
    let outer_ref_columns = plan.all_out_ref_exprs();
    let value = Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans });
    Ok(Transformed::yes(match conjunction(outer_conditions) {
        Some(condition) => when(condition, value).end()?,
        None => value,
    }))
}

/// The value of a subquery whose item names outer columns.
fn computed_outside(subquery: &Subquery) -> PlanResult<Option<Expr>> {
    let LogicalPlan::Projection(projection) = subquery.subquery.as_ref() else { return Ok(None) };
    let [item] = projection.expr.as_slice() else { return Ok(None) };
    let asks = |part: &Expr| matches!(part, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_));
    if !item.contains_outer() || item.exists(|part| Ok(asks(part)))? {
        return Ok(None);
    }
    let inner = |item: Expr| -> PlanResult<Expr> {
        let plan = LogicalPlanBuilder::from(Arc::clone(&projection.input)).project([item])?.build()?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        let spans = subquery.spans.clone();
        Ok(reshape(Expr::ScalarSubquery(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans }))?.data)
    };
    let value = item.clone().unalias().transform_up(|part| {
        Ok(match part {
            Expr::Column(_) => Transformed::yes(inner(part)?),
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    });
    let value = value.data()?;
    if is_single_row(&projection.input) {
        return Ok(Some(value));
    }
    let is_there = inner(lit(true).alias("found"))?.is_not_null();
    when(is_there, value).end().map(Some)
}

/// Whether a subquery is an aggregate already, or otherwise cannot have two rows.
fn is_single_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_single_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_single_row(&alias.input),
        LogicalPlan::Aggregate(_) => true,
        other => other.max_rows().is_some_and(|rows| rows <= 1),
    }
}

/// Steps 1 and 2 for one filter.
fn simplify(filter: Filter, outer_conditions: &mut Vec<Expr>) -> PlanResult<Transformed<LogicalPlan>> {
    let conditions = split_conjunction_owned(filter.predicate.clone());
    let equalities: Vec<_> = conditions.iter().filter_map(equality).collect();
    let mut kept = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let condition = if equality(&condition).is_some() { condition } else { substitute(condition, &equalities)? };
        if condition.contains_outer() && condition.column_refs().is_empty() && !condition.is_volatile() {
            outer_conditions.push(without_outer_marks(condition)?);
        } else {
            kept.push(condition);
        }
    }
    let input = Arc::clone(&filter.input);
    Ok(Transformed::yes(match conjunction(kept) {
        Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, input)?),
        None => Arc::unwrap_or_clone(input),
    }))
}

/// `inner = outer`, both plain columns of the same type.
fn equality(condition: &Expr) -> Option<(Column, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = condition else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(inner), outer @ Expr::OuterReferenceColumn(..))
        | (outer @ Expr::OuterReferenceColumn(..), Expr::Column(inner)) => Some((inner.clone(), outer.clone())),
        _ => None,
    }
}

fn substitute(condition: Expr, equalities: &[(Column, Expr)]) -> PlanResult<Expr> {
    if condition.column_refs().is_empty() {
        return Ok(condition);
    }
    condition
        .transform_up(|expr| match equalities.iter().find(|(_, outer)| *outer == expr) {
            Some((inner, _)) => Ok(Transformed::yes(Expr::Column(inner.clone()))),
            None => Ok(Transformed::no(expr)),
        })
        .data()
}

/// Outside of the subquery an outer column is a column.
fn without_outer_marks(condition: Expr) -> PlanResult<Expr> {
    condition
        .transform_up(|expr| match expr {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            other => Ok(Transformed::no(other)),
        })
        .data()
}

/// Step 3: the one value of a plan's first column; NULL over no rows, an error over two.
pub(crate) fn single_row(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    let (qualifier, field) = plan.schema().qualified_field(0);
    let column = Column::from((qualifier, field));
    let value = Expr::AggregateFunction(AggregateFunction {
        func: single_value(),
        params: AggregateFunctionParams {
            args: vec![Expr::Column(column)],
            distinct: false,
            filter: None,
            order_by: Vec::new(),
            null_treatment: None,
        },
    });
    LogicalPlanBuilder::from(plan).aggregate(Vec::<Expr>::new(), vec![value.alias(SINGLE_VALUE)])?.build()
}
