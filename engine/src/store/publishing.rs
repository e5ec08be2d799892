//! Turning a staged write into a table version: exactly the one that its commit record names.
//!
//! Lance on its own would rebase onto whatever version is latest. A wrapper around its commit handler refuses any other
//! version number, and the transaction's identity tells a version that this very write made before a crash from one that
//! a stranger made.

use std::sync::Arc;

use lance::Dataset;
use lance::dataset::transaction::Transaction as LanceTransaction;
use lance::dataset::{CommitBuilder, WriteDestination};
use lance::index::DatasetIndexExt;
use lance_io::object_store::ObjectStore;
use lance_table::format::{IndexMetadata, Manifest, Transaction};
use lance_table::io::commit::{
    CommitError, CommitHandler, ConditionalPutCommitHandler, ManifestLocation, ManifestNamingScheme, ManifestWriter,
};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::index_build::piece_files;
use super::staging::{StagedWrite, fragment_files};
use super::table::TableVersion;
use super::{Store, failed};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Ahead;
use crate::storage::{self, Durability, table_path};
use crate::transaction::kernel::table::{Publishing, publishing};

/// Whether a version may have been made before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It cannot have been, by this writer.
    First,
    /// It may have been, before a failure or a crash.
    Again,
}

impl Store {
    /// Makes the version that `write` stands for. Publishing it [`Attempt::Again`] gives the same version.
    pub async fn publish(self: &Arc<Self>, write: &StagedWrite, attempt: Attempt) -> Result<Arc<TableVersion>> {
        let there = match attempt {
            // Somebody else's would be found by Lance, and refused by our commit handler.
            Attempt::First => None,
            Attempt::Again => self.there(write).await?,
        };
        let decision = publishing(write.transaction_id(), there.as_ref().map(maker));
        match (decision, there) {
            (Publishing::Made, Some(dataset)) => {
                return Ok(self.remember(TableVersion::new(Arc::clone(self), Arc::clone(&write.table), dataset)));
            }
            (Publishing::Foreign, _) => return Err(foreign_change(&write.table.name, write.version())),
            (Publishing::Make | Publishing::Made, _) => {}
        }
        let uri = self.storage.table_uri(&write.table.directory);
        let handler = Arc::new(ExactVersion { inner: ConditionalPutCommitHandler, version: write.version() });
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

    /// Makes a version of `write` behind those that somebody else has made since its base, unless it was made already.
    /// [`ErrorKind::ForeignChange`] where both have changed the same rows.
    pub(crate) async fn publish_on_top(self: &Arc<Self>, write: &StagedWrite) -> Result<()> {
        let table = &write.table;
        for version in write.version()..=self.latest_version(&table.directory).await? {
            let there = self.dataset(&table.directory).with_version(version).load().await;
            let there = there.map_err(|error| failed(&format!("open table \"{}\"", table.name), &error))?;
            if maker(&there) == Some(write.transaction_id()) {
                return Ok(());
            }
        }
        if write.base == 0 {
            return Err(foreign_change(&table.name, write.version()));
        }
        let base = Arc::clone(&self.open(table, write.base).await?.dataset);
        let newest = self.latest_version(&table.directory).await?;
        let newest = Arc::clone(&self.open(table, newest).await?.dataset);
        // Somebody may have brought the table back to where it was. Else Lance may rebase, as it does with writers that know
        // of each other.
        let on = if newest.manifest().fragments == base.manifest().fragments { newest } else { base };
        let transaction = LanceTransaction { read_version: on.version().version, ..write.transaction().clone() };
        CommitBuilder::new(WriteDestination::Dataset(on))
            .with_session(Arc::clone(&self.session))
            .with_commit_handler(Arc::new(ConditionalPutCommitHandler))
            .with_skip_auto_cleanup(true)
            .execute(transaction)
            .await
            .map(drop)
            .map_err(|error| {
                let failed = failed(&format!("publish a version of table \"{}\"", table.name), &error);
                let cause = failed.detail().unwrap_or_default().to_string();
                foreign_change(&table.name, write.version()).with_detail(cause)
            })
    }

    /// The version of that number, whoever has made it, where there is one.
    async fn there(self: &Arc<Self>, write: &StagedWrite) -> Result<Option<Dataset>> {
        let found = self.dataset(&write.table.directory).with_version(write.version()).load().await;
        match found {
            Ok(dataset) => Ok(Some(dataset)),
            Err(lance::Error::DatasetNotFound { .. } | lance::Error::NotFound { .. }) => Ok(None),
            Err(_) if self.remove_torn_manifest(write).await? => Ok(None),
            Err(error) => Err(failed(&format!("open table \"{}\"", write.table.name), &error)),
        }
    }

    /// A power cut can leave the name of a manifest that was not synced yet, and not its contents. The redo that led here makes
    /// it again.
    async fn remove_torn_manifest(&self, write: &StagedWrite) -> Result<bool> {
        if self.storage.local_root().is_none() {
            return Ok(false);
        }
        let table = Path::from(table_path(&write.table.directory));
        let manifest = ManifestNamingScheme::V2.manifest_path(&table, write.version());
        let files = self.storage.object_store();
        let reading = |error| storage::failed("read a table's manifest", &error);
        let contents = files.get(&manifest).await.map_err(reading)?.bytes().await.map_err(reading)?;
        if contents.ends_with(MANIFEST_END) {
            return Ok(false);
        }
        tracing::warn!(%manifest, "a power cut left half a manifest, it is made again");
        files.delete(&manifest).await.map_err(|error| storage::failed("remove half a manifest", &error))?;
        Ok(true)
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

    /// Syncs what a record stands on: the files that its staged writes refer to, what was written of it `ahead`, and the
    /// manifests of versions that were `published` since the record before, which until then its redo stood for.
    pub(crate) async fn sync_before_record(
        &self,
        published: &[Arc<TableVersion>],
        staged: &[StagedWrite],
        ahead: Option<&Ahead>,
    ) -> Result<()> {
        let manifests = published.iter().map(|table| manifest_path(table));
        let files = staged.iter().flat_map(StagedWrite::files).chain(ahead.map(Ahead::file));
        self.sync(manifests.chain(files).collect()).await
    }

    /// Syncs everything that a version consists of, whoever made it.
    pub(crate) async fn sync_version(&self, table: &TableVersion) -> Result<()> {
        let directory = table_path(&table.definition().directory);
        let fragments = table.dataset.manifest().fragments.iter();
        let indexes = table.dataset.load_indices().await.map_err(|error| failed("read a table's indexes", &error))?;
        let pieces = indexes.iter().flat_map(piece_files);
        let files = fragments.flat_map(fragment_files).chain(pieces).map(|file| format!("{directory}/{file}"));
        self.sync(files.chain([manifest_path(table)]).collect()).await
    }

    /// Whether the files that a staged write refers to are all there; the first that is not is an error.
    pub(crate) async fn staged_files_are_there(&self, write: &StagedWrite) -> Result<()> {
        for file in write.files() {
            match self.storage.object_store().head(&Path::from(file.as_str())).await {
                Ok(_) => {}
                Err(object_store::Error::NotFound { .. }) => {
                    return Err(Error::storage(format!("file \"{file}\" is missing")));
                }
                Err(error) => return Err(storage::failed(&format!("look for \"{file}\""), &error)),
            }
        }
        Ok(())
    }

    async fn sync(&self, files: Vec<String>) -> Result<()> {
        if self.durability == Durability::Relaxed || files.is_empty() {
            return Ok(());
        }
        self.storage.sync(files).await
    }
}

/// Where a version's manifest is, below the root.
fn manifest_path(table: &TableVersion) -> String {
    let manifest = table.dataset.manifest_location().path.filename().unwrap_or_default();
    format!("{}/_versions/{manifest}", table_path(&table.definition().directory))
}

/// The transaction that has made a version. The name of its file says so; the file itself may not have survived a power cut.
fn maker(dataset: &Dataset) -> Option<&str> {
    let file = dataset.manifest().transaction_file.as_deref()?;
    file.strip_suffix(".txn")?.split_once('-').map(|(_, transaction)| transaction)
}

fn foreign_change(table: &str, version: u64) -> Error {
    Error::new(ErrorKind::ForeignChange, format!("table \"{table}\" was changed outside of this database"))
        .with_detail(format!("Version {version} of its Lance dataset was made by somebody else."))
        .with_hint(
            "Other programs may read the tables, only this server may write them. To take in what they wrote, stop the \
             server and run `slipstream check DIR --adopt`.",
        )
        .on_table(table)
}

/// What every manifest ends with.
const MANIFEST_END: &[u8] = lance_file::format::MAGIC;

const NOT_THE_NEXT_VERSION: &str = "not the version that the commit record names";

/// A commit handler that makes one version number only.
#[derive(Debug)]
struct ExactVersion {
    inner: ConditionalPutCommitHandler,
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
