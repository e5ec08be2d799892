//! The front door: the Postgres protocol on a socket, over sessions of the SQL layer.
//!
//! # The life of a connection
//!
//! 1. [`Server::run`] accepts it, if it comes from this machine (there is no authentication yet, so that other addresses
//!    are refused when the server starts).
//! 2. `startup`: encryption is declined, a cancel request is passed on to the session it names (`cancel`), a startup packet
//!    is judged.
//! 3. `connection`: a session begins, and the client's messages are answered in order. `inbox` reads them ahead
//!    (`frontend` cuts them out of the stream), `outbox` gathers the answers.
//! 4. A simple query (`simple`) or the messages of the extended protocol (`extended`, `portal`) become calls of
//!    `slipstream_sql::Session`; `decode` reads parameters, `encode` writes rows in text and binary format as they come,
//!    and `copy` frames COPY's data.
//! 5. An error becomes an `ErrorResponse` (`report`) with the code that [`sqlstate()`] has for its kind.
//!
//! # What holds
//!
//! * A result is never gathered: one batch, one buffer, and the client's own pace.
//! * A client that vanishes cancels its statement; a session that panics takes no other with it.
//! * The message types and their encoding are pgwire's; its server loop and its reader are not used (`frontend` says why).

mod cancel;
mod connection;
mod copy;
mod decode;
mod encode;
mod extended;
mod frontend;
mod inbox;
mod outbox;
mod parameters;
mod portal;
mod report;
mod server;
mod simple;
mod sqlstate;
mod startup;
mod types;

pub use server::{Server, ServerConfig};
pub use sqlstate::sqlstate;
