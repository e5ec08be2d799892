//! Checks of the rows of a bulk load: as they stream by, and once more when it commits.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::checks::{as_types_of, not_null, partners_exist};
use super::conflicts::conflict;
use super::cover_checks::texts_fit;
use super::messages::duplicate;
use super::references::Reference;
use crate::catalog::{Catalog, TableDefinition, UniqueConstraint};
use crate::error::Result;
use crate::pending::delta::columns;
use crate::pending::{Pending, TableState};
use crate::snapshot::Snapshot;
use crate::store::StagedLoad;
use crate::store::key_index::{KeyHash, KeySet, hash_unique_keys};
use crate::store::staging::ReferenceCheck;
use crate::view::ReadView;

/// Checks rows as they stream by: keys against the table and each other, references against their tables.
pub(crate) struct LoadChecks {
    table: Arc<TableDefinition>,
    catalog: Arc<Catalog>,
    target: TableState,
    keys: Vec<KeyCheck>,
    references: Vec<PartnerCheck>,
    /// Rows that have been checked.
    rows: usize,
}

struct KeyCheck {
    constraint: UniqueConstraint,
    hashes: Vec<Option<KeyHash>>,
    seen: KeySet,
}

struct PartnerCheck {
    reference: Reference,
    to: TableState,
    needed: KeySet,
}

impl LoadChecks {
    pub(crate) async fn new(table: &Arc<TableDefinition>, view: &ReadView) -> Result<Self> {
        let catalog = Arc::clone(&view.snapshot.catalog);
        let state =
            |table: Arc<TableDefinition>| async move { view.snapshot.table_state(&table, &Pending::default()).await };
        let mut references = Vec::new();
        for reference in catalog.references_from(table.id)? {
            let to = state(Arc::clone(&reference.to)).await?;
            references.push(PartnerCheck { reference, to, needed: KeySet::default() });
        }
        let keys = table.unique_keys().into_iter();
        let keys =
            keys.map(|constraint| KeyCheck { constraint, hashes: Vec::new(), seen: KeySet::default() }).collect();
        let target = state(Arc::clone(table)).await?;
        Ok(LoadChecks { table: Arc::clone(table), catalog, target, keys, references, rows: 0 })
    }

    /// Checks the next rows.
    pub(crate) async fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        let before = self.rows;
        self.rows += batch.num_rows();
        self.check_next(batch).await.map_err(|error| error.after_rows(before))
    }

    async fn check_next(&mut self, batch: &RecordBatch) -> Result<()> {
        not_null(&self.table, batch)?;
        texts_fit(&self.catalog, &self.table, batch)?;
        for key in &mut self.keys {
            let values = columns(batch, &key.constraint.columns)?;
            let hashes = hash_unique_keys(&values)?;
            let present = self.target.addresses(&key.constraint.columns, &hashes).await?;
            for (row, (hash, address)) in hashes.iter().zip(present).enumerate() {
                let Some(hash) = hash else { continue };
                if address.is_some() || key.seen.insert(*hash, ()).is_some() {
                    return Err(duplicate(&self.table, &key.constraint.name, &key.constraint.columns, &values, row));
                }
            }
            key.hashes.extend(hashes);
        }
        for check in &mut self.references {
            let reference = &check.reference;
            let keys = columns(batch, &reference.columns)?;
            let hashes = hash_unique_keys(&as_types_of(&keys, &reference.to, &reference.referenced)?)?;
            if reference.to.id == self.table.id {
                // Rows may refer to rows of the same load, which are all known at its end only.
                reference.refuse_null_end(&keys)?;
            } else {
                partners_exist(reference, &check.to, batch).await?;
            }
            check.needed.extend(hashes.into_iter().flatten().map(|hash| (hash, ())));
        }
        Ok(())
    }

    /// Hands what the commit has to check again to the load.
    pub(crate) fn finish(self, load: &mut StagedLoad) -> Result<()> {
        for key in self.keys {
            load.keys.push((key.constraint.columns, key.hashes));
        }
        for check in self.references {
            let checked_at = match check.reference.to.id == self.table.id {
                true => 0,
                false => check.to.base().map_or(0, |base| base.version()),
            };
            load.references.push(ReferenceCheck {
                table: check.reference.to.id,
                columns: check.reference.referenced.clone(),
                checked_at,
                keys: check.needed,
            });
        }
        Ok(())
    }
}

/// A load was checked when it was written; what has changed since is checked again.
pub(crate) async fn load_still_holds(head: &Snapshot, catalog: &Catalog, load: &StagedLoad) -> Result<()> {
    let version = head.versions.get(&load.table.id).copied();
    if version.is_some_and(|version| version != load.checked_at) {
        let table = head.table_state(&load.table, &Pending::default()).await?;
        for (key, hashes) in &load.keys {
            if table.addresses(key, hashes).await?.iter().any(Option::is_some) {
                return Err(conflict(&load.table));
            }
        }
    }
    for check in &load.references {
        if head.versions.get(&check.table) == Some(&check.checked_at) {
            continue;
        }
        let Some(to) = catalog.tables.get(&check.table) else { return Err(conflict(&load.table)) };
        let mut wanted: Vec<Option<KeyHash>> = check.keys.keys().copied().map(Some).collect();
        if check.table == load.table.id {
            let own: KeySet = load
                .keys
                .iter()
                .filter(|(columns, _)| columns == &check.columns)
                .flat_map(|(_, hashes)| hashes.iter().flatten().map(|hash| (*hash, ())))
                .collect();
            wanted.retain(|hash| hash.is_some_and(|hash| !own.contains_key(&hash)));
        }
        let present = head.table_state(to, &Pending::default()).await?.addresses(&check.columns, &wanted).await?;
        if present.iter().any(Option::is_none) {
            let reference = catalog.references_from(load.table.id)?.into_iter().find(|r| r.to.id == check.table);
            return Err(match reference {
                Some(reference) if check.table == load.table.id => reference.missing_partner(),
                _ => conflict(&load.table),
            });
        }
    }
    Ok(())
}
