//! Rows on their way into a table: written to files that no version names yet.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};
use lance::dataset::transaction::{Operation, Transaction, TransactionBuilder, UpdateMode};
use lance::dataset::{InsertBuilder, WriteDestination, WriteMode, WriteParams};
use lance_file::version::LanceFileVersion;
use lance_table::format::{Fragment, IndexMetadata, pb};
use lance_table::io::commit::ConditionalPutCommitHandler;
use lance_table::io::deletion::relative_deletion_file_path;
use prost::Message;

use super::index_build::piece_files;
use super::key_index::{KeySet, hash_unique_keys};
use super::table::TableVersion;
use super::{KeyHash, Store, failed, folding, layout};
use crate::addresses::AddressSet;
use crate::batches::Batches;
use crate::catalog::{TableDefinition, TableId};
use crate::error::{Error, Result};
use crate::storage::table_path;

/// Rows in a batch of a scan or a write.
pub(super) const BATCH_ROWS: usize = 8192;

/// The Lance file format that tables are written in; pinned, so that a library update does not change it.
const FILE_FORMAT: LanceFileVersion = LanceFileVersion::V2_2;

/// The columns of a unique key, and its hash in each of some rows; `None` where it has a NULL.
pub(crate) type RowKeys = (Vec<String>, Vec<Option<KeyHash>>);

/// A table's new version, written and invisible.
#[derive(Debug, Clone)]
pub struct StagedWrite {
    /// The table.
    pub table: Arc<TableDefinition>,
    /// The version it starts from; 0 for a table being made.
    pub base: u64,
    /// Fragments of the base whose rows it writes again, before its own rows.
    pub(crate) folded_fragments: Vec<u64>,
    /// Keys of those rows, in the order in which they are written: one entry per unique key of the table.
    pub(crate) folded_keys: Vec<RowKeys>,
    transaction: Transaction,
}

/// Rows written ahead of their commit, as a bulk load does: fragments, and what the commit has to check again.
#[derive(Debug, Clone)]
pub struct StagedLoad {
    /// The table.
    pub table: Arc<TableDefinition>,
    /// The version of the table that the checks were made at; 0 for a table being made.
    pub checked_at: u64,
    /// Hashes of the new rows' keys, in row order: one entry per unique key of the table.
    pub(crate) keys: Vec<RowKeys>,
    /// Keys of other rows that the new rows refer to.
    pub(crate) references: Vec<ReferenceCheck>,
    pub(crate) rows: u64,
    operation: Operation,
}

/// Keys of one table that a load's rows refer to, and where they were found.
#[derive(Debug, Clone)]
pub(crate) struct ReferenceCheck {
    /// The table referred to.
    pub(crate) table: TableId,
    /// Its unique key that is referred to.
    pub(crate) columns: Vec<String>,
    /// The version of that table that has all of the keys.
    pub(crate) checked_at: u64,
    /// Hashes of the keys.
    pub(crate) keys: KeySet,
}

impl StagedLoad {
    /// Rows that were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Fragments that were written.
    pub(crate) fn fragments(&self) -> usize {
        new_fragments(&self.operation).len()
    }
}

impl StagedWrite {
    /// The version it makes.
    pub fn version(&self) -> u64 {
        self.base + 1
    }

    /// Its Lance transaction's identity.
    pub fn transaction_id(&self) -> &str {
        &self.transaction.uuid
    }

    pub(super) fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Its Lance transaction as bytes, for the commit record.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let message =
            pb::Transaction::try_from(&self.transaction).map_err(|error| failed("encode a transaction", &error))?;
        Ok(message.encode_to_vec())
    }

    /// The staged write that [`StagedWrite::encode`] was made of.
    pub fn decode(table: Arc<TableDefinition>, bytes: &[u8]) -> Result<Self> {
        let message = pb::Transaction::decode(bytes).map_err(|error| {
            Error::storage(format!("the redo of table \"{}\" is damaged", table.name)).with_detail(error.to_string())
        })?;
        let transaction = Transaction::try_from(message).map_err(|error| failed("decode a transaction", &error))?;
        let base = transaction.read_version;
        Ok(StagedWrite { table, base, folded_fragments: Vec::new(), folded_keys: Vec::new(), transaction })
    }

    /// Files that it refers to, below the root; they must be durable before its record is.
    pub(super) fn files(&self) -> Vec<String> {
        let table = table_path(&self.table.directory);
        let operation = &self.transaction.operation;
        let indexes = new_indexes(operation).iter().flat_map(piece_files);
        let files = changed_fragments(operation).flat_map(fragment_files).chain(indexes);
        files.map(|file| format!("{table}/{file}")).collect()
    }

    /// Rows of each new fragment, in order.
    pub(crate) fn new_fragment_rows(&self) -> Vec<usize> {
        new_fragments(&self.transaction.operation).iter().map(|fragment| fragment.physical_rows.unwrap_or(0)).collect()
    }
}

