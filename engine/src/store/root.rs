//! How Lance reaches the root of a database.
//!
//! In a directory it uses the operating system. Behind an object store it uses the very store that the log is in, so that
//! whatever decorates that one (a prefix, retries, faults in tests) holds for tables too.

use std::sync::Arc;

use lance_io::object_store::{ObjectStore, ObjectStoreParams, ObjectStoreProvider, ObjectStoreRegistry};
use url::Url;

use crate::storage::{Storage, TABLE_SCHEME};

/// Bytes that Lance reads at once, as it does in buckets.
const BLOCK_BYTES: usize = 64 << 10;
/// Requests that Lance makes at a time, as it does in buckets.
const PARALLEL_REQUESTS: usize = 64;
/// How often a broken download is begun again.
const DOWNLOAD_RETRIES: usize = 3;

/// The schemes that Lance knows for this root.
pub(super) fn registry(storage: &Storage) -> Arc<ObjectStoreRegistry> {
    let registry = ObjectStoreRegistry::default();
    if storage.local_root().is_none() {
        registry.insert(TABLE_SCHEME, Arc::new(RootProvider { store: root_store(storage) }));
    }
    Arc::new(registry)
}

/// Lance's view of the root's object store. It is made under a scheme that Lance knows, lest it guesses about ours.
fn root_store(storage: &Storage) -> ObjectStore {
    let location = Url::parse("memory:///").expect("a valid address");
    let mut store = ObjectStore::new(
        Arc::clone(storage.object_store()),
        location,
        Some(BLOCK_BYTES),
        None,
        false,
        storage.listed_in_order(),
        PARALLEL_REQUESTS,
        DOWNLOAD_RETRIES,
        None,
    );
    store.store_prefix = TABLE_SCHEME.to_string();
    store
}

#[derive(Debug)]
struct RootProvider {
    store: ObjectStore,
}

#[async_trait::async_trait]
impl ObjectStoreProvider for RootProvider {
    async fn new_store(&self, _base: Url, _parameters: &ObjectStoreParams) -> lance::Result<ObjectStore> {
        Ok(self.store.clone())
    }
}
