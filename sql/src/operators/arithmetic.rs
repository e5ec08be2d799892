//! `+ - * / %` and unary minus on numbers, as Postgres computes them.
//!
//! What does not fit is an error and never wraps, becomes infinite or is cut off. Integers stay in their type; numeric is
//! exact, with rounding half away from zero where digits must go.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, PrimitiveArray};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{ArrowNativeType, DataType, Decimal128Type, FieldRef, Float32Type, Float64Type, i256};
use arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::functions::untyped_null;

/// Digits of a decimal.
const DECIMAL_DIGITS: u32 = 38;
/// A quotient has at least this many digits after the point, as in Postgres.
const QUOTIENT_SCALE: i8 = 16;
/// Most digits after the point that a product or quotient keeps, so that as many remain before it.
const MAX_SCALE: i8 = 20;

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Divide => "checked_divide",
            Operation::Remainder => "checked_remainder",
        }
    }

    /// The type of numeric that the operation gives for operands of these scales.
    pub(super) fn numeric_result(self, left: i8, right: i8) -> SqlType {
        let scale = match self {
            Operation::Add | Operation::Subtract | Operation::Remainder => left.max(right),
            Operation::Multiply => left.saturating_add(right).min(MAX_SCALE.max(left).max(right)),
            Operation::Divide => QUOTIENT_SCALE.max(left).max(right),
        };
        SqlType::Numeric { precision: DECIMAL_DIGITS as u8, scale }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Add => "+",
            Operation::Subtract => "-",
            Operation::Multiply => "*",
            Operation::Divide => "/",
            Operation::Remainder => "%",
        })
    }
}

/// The checked form of a binary operator. Both arguments are of the result's type, except that numerics have each their
/// own scale.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Checked {
    operation: Operation,
    result: SqlType,
    signature: Signature,
}

impl Checked {
    pub(super) fn call(operation: Operation, result: SqlType, left: Expr, right: Expr) -> Expr {
        let signature = Signature::any(2, Volatility::Immutable);
        ScalarUDF::from(Checked { operation, result, signature }).call(vec![left, right])
    }

    /// An operand in the type that the operation works in. A plan's inputs can become narrower after the operator has been
    /// resolved, when literals below it get their types.
    fn operand(&self, value: &ColumnarValue) -> PlanResult<ColumnarValue> {
        let found = value.data_type();
        match self.result.arrow_type() {
            DataType::Decimal128(..) if found.is_decimal() => Ok(value.clone()),
            DataType::Decimal128(..) => value.cast_to(&DataType::Decimal128(19, 0), None),
            wanted if found == wanted => Ok(value.clone()),
            wanted => value.cast_to(&wanted, None),
        }
    }

