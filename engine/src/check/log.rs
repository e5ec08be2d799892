//! Checks the commit log and the catalogs it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;

use super::{CheckReport, counted, text_of};
use crate::catalog::{Catalog, TableId};
use crate::error::Result;
use crate::log::{CommitLog, CommitRecord};
use crate::storage::Storage;

/// Records read at a time.
const PARALLEL_READS: usize = 32;

/// What the log says is in force, and what it has said before.
pub(super) struct Head {
    pub(super) newest: CommitRecord,
    pub(super) catalog: Arc<Catalog>,
    /// Versions of each table that some record names.
    pub(super) history: BTreeMap<TableId, Vec<u64>>,
}

impl Head {
    /// The version map of the newest record.
    pub(super) fn versions(&self) -> BTreeMap<TableId, u64> {
        self.newest.tables.iter().map(|entry| (entry.id, entry.version)).collect()
    }
}

/// Checks the log. `None` where it says too little to go on.
pub(super) async fn check(storage: &Storage, log: &CommitLog, report: &mut CheckReport) -> Result<Option<Head>> {
    let numbers = log.sequence_numbers().await?;
    let Some(newest) = numbers.last().copied() else {
        report.note("log", "empty: no server has opened this database");
        return Ok(None);
    };
    let mut faults = Vec::new();
    let (kept, named) = kept(storage, log, newest).await?;
    if let Some(missing) = (kept..newest).chain(named.clone()).find(|seq| numbers.binary_search(seq).is_err()) {
        faults.push(format!("commit {missing} is missing, commit {newest} is there"));
    }
    let mut records = futures::stream::iter(numbers.iter().copied())
        .map(|seq| async move { (seq, log.get(seq).await) })
        .buffered(PARALLEL_READS);
    let (mut before, mut catalogs, mut history) = (None::<CommitRecord>, BTreeMap::new(), BTreeMap::new());
    while let Some((seq, record)) = records.next().await {
        match record {
            Ok(Some(record)) => {
                follows(&record, seq, before.as_ref(), &mut faults);
                catalogs.insert(record.catalog.clone(), seq);
                // What is left of a commit that was given up may lack its tables.
                for entry in record.tables.iter().filter(|_| seq >= kept || named.contains(&seq)) {
                    let known: &mut Vec<u64> = history.entry(entry.id).or_default();
                    if known.last() != Some(&entry.version) {
                        known.push(entry.version);
                    }
                }
                before = Some(record);
            }
            Ok(None) => faults.push(format!("commit {seq} went while it was looked at")),
            Err(error) => faults.push(text_of(&error)),
        }
    }
    drop(records);
    let oldest = numbers.first().copied().unwrap_or(newest);
    for fault in &faults {
        report.bad("log", fault.clone());
    }
    if faults.is_empty() {
        let records = counted(numbers.len(), "record");
        report.good("log", format!("{records}, commits {oldest} to {newest}"));
    }
    let catalog = check_catalogs(storage, &catalogs, report).await;
    let Some((newest, catalog)) = before.filter(|record| record.seq == newest).zip(catalog) else { return Ok(None) };
    Ok(Some(Head { newest, catalog: Arc::new(catalog), history }))
}

/// The oldest commit that is kept, and those that are because they have a name.
async fn kept(storage: &Storage, log: &CommitLog, newest: u64) -> Result<(u64, BTreeSet<u64>)> {
    // That the newest record or its catalog cannot be read is found, and told, below.
    let record = log.get(newest).await.ok().flatten();
    let catalog = match &record {
        Some(record) => storage.read_catalog(&record.catalog).await.ok(),
        None => None,
    };
    Ok(catalog.map_or((1, BTreeSet::new()), |catalog| {
        let named = catalog.snapshots.values().map(|named| named.seq).collect();
        (catalog.oldest_kept.max(1), named)
    }))
}

/// Whether a record may stand where it stands.
fn follows(record: &CommitRecord, seq: u64, before: Option<&CommitRecord>, faults: &mut Vec<String>) {
    if record.seq != seq {
        faults.push(format!("the record of commit {seq} says it is commit {}", record.seq));
    }
    for redo in &record.redo {
        let version = record.tables.iter().find(|entry| entry.id == redo.id).map(|entry| entry.version);
        if version != Some(redo.version) {
            faults.push(format!("commit {seq} redoes another version of \"{}\" than it names", redo.directory));
        }
    }
    let Some(before) = before else { return };
    if record.timestamp <= before.timestamp {
        faults.push(format!("commit {seq} is not later than commit {}", before.seq));
    }
    if record.epoch < before.epoch {
        faults.push(format!("commit {seq} was made by an older writer than commit {}", before.seq));
    }
    for entry in &record.tables {
        let earlier = before.tables.iter().find(|earlier| earlier.id == entry.id);
        if earlier.is_some_and(|earlier| earlier.version > entry.version) {
            faults.push(format!("commit {seq} takes table \"{}\" back to version {}", entry.table, entry.version));
        }
    }
}

/// Reads every catalog that a record names; gives the newest.
async fn check_catalogs(
    storage: &Storage,
    catalogs: &BTreeMap<String, u64>,
    report: &mut CheckReport,
) -> Option<Catalog> {
    let newest = catalogs.iter().max_by_key(|(_, seq)| **seq).map(|(name, _)| name.clone())?;
    let (mut in_force, mut sound) = (None, true);
    for name in catalogs.keys() {
        match storage.read_catalog(name).await {
            Ok(catalog) if *name == newest => in_force = Some(catalog),
            Ok(_) => {}
            Err(error) => {
                report.bad("catalog", text_of(&error));
                sound = false;
            }
        }
    }
    if sound && let Some(catalog) = &in_force {
        let (tables, graphs) = (counted(catalog.tables.len(), "table"), counted(catalog.graphs.len(), "graph"));
        report.good("catalog", format!("{tables}, {graphs}, {}", counted(catalogs.len(), "record")));
    }
    in_force
}
