//! Takes in table versions that another program made.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::{CheckOptions, CheckReport, name_of, overtaken, refuse_nothing, tables, text_of};
use crate::catalog::{Catalog, TableDefinition, TableId};
use crate::error::{Error, Result};
use crate::graph_set::GraphSet;
use crate::lock::Lock;
use crate::log::{CommitLog, CommitRecord};
use crate::snapshot::Snapshot;
use crate::storage::Durability;
use crate::store::Store;
use crate::transaction::prepare::version_map;
use crate::transaction::recovery::recover;

/// Makes table versions of other programs part of the database, in one commit, if schema, keys and references hold with
/// them; otherwise nothing is taken in, and the report says why. No server may run meanwhile.
pub async fn adopt(options: &CheckOptions) -> Result<CheckReport> {
    let _lock = Lock::take(&options.local)?;
    refuse_nothing(&options.storage).await?;
    let store = Store::new(options.storage.clone(), Durability::Full);
    let log = CommitLog::of(&options.storage);
    let mut report = CheckReport::default();
    // Whatever is committed and not finished comes first.
    overtaken::finish(options, &store, &log, &mut report).await?;
    if !report.is_sound() {
        return Ok(report);
    }
    let finished = std::mem::take(&mut report.findings);
    let head = recover(&options.storage, &store, &log, None).await?.snapshot;
    let foreign = foreign_versions(&store, &head).await?;
    if foreign.is_empty() {
        report.findings = finished;
        match report.findings.is_empty() {
            true => report.good("tables", "no other program has made versions of them"),
            false => bring_graphs_along(options, &head, &mut report).await,
        }
        return Ok(report);
    }
    let mut versions = head.versions.clone();
    versions.extend(foreign.iter().map(|(table, version)| (table.id, *version)));
    tables::contents(&store, &head.catalog, &versions, &mut report).await;
    if !report.is_sound() {
        report.note("adopt", "nothing was taken in");
        return Ok(report);
    }
    report.findings = finished;
    let record = take_in(&store, &log, &head.catalog, &foreign, &versions).await?;
    for (table, version) in &foreign {
        let from = head.versions.get(&table.id).copied().unwrap_or(0);
        report.good(name_of(table), format!("taken in at version {version}, was at {from}, by commit {}", record.seq));
    }
    note_unchecked(&foreign, &mut report);
    let snapshot = Snapshot {
        seq: record.seq,
        tx_id: record.tx_id,
        timestamp: record.timestamp,
        catalog_record: record.catalog.clone(),
        catalog: Arc::clone(&head.catalog),
        versions,
        store: Arc::clone(&store),
    };
    bring_graphs_along(options, &snapshot, &mut report).await;
    store.close();
    Ok(report)
}

/// Tables with versions that the log does not know, and the newest of those.
async fn foreign_versions(store: &Arc<Store>, head: &Snapshot) -> Result<Vec<(Arc<TableDefinition>, u64)>> {
    let mut foreign = Vec::new();
    for (id, version) in &head.versions {
        let Some(table) = head.catalog.tables.get(id) else { continue };
        let newest = store.latest_version(&table.directory).await?;
        if newest > *version {
            foreign.push((Arc::clone(table), newest));
        }
    }
    Ok(foreign)
}

/// Writes the record that names the new versions.
pub(super) async fn take_in(
    store: &Arc<Store>,
    log: &CommitLog,
    catalog: &Catalog,
    foreign: &[(Arc<TableDefinition>, u64)],
    versions: &BTreeMap<TableId, u64>,
) -> Result<CommitRecord> {
    let newest = log.newest().await?.ok_or_else(|| Error::internal("the log is empty after recovery"))?;
    for (table, version) in foreign {
        // The other program need not have cared whether its files survive a power cut.
        store.sync_version(&*store.open(table, *version).await?).await?;
    }
    let adopted = foreign.iter().map(|(table, version)| format!("{} at version {version}", name_of(table)));
    let record = CommitRecord {
        seq: newest.seq + 1,
        tx_id: Uuid::now_v7(),
        timestamp: Utc::now().max(newest.timestamp + TimeDelta::microseconds(1)),
        tables: version_map(catalog, versions),
        notes: Some(format!("adopted {}", adopted.collect::<Vec<_>>().join(", "))),
        members: Vec::new(),
        redo: Vec::new(),
        ..newest
    };
    log.append(&record).await?;
    Ok(record)
}

fn note_unchecked(foreign: &[(Arc<TableDefinition>, u64)], report: &mut CheckReport) {
    for (table, _) in foreign.iter().filter(|(table, _)| !table.checks.is_empty()) {
        let names: Vec<&str> = table.checks.iter().map(|check| check.name.as_str()).collect();
        report.note(name_of(table), format!("CHECK constraints were not looked at: {}", names.join(", ")));
    }
}

async fn bring_graphs_along(options: &CheckOptions, snapshot: &Snapshot, report: &mut CheckReport) {
    let graphs = GraphSet::new(&options.local, Arc::clone(&options.index));
    match graphs.follow(&snapshot.catalog).await {
        Ok(opened) => {
            for graph in opened {
                let object = format!("graph {}", graph.definition.name);
                match graph.bring_forward(snapshot).await {
                    Ok(()) => report.good(object, "its index was brought along"),
                    Err(error) => report.note(object, format!("its index is left to a server: {}", text_of(&error))),
                }
            }
        }
        Err(error) => report.note("graphs", format!("indexes are left to a server: {}", text_of(&error))),
    }
    graphs.close().await;
}
