//! A commit whose table versions another program has taken.
//!
//! Between the record of a commit and the versions that it names, a program that knows nothing of the record can write to one of
//! the tables. The commit has happened and its version number is gone, so a server neither finishes it nor opens. The way out:
//! the commit's staged write is put on top of what the other program wrote, as Lance does with writers that know of each
//! other, and a record names the version that comes out. Where both have changed the same rows, or keys or references do not
//! hold with both, nothing is recorded, and people decide: they take rows of the other program out, or restore the version that
//! the commit started from.
//!
//! It may be stopped anywhere and run again: a version that the commit's own write has made is known by its transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CheckOptions, CheckReport, adopt, name_of, tables, text_of};
use crate::catalog::{Catalog, TableId};
use crate::error::{ErrorKind, Result};
use crate::log::{CommitLog, CommitRecord};
use crate::store::{Attempt, StagedWrite, Store};
use crate::transaction::recovery::from_hex;

/// Finishes the newest commit on top of what others have written meanwhile. The report is sound where there is nothing left to
/// do.
pub(super) async fn finish(
    options: &CheckOptions,
    store: &Arc<Store>,
    log: &CommitLog,
    report: &mut CheckReport,
) -> Result<()> {
    let Some(record) = log.newest().await? else { return Ok(()) };
    let catalog = options.storage.read_catalog(&record.catalog).await?;
    let overtaken = overtaken(store, &catalog, &record).await?;
    if overtaken.is_empty() {
        return Ok(());
    }
    let mut versions: BTreeMap<TableId, u64> = record.tables.iter().map(|entry| (entry.id, entry.version)).collect();
    let mut settled = Vec::new();
    for write in &overtaken {
        let name = name_of(&write.table);
        match store.publish_on_top(write).await {
            Ok(()) => {
                let newest = store.latest_version(&write.table.directory).await?;
                versions.insert(write.table.id, newest);
                settled.push((Arc::clone(&write.table), newest));
            }
            Err(error) => {
                let (seq, version, cause) = (record.seq, write.version(), text_of(&error));
                let text = format!("commit {seq} does not go on top of version {version} of another program: {cause}");
                report.bad(&name, text);
                let way_out = format!("restore version {} of it with that program, and adopt again", write.base);
                report.note(&name, way_out);
            }
        }
    }
    if report.is_sound() {
        tables::contents(store, &catalog, &versions, report).await;
    }
    if !report.is_sound() {
        report.note("adopt", "nothing was taken in");
        return Ok(());
    }
    report.findings.clear();
    let taken_in = adopt::take_in(store, log, &catalog, &settled, &versions).await?;
    for (table, version) in &settled {
        let text = format!(
            "commit {} stands at version {version}, behind rows of another program, by commit {}",
            record.seq, taken_in.seq
        );
        report.good(name_of(table), text);
    }
    Ok(())
}

/// The writes of a commit whose version somebody else has made. The others are made.
async fn overtaken(store: &Arc<Store>, catalog: &Catalog, record: &CommitRecord) -> Result<Vec<StagedWrite>> {
    let mut overtaken = Vec::new();
    for redo in &record.redo {
        let Some(table) = catalog.tables.get(&redo.id) else { continue };
        let write = StagedWrite::decode(Arc::clone(table), &from_hex(&redo.transaction)?)?;
        match store.publish(&write, Attempt::Again).await {
            Ok(version) => store.sync_before_record(&[version], &[], None).await?,
            Err(error) if error.kind() == ErrorKind::ForeignChange => overtaken.push(write),
            Err(error) => return Err(error),
        }
    }
    Ok(overtaken)
}
