//! A table at one version.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::{StreamExt, TryStreamExt};
use lance::Dataset;
use lance::dataset::ProjectionRequest;
use lance::dataset::scanner::RowAddrMask;

use super::key_index::{KeyHash, KeyIndex, KeySet, Map, hash_keys, hash_unique_keys};
use super::layout;
use super::row_mask::tree_map;
use super::scan::LanceScan;
use super::staging::{BATCH_ROWS, fragment_files};
use super::{Store, failed};
use crate::addresses::AddressSet;
use crate::catalog::TableDefinition;
use crate::change::ROW_ADDRESS;
use crate::error::{Error, ErrorKind, Result};
use crate::stream;

/// A table, opened at one version.
pub struct TableVersion {
    store: Arc<Store>,
    definition: Arc<TableDefinition>,
    pub(super) dataset: Arc<Dataset>,
}

impl std::fmt::Debug for TableVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.definition.name, self.version())
    }
}

/// What a scan reads.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    /// Columns in output order; `None` for all. An empty list gives rows without columns.
    pub columns: Option<Vec<String>>,
    /// Rows for which this is not true are left out. Column references are unqualified.
    pub filter: Option<Expr>,
    /// Rows at the most.
    pub limit: Option<usize>,
    /// Whether [`ROW_ADDRESS`] is added as the last column.
    pub row_address: bool,
}

/// Rows that differ between two versions of a table.
#[derive(Debug, Default)]
pub struct Difference {
    /// Identity columns and [`ROW_ADDRESS`] of rows of the older version that are gone or replaced.
    pub removed: Vec<RecordBatch>,
    /// Rows of the newer version that the older one does not have, or has elsewhere.
    pub added: Vec<RecordBatch>,
}

impl TableVersion {
    pub(super) fn new(store: Arc<Store>, definition: Arc<TableDefinition>, dataset: Dataset) -> Self {
        TableVersion { store, definition, dataset: Arc::new(dataset) }
    }

    /// The same version under another definition of the table, as ALTER TABLE makes one without writing a version.
    pub(super) fn defined_as(&self, definition: &Arc<TableDefinition>) -> Self {
        let (store, dataset) = (Arc::clone(&self.store), Arc::clone(&self.dataset));
        TableVersion { store, definition: Arc::clone(definition), dataset }
    }

    /// The table.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// The Lance version.
    pub fn version(&self) -> u64 {
        self.dataset.version().version
    }

    /// How the columns of the files differ from those of the catalog, in words; empty where they agree.
    pub(crate) fn differences_from_catalog(&self) -> Vec<String> {
        let expected = layout::stored_schema(&self.definition.arrow_schema());
        let found = Schema::from(self.dataset.schema());
        let mut differences = Vec::new();
        for field in expected.fields() {
            match found.field_with_name(field.name()) {
                Err(_) => differences.push(format!("column \"{}\" is missing in its files", field.name())),
                Ok(there) if !there.data_type().equals_datatype(field.data_type()) => differences.push(format!(
                    "column \"{}\" is {} in its files, not {}",
                    field.name(),
                    there.data_type(),
                    field.data_type()
                )),
                Ok(_) => {}
            }
        }
        let unknown = found.fields().iter().filter(|field| expected.field_with_name(field.name()).is_err());
        differences.extend(unknown.map(|field| format!("column \"{}\" is in its files only", field.name())));
        differences
    }

    /// Bytes of the table's data files.
    pub fn data_bytes(&self) -> u64 {
        self.dataset
            .manifest()
            .fragments
            .iter()
            .flat_map(|fragment| &fragment.files)
            .filter_map(|file| file.file_size_bytes.get())
            .map(std::num::NonZero::get)
            .sum()
    }

    /// Fragments the version consists of.
    pub fn fragments(&self) -> usize {
        self.dataset.manifest().fragments.len()
    }

    /// Rows of this version, as its manifest says.
    pub fn row_count(&self) -> usize {
        self.dataset.manifest().fragments.iter().filter_map(lance_table::format::Fragment::num_rows).sum()
    }

