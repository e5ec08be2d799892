//! Portals of the extended protocol, and the cursor that both protocols send rows with.

use std::time::Duration;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use slipstream_engine::Result;
use slipstream_sql::{Prepared, from_datafusion};
use tokio::io::AsyncWrite;

use crate::connection::Failure;
use crate::encode::{BoundBatch, Format, RowEncoder};
use crate::outbox::Outbox;

/// How long rows that are ready wait for more before they are sent anyway.
const PATIENCE: Duration = Duration::from_millis(5);

/// A statement with its parameters, ready to run or running.
pub(crate) struct Portal {
    pub(crate) statement: Prepared,
    pub(crate) parameters: Vec<ScalarValue>,
    pub(crate) formats: Vec<Format>,
    pub(crate) state: PortalState,
}

/// How far a portal has come.
pub(crate) enum PortalState {
    /// Not run yet.
    Ready,
    /// Suspended at a row limit.
    Open(RowCursor),
    /// All rows were sent; running it again sends none.
    Exhausted(&'static str),
    /// Done, or failed: it cannot run again.
    Done,
}

/// Rows on their way to the client.
pub(crate) struct RowCursor {
    stream: SendableRecordBatchStream,
    encoder: RowEncoder,
    current: Option<(BoundBatch, usize)>,
    tag: &'static str,
}

/// How a call of [`RowCursor::send`] ended.
#[derive(Debug, PartialEq)]
pub(crate) enum Progress {
    /// There are no more rows; the command tag.
    Exhausted(String),
    /// The limit was reached.
    Suspended,
}

impl RowCursor {
    /// A cursor at the first row.
    pub(crate) fn new(stream: SendableRecordBatchStream, encoder: RowEncoder, tag: &'static str) -> RowCursor {
        RowCursor { stream, encoder, current: None, tag }
    }

    /// The tag without its row count.
    pub(crate) fn tag(&self) -> &'static str {
        self.tag
    }

    /// Sends up to `limit` rows, as they come.
    ///
    /// Memory stays at one batch and the outbox's high water mark: the next batch is asked for when this one is written,
    /// and a client that reads slowly slows the plan.
    pub(crate) async fn send<W: AsyncWrite + Unpin>(
        &mut self,
        out: &mut Outbox<W>,
        limit: Option<usize>,
    ) -> Result<Progress, Failure> {
        let mut sent = 0;
        loop {
            if limit == Some(sent) {
                return Ok(Progress::Suspended);
            }
            let Some((batch, next)) = &mut self.current else {
                match self.next_batch(out).await? {
                    Some(batch) => self.current = Some((batch, 0)),
                    None => return Ok(Progress::Exhausted(complete_tag(self.tag, sent))),
                }
                continue;
            };
            if *next == batch.rows() {
                self.current = None;
                continue;
            }
            self.encoder.append(out.buffer(), batch, *next)?;
            *next += 1;
            sent += 1;
            out.relieve().await?;
        }
    }

    async fn next_batch<W: AsyncWrite + Unpin>(&mut self, out: &mut Outbox<W>) -> Result<Option<BoundBatch>, Failure> {
        let batch = match tokio::time::timeout(PATIENCE, self.stream.next()).await {
            Ok(batch) => batch,
            Err(_) => {
                if !out.is_empty() {
                    out.flush().await?;
                }
                self.stream.next().await
            }
        };
        match batch {
            Some(batch) => Ok(Some(self.encoder.bind(&batch.map_err(from_datafusion)?)?)),
            None => Ok(None),
        }
    }
}

/// The command tag of a statement that returned `rows` rows.
pub(crate) fn complete_tag(tag: &str, rows: usize) -> String {
    match tag {
        "SELECT" | "FETCH" | "INSERT 0" | "UPDATE" | "DELETE" | "MERGE" => format!("{tag} {rows}"),
        _ => tag.to_string(),
    }
}
