//! The door to Lance: every use of the `lance` crates is in this module.
//!
//! * [`table`] is a table at one version: scans, counts, look-ups by key, and what changed since an older version.
//! * [`staging`] writes rows that nobody sees yet ([`StagedWrite`], [`StagedLoad`]).
//! * [`publishing`] turns a staged write into exactly the version its commit record names.
//! * [`index_build`] writes what the indexes of tables hold, by the recipes of [`index_recipe`].
//! * [`key_index`] finds rows by unique key in memory.
//! * [`folding`] keeps the number of small fragments down, [`compaction`] makes few large ones of many.
//! * `tags` names versions for other programs, `removal` deletes versions.
//! * `vector_index` searches the indexes of vectors, `text_index` those of words and substrings.
//! * [`root`] is how Lance reaches the root of the database.
//! * [`layout`] is how SQL types that Lance lacks are kept.
//!
//! Datasets are opened by the version in the map, never as "latest", and share one Lance session (its caches).

pub(crate) mod compaction;
mod folding;
pub mod index_build;
pub mod index_recipe;
pub mod key_index;
mod layout;
mod publishing;
mod removal;
mod root;
mod row_mask;
mod scan;
pub mod staging;
pub mod table;
mod tags;
mod text_index;
mod vector_index;

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::TryStreamExt;
use lance::dataset::builder::DatasetBuilder;
use lance::session::Session;
use lance_io::object_store::ObjectStore;
use lance_table::io::commit::{CommitHandler, ConditionalPutCommitHandler};
use object_store::path::Path;
use parking_lot::Mutex;

use crate::catalog::{TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{Durability, Storage};

pub use index_build::{BuildProgress, Coverage, StagedIndex};
pub use key_index::{KeyHash, KeyIndexes};
pub use publishing::Attempt;
pub use scan::LanceScan;
pub use staging::{StagedLoad, StagedWrite};
pub use table::{ScanRequest, TableVersion};
pub use text_index::{BestRequest, TextPart, TextStatistics};
pub use vector_index::{NearestRequest, SearchEffort};

/// Bytes of Lance's index cache.
const INDEX_CACHE_BYTES: usize = 512 << 20;
/// Bytes of Lance's metadata cache.
const METADATA_CACHE_BYTES: usize = 256 << 20;
/// Open table versions kept for reuse.
const OPEN_VERSIONS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// All tables of one database.
pub struct Store {
    storage: Storage,
    durability: Durability,
    session: Arc<Session>,
    open: Mutex<lru::LruCache<(TableId, u64), Arc<TableVersion>>>,
    keys: KeyIndexes,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("storage", &self.storage).finish_non_exhaustive()
    }
}

impl Store {
    /// The tables below `storage`.
    pub fn new(storage: Storage, durability: Durability) -> Arc<Self> {
        let session = Session::new(INDEX_CACHE_BYTES, METADATA_CACHE_BYTES, root::registry(&storage));
        Arc::new(Store {
            storage,
            durability,
            session: Arc::new(session),
            open: Mutex::new(lru::LruCache::new(OPEN_VERSIONS)),
            keys: KeyIndexes::default(),
        })
    }

    /// Opens a table at a version. [`ErrorKind::Storage`] where that version is not there.
    pub async fn open(self: &Arc<Self>, definition: &Arc<TableDefinition>, version: u64) -> Result<Arc<TableVersion>> {
        let known = self.open.lock().get(&(definition.id, version)).cloned();
        if let Some(table) = known {
            let same = Arc::ptr_eq(table.definition(), definition) || table.definition() == definition;
            return Ok(if same { table } else { self.remember(table.defined_as(definition)) });
        }
        let dataset = self.dataset(&definition.directory).with_version(version).load().await.map_err(|error| {
            failed(&format!("open table \"{}\" at version {version}", definition.name), &error)
                .on_table(&definition.name)
        })?;
        Ok(self.remember(TableVersion::new(Arc::clone(self), Arc::clone(definition), dataset)))
    }

    /// The newest version that anybody made of a table; 0 where there is no dataset yet. Says nothing of its contents.
    pub async fn latest_version(&self, directory: &str) -> Result<u64> {
        let looking = |error: &lance::Error| failed(&format!("look for versions of \"{directory}\""), error);
        let (store, path) = self.place(directory).await?;
        match ConditionalPutCommitHandler.resolve_latest_location(&path, &store).await {
            Ok(location) => Ok(location.version),
            Err(lance::Error::DatasetNotFound { .. } | lance::Error::NotFound { .. }) => Ok(0),
            Err(error) => Err(looking(&error)),
        }
    }

