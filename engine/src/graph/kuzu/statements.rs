//! The Cypher that makes an index and keeps it: DDL and upkeep statements.
//!
//! Every upkeep statement finds its nodes by their key through the primary key index; a test asks Kuzu's planner. Names of elements and
//! column names are a user's text and go in backticks; values are always parameters.

use crate::graph::cover::STANDING_TABLE;
use crate::graph::index::{IndexSchema, NodeSchema, Property, RelationshipSchema};
use crate::types::SqlType;

/// Begins a read transaction.
pub(super) const BEGIN_READ: &str = "BEGIN TRANSACTION READ ONLY";
/// Begins a write transaction.
pub(super) const BEGIN_WRITE: &str = "BEGIN TRANSACTION";
/// Ends a transaction and keeps what it did.
pub(super) const COMMIT: &str = "COMMIT";
/// Ends a transaction and forgets what it did.
pub(super) const ROLLBACK: &str = "ROLLBACK";
/// Writes everything that is committed into the database file.
pub(super) const CHECKPOINT: &str = "CHECKPOINT";
/// The table a bulk load is copied from.
pub(super) const STAGING_TABLE: &str = "SlipstreamStaging";

/// A name in backticks.
pub(super) fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The Kuzu type that keeps a covered SQL type. `timestamptz` is kept as the UTC timestamp that it is, a uuid as its text:
/// Kuzu's own UUID columns cannot be read back when they hold values far apart.
pub(super) fn column_type(sql_type: &SqlType) -> &'static str {
    match sql_type {
        SqlType::Boolean => "BOOL",
        SqlType::SmallInt => "INT16",
        SqlType::Integer => "INT32",
        SqlType::BigInt => "INT64",
        SqlType::Real => "FLOAT",
        SqlType::Double => "DOUBLE",
        SqlType::Date => "DATE",
        SqlType::Timestamp | SqlType::TimestampTz => "TIMESTAMP",
        SqlType::Text
        | SqlType::Varchar(_)
        | SqlType::Uuid
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
        | SqlType::Array(_) => "STRING",
    }
}

/// The statements that make the tables of an empty index. The standing's table comes last: where it is, all are.
pub(super) fn create_tables(schema: &IndexSchema) -> Vec<String> {
    let nodes = schema.nodes.iter().map(create_node_table);
    let relationships = schema.relationships.iter().map(create_relationship_table);
    let standing = format!(
        "CREATE NODE TABLE {STANDING_TABLE}(table_name STRING, lance_version INT64, seq INT64, PRIMARY KEY(table_name))"
    );
    nodes.chain(relationships).chain(std::iter::once(standing)).collect()
}

fn create_node_table(node: &NodeSchema) -> String {
    let columns = columns(std::iter::once(&node.key).chain(&node.properties));
    format!("CREATE NODE TABLE {}({columns}, PRIMARY KEY({}))", quote(&node.element), quote(&node.key.name))
}

fn create_relationship_table(edge: &RelationshipSchema) -> String {
    let columns = columns(std::iter::once(&edge.key).chain(&edge.properties));
    format!("CREATE REL TABLE {}(FROM {} TO {}, {columns})", quote(&edge.element), quote(&edge.from), quote(&edge.to))
}

fn columns<'a>(properties: impl Iterator<Item = &'a Property>) -> String {
    let columns: Vec<_> =
        properties.map(|property| format!("{} {}", quote(&property.name), column_type(&property.sql_type))).collect();
    columns.join(", ")
}

/// The name of the parameter for the `position`th column of a change's rows.
pub(super) fn parameter(position: usize) -> String {
    format!("p{position}")
}

/// Adds a node or overwrites its properties. `p0` is the key, the properties follow.
pub(super) fn put_node(node: &NodeSchema) -> String {
    let merge = format!("MERGE (n:{} {{{}: $p0}})", quote(&node.element), quote(&node.key.name));
    let settings: Vec<_> = node
        .properties
        .iter()
        .enumerate()
        .map(|(position, property)| format!("n.{} = ${}", quote(&property.name), parameter(position + 1)))
        .collect();
    if settings.is_empty() { merge } else { format!("{merge} SET {}", settings.join(", ")) }
}

/// Removes a node and its relationships. `p0` is the key.
pub(super) fn delete_node(node: &NodeSchema) -> String {
    format!("MATCH (n:{} {{{}: $p0}}) DETACH DELETE n", quote(&node.element), quote(&node.key.name))
}

/// Adds a relationship, and returns one row if both its end points are there. `p0` and `p1` are their keys, `p2` is its own,
/// the properties follow.
pub(super) fn create_relationship(schema: &IndexSchema, edge: &RelationshipSchema) -> String {
    let properties: Vec<_> = std::iter::once(&edge.key)
        .chain(&edge.properties)
        .enumerate()
        .map(|(position, property)| format!("{}: ${}", quote(&property.name), parameter(position + 2)))
        .collect();
    format!(
        "MATCH (a:{} {{{}: $p0}}), (b:{} {{{}: $p1}}) CREATE (a)-[:{} {{{}}}]->(b) RETURN 1",
        quote(&edge.from),
        quote(key_of(schema, &edge.from)),
        quote(&edge.to),
        quote(key_of(schema, &edge.to)),
        quote(&edge.element),
        properties.join(", ")
    )
}

/// Removes a relationship. `p0` and `p1` are the keys of its end points, `p2` is its own.
pub(super) fn delete_relationship(schema: &IndexSchema, edge: &RelationshipSchema) -> String {
    format!(
        "MATCH (a:{} {{{}: $p0}})-[r:{}]->(b:{} {{{}: $p1}}) WHERE r.{} = $p2 DELETE r",
        quote(&edge.from),
        quote(key_of(schema, &edge.from)),
        quote(&edge.element),
        quote(&edge.to),
        quote(key_of(schema, &edge.to)),
        quote(&edge.key.name)
    )
}

/// The name of the key property of an element's nodes.
fn key_of<'a>(schema: &'a IndexSchema, element: &str) -> &'a str {
    schema.nodes.iter().find(|node| node.element == element).map_or("", |node| &node.key.name)
}

/// Copies the staging table into an element's table; `columns` are the staging columns in the order of the element's own.
pub(super) fn copy_from_staging(element: &str, columns: &[String]) -> String {
    let columns: Vec<_> = columns.iter().map(|column| format!("s.{column}")).collect();
    format!("COPY {} FROM (MATCH (s:{STAGING_TABLE}) RETURN {})", quote(element), columns.join(", "))
}

/// Reads every row of the standing.
pub(super) fn read_standing() -> String {
    format!("MATCH (m:{STANDING_TABLE}) RETURN m.table_name, m.lance_version, m.seq")
}

/// Writes one row of the standing: `p0` the table, `p1` its version, `p2` the commit.
pub(super) fn write_standing() -> String {
    format!("MERGE (m:{STANDING_TABLE} {{table_name: $p0}}) SET m.lance_version = $p1, m.seq = $p2")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtick_in_a_name_is_doubled() {
        assert_eq!(quote("a`b"), "`a``b`");
    }
}
