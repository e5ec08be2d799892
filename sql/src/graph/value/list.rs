//! Lists, and what maps and elements have in common with them: access by `[...]`.

use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;

use super::{Dynamic, element, mismatch, order, temporal};

/// Most elements that `range` makes.
const MAX_RANGE: i128 = 10_000_000;

/// `a + b` where one is a list.
pub(super) fn concatenate(left: Dynamic, right: Dynamic) -> Dynamic {
    let (mut items, rest) = match (left, right) {
        (Dynamic::List(left), Dynamic::List(right)) => (left, right),
        (Dynamic::List(left), right) => (left, vec![right]),
        (left, Dynamic::List(right)) => (vec![left], right),
        (left, right) => (vec![left], vec![right]),
    };
    items.extend(rest);
    Dynamic::List(items)
}

/// `a[b]` and `a.b`: an element of a list, a member of a map, a property, a part of a date.
pub(super) fn access(value: &Dynamic, index: &Dynamic) -> Result<Dynamic> {
    match (value, index) {
        (Dynamic::Null, _) | (_, Dynamic::Null) => Ok(Dynamic::Null),
        (Dynamic::List(items), Dynamic::Integer(at)) => {
            Ok(place(*at, items.len()).and_then(|at| items.get(at)).cloned().unwrap_or(Dynamic::Null))
        }
        (Dynamic::List(_), other) => Err(mismatch("the index of a list", "a whole number", other)),
        (Dynamic::Map(members), Dynamic::String(name)) => Ok(members.get(name).cloned().unwrap_or(Dynamic::Null)),
        (Dynamic::Node(node), Dynamic::String(name)) => Ok(node.properties.get(name).cloned().unwrap_or(Dynamic::Null)),
        (Dynamic::Relationship(relationship), Dynamic::String(name)) => {
            Ok(relationship.properties.get(name).cloned().unwrap_or(Dynamic::Null))
        }
        (Dynamic::Map(_) | Dynamic::Node(_) | Dynamic::Relationship(_), other) => {
            Err(mismatch("the name of a property", "a string", other))
        }
        (value, Dynamic::String(name)) => match temporal::component(value, name) {
            Some(part) => part,
            None => Err(Error::new(
                ErrorKind::DatatypeMismatch,
                format!("only maps, nodes and relationships have properties, not {}", value.kind()),
            )),
        },
        (value, _) => Err(mismatch("[...]", "a list or a map", value)),
    }
}

/// The place of an element; negative ones count from the end.
fn place(at: i64, length: usize) -> Option<usize> {
    let at = if at < 0 { at.checked_add(length as i64)? } else { at };
    usize::try_from(at).ok()
}

/// `a[from..to]`.
pub(super) fn slice(value: &Dynamic, from: Option<&Dynamic>, to: Option<&Dynamic>) -> Result<Dynamic> {
    let items = match value {
        Dynamic::Null => return Ok(Dynamic::Null),
        Dynamic::List(items) => items,
        other => return Err(mismatch("[..]", "a list", other)),
    };
    let bound = |bound: Option<&Dynamic>, missing: usize| match bound {
        None => Ok(Some(missing)),
        Some(Dynamic::Null) => Ok(None),
        Some(Dynamic::Integer(at)) => Ok(Some(place(*at, items.len()).unwrap_or(0).min(items.len()))),
        Some(other) => Err(mismatch("the bound of a list", "a whole number", other)),
    };
    let (Some(from), Some(to)) = (bound(from, 0)?, bound(to, items.len())?) else { return Ok(Dynamic::Null) };
    Ok(Dynamic::List(if from < to { items[from..to].to_vec() } else { Vec::new() }))
}

/// `x IN list`.
pub(super) fn contains(needle: &Dynamic, list: &Dynamic) -> Result<Dynamic> {
    let items = match list {
        Dynamic::Null => return Ok(Dynamic::Null),
        Dynamic::List(items) => items,
        other => return Err(mismatch("IN", "a list", other)),
    };
    let mut known = true;
    for item in items {
        match order::equal(needle, item) {
            Some(true) => return Ok(Dynamic::Boolean(true)),
            Some(false) => {}
            None => known = false,
        }
    }
    Ok(known.then_some(false).into())
}

