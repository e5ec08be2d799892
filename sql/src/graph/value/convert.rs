//! Conversions: `toInteger` and its like.

use slipstream_engine::{Error, Result};
use slipstream_graph_language::function::Function;

use super::{Dynamic, mismatch, out_of_range};

/// A conversion; its argument is not NULL. What the text of a string does not say is NULL; a value of another type is an
/// error, but for the forms that end in `OrNull`.
pub(super) fn call(function: Function, arguments: Vec<Dynamic>) -> Result<Dynamic> {
    let Some(value) = arguments.into_iter().next() else {
        return Err(Error::internal(format!("arguments of {}", function.name())));
    };
    match function {
        Function::ToInteger => to_integer(value),
        Function::ToFloat => to_float(value),
        Function::ToBoolean => to_boolean(value),
        Function::ToString => to_string(value),
        Function::ToIntegerOrNull => Ok(to_integer(value).unwrap_or(Dynamic::Null)),
        Function::ToFloatOrNull => Ok(to_float(value).unwrap_or(Dynamic::Null)),
        Function::ToBooleanOrNull => Ok(to_boolean(value).unwrap_or(Dynamic::Null)),
        Function::ToStringOrNull => Ok(to_string(value).unwrap_or(Dynamic::Null)),
        _ => Err(Error::internal(format!("{} as a conversion", function.name()))),
    }
}

fn to_integer(value: Dynamic) -> Result<Dynamic> {
    let whole = |number: f64| {
        let number = number.trunc();
        // The bounds are exact as floating point numbers.
        let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
        if fits { Ok(Dynamic::Integer(number as i64)) } else { Err(out_of_range()) }
    };
    match value {
        Dynamic::Integer(number) => Ok(Dynamic::Integer(number)),
        Dynamic::Boolean(truth) => Ok(Dynamic::Integer(i64::from(truth))),
        Dynamic::String(text) => {
            let text = text.trim();
            match text.parse::<i64>() {
                Ok(number) => Ok(Dynamic::Integer(number)),
                Err(_) => match float_of(text) {
                    Some(number) => Ok(whole(number).unwrap_or(Dynamic::Null)),
                    None => Ok(Dynamic::Null),
                },
            }
        }
        other => match other.as_float() {
            Some(number) => whole(number),
            None => Err(mismatch("toInteger", "a number, a boolean or a string", &other)),
        },
    }
}

/// The number that a string is; words such as `inf` are none.
fn float_of(text: &str) -> Option<f64> {
    let named = matches!(text, "NaN" | "Infinity" | "-Infinity");
    let digits = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    if named || digits { text.parse().ok() } else { None }
}

fn to_float(value: Dynamic) -> Result<Dynamic> {
    match value {
        Dynamic::String(text) => Ok(float_of(text.trim()).map_or(Dynamic::Null, Dynamic::Float)),
        other => match other.as_float() {
            Some(number) => Ok(Dynamic::Float(number)),
            None => Err(mismatch("toFloat", "a number or a string", &other)),
        },
    }
}

fn to_boolean(value: Dynamic) -> Result<Dynamic> {
    match value {
        Dynamic::Boolean(truth) => Ok(Dynamic::Boolean(truth)),
        Dynamic::Integer(number) => Ok(Dynamic::Boolean(number != 0)),
        Dynamic::String(text) => Ok(match text.trim().to_lowercase().as_str() {
            "true" => Dynamic::Boolean(true),
            "false" => Dynamic::Boolean(false),
            _ => Dynamic::Null,
        }),
        other => Err(mismatch("toBoolean", "a boolean, a whole number or a string", &other)),
    }
}

fn to_string(value: Dynamic) -> Result<Dynamic> {
    match value {
        Dynamic::List(_) | Dynamic::Map(_) | Dynamic::Node(_) | Dynamic::Relationship(_) | Dynamic::Path(_) => {
            Err(mismatch("toString", "a scalar", &value))
        }
        value => Ok(Dynamic::String(value.text())),
    }
}
