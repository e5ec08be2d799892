//! The rows of a cursor between one FETCH and the next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_plan::{RecordBatchStream, SendableRecordBatchStream};
use futures::{Stream, StreamExt};

use super::Cursor;

/// Where the rows of a cursor are.
pub(super) enum State {
    /// Waiting.
    Waiting(Remaining),
    /// With a FETCH, or lost to one that failed.
    Taken,
}

/// The rows that are still to come: the rest of a batch, then the stream.
pub(super) struct Remaining {
    batch: Option<RecordBatch>,
    stream: Option<SendableRecordBatchStream>,
}

impl State {
    /// Before the first row.
    pub(super) fn at_start(stream: SendableRecordBatchStream) -> State {
        State::Waiting(Remaining { batch: None, stream: Some(stream) })
    }
}

/// The rows of one FETCH. What it does not take goes back to the cursor when it ends.
pub(super) struct FetchedRows {
    cursor: Arc<Cursor>,
    remaining: Option<Remaining>,
    /// How many rows it may still take; `None` is all.
    wanted: Option<usize>,
}

impl FetchedRows {
    /// Takes the rows from their cursor, if they are there.
    pub(super) fn take(cursor: Arc<Cursor>, wanted: Option<usize>) -> Option<FetchedRows> {
        match std::mem::replace(&mut *cursor.state.lock(), State::Taken) {
            State::Waiting(remaining) => {
                Some(FetchedRows { cursor: Arc::clone(&cursor), remaining: Some(remaining), wanted })
            }
            State::Taken => None,
        }
    }

    /// As many rows of a batch as are wanted; the rest stays.
    fn cut(&mut self, batch: RecordBatch) -> RecordBatch {
        let taken = self.wanted.map_or(batch.num_rows(), |wanted| wanted.min(batch.num_rows()));
        if let Some(wanted) = &mut self.wanted {
            *wanted -= taken;
        }
        if let Some(remaining) = &mut self.remaining
            && taken < batch.num_rows()
        {
            remaining.batch = Some(batch.slice(taken, batch.num_rows() - taken));
        }
        batch.slice(0, taken)
    }
}

impl Stream for FetchedRows {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.wanted == Some(0) {
            return Poll::Ready(None);
        }
        let Some(remaining) = &mut this.remaining else { return Poll::Ready(None) };
        if let Some(batch) = remaining.batch.take() {
            let rows = this.cut(batch);
            return Poll::Ready(Some(Ok(rows)));
        }
        let Some(stream) = &mut remaining.stream else { return Poll::Ready(None) };
        match futures::ready!(stream.poll_next_unpin(cx)) {
            Some(Ok(batch)) => {
                let rows = this.cut(batch);
                Poll::Ready(Some(Ok(rows)))
            }
            Some(Err(error)) => {
                this.remaining = None;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                remaining.stream = None;
                Poll::Ready(None)
            }
        }
    }
}

impl RecordBatchStream for FetchedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.cursor.schema)
    }
}

impl Drop for FetchedRows {
    fn drop(&mut self) {
        if let Some(remaining) = self.remaining.take() {
            *self.cursor.state.lock() = State::Waiting(remaining);
        }
    }
}
