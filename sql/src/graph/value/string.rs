//! Functions of strings. Characters are Unicode's code points.

use regex::Regex;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;
use slipstream_graph_language::syntax::StringMatch;

use super::{Dynamic, mismatch};

/// A function of strings; its arguments are not NULL.
pub(super) fn call(function: Function, arguments: &[Dynamic]) -> Result<Dynamic> {
    let subject = text(function, arguments.first().unwrap_or(&Dynamic::Null))?;
    let string = |result: String| Ok(Dynamic::String(result));
    match (function, &arguments[1..]) {
        (Function::ToUpper, []) => string(subject.to_uppercase()),
        (Function::ToLower, []) => string(subject.to_lowercase()),
        (Function::Trim, []) => string(subject.trim().to_string()),
        (Function::LeftTrim, []) => string(subject.trim_start().to_string()),
        (Function::RightTrim, []) => string(subject.trim_end().to_string()),
        (Function::Replace, [search, with]) => {
            let search = text(function, search)?;
            let with = text(function, with)?;
            string(if search.is_empty() { subject.to_string() } else { subject.replace(search, with) })
        }
        (Function::Left, [count]) => string(subject.chars().take(length(function, count)?).collect()),
        (Function::Right, [count]) => {
            let all = subject.chars().count();
            string(subject.chars().skip(all.saturating_sub(length(function, count)?)).collect())
        }
        (Function::Substring, [start]) => string(subject.chars().skip(length(function, start)?).collect()),
        (Function::Substring, [start, count]) => {
            let (start, count) = (length(function, start)?, length(function, count)?);
            string(subject.chars().skip(start).take(count).collect())
        }
        (Function::Split, [delimiter]) => split(subject, text(function, delimiter)?),
        _ => Err(Error::internal(format!("arguments of {}", function.name()))),
    }
}

fn split(subject: &str, delimiter: &str) -> Result<Dynamic> {
    let parts: Vec<Dynamic> = match delimiter {
        "" => subject.chars().map(|character| Dynamic::String(character.to_string())).collect(),
        delimiter => subject.split(delimiter).map(Dynamic::from).collect(),
    };
    Ok(Dynamic::List(parts))
}

fn text(function: Function, value: &Dynamic) -> Result<&str> {
    match value {
        Dynamic::String(text) => Ok(text),
        other => Err(mismatch(function.name(), "a string", other)),
    }
}

/// A number of characters.
fn length(function: Function, value: &Dynamic) -> Result<usize> {
    match value {
        Dynamic::Integer(count) => usize::try_from(*count).map_err(|_| {
            Error::new(ErrorKind::InvalidParameter, format!("{} needs a number that is not negative", function.name()))
        }),
        other => Err(mismatch(function.name(), "a whole number", other)),
    }
}

/// `STARTS WITH` and its like: NULL where one of them is no string.
pub(super) fn matches(operator: StringMatch, left: &Dynamic, right: &Dynamic) -> Dynamic {
    let (Dynamic::String(left), Dynamic::String(right)) = (left, right) else { return Dynamic::Null };
    Dynamic::Boolean(match operator {
        StringMatch::Prefix => left.starts_with(right.as_str()),
        StringMatch::Suffix => left.ends_with(right.as_str()),
        StringMatch::Infix => left.contains(right.as_str()),
    })
}

/// `=~`: whether the whole string matches.
pub(super) fn matches_pattern(left: &Dynamic, right: &Dynamic, last: &mut Option<(String, Regex)>) -> Result<Dynamic> {
    let (Dynamic::String(subject), Dynamic::String(pattern)) = (left, right) else { return Ok(Dynamic::Null) };
    if last.as_ref().is_none_or(|(known, _)| known != pattern) {
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            Error::new(ErrorKind::InvalidText, format!("invalid regular expression: \"{pattern}\""))
                .with_detail(error.to_string())
        })?;
        *last = Some((pattern.clone(), regex));
    }
    Ok(last.as_ref().map_or(Dynamic::Null, |(_, regex)| Dynamic::Boolean(regex.is_match(subject))))
}
