//! Patterns as MATCH clauses of the index.
//!
//! The index runs MATCH clauses in a row as one plan, and filters rows as soon as it can. Where it then goes on from two
//! places of the pattern, it brings back rows that were filtered out already: with three relationships or more, a
//! condition must stand behind all of them. So it follows a run of clauses as `WITH * WHERE`; only one equality with a key
//! stays, which is where the plan begins.

use super::acyclic;
use super::value::{Truth, quoted, value_text};
use crate::bound::{BoundMatch, BoundNode, BoundPath, BoundRelationship, Distinct, Value, ValueKind};
use crate::syntax::{Comparison, Direction, SearchKind};

/// How many relationships a plan may have with conditions among them.
pub(crate) const MAX_FILTERED: usize = 2;

/// `(node)-[relationship]->(node)`, with the given words for its parts.
pub(crate) fn path_text(
    path: &BoundPath,
    node: impl Fn(&BoundNode) -> String,
    relationship: impl Fn(&BoundRelationship) -> String,
) -> String {
    let mut text = format!("({})", node(&path.start));
    for (step, end) in &path.steps {
        let (left, right) = match step.direction {
            Direction::Right => ("-", "->"),
            Direction::Left => ("<-", "-"),
            Direction::Either => ("-", "-"),
        };
        text.push_str(&format!("{left}[{}]{right}({})", relationship(step), node(end)));
    }
    text
}

/// A run of MATCH clauses, if there are any. An optional one is alone.
pub(super) fn run_text(run: &[BoundMatch]) -> Vec<String> {
    let relationships: usize = run.iter().map(BoundMatch::relationships).sum();
    let optional = run.iter().any(|pattern| pattern.optional);
    let mut hoist = Hoist { all: relationships > MAX_FILTERED && !optional, anchored: false, conditions: Vec::new() };
    let mut clauses: Vec<String> = run.iter().map(|pattern| match_text(pattern, &mut hoist)).collect();
    if !hoist.conditions.is_empty() {
        clauses.push(format!("WITH * WHERE {}", hoist.conditions.join(" AND ")));
    }
    clauses
}

/// A pattern that goes on from nodes of the rows, as an optional one whose missing matches are left out.
pub(super) fn led_text(pattern: &BoundMatch) -> String {
    let (paths, same) = acyclic::cut(pattern);
    let relationship =
        paths.iter().flat_map(|path| &path.steps).map(|(step, _)| step).find(|step| step.length.is_none());
    let new = paths.iter().flat_map(BoundPath::nodes).find(|node| node.introduced).map(|node| &node.variable);
    let found = relationship.map(|step| &step.variable).or(new);
    let mut conditions: Vec<String> = found.map(|found| format!("(id({found}) IS NOT NULL)")).into_iter().collect();
    conditions.extend(pattern.conditions.iter().map(|condition| value_text(condition, Truth::Filter)));
    conditions.extend(same.iter().map(|(node, twin)| format!("(id({node}) = id({twin}))")));
    conditions.extend(pattern.distinct.iter().map(distinct_text));
    let paths: Vec<String> = paths.iter().map(|path| path_text(path, node_text, relationship_text)).collect();
    format!("OPTIONAL MATCH {} WITH * WHERE {}", paths.join(", "), conditions.join(" AND "))
}

/// The conditions that leave their clauses.
struct Hoist {
    /// Whether they do.
    all: bool,
    /// Whether one equality with a key has stayed.
    anchored: bool,
    conditions: Vec<String>,
}

fn match_text(pattern: &BoundMatch, hoist: &mut Hoist) -> String {
    let (paths, same) = acyclic::cut(pattern);
    let paths: Vec<String> = paths.iter().map(|path| path_text(path, node_text, relationship_text)).collect();
    let mut conditions = Vec::new();
    for condition in &pattern.conditions {
        let anchor = !hoist.anchored && is_anchor(condition);
        hoist.anchored |= anchor;
        let place = if hoist.all && !anchor { &mut hoist.conditions } else { &mut conditions };
        place.push(value_text(condition, Truth::Filter));
    }
    let place = if hoist.all { &mut hoist.conditions } else { &mut conditions };
    place.extend(same.iter().map(|(node, twin)| format!("(id({node}) = id({twin}))")));
    place.extend(pattern.distinct.iter().map(distinct_text));
    let keyword = if pattern.optional { "OPTIONAL MATCH" } else { "MATCH" };
    let text = format!("{keyword} {}", paths.join(", "));
    if conditions.is_empty() { text } else { format!("{text} WHERE {}", conditions.join(" AND ")) }
}

/// Whether a condition names one node by its key.
pub(super) fn is_anchor(condition: &Value) -> bool {
    let key = |value: &Value| matches!(value.kind, ValueKind::Property { key_of: Some(_), .. });
    let given = |value: &Value| {
        matches!(
            value.kind,
            ValueKind::Integer(_) | ValueKind::String(_) | ValueKind::Constant(_) | ValueKind::Parameter(_)
        )
    };
    match &condition.kind {
        ValueKind::Compare(Comparison::Equal, left, right) => key(left) && given(right) || given(left) && key(right),
        _ => false,
    }
}

fn distinct_text(distinct: &Distinct) -> String {
    match distinct {
        Distinct::Relationships(first, second) => format!("(id({first}) <> id({second}))"),
        Distinct::Walk { walk, relationship, key: column } => {
            let key = column.replace('\'', "\\'");
            format!("(NOT list_contains(properties(rels({walk}), '{key}'), {relationship}.{}))", quoted(column))
        }
        Distinct::Walks(..) => unreachable!("the binder says that the index lacks it"),
    }
}

fn node_text(node: &BoundNode) -> String {
    if !node.introduced {
        return node.variable.clone();
    }
    format!("{}:{}", node.variable, tables_text(&node.tables, ":"))
}

fn relationship_text(relationship: &BoundRelationship) -> String {
    let mode = match (relationship.search, relationship.repeats) {
        (Some(SearchKind::Shortest), _) => " SHORTEST",
        (Some(SearchKind::AllShortest), _) => " ALL SHORTEST",
        (None, true) => "",
        (None, false) => " TRAIL",
    };
    let length =
        relationship.length.map(|(lower, upper)| format!("*{mode} {lower}..{upper}{}", each_text(relationship)));
    format!("{}:{}{}", relationship.variable, tables_text(&relationship.tables, "|"), length.unwrap_or_default())
}

/// What each relationship of a path of them must satisfy.
fn each_text(path: &BoundRelationship) -> String {
    if path.conditions.is_empty() {
        return String::new();
    }
    let (one, node) = (format!("{}_r", path.variable), format!("{}_n", path.variable));
    let renamed = |value: &Value| match &value.kind {
        ValueKind::Property { variable, column, key_of } if *variable == path.variable => {
            let kind = ValueKind::Property { variable: one.clone(), column: column.clone(), key_of: *key_of };
            Some(Value { kind, sql_type: value.sql_type.clone() })
        }
        _ => None,
    };
    let conditions: Vec<String> = path
        .conditions
        .iter()
        .map(|condition| value_text(&condition.clone().replace(&renamed), Truth::Filter))
        .collect();
    format!(" ({one}, {node} | WHERE {})", conditions.join(" AND "))
}

/// The table of a node that is from one.
pub(super) fn quoted_table(node: &BoundNode) -> String {
    tables_text(&node.tables, ":")
}

/// The tables of an element, which is from any of them.
fn tables_text(tables: &[String], or: &str) -> String {
    tables.iter().map(|table| quoted(table)).collect::<Vec<_>>().join(or)
}
