//! What a transaction has changed and nobody else sees.
//!
//! * [`delta`]: row changes of one table, buffered in Arrow, and [`keys`] its rows by key.
//! * [`reshape`]: what ALTER TABLE makes of stored rows.
//! * [`table`]: a table as the transaction sees it, and [`scan`] the plan that reads it so, [`own_rows`] a part of it.
//!
//! [`Pending`] is all of it together. It is a value: a savepoint is a clone, and rolling back to it is taking the clone.

pub mod delta;
mod keys;
pub mod own_rows;
pub mod reshape;
pub mod scan;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{CatalogEdit, ColumnSource, GraphDefinition, TableDefinition, TableId};
use crate::change::{LockedRows, RowChanges};
use crate::error::{Error, Result};
use crate::snapshot::Snapshot;
use crate::store::{StagedIndex, StagedLoad};

pub use delta::Delta;
pub use reshape::Reshape;
pub use table::TableState;

/// The changes of a transaction over the snapshot that it reads.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    edits: Vec<CatalogEdit>,
    deltas: BTreeMap<TableId, Arc<Delta>>,
    reshapes: BTreeMap<TableId, Arc<Reshape>>,
    locked: Vec<LockedRows>,
    loads: Vec<StagedLoad>,
    indexes: Vec<StagedIndex>,
}

