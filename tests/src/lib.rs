//! The harness of the integration tests: a real server process, and clients for it.
//!
//! * [`TestServer`] starts the `slipstream` binary on a free port, and stops or kills it;
//! * [`RawClient`] speaks the protocol byte by byte, for what no driver would send;
//! * [`psql()`] and [`python()`] run real clients, [`check_data()`] the check of a folder;
//! * [`Postgres`] is a PostgreSQL to compare with;
//! * [`TestServer::connect`] gives a `tokio-postgres` client for everything else.
//!
//! The binary is the one named by `SLIPSTREAM_BIN`, or the one beside the test binary; `make test` builds it first.

mod postgres;
mod programs;
mod raw;
mod server;

pub use postgres::Postgres;
pub use programs::{Output, check_data, psql, python};
pub use raw::{Message, RawClient};
pub use server::{TestServer, binary, error_of};
