//! Arithmetic, and functions of numbers.

use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;
use slipstream_graph_language::syntax::Arithmetic;

use super::{Dynamic, list, mismatch, out_of_range, temporal};

/// An operator between two values; NULL where one of them is.
pub(super) fn arithmetic(operator: Arithmetic, left: Dynamic, right: Dynamic) -> Result<Dynamic> {
    use Dynamic::{Float, Integer, List, Null, String};
    match (operator, left, right) {
        (_, Null, _) | (_, _, Null) => Ok(Null),
        (Arithmetic::Add, left @ List(_), right) | (Arithmetic::Add, left, right @ List(_)) => {
            Ok(list::concatenate(left, right))
        }
        (Arithmetic::Add, String(left), String(right)) => Ok(String(left + &right)),
        (Arithmetic::Add, String(left), right) if right.as_float().is_some() => Ok(String(left + &right.text())),
        (Arithmetic::Add, left, String(right)) if left.as_float().is_some() => Ok(String(left.text() + &right)),
        (operator, Integer(left), Integer(right)) => integers(operator, left, right),
        (operator, left, right) => match (left.as_float(), right.as_float()) {
            (Some(left), Some(right)) => Ok(Float(floats(operator, left, right))),
            _ => temporal::arithmetic(operator, &left, &right)
                .unwrap_or_else(|| Err(no_operator(operator, &left, &right))),
        },
    }
}

fn no_operator(operator: Arithmetic, left: &Dynamic, right: &Dynamic) -> Error {
    let message = format!("\"{}\" does not go between {} and {}", operator.symbol(), left.kind(), right.kind());
    Error::new(ErrorKind::DatatypeMismatch, message)
}

fn integers(operator: Arithmetic, left: i64, right: i64) -> Result<Dynamic> {
    let number = match operator {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide | Arithmetic::Modulo if right == 0 => {
            return Err(Error::new(ErrorKind::DivisionByZero, "division by zero"));
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Modulo => Some(left.checked_rem(right).unwrap_or(0)),
        Arithmetic::Power => return Ok(Dynamic::Float((left as f64).powf(right as f64))),
    };
    number.map(Dynamic::Integer).ok_or_else(out_of_range)
}

/// By IEEE 754; what makes a NaN makes the one that has no sign.
fn floats(operator: Arithmetic, left: f64, right: f64) -> f64 {
    let number = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
        Arithmetic::Power => left.powf(right),
    };
    unsigned(number)
}

fn unsigned(number: f64) -> f64 {
    if number.is_nan() { f64::NAN } else { number }
}

/// Unary minus.
pub(super) fn negate(value: Dynamic) -> Result<Dynamic> {
    match value {
        Dynamic::Null => Ok(Dynamic::Null),
        Dynamic::Integer(number) => number.checked_neg().map(Dynamic::Integer).ok_or_else(out_of_range),
        Dynamic::Interval(_) => temporal::arithmetic(Arithmetic::Multiply, &value, &Dynamic::Integer(-1))
            .unwrap_or_else(|| Err(mismatch("\"-\"", "a number", &value))),
        other => match other.as_float() {
            Some(number) => Ok(Dynamic::Float(-number)),
            None => Err(mismatch("\"-\"", "a number", &other)),
        },
    }
}

/// A function of numbers; its arguments are not NULL.
pub(super) fn call(function: Function, arguments: &[Dynamic]) -> Result<Dynamic> {
    match (function, arguments) {
        (Function::Pi, []) => Ok(Dynamic::Float(std::f64::consts::PI)),
        (Function::E, []) => Ok(Dynamic::Float(std::f64::consts::E)),
        (Function::Rand, []) => Ok(Dynamic::Float(rand::random::<f64>())),
        (Function::Abs, [Dynamic::Integer(number)]) => {
            number.checked_abs().map(Dynamic::Integer).ok_or_else(out_of_range)
        }
        (Function::Sign, [value]) => {
            let number = float(function, value)?;
            Ok(Dynamic::Integer(if number > 0.0 { 1 } else { -i64::from(number < 0.0) }))
        }
        (Function::Round, [value, rest @ ..]) => round(function, value, rest),
        (Function::Atan2, [left, right]) => Ok(Dynamic::Float(float(function, left)?.atan2(float(function, right)?))),
        (Function::IsNan, [value]) => Ok(Dynamic::Boolean(float(function, value)?.is_nan())),
        (_, [value]) => Ok(Dynamic::Float(unsigned(of_one(function, float(function, value)?)))),
        _ => Err(Error::internal(format!("arguments of {}", function.name()))),
    }
}

fn float(function: Function, value: &Dynamic) -> Result<f64> {
    value.as_float().ok_or_else(|| mismatch(function.name(), "a number", value))
}

fn of_one(function: Function, number: f64) -> f64 {
    match function {
        Function::Abs => number.abs(),
        Function::Ceil => number.ceil(),
        Function::Floor => number.floor(),
        Function::Sqrt => number.sqrt(),
        Function::Exp => number.exp(),
        Function::Log => number.ln(),
        Function::Log10 => number.log10(),
        Function::Sin => number.sin(),
        Function::Cos => number.cos(),
        Function::Tan => number.tan(),
        Function::Cot => number.tan().recip(),
        Function::Asin => number.asin(),
        Function::Acos => number.acos(),
        Function::Atan => number.atan(),
        Function::Degrees => number.to_degrees(),
        Function::Radians => number.to_radians(),
        Function::Haversin => (1.0 - number.cos()) / 2.0,
        _ => f64::NAN,
    }
}

/// `round(x)` goes to the next whole number, and up from the middle; with a precision, away from zero.
fn round(function: Function, value: &Dynamic, rest: &[Dynamic]) -> Result<Dynamic> {
    let number = float(function, value)?;
    let precision = match rest {
        [] => return Ok(Dynamic::Float((number + 0.5).floor())),
        [Dynamic::Integer(precision)] => i32::try_from(*precision).unwrap_or(i32::MAX),
        [other, ..] => return Err(mismatch(function.name(), "a whole number", other)),
    };
    if !(0..=300).contains(&precision) {
        return Err(Error::new(ErrorKind::InvalidParameter, "precision of round must be between 0 and 300"));
    }
    let scale = 10_f64.powi(precision);
    let scaled = (number * scale).round() / scale;
    Ok(Dynamic::Float(if scaled.is_finite() { scaled } else { number }))
}
