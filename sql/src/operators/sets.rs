//! What UNION, DISTINCT, GROUP BY and ORDER BY ask of the types of their columns.

use std::sync::Arc;

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Projection};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};

use super::operand::Operand;

/// A column of a query, with what is known of its type: the literal that it is, where it is one.
pub(super) fn output(plan: &LogicalPlan, column: usize) -> PlanResult<Operand> {
    if let LogicalPlan::Projection(Projection { expr, .. }) = plan
        && let Some(Expr::Literal(ScalarValue::Utf8(_) | ScalarValue::Null, None)) = expr.get(column).map(unaliased)
    {
        return Operand::new(unaliased(&expr[column]).clone(), &DFSchema::empty());
    }
    let (qualifier, field) = plan.schema().qualified_field(column);
    Operand::new(Expr::from((qualifier, field)), plan.schema().as_ref())
}

fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        expr => expr,
    }
}

/// The query with another value in the place of a literal that is one of its columns.
pub(super) fn with_output(plan: &LogicalPlan, column: usize, value: Expr) -> PlanResult<LogicalPlan> {
    let LogicalPlan::Projection(Projection { expr, input, .. }) = plan else {
        return Err(Error::internal("a literal that is no column").into());
    };
    let mut expressions = expr.clone();
    let (qualifier, field) = plan.schema().qualified_field(column);
    expressions[column] = value.alias_qualified(qualifier.cloned(), field.name());
    Ok(LogicalPlan::Projection(Projection::try_new(expressions, Arc::clone(input))?))
}

/// Refuses to compare values of type json, which is text as it was written: equal values can be written in many ways.
pub(super) fn refuse_json(plan: &LogicalPlan) -> PlanResult<()> {
    let is_json = |expr: &Expr, schema: &DFSchema| {
        expr.to_field(schema).is_ok_and(|(_, field)| SqlType::of_field(&field) == Some(SqlType::Json))
    };
    let (found, what) = match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            (input.schema().fields().iter().any(|field| SqlType::of_field(field) == Some(SqlType::Json)), "equality")
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            (distinct.on_expr.iter().any(|expr| is_json(expr, distinct.input.schema())), "equality")
        }
        LogicalPlan::Aggregate(aggregate) => {
            (aggregate.group_expr.iter().any(|expr| is_json(expr, aggregate.input.schema())), "equality")
        }
        LogicalPlan::Sort(sort) => {
            (sort.expr.iter().any(|sort_by| is_json(&sort_by.expr, sort.input.schema())), "ordering")
        }
        _ => return Ok(()),
    };
    match found {
        true => {
            let message = format!("could not identify an {what} operator for type json");
            Err(Error::new(ErrorKind::UndefinedFunction, message)
                .with_hint("Cast to jsonb, which compares values.")
                .into())
        }
        false => Ok(()),
    }
}
