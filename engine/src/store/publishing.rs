//! Turning a staged write into a table version: exactly the one that its commit record names.
//!
//! Lance on its own would rebase onto whatever version is latest. A wrapper around its commit handler refuses any other
//! version number, and the transaction's identity tells a version that this very write made before a crash from one that
//! a stranger made.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use lance::dataset::builder::DatasetBuilder;
use lance::dataset::{CommitBuilder, WriteDestination};
use lance_io::object_store::ObjectStore;
use lance_table::format::{IndexMetadata, Manifest, Transaction};
use lance_table::io::commit::{
    CommitError, CommitHandler, ManifestLocation, ManifestNamingScheme, ManifestWriter, commit_handler_from_url,
};
use object_store::path::Path;

use super::staging::StagedWrite;
use super::table::TableVersion;
use super::{Store, failed};
use crate::error::{Error, ErrorKind, Result};
use crate::storage::Durability;

impl Store {
    /// Makes the version that `write` stands for. Publishing it again gives the same version.
    pub async fn publish(self: &Arc<Self>, write: &StagedWrite) -> Result<Arc<TableVersion>> {
        if let Some(published) = self.published(write).await? {
            return Ok(published);
        }
        let uri = self.storage.table_uri(&write.table.directory);
        let url_failed = |error: lance::Error| failed("find a commit handler", &error);
        let handler = Arc::new(ExactVersion {
            inner: commit_handler_from_url(&uri, &None).await.map_err(url_failed)?,
            version: write.version(),
        });
        let base = match write.base {
            0 => None,
            version => Some(self.open(&write.table, version).await?),
        };
        let destination = match &base {
            None => WriteDestination::Uri(&uri),
            Some(base) => WriteDestination::Dataset(Arc::clone(&base.dataset)),
        };
        let dataset = CommitBuilder::new(destination)
            .with_session(Arc::clone(&self.session))
            .with_commit_handler(handler)
            .with_max_retries(1)
            .with_skip_auto_cleanup(true)
            .execute(write.transaction().clone())
            .await
            .map_err(|error| self.explain(write, &error))?;
        Ok(self.remember(TableVersion::new(Arc::clone(self), Arc::clone(&write.table), dataset)))
    }

    /// The version, where this write has made it already. Somebody else's version of that number is
    /// [`ErrorKind::ForeignChange`].
    async fn published(self: &Arc<Self>, write: &StagedWrite) -> Result<Option<Arc<TableVersion>>> {
        let uri = self.storage.table_uri(&write.table.directory);
        let found = DatasetBuilder::from_uri(&uri)
            .with_session(Arc::clone(&self.session))
            .with_version(write.version())
            .load()
            .await;
        let dataset = match found {
            Ok(dataset) => dataset,
            Err(lance::Error::DatasetNotFound { .. } | lance::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&format!("open table \"{}\"", write.table.name), &error)),
        };
        let transaction = dataset.read_transaction().await.map_err(|error| failed("read a transaction", &error))?;
        if transaction.is_none_or(|made| made.uuid != write.transaction_id()) {
            return Err(foreign_change(&write.table.name, write.version()));
        }
        Ok(Some(self.remember(TableVersion::new(Arc::clone(self), Arc::clone(&write.table), dataset))))
    }

    /// Refuses a table that somebody else has written to since `base`: found here, before the commit point, it costs the
    /// one statement; the exact-version guard would find it after.
    pub(crate) async fn refuse_foreign_change(&self, base: &TableVersion) -> Result<()> {
        let manifest = base.dataset.manifest_location();
        let next = manifest.naming_scheme.manifest_path(&base.dataset.branch_location().path, base.version() + 1);
        let store = base.dataset.object_store(None).await.map_err(|error| failed("reach a table's files", &error))?;
        match store.exists(&next).await {
            Ok(false) => Ok(()),
            Ok(true) => Err(foreign_change(&base.definition().name, base.version() + 1)),
            Err(error) => Err(failed("look for newer versions of a table", &error)),
        }
    }

    fn explain(&self, write: &StagedWrite, error: &lance::Error) -> Error {
        if error.to_string().contains(NOT_THE_NEXT_VERSION) {
            return foreign_change(&write.table.name, write.version());
        }
        failed(&format!("publish version {} of table \"{}\"", write.version(), write.table.name), error)
    }

    /// Syncs the files that staged writes refer to, and their directories, before the record that names them is written.
    pub async fn sync_staged(&self, writes: &[StagedWrite]) -> Result<()> {
        let files = writes.iter().flat_map(|write| self.files_of(write)).collect();
        self.sync(files).await
    }

    /// Syncs the manifest of a published version. Needed before the *next* record only: until then the redo has it.
    pub async fn sync_published(&self, table: &TableVersion) -> Result<()> {
        let Some(root) = self.storage.local_root() else { return Ok(()) };
        let manifest = root
            .join("tables")
            .join(&table.definition().directory)
            .join("_versions")
            .join(table.dataset.manifest_location().path.filename().unwrap_or_default());
        self.sync(vec![manifest]).await
    }

    async fn sync(&self, files: Vec<PathBuf>) -> Result<()> {
        if self.durability == Durability::Relaxed || files.is_empty() {
            return Ok(());
        }
        let root = self.storage.local_root().map(FilePath::to_path_buf).unwrap_or_default();
        tokio::task::spawn_blocking(move || sync_files(&files, &root))
            .await
            .map_err(|error| Error::internal(format!("the sync task failed: {error}")))?
    }
}

