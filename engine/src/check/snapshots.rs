//! Checks named snapshots: their commits, the table versions that they hold, and their tags.

use std::sync::Arc;

use super::{CheckReport, counted, name_of, text_of};
use crate::catalog::NamedSnapshot;
use crate::error::{Error, Result};
use crate::log::CommitLog;
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::Store;

/// Checks every snapshot that the newest catalog names.
pub(super) async fn check(storage: &Storage, log: &CommitLog, newest: &Snapshot, report: &mut CheckReport) {
    for (name, named) in &newest.catalog.snapshots {
        let object = format!("snapshot {name}");
        match check_one(storage, log, &newest.store, name, named).await {
            Ok(Found { tables, untagged }) => {
                for table in untagged {
                    report.note(
                        &object,
                        format!("its tag is missing in {table}, and made when a server opens the database"),
                    );
                }
                report.good(object, format!("commit {}, {}", named.seq, counted(tables, "table")));
            }
            Err(error) => report.bad(object, text_of(&error)),
        }
    }
}

/// What there is of a snapshot.
struct Found {
    tables: usize,
    /// Tables without its tag.
    untagged: Vec<String>,
}

async fn check_one(
    storage: &Storage,
    log: &CommitLog,
    store: &Arc<Store>,
    name: &str,
    named: &NamedSnapshot,
) -> Result<Found> {
    let record = log.get(named.seq).await?;
    let record = record.ok_or_else(|| Error::storage(format!("the record of commit {} is missing", named.seq)))?;
    let catalog = storage.read_catalog(&record.catalog).await?;
    let mut untagged = Vec::new();
    for entry in &record.tables {
        let missing = || Error::storage(format!("table \"{}\" is missing in its catalog", entry.table));
        let table = catalog.tables.get(&entry.id).ok_or_else(missing)?;
        if store.versions(&table.directory).await?.binary_search(&entry.version).is_err() {
            return Err(Error::storage(format!("version {} of {} is gone", entry.version, name_of(table))));
        }
        if !store.tags(&table.directory).await?.contains(&NamedSnapshot::tag(name)) {
            untagged.push(name_of(table));
        }
    }
    Ok(Found { tables: record.tables.len(), untagged })
}
