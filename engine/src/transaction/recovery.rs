//! Recovery: from wherever a writer stopped to its newest record.
//!
//! 1. The newest record is the truth; what was staged for a later one is unreferenced files.
//! 2. A table below the record's version is redone from the record; a table above it was changed by a stranger.
//! 3. A record with a new epoch is created: an older writer that still runs fails at its next commit.
//! 4. Each graph index is believed only in what it says of itself, and brought to the snapshot from Lance.
//!
//! Running it twice, or stopping it anywhere and running it again, gives the same database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::prepare::version_map;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::log::record::RECORD_FORMAT;
use crate::log::{CommitLog, CommitRecord, SequenceEntry, TableRedo};
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::{StagedWrite, Store};

/// What recovery found and did, for the log and for tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The commit that the database was left at; 0 for a new one.
    pub found_seq: u64,
    /// Tables that were redone, as `name@version`.
    pub redone: Vec<String>,
    /// Tables that somebody else has written to since.
    pub foreign: Vec<String>,
}

/// A database as recovery leaves it.
pub(crate) struct Recovered {
    /// The snapshot that is published first.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The epoch of this writer.
    pub(crate) epoch: u64,
    /// How far the sequences may have counted.
    pub(crate) sequences: Vec<SequenceEntry>,
    pub(crate) report: RecoveryReport,
}

/// Brings the tables to the newest record and takes the next epoch.
pub(crate) async fn recover(storage: &Storage, store: &Arc<Store>, log: &CommitLog) -> Result<Recovered> {
    let newest = log.newest().await?;
    let mut report = RecoveryReport::default();
    let catalog = match &newest {
        Some(record) => storage.read_catalog(&record.catalog).await?,
        None => Catalog::default(),
    };
    if let Some(record) = &newest {
        report.found_seq = record.seq;
        for redo in &record.redo {
            if redo_table(store, &catalog, redo).await? {
                report.redone.push(format!("{}@{}", redo.directory, redo.version));
            }
        }
        report.foreign = foreign_tables(store, &catalog, record).await?;
    }
    let recovered = take_epoch(storage, store, log, newest, catalog).await?;
    Ok(Recovered { report, ..recovered })
}

/// Repeats one staged write where its version is missing.
async fn redo_table(store: &Arc<Store>, catalog: &Catalog, redo: &TableRedo) -> Result<bool> {
    let Some(definition) = catalog.tables.get(&redo.id) else { return Ok(false) };
    let present = store.latest_version(&redo.directory).await? >= redo.version;
    // Publishing what is there already only makes sure, by its transaction, that this commit made it.
    let write = StagedWrite::decode(Arc::clone(definition), &from_hex(&redo.transaction)?)?;
    let published = store.publish(&write).await?;
    store.sync_published(&published).await?;
    Ok(!present)
}

/// Tables whose dataset is ahead of the version map.
async fn foreign_tables(store: &Arc<Store>, catalog: &Catalog, record: &CommitRecord) -> Result<Vec<String>> {
    let mut foreign = Vec::new();
    for entry in &record.tables {
        let Some(definition) = catalog.tables.get(&entry.id) else { continue };
        let latest = store.latest_version(&definition.directory).await?;
        if latest < entry.version {
            return Err(Error::storage(format!(
                "table \"{}\" is at version {latest}, the commit record says {}",
                entry.table, entry.version
            ))
            .with_hint("Files of the data directory are missing; restore them from a backup."));
        }
        if latest > entry.version {
            foreign.push(entry.table.clone());
        }
    }
    Ok(foreign)
}

/// Creates a record that changes nothing but the epoch.
async fn take_epoch(
    storage: &Storage,
    store: &Arc<Store>,
    log: &CommitLog,
    newest: Option<CommitRecord>,
    catalog: Catalog,
) -> Result<Recovered> {
    let tx_id = Uuid::now_v7();
    let (seq, epoch, earliest, versions) = match &newest {
        Some(record) => {
            let versions: BTreeMap<_, _> = record.tables.iter().map(|entry| (entry.id, entry.version)).collect();
            (record.seq + 1, record.epoch + 1, record.timestamp + TimeDelta::microseconds(1), versions)
        }
        None => (1, 1, Utc::now(), BTreeMap::new()),
    };
    let sequences = newest.as_ref().map(|record| record.sequences.clone()).unwrap_or_default();
    let catalog_record = match newest {
        Some(record) => record.catalog,
        None => storage.write_catalog(seq, tx_id, &catalog).await?,
    };
    let record = CommitRecord {
        format: RECORD_FORMAT,
        seq,
        tx_id,
        timestamp: Utc::now().max(earliest),
        epoch,
        tables: version_map(&catalog, &versions),
        catalog: catalog_record,
        notes: Some("opened for writing".into()),
        members: Vec::new(),
        sequences: sequences.clone(),
        redo: Vec::new(),
    };
    log.append(&record).await?;
    let snapshot = Arc::new(Snapshot {
        seq,
        tx_id,
        timestamp: record.timestamp,
        catalog_record: record.catalog,
        catalog: Arc::new(catalog),
        versions,
        store: Arc::clone(store),
    });
    Ok(Recovered { snapshot, epoch, sequences, report: RecoveryReport::default() })
}

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)] as char, DIGITS[usize::from(byte & 15)] as char])
        .collect()
}

/// Bytes from hexadecimal digits.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>> {
    let damaged = || Error::storage("the redo in a commit record is damaged");
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8).ok_or_else(damaged);
    if !text.len().is_multiple_of(2) {
        return Err(damaged());
    }
    text.as_bytes().chunks(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&to_hex(&bytes)).unwrap(), bytes);
        assert!(from_hex("0g").is_err());
        assert!(from_hex("0").is_err());
    }
}
