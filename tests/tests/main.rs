//! The integration tests, as one binary.
//!
//! * `scripts`: statements and their answers, one topic a file in `tests/scripts/`;
//! * `wire`: the protocol, byte by byte and through `tokio-postgres`;
//! * `clients`: psql and Python clients as people use them;
//! * `crash`: what is left after SIGKILL;
//! * `durability`: that a commit reaches the disk.

mod clients;
mod crash;
mod durability;
mod scripts;
mod wire;
