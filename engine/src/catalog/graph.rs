//! Property graphs: which tables are vertices, which are edges.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TableId;

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