/// Syncs files, then every directory between them and the root: a file is only there when its directory entry is.
fn sync_files(files: &[PathBuf], root: &FilePath) -> Result<()> {
    let sync = |path: &FilePath| {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| {
            Error::storage(format!("cannot sync \"{}\"", path.display())).with_detail(error.to_string())
        })
    };
    let mut directories = HashSet::new();
    for file in files {
        sync(file)?;
        directories
            .extend(file.ancestors().skip(1).take_while(|path| path.starts_with(root)).map(FilePath::to_path_buf));
    }
    directories.iter().try_for_each(|directory| sync(directory))
}

fn foreign_change(table: &str, version: u64) -> Error {
    Error::new(ErrorKind::ForeignChange, format!("table \"{table}\" was changed outside of this database"))
        .with_detail(format!("Version {version} of its Lance dataset was made by somebody else."))
        .with_hint("Other programs may read the tables; only this server may write them.")
        .on_table(table)
}

const NOT_THE_NEXT_VERSION: &str = "not the version that the commit record names";

/// A commit handler that makes one version number only.
#[derive(Debug)]
struct ExactVersion {
    inner: Arc<dyn CommitHandler>,
    version: u64,
}

#[async_trait::async_trait]
impl CommitHandler for ExactVersion {
    fn is_version_not_found_definitive(&self) -> bool {
        self.inner.is_version_not_found_definitive()
    }

    fn propagate_commit_error_after_success(&self) -> bool {
        self.inner.propagate_commit_error_after_success()
    }

    async fn resolve_latest_location(
        &self,
        base_path: &Path,
        object_store: &ObjectStore,
    ) -> lance::Result<ManifestLocation> {
        self.inner.resolve_latest_location(base_path, object_store).await
    }

    async fn resolve_version_location(
        &self,
        base_path: &Path,
        version: u64,
        object_store: &dyn object_store::ObjectStore,
    ) -> lance::Result<ManifestLocation> {
        self.inner.resolve_version_location(base_path, version, object_store).await
    }

    async fn commit(
        &self,
        manifest: &mut Manifest,
        indices: Option<Vec<IndexMetadata>>,
        base_path: &Path,
        object_store: &ObjectStore,
        manifest_writer: ManifestWriter,
        naming_scheme: ManifestNamingScheme,
        transaction: Option<Transaction>,
    ) -> Result<ManifestLocation, CommitError> {
        if manifest.version != self.version {
            return Err(CommitError::OtherError(lance::Error::invalid_input(NOT_THE_NEXT_VERSION)));
        }
        self.inner.commit(manifest, indices, base_path, object_store, manifest_writer, naming_scheme, transaction).await
    }
}
