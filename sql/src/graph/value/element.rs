//! Functions of nodes, relationships and paths.

use slipstream_engine::{Error, Result};
use slipstream_graph_language::function::Function;

use super::{Dynamic, Map, list, mismatch};

/// The members of a map, or the properties of an element.
pub(super) fn members(value: &Dynamic) -> Option<&Map> {
    match value {
        Dynamic::Map(members) => Some(members),
        Dynamic::Node(node) => Some(&node.properties),
        Dynamic::Relationship(relationship) => Some(&relationship.properties),
        _ => None,
    }
}

/// A function of elements and paths; its argument is not NULL.
pub(super) fn call(function: Function, arguments: &[Dynamic]) -> Result<Dynamic> {
    let [value, rest @ ..] = arguments else {
        return Err(Error::internal(format!("arguments of {}", function.name())));
    };
    match (function, value) {
        (Function::Id, Dynamic::Node(node)) => Ok(node.id.clone()),
        (Function::Id, Dynamic::Relationship(relationship)) => Ok(relationship.id.clone()),
        (Function::Id, other) => Err(mismatch("id", "a node or a relationship", other)),
        (Function::Labels, Dynamic::Node(node)) => {
            Ok(Dynamic::List(node.labels.iter().map(|label| Dynamic::String(label.clone())).collect()))
        }
        (Function::Labels, other) => Err(mismatch("labels", "a node", other)),
        (Function::HasLabel, Dynamic::Node(node)) => {
            let wanted = |label: &Dynamic| matches!(label, Dynamic::String(label) if node.labels.contains(label));
            Ok(Dynamic::Boolean(rest.iter().all(wanted)))
        }
        (Function::HasLabel, Dynamic::Relationship(relationship)) => {
            let wanted = |label: &Dynamic| matches!(label, Dynamic::String(label) if *label == relationship.label);
            Ok(Dynamic::Boolean(rest.iter().all(wanted)))
        }
        (Function::HasLabel, other) => Err(mismatch("a label", "a node or a relationship", other)),
        (Function::Type, Dynamic::Relationship(relationship)) => Ok(Dynamic::String(relationship.label.clone())),
        (Function::Type, other) => Err(mismatch("type", "a relationship", other)),
        (Function::Properties, value) => match members(value) {
            Some(members) => Ok(Dynamic::Map(members.clone())),
            None => Err(mismatch("properties", "a node, a relationship or a map", value)),
        },
        (Function::Keys, value) => list::keys(value),
        (Function::Nodes, Dynamic::Path(parts)) => Ok(Dynamic::List(every_other(parts, 0))),
        (Function::Relationships, Dynamic::Path(parts)) => Ok(Dynamic::List(every_other(parts, 1))),
        (Function::Length, Dynamic::Path(parts)) => Ok(Dynamic::Integer(parts.len() as i64 / 2)),
        (Function::Nodes | Function::Relationships | Function::Length, other) => {
            Err(mismatch(function.name(), "a path", other))
        }
        (Function::KeyIn, value) => Ok(key_in(value, rest.first().unwrap_or(&Dynamic::Null))),
        (Function::EndKey, value) => Ok(end_key(value, rest)),
        _ => Err(Error::internal(format!("{} as a function of elements", function.name()))),
    }
}

fn every_other(parts: &[Dynamic], first: usize) -> Vec<Dynamic> {
    parts.iter().skip(first).step_by(2).cloned().collect()
}

/// The key of an element that is a row of `table`; NULL for every other value.
fn key_in(value: &Dynamic, table: &Dynamic) -> Dynamic {
    let (held, id) = match value {
        Dynamic::Node(node) => (&node.table, &node.id),
        Dynamic::Relationship(relationship) => (&relationship.table, &relationship.id),
        _ => return Dynamic::Null,
    };
    if matches!(table, Dynamic::String(table) if table == held) { id.clone() } else { Dynamic::Null }
}

/// The key of the node at an end (0 or 1) of a relationship, where that is a row of a table.
fn end_key(value: &Dynamic, rest: &[Dynamic]) -> Dynamic {
    match (value, rest) {
        (Dynamic::Relationship(relationship), [Dynamic::Integer(end), Dynamic::String(table)]) => {
            match relationship.ends.get(*end as usize) {
                Some((held, key)) if held == table => key.clone(),
                _ => Dynamic::Null,
            }
        }
        _ => Dynamic::Null,
    }
}
