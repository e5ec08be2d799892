//! IN and EXISTS as questions with the answers yes and no.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, Result as PlanResult, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, merge_schema, split_conjunction_owned};
use datafusion::logical_expr::{
    Expr, ExprSchemable, Filter, Join, LogicalPlan, LogicalPlanBuilder, Operator, Sort, Subquery, binary_expr, lit,
    when,
};
use datafusion::optimizer::AnalyzerRule;
use slipstream_engine::Error;

/// The name of a subquery whose rows are compared.
const COMPARED: &str = "__compared";

/// The analyzer rule. It runs after type coercion.
#[derive(Debug, Default)]
pub(crate) struct ThreeValuedSubqueries;

impl AnalyzerRule for ThreeValuedSubqueries {
    fn name(&self) -> &str {
        "three_valued_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match asks(&node)? {
            true => rewrite(node).map(Transformed::yes),
            false => Ok(Transformed::no(node)),
        })
        .data()
    }
}

/// Whether there is an IN, EXISTS, ANY or ALL of a subquery among the expressions of a node.
pub(super) fn asks(node: &LogicalPlan) -> PlanResult<bool> {
    let mut found = false;
    node.apply_expressions(|expr| {
        found |= is_asked_in(expr)?;
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

/// Whether there is one in an expression.
fn is_asked_in(expr: &Expr) -> PlanResult<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_))))
}

fn rewrite(node: LogicalPlan) -> PlanResult<LogicalPlan> {
    match node {
        LogicalPlan::Filter(filter) => filtered(filter),
        LogicalPlan::Sort(sort) => sorted(sort),
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => joined(join),
        other => {
            let schema = merge_schema(&other.inputs());
            let names = NamePreserver::new(&other);
            let node = other.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(answered(expr, &schema)?.update_data(|expr| name.restore(expr)))
            })?;
            node.data.recompute_schema()
        }
    }
}

/// Conditions that DataFusion joins for stay as they are.
fn filtered(filter: Filter) -> PlanResult<LogicalPlan> {
    let schema = Arc::clone(filter.input.schema());
    let conditions = split_conjunction_owned(filter.predicate).into_iter().map(|condition| {
        Ok(match is_joined(&condition)? {
            true => condition,
            false => answered(condition, &schema)?.data,
        })
    });
    let predicate = conjunction(conditions.collect::<PlanResult<Vec<_>>>()?).unwrap_or(lit(true));
    Filter::try_new(predicate, filter.input).map(LogicalPlan::Filter)
}

/// Whether a condition by itself is a semi or anti join. A constant would become a condition on one side of it, and several
/// keys are more than the join knows that minds NULLs.
fn is_joined(condition: &Expr) -> PlanResult<bool> {
    let (condition, inverted) = match condition {
        Expr::Not(inner) => (inner.as_ref(), true),
        other => (other, false),
    };
    Ok(match condition {
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let minds_nulls = inverted != *negated;
            let is_apart = subquery.outer_ref_columns.is_empty() && !expr.column_refs().is_empty();
            !is_one_row(&subquery.subquery) && (!minds_nulls || is_apart) && !is_asked_in(expr)?
        }
        Expr::Exists(Exists { subquery, .. }) => !is_one_row(&subquery.subquery) && !skips_rows(subquery)?,
        _ => false,
    })
}

/// Sorts by columns that are computed before.
fn sorted(sort: Sort) -> PlanResult<LogicalPlan> {
    let schema = Arc::clone(sort.input.schema());
    let own: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
    let mut columns = own.clone();
    let mut order = sort.expr;
    for (position, key) in order.iter_mut().enumerate() {
        if is_asked_in(&key.expr)? {
            let name = format!("__sort_{position}");
            columns.push(answered(key.expr.clone(), &schema)?.data.alias(&name));
            key.expr = Expr::Column(Column::new_unqualified(name));
        }
    }
    let input = LogicalPlanBuilder::from(Arc::unwrap_or_clone(sort.input)).project(columns)?;
    input.sort_with_limit(order, sort.fetch)?.project(own)?.build()
}

/// The conditions of an inner join may as well stand above it.
fn joined(mut join: Join) -> PlanResult<LogicalPlan> {
    let conditions = join.filter.take().map(split_conjunction_owned).unwrap_or_default();
    let mut asking = Vec::new();
    let mut plain = Vec::new();
    for condition in conditions {
        if is_asked_in(&condition)? { asking.push(condition) } else { plain.push(condition) }
    }
    join.filter = conjunction(plain);
    let input = Arc::new(LogicalPlan::Join(join));
    match conjunction(asking) {
        Some(predicate) => filtered(Filter::try_new(predicate, input)?),
        None => Ok(Arc::unwrap_or_clone(input)),
    }
}

/// An expression over the columns of `schema`, with every such question in it answered.
fn answered(expr: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    // Upwards: what is made of an IN has one in it.
    expr.transform_up(|part| {
        Ok(match part {
            Expr::InSubquery(question) => Transformed::yes(is_in(question, schema)?),
            Expr::SetComparison(question) => Transformed::yes(compared(question, schema)?),
            Expr::Exists(Exists { subquery, negated }) => Transformed::yes(inverted(exists(subquery)?, negated)),
            other => Transformed::no(other),
        })
    })
}

