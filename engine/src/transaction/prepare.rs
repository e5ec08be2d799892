//! Steps 2 and 3 of a commit: what a group changes, written where nobody sees it, and what the commit will have to tell the
//! key indexes and later transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::committer::Committer;
use super::conflicts::Written;
use crate::catalog::{Catalog, CatalogEdit, TableDefinition, TableId};
use crate::change::RowChanges;
use crate::error::Result;
use crate::log::{TableEntry, TableRedo};
use crate::pending::Pending;
use crate::pending::delta::columns;
use crate::snapshot::Snapshot;
use crate::store::key_index::{KeyHash, hash_keys, hash_unique_keys};
use crate::store::table::row_addresses;
use crate::store::{ScanRequest, StagedIndex, StagedWrite};

/// Rows of one table that a commit names one by one to later transactions; of more it says that all may have changed.
pub(super) const MOST_NOTED: usize = 1_000_000;

/// What a commit does to one of a table's key indexes.
pub(crate) struct KeyChange {
    pub(crate) table: TableId,
    pub(crate) columns: Vec<String>,
    pub(crate) removed: Vec<KeyHash>,
    /// Keys of the rows that come, in their order; `None` for rows with a NULL in the key.
    pub(crate) added: Vec<Option<KeyHash>>,
}

impl Committer {
    /// Writes the changes of `pending` over `edited`'s versions into files that no version names; `writes` are staged already.
    pub(super) async fn stage_tables(
        &self,
        edited: &Snapshot,
        pending: &Pending,
        mut writes: Vec<StagedWrite>,
    ) -> Result<Vec<StagedWrite>> {
        let replaced = pending.replaced();
        for id in &replaced {
            let Some(table) = edited.catalog.tables.get(id) else { continue };
            writes.push(self.stage_replacement(edited, pending, table).await?);
        }
        for (id, delta) in pending.deltas().iter().filter(|(id, delta)| !delta.is_empty() && !replaced.contains(id)) {
            let (Some(version), Some(table)) = (edited.versions.get(id), edited.catalog.tables.get(id)) else {
                continue;
            };
            let base = self.store.open(table, *version).await?;
            // What is staged for nothing is nothing that anybody sees.
            let rows = delta.live();
            let (ours, staged) = futures::join!(
                self.store.refuse_foreign_change(&base),
                self.store.stage(&base, delta.removed_addresses(), &rows),
            );
            ours?;
            writes.push(staged?);
        }
        for load in pending.loads() {
            let base = edited.versions.get(&load.table.id).copied().unwrap_or(0);
            if base > 0 {
                self.store.refuse_foreign_change(&*self.store.open(&load.table, base).await?).await?;
            }
            writes.push(self.store.staged_from_load(load, base));
        }
        let written: BTreeSet<TableId> = writes.iter().map(|write| write.table.id).collect();
        let indexes = built_and_dropped(pending);
        let built: BTreeSet<TableId> = indexes.iter().map(StagedIndex::table).collect();
        for id in built.difference(&written).copied() {
            let (Some(version), Some(table)) = (edited.versions.get(&id), edited.catalog.tables.get(&id)) else {
                continue;
            };
            let base = self.store.open(table, *version).await?;
            self.store.refuse_foreign_change(&base).await?;
            let indexes: Vec<&StagedIndex> = indexes.iter().filter(|index| index.table() == id).collect();
            writes.extend(self.store.stage_indexes(&base, &indexes).await?);
        }
        let written: BTreeSet<TableId> = writes.iter().map(|write| write.table.id).collect();
        for (id, table) in &edited.catalog.tables {
            if edited.versions.contains_key(id) || written.contains(id) {
                continue;
            }
            let rows = pending.deltas().get(id).map(|delta| delta.live().stream(table.arrow_schema()));
            writes.push(self.store.stage_new(table, rows).await?);
        }
        Ok(writes)
    }