impl Pending {
    /// Whether nothing has changed. Locked rows are no change.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
            && self.loads.is_empty()
            && self.indexes.is_empty()
            && self.deltas.values().all(|delta| delta.is_empty())
    }

    /// Whether there is anything that a commit would have to look at.
    pub fn concerns_nothing(&self) -> bool {
        self.is_empty() && self.locked.is_empty()
    }

    /// Whether rows or the definition of a table have changed.
    pub fn touches(&self, table: TableId) -> bool {
        self.deltas.get(&table).is_some_and(|delta| !delta.is_empty())
            || self.reshapes.contains_key(&table)
            || self.loads.iter().any(|load| load.table.id == table)
    }

    /// Whether the elements of a graph have changed.
    pub fn touches_graph(&self, graph: &GraphDefinition) -> bool {
        graph.tables().any(|table| self.touches(table))
    }

    /// Catalog edits, in order.
    pub fn edits(&self) -> &[CatalogEdit] {
        &self.edits
    }

    /// Row changes by table.
    pub fn deltas(&self) -> &BTreeMap<TableId, Arc<Delta>> {
        &self.deltas
    }

    pub(crate) fn get_delta(&self, table: TableId) -> Option<&Arc<Delta>> {
        self.deltas.get(&table)
    }

    pub(crate) fn get_reshape(&self, table: TableId) -> Option<&Arc<Reshape>> {
        self.reshapes.get(&table)
    }

    pub(crate) fn locked(&self) -> &[LockedRows] {
        &self.locked
    }

    pub(crate) fn loads(&self) -> &[StagedLoad] {
        &self.loads
    }

    /// Data of indexes that has been written.
    pub(crate) fn indexes(&self) -> &[StagedIndex] {
        &self.indexes
    }

    /// Tables whose definition has changed.
    pub(crate) fn altered(&self) -> BTreeSet<TableId> {
        let altered = self.edits.iter().filter_map(|edit| match edit {
            CatalogEdit::AlterTable(table) | CatalogEdit::ReshapeTable { table, .. } => Some(table.id),
            _ => None,
        });
        altered.collect()
    }

    /// Tables whose rows are written anew as a whole.
    pub(crate) fn replaced(&self) -> BTreeSet<TableId> {
        let truncated = self.deltas.iter().filter(|(_, delta)| delta.truncated()).map(|(id, _)| *id);
        truncated.chain(self.reshapes.keys().copied()).collect()
    }

    pub(crate) fn lock(&mut self, rows: LockedRows) {
        self.locked.push(rows);
    }

    pub(crate) fn index(&mut self, index: StagedIndex) {
        self.indexes.push(index);
    }

    pub(crate) fn load(&mut self, load: StagedLoad) {
        self.loads.push(load);
    }

    /// Bytes that the changes take in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.deltas.values().map(|delta| delta.bytes()).sum()
    }

    /// Adds row changes of one table.
    pub(crate) fn absorb_rows(&mut self, rows: RowChanges) -> Result<()> {
        let delta = self.deltas.entry(rows.table.id).or_insert_with(|| Arc::new(Delta::new(Arc::clone(&rows.table))));
        Arc::make_mut(delta).absorb(rows)
    }

    /// Adds a delta that has nothing in common with what is here.
    pub(crate) fn join(&mut self, table: TableId, delta: &Arc<Delta>) -> Result<()> {
        match self.deltas.get_mut(&table) {
            None => {
                self.deltas.insert(table, Arc::clone(delta));
                Ok(())
            }
            Some(known) => Arc::make_mut(known).join(delta),
        }
    }

    /// Adds a catalog edit; `before` is the catalog that it is applied to.
    pub(crate) fn absorb_edit(&mut self, edit: CatalogEdit, before: &crate::catalog::Catalog) -> Result<()> {
        match &edit {
            CatalogEdit::ReshapeTable { table, sources } => self.reshape(table, sources.clone(), before)?,
            CatalogEdit::AlterTable(table) => {
                if let Some(delta) = self.deltas.get_mut(&table.id) {
                    *delta = Arc::new(delta.redefined(&Arc::new(table.clone()), |batch| {
                        let sources = Reshape::unchanged(table);
                        reshape::reshaped(table, &sources, batch)
                    })?);
                }
                if let Some(reshape) = self.reshapes.get(&table.id) {
                    let between = before.tables.get(&table.id).ok_or_else(|| missing(table))?;
                    self.reshapes.insert(table.id, Arc::new(reshape.then(between, &Reshape::unchanged(between))?));
                }
            }
            CatalogEdit::DropTable(id) => {
                self.deltas.remove(id);
                self.reshapes.remove(id);
                self.locked.retain(|locked| locked.table.id != *id);
            }
            CatalogEdit::CreateSchema(_)
            | CatalogEdit::DropSchema(_)
            | CatalogEdit::CreateIndex { .. }
            | CatalogEdit::AlterIndex { .. }
            | CatalogEdit::DropIndex { .. }
            | CatalogEdit::CreateTable(_)
            | CatalogEdit::CreateView(_)
            | CatalogEdit::ReplaceView(_)
            | CatalogEdit::DropView(_)
            | CatalogEdit::CreateSequence(_)
            | CatalogEdit::AlterSequence(_)
            | CatalogEdit::DropSequence(_)
            | CatalogEdit::CreateGraph(_)
            | CatalogEdit::DropGraph(_) => {}
        }
        self.edits.push(edit);
        Ok(())
    }

    fn reshape(
        &mut self,
        table: &TableDefinition,
        sources: Vec<ColumnSource>,
        before: &crate::catalog::Catalog,
    ) -> Result<()> {
        let known = before.tables.get(&table.id).ok_or_else(|| missing(table))?;
        let table = Arc::new(table.clone());
        if let Some(delta) = self.deltas.get_mut(&table.id) {
            *delta = Arc::new(delta.redefined(&table, |batch| reshape::reshaped(&table, &sources, batch))?);
        }
        let reshape = match self.reshapes.get(&table.id) {
            Some(earlier) => earlier.then(known, &sources)?,
            None => Reshape::new(Arc::clone(known), sources)?,
        };
        self.reshapes.insert(table.id, Arc::new(reshape));
        Ok(())
    }
}

fn missing(table: &TableDefinition) -> Error {
    Error::internal(format!("table \"{}\" is altered and does not exist", table.name))
}

impl Snapshot {
    /// A table of this snapshot's catalog with a transaction's changes over it.
    pub(crate) async fn table_state(&self, definition: &Arc<TableDefinition>, pending: &Pending) -> Result<TableState> {
        let reshape = pending.get_reshape(definition.id).cloned();
        let delta = pending.get_delta(definition.id).cloned();
        let base = match self.versions.get(&definition.id) {
            None => None,
            Some(version) => {
                let stored = reshape.as_ref().map_or(definition, |reshape| reshape.stored());
                Some(self.store.open(stored, *version).await?)
            }
        };
        Ok(TableState::new(Arc::clone(definition), base, reshape, delta))
    }
}