impl Store {
    /// Stages the change of one table: rows that go (by address at `base`) and rows that come. Where few come, small
    /// fragments are folded into what is written (see [`folding`]).
    pub async fn stage(
        self: &Arc<Self>,
        base: &Arc<TableVersion>,
        removed: &AddressSet,
        added: &Batches,
    ) -> Result<StagedWrite> {
        let table = base.definition();
        let folded = match (1..folding::LARGEST_FOLDED).contains(&added.rows()) {
            true => folding::choose(&base.dataset.manifest().fragments),
            false => Vec::new(),
        };
        let rows = base.rows_of_fragments(&folded, removed).await?;
        let folded_keys = unique_keys(table, &rows)?;
        let new_fragments = self.append(base, rows, added).await?;
        let operation = self.replace_rows(base, removed, folded.clone(), new_fragments).await?;
        Ok(StagedWrite { folded_fragments: folded, folded_keys, ..staged(table, base.version(), operation) })
    }

    /// Stages a version of `base`'s dataset that holds exactly `rows`, under the definition `table`: its columns may be
    /// others than before. Older versions keep their rows and columns.
    pub async fn stage_replacement(
        self: &Arc<Self>,
        base: &Arc<TableVersion>,
        table: &Arc<TableDefinition>,
        rows: SendableRecordBatchStream,
    ) -> Result<StagedWrite> {
        let destination = WriteDestination::Dataset(Arc::clone(&base.dataset));
        let operation = self.write(destination, table, WriteMode::Overwrite, to_stored_stream(table, rows)).await?;
        Ok(staged(table, base.version(), operation))
    }

    async fn append(&self, base: &TableVersion, first: Vec<RecordBatch>, then: &Batches) -> Result<Vec<Fragment>> {
        if first.is_empty() && then.is_empty() {
            return Ok(Vec::new());
        }
        let table = base.definition();
        let schema = table.arrow_schema();
        let rows = futures::stream::iter(first.into_iter().map(Ok)).chain(then.stream(Arc::clone(&schema)));
        let stored = to_stored_stream(table, Box::pin(RecordBatchStreamAdapter::new(schema, rows)));
        let destination = WriteDestination::Dataset(Arc::clone(&base.dataset));
        append_fragments(self.write(destination, table, WriteMode::Append, stored).await?)
    }

    /// Stages a table being made, with its first rows.
    pub async fn stage_new(
        &self,
        table: &Arc<TableDefinition>,
        rows: Option<SendableRecordBatchStream>,
    ) -> Result<StagedWrite> {
        let operation = self.write_new(table, rows).await?;
        Ok(staged(table, 0, operation))
    }

    /// Stages a load: into `base`, or as the first rows of a table being made.
    pub(crate) fn staged_from_load(&self, load: &StagedLoad, base: u64) -> StagedWrite {
        staged(&load.table, base, load.operation.clone())
    }

    /// Writes the rows of a load. `observe` sees every batch before it is written and may refuse it.
    pub(crate) async fn write_load(
        &self,
        table: &Arc<TableDefinition>,
        base: Option<&TableVersion>,
        rows: SendableRecordBatchStream,
    ) -> Result<StagedLoad> {
        let operation = match base {
            None => self.write_new(table, Some(rows)).await?,
            Some(base) => {
                let write = WriteDestination::Dataset(Arc::clone(&base.dataset));
                self.write(write, table, WriteMode::Append, to_stored_stream(table, rows)).await?
            }
        };
        let written = new_fragments(&operation).iter().filter_map(|fragment| fragment.physical_rows).sum::<usize>();
        Ok(StagedLoad {
            table: Arc::clone(table),
            checked_at: base.map_or(0, TableVersion::version),
            keys: Vec::new(),
            references: Vec::new(),
            rows: written as u64,
            operation,
        })
    }

    async fn write_new(
        &self,
        table: &Arc<TableDefinition>,
        rows: Option<SendableRecordBatchStream>,
    ) -> Result<Operation> {
        let rows = rows
            .unwrap_or_else(|| Box::pin(RecordBatchStreamAdapter::new(table.arrow_schema(), futures::stream::empty())));
        let rows = to_stored_stream(table, rows);
        let uri = self.storage.table_uri(&table.directory);
        self.write(WriteDestination::Uri(&uri), table, WriteMode::Create, rows).await
    }

    pub(super) async fn write(
        &self,
        destination: WriteDestination<'_>,
        table: &TableDefinition,
        mode: WriteMode,
        rows: SendableRecordBatchStream,
    ) -> Result<Operation> {
        let parameters = WriteParams {
            mode,
            session: Some(Arc::clone(&self.session)),
            commit_handler: Some(Arc::new(ConditionalPutCommitHandler)),
            data_storage_version: Some(FILE_FORMAT),
            auto_cleanup: None,
            skip_auto_cleanup: true,
            ..WriteParams::default()
        };
        let transaction =
            InsertBuilder::new(destination).with_params(&parameters).execute_uncommitted_stream(rows).await.map_err(
                |error| failed(&format!("write rows of table \"{}\"", table.name), &error).on_table(&table.name),
            )?;
        Ok(transaction.operation)
    }