    async fn stage_replacement(
        &self,
        edited: &Snapshot,
        pending: &Pending,
        table: &Arc<TableDefinition>,
    ) -> Result<StagedWrite> {
        let state = edited.table_state(table, pending).await?;
        let Some(version) = edited.versions.get(&table.id) else {
            let rows = pending.deltas().get(&table.id).map(|delta| delta.live().stream(table.arrow_schema()));
            return self.store.stage_new(table, rows).await;
        };
        let base = match state.base() {
            Some(base) => Arc::clone(base),
            None => self.store.open(table, *version).await?,
        };
        self.store.refuse_foreign_change(&base).await?;
        let rows = state.read(&ScanRequest::default()).await?;
        self.store.stage_replacement(&base, table, rows).await
    }
}

/// Data of indexes that comes, and that of dropped ones, which goes. Where the same commit writes rows of the table, what
/// is left of it goes later.
fn built_and_dropped(pending: &Pending) -> Vec<StagedIndex> {
    let dropped = pending.edits().iter().filter_map(|edit| match edit {
        CatalogEdit::DropIndex { table, oid } => Some(StagedIndex::removal(*table, *oid)),
        _ => None,
    });
    dropped.chain(pending.indexes().iter().cloned()).collect()
}

/// What the key indexes of the tables have to be told. Tables that are altered or replaced as a whole are not in it.
pub(crate) fn key_changes(pending: &Pending) -> Result<Vec<KeyChange>> {
    let forgotten = forgotten_keys(pending);
    let mut changes = Vec::new();
    for (id, delta) in pending.deltas().iter().filter(|(id, _)| !forgotten.contains(id)) {
        for key in delta.table().unique_keys() {
            let mut change = KeyChange { table: *id, removed: Vec::new(), added: Vec::new(), columns: key.columns };
            for batch in delta.removed().iter() {
                change.removed.extend(hash_unique_keys(&columns(&batch?, &change.columns)?)?.into_iter().flatten());
            }
            for batch in delta.live().iter() {
                change.added.extend(hash_unique_keys(&columns(&batch?, &change.columns)?)?);
            }
            changes.push(change);
        }
    }
    for load in pending.loads() {
        for (columns, hashes) in &load.keys {
            changes.push(KeyChange {
                table: load.table.id,
                columns: columns.clone(),
                removed: Vec::new(),
                added: hashes.clone(),
            });
        }
    }
    Ok(changes)
}

/// Tables whose key indexes are built anew.
pub(crate) fn forgotten_keys(pending: &Pending) -> BTreeSet<TableId> {
    pending.replaced().into_iter().chain(pending.altered()).collect()
}

/// What later transactions have to know of row changes. Of very many it is that the table was written.
pub(crate) fn written(changes: &RowChanges) -> Result<Written> {
    let (removed, added) = (&changes.removed, &changes.added);
    let many = removed.rows() + added.rows() > MOST_NOTED;
    let mut written = Written { everything: changes.truncated || many, ..Written::default() };
    if many {
        return Ok(written);
    }
    if changes.table.primary_key.is_empty() {
        for batch in removed.iter() {
            written.addresses.extend(row_addresses(&batch?).values());
        }
        return Ok(written);
    }
    for batch in removed.iter().chain(added.iter()) {
        written.keys.extend(hash_keys(&columns(&batch?, &changes.table.primary_key)?)?);
    }
    Ok(written)
}

/// The complete version map of a record.
pub(crate) fn version_map(catalog: &Catalog, versions: &BTreeMap<TableId, u64>) -> Vec<TableEntry> {
    catalog
        .tables
        .values()
        .filter_map(|table| {
            let version = *versions.get(&table.id)?;
            Some(TableEntry { table: table.name.clone(), id: table.id, version })
        })
        .collect()
}

/// What recovery needs to repeat a staged write.
pub(crate) fn redo(write: &StagedWrite) -> Result<TableRedo> {
    Ok(TableRedo {
        id: write.table.id,
        directory: write.table.directory.clone(),
        version: write.version(),
        transaction: super::recovery::to_hex(&write.encode()?),
    })
}
