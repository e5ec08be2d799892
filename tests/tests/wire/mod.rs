//! The protocol.

mod cancel;
mod copy;
mod cursors;
mod errors;
mod extended;
mod shutdown;
mod startup;
mod statements;
mod timeouts;
mod transactions;
mod types;

use slipstream_tests::{Message, TestServer};
use tempfile::TempDir;

/// A server on a database of its own; the folder goes when the test ends.
fn server() -> (TestServer, TempDir) {
    let data = tempfile::tempdir().expect("a temporary folder");
    (TestServer::start(data.path()), data)
}

/// The type bytes of messages in order.
fn kinds(messages: &[Message]) -> String {
    messages.iter().map(|message| char::from(message.kind)).collect()
}

/// The command tags in order.
fn tags(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|message| message.kind == b'C').map(|message| message.strings().remove(0)).collect()
}

/// The first error among messages.
fn error(messages: &[Message]) -> (String, String) {
    let error = messages.iter().find(|message| message.kind == b'E');
    error.unwrap_or_else(|| panic!("no error among {messages:?}")).error()
}

/// The first value of each row, as text.
fn values(messages: &[Message]) -> Vec<String> {
    let rows = messages.iter().filter(|message| message.kind == b'D');
    rows.map(|row| row.row()[0].as_ref().map_or("NULL".into(), |value| String::from_utf8_lossy(value).into_owned()))
        .collect()
}
