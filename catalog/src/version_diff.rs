//! What one version of a table has that another has not: `slipstream.diff`.
//!
//! Only fragments that the two versions do not share are read. A row that has merely moved, as compaction moves it, is no
//! difference. The rows that differ are held in memory.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt64Array, new_null_array};
use arrow::compute::{cast, concat_batches, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ReadView, Result};

/// The column that says what became of a row.
pub const CHANGE: &str = "change";

/// A table at one version.
#[derive(Debug, Clone)]
pub struct Side {
    /// The version.
    pub view: ReadView,
    /// The table as it was there.
    pub table: Arc<TableDefinition>,
}

/// The rows that differ between two versions of a table, with the columns of the later one and one that says `added`, `changed`
/// or `removed`. A changed row has its later values.
#[derive(Debug)]
pub struct VersionDiff {
    from: Side,
    to: Side,
    schema: SchemaRef,
}

impl VersionDiff {
    /// What `to` has that `from` has not, and the other way round.
    pub fn new(from: Side, to: Side) -> Self {
        let change = Arc::new(SqlType::Text.field(CHANGE, false));
        // A column need not have been there, or could have been NULL.
        let columns = to.table.columns.iter().map(|column| Arc::new(column.sql_type.field(&column.name, true)));
        let schema = Arc::new(Schema::new(std::iter::once(change).chain(columns).collect::<Vec<_>>()));
        VersionDiff { from, to, schema }
    }
}

#[async_trait]
impl TableProvider for VersionDiff {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let scan = Scan { from: self.from.clone(), to: self.to.clone(), schema: Arc::clone(&self.schema) };
        let part: Arc<dyn PartitionStream> = Arc::new(scan);
        Ok(Arc::new(StreamingTableExec::try_new(Arc::clone(&self.schema), vec![part], projection, [], false, limit)?))
    }
}

/// One run.
struct Scan {
    from: Side,
    to: Side,
    schema: SchemaRef,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.from.view.snapshot.seq, self.to.view.snapshot.seq);
        write!(f, "VersionDiff: table={}, from={from}, to={to}", self.to.table.name)
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (from, to, schema) = (self.from.clone(), self.to.clone(), Arc::clone(&self.schema));
        let batch = async move { difference(&from, &to, &schema).await.map_err(DataFusionError::from) };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(batch)))
    }
}

async fn difference(from: &Side, to: &Side, schema: &SchemaRef) -> Result<RecordBatch> {
    let older = from.view.snapshot.open(&from.table).await?;
    let newer = to.view.snapshot.open(&to.table).await?;
    let names: Vec<String> = from.table.columns.iter().map(|column| column.name.clone()).collect();
    let found = newer.difference(&older, &names, usize::MAX).await?.unwrap_or_default();
    let columns: SchemaRef = Arc::new(Schema::new(schema.fields()[1..].to_vec()));
    let removed = found.removed.iter().map(|batch| as_columns(batch, &columns)).collect::<Result<Vec<_>>>()?;
    let removed = concat_batches(&columns, &removed).map_err(internal)?;
    let added = found.added.iter().map(|batch| as_columns(batch, &columns)).collect::<Result<Vec<_>>>()?;
    let added = concat_batches(&columns, &added).map_err(internal)?;
    let key = match to.table.primary_key == from.table.primary_key {
        true => to.table.primary_key.as_slice(),
        false => &[],
    };
    let outcome = match key {
        [] => without_key(&removed, &added)?,
        key => by_key(&removed, &added, key)?,
    };
    let mut parts = Vec::new();
    for (what, rows, batch) in
        [("added", outcome.added, &added), ("changed", outcome.changed, &added), ("removed", outcome.removed, &removed)]
    {
        let rows = take_record_batch(batch, &UInt64Array::from(rows)).map_err(internal)?;
        let mut values: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![what; rows.num_rows()]))];
        values.extend(rows.columns().iter().cloned());
        parts.push(RecordBatch::try_new(Arc::clone(schema), values).map_err(internal)?);
    }
    concat_batches(schema, &parts).map_err(internal)
}

/// Rows with the columns of the later version: what a version has not is NULL.
fn as_columns(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let fields: Vec<_> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    let columns = fields.iter().map(|field| match batch.column_by_name(field.name()) {
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        Some(values) if values.data_type() == field.data_type() => Ok(Arc::clone(values)),
        // The same column under an earlier type; what does not fit is NULL, and so a change.
        Some(values) => {
            cast(values, field.data_type()).or_else(|_| Ok(new_null_array(field.data_type(), batch.num_rows())))
        }
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(internal)
}

/// Positions of rows, by what became of them.
#[derive(Default)]
struct Outcome {
    added: Vec<u64>,
    changed: Vec<u64>,
    removed: Vec<u64>,
}

fn by_key(removed: &RecordBatch, added: &RecordBatch, key: &[String]) -> Result<Outcome> {
    let columns = |batch: &RecordBatch| -> Result<Vec<String>> {
        let missing = |name: &String| Error::internal(format!("rows lack column \"{name}\""));
        let values = key.iter().map(|name| batch.column_by_name(name).cloned().ok_or_else(|| missing(name)));
        texts(&values.collect::<Result<Vec<_>>>()?, batch.num_rows())
    };
    let (before, after) = (whole(removed)?, whole(added)?);
    let keys = columns(removed)?;
    let known: HashMap<&str, usize> = keys.iter().enumerate().map(|(row, key)| (key.as_str(), row)).collect();
    let mut found = HashSet::new();
    let mut outcome = Outcome::default();
    for (row, key) in columns(added)?.iter().enumerate() {
        match known.get(key.as_str()) {
            None => outcome.added.push(row as u64),
            Some(old) => {
                found.insert(*old);
                if before[*old] != after[row] {
                    outcome.changed.push(row as u64);
                }
            }
        }
    }
    outcome.removed.extend((0..removed.num_rows()).filter(|row| !found.contains(row)).map(|row| row as u64));
    Ok(outcome)
}

/// Rows that nothing but their values tells apart: equal ones cancel out.
fn without_key(removed: &RecordBatch, added: &RecordBatch) -> Result<Outcome> {
    let mut gone: HashMap<String, Vec<u64>> = HashMap::new();
    for (row, text) in whole(removed)?.into_iter().enumerate() {
        gone.entry(text).or_default().push(row as u64);
    }
    let mut outcome = Outcome::default();
    for (row, text) in whole(added)?.iter().enumerate() {
        if gone.get_mut(text).and_then(Vec::pop).is_none() {
            outcome.added.push(row as u64);
        }
    }
    outcome.removed = gone.into_values().flatten().collect();
    outcome.removed.sort_unstable();
    Ok(outcome)
}

fn whole(batch: &RecordBatch) -> Result<Vec<String>> {
    texts(batch.columns(), batch.num_rows())
}

/// Each row as a text that no other row has.
fn texts(columns: &[ArrayRef], rows: usize) -> Result<Vec<String>> {
    let options = FormatOptions::default();
    let formatters = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<Vec<_>, _>>()
        .map_err(internal)?;
    let mut texts = Vec::with_capacity(rows);
    for row in 0..rows {
        let mut text = String::new();
        for (column, formatter) in columns.iter().zip(&formatters) {
            match column.is_null(row) {
                true => text.push('-'),
                false => {
                    let value = formatter.value(row).to_string();
                    // Its length keeps it apart from the next.
                    text.push_str(&format!("{}:{value}", value.len()));
                }
            }
        }
        texts.push(text);
    }
    Ok(texts)
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("cannot compare versions: {error}"))
}
