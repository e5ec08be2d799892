//! What can stop a running statement: a cancel request, and the statement timeout. A commit that has begun is not stopped.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_plan::{RecordBatchStream, SendableRecordBatchStream};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use slipstream_engine::{Error, ErrorKind, Result};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::from_datafusion;

/// The limits of one statement.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    token: CancellationToken,
    deadline: Option<Instant>,
    shield: Shield,
}

/// Held up while a session commits: what cannot be undone must not look as if it had been.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shield(Arc<AtomicBool>);

impl Shield {
    /// Runs `work` to its end, whoever wants to stop the statement.
    pub(crate) async fn over<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let done = work.await;
        self.0.store(false, Ordering::Relaxed);
        done
    }

    fn is_up(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Interrupt {
    pub(crate) fn new(token: CancellationToken, timeout: Option<Duration>, shield: Shield) -> Self {
        Interrupt { token, deadline: timeout.map(|timeout| Instant::now() + timeout), shield }
    }

    /// Waits until the statement has to stop.
    async fn wait(self) -> Error {
        let timeout = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.token.cancelled() => {
                Error::new(ErrorKind::Cancelled, "canceling statement due to user request")
            }
            () = timeout => Error::new(ErrorKind::Cancelled, "canceling statement due to statement timeout"),
        }
    }

    /// Runs a part of the statement for as long as it may run.
    pub(crate) async fn limit<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut work = pin!(work);
        let mut wait = pin!(self.clone().wait());
        let mut stopped = None;
        poll_fn(|cx| {
            loop {
                if stopped.is_none()
                    && let Poll::Ready(error) = wait.as_mut().poll(cx)
                {
                    stopped = Some(error);
                }
                if !self.shield.is_up()
                    && let Some(error) = stopped.take()
                {
                    return Poll::Ready(Err(error));
                }
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(done);
                }
                // The shield may have come down meanwhile.
                if stopped.is_none() || self.shield.is_up() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

/// What a session wants to know of a result's end.
pub(crate) type OnError = Box<dyn Fn() + Send + Sync>;

/// The rows of a result: with the schema that the client sees, and ended by an interrupt.
pub(crate) struct Rows {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    stopped: BoxFuture<'static, Error>,
    failed: OnError,
    done: bool,
}

impl Rows {
    /// The rows of `input`; `failed` is called when they end in an error.
    pub(crate) fn stream(
        input: SendableRecordBatchStream,
        schema: SchemaRef,
        interrupt: Interrupt,
        failed: OnError,
    ) -> SendableRecordBatchStream {
        Box::pin(Rows { input, schema, stopped: interrupt.wait().boxed(), failed, done: false })
    }

    fn finish(&mut self, error: Error) -> Poll<Option<DataFusionResult<RecordBatch>>> {
        self.done = true;
        (self.failed)();
        Poll::Ready(Some(Err(DataFusionError::from(error))))
    }
}

impl Stream for Rows {
    type Item = DataFusionResult<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        if let Poll::Ready(error) = self.stopped.poll_unpin(cx) {
            return self.finish(error);
        }
        match futures::ready!(self.input.poll_next_unpin(cx)) {
            None => {
                self.done = true;
                Poll::Ready(None)
            }
            Some(Err(error)) => self.finish(from_datafusion(error)),
            Some(Ok(batch)) => match renamed(&batch, &self.schema) {
                Ok(batch) => Poll::Ready(Some(Ok(batch))),
                Err(error) => self.finish(error),
            },
        }
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

fn renamed(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
        .map_err(|error| Error::internal(format!("a result does not have the columns it was described with: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_is_waited_for_and_nothing_after_it() {
        let (token, shield) = (CancellationToken::new(), Shield::default());
        let interrupt = Interrupt::new(token.clone(), None, shield.clone());
        let commit = async {
            token.cancel();
            tokio::time::sleep(Duration::from_millis(5)).await;
            7
        };
        assert_eq!(interrupt.limit(async { Ok(shield.over(commit).await) }).await.expect("not stopped"), 7);
        let again = async {
            shield.over(tokio::time::sleep(Duration::from_millis(5))).await;
            std::future::pending::<Result<()>>().await
        };
        assert_eq!(interrupt.limit(again).await.expect_err("stopped").kind(), ErrorKind::Cancelled);
    }
}
