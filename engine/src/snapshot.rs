//! A snapshot: one published version of the whole database.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::catalog::{Catalog, TableDefinition, TableId};
use crate::error::{Error, Result};
use crate::store::{Store, TableVersion};

/// One published version of the database: the catalog and the Lance version of every table. Cheap to clone by `Arc`.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Sequence number of the commit that made it.
    pub seq: u64,
    /// Transaction id of that commit.
    pub tx_id: Uuid,
    /// Time of that commit.
    pub timestamp: DateTime<Utc>,
    /// Name of the catalog record in force.
    pub catalog_record: String,
    /// The catalog in force.
    pub catalog: Arc<Catalog>,
    /// Lance version by table.
    pub versions: BTreeMap<TableId, u64>,
    pub(crate) store: Arc<Store>,
}

impl Snapshot {
    /// The table of that name, opened at this snapshot's version; `42P01` where there is none.
    pub async fn table(&self, name: &str) -> Result<Arc<TableVersion>> {
        let definition = Arc::clone(self.catalog.table(name)?);
        self.open(&definition).await
    }

    /// A table of this snapshot's catalog, opened at this snapshot's version.
    pub async fn open(&self, definition: &Arc<TableDefinition>) -> Result<Arc<TableVersion>> {
        self.store.open(definition, self.version(definition)?).await
    }

    /// The Lance version of a table of this snapshot's catalog.
    pub fn version(&self, definition: &TableDefinition) -> Result<u64> {
        self.versions.get(&definition.id).copied().ok_or_else(|| {
            Error::internal(format!("table \"{}\" has no version in snapshot {}", definition.name, self.seq))
        })
    }
}
