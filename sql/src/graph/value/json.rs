//! Dynamic values as JSON text, in two forms.
//!
//! Inside a query what JSON has no words for carries a marker: a member with the name U+0000, which no user's `jsonb` can
//! hold, says what an object is. Where values leave the query they are written for a client, without it: a node is
//! `{"id": ..., "labels": [...], "properties": {...}}`, a path an array of nodes and relationships in turns. Both are in the
//! normal form of `jsonb`: one blank after `:` and `,`, keys by length and then by bytes.

use std::fmt;

use serde_json::Deserializer;
use serde_json::de::StrRead;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::{Dynamic, Map, Node, Relationship};
use crate::text::{append_json_string, parse_scalar};

/// The member that says what an object is.
const MARKER: &str = "\0";
/// The member that says which table an element is a row of.
const TABLE: &str = "\0table";
/// The members that say which tables the ends of a relationship are rows of.
const ENDS: [&str; 2] = ["\0from", "\0to"];

/// How the marker is written.
const ESCAPED_MARKER: &str = "\\u0000";

/// For whom a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For the rest of the query.
    Internal,
    /// For a client.
    Client,
}

/// Reads a value.
pub(crate) fn decode(text: &str) -> Result<Dynamic> {
    let mut reader = Deserializer::new(StrRead::new(text));
    let value = serde::de::DeserializeSeed::deserialize(Seed, &mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type json: {error}")))?;
    Ok(value)
}

/// Whether text is the same in both forms.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.contains(ESCAPED_MARKER)
}

/// The JSON text of a value.
pub(crate) fn encode(value: &Dynamic, form: Form) -> String {
    let mut out = String::new();
    append(&mut out, value, form);
    out
}

fn append(out: &mut String, value: &Dynamic, form: Form) {
    match value {
        Dynamic::Null => out.push_str("null"),
        Dynamic::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Dynamic::Integer(number) => push(out, format_args!("{number}")),
        Dynamic::Float(number) if number.is_finite() => {
            let start = out.len();
            push(out, format_args!("{number}"));
            if !out[start..].contains('.') {
                out.push_str(".0");
            }
        }
        Dynamic::Float(number) => marked(out, "float", &special(*number), form),
        Dynamic::Numeric(digits) => out.push_str(digits),
        Dynamic::String(text) => append_json_string(out, text),
        Dynamic::Date(_) => marked(out, "date", &value.text(), form),
        Dynamic::Time(_) => marked(out, "time", &value.text(), form),
        Dynamic::Timestamp(_) => marked(out, "timestamp", &value.text(), form),
        Dynamic::TimestampTz(_) => marked(out, "timestamptz", &value.text(), form),
        Dynamic::Interval(_) => marked(out, "interval", &value.text(), form),
        Dynamic::List(items) => list(out, items, form),
        Dynamic::Path(items) if form == Form::Client => list(out, items, form),
        Dynamic::Path(items) => {
            push(out, format_args!("{{\"{ESCAPED_MARKER}\": \"path\", \"items\": "));
            list(out, items, form);
            out.push('}');
        }
        Dynamic::Map(members) => map(out, members, form),
        Dynamic::Node(node) => append_node(out, node, form),
        Dynamic::Relationship(relationship) => append_relationship(out, relationship, form),
    }
}

fn append_node(out: &mut String, node: &Node, form: Form) {
    out.push('{');
    if form == Form::Internal {
        push(out, format_args!("\"{ESCAPED_MARKER}\": \"node\", "));
        member(out, TABLE, &node.table);
    }
    out.push_str("\"id\": ");
    append(out, &node.id, form);
    out.push_str(", \"labels\": [");
    for (at, label) in node.labels.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        append_json_string(out, label);
    }
    out.push_str("], \"properties\": ");
    map(out, &node.properties, form);
    out.push('}');
}

fn append_relationship(out: &mut String, relationship: &Relationship, form: Form) {
    let [(source, start), (destination, end)] = &relationship.ends;
    out.push('{');
    if form == Form::Internal {
        push(out, format_args!("\"{ESCAPED_MARKER}\": \"relationship\", "));
        member(out, TABLE, &relationship.table);
        member(out, ENDS[0], source);
        member(out, ENDS[1], destination);
    }
    out.push_str("\"id\": ");
    append(out, &relationship.id, form);
    out.push_str(", \"end\": ");
    append(out, end, form);
    out.push_str(", \"type\": ");
    append_json_string(out, &relationship.label);
    out.push_str(", \"start\": ");
    append(out, start, form);
    out.push_str(", \"properties\": ");
    map(out, &relationship.properties, form);
    out.push('}');
}