fn is_in(question: InSubquery, schema: &DFSchema) -> PlanResult<Expr> {
    let InSubquery { expr: value, subquery, negated } = question;
    if is_one_row(&subquery.subquery) {
        let operator = if negated { Operator::NotEq } else { Operator::Eq };
        return Ok(binary_expr(*value, operator, Expr::ScalarSubquery(subquery)));
    }
    let (qualifier, field) = subquery.subquery.schema().qualified_field(0);
    let item = Expr::Column(Column::from((qualifier, field)));
    let mut unknown = Vec::new();
    if field.is_nullable() {
        unknown.push(exists(narrowed(&subquery, item.clone().is_null())?)?);
    }
    if value.nullable(schema).unwrap_or(true) {
        unknown.push(value.clone().is_null().and(exists(subquery.clone())?));
    }
    let found = match value.column_refs().is_empty() && !value.contains_outer() && !value.is_volatile() {
        true => exists(narrowed(&subquery, item.eq(*value))?)?,
        false => Expr::InSubquery(InSubquery { expr: value, subquery, negated: false }),
    };
    match unknown.into_iter().reduce(Expr::or) {
        Some(unknown) => when(found, lit(!negated))
            .when(unknown, Expr::Literal(ScalarValue::Boolean(None), None))
            .otherwise(lit(negated)),
        None => Ok(inverted(found, negated)),
    }
}

/// A comparison with ANY or ALL. With all is with none of which the contrary is true.
fn compared(question: SetComparison, schema: &DFSchema) -> PlanResult<Expr> {
    let SetComparison { expr: value, subquery, op, quantifier } = question;
    let all = quantifier == SetQuantifier::All;
    if (op, all) == (Operator::Eq, false) || (op, all) == (Operator::NotEq, true) {
        return is_in(InSubquery { expr: value, subquery, negated: all }, schema);
    }
    let Some(operator) = (if all { op.negate() } else { Some(op) }) else {
        return Err(Error::not_supported(format!("{op} ALL with a subquery is not supported")).into());
    };
    // Under a name of its own, so that no column is mistaken for one outside.
    let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).alias(COMPARED)?.build()?;
    let item = Expr::Column(Column::from(rows.schema().qualified_field(0)));
    let comparison = binary_expr(outside(*value, schema)?, operator, item);
    let rows_where = |condition: Expr| -> PlanResult<Expr> {
        let plan = LogicalPlanBuilder::from(rows.clone()).filter(condition)?.build()?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        exists(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() })
    };
    when(rows_where(comparison.clone())?, lit(!all))
        .when(rows_where(comparison.is_null())?, Expr::Literal(ScalarValue::Boolean(None), None))
        .otherwise(lit(all))
}

/// An expression over the columns of `schema` as a subquery of that row sees it.
fn outside(expr: Expr, schema: &DFSchema) -> PlanResult<Expr> {
    expr.transform_up(|part| {
        Ok(match part {
            Expr::Column(column) => {
                let (_, field) = schema.qualified_field_from_column(&column)?;
                let field = Arc::clone(field);
                Transformed::yes(Expr::OuterReferenceColumn(field, column))
            }
            other => Transformed::no(other),
        })
    })
    .data()
}

fn inverted(expr: Expr, negated: bool) -> Expr {
    if negated { !expr } else { expr }
}

/// The rows of a subquery for which a condition holds.
fn narrowed(subquery: &Subquery, condition: Expr) -> PlanResult<Subquery> {
    let plan = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).filter(condition)?.build()?;
    Ok(subquery.with_plan(Arc::new(plan)))
}

/// Whether a subquery has rows; asked once where it does not depend on the row outside.
fn exists(subquery: Subquery) -> PlanResult<Expr> {
    if is_one_row(&subquery.subquery) {
        return Ok(lit(true));
    }
    if !subquery.outer_ref_columns.is_empty() {
        if skips_rows(&subquery)? {
            return Err(Error::not_supported(
                "OFFSET in a subquery that refers to columns outside of it is not supported",
            )
            .into());
        }
        return Ok(Expr::Exists(Exists { subquery, negated: false }));
    }
    let rows = LogicalPlanBuilder::from(Arc::clone(&subquery.subquery)).limit(0, Some(1))?;
    let count = rows.aggregate(Vec::<Expr>::new(), vec![count(lit(1i64)).alias("rows")])?.build()?;
    Ok(Expr::ScalarSubquery(subquery.with_plan(Arc::new(count))).gt(lit(0i64)))
}

/// Whether a subquery is an aggregate over everything, which always has one row.
fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        _ => false,
    }
}

/// Whether there is an OFFSET in a subquery that depends on the row outside: joins would forget it.
fn skips_rows(subquery: &Subquery) -> PlanResult<bool> {
    let skips = |node: &LogicalPlan| Ok(matches!(node, LogicalPlan::Limit(limit) if limit.skip.is_some()));
    Ok(!subquery.outer_ref_columns.is_empty() && subquery.subquery.exists(skips)?)
}