    /// Rows of this version, counted where the manifest does not say.
    pub async fn count_rows(&self) -> Result<usize> {
        self.dataset.count_rows(None).await.map_err(|error| self.failed("count the rows of", &error))
    }

    /// Lance's own physical plan of a scan.
    pub async fn scan(self: &Arc<Self>, request: &ScanRequest) -> Result<Arc<dyn ExecutionPlan>> {
        self.scan_some(request, None, None).await
    }

    /// The same of some of the rows.
    pub async fn scan_rows(
        self: &Arc<Self>,
        request: &ScanRequest,
        rows: &AddressSet,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.scan_some(request, None, Some(rows)).await
    }

    pub(super) async fn scan_fragments(
        self: &Arc<Self>,
        request: &ScanRequest,
        fragments: Option<&HashSet<u64>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.scan_some(request, fragments, None).await
    }

    async fn scan_some(
        self: &Arc<Self>,
        request: &ScanRequest,
        fragments: Option<&HashSet<u64>>,
        rows: Option<&AddressSet>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrap = |error: lance::Error| self.failed("scan", &error);
        let mut scanner = self.dataset.scan();
        if let Some(fragments) = fragments {
            let chosen =
                self.dataset.manifest().fragments.iter().filter(|fragment| fragments.contains(&fragment.id)).cloned();
            scanner.with_fragments(chosen.collect());
        }
        if let Some(rows) = rows {
            scanner.with_row_id_prefilter(RowAddrMask::from_allowed(tree_map(rows)));
        }
        let columns = match &request.columns {
            Some(columns) => columns.clone(),
            None => self.definition.columns.iter().map(|column| column.name.clone()).collect(),
        };
        if columns.is_empty() || request.row_address {
            scanner.with_row_address();
        }
        scanner.project(&columns).map_err(wrap)?;
        if let Some(filter) = &request.filter {
            scanner.filter_expr(filter.clone());
        }
        if let Some(limit) = request.limit {
            scanner.limit(Some(limit as i64), None).map_err(wrap)?;
        }
        scanner.batch_size(BATCH_ROWS);
        let plan = scanner.create_plan().await.map_err(wrap)?;
        let schema = self.output_schema(&columns, request.row_address)?;
        let whole = request.filter.is_none() && request.limit.is_none() && fragments.is_none() && rows.is_none();
        LanceScan::over(plan, schema, Arc::clone(self), request.clone(), whole)
    }

