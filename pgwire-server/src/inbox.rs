//! The way in: a task that reads the client's messages ahead of the session.
//!
//! Reading has to go on while a statement runs, because that is how a vanished client is noticed: the end of the stream
//! cancels what the session runs. The queue is short, so that a client that sends faster than the session works is held
//! back by TCP.
//!
//! The session may look ahead, too: whether a statement is alone before its Sync says how it is committed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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

/// Messages that the session looks through for a Sync.
const LOOK_AHEAD: usize = 32;

/// How long the session waits for a message that tells. Mostly it has come together with the one before it.
const PATIENCE: Duration = Duration::from_millis(200);

/// The client's messages in order.
pub(crate) struct Inbox {
    /// Messages that were looked at and not taken.
    ahead: VecDeque<Incoming>,
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
        Inbox { ahead: VecDeque::new(), messages, reader }
    }

    /// The next message, or `None` when the client is gone.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        match self.ahead.pop_front() {
            Some(message) => Some(message),
            None => self.messages.recv().await,
        }
    }

    /// Whether a Sync follows before anything else is run. `false` where the client does not say so in time.
    ///
    /// Before it has sent Sync or Flush a client may not count on an answer, so waiting for its next message delays none.
    pub(crate) async fn sync_follows(&mut self) -> bool {
        tokio::time::timeout(PATIENCE, self.find_sync()).await.unwrap_or(false)
    }

    async fn find_sync(&mut self) -> bool {
        for index in 0..LOOK_AHEAD {
            if index == self.ahead.len() {
                let Some(message) = self.messages.recv().await else { return false };
                self.ahead.push_back(message);
            }
            match &self.ahead[index] {
                Ok(PgWireFrontendMessage::Sync(_)) => return true,
                Ok(PgWireFrontendMessage::Close(_) | PgWireFrontendMessage::Describe(_)) => {}
                Ok(_) | Err(_) => return false,
            }
        }
        false
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
