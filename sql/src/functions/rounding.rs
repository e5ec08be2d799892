//! `round` and `abs`: numeric rounds half away from zero and keeps the digits asked for, floats round half to even.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, FieldRef, Float64Type, Int64Type};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::untyped_null;
use crate::error::from_arrow;
use crate::text::rescale;

const DECIMAL_DIGITS: u8 = 38;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::from(Round::new(false)),
        ScalarUDF::from(Abs { signature: Signature::user_defined(Volatility::Immutable) }),
    ]
}

/// `round(x)` and `round(numeric, digits)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    signature: Signature,
    /// Whether the digits become known later, if at all: then the result has the scale of the number, whatever they turn out
    /// to be, because the plan around it has that type by then.
    open: bool,
}

/// Settles the type of `round(number, digits)` while its digits are as they were written: a constant becomes a literal, which
/// says the scale; what is known later never does.
pub(crate) fn with_known_digits(call: ScalarFunction) -> PlanResult<ScalarFunction> {
    let implementation: &dyn std::any::Any = call.func.inner().as_ref();
    let settled = implementation.downcast_ref::<Round>().is_none_or(|round| round.open);
    let [number, digits] = call.args.as_slice() else { return Ok(call) };
    if settled || matches!(digits, Expr::Literal(..)) {
        return Ok(call);
    }
    let depends = |part: &Expr| match part {
        Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::Placeholder(_) => true,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => true,
        Expr::AggregateFunction(_) | Expr::WindowFunction(_) => true,
        Expr::ScalarFunction(call) => call.func.signature().volatility != Volatility::Immutable,
        _ => false,
    };
    if !digits.exists(|part| Ok(depends(part)))? {
        let context = SimplifyContext::builder().with_config_options(Arc::new(ConfigOptions::default())).build();
        let simplifier = ExprSimplifier::new(context);
        let known = simplifier.simplify(simplifier.coerce(digits.clone(), &DFSchema::empty())?)?;
        if matches!(known, Expr::Literal(..)) {
            return Ok(ScalarFunction { func: call.func, args: vec![number.clone(), known] });
        }
    }
    Ok(ScalarFunction { func: Arc::new(ScalarUDF::from(Round::new(true))), args: call.args })
}

/// `42883` for a function of these types.
pub(super) fn no_function(name: &str, types: &[DataType]) -> Error {
    let names: Vec<String> = types
        .iter()
        .map(|data_type| SqlType::of_arrow(data_type).map_or_else(|| data_type.to_string(), |t| t.to_string()))
        .collect();
    Error::new(ErrorKind::UndefinedFunction, format!("function {name}({}) does not exist", names.join(", ")))
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

impl Round {
    fn new(open: bool) -> Round {
        Round { signature: Signature::user_defined(Volatility::Immutable), open }
    }

    /// The scale of a rounded numeric: the digits asked for, if they are known, and never more than there are.
    fn scale(scale: i8, digits: Option<&ScalarValue>) -> i8 {
        let within = |digits: i64| digits.clamp(0, scale.max(0).into()) as i8;
        match digits {
            None => 0,
            Some(ScalarValue::Int16(Some(digits))) => within(i64::from(*digits)),
            Some(ScalarValue::Int32(Some(digits))) => within(i64::from(*digits)),
            Some(ScalarValue::Int64(Some(digits))) => within(*digits),
            Some(_) => scale,
        }
    }
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        "round"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match arg_types {
            [DataType::Decimal128(..)] => Ok(arg_types.to_vec()),
            [number] if number.is_numeric() || number.is_null() => Ok(vec![DataType::Float64]),
            // The digits stay what they are: under a cast a literal would be none, and the type another one before it is
            // computed than after.
            [DataType::Decimal128(..), digits] if digits.is_integer() => Ok(arg_types.to_vec()),
            [integer, digits] if integer.is_integer() && digits.is_integer() => {
                Ok(vec![DataType::Decimal128(DECIMAL_DIGITS, 0), digits.clone()])
            }
            _ => Err(no_function("round", arg_types).into()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Err(DataFusionError::from(Error::internal("round has a return field")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let result = match args.arg_fields.first().map(|field| field.data_type()) {
            Some(DataType::Decimal128(_, scale)) => {
                let digits = match args.scalar_arguments {
                    [_, _] if self.open => Some(&ScalarValue::Null),
                    [_, digits] => Some(digits.unwrap_or(&ScalarValue::Null)),
                    _ => None,
                };
                SqlType::Numeric { precision: DECIMAL_DIGITS, scale: Self::scale(*scale, digits) }
            }
            _ => SqlType::Double,
        };
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(field_ref(self.name(), &result, nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result: ArrayRef = match (arrays.as_slice(), args.return_type()) {
            ([doubles], DataType::Float64) => {
                let rounded: PrimitiveArray<Float64Type> =
                    doubles.as_primitive::<Float64Type>().unary(f64::round_ties_even);
                Arc::new(rounded)
            }
            ([numbers, rest @ ..], DataType::Decimal128(_, scale)) => round_decimals(numbers, rest.first(), *scale)?,
            _ => return Err(DataFusionError::from(Error::internal("round of other than a number"))),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

fn round_decimals(numbers: &ArrayRef, digits: Option<&ArrayRef>, scale: i8) -> Result<ArrayRef> {
    let DataType::Decimal128(_, from) = *numbers.data_type() else {
        return Err(Error::internal("round of other than a numeric"));
    };
    let numbers = numbers.as_primitive::<Decimal128Type>();
    let mut rounded = PrimitiveArray::<Decimal128Type>::builder(numbers.len());
    let digits = digits.map(|digits| cast(digits, &DataType::Int64)).transpose().map_err(from_arrow)?;
    let digits = digits.as_ref().map(|digits| digits.as_primitive::<Int64Type>());
    for (row, number) in numbers.iter().enumerate() {
        let digits = match digits {
            Some(digits) => digits.is_valid(row).then(|| digits.value(row)),
            None => Some(0),
        };
        match (number, digits) {
            (Some(number), Some(digits)) => {
                let digits = digits.clamp(-i64::from(DECIMAL_DIGITS), from.into()) as i8;
                let value = rescale(number, from, digits).and_then(|value| rescale(value, digits, scale));
                let value = value.ok_or_else(|| Error::new(ErrorKind::NumericOutOfRange, "numeric field overflow"))?;
                rounded.append_value(value);
            }
            _ => rounded.append_null(),
        }
    }
    Ok(Arc::new(rounded.finish().with_data_type(DataType::Decimal128(DECIMAL_DIGITS, scale))))
}

/// `abs`, which the smallest integer does not have.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Abs {
    signature: Signature,
}

impl ScalarUDFImpl for Abs {
    fn name(&self) -> &str {
        "abs"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match arg_types {
            [number] if number.is_signed_integer() || number.is_floating() || number.is_decimal() => {
                Ok(arg_types.to_vec())
            }
            [number] if number.is_unsigned_integer() => Ok(vec![DataType::Int64]),
            [DataType::Null] => Ok(vec![DataType::Float64]),
            _ => Err(no_function("abs", arg_types).into()),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> PlanResult<DataType> {
        arg_types.first().cloned().ok_or_else(|| no_function("abs", arg_types).into())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let sql_type = SqlType::of_arrow(args.return_type());
        datafusion::functions::math::abs().invoke_with_args(args).map_err(|error| match (&error, sql_type) {
            (DataFusionError::ArrowError(..), Some(sql_type)) => {
                Error::new(ErrorKind::NumericOutOfRange, format!("{sql_type} out of range")).into()
            }
            _ => error,
        })
    }
}
