//! `slipstream.commits`.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use slipstream_engine::log::CommitRecord;
use slipstream_engine::snapshot::Snapshot;
use slipstream_engine::{Database, Error, Result};

use crate::metadata::{RowSource, Rows};

/// The log up to one snapshot.
pub(super) struct Commits {
    database: Arc<Database>,
    snapshot: Arc<Snapshot>,
}

impl Commits {
    pub(super) fn new(database: &Arc<Database>, snapshot: &Arc<Snapshot>) -> Self {
        Commits { database: Arc::clone(database), snapshot: Arc::clone(snapshot) }
    }
}

#[async_trait]
impl RowSource for Commits {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        // The log is read from its head, which may have moved on since this snapshot.
        let later = self.database.snapshot().seq.saturating_sub(self.snapshot.seq);
        let wanted = rows.limit().map_or(usize::MAX, |limit| limit.saturating_add(later as usize));
        let records = self.database.commits(wanted).await?;
        for record in records.iter().filter(|record| record.seq <= self.snapshot.seq) {
            rows.add()
                .set("seq", record.seq as i64)
                .set("tx_id", record.tx_id)
                .set("timestamp", record.timestamp.timestamp_micros())
                .set("epoch", record.epoch as i64)
                .set("tables", versions(record)?)
                .set("notes", record.notes.clone());
        }
        Ok(())
    }
}

/// A table's entry as a client sees it: by name, as in the version-map event.
#[derive(Serialize)]
struct Entry<'a> {
    table: &'a str,
    version: u64,
}

fn versions(record: &CommitRecord) -> Result<String> {
    let entries: Vec<_> =
        record.tables.iter().map(|entry| Entry { table: &entry.table, version: entry.version }).collect();
    serde_json::to_string(&entries).map_err(|error| Error::internal(format!("cannot write a version map: {error}")))
}
