//! COPY on the wire: only the framing; the rows are read and written by the SQL layer.

use std::sync::atomic::Ordering;

use futures::StreamExt;
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyInResponse, CopyOutResponse};
use slipstream_engine::{Error, ErrorKind};
use slipstream_sql::{CopyIn, CopyOut};

use crate::connection::{Connection, Failure};
use crate::frontend::BadMessage;

/// How the client's side of a COPY FROM ended.
enum Ending {
    Done,
    /// With the client's reason.
    Failed(String),
    Broken(Failure),
}

impl Connection {
    /// Takes the client's data until it says that this is all. Returns the command tag.
    pub(crate) async fn copy_in(&mut self, mut copy: CopyIn) -> Result<String, Failure> {
        let (format, columns, formats) = layout(copy.binary(), copy.columns());
        self.out.push(&CopyInResponse::new(format, columns, formats));
        self.out.flush().await?;
        let cancelled = self.session.cancel_token();
        loop {
            let message = tokio::select! {
                biased;
                () = cancelled.cancelled() => {
                    let error = Error::new(ErrorKind::Cancelled, "canceling statement due to user request");
                    copy.fail(error.message()).await;
                    return Err(error.into());
                }
                message = self.inbox.next() => message,
            };
            let ending = match message {
                Some(Ok(PgWireFrontendMessage::CopyData(data))) => {
                    copy.write(data.data).await?;
                    continue;
                }
                // Clients of the extended protocol may have sent these along; they mean nothing here.
                Some(Ok(PgWireFrontendMessage::Flush(_) | PgWireFrontendMessage::Sync(_))) => continue,
                Some(Ok(PgWireFrontendMessage::CopyDone(_))) => Ending::Done,
                Some(Ok(PgWireFrontendMessage::CopyFail(fail))) => Ending::Failed(fail.message),
                Some(Err(BadMessage::Body { error, .. } | BadMessage::Stream(error))) => Ending::Broken(error.into()),
                Some(Ok(_)) => Ending::Broken(
                    Error::new(ErrorKind::ProtocolViolation, "unexpected message type during COPY from stdin").into(),
                ),
                None => Ending::Broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            };
            return match ending {
                Ending::Done => Ok(copy.finish().await?),
                Ending::Failed(reason) => Err(copy.fail(&reason).await.into()),
                Ending::Broken(failure) => {
                    copy.fail("the connection broke off").await;
                    Err(failure)
                }
            };
        }
    }

    /// Sends a COPY TO's rows as they come. Returns the command tag.
    pub(crate) async fn copy_out(&mut self, copy: CopyOut) -> Result<String, Failure> {
        let (format, columns, formats) = layout(copy.binary(), copy.columns());
        self.out.push(&CopyOutResponse::new(format, columns, formats));
        let rows = copy.rows_sent();
        let mut data = copy.stream();
        while let Some(rows) = data.next().await {
            for row in rows? {
                self.out.push(&CopyData::new(row));
                self.out.relieve().await?;
            }
        }
        self.out.push(&CopyDone::new());
        Ok(format!("COPY {}", rows.load(Ordering::Relaxed)))
    }
}

/// The format fields of `CopyInResponse` and `CopyOutResponse`: all columns have the format of the whole.
fn layout(binary: bool, columns: usize) -> (i8, i16, Vec<i16>) {
    (i8::from(binary), columns as i16, vec![i16::from(binary); columns])
}
