//! The catalog: what tables and graphs exist, as one immutable record per DDL commit.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::types::SqlType;

/// The format version of catalog records that this code writes and the newest that it reads.
pub const CATALOG_FORMAT: u32 = 1;

/// The first object id given to a user's object, as in Postgres.
pub const FIRST_USER_OID: u32 = 16384;

/// The schema that unqualified names live in.
pub const DEFAULT_SCHEMA: &str = "public";

/// A table's identity; a table made again under the same name gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub Uuid);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// All tables and graphs at one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Format version of the record.
    pub format: u32,
    /// The next object id to give.
    pub next_oid: u32,
    /// Tables by identity.
    pub tables: BTreeMap<TableId, Arc<TableDefinition>>,
    /// Property graphs by name.
    pub graphs: BTreeMap<String, Arc<GraphDefinition>>,
}

/// A table: its columns, key and place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// Identity.
    pub id: TableId,
    /// Object id, as `pg_class.oid` shows it.
    pub oid: u32,
    /// Name within [`DEFAULT_SCHEMA`].
    pub name: String,
    /// Directory of the Lance dataset below `tables/`.
    pub directory: String,
    /// Columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// Primary key columns in key order; empty where the table has none.
    pub primary_key: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Name.
    pub name: String,
    /// SQL type.
    pub sql_type: SqlType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Text of the DEFAULT expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A property graph over tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GraphDefinition {
    /// Object id.
    pub oid: u32,
    /// Identity: a graph made again under the same name gets a new index.
    pub id: Uuid,
    /// Name.
    pub name: String,
    /// Vertex tables.
    pub vertices: Vec<VertexTable>,
    /// Edge tables.
    pub edges: Vec<EdgeTable>,
}

/// A vertex table: each row is a vertex with one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VertexTable {
    /// The table.
    pub table: TableId,
    /// The label.
    pub label: String,
    /// Key columns; the primary key of the table.
    pub key: Vec<String>,
    /// Columns that the index covers, the key among them, in table order.
    pub properties: Vec<String>,
}

/// An edge table: each row is an edge with one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EdgeTable {
    /// The table.
    pub table: TableId,
    /// The label.
    pub label: String,
    /// Key columns; the primary key of the table.
    pub key: Vec<String>,
    /// Where edges start.
    pub source: EndPoint,
    /// Where edges end.
    pub destination: EndPoint,
    /// Columns that the index covers, the key among them, in table order.
    pub properties: Vec<String>,
    /// Whether deleting a vertex deletes its edges.
    #[serde(default)]
    pub on_delete_cascade: bool,
}

/// One end of an edge table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndPoint {
    /// Columns of the edge table that hold the vertex key.
    pub columns: Vec<String>,
    /// Label of the vertex table referred to.
    pub vertex: String,
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog { format: CATALOG_FORMAT, next_oid: FIRST_USER_OID, tables: BTreeMap::new(), graphs: BTreeMap::new() }
    }
}

impl Catalog {
    /// The table of that name.
    pub fn get_table(&self, name: &str) -> Option<&Arc<TableDefinition>> {
        self.tables.values().find(|table| table.name == name)
    }

    /// The table of that name, or `42P01`.
    pub fn table(&self, name: &str) -> Result<&Arc<TableDefinition>> {
        self.get_table(name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist")).on_table(name)
        })
    }

    /// The graph of that name, or `42P01`.
    pub fn graph(&self, name: &str) -> Result<&Arc<GraphDefinition>> {
        self.graphs.get(name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedTable, format!("graph \"{name}\" does not exist"))
                .with_hint("CREATE PROPERTY GRAPH makes one; slipstream.graphs lists them.")
        })
    }

    /// Graphs that have `table` as a vertex or edge table.
    pub fn graphs_of(&self, table: TableId) -> impl Iterator<Item = &Arc<GraphDefinition>> {
        self.graphs.values().filter(move |graph| graph.tables().any(|member| member == table))
    }

    /// Gives a fresh object id.
    pub fn allocate_oid(&mut self) -> u32 {
        let oid = self.next_oid;
        self.next_oid += 1;
        oid
    }
}

impl TableDefinition {
    /// A table to be made: with an identity and a directory of its own; its object id is given at commit.
    pub fn new(name: impl Into<String>, columns: Vec<ColumnDefinition>, primary_key: Vec<String>) -> Self {
        let (id, name) = (TableId(Uuid::now_v7()), name.into());
        TableDefinition { id, oid: 0, directory: directory(&name, id), name, columns, primary_key }
    }

    /// The Arrow schema of the table's rows in plans.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(|column| column.sql_type.field(&column.name, !column.not_null)).collect::<Vec<_>>(),
        ))
    }

    /// The column of that name.
    pub fn get_column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column of that name, or `42703`.
    pub fn column(&self, name: &str) -> Result<&ColumnDefinition> {
        self.get_column(name).ok_or_else(|| {
            Error::new(
                ErrorKind::UndefinedColumn,
                format!("column \"{name}\" of relation \"{}\" does not exist", self.name),
            )
            .on_table(&self.name)
            .on_column(name)
        })
    }

    /// Positions of the primary key columns, in key order; empty where the table has none.
    pub fn key_positions(&self) -> Vec<usize> {
        self.primary_key.iter().filter_map(|key| self.columns.iter().position(|column| &column.name == key)).collect()
    }

    /// The name of the primary key constraint.
    pub fn primary_key_name(&self) -> String {
        format!("{}_pkey", self.name)
    }
}

/// The directory of a table's dataset. The id makes it unique; the name is a help to people, in LanceDB's alphabet and not
/// longer than file systems take.
fn directory(name: &str, id: TableId) -> String {
    let readable = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = name.chars().take(100).map(readable).collect();
    format!("{name}-{id}.lance")
}

impl GraphDefinition {
    /// All tables of the graph, vertex tables first.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.vertices.iter().map(|vertex| vertex.table).chain(self.edges.iter().map(|edge| edge.table))
    }

    /// The vertex table with that label.
    pub fn get_vertex(&self, label: &str) -> Option<&VertexTable> {
        self.vertices.iter().find(|vertex| vertex.label == label)
    }

    /// The edge table with that label.
    pub fn get_edge(&self, label: &str) -> Option<&EdgeTable> {
        self.edges.iter().find(|edge| edge.label == label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_readable_and_unique_whatever_the_name() {
        let first = TableDefinition::new("../größe & co", Vec::new(), Vec::new());
        let second = TableDefinition::new("../größe & co", Vec::new(), Vec::new());
        assert!(first.directory.starts_with(".._gr__e___co-"), "{}", first.directory);
        assert!(!first.directory.contains('/'));
        assert_ne!(first.directory, second.directory);
    }
}
