//! The root of a database: where it lies, how it is opened, and the files that are neither log nor table.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::catalog::{CATALOG_FORMAT, Catalog};
use crate::error::{Error, Result};
use crate::log::record::decode_versioned;

/// The format version of the layout that this code writes and the newest that it reads.
pub const LAYOUT_FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format.json";
const CATALOG_FOLDER: &str = "catalog";

/// What survives a power cut once COMMIT has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Everything: files are synced before the commit point.
    #[default]
    Full,
    /// What the operating system has written by then.
    Relaxed,
}

/// `format.json`: what this database is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FormatFile {
    /// Layout version.
    pub format: u32,
    /// Identity of the database.
    pub database_id: Uuid,
    /// When it was made.
    pub created: DateTime<Utc>,
}

/// The root of one database.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    root_uri: String,
    local_root: Option<PathBuf>,
}

impl Storage {
    /// A database in a local directory, which is made where it is missing.
    pub fn local(directory: &FilePath, durability: Durability) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(|error| cannot_use(directory, &error))?;
        let root = directory.canonicalize().map_err(|error| cannot_use(directory, &error))?;
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| failed("open the data directory", &error))?
            .with_fsync(durability == Durability::Full);
        let root_uri = root.to_string_lossy().into_owned();
        Ok(Storage { store: Arc::new(files), root_uri, local_root: Some(root) })
    }

    /// The object store of the log and the records.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The URI of a table's dataset.
    pub fn table_uri(&self, directory: &str) -> String {
        format!("{}/tables/{directory}", self.root_uri)
    }

    /// The root as a local directory, where it is one.
    pub fn local_root(&self) -> Option<&FilePath> {
        self.local_root.as_deref()
    }

    /// Reads `format.json`; makes it in an empty root. A root that holds something else is refused.
    pub async fn identify(&self) -> Result<FormatFile> {
        let path = Path::from(FORMAT_FILE);
        match self.store.get(&path).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|error| failed("read format.json", &error))?;
                decode_versioned(FORMAT_FILE, &bytes, "layout file", LAYOUT_FORMAT)
            }
            Err(object_store::Error::NotFound { .. }) => {
                self.refuse_a_foreign_root().await?;
                let format = FormatFile { format: LAYOUT_FORMAT, database_id: Uuid::now_v7(), created: Utc::now() };
                self.create(&path, &format).await?;
                Ok(format)
            }
            Err(error) => Err(failed("read format.json", &error)),
        }
    }

    async fn refuse_a_foreign_root(&self) -> Result<()> {
        let listing = self.store.list_with_delimiter(None).await.map_err(|error| failed("list the root", &error))?;
        let foreign = listing
            .objects
            .iter()
            .map(|object| object.location.to_string())
            .chain(listing.common_prefixes.iter().map(Path::to_string))
            .find(|name| name != "LOCK");
        match foreign {
            None => Ok(()),
            Some(name) => Err(Error::storage(format!("\"{}\" is not a Slipstream database", self.root_uri))
                .with_detail(format!("It has no format.json, but it holds \"{name}\"."))
                .with_hint("Name an empty or missing directory to make a database.")),
        }
    }

    /// Writes a catalog record and gives its name.
    pub async fn write_catalog(&self, seq: u64, tx_id: Uuid, catalog: &Catalog) -> Result<String> {
        let name = format!("{seq:020}-{}.json", tx_id.simple());
        self.create(&Path::from(format!("{CATALOG_FOLDER}/{name}")), catalog).await?;
        Ok(name)
    }

    /// Reads a catalog record.
    pub async fn read_catalog(&self, name: &str) -> Result<Catalog> {
        let found = self
            .store
            .get(&Path::from(format!("{CATALOG_FOLDER}/{name}")))
            .await
            .map_err(|error| failed("read catalog record", &error))?;
        let bytes = found.bytes().await.map_err(|error| failed("read catalog record", &error))?;
        decode_versioned(name, &bytes, "catalog record", CATALOG_FORMAT)
    }

    async fn create<T: Serialize>(&self, path: &Path, value: &T) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| Error::internal(format!("cannot encode \"{path}\": {error}")))?;
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        self.store
            .put_opts(path, PutPayload::from(bytes), options)
            .await
            .map(drop)
            .map_err(|error| failed("write a record", &error))
    }
}

fn cannot_use(directory: &FilePath, error: &std::io::Error) -> Error {
    Error::storage(format!("cannot use data directory \"{}\"", directory.display())).with_detail(error.to_string())
}

/// A failed operation of the object store, in words for people.
pub(crate) fn failed(action: &str, error: &object_store::Error) -> Error {
    Error::storage(format!("cannot {action}")).with_detail(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_root_keeps_its_identity() {
        let directory = tempfile::tempdir().unwrap();
        let first = Storage::local(directory.path(), Durability::Full).unwrap().identify().await.unwrap();
        let again = Storage::local(directory.path(), Durability::Full).unwrap().identify().await.unwrap();
        assert_eq!(first, again);
    }

    #[tokio::test]
    async fn a_directory_of_something_else_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("notes.txt"), "x").unwrap();
        let error = Storage::local(directory.path(), Durability::Full).unwrap().identify().await.unwrap_err();
        assert!(error.message().contains("is not a Slipstream database"), "{error}");
    }

    #[tokio::test]
    async fn a_newer_layout_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("format.json"), r#"{"format": 99}"#).unwrap();
        let error = Storage::local(directory.path(), Durability::Full).unwrap().identify().await.unwrap_err();
        assert!(error.message().contains("format 99"), "{error}");
    }
}
