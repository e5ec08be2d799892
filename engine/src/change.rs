//! What a transaction wants changed: row deltas, staged loads and catalog edits, free of any transaction state.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::catalog::{Catalog, GraphDefinition, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::snapshot::Snapshot;
use crate::store::StagedLoad;

/// The name under which scans give a row's address at its table version (`UInt64`).
pub const ROW_ADDRESS: &str = "_rowaddr";

/// Row changes of one table.
///
/// An updated row is in `removed` with its old identity and in `added` with its new values.
#[derive(Debug, Clone)]
pub struct Delta {
    /// The table.
    pub table: Arc<TableDefinition>,
    /// Identities of the rows that go: the columns of [`Catalog::identity_columns`], then [`ROW_ADDRESS`], all as of the
    /// base snapshot.
    pub removed: Vec<RecordBatch>,
    /// Rows that come, with the table's schema.
    pub added: Vec<RecordBatch>,
}

impl Delta {
    /// Rows that go.
    pub fn removed_rows(&self) -> usize {
        self.removed.iter().map(RecordBatch::num_rows).sum()
    }

    /// Rows that come.
    pub fn added_rows(&self) -> usize {
        self.added.iter().map(RecordBatch::num_rows).sum()
    }
}

/// An edit of the catalog. Applied to the catalog at the head, where it is checked again.
#[derive(Debug, Clone)]
pub enum CatalogEdit {
    /// Make a table (`oid` is given at commit).
    CreateTable(TableDefinition),
    /// Drop a table.
    DropTable(TableId),
    /// Make a property graph (`oid` is given at commit).
    CreateGraph(GraphDefinition),
    /// Drop a property graph.
    DropGraph(String),
}

/// Everything one transaction changes.
#[derive(Debug)]
pub struct Changes {
    /// The snapshot that the transaction read.
    pub base: Arc<Snapshot>,
    /// Catalog edits, in order.
    pub catalog: Vec<CatalogEdit>,
    /// Row changes, at most one per table.
    pub deltas: Vec<Delta>,
    /// Rows written ahead of the commit, at most one per table, and no delta of the same table.
    pub loads: Vec<StagedLoad>,
}

impl Changes {
    /// No changes yet.
    pub fn new(base: Arc<Snapshot>) -> Self {
        Changes { base, catalog: Vec::new(), deltas: Vec::new(), loads: Vec::new() }
    }
}

impl Catalog {
    /// The columns that identify a row of `table` wherever it is kept: its primary key, then the end point columns of its
    /// edge tables; each once.
    pub fn identity_columns(&self, table: &TableDefinition) -> Vec<String> {
        let mut columns = table.primary_key.clone();
        for graph in self.graphs_of(table.id) {
            for edge in graph.edges.iter().filter(|edge| edge.table == table.id) {
                columns.extend(edge.source.columns.iter().cloned());
                columns.extend(edge.destination.columns.iter().cloned());
            }
        }
        let mut seen = std::collections::HashSet::new();
        columns.retain(|column| seen.insert(column.clone()));
        columns
    }
}

impl Catalog {
    /// Applies one edit, checking it against what is there.
    pub(crate) fn apply(&mut self, edit: CatalogEdit) -> Result<()> {
        match edit {
            CatalogEdit::CreateTable(mut table) => {
                self.refuse_taken_name(&table.name)?;
                table.oid = self.allocate_oid();
                self.tables.insert(table.id, Arc::new(table));
            }
            CatalogEdit::DropTable(id) => {
                let table = self.tables.remove(&id).ok_or_else(|| gone("table"))?;
                if let Some(graph) = self.graphs_of(id).next() {
                    return Err(Error::new(
                        ErrorKind::DependentObjects,
                        format!("cannot drop table {} because other objects depend on it", table.name),
                    )
                    .with_detail(format!("property graph {} depends on table {}", graph.name, table.name))
                    .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
                    .on_table(&table.name));
                }
            }
            CatalogEdit::CreateGraph(mut graph) => {
                self.refuse_taken_name(&graph.name)?;
                if let Some(missing) = graph.tables().find(|table| !self.tables.contains_key(table)) {
                    return Err(gone(&format!("table {missing} of graph \"{}\"", graph.name)));
                }
                graph.oid = self.allocate_oid();
                self.graphs.insert(graph.name.clone(), Arc::new(graph));
            }
            CatalogEdit::DropGraph(name) => {
                self.graphs.remove(&name).ok_or_else(|| gone("graph"))?;
            }
        }
        Ok(())
    }

    /// Tables and graphs share one name space, as relations do in Postgres.
    fn refuse_taken_name(&self, name: &str) -> Result<()> {
        if self.get_table(name).is_some() || self.graphs.contains_key(name) {
            return Err(
                Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists")).on_table(name)
            );
        }
        Ok(())
    }
}

fn gone(what: &str) -> Error {
    Error::new(ErrorKind::SerializationFailure, format!("{what} was dropped by another transaction"))
        .with_hint("Run the statement again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn table(name: &str) -> TableDefinition {
        TableDefinition {
            id: TableId(Uuid::now_v7()),
            oid: 0,
            name: name.into(),
            directory: format!("{name}.lance"),
            columns: Vec::new(),
            primary_key: Vec::new(),
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut catalog = Catalog::default();
        catalog.apply(CatalogEdit::CreateTable(table("t"))).unwrap();
        let error = catalog.apply(CatalogEdit::CreateTable(table("t"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateTable);
    }

    #[test]
    fn object_ids_are_never_given_twice() {
        let mut catalog = Catalog::default();
        let first = table("a");
        catalog.apply(CatalogEdit::CreateTable(first.clone())).unwrap();
        let oid = catalog.get_table("a").unwrap().oid;
        catalog.apply(CatalogEdit::DropTable(first.id)).unwrap();
        catalog.apply(CatalogEdit::CreateTable(table("a"))).unwrap();
        assert!(catalog.get_table("a").unwrap().oid > oid);
    }
}
