//! Clean-up: giving up the past before some time, but for what somebody holds.
//!
//! 1. The commit in force at that time is the oldest that is kept. A commit says so in the catalog (`oldest_kept`): from then on
//!    older versions cannot be read (`22023`), unless they have a name. So whatever is deleted afterwards, and wherever a crash
//!    stops it, nothing that can be read is missing; the next clean-up goes on.
//! 2. Held are the commits that have a name, those that somebody reads at that moment ([`Pins`]), and the recent ones that readers
//!    of a graph index may still be given.
//! 3. Of each table, exactly the Lance versions go that only commits name which are neither kept nor held, with the files that no
//!    other version has. Lance does it, and leaves alone what anybody has tagged. A table that was dropped and that nothing kept
//!    names goes whole.
//! 4. Then the records of those commits go, which have told until now what there is to do, and the catalogs that they alone
//!    name.
//!
//! Files that no version names, such as those of commits that failed, go after a week, as Lance has it.
//!
//! [`Pins`]: crate::transaction::conflicts::Pins

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalog::{Catalog, TableId};
use crate::database::Database;
use crate::error::Result;
use crate::history::Version;
use crate::log::CommitRecord;

/// What a clean-up has deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanupReport {
    /// The oldest commit that is kept, beside those that are held.
    pub oldest_kept: u64,
    /// Commits whose records are gone.
    pub commits: usize,
    /// Lance versions of tables that are gone.
    pub versions: usize,
    /// Tables that are gone whole.
    pub tables: usize,
}

/// A table whose versions go.
struct Going {
    directory: String,
    versions: BTreeSet<u64>,
}

impl Database {
    /// Gives up what is older than that, but for what is held.
    pub async fn cleanup(&self, older_than: TimeDelta) -> Result<CleanupReport> {
        let _alone = self.upkeep.lock().await;
        let cutoff = Utc::now().checked_sub_signed(older_than).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let known = self.snapshot().catalog.oldest_kept;
        let oldest = match self.past().seq(&Version::Time(cutoff)).await {
            Ok(seq) => seq.max(known),
            // There is nothing as old as that.
            Err(error) if error.kind() == crate::ErrorKind::InvalidParameter => known,
            Err(error) => return Err(error),
        };
        if oldest > known {
            self.committer.give_up_before(oldest).await?;
        }
        self.delete_before(oldest).await
    }

    /// Deletes what commits before `oldest` have, and nobody holds.
    async fn delete_before(&self, oldest: u64) -> Result<CleanupReport> {
        self.committer.settle_tags().await?;
        let mut report = CleanupReport { oldest_kept: oldest, ..CleanupReport::default() };
        let committer = &self.committer;
        let head = committer.head();
        let mut held = committer.pins.all();
        held.extend(committer.recent().iter().map(|snapshot| snapshot.seq));
        held.extend(head.catalog.snapshots.values().map(|named| named.seq));
        let numbers = committer.log.sequence_numbers().await?;
        let older = || numbers.iter().copied().filter(|seq| *seq < oldest);
        let gone: Vec<CommitRecord> = self.records(older().filter(|seq| !held.contains(seq))).await?;
        if gone.is_empty() {
            return Ok(report);
        }
        let mut kept: Vec<CommitRecord> = self.records(older().filter(|seq| held.contains(seq))).await?;
        kept.extend(committer.log.get(oldest).await?);
        let going = self.going(&gone, &kept, oldest).await?;
        for (id, table) in &going {
            committer.store.forget_versions(*id, &table.versions);
        }
        self.history.forget(|seq| seq >= oldest || held.contains(&seq));
        for table in going.values() {
            match self.is_named_since(table, &kept, &going, oldest).await? {
                true => report.versions += committer.store.remove_versions(&table.directory, &table.versions).await?,
                false => {
                    committer.store.remove_table(&table.directory).await?;
                    report.tables += 1;
                }
            }
        }
        let catalogs: BTreeSet<&str> = kept.iter().map(|record| record.catalog.as_str()).collect();
        let unnamed: BTreeSet<&str> = gone.iter().map(|record| record.catalog.as_str()).collect();
        for record in &gone {
            committer.log.remove(record.seq).await?;
            report.commits += 1;
        }
        for catalog in unnamed.difference(&catalogs).filter(|catalog| **catalog != head.catalog_record) {
            committer.storage.remove_catalog(catalog).await?;
        }
        Ok(report)
    }

    async fn records(&self, numbers: impl Iterator<Item = u64>) -> Result<Vec<CommitRecord>> {
        let mut records = Vec::new();
        for seq in numbers {
            records.extend(self.committer.log.get(seq).await?);
        }
        Ok(records)
    }

    /// The versions that only commits name which go.
    async fn going(
        &self,
        gone: &[CommitRecord],
        kept: &[CommitRecord],
        oldest: u64,
    ) -> Result<BTreeMap<TableId, Going>> {
        let mut going: BTreeMap<TableId, Going> = BTreeMap::new();
        let mut catalogs: BTreeMap<&str, Arc<Catalog>> = BTreeMap::new();
        for record in gone {
            if !catalogs.contains_key(record.catalog.as_str()) {
                let catalog = Arc::new(self.committer.storage.read_catalog(&record.catalog).await?);
                catalogs.insert(&record.catalog, catalog);
            }
            let Some(catalog) = catalogs.get(record.catalog.as_str()) else { continue };
            for entry in &record.tables {
                let Some(table) = catalog.tables.get(&entry.id) else { continue };
                let versions = BTreeSet::new();
                let new = || Going { directory: table.directory.clone(), versions };
                going.entry(entry.id).or_insert_with(new).versions.insert(entry.version);
            }
        }
        for entry in kept.iter().flat_map(|record| &record.tables) {
            if let Some(table) = going.get_mut(&entry.id) {
                table.versions.remove(&entry.version);
            }
        }
        // A table's versions only grow, so what later commits name is not below what the oldest one names.
        let newer = kept.iter().find(|record| record.seq == oldest);
        for entry in newer.iter().flat_map(|record| &record.tables) {
            if let Some(table) = going.get_mut(&entry.id) {
                table.versions.retain(|version| *version < entry.version);
            }
        }
        going.retain(|_, table| !table.versions.is_empty());
        Ok(going)
    }

    /// Whether a commit that is kept or held has a table of which versions go.
    async fn is_named_since(
        &self,
        table: &Going,
        kept: &[CommitRecord],
        going: &BTreeMap<TableId, Going>,
        oldest: u64,
    ) -> Result<bool> {
        let id = going.iter().find(|(_, other)| other.directory == table.directory).map(|(id, _)| *id);
        let names = |record: &CommitRecord| record.tables.iter().any(|entry| Some(entry.id) == id);
        let head = self.committer.head();
        if kept.iter().any(names) || id.is_some_and(|id| head.versions.contains_key(&id)) {
            return Ok(true);
        }
        // It was dropped before the oldest commit; a snapshot may have brought it back for a while since.
        for seq in oldest..=head.seq {
            if self.committer.log.get(seq).await?.as_ref().is_some_and(names) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