    fn compute(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef> {
        match &self.result {
            SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => self.integers(left, right),
            SqlType::Real => {
                let result =
                    self.floats::<Float32Type>(left, right, |value| value.is_infinite(), |value| *value == 0.0)?;
                Ok(one_nan::<Float32Type>(&result, |value| if value.is_nan() { f32::NAN } else { value }))
            }
            SqlType::Double => {
                let result =
                    self.floats::<Float64Type>(left, right, |value| value.is_infinite(), |value| *value == 0.0)?;
                Ok(one_nan::<Float64Type>(&result, |value| if value.is_nan() { f64::NAN } else { value }))
            }
            SqlType::Numeric { scale, .. } => decimals(self.operation, left, right, *scale),
            other => Err(Error::internal(format!("arithmetic on {other}"))),
        }
    }

    fn integers(&self, left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef> {
        let kernel = match self.operation {
            Operation::Add => numeric::add,
            Operation::Subtract => numeric::sub,
            Operation::Multiply => numeric::mul,
            Operation::Divide => numeric::div,
            Operation::Remainder => numeric::rem,
        };
        kernel(left, right).map_err(|error| arithmetic_error(error, &self.result))
    }

    /// Arrow's kernels follow IEEE; Postgres refuses to divide by zero, and to get infinity from finite numbers.
    fn floats<T: arrow::datatypes::ArrowPrimitiveType>(
        &self,
        left: &dyn Datum,
        right: &dyn Datum,
        is_infinite: fn(&T::Native) -> bool,
        is_zero: fn(&T::Native) -> bool,
    ) -> Result<ArrayRef>
    where
        T::Native: ArrowNativeType,
    {
        let divides = matches!(self.operation, Operation::Divide | Operation::Remainder);
        let infinite_input = [left, right]
            .iter()
            .any(|side| side.get().0.as_primitive::<T>().iter().flatten().any(|value| is_infinite(&value)));
        if divides {
            self.refuse_zero::<T>(left, right, is_zero)?;
        }
        let result = self.integers(left, right)?;
        let overflows = result.as_primitive::<T>().iter().flatten().any(|value| is_infinite(&value));
        if overflows && !infinite_input {
            return Err(Error::new(ErrorKind::NumericOutOfRange, "value out of range: overflow"));
        }
        Ok(result)
    }

    fn refuse_zero<T: arrow::datatypes::ArrowPrimitiveType>(
        &self,
        left: &dyn Datum,
        right: &dyn Datum,
        is_zero: fn(&T::Native) -> bool,
    ) -> Result<()> {
        let ((dividends, one_dividend), (divisors, one_divisor)) = (left.get(), right.get());
        let any_dividend = dividends.null_count() < dividends.len();
        for (row, divisor) in divisors.as_primitive::<T>().iter().enumerate() {
            let divided = match (one_dividend, one_divisor) {
                (true, _) | (_, true) => any_dividend,
                (false, false) => dividends.is_valid(row),
            };
            if divided && divisor.is_some_and(|divisor| is_zero(&divisor)) {
                return Err(division_by_zero());
            }
        }
        Ok(())
    }
}

/// Hardware gives NaN with either sign, and Arrow sorts the negative one before all numbers; `unify` makes them one.
fn one_nan<T: arrow::datatypes::ArrowPrimitiveType>(
    result: &ArrayRef,
    unify: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    Arc::new(result.as_primitive::<T>().unary::<_, T>(unify))
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        match args {
            [left, right] => Ok(format!("{} {} {}", left.schema_name(), self.operation, right.schema_name())),
            _ => Ok(self.name().to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.result.arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(field_ref(self.name(), &self.result, nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("an operator takes two arguments")));
        };
        let (left, right) = (&self.operand(left)?, &self.operand(right)?);
        let constant = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let result = match (left, right) {
            (ColumnarValue::Array(left), ColumnarValue::Array(right)) => self.compute(left, right),
            (ColumnarValue::Array(left), ColumnarValue::Scalar(right)) => self.compute(left, &right.to_scalar()?),
            (ColumnarValue::Scalar(left), ColumnarValue::Array(right)) => self.compute(&left.to_scalar()?, right),
            (ColumnarValue::Scalar(left), ColumnarValue::Scalar(right)) => {
                self.compute(&left.to_scalar()?, &right.to_scalar()?)
            }
        }?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// `-x` for integers, where the smallest has no negative.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Negate {
    result: SqlType,
    signature: Signature,
}

impl Negate {
    pub(super) fn call(result: SqlType, operand: Expr) -> Expr {
        ScalarUDF::from(Negate { result, signature: Signature::any(1, Volatility::Immutable) }).call(vec![operand])
    }
}

impl ScalarUDFImpl for Negate {
    fn name(&self) -> &str {
        "checked_negate"
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        match args {
            [operand] => Ok(format!("(- {})", operand.schema_name())),
            _ => Ok(self.name().to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.result.arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(field_ref(self.name(), &self.result, nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let negate = |array: &dyn Array| numeric::neg(array).map_err(|error| arithmetic_error(error, &self.result));
        Ok(match args.args.as_slice() {
            [ColumnarValue::Array(array)] => ColumnarValue::Array(negate(array)?),
            [ColumnarValue::Scalar(scalar)] => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&negate(&scalar.to_array()?)?, 0)?)
            }
            _ => return Err(DataFusionError::from(Error::internal("negation takes one argument"))),
        })
    }
}

/// An Arrow kernel's failure as Postgres words it.
fn arithmetic_error(error: ArrowError, result: &SqlType) -> Error {
    match error {
        ArrowError::ArithmeticOverflow(_) => Error::new(ErrorKind::NumericOutOfRange, format!("{result} out of range")),
        ArrowError::DivideByZero => division_by_zero(),
        other => Error::internal(other.to_string()),
    }
}

fn division_by_zero() -> Error {
    Error::new(ErrorKind::DivisionByZero, "division by zero")
}

/// A decimal operand: its unscaled values, and its scale.
struct Decimals<'a> {
    values: &'a PrimitiveArray<Decimal128Type>,
    constant: bool,
    scale: i8,
}

impl<'a> Decimals<'a> {
    fn new(datum: &'a dyn Datum) -> Result<Self> {
        let (array, constant) = datum.get();
        let DataType::Decimal128(_, scale) = array.data_type() else {
            return Err(Error::internal(format!("{} is not numeric", array.data_type())));
        };
        Ok(Decimals { values: array.as_primitive(), constant, scale: *scale })
    }

    fn get(&self, row: usize) -> Option<i128> {
        let row = if self.constant { 0 } else { row };
        self.values.is_valid(row).then(|| self.values.value(row))
    }
}

fn decimals(operation: Operation, left: &dyn Datum, right: &dyn Datum, scale: i8) -> Result<ArrayRef> {
    let (left, right) = (Decimals::new(left)?, Decimals::new(right)?);
    let rows = if left.constant { right.values.len() } else { left.values.len() };
    let mut results = PrimitiveArray::<Decimal128Type>::builder(rows);
    for row in 0..rows {
        match (left.get(row), right.get(row)) {
            (Some(a), Some(b)) => results.append_value(decimal(operation, (a, left.scale), (b, right.scale), scale)?),
            _ => results.append_null(),
        }
    }
    let result_type = DataType::Decimal128(DECIMAL_DIGITS as u8, scale);
    Ok(Arc::new(results.finish().with_data_type(result_type)))
}

/// One operation on two (unscaled, scale) numbers, as the unscaled result at `scale`.
fn decimal(operation: Operation, left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    if matches!(operation, Operation::Divide | Operation::Remainder) && right.0 == 0 {
        return Err(division_by_zero());
    }
    // The operands go through 256 bits, where nothing that could be asked for overflows.
    let result = match operation {
        Operation::Add => wide(left, scale).and_then(|a| wide(right, scale).and_then(|b| a.checked_add(b))),
        Operation::Subtract => wide(left, scale).and_then(|a| wide(right, scale).and_then(|b| a.checked_sub(b))),
        Operation::Remainder => wide(left, scale).and_then(|a| wide(right, scale).and_then(|b| a.checked_rem(b))),
        Operation::Multiply => i256::from_i128(left.0)
            .checked_mul(i256::from_i128(right.0))
            .and_then(|product| narrow(product, left.1 + right.1 - scale)),
        Operation::Divide => wide((left.0, left.1), scale + right.1)
            .and_then(|dividend| divide_rounding(dividend, i256::from_i128(right.0))),
    };
    let limit = 10_i128.pow(DECIMAL_DIGITS);
    result
        .and_then(i256::to_i128)
        .filter(|value| (-limit < *value) && (*value < limit))
        .ok_or_else(|| Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format"))
}

fn power_of_ten(exponent: i8) -> Option<i256> {
    let mut power = i256::ONE;
    for _ in 0..exponent {
        power = power.checked_mul(i256::from_i128(10))?;
    }
    Some(power)
}

/// A number at a larger scale.
fn wide((value, from): (i128, i8), to: i8) -> Option<i256> {
    i256::from_i128(value).checked_mul(power_of_ten(to - from)?)
}

/// Drops digits, rounding half away from zero.
fn narrow(value: i256, digits: i8) -> Option<i256> {
    if digits <= 0 { Some(value) } else { divide_rounding(value, power_of_ten(digits)?) }
}

fn divide_rounding(dividend: i256, divisor: i256) -> Option<i256> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_rem(divisor)?;
    let twice = rest.wrapping_abs().checked_mul(i256::from_i128(2))?;
    if twice < divisor.wrapping_abs() {
        return Some(quotient);
    }
    let away = if dividend.is_negative() == divisor.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    quotient.checked_add(away)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_is_exact_and_rounds_half_away_from_zero() {
        let numeric = |operation, a, b, scale| decimal(operation, a, b, scale).expect("fits");
        assert_eq!(numeric(Operation::Add, (15, 1), (25, 2), 2), 175);
        assert_eq!(numeric(Operation::Subtract, (15, 1), (25, 2), 2), 125);
        assert_eq!(numeric(Operation::Multiply, (15, 1), (25, 2), 3), 375);
        assert_eq!(numeric(Operation::Multiply, (15, 1), (-25, 2), 2), -38);
        assert_eq!(numeric(Operation::Divide, (2, 0), (3, 0), 4), 6667);
        assert_eq!(numeric(Operation::Divide, (-2, 0), (3, 0), 4), -6667);
        assert_eq!(numeric(Operation::Divide, (1, 0), (30, 1), 2), 33);
        assert_eq!(numeric(Operation::Remainder, (-75, 1), (2, 0), 1), -15);
        let most = 10_i128.pow(38) - 1;
        assert_eq!(
            decimal(Operation::Add, (most, 0), (1, 0), 0).expect_err("too large").kind(),
            ErrorKind::NumericOutOfRange
        );
        assert_eq!(decimal(Operation::Divide, (1, 0), (0, 0), 0).expect_err("zero").kind(), ErrorKind::DivisionByZero);
    }

    #[test]
    fn scales_follow_the_operands() {
        let scale = |operation: Operation, a, b| match operation.numeric_result(a, b) {
            SqlType::Numeric { scale, .. } => scale,
            other => panic!("{other}"),
        };
        assert_eq!(scale(Operation::Add, 2, 5), 5);
        assert_eq!(scale(Operation::Multiply, 2, 5), 7);
        assert_eq!(scale(Operation::Multiply, 16, 10), 20);
        assert_eq!(scale(Operation::Divide, 0, 0), 16);
    }
}
