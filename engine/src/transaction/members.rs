//! The members of a group commit: each is admitted against the head plus the members before it, or drops out alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};

use super::checks::{DeclarationChecks, RowChecks};
use super::conflicts::{RecentWrites, Written, conflict};
use super::kernel::conflict::has_moved;
use super::load_checks::load_still_holds;
use super::prepare::{MOST_NOTED, written};
use crate::catalog::{Catalog, TableDefinition, TableId};
use crate::change::{LockedRows, RowChanges};
use crate::error::{Error, ErrorKind, Result};
use crate::pending::delta::columns;
use crate::pending::{Delta, Pending};
use crate::snapshot::Snapshot;
use crate::store::key_index::{KeyHash, hash_keys};
use crate::store::table::row_addresses;

/// A group in the making.
pub(crate) struct Group {
    head: Arc<Snapshot>,
    /// The head with the group's catalog.
    edited: Arc<Snapshot>,
    /// What the members admitted so far change together, over the head.
    merged: Pending,
    /// What they have written, as if a commit after the head had.
    writes: RecentWrites,
    written: Vec<(TableId, Written)>,
}

impl Group {
    pub(crate) fn new(head: &Arc<Snapshot>) -> Self {
        Group {
            head: Arc::clone(head),
            edited: Arc::clone(head),
            merged: Pending::default(),
            writes: RecentWrites::since(0),
            written: Vec::new(),
        }
    }

    /// No transaction: a commit of upkeep, of which later transactions have to know this.
    pub(crate) fn of_upkeep(head: &Arc<Snapshot>, edited: Snapshot, written: Vec<(TableId, Written)>) -> Self {
        Group { edited: Arc::new(edited), written, ..Group::new(head) }
    }

    /// The head with the group's catalog, what the group changes over it, and what later transactions have to know.
    pub(crate) fn into_parts(self) -> (Arc<Snapshot>, Pending, Vec<(TableId, Written)>) {
        (self.edited, self.merged, self.written)
    }

    /// Admits a transaction that read `base`, or says why it cannot commit.
    pub(crate) async fn admit(&mut self, base: &Snapshot, pending: &Pending, recent: &RecentWrites) -> Result<()> {
        self.refuse_changed_catalog(base, pending)?;
        let conflicts = Conflicts { base, head: &self.head, recent, group: &self.writes };
        for locked in pending.locked() {
            conflicts.check_locked(locked)?;
        }
        let (edited, mut before) = super::block::edited(&self.head, &self.merged, pending.edits().to_vec())?;
        let edited = if pending.edits().is_empty() { Arc::clone(&self.edited) } else { edited };
        let altered = pending.altered();
        conflicts.refuse_moved_neighbours(&altered, &edited.catalog)?;
        let mut notes: Vec<(TableId, Written)> = Vec::new();
        let mut rows = Vec::new();
        for (id, delta) in pending.deltas().iter().filter(|(_, delta)| !delta.is_empty()) {
            if altered.contains(id) {
                // Nobody else has touched it, so what held for its statements holds; its rows may have had other columns.
                before.join(*id, delta)?;
                continue;
            }
            let changes = conflicts.over_the_head(delta).await?;
            notes.push((*id, written(&changes)?));
            rows.push(changes);
        }
        notes.extend(altered.iter().map(|id| (*id, Written { everything: true, ..Written::default() })));
        if !pending.is_empty() {
            for locked in pending.locked().iter().filter(|locked| locked.exclusive) {
                notes.push((locked.table.id, written_by_lock(locked)?));
            }
        }
        let mut merged = RowChecks::new(&edited, &edited.catalog, before).run(rows).await?;
        for load in pending.loads() {
            load_still_holds(&self.head, &edited.catalog, load).await?;
            // Its keys need not be known: whoever has read a row with one of them conflicts with who has removed that row.
            notes.push((load.table.id, Written::default()));
            merged.load(load.clone());
        }
        pending.indexes().iter().cloned().for_each(|index| merged.index(index));
        if !pending.edits().is_empty() {
            let checks = DeclarationChecks {
                snapshot: &edited,
                before: &self.head.catalog,
                catalog: &edited.catalog,
                state: &merged,
            };
            checks.run().await?;
        }
        for (table, written) in notes {
            self.written.push((table, written.clone()));
            self.writes.note(self.head.seq + 1, table, written);
        }
        self.edited = edited;
        self.merged = merged;
        Ok(())
    }

    /// A transaction that changes the catalog must have read the one at the head; one that changes rows must have read the
    /// same definitions of their tables.
    fn refuse_changed_catalog(&self, base: &Snapshot, pending: &Pending) -> Result<()> {
        if base.catalog_record == self.head.catalog_record {
            return Ok(());
        }
        if !pending.edits().is_empty() {
            let message = "could not serialize access due to a concurrent change of the catalog";
            return Err(Error::new(ErrorKind::SerializationFailure, message).with_hint("Run the transaction again."));
        }
        let loads = pending.loads().iter().map(|load| &load.table);
        let tables: Vec<&Arc<TableDefinition>> =
            pending.deltas().values().map(|delta| delta.table()).chain(loads).collect();
        for table in tables {
            let Some(there) = self.head.catalog.tables.get(&table.id) else {
                let message = format!("table \"{}\" was dropped", table.name);
                return Err(Error::new(ErrorKind::SerializationFailure, message)
                    .with_hint("Run the transaction again.")
                    .on_table(&table.name));
            };
            let identity = |catalog: &Catalog| catalog.identity_columns(there);
            if !there.says_the_same_of_rows(table) || identity(&base.catalog) != identity(&self.head.catalog) {
                return Err(conflict(table));
            }
        }
        Ok(())
    }
}

