//! The way out: messages gather in one buffer and leave in few writes.

use bytes::BytesMut;
use pgwire::messages::Message;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Once this much has gathered it is written, so that a long result needs little memory and a slow client slows it down.
const HIGH_WATER: usize = 64 * 1024;

/// A buffered writer of backend messages.
pub(crate) struct Outbox<W> {
    buffer: BytesMut,
    writer: W,
}

impl<W: AsyncWrite + Unpin> Outbox<W> {
    /// An empty outbox over `writer`.
    pub(crate) fn new(writer: W) -> Outbox<W> {
        Outbox { buffer: BytesMut::with_capacity(HIGH_WATER / 8), writer }
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, message: &impl Message) {
        let start = self.buffer.len();
        if let Err(error) = message.encode(&mut self.buffer) {
            // Only messages over a length limit fail, and none that this server builds comes near it.
            tracing::error!(%error, "a message could not be encoded and was left out");
            self.buffer.truncate(start);
        }
    }

    /// The buffer, for what is written without a message of its own.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Writes what has gathered if it is much. Waits for a client that reads slowly.
    pub(crate) async fn relieve(&mut self) -> std::io::Result<()> {
        if self.buffer.len() >= HIGH_WATER { self.flush().await } else { Ok(()) }
    }

    /// Writes all that has gathered.
    pub(crate) async fn flush(&mut self) -> std::io::Result<()> {
        self.writer.write_all_buf(&mut self.buffer).await?;
        self.writer.flush().await
    }
}
