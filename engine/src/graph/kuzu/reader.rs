//! Read transactions, and results on their way out.
//!
//! A reader is a leased thread with an open read transaction. A query is one job on that thread: it runs the statement and
//! brings back the first rows, so a short answer costs one round trip. Kuzu has the whole result by then; of a long one, the
//! rest stays with the session and is fetched piece by piece, one piece ahead of the consumer. No job ever waits for a
//! consumer, so two streams of one reader cannot block each other.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use tokio::sync::oneshot;

use super::generation::{Generation, Lease};
use super::known::KnownStanding;
use super::session::{Piece, Session};
use super::threads::{Ticket, closed};
use super::values;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::index::{IndexQuery, IndexReader, Standing};

/// Rows of one batch.
const BATCH_ROWS: usize = 8192;

/// Opens a read transaction; `None` where the index is not complete.
pub(super) async fn begin(generation: Arc<Generation>) -> Result<Option<Arc<dyn IndexReader>>> {
    if generation.is_condemned() {
        return Ok(None);
    }
    let known = Arc::clone(generation.known());
    let lease = generation.lease().await?;
    let standing = lease.worker.run(move |session| begin_where_it_stands(session, &known));
    Ok(standing.await?.map(|standing| {
        let reader = Reader { standing, lease: Arc::new(lease) };
        Arc::new(reader) as Arc<dyn IndexReader>
    }))
}

fn begin_where_it_stands(session: &mut Session<'_, '_>, known: &KnownStanding) -> Result<Option<Arc<Standing>>> {
    let look = known.look();
    session.begin_read()?;
    if let Some(standing) = known.seen_since(&look) {
        return Ok(Some(standing));
    }
    let standing = session.read_standing()?.map(Arc::new);
    if let Some(standing) = &standing {
        known.learn(&look, standing);
    }
    Ok(standing)
}

struct Reader {
    standing: Arc<Standing>,
    lease: Arc<Lease>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KuzuReader").field("seq", &self.standing.seq).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl IndexReader for Reader {
    fn standing(&self) -> &Standing {
        &self.standing
    }

    async fn query(&self, query: &IndexQuery) -> Result<SendableRecordBatchStream> {
        let schema = Arc::clone(&query.schema);
        let mut cursor = Cursor {
            ready: None,
            pending: None,
            more: None,
            schema: Arc::clone(&schema),
            running: Running { ticket: Arc::default(), lease: Arc::clone(&self.lease) },
        };
        let (query, standing) = (query.clone(), Arc::clone(&self.standing));
        let ticket = Arc::clone(&cursor.running.ticket);
        let first = self.lease.worker.run(move |session| ticket.carry(|| answer(session, &query, &standing)));
        let piece = first.await?;
        cursor.ready = cursor.take(piece);
        let batches = stream::try_unfold(cursor, |mut cursor| async move {
            let batch = cursor.next().await.map_err(DataFusionError::from)?;
            Ok(batch.map(|batch| (batch, cursor)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    async fn check(&self, query: &IndexQuery) -> Result<()> {
        let cypher = query.cypher.clone();
        self.lease.worker.run(move |session| session.check(&cypher)).await
    }
}

/// Runs a query and takes the first rows.
fn answer(session: &mut Session<'_, '_>, query: &IndexQuery, standing: &Standing) -> Result<Piece> {
    resume(session, standing)?;
    let parameters = query.parameters.iter().map(|(name, value)| Ok((name.as_str(), values::of_scalar(value)?)));
    let result = session.execute(&query.cypher, parameters.collect::<Result<_>>()?)?;
    session.first_piece(result, &query.schema, BATCH_ROWS)
}

/// A failed or interrupted query has ended the transaction. A later query of the same reader may go on in another one that
/// stands at the same commit, and only there.
fn resume(session: &mut Session<'_, '_>, standing: &Standing) -> Result<()> {
    if session.in_transaction() {
        return Ok(());
    }
    session.begin_read()?;
    if session.read_standing()?.as_ref() == Some(standing) {
        return Ok(());
    }
    session.rollback();
    Err(Error::new(ErrorKind::SerializationFailure, "the graph index has moved on since this statement began"))
}

/// A query that is running or has results; dropping it interrupts it. Its lease keeps the transaction open.
struct Running {
    ticket: Arc<Ticket>,
    lease: Arc<Lease>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lease.worker.interrupt(&self.ticket);
    }
}

/// The consumer's side of a result.
struct Cursor {
    ready: Option<RecordBatch>,
    pending: Option<oneshot::Receiver<Result<Piece>>>,
    more: Option<u64>,
    schema: SchemaRef,
    running: Running,
}

impl Cursor {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(batch) = self.ready.take() {
            return Ok(Some(batch));
        }
        let Some(pending) = self.pending.take() else { return Ok(None) };
        let piece = pending.await.map_err(|_| closed())??;
        Ok(self.take(piece))
    }

    /// Takes the rows of a piece and asks for the next one.
    fn take(&mut self, piece: Piece) -> Option<RecordBatch> {
        self.more = piece.more;
        if let Some(id) = piece.more {
            let schema = Arc::clone(&self.schema);
            let next = move |session: &mut Session<'_, '_>| session.next_piece(id, &schema, BATCH_ROWS);
            self.pending = Some(self.running.lease.worker.start(next));
        }
        piece.batch
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        if let Some(id) = self.more {
            self.running.lease.worker.post(move |session| session.forget_result(id));
        }
    }
}