fn push(out: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = fmt::Write::write_fmt(out, arguments);
}

/// A member with a string, and the comma after it.
fn member(out: &mut String, name: &str, value: &str) {
    append_json_string(out, name);
    out.push_str(": ");
    append_json_string(out, value);
    out.push_str(", ");
}

fn list(out: &mut String, items: &[Dynamic], form: Form) {
    out.push('[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        append(out, item, form);
    }
    out.push(']');
}

fn map(out: &mut String, members: &Map, form: Form) {
    let mut members: Vec<(&String, &Dynamic)> = members.iter().collect();
    members.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
    out.push('{');
    for (at, (name, value)) in members.into_iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        append_json_string(out, name);
        out.push_str(": ");
        append(out, value, form);
    }
    out.push('}');
}

/// A value that JSON has no words for, as its text.
fn marked(out: &mut String, kind: &str, text: &str, form: Form) {
    if form == Form::Internal {
        push(out, format_args!("{{\"{ESCAPED_MARKER}\": \"{kind}\", \"value\": "));
    }
    append_json_string(out, text);
    if form == Form::Internal {
        out.push('}');
    }
}

/// A floating point number that is none, as Postgres writes it.
fn special(number: f64) -> String {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "Infinity",
        _ => "-Infinity",
    }
    .to_string()
}

/// Reads one value.
struct Seed;

impl<'de> serde::de::DeserializeSeed<'de> for Seed {
    type Value = Dynamic;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> std::result::Result<Dynamic, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Seed {
    type Value = Dynamic;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Dynamic, E> {
        Ok(Dynamic::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> std::result::Result<Dynamic, E> {
        Ok(Dynamic::Boolean(truth))
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Dynamic, E> {
        Ok(Dynamic::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Dynamic, E> {
        Ok(i64::try_from(number).map_or_else(|_| Dynamic::Numeric(number.to_string()), Dynamic::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Dynamic, E> {
        Ok(Dynamic::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Dynamic, E> {
        Ok(Dynamic::String(text.to_string()))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Dynamic, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or_default());
        while let Some(item) = items.next_element_seed(Seed)? {
            list.push(item);
        }
        Ok(Dynamic::List(list))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> std::result::Result<Dynamic, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            map.insert(name, members.next_value_seed(Seed)?);
        }
        if !map.contains_key(MARKER) {
            return Ok(Dynamic::Map(map));
        }
        unmarked(map).ok_or_else(|| serde::de::Error::custom("a marked object that is none of ours"))
    }
}

/// The value that an object with the marker stands for.
fn unmarked(mut map: Map) -> Option<Dynamic> {
    let kind = string(map.remove(MARKER))?;
    let scalar = |map: &mut Map, sql_type: SqlType| {
        let text = string(map.remove("value"))?;
        Dynamic::of_scalar(&parse_scalar(&sql_type, &text).ok()?)
    };
    Some(match kind.as_str() {
        "float" => scalar(&mut map, SqlType::Double)?,
        "date" => scalar(&mut map, SqlType::Date)?,
        "time" => scalar(&mut map, SqlType::Time)?,
        "timestamp" => scalar(&mut map, SqlType::Timestamp)?,
        "timestamptz" => scalar(&mut map, SqlType::TimestampTz)?,
        "interval" => scalar(&mut map, SqlType::Interval)?,
        "path" => Dynamic::Path(items(map.remove("items"))?),
        "node" => Dynamic::Node(Box::new(Node {
            table: string(map.remove(TABLE))?,
            id: map.remove("id")?,
            labels: items(map.remove("labels"))?.into_iter().map(|label| string(Some(label))).collect::<Option<_>>()?,
            properties: members(map.remove("properties"))?,
        })),
        "relationship" => Dynamic::Relationship(Box::new(Relationship {
            table: string(map.remove(TABLE))?,
            id: map.remove("id")?,
            label: string(map.remove("type"))?,
            ends: [
                (string(map.remove(ENDS[0]))?, map.remove("start")?),
                (string(map.remove(ENDS[1]))?, map.remove("end")?),
            ],
            properties: members(map.remove("properties"))?,
        })),
        _ => return None,
    })
}

fn string(value: Option<Dynamic>) -> Option<String> {
    if let Some(Dynamic::String(text)) = value { Some(text) } else { None }
}

fn items(value: Option<Dynamic>) -> Option<Vec<Dynamic>> {
    if let Some(Dynamic::List(items)) = value { Some(items) } else { None }
}

fn members(value: Option<Dynamic>) -> Option<Map> {
    if let Some(Dynamic::Map(members)) = value { Some(members) } else { None }
}
