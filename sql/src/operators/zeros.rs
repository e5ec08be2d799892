//! The two zeros of floats, which are equal in SQL and differ in Arrow.
//!
//! Comparisons with a literal are told where to cut ([`super::binary`]). Everywhere else where equal values must meet, joins
//! and groups among them, floats go through [`one_zero`] first.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use datafusion::common::{Column, DFSchema, ExprSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Distinct, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::Error;

/// The name of the function in plans.
const NAME: &str = "one_zero";

/// The float without a minus sign if it is zero; other expressions, and literals that are not -0, as they are.
pub(super) fn one_zero(expr: Expr, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let needs_it = match &expr {
        Expr::Literal(ScalarValue::Float64(Some(value)), _) => *value == 0.0 && value.is_sign_negative(),
        Expr::Literal(ScalarValue::Float32(Some(value)), _) => *value == 0.0 && value.is_sign_negative(),
        Expr::Literal(..) | Expr::GroupingSet(_) | Expr::Placeholder(_) => false,
        Expr::Alias(alias) => {
            return Ok(
                one_zero((*alias.expr).clone(), schema)?.alias_qualified(alias.relation.clone(), alias.name.clone())
            );
        }
        Expr::ScalarFunction(call) if call.func.name() == NAME => false,
        expr => is_float(&expr.get_type(schema)?),
    };
    Ok(if needs_it { ScalarUDF::from(OneZero::new()).call(vec![expr]) } else { expr })
}

fn is_float(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float64)
}

/// The rows with one zero in all their columns.
pub(super) fn rows_with_one_zero(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    if !plan.schema().fields().iter().any(|field| is_float(field.data_type())) || is_done(&plan) {
        return Ok(plan);
    }
    let schema = Arc::clone(plan.schema());
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        match is_float(field.data_type()) {
            true => Ok(one_zero(column, schema.as_ref())?.alias_qualified(qualifier.cloned(), field.name())),
            false => Ok(column),
        }
    });
    LogicalPlanBuilder::from(plan).project(columns.collect::<PlanResult<Vec<_>>>()?)?.build()
}

/// Whether a plan has been through [`rows_with_one_zero`].
fn is_done(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Projection(projection) = plan else { return false };
    projection.expr.iter().zip(plan.schema().fields()).filter(|(_, field)| is_float(field.data_type())).all(
        |(expr, _)| match expr {
            Expr::Alias(alias) => matches!(&*alias.expr, Expr::ScalarFunction(call) if call.func.name() == NAME),
            _ => false,
        },
    )
}

/// Groups, distinct rows and joins of a node, for which equal floats are one.
pub(super) fn in_node(plan: LogicalPlan) -> PlanResult<LogicalPlan> {
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => {
            Ok(LogicalPlan::Distinct(Distinct::All(Arc::new(rows_with_one_zero(Arc::unwrap_or_clone(input))?))))
        }
        LogicalPlan::Join(mut join) if join.on.iter().any(|(left, _)| floats(left, join.left.schema())) => {
            join.on = join
                .on
                .into_iter()
                .map(|(left, right)| {
                    Ok((one_zero(left, join.left.schema().as_ref())?, one_zero(right, join.right.schema().as_ref())?))
                })
                .collect::<PlanResult<Vec<_>>>()?;
            Ok(LogicalPlan::Join(join))
        }
        LogicalPlan::Aggregate(aggregate)
            if aggregate.group_expr.iter().any(|expr| floats(expr, aggregate.input.schema())) =>
        {
            let input = Arc::clone(&aggregate.input);
            let group = aggregate.group_expr.iter().map(|expr| group_key(expr, input.schema()));
            let group = group.collect::<PlanResult<Vec<_>>>()?;
            let aggregate = datafusion::logical_expr::Aggregate::try_new(input, group, aggregate.aggr_expr.clone())?;
            Ok(LogicalPlan::Aggregate(aggregate))
        }
        other => Ok(other),
    }
}

fn floats(expr: &Expr, schema: &DFSchema) -> bool {
    !matches!(expr, Expr::GroupingSet(_)) && expr.get_type(schema).is_ok_and(|data_type| is_float(&data_type))
}

/// A group key that is called as it was.
fn group_key(expr: &Expr, schema: &DFSchema) -> PlanResult<Expr> {
    if !floats(expr, schema) {
        return Ok(expr.clone());
    }
    let (qualifier, name) = expr.qualified_name();
    let key = one_zero(expr.clone(), schema)?;
    Ok(if key == *expr { key } else { key.alias_qualified(qualifier, name) })
}

/// The rows of a subquery whose values are looked for.
pub(super) fn in_subquery(plan: Arc<LogicalPlan>) -> PlanResult<Arc<LogicalPlan>> {
    Ok(Arc::new(rows_with_one_zero(Arc::unwrap_or_clone(plan))?))
}

/// Arguments of an aggregate that takes each value once, or keys of a window.
pub(super) fn in_all(exprs: Vec<Expr>, schema: &DFSchema) -> PlanResult<Vec<Expr>> {
    exprs.into_iter().map(|expr| one_zero(expr, schema)).collect()
}

/// Makes 0 of -0.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneZero {
    signature: Signature,
}

impl OneZero {
    fn new() -> Self {
        OneZero { signature: Signature::uniform(1, vec![DataType::Float64, DataType::Float32], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for OneZero {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> PlanResult<DataType> {
        arg_types.first().cloned().ok_or_else(|| Error::internal("one_zero takes an argument").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let field = args.arg_fields.first().ok_or_else(|| Error::internal("one_zero takes an argument"))?;
        Ok(Arc::new(field.as_ref().clone().with_name(NAME)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return Err(Error::internal("one_zero takes an argument").into());
        };
        let is_scalar = matches!(value, ColumnarValue::Scalar(_));
        let result = without_sign(&value.to_array(1)?);
        Ok(match is_scalar {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// Adding 0 takes the sign off -0, and nothing else.
fn without_sign(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float64 => {
            let values: Float64Array = values.as_primitive::<Float64Type>().unary(|value| value + 0.0);
            Arc::new(values)
        }
        DataType::Float32 => {
            let values: Float32Array = values.as_primitive::<Float32Type>().unary(|value| value + 0.0);
            Arc::new(values)
        }
        _ => Arc::clone(values),
    }
}
