//! Commits that change no row: snapshots get and lose their names, versions are restored, fragments are compacted, the past is
//! given up. Each is one record like any other, made by the committer by itself, so that a crash leaves it done or not done.
//!
//! * **A named snapshot** is in the catalog, and each of its tables has a Lance tag. Tags are made before the record that
//!   has the name, and removed after the one that has it no more; what a crash leaves over or out is put right when the database is
//!   opened ([`Committer::settle_tags`]).
//! * **A restored snapshot** is a commit whose catalog is the snapshot's and whose table versions are Lance's restored ones. Every
//!   version in between stays.
//! * **A compaction** was written ahead, off every lock ([`crate::store::compaction`]). Under the lock it is put on top of what
//!   others have written meanwhile, without the fragments that they have changed.
//! * **Clean-up** commits how far back the past goes (`Catalog::oldest_kept`), and deletes after that ([`crate::cleanup`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Utc;
use uuid::Uuid;

use super::CommitStep;
use super::committer::Committer;
use super::conflicts::Written;
use super::members::Group;
use crate::catalog::{Catalog, NamedSnapshot, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::log::SequenceEntry;
use crate::snapshot::Snapshot;
use crate::store::StagedWrite;
use crate::store::compaction::Compaction;

/// What a commit of upkeep does, beside its catalog.
#[derive(Default)]
pub(super) struct Upkeep {
    /// What is staged already.
    pub(super) writes: Vec<StagedWrite>,
    /// Tables whose rows lie elsewhere, and are the same.
    pub(super) moved: Vec<TableId>,
    /// Tables whose rows are others.
    pub(super) replaced: BTreeSet<TableId>,
    /// What made the commit, for people.
    pub(super) notes: Option<String>,
}

impl Upkeep {
    /// What later transactions have to know.
    fn written(&self) -> Vec<(TableId, Written)> {
        let moved = self.moved.iter().map(|table| (*table, Written::default()));
        let replaced = self.replaced.iter().map(|table| (*table, Written { everything: true, ..Written::default() }));
        moved.chain(replaced).collect()
    }
}

impl Committer {
    /// Commits a catalog that is made of the one at the head.
    async fn commit_catalog(
        &self,
        notes: String,
        edit: impl AsyncFnOnce(&Snapshot, &mut Catalog) -> Result<()>,
    ) -> Result<u64> {
        let mut writer = self.writer.lock().await;
        self.ready(&mut writer).await?;
        let head = self.head();
        let mut catalog = head.catalog.as_ref().clone();
        edit(&head, &mut catalog).await?;
        let edited = Snapshot { catalog: Arc::new(catalog), ..head.as_ref().clone() };
        let upkeep = Upkeep { notes: Some(notes), ..Upkeep::default() };
        self.commit_upkeep(&mut writer, edited, upkeep).await
    }

    async fn commit_upkeep(
        &self,
        writer: &mut super::committer::Writer,
        edited: Snapshot,
        upkeep: Upkeep,
    ) -> Result<u64> {
        self.step(CommitStep::Check)?;
        self.done(CommitStep::Check)?;
        let written = upkeep.written();
        let group = Group::of_upkeep(&self.head(), edited, written);
        let prepared = self.prepare(writer, group, vec![Uuid::now_v7()], upkeep).await?;
        let seq = prepared.seq();
        self.decide(writer, prepared).await?;
        Ok(seq)
    }

    /// Gives the head a name. Gives its number.
    pub(crate) async fn create_snapshot(&self, name: &str) -> Result<u64> {
        NamedSnapshot::check_name(name)?;
        let mut named = 0;
        self.commit_catalog(format!("snapshot \"{name}\""), async |head, catalog| {
            if catalog.snapshots.contains_key(name) {
                let message = format!("snapshot \"{name}\" already exists");
                return Err(Error::new(ErrorKind::DuplicateObject, message));
            }
            self.tag(head, name).await?;
            named = head.seq;
            let snapshot = NamedSnapshot { seq: head.seq, timestamp: head.timestamp, created: Utc::now() };
            catalog.snapshots.insert(name.to_string(), snapshot);
            Ok(())
        })
        .await?;
        Ok(named)
    }

    /// Takes a name away.
    pub(crate) async fn drop_snapshot(&self, name: &str) -> Result<()> {
        let mut tables = Vec::new();
        self.commit_catalog(format!("snapshot \"{name}\" dropped"), async |head, catalog| {
            let snapshot = catalog.snapshots.remove(name).ok_or_else(|| missing(name))?;
            tables = self.tables_of(head, &snapshot).await?.into_values().map(|(table, _)| table).collect();
            Ok(())
        })
        .await?;
        // Whoever gives the name again waits until its tags are gone.
        let _writer = self.writer.lock().await;
        let tables = tables.into_iter().filter(|_| !self.head().catalog.snapshots.contains_key(name));
        for table in tables {
            self.store.untag(&table.directory, &NamedSnapshot::tag(name)).await?;
        }
        Ok(())
    }

    /// Says that commits before `oldest` are given up.
    pub(crate) async fn give_up_before(&self, oldest: u64) -> Result<()> {
        let notes = format!("clean-up of commits before {oldest}");
        self.commit_catalog(notes, async |_, catalog| {
            catalog.oldest_kept = catalog.oldest_kept.max(oldest);
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Makes the rows, the schema and the graphs of `past` those of the next version. `counted` is how far the sequences
    /// had counted there. Gives the number of the commit.
    pub(crate) async fn restore(&self, name: &str, past: &Snapshot, counted: &[SequenceEntry]) -> Result<u64> {
        let mut writer = self.writer.lock().await;
        self.ready(&mut writer).await?;
        let head = self.head();
        let mut upkeep = Upkeep { notes: Some(format!("snapshot \"{name}\" restored")), ..Upkeep::default() };
        let mut versions = BTreeMap::new();
        for (id, version) in &past.versions {
            let Some(table) = past.catalog.tables.get(id) else { continue };
            let latest = match head.versions.get(id) {
                Some(version) => *version,
                None => self.store.latest_version(&table.directory).await?,
            };
            versions.insert(*id, latest);
            if latest == *version {
                continue;
            }
            let base = self.store.open(table, latest).await?;
            self.store.refuse_foreign_change(&base).await?;
            upkeep.writes.push(self.store.stage_restore(table, latest, *version));
            upkeep.replaced.insert(*id);
        }
        // What is defined otherwise is another table to those who have read it.
        let differs = |(id, table): (&TableId, &Arc<TableDefinition>)| {
            (head.catalog.tables.get(id) != Some(table)).then_some(*id)
        };
        upkeep.replaced.extend(past.catalog.tables.iter().filter_map(differs));
        let catalog = Catalog {
            next_oid: head.catalog.next_oid.max(past.catalog.next_oid),
            snapshots: head.catalog.snapshots.clone(),
            oldest_kept: head.catalog.oldest_kept,
            reserved: head.catalog.reserved.clone(),
            ..past.catalog.as_ref().clone()
        };
        self.sequences.add_missing(counted);
        let edited = Snapshot { catalog: Arc::new(catalog), versions, ..head.as_ref().clone() };
        self.commit_upkeep(&mut writer, edited, upkeep).await
    }

    /// Commits a compaction; false where others have changed all of its fragments meanwhile.
    pub(crate) async fn commit_compaction(&self, compaction: &Compaction) -> Result<bool> {
        let mut writer = self.writer.lock().await;
        self.ready(&mut writer).await?;
        let head = self.head();
        let Some(table) = head.catalog.tables.get(&compaction.table.id) else {
            return Err(Error::new(
                ErrorKind::SerializationFailure,
                format!("table \"{}\" was dropped", compaction.table.name),
            ));
        };
        let base = head.open(table).await?;
        let Some(write) = self.store.stage_compaction(&base, compaction) else { return Ok(false) };
        self.store.refuse_foreign_change(&base).await?;
        let notes = Some(format!("compaction of table \"{}\"", table.name));
        let upkeep = Upkeep { moved: vec![table.id], writes: vec![write], notes, ..Upkeep::default() };
        self.commit_upkeep(&mut writer, head.as_ref().clone(), upkeep).await?;
        Ok(true)
    }

    /// Tags every table of a snapshot.
    async fn tag(&self, snapshot: &Snapshot, name: &str) -> Result<()> {
        let tag = NamedSnapshot::tag(name);
        for (id, version) in &snapshot.versions {
            let Some(table) = snapshot.catalog.tables.get(id) else { continue };
            self.store.tag(&table.directory, &tag, *version).await?;
        }
        Ok(())
    }

    /// The tables of a named snapshot, with their versions.
    async fn tables_of(
        &self,
        head: &Snapshot,
        named: &NamedSnapshot,
    ) -> Result<BTreeMap<TableId, (Arc<TableDefinition>, u64)>> {
        let record = self.log.get(named.seq).await?;
        let record = record.ok_or_else(|| Error::storage(format!("the record of commit {} is missing", named.seq)))?;
        let catalog = match record.catalog == head.catalog_record {
            true => Arc::clone(&head.catalog),
            false => Arc::new(self.storage.read_catalog(&record.catalog).await?),
        };
        let entries = record.tables.iter();
        Ok(entries
            .filter_map(|entry| Some((entry.id, (Arc::clone(catalog.tables.get(&entry.id)?), entry.version))))
            .collect())
    }

    /// Makes the tags what the catalog says: a crash may have left some over, a power cut may have taken some.
    pub(crate) async fn settle_tags(&self) -> Result<()> {
        let _writer = self.writer.lock().await;
        let head = self.head();
        let mut wanted: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for table in head.catalog.tables.values() {
            wanted.entry(table.directory.clone()).or_default();
        }
        for (name, named) in &head.catalog.snapshots {
            for (table, version) in self.tables_of(&head, named).await?.into_values() {
                wanted.entry(table.directory.clone()).or_default().insert(NamedSnapshot::tag(name), version);
            }
        }
        for (directory, tags) in wanted {
            let there = self.store.tags(&directory).await?;
            for tag in there.iter().filter(|tag| !tags.contains_key(*tag)) {
                self.store.untag(&directory, tag).await?;
            }
            for (tag, version) in tags.iter().filter(|(tag, _)| !there.contains(*tag)) {
                self.store.tag(&directory, tag, *version).await?;
            }
        }
        Ok(())
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("snapshot \"{name}\" does not exist"))
        .with_hint("slipstream.snapshots lists them.")
}
