//! The bulk path: streams of rows into an index.
//!
//! Rows are handed to Kuzu as an Arrow table, a chunk at a time, and copied from there into the element's table; nothing is
//! turned into text and back, so every value arrives as it is. Memory holds two chunks: one is collected while the other is
//! copied.
//!
//! Kuzu logs neither the copied rows nor a way to get the Arrow table back: a database that dies in here may not open again.
//! That is why [`fill`] runs only while the index has no standing, ends with a checkpoint, and gives the standing back in a
//! transaction after it.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{and, filter_record_batch, is_not_null};
use arrow_kuzu::array::RecordBatch as KuzuBatch;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::oneshot;

use super::errors::classify;
use super::session::Session;
use super::stage::{node, relationship};
use super::threads::{Worker, closed};
use super::{bridge, statements};
use crate::error::{Error, Result};
use crate::graph::index::{IndexSchema, RebuildSource, Standing};

/// A chunk is full at this many rows: many small ones make Kuzu write the same relationship lists again and again,
const CHUNK_ROWS: usize = 1024 * 1024;
/// or at this many bytes, or at [`POOL_PART`] of the buffer pool.
const CHUNK_BYTES: usize = 64 << 20;
/// Copied rows stay in the buffer pool until a checkpoint; there is one whenever they have come to this part of it as Arrow
/// counts. In the pool they are several times as large.
const POOL_PART: u64 = 8;

/// Copies everything in, nodes first, makes it durable, and says where the index stands.
pub(super) async fn fill(
    writer: &Worker,
    schema: &IndexSchema,
    pool_bytes: u64,
    source: RebuildSource,
    standing: Standing,
) -> Result<()> {
    let budget = usize::try_from(pool_bytes / POOL_PART).unwrap_or(usize::MAX);
    let mut loader = Loader { writer, budget, copied: 0 };
    for (element, rows) in source.nodes {
        let width = node(schema, &element)?.properties.len() + 1;
        let columns = (0..width).map(bridge::staging_column).collect();
        loader.load(rows, &Target { element, columns, arrange: arrange_node }).await?;
    }
    for (element, rows) in source.relationships {
        let width = relationship(schema, &element)?.properties.len() + 3;
        // The table wants the end points first, the staging table its key.
        let order = [1, 2, 0].into_iter().chain(3..width);
        let columns = order.map(bridge::staging_column).collect();
        loader.load(rows, &Target { element, columns, arrange: arrange_relationship }).await?;
    }
    writer.run(move |session| complete(session, &standing)).await
}

fn complete(session: &mut Session<'_, '_>, standing: &Standing) -> Result<()> {
    session.run(statements::CHECKPOINT)?;
    session.begin_write()?;
    session.write_standing(standing)?;
    session.commit()
}

/// Where rows go.
struct Target {
    element: String,
    /// The staging columns in the order of the element's table.
    columns: Vec<String>,
    /// From a source's columns to staging columns.
    arrange: fn(&RecordBatch) -> Result<Vec<ArrayRef>>,
}

/// Rows on their way, with their size.
#[derive(Default)]
struct Chunk {
    batches: Vec<KuzuBatch>,
    rows: usize,
    bytes: usize,
}

struct Loader<'a> {
    writer: &'a Worker,
    budget: usize,
    /// Bytes copied since the last checkpoint.
    copied: usize,
}

impl Loader<'_> {
    async fn load(&mut self, mut rows: SendableRecordBatchStream, target: &Target) -> Result<()> {
        let mut copying: Option<oneshot::Receiver<Result<()>>> = None;
        loop {
            let chunk = target.collect(&mut rows, self.budget.min(CHUNK_BYTES)).await;
            if let Some(previous) = copying.take() {
                previous.await.map_err(|_| closed())??;
            }
            let chunk = chunk?;
            if chunk.batches.is_empty() {
                return Ok(());
            }
            self.copied += chunk.bytes;
            let checkpoint = self.copied >= self.budget;
            if checkpoint {
                self.copied = 0;
            }
            let text = statements::copy_from_staging(&target.element, &target.columns);
            copying = Some(self.writer.start(move |session| {
                copy(session, &text, &chunk.batches)?;
                if checkpoint {
                    session.run(statements::CHECKPOINT)?;
                }
                Ok(())
            }));
        }
    }
}

impl Target {
    /// Collects a chunk; it is empty at the end of the source.
    async fn collect(&self, rows: &mut SendableRecordBatchStream, bytes: usize) -> Result<Chunk> {
        let mut chunk = Chunk::default();
        while chunk.rows < CHUNK_ROWS && chunk.bytes < bytes {
            let Some(batch) = rows.next().await else { break };
            let columns = (self.arrange)(&batch.map_err(reading)?)?;
            if columns.len() != self.columns.len() {
                return Err(Error::internal(format!("rows of \"{}\" have {} columns", self.element, columns.len())));
            }
            if columns[0].is_empty() {
                continue;
            }
            let batch = bridge::staging(&columns)?;
            chunk.rows += batch.num_rows();
            chunk.bytes += bytes_of(&batch);
            chunk.batches.push(bridge::export(&batch)?);
        }
        Ok(chunk)
    }
}

/// The bytes of a batch's own rows; its memory may be shared with more of them.
fn bytes_of(batch: &RecordBatch) -> usize {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    sizes.map(|size| size.unwrap_or(0)).sum()
}

fn reading(error: datafusion::error::DataFusionError) -> Error {
    match error.find_root() {
        datafusion::error::DataFusionError::External(source) if source.is::<Error>() => {
            source.downcast_ref::<Error>().expect("it has just been asked").clone()
        }
        other => Error::storage(format!("cannot read rows for the graph index: {other}")),
    }
}

fn arrange_node(batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    Ok(batch.columns().to_vec())
}

/// The edge's key first, because the first column of a staging table is its key; rows that lack an end point are no edges.
fn arrange_relationship(batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let [source, destination, _key, ..] = batch.columns() else {
        return Err(Error::internal("an edge needs a source, a destination and a key"));
    };
    let complete = is_not_null(source).and_then(|a| and(&a, &is_not_null(destination)?));
    let order: Vec<_> = [2, 0, 1].into_iter().chain(3..batch.num_columns()).collect();
    let arranged = complete
        .and_then(|complete| filter_record_batch(batch, &complete))
        .and_then(|edges| edges.project(&order))
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(arranged.columns().to_vec())
}

/// Copies one chunk through the staging table.
fn copy(session: &mut Session<'_, '_>, text: &str, chunk: &[KuzuBatch]) -> Result<()> {
    let staged = session.connection().create_arrow_table(statements::STAGING_TABLE, chunk);
    staged.map_err(|error| classify("staging rows", &error))?;
    let copied = session.run(text);
    let dropped = session.connection().drop_arrow_table(statements::STAGING_TABLE);
    copied?;
    dropped.map_err(|error| classify("staging rows", &error))?;
    Ok(())
}
