//! What a statement reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::TableDefinition;
use crate::error::Result;
use crate::graph::index::IndexReader;
use crate::pending::{Pending, TableState};
use crate::snapshot::Snapshot;
use crate::transaction::conflicts::Pin;

/// What one statement reads: a snapshot, readers of graph indexes that stand at it, and the changes of its own transaction.
#[derive(Debug, Clone)]
pub struct ReadView {
    /// The snapshot. In a transaction that has changed the catalog it has the transaction's own catalog, under a record
    /// name that no other catalog has.
    pub snapshot: Arc<Snapshot>,
    /// Index readers by graph name, for the graphs that were asked for and whose index shows what the view shows.
    pub readers: BTreeMap<String, Arc<dyn IndexReader>>,
    /// The transaction's own changes.
    pub pending: Arc<Pending>,
    /// Keeps the memory of what others write meanwhile.
    pub(crate) pin: Arc<Pin>,
}

/// Keeps a version from being cleaned up, for rows that are still being read from it.
#[derive(Debug, Clone)]
pub struct Hold {
    _pin: Arc<Pin>,
}

impl ReadView {
    /// Holds the version that is read, without the readers of its indexes.
    pub fn hold(&self) -> Hold {
        Hold { _pin: Arc::clone(&self.pin) }
    }

    /// A table of the view's catalog.
    pub async fn table(&self, definition: &Arc<TableDefinition>) -> Result<Arc<TableState>> {
        self.snapshot.table_state(definition, &self.pending).await.map(Arc::new)
    }
}
