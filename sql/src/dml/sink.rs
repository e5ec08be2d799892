//! Where the rows of a write gather on their way to the commit.
//!
//! Few rows are kept, as a delta. When they become many they go, and all that follow them, to the engine's bulk load, which
//! writes them as they come, so that memory stays bounded.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::change::{Changes, ROW_ADDRESS, RowChanges};
use slipstream_engine::database::Database;
use slipstream_engine::store::StagedLoad;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};
use tokio::sync::mpsc;

use crate::error::from_arrow;
use crate::session::Inner;

/// Rows up to this number make a delta; more are loaded in bulk.
const DELTA_ROWS: usize = 10_000;

/// Batches that may wait for the load to take them.
const WAITING_BATCHES: usize = 2;

/// Takes rows that a table gets.
pub(crate) struct Sink {
    database: Arc<Database>,
    table: Arc<TableDefinition>,
    view: ReadView,
    kept: Vec<RecordBatch>,
    /// Whether many rows may go to a bulk load. In a transaction block they are kept with its other changes.
    bulk: bool,
    load: Option<Load>,
    rows: usize,
}

/// A bulk load that is running. Dropping it ends it.
struct Load {
    rows: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
    task: SpawnedTask<Result<StagedLoad>>,
}

impl Sink {
    /// A sink for rows of `table`, which is in `view` or is made by the same commit.
    pub(crate) fn new(session: &Inner, table: &Arc<TableDefinition>, view: &ReadView) -> Self {
        Sink {
            database: Arc::clone(session.database()),
            bulk: !session.in_block(),
            table: Arc::clone(table),
            view: view.clone(),
            kept: Vec::new(),
            load: None,
            rows: 0,
        }
    }

    /// Takes rows with the table's columns.
    pub(crate) async fn push(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let batch = table_rows(&self.table, columns, rows)?;
        self.rows += rows;
        if self.load.is_none() {
            self.kept.push(batch);
            if self.bulk && self.rows > DELTA_ROWS {
                self.start_load().await?;
            }
            return Ok(());
        }
        self.send(batch).await
    }

    /// Adds the rows to a transaction's changes and says how many there were.
    pub(crate) async fn finish(self, changes: &mut Changes) -> Result<usize> {
        match self.load {
            Some(Load { rows, task }) => {
                drop(rows);
                changes.loads.push(finished(task).await?);
            }
            None if self.rows > 0 => {
                changes.rows.push(RowChanges { added: self.kept, ..RowChanges::new(self.table) });
            }
            None => {}
        }
        Ok(self.rows)
    }

    async fn start_load(&mut self) -> Result<()> {
        let (rows, received) = mpsc::channel(WAITING_BATCHES);
        let received = stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
        let received = Box::pin(RecordBatchStreamAdapter::new(self.table.arrow_schema(), received));
        let (database, table, view) = (Arc::clone(&self.database), Arc::clone(&self.table), self.view.clone());
        let task = SpawnedTask::spawn(async move { database.stage_load(&table, &view, received).await });
        self.load = Some(Load { rows, task });
        for batch in std::mem::take(&mut self.kept) {
            self.send(batch).await?;
        }
        Ok(())
    }

    async fn send(&mut self, batch: RecordBatch) -> Result<()> {
        let Some(load) = &self.load else {
            return Err(Error::internal("rows were sent to a load that is not running"));
        };
        if load.rows.send(Ok(batch)).await.is_ok() {
            return Ok(());
        }
        // The load has ended before its rows did, which it does only when it fails.
        match self.load.take() {
            Some(Load { task, .. }) => match finished(task).await {
                Err(error) => Err(error),
                Ok(_) => Err(Error::internal("a load ended before its rows did")),
            },
            None => Err(Error::internal("a load has gone")),
        }
    }
}

async fn finished(task: SpawnedTask<Result<StagedLoad>>) -> Result<StagedLoad> {
    task.join().await.map_err(|error| Error::internal(format!("a load stopped unexpectedly: {error}")))?
}

/// A batch of a table's rows, in the table's own Arrow types.
pub(crate) fn table_rows(table: &TableDefinition, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let schema = table.arrow_schema();
    let columns = columns
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()).map_err(from_arrow),
        })
        .collect::<Result<Vec<_>>>()?;
    for (definition, column) in table.columns.iter().zip(&columns) {
        if definition.not_null && column.logical_null_count() > 0 {
            return Err(null_value(table, &definition.name));
        }
    }
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
        .map_err(from_arrow)
}

fn null_value(table: &TableDefinition, column: &str) -> Error {
    let message =
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name);
    Error::new(ErrorKind::NotNullViolation, message).on_table(&table.name).on_column(column)
}

/// The identities of rows that go: the first `identity` columns of a batch, the last of them the address.
pub(crate) fn removed_rows(batch: &RecordBatch, identity: usize) -> Result<RecordBatch> {
    let removed = batch.project(&(0..identity).collect::<Vec<_>>()).map_err(from_arrow)?;
    debug_assert_eq!(removed.schema().fields().last().map(|field| field.name().as_str()), Some(ROW_ADDRESS));
    Ok(removed)
}
