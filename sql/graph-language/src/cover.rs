//! What the graph index holds of the elements of a graph.

use slipstream_engine::catalog::{Catalog, ColumnDefinition, GraphDefinition, TableDefinition, TableId};
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

    /// The columns that it holds of an element which may be from these tables, the keys among them: those that are the same
    /// property in all tables that have one alike.
    pub(crate) fn columns(&self, tables: &[String]) -> Vec<(String, SqlType)> {
        let tables: Vec<Covered<'_>> = tables.iter().filter_map(|name| self.covered(name)).collect();
        let mut columns: Vec<(String, SqlType)> = Vec::new();
        for column in tables.iter().flat_map(|covered| &covered.table.columns) {
            let known = columns.iter().any(|(name, _)| *name == column.name);
            if !known && tables.iter().all(|covered| covered.agrees(column)) {
                columns.push((column.name.clone(), column.sql_type.clone()));
            }
        }
        columns
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
    /// Whether the table has a column and it is held, or has none like it.
    fn agrees(&self, column: &ColumnDefinition) -> bool {
        let held = self
            .table
            .columns
            .iter()
            .find(|other| self.has(&other.name) && other.name.eq_ignore_ascii_case(&column.name));
        match held {
            None => self.table.get_column(&column.name).is_none(),
            Some(other) => other.name == column.name && same_in_index(&other.sql_type, &column.sql_type),
        }
    }

    fn has(&self, column: &str) -> bool {
        self.key.iter().chain(self.properties).any(|other| other == column)
    }
}

/// Whether values of two types are of one in the index.
pub(crate) fn same_in_index(one: &SqlType, other: &SqlType) -> bool {
    let text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_));
    one == other || text(one) && text(other)
}
