//! What an index can cover: types that survive in it exactly, and names it can hold.
//!
//! A column that is not coverable is not lost to graph queries: it is fetched from its table. So every rule here errs on
//! the side of refusing: a covered value must come back bit for bit, NULL as NULL, and compare as it does in SQL.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::graph::index::{IndexSchema, Property};
use crate::types::SqlType;

/// The name of the table in which an index keeps its [`Standing`](crate::graph::index::Standing); no element may have it.
pub const STANDING_TABLE: &str = "SystemMetadata";

/// Bytes of the longest text that an index keeps; the engine's own limit.
pub const MAX_TEXT_BYTES: usize = 262_144;

/// Property names that the index engine keeps for itself, in upper case.
const RESERVED_PROPERTIES: [&str; 12] = [
    "_ID",
    "_LABEL",
    "_SRC",
    "_DST",
    "_DIRECTION",
    "_LENGTH",
    "_NODES",
    "_RELS",
    "_PLACE_HOLDER",
    "_ROW_OFFSET",
    "_SRC_OFFSET",
    "_DST_OFFSET",
];

/// The engine answers this property with a row number, whatever the table holds.
const ROW_ID: &str = "ROWID";

/// Whether a column of this type can be covered.
///
/// Not coverable: `time` and `interval` (no such types in the index), `numeric` (its comparisons widen), json, bytea,
/// vectors and arrays (large, and not what traversal needs).
pub fn coverable(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Boolean
        | SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Real
        | SqlType::Double
        | SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Uuid
        | SqlType::Date
        | SqlType::Timestamp
        | SqlType::TimestampTz => true,
        SqlType::Numeric { .. }
        | SqlType::Bytea
        | SqlType::Time
        | SqlType::Interval
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::TsVector
        | SqlType::TsQuery
        | SqlType::Vector(_)
        | SqlType::Halfvec(_)
        | SqlType::Sparsevec(_)
        | SqlType::Bit(_)
        | SqlType::Varbit(_)
        | SqlType::Array(_) => false,
    }
}

/// Whether a column of this type can be the key of a vertex or an edge in the index.
pub fn key_coverable(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::SmallInt
        | SqlType::Integer
        | SqlType::BigInt
        | SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Uuid
        | SqlType::Date
        | SqlType::Timestamp => true,
        SqlType::Boolean
        | SqlType::Real
        | SqlType::Double
        | SqlType::TimestampTz
        | SqlType::Numeric { .. }
        | SqlType::Bytea
        | SqlType::Time
        | SqlType::Interval
        | SqlType::Json
        | SqlType::Jsonb
        | SqlType::TsVector
        | SqlType::TsQuery
        | SqlType::Vector(_)
        | SqlType::Halfvec(_)
        | SqlType::Sparsevec(_)
        | SqlType::Bit(_)
        | SqlType::Varbit(_)
        | SqlType::Array(_) => false,
    }
}

/// Whether the index can hold a property of that name.
pub fn coverable_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name != ROW_ID && !RESERVED_PROPERTIES.contains(&name.as_str())
}

/// Checks that an index of this shape can be made: every type and name is coverable, and no two names differ in nothing
/// but case, which the index does not see.
pub fn check_schema(schema: &IndexSchema) -> Result<()> {
    let mut elements = HashSet::from([fold(STANDING_TABLE)]);
    let all = schema.nodes.iter().map(|node| (&node.element, &node.key, &node.properties));
    let all = all.chain(schema.relationships.iter().map(|edge| (&edge.element, &edge.key, &edge.properties)));
    for (element, key, properties) in all {
        if !elements.insert(fold(element)) {
            return Err(Error::not_supported(format!(
                "element \"{element}\" is reserved, or used twice, or differs from another element in nothing but case"
            )));
        }
        check_properties(element, key, properties)?;
    }
    for edge in &schema.relationships {
        if let Some(end) =
            [&edge.from, &edge.to].into_iter().find(|end| schema.nodes.iter().all(|n| &n.element != *end))
        {
            return Err(Error::internal(format!(
                "edges \"{}\" end at element \"{end}\", which is not in the index",
                edge.element
            )));
        }
    }
    Ok(())
}

fn check_properties(element: &str, key: &Property, properties: &[Property]) -> Result<()> {
    if !key_coverable(&key.sql_type) {
        return Err(Error::not_supported(format!(
            "a key of type {} cannot be in the graph index: \"{}\" of element \"{element}\"",
            key.sql_type, key.name
        )));
    }
    let mut names = HashSet::new();
    for property in std::iter::once(key).chain(properties) {
        if !names.insert(fold(&property.name)) || !coverable_name(&property.name) {
            return Err(Error::not_supported(format!(
                "property \"{}\" of element \"{element}\" cannot be in the graph index under that name",
                property.name
            )));
        }
        if !coverable(&property.sql_type) {
            return Err(Error::not_supported(format!(
                "a property of type {} cannot be in the graph index: \"{}\" of element \"{element}\"",
                property.sql_type, property.name
            )));
        }
    }
    Ok(())
}

fn fold(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::graph::index::NodeSchema;

    fn node(element: &str, properties: &[(&str, SqlType)]) -> NodeSchema {
        let properties = properties
            .iter()
            .map(|(name, sql_type)| Property { name: (*name).to_string(), sql_type: sql_type.clone() })
            .collect();
        let key = Property { name: "id".to_string(), sql_type: SqlType::BigInt };
        NodeSchema { element: element.to_string(), key, properties }
    }

    fn refused(nodes: Vec<NodeSchema>) -> bool {
        let checked = check_schema(&IndexSchema { nodes, relationships: Vec::new() });
        checked.is_err_and(|error| error.kind() == ErrorKind::NotSupported)
    }

    #[test]
    fn names_that_the_index_cannot_tell_apart_are_refused() {
        assert!(!refused(vec![node("Person", &[("name", SqlType::Text)]), node("City", &[])]));
        assert!(refused(vec![node("Person", &[]), node("person", &[])]));
        assert!(refused(vec![node("systemmetadata", &[])]));
        assert!(refused(vec![node("Person", &[("ID", SqlType::Text)])]));
        assert!(refused(vec![node("Person", &[("_label", SqlType::Text)])]));
        assert!(refused(vec![node("Person", &[("rowid", SqlType::Text)])]));
        assert!(refused(vec![node("Person", &[("at", SqlType::Time)])]));
    }
}
