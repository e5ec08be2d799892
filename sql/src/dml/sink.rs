//! Where the rows that a table gets gather on their way to the commit.
//!
//! Few rows are kept. When they become many they go, and all that follow them, to the engine's bulk load, which writes them as
//! they come. Inside a transaction block, and where rows are replaced, they stay what they are: changes, which the engine moves
//! to a temporary file when they are many. Either way memory stays bounded.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::change::{Changes, RowChanges};
use slipstream_engine::database::Database;
use slipstream_engine::store::StagedLoad;
use slipstream_engine::{Batches, Error, ReadView, Result};
use tokio::sync::mpsc;

/// Rows up to this number are kept; more are loaded in bulk.
const KEPT_ROWS: usize = 10_000;

/// Bytes of rows that are kept; more are loaded in bulk.
const KEPT_BYTES: usize = 64 << 20;

/// Batches that may wait for the load to take them.
const WAITING_BATCHES: usize = 2;

/// Where a statement's rows go.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    pub(crate) database: Arc<Database>,
    /// What the statement reads.
    pub(crate) view: ReadView,
    /// Whether many rows may be loaded in bulk: the statement is a transaction of its own.
    pub(crate) bulk: bool,
}

/// Takes rows that a table gets.
pub(crate) struct Sink {
    destination: Destination,
    table: Arc<TableDefinition>,
    kept: Batches,
    load: Option<Load>,
    rows: usize,
}

/// A bulk load that is running. Dropping it ends it.
struct Load {
    rows: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
    task: SpawnedTask<Result<StagedLoad>>,
}

impl Sink {
    /// A sink for rows of `table`, which the statement reads or makes itself.
    pub(crate) fn new(destination: &Destination, table: &Arc<TableDefinition>) -> Self {
        let (destination, table) = (destination.clone(), Arc::clone(table));
        // Rows that are loaded when they become many need no temporary file.
        let kept = if destination.bulk { Batches::default() } else { destination.database.batches() };
        Sink { destination, table, kept, load: None, rows: 0 }
    }

    /// A sink that keeps all rows, because they are one with others that go.
    pub(crate) fn keeping(self) -> Self {
        let kept = self.destination.database.batches();
        Sink { destination: Destination { bulk: false, ..self.destination }, kept, ..self }
    }

    /// Takes rows with the table's schema, which satisfy its constraints.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        if self.load.is_none() {
            self.kept.push(batch)?;
            if self.destination.bulk && (self.rows > KEPT_ROWS || self.kept.memory() > KEPT_BYTES) {
                self.start_load().await?;
            }
            return Ok(());
        }
        self.send(batch).await
    }

    /// Bytes of rows that are in memory.
    pub(crate) fn memory(&self) -> usize {
        self.kept.memory()
    }

    /// Adds the rows to a statement's changes and says how many there were.
    pub(crate) async fn finish(self, changes: &mut Changes) -> Result<usize> {
        match self.load {
            Some(Load { rows, task }) => {
                drop(rows);
                changes.loads.push(finished(task).await?);
            }
            None if self.rows > 0 => changes.rows.push(RowChanges { added: self.kept, ..RowChanges::new(self.table) }),
            None => {}
        }
        Ok(self.rows)
    }

    async fn start_load(&mut self) -> Result<()> {
        let (rows, received) = mpsc::channel(WAITING_BATCHES);
        let received = stream::unfold(received, |mut received| async { Some((received.recv().await?, received)) });
        let received = Box::pin(RecordBatchStreamAdapter::new(self.table.arrow_schema(), received));
        let (destination, table) = (self.destination.clone(), Arc::clone(&self.table));
        let task =
            SpawnedTask::spawn(
                async move { destination.database.stage_load(&table, &destination.view, received).await },
            );
        self.load = Some(Load { rows, task });
        for batch in std::mem::take(&mut self.kept).iter() {
            self.send(batch?).await?;
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
