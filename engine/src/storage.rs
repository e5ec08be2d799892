//! The root of a database: where it lies, how it is opened, and the files that are neither log nor table.
//!
//! A root is a local directory ([`Storage::local`]) or a prefix in an object store ([`Storage::on`]); nothing above this
//! module and [`crate::store`] knows which. In a directory, Lance writes its files with the operating system's own calls
//! and nothing is on disk before it is synced by name ([`Storage::sync`]). In an object store, what was put is there.

#[cfg(test)]
pub(crate) mod faults;

use std::collections::{BTreeSet, HashSet};
use std::fmt::Debug;
use std::os::unix::fs::MetadataExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::catalog::{CATALOG_FORMAT, Catalog};
use crate::error::{Error, Result};
use crate::log::record::decode_versioned;

/// The format version of the layout that this code writes and the newest that it reads.
pub const LAYOUT_FORMAT: u32 = 1;

/// The scheme under which Lance reaches tables behind an object store: ours, so that everything goes through one store.
pub(crate) const TABLE_SCHEME: &str = "slipstream";

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
    uri: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// A local directory, how its files are synced, and the directories below it that a power cut cannot take any more.
    Directory { root: PathBuf, disk: Arc<dyn Disk>, settled: Arc<Mutex<HashSet<Known>>> },
    /// Behind the object store, with whether its listings come in the order of names.
    ObjectStore { listed_in_order: bool },
}

/// A directory and its inode: what is made under the same name later is another one.
type Known = (PathBuf, u64);

/// Syncs that are under way at a time. The file system writes its journal once for those that come together.
const PARALLEL_SYNCS: usize = 16;

/// What makes files of a local root survive a power cut.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Syncs a file's contents, or a directory's entries.
    fn sync(&self, path: &FilePath) -> std::io::Result<()>;
}

/// The operating system's file system.
#[derive(Debug)]
struct FileSystem;

impl Disk for FileSystem {
    fn sync(&self, path: &FilePath) -> std::io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }
}

impl Place {
    fn directory(root: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Place::Directory { root, disk, settled: Arc::default() }
    }
}