    /// The schema of rows with `columns`, and the row address last where asked for.
    fn output_schema(&self, columns: &[String], row_address: bool) -> Result<SchemaRef> {
        let mut fields = columns
            .iter()
            .map(|name| {
                let column = self.definition.column(name)?;
                Ok(column.sql_type.field(&column.name, !column.not_null))
            })
            .collect::<Result<Vec<_>>>()?;
        if row_address {
            fields.push(row_address_field());
        }
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Streams a scan.
    pub async fn read(self: &Arc<Self>, request: &ScanRequest) -> Result<SendableRecordBatchStream> {
        stream::execute(self.scan(request).await?)
    }

    /// The index of one of this version's unique keys; built where it is missing.
    async fn key_index(self: &Arc<Self>, columns: &[String]) -> Result<Arc<KeyIndex>> {
        let request = ScanRequest { columns: Some(columns.to_vec()), row_address: true, ..ScanRequest::default() };
        let mut rows = self.read(&request).await?;
        let mut pairs = Map::with_capacity_and_hasher(self.row_count(), Default::default());
        while let Some(batch) = stream::next(&mut rows).await? {
            let (addresses, keys) = batch.columns().split_last().ok_or_else(|| Error::internal("no row address"))?;
            let addresses = addresses.as_primitive::<UInt64Type>().values().iter().copied();
            let keys = hash_unique_keys(keys)?;
            pairs.extend(keys.into_iter().zip(addresses).filter_map(|(key, address)| Some((key?, address))));
        }
        let index = Arc::new(KeyIndex::new(self.version(), pairs));
        self.store.keys.put(self.definition.id, columns, &index);
        Ok(index)
    }

    /// Row addresses by hash of the unique key over `columns`, `None` where a key has no row.
    pub(crate) async fn addresses(self: &Arc<Self>, columns: &[String], keys: &[KeyHash]) -> Result<Vec<Option<u64>>> {
        let known = self.store.keys.get(self.definition.id, columns);
        if let Some(addresses) = known.and_then(|index| index.addresses(self.version(), keys)) {
            return Ok(addresses);
        }
        let past = self.store.keys.past(self.definition.id, columns, self.version());
        let index = match past {
            Some(index) => index,
            None => self.key_index(columns).await?,
        };
        // A commit may have moved it on already; it remembers this version.
        index.addresses(self.version(), keys).ok_or_else(|| {
            Error::new(ErrorKind::SerializationFailure, format!("table \"{}\" keeps changing", self.definition.name))
        })
    }

    /// Rows by primary key, in the order of `keys`; keys without a row are left out.
    ///
    /// `keys` are the key columns in key order, `columns` as for [`TableVersion::take`]. Gives, for every row found, its
    /// position in `keys`, and the rows.
    pub async fn take_by_key(
        self: &Arc<Self>,
        keys: &[ArrayRef],
        columns: &[String],
    ) -> Result<(UInt32Array, RecordBatch)> {
        let found = self.addresses(&self.definition.primary_key, &hash_keys(keys)?).await?;
        let (positions, addresses): (Vec<u32>, Vec<u64>) =
            found.iter().enumerate().filter_map(|(position, address)| Some((position as u32, (*address)?))).unzip();
        Ok((UInt32Array::from(positions), self.take(&addresses, columns).await?))
    }

    /// Rows by address, in the order of `addresses`, which may repeat. [`ROW_ADDRESS`] may be among `columns`, anywhere.
    pub async fn take(&self, addresses: &[u64], columns: &[String]) -> Result<RecordBatch> {
        let stored: Vec<String> = columns.iter().filter(|column| *column != ROW_ADDRESS).cloned().collect();
        let rows = self.take_stored(addresses, &stored).await?;
        if stored.len() == columns.len() {
            return Ok(rows);
        }
        let mut values = rows.columns().iter().cloned();
        let mut fields = rows.schema_ref().fields().iter().cloned();
        let (mut all_fields, mut all_values) = (Vec::new(), Vec::<ArrayRef>::new());
        for column in columns {
            if column == ROW_ADDRESS {
                all_fields.push(Arc::new(row_address_field()));
                all_values.push(Arc::new(UInt64Array::from(addresses.to_vec())));
            } else {
                all_fields.extend(fields.next());
                all_values.extend(values.next());
            }
        }
        RecordBatch::try_new(Arc::new(Schema::new(all_fields)), all_values)
            .map_err(|error| Error::internal(error.to_string()))
    }

    async fn take_stored(&self, addresses: &[u64], columns: &[String]) -> Result<RecordBatch> {
        let schema = self.output_schema(columns, false)?;
        if addresses.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        if columns.is_empty() {
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(addresses.len()));
            return RecordBatch::try_new_with_options(schema, vec![], &options)
                .map_err(|error| Error::internal(error.to_string()));
        }
        // Lance reads sorted addresses without going back and forth, and each once.
        let mut sorted = addresses.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let projection = ProjectionRequest::from_columns(columns, self.dataset.schema());
        let rows =
            self.dataset.take_rows(&sorted, projection).await.map_err(|error| self.failed("read rows of", &error))?;
        if rows.num_rows() != sorted.len() {
            return Err(Error::internal(format!(
                "{} of {} rows of table \"{}\" are missing at version {}",
                sorted.len() - rows.num_rows(),
                sorted.len(),
                self.definition.name,
                self.version()
            )));
        }
        let rows = layout::from_stored(&rows, &schema)?;
        if sorted == addresses {
            return Ok(rows);
        }
        let order: UInt32Array =
            addresses.iter().map(|address| sorted.partition_point(|known| known < address) as u32).collect();
        take_record_batch(&rows, &order).map_err(|error| Error::internal(error.to_string()))
    }

