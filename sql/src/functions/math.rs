//! Roots, powers, logarithms and angles: functions of floats that have no value everywhere.
//!
//! DataFusion answers NaN and infinity where Postgres has an error, and so would go on with a wrong number. The functions are
//! those of the standard library; here is where they end. Of a `numeric` they give a `double precision`.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use slipstream_engine::{Error, ErrorKind, Result};

use super::rounding::no_function;
use super::untyped_null;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let one = |name, function| Function { name, aliases: Vec::new(), kind: Kind::One(function) };
    let two = |name, function| Function { name, aliases: Vec::new(), kind: Kind::Two(function) };
    let functions = [
        one("sqrt", square_root),
        one("cbrt", |x| Ok(x.cbrt())),
        one("ln", natural_logarithm),
        one("log10", decimal_logarithm),
        Function { name: "log", aliases: Vec::new(), kind: Kind::OneOrTwo(decimal_logarithm, logarithm) },
        one("exp", exponential),
        Function { name: "power", aliases: vec!["pow".to_string()], kind: Kind::Two(power) },
        one("acos", |x| within(x, -1.0, 1.0).map(f64::acos)),
        one("asin", |x| within(x, -1.0, 1.0).map(f64::asin)),
        one("atan", |x| Ok(x.atan())),
        two("atan2", |y, x| Ok(y.atan2(x))),
        one("acosh", |x| within(x, 1.0, f64::INFINITY).map(f64::acosh)),
        one("atanh", |x| within(x, -1.0, 1.0).map(f64::atanh)),
        one("sin", |x| finite(x).map(f64::sin)),
        one("cos", |x| finite(x).map(f64::cos)),
        one("tan", |x| finite(x).map(f64::tan)),
        one("cot", |x| finite(x).map(|x| 1.0 / x.tan())),
        one("degrees", |x| overflowing(x.to_degrees(), x)),
    ];
    functions.into_iter().map(|function| ScalarUDF::from(Checked::new(function))).collect()
}

/// A function of numbers.
#[derive(Debug, Clone)]
struct Function {
    name: &'static str,
    aliases: Vec<String>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    One(fn(f64) -> Result<f64>),
    Two(fn(f64, f64) -> Result<f64>),
    OneOrTwo(fn(f64) -> Result<f64>, fn(f64, f64) -> Result<f64>),
}

fn refused(kind: ErrorKind, message: &str) -> Error {
    Error::new(kind, message)
}

fn out_of_range() -> Error {
    refused(ErrorKind::NumericOutOfRange, "input is out of range")
}

fn within(x: f64, least: f64, most: f64) -> Result<f64> {
    if x < least || x > most { Err(out_of_range()) } else { Ok(x) }
}

fn finite(x: f64) -> Result<f64> {
    if x.is_infinite() { Err(out_of_range()) } else { Ok(x) }
}

/// Refuses an infinite result of what was not infinite.
fn overflowing(result: f64, x: f64) -> Result<f64> {
    match result.is_infinite() && x.is_finite() {
        true => Err(refused(ErrorKind::NumericOutOfRange, "value out of range: overflow")),
        false => Ok(result),
    }
}

fn underflow() -> Error {
    refused(ErrorKind::NumericOutOfRange, "value out of range: underflow")
}

fn square_root(x: f64) -> Result<f64> {
    match x < 0.0 {
        true => Err(refused(ErrorKind::InvalidPower, "cannot take square root of a negative number")),
        false => Ok(x.sqrt()),
    }
}

/// What has a logarithm.
fn positive(x: f64) -> Result<f64> {
    let refuse = |message| Err(refused(ErrorKind::InvalidLogarithm, message));
    match x {
        0.0 => refuse("cannot take logarithm of zero"),
        x if x < 0.0 => refuse("cannot take logarithm of a negative number"),
        x => Ok(x),
    }
}

fn natural_logarithm(x: f64) -> Result<f64> {
    positive(x).map(f64::ln)
}

fn decimal_logarithm(x: f64) -> Result<f64> {
    positive(x).map(f64::log10)
}

