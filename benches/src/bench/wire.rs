//! What the suites do over the wire.

use bytes::Bytes;
use futures::{SinkExt, pin_mut};
use tokio_postgres::Client;

use super::Result;

/// How much COPY data goes into one message.
const CHUNK: usize = 256 * 1024;

/// Sends `text`, which is in COPY's text format, into a table.
pub(super) async fn copy(client: &Client, table: &str, text: impl Into<Bytes>) -> Result<u64> {
    let sink = client.copy_in(&format!("COPY {table} FROM STDIN")).await?;
    pin_mut!(sink);
    let mut rest: Bytes = text.into();
    while !rest.is_empty() {
        sink.send(rest.split_to(CHUNK.min(rest.len()))).await?;
    }
    Ok(sink.finish().await?)
}