    /// The versions that there are of a table, in order.
    pub(crate) async fn versions(&self, directory: &str) -> Result<Vec<u64>> {
        let (store, path) = self.place(directory).await?;
        let listing = ConditionalPutCommitHandler.list_manifest_locations(&path, &store, false);
        let found = listing.map_ok(|location| location.version).try_collect::<Vec<u64>>().await;
        let mut versions = match found {
            Ok(versions) => versions,
            Err(lance::Error::DatasetNotFound { .. } | lance::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(failed(&format!("look for versions of \"{directory}\""), &error)),
        };
        versions.sort_unstable();
        Ok(versions)
    }

    /// Where Lance has a dataset.
    async fn place(&self, directory: &str) -> Result<(Arc<ObjectStore>, Path)> {
        let uri = self.storage.table_uri(directory);
        ObjectStore::from_uri_and_params(self.session.store_registry(), &uri, &Default::default())
            .await
            .map_err(|error| failed(&format!("reach \"{directory}\""), &error))
    }

    /// Opens a dataset in our session.
    fn dataset(&self, directory: &str) -> DatasetBuilder {
        DatasetBuilder::from_uri(self.storage.table_uri(directory))
            .with_session(Arc::clone(&self.session))
            .with_commit_handler(Arc::new(ConditionalPutCommitHandler))
    }

    /// Lets go of every open table.
    pub fn close(&self) {
        self.open.lock().clear();
    }

    fn remember(&self, table: TableVersion) -> Arc<TableVersion> {
        let table = Arc::new(table);
        self.open.lock().put((table.definition().id, table.version()), Arc::clone(&table));
        table
    }

    /// The key indexes of the tables.
    pub fn keys(&self) -> &KeyIndexes {
        &self.keys
    }
}

/// A failed Lance operation in words for people. Lance's own text carries its source file and line, which are cut off.
fn failed(action: &str, error: &lance::Error) -> Error {
    let kind = match error {
        lance::Error::NotSupported { .. } => ErrorKind::NotSupported,
        _ => ErrorKind::Storage,
    };
    tracing::debug!(error = %error, action, "lance refused");
    let text = error.to_string();
    let cause = text.split(", /").next().unwrap_or_default().split(", rust/").next().unwrap_or_default();
    Error::new(kind, format!("cannot {action}")).with_detail(cause.trim().to_string())
}

/// The newest version of a table, for a program that knows nothing of this database.
#[cfg(test)]
async fn open_as_a_stranger(tables: &std::path::Path, table: &str) -> lance::Dataset {
    let folders = std::fs::read_dir(tables).expect("there are tables");
    let found = folders.flatten().find(|folder| folder.file_name().to_string_lossy().starts_with(&format!("{table}-")));
    let path = found.expect("the table is there").path();
    lance::Dataset::open(&path.to_string_lossy()).await.expect("a stranger may read")
}

/// The number of the newest version of a table.
#[cfg(test)]
pub(crate) async fn newest_of_a_stranger(tables: &std::path::Path, table: &str) -> u64 {
    open_as_a_stranger(tables, table).await.version().version
}

/// Deletes rows of a table as a program that knows nothing of this database would.
#[cfg(test)]
pub(crate) async fn delete_as_a_stranger(tables: &std::path::Path, table: &str, rows: &str) {
    open_as_a_stranger(tables, table).await.delete(rows).await.expect("a stranger may write");
}

/// Makes an older version the newest one as a program that knows nothing of this database would.
#[cfg(test)]
pub(crate) async fn restore_as_a_stranger(tables: &std::path::Path, table: &str, version: u64) {
    let dataset = open_as_a_stranger(tables, table).await;
    let mut older = dataset.checkout_version(version).await.expect("a stranger may read");
    older.restore().await.expect("a stranger may write");
}

/// Writes to a table as a program that knows nothing of this database would.
#[cfg(test)]
pub(crate) async fn append_as_a_stranger(table: &TableVersion, rows: arrow::array::RecordBatch) {
    let parameters = lance::dataset::WriteParams { mode: lance::dataset::WriteMode::Append, ..Default::default() };
    lance::dataset::InsertBuilder::new(table.dataset.uri())
        .with_params(&parameters)
        .execute(vec![rows])
        .await
        .expect("a stranger may write");
}