fn logarithm(base: f64, x: f64) -> Result<f64> {
    let (base, x) = (positive(base)?, positive(x)?);
    match base {
        1.0 => Err(refused(ErrorKind::DivisionByZero, "division by zero")),
        2.0 => Ok(x.log2()),
        10.0 => Ok(x.log10()),
        base => Ok(x.ln() / base.ln()),
    }
}

fn exponential(x: f64) -> Result<f64> {
    let result = overflowing(x.exp(), x)?;
    if result == 0.0 && x.is_finite() { Err(underflow()) } else { Ok(result) }
}

fn power(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return Err(refused(ErrorKind::InvalidPower, "zero raised to a negative power is undefined"));
    }
    if base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 {
        let message = "a negative number raised to a non-integer power yields a complex result";
        return Err(refused(ErrorKind::InvalidPower, message));
    }
    let result = base.powf(exponent);
    if exponent.is_finite() {
        let result = overflowing(result, base)?;
        return if result == 0.0 && base != 0.0 && base.is_finite() { Err(underflow()) } else { Ok(result) };
    }
    Ok(result)
}

/// A function that knows where it has no value.
#[derive(Debug, Clone)]
struct Checked {
    function: Function,
    signature: Signature,
}

impl Checked {
    fn new(function: Function) -> Self {
        Checked { function, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn takes(&self, arguments: usize) -> bool {
        match self.function.kind {
            Kind::One(_) => arguments == 1,
            Kind::Two(_) => arguments == 2,
            Kind::OneOrTwo(..) => (1..=2).contains(&arguments),
        }
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name
    }
}

impl Eq for Checked {}

impl std::hash::Hash for Checked {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.function.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> PlanResult<Vec<DataType>> {
        let are_numbers = arg_types.iter().all(|data_type| data_type.is_numeric() || data_type.is_null());
        match self.takes(arg_types.len()) && are_numbers {
            true => Ok(vec![DataType::Float64; arg_types.len()]),
            false => Err(no_function(self.name(), arg_types).into()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = match (self.function.kind, arrays.as_slice()) {
            (Kind::One(function) | Kind::OneOrTwo(function, _), [x]) => of_one(function, x)?,
            (Kind::Two(function) | Kind::OneOrTwo(_, function), [x, y]) => of_two(function, x, y)?,
            _ => return Err(Error::internal(format!("{} of other arguments", self.name())).into()),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

fn of_one(function: fn(f64) -> Result<f64>, x: &ArrayRef) -> Result<ArrayRef> {
    let x = x.as_primitive::<Float64Type>();
    let values = x.iter().map(|x| x.map(|x| function(x).map(plain)).transpose());
    Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
}

fn of_two(function: fn(f64, f64) -> Result<f64>, x: &ArrayRef, y: &ArrayRef) -> Result<ArrayRef> {
    let (x, y) = (x.as_primitive::<Float64Type>(), y.as_primitive::<Float64Type>());
    let values = x.iter().zip(y).map(|pair| match pair {
        (Some(x), Some(y)) => function(x, y).map(plain).map(Some),
        _ => Ok(None),
    });
    Ok(Arc::new(values.collect::<Result<Float64Array>>()?))
}

/// There is one NaN only.
fn plain(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_end_where_postgres_ends_them() {
        let kind = |base, exponent| power(base, exponent).map_err(|error| error.kind());
        assert_eq!(kind(2.0, 10.0), Ok(1024.0));
        assert_eq!(kind(-8.0, 3.0), Ok(-512.0));
        assert_eq!(kind(0.0, 0.0), Ok(1.0));
        assert_eq!(kind(f64::INFINITY, 2.0), Ok(f64::INFINITY));
        assert_eq!(kind(2.0, f64::NEG_INFINITY), Ok(0.0));
        assert_eq!(kind(0.0, -1.0), Err(ErrorKind::InvalidPower));
        assert_eq!(kind(-8.0, 0.5), Err(ErrorKind::InvalidPower));
        assert_eq!(kind(10.0, 400.0), Err(ErrorKind::NumericOutOfRange));
        assert_eq!(kind(1e-200, 3.0), Err(ErrorKind::NumericOutOfRange));
    }
}