    /// What this version has that `older`, of the same table, has not, and the other way round; `None` where it is more than
    /// `most` rows.
    ///
    /// Reads only fragments that differ, and of those with other deletions the addresses three times and the rest never, but for
    /// rows that are back.
    /// `identity` are the columns that removed rows come with.
    pub async fn difference(
        self: &Arc<Self>,
        older: &Arc<TableVersion>,
        identity: &[String],
        most: usize,
    ) -> Result<Option<Difference>> {
        let before = older.fragment_states();
        let after = self.fragment_states();
        let is_at_most = |fragments: &BTreeMap<u64, FragmentState>, others: &BTreeMap<u64, FragmentState>| {
            let only =
                fragments.iter().filter(|(id, state)| others.get(id).is_none_or(|other| other.data != state.data));
            only.map(|(_, state)| state.rows).sum::<usize>() <= most
        };
        if !is_at_most(&before, &after) || !is_at_most(&after, &before) {
            return Ok(None);
        }
        let differ = |here: &BTreeMap<u64, FragmentState>, there: &BTreeMap<u64, FragmentState>, same_data: bool| {
            let differing = here.iter().filter(|(id, state)| there.get(id) != Some(state));
            let alike = |id, state: &FragmentState| there.get(id).is_some_and(|other| other.data == state.data);
            differing.filter(|(id, state)| alike(id, state) == same_data).map(|(id, _)| *id).collect::<HashSet<u64>>()
        };
        let still_there = self.addresses_in(&differ(&after, &before, true)).await?;
        let was_there = older.addresses_in(&differ(&before, &after, true)).await?;
        let back: Vec<u64> = still_there.iter().filter(|address| !was_there.contains(*address)).collect();
        if back.len() > most {
            return Ok(None);
        }
        let gone = differ(&before, &after, true).union(&differ(&before, &after, false)).copied().collect();
        let Some(removed) = older.rows_but(&gone, identity, &still_there, most).await? else { return Ok(None) };
        let added = self.collect_fragments(&differ(&after, &before, false), None).await?;
        let mut added: Vec<RecordBatch> = added.into_iter().map(without_address).collect();
        if !back.is_empty() {
            // A version that was restored has rows again that the one before it had deleted.
            let columns: Vec<String> = self.definition.columns.iter().map(|column| column.name.clone()).collect();
            added.push(self.take(&back, &columns).await?);
        }
        Ok(Some(Difference { removed, added }))
    }

    /// The addresses of the rows of some fragments.
    async fn addresses_in(self: &Arc<Self>, fragments: &HashSet<u64>) -> Result<AddressSet> {
        let mut found = AddressSet::default();
        if fragments.is_empty() {
            return Ok(found);
        }
        let request = ScanRequest { columns: Some(Vec::new()), row_address: true, ..ScanRequest::default() };
        let mut rows = stream::execute(self.scan_fragments(&request, Some(fragments)).await?)?;
        while let Some(batch) = stream::next(&mut rows).await? {
            found.extend(row_addresses(&batch).values().iter().copied());
        }
        Ok(found)
    }

    /// Columns of the rows of some fragments that are not at `known`, and their addresses; `None` where they are more than
    /// `most`.
    async fn rows_but(
        self: &Arc<Self>,
        fragments: &HashSet<u64>,
        columns: &[String],
        known: &AddressSet,
        most: usize,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let (mut found, mut count) = (Vec::new(), 0);
        if fragments.is_empty() {
            return Ok(Some(found));
        }
        let request = ScanRequest { columns: Some(columns.to_vec()), row_address: true, ..ScanRequest::default() };
        let mut rows = stream::execute(self.scan_fragments(&request, Some(fragments)).await?)?;
        while let Some(batch) = stream::next(&mut rows).await? {
            let batch = without_rows(batch, known)?;
            count += batch.num_rows();
            if count > most {
                return Ok(None);
            }
            found.push(batch);
        }
        Ok(Some(found))
    }

