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

/// A vertex table: each row is a vertex with the labels of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "stored::Vertex")]
pub struct VertexTable {
    /// The table.
    pub table: TableId,
    /// Its name in the graph, which no other element has: end points and the index call it so.
    pub name: String,
    /// Its labels, none twice; other tables may have them too.
    pub labels: Vec<String>,
    /// Key columns; the primary key of the table.
    pub key: Vec<String>,
    /// Columns that the index covers, the key among them, in table order.
    pub properties: Vec<String>,
}

/// An edge table: each row is an edge with the labels of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "stored::Edge")]
pub struct EdgeTable {
    /// The table.
    pub table: TableId,
    /// Its name in the graph, which no other element has: the index calls it so.
    pub name: String,
    /// Its labels, none twice; other tables may have them too.
    pub labels: Vec<String>,
    /// Key columns; the primary key of the table.
    pub key: Vec<String>,
    /// Where edges start.
    pub source: EndPoint,
    /// Where edges end.
    pub destination: EndPoint,
    /// Columns that the index covers, the key among them, in table order.
    pub properties: Vec<String>,
    /// Whether deleting a vertex deletes its edges.
    pub on_delete_cascade: bool,
}

/// One end of an edge table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndPoint {
    /// Columns of the edge table that hold the vertex key.
    pub columns: Vec<String>,
    /// Name of the vertex table referred to.
    pub vertex: String,
}

impl GraphDefinition {
    /// All tables of the graph, vertex tables first.
    pub fn tables(&self) -> impl Iterator<Item = TableId> + '_ {
        self.vertices.iter().map(|vertex| vertex.table).chain(self.edges.iter().map(|edge| edge.table))
    }

    /// The vertex table of that name.
    pub fn get_vertex(&self, name: &str) -> Option<&VertexTable> {
        self.vertices.iter().find(|vertex| vertex.name == name)
    }

    /// The edge table of that name.
    pub fn get_edge(&self, name: &str) -> Option<&EdgeTable> {
        self.edges.iter().find(|edge| edge.name == name)
    }
}

/// Elements as records have them. Catalogs of format 1 have one label in each, which is also its name.
mod stored {
    use serde::Deserialize;

    use super::super::TableId;
    use super::{EdgeTable, EndPoint, VertexTable};

    /// Name and labels, in the words of either format.
    #[derive(Deserialize)]
    struct Naming {
        #[serde(alias = "label")]
        name: String,
        labels: Option<Vec<String>>,
    }

    impl Naming {
        fn labels(&self) -> Vec<String> {
            self.labels.clone().unwrap_or_else(|| vec![self.name.clone()])
        }
    }

    /// A vertex table.
    #[derive(Deserialize)]
    pub(super) struct Vertex {
        table: TableId,
        #[serde(flatten)]
        naming: Naming,
        key: Vec<String>,
        properties: Vec<String>,
    }

    impl From<Vertex> for VertexTable {
        fn from(stored: Vertex) -> Self {
            VertexTable {
                table: stored.table,
                labels: stored.naming.labels(),
                name: stored.naming.name,
                key: stored.key,
                properties: stored.properties,
            }
        }
    }

    /// An edge table.
    #[derive(Deserialize)]
    pub(super) struct Edge {
        table: TableId,
        #[serde(flatten)]
        naming: Naming,
        key: Vec<String>,
        source: EndPoint,
        destination: EndPoint,
        properties: Vec<String>,
        #[serde(default)]
        on_delete_cascade: bool,
    }

    impl From<Edge> for EdgeTable {
        fn from(stored: Edge) -> Self {
            EdgeTable {
                table: stored.table,
                labels: stored.naming.labels(),
                name: stored.naming.name,
                key: stored.key,
                source: stored.source,
                destination: stored.destination,
                properties: stored.properties,
                on_delete_cascade: stored.on_delete_cascade,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(labels: &[&str]) -> GraphDefinition {
        let end = |column: &str| EndPoint { columns: vec![column.into()], vertex: "person".into() };
        GraphDefinition {
            oid: 16390,
            id: Uuid::from_u128(1),
            name: "social".into(),
            vertices: vec![VertexTable {
                table: TableId(Uuid::from_u128(2)),
                name: "person".into(),
                labels: labels.iter().map(|label| (*label).into()).collect(),
                key: vec!["id".into()],
                properties: vec!["id".into(), "name".into()],
            }],
            edges: vec![EdgeTable {
                table: TableId(Uuid::from_u128(3)),
                name: "knows".into(),
                labels: vec!["knows".into()],
                key: vec!["id".into()],
                source: end("src"),
                destination: end("dst"),
                properties: vec!["id".into()],
                on_delete_cascade: true,
            }],
        }
    }

    #[test]
    fn the_bytes_of_a_graph_are_fixed() {
        let expected = concat!(
            r#"{"oid":16390,"id":"00000000-0000-0000-0000-000000000001","name":"social","vertices":"#,
            r#"[{"table":"00000000-0000-0000-0000-000000000002","name":"person","labels":["human","person"],"#,
            r#""key":["id"],"properties":["id","name"]}],"edges":"#,
            r#"[{"table":"00000000-0000-0000-0000-000000000003","name":"knows","labels":["knows"],"key":["id"],"#,
            r#""source":{"columns":["src"],"vertex":"person"},"destination":{"columns":["dst"],"vertex":"person"},"#,
            r#""properties":["id"],"on_delete_cascade":true}]}"#,
        );
        let graph = sample(&["human", "person"]);
        assert_eq!(serde_json::to_string(&graph).unwrap(), expected);
        assert_eq!(serde_json::from_str::<GraphDefinition>(expected).unwrap(), graph);
        let unlabelled = sample(&[]);
        let text = serde_json::to_string(&unlabelled).unwrap();
        assert_eq!(serde_json::from_str::<GraphDefinition>(&text).unwrap(), unlabelled);
    }

    #[test]
    fn a_graph_of_format_1_has_one_label_an_element() {
        let stored = concat!(
            r#"{"oid":16390,"id":"00000000-0000-0000-0000-000000000001","name":"social","vertices":"#,
            r#"[{"table":"00000000-0000-0000-0000-000000000002","label":"person","key":["id"],"properties":["id","name"]}],"#,
            r#""edges":[{"table":"00000000-0000-0000-0000-000000000003","label":"knows","key":["id"],"#,
            r#""source":{"columns":["src"],"vertex":"person"},"destination":{"columns":["dst"],"vertex":"person"},"#,
            r#""properties":["id"],"on_delete_cascade":true}]}"#,
        );
        assert_eq!(serde_json::from_str::<GraphDefinition>(stored).unwrap(), sample(&["person"]));
    }
}
