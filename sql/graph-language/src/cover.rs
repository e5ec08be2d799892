//! What the graph index holds of the elements of a graph.

use slipstream_engine::catalog::{Catalog, GraphDefinition, TableDefinition, TableId};
use slipstream_engine::types::SqlType;

/// What an index holds.
pub(crate) struct Cover<'a> {
    catalog: &'a Catalog,
    graph: &'a GraphDefinition,
}

/// What it holds of one element table.
struct Covered<'a> {
    table: &'a TableDefinition,
    key: &'a [String],
    properties: &'a [String],
}

impl<'a> Cover<'a> {
    pub(crate) fn new(catalog: &'a Catalog, graph: &'a GraphDefinition) -> Self {
        Cover { catalog, graph }
    }

    /// The columns that it holds, the key among them.
    pub(crate) fn columns(&self, label: &str) -> Vec<(String, SqlType)> {
        let Some(covered) = self.covered(label) else { return Vec::new() };
        let columns = covered.table.columns.iter().filter(|column| covered.has(&column.name));
        columns.map(|column| (column.name.clone(), column.sql_type.clone())).collect()
    }

    /// The type of a column that it holds.
    pub(crate) fn get_type(&self, label: &str, column: &str) -> Option<SqlType> {
        let covered = self.covered(label)?;
        let found = covered.table.get_column(column).filter(|_| covered.has(column))?;
        Some(found.sql_type.clone())
    }

    /// The key column.
    pub(crate) fn get_key(&self, label: &str) -> Option<&'a str> {
        self.covered(label)?.key.first().map(String::as_str)
    }

    fn covered(&self, label: &str) -> Option<Covered<'a>> {
        let graph = self.graph;
        let (table, key, properties): (TableId, &[String], &[String]) = match graph.get_vertex(label) {
            Some(vertex) => (vertex.table, &vertex.key, &vertex.properties),
            None => graph.get_edge(label).map(|edge| (edge.table, &*edge.key, &*edge.properties))?,
        };
        Some(Covered { table: self.catalog.tables.get(&table)?, key, properties })
    }
}

impl Covered<'_> {
    fn has(&self, column: &str) -> bool {
        self.key.iter().chain(self.properties).any(|other| other == column)
    }
}