    async fn collect_fragments(
        self: &Arc<Self>,
        fragments: &HashSet<u64>,
        columns: Option<Vec<String>>,
    ) -> Result<Vec<RecordBatch>> {
        if fragments.is_empty() {
            return Ok(Vec::new());
        }
        let request = ScanRequest { columns, row_address: true, ..ScanRequest::default() };
        let plan = self.scan_fragments(&request, Some(fragments)).await?;
        stream::execute(plan)?.map(|batch| batch.map_err(stream::error)).try_collect().await
    }

    /// The rows of some fragments, but for those at `removed`.
    pub(super) async fn rows_of_fragments(
        self: &Arc<Self>,
        fragments: &[u64],
        removed: &AddressSet,
    ) -> Result<Vec<RecordBatch>> {
        let fragments: HashSet<u64> = fragments.iter().copied().collect();
        let rows = self.collect_fragments(&fragments, None).await?;
        rows.into_iter().map(|batch| Ok(without_address(without_rows(batch, removed)?))).collect()
    }

    /// Addresses of the rows that the commit of this version added: the last fragments, with `rows` rows each.
    pub(crate) fn newest_addresses(&self, rows: &[usize]) -> Vec<u64> {
        let ids = self.newest_fragments(rows.len());
        ids.into_iter()
            .zip(rows)
            .flat_map(|(id, rows)| (0..*rows as u64).map(move |offset| id << 32 | offset))
            .collect()
    }

    /// Streams the rows of the last `fragments` fragments, which one commit added.
    pub(crate) async fn read_newest(
        self: &Arc<Self>,
        fragments: usize,
        columns: Vec<String>,
    ) -> Result<SendableRecordBatchStream> {
        let chosen = self.newest_fragments(fragments).into_iter().collect();
        let mut distinct = columns.clone();
        let mut seen = HashSet::new();
        distinct.retain(|column| seen.insert(column.clone()));
        let positions = columns.iter().filter_map(|name| distinct.iter().position(|known| known == name)).collect();
        let request = ScanRequest { columns: Some(distinct), ..ScanRequest::default() };
        let plan = self.scan_fragments(&request, Some(&chosen)).await?;
        stream::project(stream::execute(plan)?, positions)
    }

    /// Lance numbers fragments upwards, in the order in which they were staged.
    fn newest_fragments(&self, count: usize) -> Vec<u64> {
        let mut ids: Vec<u64> = self.dataset.manifest().fragments.iter().map(|fragment| fragment.id).collect();
        ids.sort_unstable();
        ids.split_off(ids.len().saturating_sub(count))
    }

    fn fragment_states(&self) -> BTreeMap<u64, FragmentState> {
        self.dataset
            .manifest()
            .fragments
            .iter()
            .map(|fragment| {
                let data = fragment.files.iter().map(|file| file.path.clone()).collect();
                let rows = fragment.num_rows().unwrap_or(usize::MAX >> 16);
                (fragment.id, FragmentState { data, files: fragment_files(fragment), rows })
            })
            .collect()
    }

    /// Rows whose `columns` are one of the tuples in `keys` (no NULLs): `output` columns, and [`ROW_ADDRESS`] last.
    pub(crate) async fn rows_where_in(
        self: &Arc<Self>,
        columns: &[String],
        keys: &[ArrayRef],
        output: &[String],
    ) -> Result<Vec<RecordBatch>> {
        let (Some(first), Some(values)) = (columns.first(), keys.first()) else { return Ok(Vec::new()) };
        let values = distinct(values)?;
        let wanted: KeySet = hash_keys(keys)?.into_iter().map(|key| (key, ())).collect();
        let mut read = output.to_vec();
        if columns.len() > 1 {
            read.extend(columns.iter().filter(|column| !output.contains(column)).cloned());
        }
        let mut found = Vec::new();
        for start in (0..values.len()).step_by(IN_LIST) {
            let slice = values.slice(start, IN_LIST.min(values.len() - start));
            let list = (0..slice.len())
                .map(|row| datafusion::scalar::ScalarValue::try_from_array(&slice, row).map(lit))
                .collect::<Result<Vec<Expr>, _>>()
                .map_err(stream::error)?;
            let request = ScanRequest {
                columns: Some(read.clone()),
                filter: Some(col(datafusion::common::Column::from_name(first)).in_list(list, false)),
                row_address: true,
                ..ScanRequest::default()
            };
            let mut rows = self.read(&request).await?;
            while let Some(batch) = stream::next(&mut rows).await? {
                // Lance has compared the first column only.
                let batch = if columns.len() > 1 { with_keys(&batch, columns, &wanted, output.len())? } else { batch };
                if batch.num_rows() > 0 {
                    found.push(batch);
                }
            }
        }
        Ok(found)
    }

