//! A table as a reader sees it: stored rows, the transaction's own changes over them, or both.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{filter_record_batch, interleave_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};

use super::delta::{Delta, columns, with_address};
use super::reshape::Reshape;
use super::scan;
use crate::addresses::AddressSet;
use crate::catalog::{ColumnSource, IndexDefinition, TableDefinition};
use crate::change::{PENDING_ROW, ROW_ADDRESS};
use crate::error::{Error, Result};
use crate::store::key_index::{KeyHash, KeySet, hash_unique_keys};
use crate::store::table::{row_addresses, without_rows};
use crate::store::{Coverage, NearestRequest, ScanRequest, TableVersion};
use crate::stream;

/// A table as a reader sees it.
#[derive(Debug, Clone)]
pub struct TableState {
    definition: Arc<TableDefinition>,
    /// The stored rows; none for a table that the transaction has made.
    base: Option<Arc<TableVersion>>,
    /// What the stored rows have to become.
    reshape: Option<Arc<Reshape>>,
    delta: Option<Arc<Delta>>,
}

impl TableState {
    /// A table as it is stored.
    pub fn of(version: Arc<TableVersion>) -> Self {
        let definition = Arc::clone(version.definition());
        TableState { definition, base: Some(version), reshape: None, delta: None }
    }

    pub(crate) fn new(
        definition: Arc<TableDefinition>,
        base: Option<Arc<TableVersion>>,
        reshape: Option<Arc<Reshape>>,
        delta: Option<Arc<Delta>>,
    ) -> Self {
        TableState { definition, base, reshape, delta: delta.filter(|delta| !delta.is_empty()) }
    }

    /// The table.
    pub fn definition(&self) -> &Arc<TableDefinition> {
        &self.definition
    }

    /// The stored table, where nothing is pending for it.
    pub fn stored(&self) -> Option<&Arc<TableVersion>> {
        if self.reshape.is_some() || self.delta.is_some() {
            return None;
        }
        self.base.as_ref()
    }

    /// The stored rows that the changes are over.
    pub(crate) fn base(&self) -> Option<&Arc<TableVersion>> {
        self.base.as_ref()
    }

    pub(crate) fn reshape(&self) -> Option<&Arc<Reshape>> {
        self.reshape.as_ref()
    }

    pub(crate) fn delta(&self) -> Option<&Arc<Delta>> {
        self.delta.as_ref()
    }

    /// What EXPLAIN says of the version.
    pub fn version_text(&self) -> String {
        let version = self.base.as_ref().map_or_else(|| "new".to_string(), |base| base.version().to_string());
        match self.stored() {
            Some(_) => version,
            None => format!("{version}+own"),
        }
    }

    /// The stored rows, unless all of them have gone.
    fn visible_base(&self) -> Option<&Arc<TableVersion>> {
        let truncated = self.delta.as_ref().is_some_and(|delta| delta.truncated());
        if truncated { None } else { self.base.as_ref() }
    }

    /// Whether a stored row is still there.
    fn is_visible(&self, address: u64) -> bool {
        self.delta.as_ref().is_none_or(|delta| !delta.removed_addresses().contains(address))
    }

    /// Addresses of rows by a unique key; `None` where there is no such row, or a NULL in the key.
    pub(crate) async fn addresses(&self, key: &[String], hashes: &[Option<KeyHash>]) -> Result<Vec<Option<u64>>> {
        let mut found = match &self.delta {
            Some(delta) => delta.addresses(key, hashes)?,
            None => vec![None; hashes.len()],
        };
        let Some(base) = self.visible_base() else { return Ok(found) };
        let stored_key = match &self.reshape {
            None => key.to_vec(),
            Some(reshape) => match self.stored_key(reshape, key) {
                Some(stored_key) => stored_key,
                None => return self.addresses_by_scan(key, hashes, found).await,
            },
        };
        let wanted: Vec<KeyHash> = hashes.iter().copied().flatten().collect();
        let mut stored = base.addresses(&stored_key, &wanted).await?.into_iter();
        for (hash, place) in hashes.iter().zip(&mut found) {
            if hash.is_none() {
                continue;
            }
            let address = stored.next().flatten().filter(|address| self.is_visible(*address));
            *place = place.or(address);
        }
        Ok(found)
    }

    /// The stored columns of a key, where every one of them is stored and has kept its type.
    fn stored_key(&self, reshape: &Reshape, key: &[String]) -> Option<Vec<String>> {
        key.iter()
            .map(|name| {
                let position = self.definition.columns.iter().position(|column| &column.name == name)?;
                let ColumnSource::Column(stored) = reshape.source(position) else { return None };
                let same = reshape.stored().get_column(stored)?.sql_type == self.definition.columns[position].sql_type;
                same.then(|| stored.clone())
            })
            .collect()
    }