/// A function of lists; its arguments are not NULL.
pub(super) fn call(function: Function, mut arguments: Vec<Dynamic>) -> Result<Dynamic> {
    if function == Function::Range {
        return range(&arguments);
    }
    let subject = if arguments.is_empty() { Dynamic::Null } else { arguments.swap_remove(0) };
    match (function, subject) {
        (Function::Size, Dynamic::String(text)) => Ok(Dynamic::Integer(text.chars().count() as i64)),
        (Function::Size, Dynamic::List(items)) => Ok(Dynamic::Integer(items.len() as i64)),
        (Function::Size, Dynamic::Map(members)) => Ok(Dynamic::Integer(members.len() as i64)),
        (Function::IsEmpty, Dynamic::String(text)) => Ok(Dynamic::Boolean(text.is_empty())),
        (Function::IsEmpty, Dynamic::List(items)) => Ok(Dynamic::Boolean(items.is_empty())),
        (Function::IsEmpty, Dynamic::Map(members)) => Ok(Dynamic::Boolean(members.is_empty())),
        (Function::Reverse, Dynamic::String(text)) => Ok(Dynamic::String(text.chars().rev().collect())),
        (Function::Reverse, Dynamic::List(mut items)) => {
            items.reverse();
            Ok(Dynamic::List(items))
        }
        (Function::Head, Dynamic::List(items)) => Ok(items.into_iter().next().unwrap_or(Dynamic::Null)),
        (Function::Last, Dynamic::List(items)) => Ok(items.into_iter().next_back().unwrap_or(Dynamic::Null)),
        (Function::Tail, Dynamic::List(items)) => Ok(Dynamic::List(items.into_iter().skip(1).collect())),
        (Function::Size | Function::Head | Function::Last | Function::Tail, path @ Dynamic::Path(_)) => {
            Err(mismatch(function.name(), "a list", &path).with_hint("Use nodes() or relationships() of the path."))
        }
        (Function::Size | Function::IsEmpty | Function::Reverse, other) => {
            Err(mismatch(function.name(), "a list or a string", &other))
        }
        (_, other) => Err(mismatch(function.name(), "a list", &other)),
    }
}

/// `range(from, to, step)`, both ends of which are in it.
fn range(arguments: &[Dynamic]) -> Result<Dynamic> {
    let mut bounds = [0_i64, 0, 1];
    for (bound, argument) in bounds.iter_mut().zip(arguments) {
        match argument {
            Dynamic::Integer(number) => *bound = *number,
            other => return Err(mismatch("range", "whole numbers", other)),
        }
    }
    let [from, to, step] = bounds.map(i128::from);
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidParameter, "the step of range must not be zero"));
    }
    let count = ((to - from) / step + 1).max(0);
    if (to - from) * step.signum() < 0 {
        return Ok(Dynamic::List(Vec::new()));
    }
    if count > MAX_RANGE {
        return Err(Error::new(ErrorKind::InvalidParameter, "range is too long")
            .with_detail(format!("It may have {MAX_RANGE} elements.")));
    }
    Ok(Dynamic::List((0..count).map(|at| Dynamic::Integer((from + at * step) as i64)).collect()))
}

/// The elements of a list or of what is like one, for comprehensions.
pub(super) fn items(value: Dynamic, user: &str) -> Result<Option<Vec<Dynamic>>> {
    match value {
        Dynamic::Null => Ok(None),
        Dynamic::List(items) => Ok(Some(items)),
        Dynamic::Path(items) => Ok(Some(items)),
        other => Err(mismatch(user, "a list", &other)),
    }
}

/// `keys(x)`.
pub(super) fn keys(value: &Dynamic) -> Result<Dynamic> {
    let members = element::members(value).ok_or_else(|| mismatch("keys", "a map, a node or a relationship", value))?;
    Ok(Dynamic::List(members.keys().map(|name| Dynamic::String(name.clone())).collect()))
}
