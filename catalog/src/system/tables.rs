//! `slipstream.tables`.

use std::sync::Arc;

use async_trait::async_trait;
use slipstream_engine::Result;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::snapshot::Snapshot;

use crate::metadata::{RowSource, Rows};

/// Tables at one snapshot.
pub(super) struct Tables {
    snapshot: Arc<Snapshot>,
}

impl Tables {
    pub(super) fn new(snapshot: &Arc<Snapshot>) -> Self {
        Tables { snapshot: Arc::clone(snapshot) }
    }
}

#[async_trait]
impl RowSource for Tables {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        // A table that this transaction has made has no version yet.
        let stored = |table: &&Arc<TableDefinition>| self.snapshot.versions.contains_key(&table.id);
        for table in self.snapshot.catalog.tables.values().filter(stored) {
            let count = if rows.wants("rows") { self.snapshot.open(table).await?.count_rows().await? } else { 0 };
            rows.add()
                .set("name", table.name.clone())
                .set("oid", table.oid)
                .set("id", table.id.0)
                .set("version", self.snapshot.version(table)? as i64)
                .set("rows", count as i64)
                .set("directory", table.directory.clone())
                .set("primary_key", table.primary_key.clone());
        }
        Ok(())
    }
}
