//! Nodes that are known by their keys before their pattern is looked for.
//!
//! The index finds a node by its key alone only where the key is one for the whole query, or where the node stands in a MATCH by
//! itself. In a pattern with a key from each row (`UNWIND $ids AS id MATCH (a {id: id})-->(b)`) it finds all matches there are and
//! compares them with the rows; with a list of keys (`a.id IN $ids`) it goes through the list for every node. So such a node is
//! looked up by a MATCH of its own.
//!
//! To go on from it by MATCH, the index would again find all there is and join it with the rows, unless it guesses their
//! number well. By OPTIONAL MATCH it always goes on from the rows. So what is left of the pattern is asked in that way, and
//! rows without a match are left out afterwards, with those for which a condition does not hold.

use std::collections::BTreeSet;

use super::pattern::{is_anchor, quoted_table};
use super::value::{Truth, exact, value_text};
use crate::bound::{BoundMatch, BoundNode, Value, ValueKind};
use crate::syntax::Comparison;

/// A pattern that begins with nodes which are looked up.
pub(super) struct Lookup {
    /// The clauses that look one up.
    pub(super) text: Vec<String>,
    /// What is left of the pattern.
    pub(super) rest: BoundMatch,
    /// Whether it is found by what earlier rows hold.
    pub(super) by_rows: bool,
}

/// How the key of a node is known.
enum Known {
    /// In each row.
    Row,
    /// As one of a list.
    List(String),
}

/// Takes a pattern apart, where it begins with a node that is known so, and with nothing better.
pub(super) fn apart(pattern: &BoundMatch) -> Option<Lookup> {
    let new = pattern.introduced();
    let nodes: Vec<&BoundNode> = pattern.paths.iter().flat_map(|path| path.nodes()).collect();
    let connected = nodes.iter().any(|node| !new.contains(node.variable.as_str()));
    if connected || !may_be_led(pattern) {
        return None;
    }
    let candidates = || {
        pattern.conditions.iter().enumerate().filter_map(|(at, condition)| {
            let (variable, known) = known_by(condition, &new)?;
            let node = nodes.iter().find(|node| node.variable == variable && node.tables.len() == 1)?;
            Some((at, *node, known))
        })
    };
    let by_row = candidates().find(|(_, _, known)| matches!(known, Known::Row));
    let (at, node, known) = by_row.or_else(|| candidates().next())?;
    let found = looked_up(pattern, at, node, &known, &new);
    found.rest.is_connected().then_some(found)
}

/// Whether a pattern may be asked for by OPTIONAL MATCH, and has nothing better to begin with.
pub(super) fn may_be_led(pattern: &BoundMatch) -> bool {
    let searches = pattern.each_relationship().any(|relationship| relationship.search.is_some());
    !pattern.optional && !searches && !pattern.conditions.iter().any(is_anchor)
}

/// The node that a condition is about, and what the condition says of it.
fn known_by<'a>(condition: &'a Value, new: &BTreeSet<&str>) -> Option<(&'a str, Known)> {
    let earlier = |value: &Value| value.variables().is_disjoint(new);
    let of_a_row = |value: &Value| earlier(value) && !value.variables().is_empty();
    match &condition.kind {
        ValueKind::Compare(Comparison::Equal, left, right) => {
            let (property, value) = if of_a_row(right) { (left, right) } else { (right, left) };
            let ValueKind::Property { variable, key_of, .. } = &property.kind else { return None };
            let new = key_of.is_some() && new.contains(variable.as_str());
            (of_a_row(value) && new).then_some((variable, Known::Row))
        }
        ValueKind::InList(property, list) if earlier(list) => {
            let variable = key_of(property)?;
            new.contains(variable).then(|| (variable, Known::List(exact(list))))
        }
        ValueKind::InItems(property, items) if items.len() > 1 && items.iter().all(earlier) => {
            let variable = key_of(property)?;
            let items: Vec<String> = items.iter().map(exact).collect();
            new.contains(variable).then(|| (variable, Known::List(format!("[{}]", items.join(", ")))))
        }
        _ => None,
    }
}

/// The variable whose key a value is.
fn key_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Property { variable, key_of: Some(_), .. } => Some(variable),
        _ => None,
    }
}

fn looked_up(pattern: &BoundMatch, at: usize, node: &BoundNode, known: &Known, new: &BTreeSet<&str>) -> Lookup {
    let mut rest = pattern.clone();
    let variable = &node.variable;
    let condition = &pattern.conditions[at];
    let mut text = Vec::new();
    let first = match (known, &condition.kind) {
        (Known::List(list), ValueKind::InList(key, _) | ValueKind::InItems(key, _)) => {
            let item = format!("{variable}_key");
            text.push(format!("UNWIND list_distinct({list}) AS {item}"));
            format!("({} = {item})", exact(key))
        }
        _ => value_text(condition, Truth::Filter),
    };
    let mut conditions = vec![first];
    // What is about the node alone is asked at once.
    let about_it = |value: &Value| value.variables().iter().all(|used| *used == variable || !new.contains(used));
    let mut position = 0;
    rest.conditions.retain(|condition| {
        let (here, alone) = (position == at, about_it(condition));
        position += 1;
        if alone && !here {
            conditions.push(value_text(condition, Truth::Filter));
        }
        !(alone || here)
    });
    text.push(format!("MATCH ({variable}:{}) WHERE {}", quoted_table(node), conditions.join(" AND ")));
    for node in rest.paths.iter_mut().flat_map(|path| path.nodes_mut()) {
        node.introduced &= node.variable != *variable;
    }
    rest.paths.retain(|path| !(path.steps.is_empty() && path.start.variable == *variable));
    let by_rows = condition.variables().iter().any(|used| !new.contains(used));
    Lookup { text, rest, by_rows }
}