impl Storage {
    /// A database in a local directory, which is made where it is missing.
    pub fn local(directory: &FilePath, durability: Durability) -> Result<Self> {
        let missing: Vec<&FilePath> = directory.ancestors().take_while(|path| !path.exists()).collect();
        std::fs::create_dir_all(directory).map_err(|error| cannot_use(directory, &error))?;
        let root = directory.canonicalize().map_err(|error| cannot_use(directory, &error))?;
        if durability == Durability::Full {
            // A directory is there when the one above it says so.
            let parents = root.ancestors().skip(1).take(missing.len());
            parents.into_iter().try_for_each(|parent| sync(&FileSystem, parent))?;
        }
        let files = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| failed("open the data directory", &error))?
            .with_fsync(durability == Durability::Full);
        let uri = root.to_string_lossy().into_owned();
        Ok(Storage { store: Arc::new(files), uri, place: Place::directory(root, Arc::new(FileSystem)) })
    }

    /// A database in a local directory that is there.
    pub fn existing(directory: &FilePath, durability: Durability) -> Result<Self> {
        match directory.is_dir() {
            true => Storage::local(directory, durability),
            false => Err(Error::storage(format!("there is no directory \"{}\"", directory.display()))),
        }
    }

    /// A database in a local directory whose syncs go to `disk`.
    #[cfg(test)]
    pub(crate) fn on_disk(directory: &FilePath, disk: &Arc<faults::PowerCut>) -> Result<Self> {
        let mut storage = Storage::local(directory, Durability::Full)?;
        let root = storage.local_root().unwrap_or(directory).to_path_buf();
        storage.store = Arc::new(faults::PowerCutStore::new(storage.store, Arc::clone(disk)));
        storage.place = Place::directory(root, Arc::clone(disk) as Arc<dyn Disk>);
        Ok(storage)
    }

    /// A database whose root is the root of `store`; `uri` is what people know it by. Creating an object that exists must
    /// be an error there, and what was put must be durable.
    pub fn on(store: Arc<dyn ObjectStore>, uri: impl Into<String>) -> Self {
        Storage { store, uri: uri.into(), place: Place::ObjectStore { listed_in_order: false } }
    }

    /// The bucket that a URI such as `s3://bucket/prefix` names, with settings from the environment.
    /// [`ErrorKind::NotSupported`](crate::ErrorKind::NotSupported) where this program was built without that kind of store.
    pub fn bucket(uri: &str) -> Result<Self> {
        let not_a_bucket =
            |detail: String| Error::not_supported(format!("cannot keep a database at \"{uri}\"")).with_detail(detail);
        let url = Url::parse(uri).map_err(|error| not_a_bucket(error.to_string()))?;
        let (scheme, _) =
            object_store::ObjectStoreScheme::parse(&url).map_err(|error| not_a_bucket(error.to_string()))?;
        let known = matches!(
            scheme,
            object_store::ObjectStoreScheme::AmazonS3
                | object_store::ObjectStoreScheme::GoogleCloudStorage
                | object_store::ObjectStoreScheme::MicrosoftAzure
        );
        if !known {
            return Err(not_a_bucket(format!("\"{}\" is not a kind of bucket that can hold one.", url.scheme())));
        }
        let (store, prefix) = object_store::parse_url_opts(&url, bucket_settings()).map_err(|error| match error {
            object_store::Error::Generic { store: "parse_url", .. } => {
                not_a_bucket(format!("This program was built without support for \"{}\".", url.scheme()))
                    .with_hint("Name a local directory.")
            }
            error => failed(&format!("open \"{uri}\""), &error),
        })?;
        let store = Arc::new(PrefixStore::new(store, prefix));
        Ok(Storage::on(store, uri).with_sorted_listings())
    }

    /// For stores that list objects in the order of their names: finding the newest of them is one short request then.
    pub(crate) fn with_sorted_listings(self) -> Self {
        Storage { place: Place::ObjectStore { listed_in_order: true }, ..self }
    }

    /// The object store of the log and the records.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where Lance finds a table's dataset.
    pub(crate) fn table_uri(&self, directory: &str) -> String {
        match &self.place {
            Place::Directory { root, .. } => format!("{}/{}", root.display(), table_path(directory)),
            Place::ObjectStore { .. } => format!("{TABLE_SCHEME}:///{}", table_path(directory)),
        }
    }

    /// Where it is, for people.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The root as a local directory, where it is one.
    pub fn local_root(&self) -> Option<&FilePath> {
        match &self.place {
            Place::Directory { root, .. } => Some(root),
            Place::ObjectStore { .. } => None,
        }
    }

    /// Where files lie that are always local: the root, or else `directory`, which is made where it is missing.
    pub(crate) fn local_directory(&self, directory: &FilePath) -> Result<PathBuf> {
        if let Some(root) = self.local_root() {
            return Ok(root.to_path_buf());
        }
        std::fs::create_dir_all(directory).map_err(|error| cannot_use(directory, &error))?;
        directory.canonicalize().map_err(|error| cannot_use(directory, &error))
    }

    /// Whether listings of [`Storage::object_store`] come in the order of names.
    pub(crate) fn listed_in_order(&self) -> bool {
        matches!(self.place, Place::ObjectStore { listed_in_order: true })
    }

    /// Syncs files, named below the root, with their directories: a file is there when its directory says so, and that one
    /// when the directories above do. They are synced all at a time. In an object store there is nothing to do.
    pub(crate) async fn sync(&self, files: Vec<String>) -> Result<()> {
        let Place::Directory { root, disk, settled } = &self.place else { return Ok(()) };
        let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
        let mut settling = HashSet::new();
        for file in files.iter().map(|file| root.join(file)) {
            for directory in file.ancestors().skip(1).take_while(|path| path.starts_with(root)) {
                let directory = known(directory)?;
                paths.insert(directory.0.clone());
                if settled.lock().contains(&directory) {
                    break;
                }
                settling.insert(directory);
            }
            paths.insert(file);
        }
        let syncs = futures::stream::iter(paths).map(|path| {
            let disk = Arc::clone(disk);
            async move {
                tokio::task::spawn_blocking(move || sync(disk.as_ref(), &path))
                    .await
                    .map_err(|error| Error::internal(format!("the sync task failed: {error}")))?
            }
        });
        // Those that are under way are waited for, whatever becomes of the others.
        let outcomes: Vec<Result<()>> = syncs.buffer_unordered(PARALLEL_SYNCS).collect().await;
        outcomes.into_iter().collect::<Result<()>>()?;
        settled.lock().extend(settling);
        Ok(())
    }

    /// What database is here; `None` where there is none.
    pub async fn format(&self) -> Result<Option<FormatFile>> {
        match self.store.get(&Path::from(FORMAT_FILE)).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|error| failed("read format.json", &error))?;
                decode_versioned(FORMAT_FILE, &bytes, "layout file", LAYOUT_FORMAT).map(Some)
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("read format.json", &error)),
        }
    }

    /// What database is here; makes one in an empty root. A root that holds something else is refused.
    pub async fn identify(&self) -> Result<FormatFile> {
        if let Some(format) = self.format().await? {
            return Ok(format);
        }
        self.refuse_what_is_no_database().await?;
        let format = FormatFile { format: LAYOUT_FORMAT, database_id: Uuid::now_v7(), created: Utc::now() };
        self.create(&Path::from(FORMAT_FILE), &format).await?;
        Ok(format)
    }

    /// An error for a root that holds something else than a database.
    pub(crate) async fn refuse_what_is_no_database(&self) -> Result<()> {
        if self.format().await?.is_some() {
            return Ok(());
        }
        let listing = self.store.list_with_delimiter(None).await.map_err(|error| failed("list the root", &error))?;
        let foreign = listing
            .objects
            .iter()
            .map(|object| object.location.to_string())
            .chain(listing.common_prefixes.iter().map(Path::to_string))
            .find(|name| name != "LOCK");
        match foreign {
            None => Ok(()),
            Some(name) => Err(Error::storage(format!("\"{}\" is not a Slipstream database", self.uri))
                .with_detail(format!("It has no format.json, but it holds \"{name}\"."))
                .with_hint("Name an empty or missing directory to make a database.")),
        }
    }

    /// Writes a catalog record and gives its name.
    pub async fn write_catalog(&self, seq: u64, tx_id: Uuid, catalog: &Catalog) -> Result<String> {
        let name = format!("{seq:020}-{}.json", tx_id.simple());
        let record = Catalog { format: CATALOG_FORMAT, ..catalog.clone() };
        self.create(&Path::from(format!("{CATALOG_FOLDER}/{name}")), &record).await?;
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

    /// Deletes a catalog record that no commit names any more.
    pub(crate) async fn remove_catalog(&self, name: &str) -> Result<()> {
        match self.store.delete(&Path::from(format!("{CATALOG_FOLDER}/{name}"))).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed("remove a catalog record", &error)),
        }
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

/// A table's directory below the root.
pub(crate) fn table_path(directory: &str) -> String {
    format!("tables/{directory}")
}

/// What the environment says about buckets. Names of other programs' variables would be taken for settings too.
fn bucket_settings() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix)))
}

/// Cheap enough to ask without a thread for it.
fn known(directory: &FilePath) -> Result<Known> {
    let metadata = std::fs::metadata(directory).map_err(|error| cannot_sync(directory, &error))?;
    Ok((directory.to_path_buf(), metadata.ino()))
}

fn sync(disk: &dyn Disk, path: &FilePath) -> Result<()> {
    disk.sync(path).map_err(|error| cannot_sync(path, &error))
}

fn cannot_sync(path: &FilePath, error: &std::io::Error) -> Error {
    Error::storage(format!("cannot sync \"{}\"", path.display())).with_detail(error.to_string())
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
