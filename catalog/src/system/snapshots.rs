//! `slipstream.snapshots`.

use std::sync::Arc;

use async_trait::async_trait;
use slipstream_engine::Result;
use slipstream_engine::snapshot::Snapshot;

use crate::metadata::{RowSource, Rows};

/// The named snapshots that one snapshot knows.
pub(super) struct Snapshots {
    snapshot: Arc<Snapshot>,
}

impl Snapshots {
    pub(super) fn new(snapshot: &Arc<Snapshot>) -> Self {
        Snapshots { snapshot: Arc::clone(snapshot) }
    }
}

#[async_trait]
impl RowSource for Snapshots {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        for (name, named) in &self.snapshot.catalog.snapshots {
            rows.add()
                .set("name", name.clone())
                .set("seq", named.seq as i64)
                .set("timestamp", named.timestamp.timestamp_micros())
                .set("created", named.created.timestamp_micros());
        }
        Ok(())
    }
}
