//! Recovery: from wherever a writer stopped to its newest record.
//!
//! 1. The newest record is the truth, and is synced before anything is built on it; what was staged for a later one is
//!    unreferenced files.
//! 2. A table below the record's version is redone from the record; a table above it was changed by a stranger.
//! 3. A record with a new epoch is created: an older writer that still runs fails at its next commit.
//! 4. Each graph index is believed only in what it says of itself, and brought to the snapshot from Lance.
//!
//! Running it twice, or stopping it anywhere and running it again, gives the same database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::kernel::place::{Place, time};
use super::kernel::table::{Recovery, is_foreign, recovery};
use super::prepare::version_map;
use super::{CommitObserver, RecoveryStep};
use crate::catalog::{Catalog, TableDefinition};
use crate::error::{Error, Result};
use crate::log::record::RECORD_FORMAT;
use crate::log::{CommitLog, CommitRecord, SequenceEntry, TableRedo};
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::{Attempt, StagedWrite, Store};

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
pub(crate) async fn recover(
    storage: &Storage,
    store: &Arc<Store>,
    log: &CommitLog,
    observer: Option<&dyn CommitObserver>,
) -> Result<Recovered> {
    let done = |step| observer.map_or(Ok(()), |observer| observer.recovered(step));
    let newest = log.newest().await?;
    let mut report = RecoveryReport::default();
    if let Some(record) = &newest {
        report.found_seq = record.seq;
        log.sync(storage, record.seq).await?;
    }
    done(RecoveryStep::SyncRecord)?;
    let catalog = match &newest {
        Some(record) => storage.read_catalog(&record.catalog).await?,
        None => Catalog::default(),
    };
    if let Some(record) = &newest {
        recover_tables(store, &catalog, record, &mut report).await?;
    }
    done(RecoveryStep::RedoTables)?;
    let recovered = take_epoch(storage, store, log, newest, catalog).await?;
    done(RecoveryStep::TakeEpoch)?;
    Ok(Recovered { report, ..recovered })
}

/// Brings every table to the version that the record names.
async fn recover_tables(
    store: &Arc<Store>,
    catalog: &Catalog,
    record: &CommitRecord,
    report: &mut RecoveryReport,
) -> Result<()> {
    for entry in &record.tables {
        let Some(definition) = catalog.tables.get(&entry.id) else { continue };
        let redo = record.redo.iter().find(|redo| redo.id == entry.id);
        let newest = store.latest_version(&definition.directory).await?;
        match (recovery(entry.version, newest, redo.is_some()), redo) {
            (Recovery::Redo, Some(redo)) => {
                repeat(store, definition, redo).await?;
                report.redone.push(format!("{}@{}", redo.directory, redo.version));
            }
            // Publishing what is there already only makes sure, by its transaction, that this commit made it.
            (Recovery::Confirm, Some(redo)) => repeat(store, definition, redo).await?,
            (Recovery::Nothing, _) => {}
            (Recovery::FilesMissing | Recovery::Redo | Recovery::Confirm, _) => {
                return Err(Error::storage(format!(
                    "table \"{}\" is at version {newest}, the commit record says {}",
                    entry.table, entry.version
                ))
                .with_hint("Files of the data directory are missing; restore them from a backup."));
            }
        }
        if is_foreign(entry.version, newest) {
            report.foreign.push(entry.table.clone());
        }
    }
    Ok(())
}

/// Repeats one staged write.
async fn repeat(store: &Arc<Store>, definition: &Arc<TableDefinition>, redo: &TableRedo) -> Result<()> {
    let write = StagedWrite::decode(Arc::clone(definition), &from_hex(&redo.transaction)?)?;
    let published = store.publish(&write, Attempt::Again).await?;
    store.sync_before_record(&[published], &[], None).await
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
    let place = newest.as_ref().map(|record| Place { seq: record.seq, epoch: record.epoch });
    let Place { seq, epoch } = Place::taken_over(place);
    let timestamp = time(Utc::now(), newest.as_ref().map(|record| record.timestamp), TimeDelta::microseconds(1));
    let entries = newest.iter().flat_map(|record| &record.tables);
    let versions: BTreeMap<_, _> = entries.map(|entry| (entry.id, entry.version)).collect();
    let sequences = newest.as_ref().map(|record| record.sequences.clone()).unwrap_or_default();
    let catalog_record = match newest {
        Some(record) => record.catalog,
        None => storage.write_catalog(seq, tx_id, &catalog).await?,
    };
    let record = CommitRecord {
        format: RECORD_FORMAT,
        seq,
        tx_id,
        timestamp,
        epoch,
        tables: version_map(&catalog, &versions),
        catalog: catalog_record,
        notes: Some("opened for writing".into()),
        members: Vec::new(),
        sequences: sequences.clone(),
        redo: Vec::new(),
    };
    log.append(&record).await?;
    log.remove_all_ahead().await?;
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
