//! The way in: a task that reads the client's messages ahead of the session.
//!
//! Reading has to go on while a statement runs, because that is how a vanished client is noticed: the end of the stream
//! cancels what the session runs. The queue is short, so that a client that sends faster than the session works is held
//! back by TCP.

use std::sync::Arc;

use futures::StreamExt;
use pgwire::messages::PgWireFrontendMessage;
use slipstream_sql::Session;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::codec::FramedRead;

use crate::frontend::{BadMessage, FrontendDecoder};

/// Messages read ahead of the session.
const READ_AHEAD: usize = 16;

/// The client's messages in order.
pub(crate) struct Inbox {
    messages: mpsc::Receiver<Incoming>,
    reader: JoinHandle<()>,
}

/// A message, or why there is none.
pub(crate) type Incoming = Result<PgWireFrontendMessage, BadMessage>;

impl Inbox {
    /// Starts to read; when the stream ends, what `session` runs is cancelled.
    pub(crate) fn open(stream: OwnedReadHalf, session: Arc<Session>) -> Inbox {
        let (sender, messages) = mpsc::channel(READ_AHEAD);
        let reader = tokio::spawn(async move {
            read_messages(stream, sender).await;
            session.cancel();
        });
        Inbox { messages, reader }
    }

    /// The next message, or `None` when the client is gone.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        self.messages.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_messages(stream: OwnedReadHalf, sender: mpsc::Sender<Incoming>) {
    let mut frames = FramedRead::new(stream, FrontendDecoder);
    while let Some(frame) = frames.next().await {
        let message = frame.unwrap_or_else(Err);
        let last = matches!(message, Err(BadMessage::Stream(_)));
        if sender.send(message).await.is_err() || last {
            return;
        }
    }
}