    /// One operation: deletions in the base's fragments, fragments that go whole, and fragments that come.
    async fn replace_rows(
        &self,
        base: &TableVersion,
        removed: &AddressSet,
        folded: Vec<u64>,
        new_fragments: Vec<Fragment>,
    ) -> Result<Operation> {
        if removed.is_empty() && folded.is_empty() {
            return Ok(Operation::Append { fragments: new_fragments });
        }
        let offsets = removed.fragments().map(|(fragment, offsets)| (u64::from(fragment), offsets));
        let offsets = offsets.filter(|(fragment, _)| !folded.contains(fragment)).collect::<Vec<_>>();
        let mut updated_fragments = Vec::new();
        let mut removed_fragment_ids = folded;
        for (fragment_id, offsets) in offsets {
            let fragment = base
                .dataset
                .get_fragment(fragment_id as usize)
                .ok_or_else(|| Error::internal(format!("fragment {fragment_id} is not in {base:?}")))?;
            match fragment.extend_deletions(offsets).await.map_err(|error| failed("mark deleted rows", &error))? {
                Some(fragment) => updated_fragments.push(fragment.metadata().clone()),
                None => removed_fragment_ids.push(fragment_id),
            }
        }
        removed_fragment_ids.sort_unstable();
        Ok(Operation::Update {
            removed_fragment_ids,
            updated_fragments,
            new_fragments,
            fields_modified: Vec::new(),
            compacted_sstables: Vec::new(),
            fields_for_preserving_frag_bitmap: Vec::new(),
            update_mode: Some(UpdateMode::RewriteRows),
            inserted_rows_filter: None,
            updated_fragment_offsets: None,
        })
    }
}

pub(super) fn staged(table: &Arc<TableDefinition>, base: u64, operation: Operation) -> StagedWrite {
    let transaction = TransactionBuilder::new(base, operation).build();
    StagedWrite { table: Arc::clone(table), base, folded_fragments: Vec::new(), folded_keys: Vec::new(), transaction }
}

/// Hashes of rows for every unique key of their table.
pub(super) fn unique_keys(table: &TableDefinition, rows: &[RecordBatch]) -> Result<Vec<RowKeys>> {
    let hashes_of = |columns: &[String]| -> Result<Vec<Option<KeyHash>>> {
        let mut hashes = Vec::new();
        for batch in rows {
            let missing = |name: &String| Error::internal(format!("rows lack column \"{name}\""));
            let values = columns.iter().map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name)));
            hashes.extend(hash_unique_keys(&values.collect::<Result<Vec<_>>>()?)?);
        }
        Ok(hashes)
    };
    let keys = table.unique_keys().into_iter();
    keys.map(|key| hashes_of(&key.columns).map(|hashes| (key.columns, hashes))).collect()
}

pub(super) fn append_fragments(operation: Operation) -> Result<Vec<Fragment>> {
    match operation {
        Operation::Append { fragments } => Ok(fragments),
        other => Err(Error::internal(format!("an append was staged as {}", other.name()))),
    }
}

fn new_fragments(operation: &Operation) -> &[Fragment] {
    match operation {
        Operation::Append { fragments } | Operation::Overwrite { fragments, .. } => fragments,
        Operation::Update { new_fragments, .. } => new_fragments,
        _ => &[],
    }
}

/// Data of indexes that an operation brings.
fn new_indexes(operation: &Operation) -> &[IndexMetadata] {
    match operation {
        Operation::CreateIndex { new_indices, .. } => new_indices,
        _ => &[],
    }
}

fn changed_fragments(operation: &Operation) -> impl Iterator<Item = &Fragment> {
    let updated: &[Fragment] = match operation {
        Operation::Update { updated_fragments, .. } => updated_fragments,
        _ => &[],
    };
    new_fragments(operation).iter().chain(updated)
}

/// Paths of a fragment's files below its table's directory.
pub(super) fn fragment_files(fragment: &Fragment) -> Vec<String> {
    let data = fragment.files.iter().map(|file| format!("data/{}", file.path));
    let deletions = fragment.deletion_file.iter().map(|file| relative_deletion_file_path(fragment.id, file));
    data.chain(deletions).collect()
}

/// Rows as they are on disk, under the schema that the table has there.
pub(super) fn to_stored_stream(table: &TableDefinition, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = layout::stored_schema(&table.arrow_schema());
    let stored = rows.map({
        let schema = Arc::clone(&schema);
        move |batch| layout::to_stored(&batch?, &schema).map_err(Into::into)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, stored.into_stream()))
}