    /// An error of a running scan: Lance's own become ours.
    pub(super) fn explain(&self, error: DataFusionError) -> DataFusionError {
        match lance_error(&error) {
            Some(cause) => self.failed("read", cause).into(),
            None => error,
        }
    }

    pub(super) fn failed(&self, action: &str, error: &lance::Error) -> Error {
        failed(&format!("{action} table \"{}\"", self.definition.name), error).on_table(&self.definition.name)
    }
}

/// Lance's error about a file inside those of the plan that ran.
fn lance_error(error: &DataFusionError) -> Option<&lance::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(
            error @ (lance::Error::IO { .. } | lance::Error::NotFound { .. } | lance::Error::CorruptFile { .. }),
        ) = current.downcast_ref()
        {
            return Some(error);
        }
        cause = current.source();
    }
    None
}

/// Keys in one IN filter.
const IN_LIST: usize = 1000;

fn row_address_field() -> Field {
    Field::new(ROW_ADDRESS, DataType::UInt64, false)
}

/// Each value once.
fn distinct(values: &ArrayRef) -> Result<ArrayRef> {
    let mut seen = KeySet::default();
    let firsts = hash_keys(std::slice::from_ref(values))?.into_iter().map(|key| Some(seen.insert(key, ()).is_none()));
    arrow::compute::filter(values, &firsts.collect()).map_err(|error| Error::internal(error.to_string()))
}

/// Rows whose `columns` are a wanted key: the first `output` columns, and the row address.
fn with_keys(batch: &RecordBatch, columns: &[String], wanted: &KeySet, output: usize) -> Result<RecordBatch> {
    let missing = |name: &String| Error::internal(format!("rows lack column \"{name}\""));
    let keys = columns.iter().map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name)));
    let keep = hash_unique_keys(&keys.collect::<Result<Vec<_>>>()?)?
        .into_iter()
        .map(|key| Some(key.is_some_and(|key| wanted.contains_key(&key))))
        .collect();
    let positions: Vec<usize> = (0..output).chain([batch.num_columns() - 1]).collect();
    let rows = filter_record_batch(batch, &keep).and_then(|rows| rows.project(&positions));
    rows.map_err(|error| Error::internal(error.to_string()))
}

/// The files that make a fragment; two versions with the same ones have the same rows in it.
#[derive(Debug, PartialEq, Eq)]
struct FragmentState {
    /// The data files.
    data: Vec<String>,
    /// All files.
    files: Vec<String>,
    /// Living rows.
    rows: usize,
}

/// The row addresses of a batch that has them last.
pub(crate) fn row_addresses(batch: &RecordBatch) -> &UInt64Array {
    batch.column(batch.num_columns() - 1).as_primitive()
}

/// Rows whose address is not among `known`.
pub(crate) fn without_rows(batch: RecordBatch, known: &AddressSet) -> Result<RecordBatch> {
    let keep = row_addresses(&batch).iter().map(|address| address.map(|address| !known.contains(address))).collect();
    filter_record_batch(&batch, &keep).map_err(|error| Error::internal(error.to_string()))
}

fn without_address(batch: RecordBatch) -> RecordBatch {
    let columns: Vec<usize> = (0..batch.num_columns() - 1).collect();
    batch.project(&columns).expect("the columns are there")
}