    async fn addresses_by_scan(
        &self,
        key: &[String],
        hashes: &[Option<KeyHash>],
        mut found: Vec<Option<u64>>,
    ) -> Result<Vec<Option<u64>>> {
        let mut rows =
            self.read(&ScanRequest { columns: Some(key.to_vec()), row_address: true, ..Default::default() }).await?;
        while let Some(batch) = stream::next(&mut rows).await? {
            let present = hash_unique_keys(&batch.columns()[..key.len()])?;
            for (hash, address) in present.iter().zip(row_addresses(&batch).values()) {
                for (wanted, place) in hashes.iter().zip(&mut found) {
                    if hash.is_some() && hash == wanted && place.is_none() {
                        *place = Some(*address);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Rows whose `key` is one of the tuples in `keys` (no NULLs), with `output` columns and [`ROW_ADDRESS`] last.
    pub(crate) async fn rows_where_in(
        &self,
        key: &[String],
        keys: &[ArrayRef],
        output: &[String],
    ) -> Result<Vec<RecordBatch>> {
        let wanted: KeySet = hash_unique_keys(keys)?.into_iter().flatten().map(|hash| (hash, ())).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        match (self.visible_base(), &self.reshape) {
            (Some(base), None) => {
                for batch in base.rows_where_in(key, keys, output).await? {
                    found.push(self.visible(batch)?);
                }
            }
            (Some(_), Some(_)) => {
                let delta = self.delta.as_ref().map(|delta| Arc::new(delta.without_added()));
                let stored = TableState { delta, ..self.clone() };
                let mut columns = output.to_vec();
                columns.extend(key.iter().filter(|name| !output.contains(name)).cloned());
                let request = ScanRequest { columns: Some(columns), row_address: true, ..Default::default() };
                let mut rows = stored.read(&request).await?;
                while let Some(batch) = stream::next(&mut rows).await? {
                    found.push(pick(&matching(&batch, key, &wanted)?, output)?);
                }
            }
            (None, _) => {}
        }
        if let Some(delta) = &self.delta {
            for number in 0..delta.parts() {
                let rows = delta.fetch_with_address(number).await?;
                found.push(pick(&matching(&rows, key, &wanted)?, output)?);
            }
        }
        found.retain(|batch| batch.num_rows() > 0);
        Ok(found)
    }

    fn visible(&self, batch: RecordBatch) -> Result<RecordBatch> {
        match &self.delta {
            Some(delta) => without_rows(batch, delta.removed_addresses()),
            None => Ok(batch),
        }
    }

    /// Rows by primary key, in the order of `keys`; keys without a row are left out. Gives, for every row found, its
    /// position in `keys`, and the rows. `wanted` may name [`ROW_ADDRESS`].
    pub async fn take_by_key(&self, keys: &[ArrayRef], wanted: &[String]) -> Result<(UInt32Array, RecordBatch)> {
        self.take_by_unique_key(&self.definition.primary_key, keys, wanted).await
    }

    /// The same by any key that is unique: the primary key, or a UNIQUE constraint. A NULL in it finds nothing.
    pub async fn take_by_unique_key(
        &self,
        key: &[String],
        keys: &[ArrayRef],
        wanted: &[String],
    ) -> Result<(UInt32Array, RecordBatch)> {
        let found = self.addresses(key, &hash_unique_keys(keys)?).await?;
        let (positions, addresses): (Vec<u32>, Vec<u64>) =
            found.iter().enumerate().filter_map(|(position, address)| Some((position as u32, (*address)?))).unzip();
        let rows = match self.stored() {
            Some(stored) => stored.take(&addresses, wanted).await?,
            None if wanted.is_empty() => {
                let options = RecordBatchOptions::new().with_row_count(Some(addresses.len()));
                RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).map_err(internal)?
            }
            None => self.take(&addresses, wanted).await?,
        };
        Ok((UInt32Array::from(positions), rows))
    }

    /// How much of the stored rows an index covers; `None` where they have another shape, or have all gone.
    pub async fn coverage(&self, index: &IndexDefinition) -> Result<Option<Coverage>> {
        match self.visible_base().filter(|_| self.reshape.is_none()) {
            Some(base) => base.coverage(index).await.map(Some),
            None => Ok(None),
        }
    }

    /// Candidates for the nearest stored rows ([`TableVersion::nearest`]). Those that have gone are among them unless the
    /// request says otherwise.
    pub async fn nearest(&self, request: &NearestRequest<'_>) -> Result<Option<Vec<u64>>> {
        match self.visible_base().filter(|_| self.reshape.is_none()) {
            Some(base) => base.nearest(request).await,
            None => Ok(None),
        }
    }

    /// Rows by address, in the order of `addresses`. `wanted` may name [`ROW_ADDRESS`].
    pub async fn take_rows(&self, addresses: &[u64], wanted: &[String]) -> Result<RecordBatch> {
        match self.stored() {
            Some(stored) => stored.take(addresses, wanted).await,
            None => self.take(addresses, wanted).await,
        }
    }

    /// Rows by address, in the order of `addresses`.
    async fn take(&self, addresses: &[u64], wanted: &[String]) -> Result<RecordBatch> {
        let (own, stored): (Vec<u64>, Vec<u64>) = addresses.iter().partition(|address| **address & PENDING_ROW != 0);
        let stored_rows = self.stored_rows(&stored).await?;
        let own_rows = match &self.delta {
            Some(delta) => delta.take(&own).await?,
            None => RecordBatch::new_empty(self.definition.arrow_schema()),
        };
        let (mut next_own, mut next_stored) = (0, 0);
        let places: Vec<(usize, usize)> = addresses
            .iter()
            .map(|address| {
                let (batch, next) = if address & PENDING_ROW != 0 { (1, &mut next_own) } else { (0, &mut next_stored) };
                *next += 1;
                (batch, *next - 1)
            })
            .collect();
        let rows = interleave_record_batch(&[&stored_rows, &own_rows], &places).map_err(internal)?;
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(arrow::array::UInt64Array::from(addresses.to_vec())));
        let rows = RecordBatch::try_new(with_address(&self.definition.arrow_schema()), columns).map_err(internal)?;
        project(&rows, wanted)
    }

    /// Stored rows by address, in the shape of the definition.
    async fn stored_rows(&self, addresses: &[u64]) -> Result<RecordBatch> {
        let Some(base) = &self.base else { return Ok(RecordBatch::new_empty(self.definition.arrow_schema())) };
        match &self.reshape {
            None => {
                let all: Vec<String> = self.definition.columns.iter().map(|column| column.name.clone()).collect();
                base.take(addresses, &all).await
            }
            Some(reshape) => {
                let rows = base.take(addresses, &reshape.stored_columns()).await?;
                reshape.rows(&self.definition, &rows)
            }
        }
    }

    /// The plan of a scan. Rows of the transaction's own come last.
    pub async fn scan(&self, request: &ScanRequest) -> Result<Arc<dyn ExecutionPlan>> {
        match self.stored() {
            Some(stored) => stored.scan(request).await,
            None => scan::plan(self, request).await,
        }
    }

    /// Streams a scan.
    pub async fn read(&self, request: &ScanRequest) -> Result<SendableRecordBatchStream> {
        stream::execute(self.scan(request).await?)
    }

    /// The schema of rows with `columns`, and the row address last where asked for.
    pub(crate) fn output_schema(&self, columns: &[String], row_address: bool) -> Result<SchemaRef> {
        let fields = columns
            .iter()
            .map(|name| {
                let column = self.definition.column(name)?;
                Ok(column.sql_type.field(&column.name, !column.not_null))
            })
            .collect::<Result<Vec<_>>>()?;
        let schema = Arc::new(Schema::new(fields));
        Ok(if row_address { with_address(&schema) } else { schema })
    }

    /// Whether two living rows have the same `key`; a row of its values where they do.
    pub(crate) async fn first_duplicate(&self, key: &[String]) -> Result<Option<RecordBatch>> {
        let mut seen = KeySet::default();
        let mut rows = self.read(&ScanRequest { columns: Some(key.to_vec()), ..Default::default() }).await?;
        while let Some(batch) = stream::next(&mut rows).await? {
            for (row, hash) in hash_unique_keys(batch.columns())?.into_iter().enumerate() {
                if let Some(hash) = hash
                    && seen.insert(hash, ()).is_some()
                {
                    return Ok(Some(batch.slice(row, 1)));
                }
            }
        }
        Ok(None)
    }
}

/// Rows whose key is wanted.
fn matching(batch: &RecordBatch, key: &[String], wanted: &KeySet) -> Result<RecordBatch> {
    let hashes = hash_unique_keys(&columns(batch, key)?)?;
    let keep: BooleanArray =
        hashes.iter().map(|hash| Some(hash.is_some_and(|hash| wanted.contains_key(&hash)))).collect();
    filter_record_batch(batch, &keep).map_err(internal)
}

/// `output` columns and the address, which is last in both.
fn pick(batch: &RecordBatch, output: &[String]) -> Result<RecordBatch> {
    let mut names = output.to_vec();
    if !names.iter().any(|name| name == ROW_ADDRESS) {
        names.push(ROW_ADDRESS.to_string());
    }
    project(batch, &names)
}

/// Columns of a batch by name.
pub(super) fn project(batch: &RecordBatch, names: &[String]) -> Result<RecordBatch> {
    let positions = names
        .iter()
        .map(|name| batch.schema_ref().index_of(name))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(internal)?;
    if positions.is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        return RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).map_err(internal);
    }
    batch.project(&positions).map_err(internal)
}

/// Rows that are not at `addresses`, for a stored table with rows gone.
pub(super) type Removed = Arc<AddressSet>;

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::internal(error.to_string())
}