/// Whether somebody else was first.
struct Conflicts<'a> {
    base: &'a Snapshot,
    head: &'a Snapshot,
    recent: &'a RecentWrites,
    group: &'a RecentWrites,
}

impl Conflicts<'_> {
    /// Row changes over the base as row changes over the head, where nobody else has written the same rows.
    async fn over_the_head(&self, delta: &Delta) -> Result<RowChanges> {
        let table = delta.table();
        let moved = self.moved(table.id);
        let others = moved || self.group.has_written(table.id) || self.locked(table.id);
        if delta.truncated() && others {
            return Err(conflict(table));
        }
        if !others {
            return Ok(delta.as_changes());
        }
        for part in delta.removed().parts() {
            let (keys, addresses) = identities(table, &part.fetch().await?)?;
            self.check(table, moved, &keys, &addresses)?;
        }
        match moved && !table.primary_key.is_empty() {
            true => self.found_again(delta).await,
            // Rows without a key are known by their addresses, and none of these has moved.
            false => Ok(delta.as_changes()),
        }
    }

    /// The same changes with the addresses that the rows that go have at the head.
    async fn found_again(&self, delta: &Delta) -> Result<RowChanges> {
        let (table, known) = (delta.table(), delta.removed());
        let stored = self.head.open(table).await?;
        let mut removed = known.beside();
        for part in known.parts() {
            let batch = part.fetch().await?;
            let (keys, _) = identities(table, &batch)?;
            let found: Option<Vec<u64>> = stored.addresses(&table.primary_key, &keys).await?.into_iter().collect();
            let mut columns = batch.columns().to_vec();
            columns.pop();
            columns.push(Arc::new(UInt64Array::from(found.ok_or_else(|| conflict(table))?)));
            let batch = RecordBatch::try_new(batch.schema(), columns);
            removed.push(batch.map_err(|error| Error::internal(error.to_string()))?)?;
        }
        Ok(RowChanges { removed, ..delta.as_changes() })
    }

    /// Whether a table has another version than the transaction read.
    fn moved(&self, table: TableId) -> bool {
        has_moved(self.base.versions.get(&table).copied(), self.head.versions.get(&table).copied())
    }

    /// Whether rows of a table may have been locked since, which leaves its version as it is.
    fn locked(&self, table: TableId) -> bool {
        self.recent.has_locked_since(table, self.base.seq)
    }

    /// A transaction that alters a table must have read its newest rows, and those of all tables that refer to it or that it
    /// refers to.
    fn refuse_moved_neighbours(&self, altered: &BTreeSet<TableId>, catalog: &Catalog) -> Result<()> {
        for id in altered {
            let Some(table) = catalog.tables.get(id) else { continue };
            let to = catalog.references_from(*id)?.into_iter().map(|reference| reference.to.id);
            let from = catalog.references_to(*id)?.into_iter().map(|reference| reference.from.id);
            if to.chain(from).chain([*id]).any(|neighbour| self.moved(neighbour)) {
                return Err(conflict(table));
            }
        }
        Ok(())
    }

    fn check_locked(&self, locked: &LockedRows) -> Result<()> {
        let table = &locked.table;
        for rows in &locked.rows {
            let (keys, addresses) = identities(table, rows)?;
            self.check(table, self.moved(table.id), &keys, &addresses)?;
        }
        Ok(())
    }

    fn check(&self, table: &TableDefinition, moved: bool, keys: &[KeyHash], addresses: &[u64]) -> Result<()> {
        let addresses = if table.primary_key.is_empty() { addresses } else { &[] };
        if keys.is_empty() && addresses.is_empty() {
            return Ok(());
        }
        if moved || self.locked(table.id) {
            self.recent.check(table, self.base.seq, keys, addresses)?;
        }
        self.group.check(table, self.base.seq, keys, addresses)
    }
}

/// What later transactions have to know of rows that nobody else was to lock.
fn written_by_lock(locked: &LockedRows) -> Result<Written> {
    let many = locked.rows.iter().map(RecordBatch::num_rows).sum::<usize>() > MOST_NOTED;
    let mut written = Written { locked: true, everything: many, ..Written::default() };
    for rows in locked.rows.iter().filter(|_| !many) {
        let (keys, addresses) = identities(&locked.table, rows)?;
        written.keys.extend(keys);
        if locked.table.primary_key.is_empty() {
            written.addresses.extend(addresses);
        }
    }
    Ok(written)
}

/// Keys (where the table has a primary key) and addresses of rows.
fn identities(table: &TableDefinition, rows: &RecordBatch) -> Result<(Vec<KeyHash>, Vec<u64>)> {
    let keys = match table.primary_key.is_empty() {
        true => Vec::new(),
        false => hash_keys(&columns(rows, &table.primary_key)?)?,
    };
    Ok((keys, row_addresses(rows).values().to_vec()))
}
