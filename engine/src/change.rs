//! What one statement wants changed: rows of tables, rows written ahead, and catalog edits, free of any transaction state.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::batches::Batches;
use crate::catalog::{CatalogEdit, TableDefinition};
use crate::store::StagedLoad;

/// The name under which scans give a row's address (`UInt64`): where it lies in its table version, or, with
/// [`PENDING_ROW`] set, in the transaction's own changes.
pub const ROW_ADDRESS: &str = "_rowaddr";

/// Set in the address of a row that the transaction has added itself.
pub const PENDING_ROW: u64 = 1 << 63;

/// What one statement does to the rows of one table.
///
/// An updated row is in `removed` with its old identity and in `added` with its new values.
#[derive(Debug, Clone)]
pub struct RowChanges {
    /// The table.
    pub table: Arc<TableDefinition>,
    /// Whether all rows that the statement saw go, without being named.
    pub truncated: bool,
    /// Identities of the rows that go: the columns of [`Catalog::identity_columns`], then [`ROW_ADDRESS`], all as the
    /// statement saw them. No row twice.
    ///
    /// [`Catalog::identity_columns`]: crate::catalog::Catalog::identity_columns
    pub removed: Batches,
    /// Rows that come, with the table's schema.
    pub added: Batches,
}

impl RowChanges {
    /// No changes yet.
    pub fn new(table: Arc<TableDefinition>) -> Self {
        RowChanges { table, truncated: false, removed: Batches::default(), added: Batches::default() }
    }

    /// Rows that go by name.
    pub fn removed_rows(&self) -> usize {
        self.removed.rows()
    }

    /// Rows that come.
    pub fn added_rows(&self) -> usize {
        self.added.rows()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.truncated && self.removed_rows() + self.added_rows() == 0
    }
}

/// Rows that a transaction wants to find as it left them, as SELECT ... FOR UPDATE and FOR SHARE ask.
#[derive(Debug, Clone)]
pub struct LockedRows {
    /// The table.
    pub table: Arc<TableDefinition>,
    /// Whether nobody else may lock them either (FOR UPDATE): they count as written by the transaction, once it has changed
    /// anything.
    pub exclusive: bool,
    /// Identities, as in [`RowChanges::removed`].
    pub rows: Vec<RecordBatch>,
}

/// Everything that one statement changes.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Catalog edits, in order.
    pub catalog: Vec<CatalogEdit>,
    /// Row changes, at most one per table.
    pub rows: Vec<RowChanges>,
    /// Rows written ahead, at most one per table, and no row changes of the same table. Only outside of a transaction
    /// block.
    pub loads: Vec<StagedLoad>,
    /// Rows that must not have been changed by anybody else when the transaction commits.
    pub locked: Vec<LockedRows>,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.catalog.is_empty() && self.rows.is_empty() && self.loads.is_empty() && self.locked.is_empty()
    }
}
