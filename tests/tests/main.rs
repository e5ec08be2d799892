//! The integration tests, as one binary.
//!
//! * `scripts`: statements and their answers, one topic a file in `tests/scripts/`;
//! * `wire`: the protocol, byte by byte and through `tokio-postgres`;
//! * `clients`: psql and Python clients as people use them;
//! * `crash`: what is left after SIGKILL;
//! * `bulk_changes`: changes of more rows than fit into memory;
//! * `bulk_crashes`: SIGKILL in the middle of loads and of a graph build;
//! * `transfers`: SIGKILL of transactions over tables and graph by several clients;
//! * `durability`: that a commit reaches the disk;
//! * `differential`: the same statements on Slipstream and on PostgreSQL;
//! * `command_line`: what the program does beside serving;
//! * `embedding`: `embed()` against an HTTP server;
//! * `mirror`: graph patterns answered by the index, by joins, and by an oracle;
//! * `pgvector`: the Python package of that name, with psycopg, SQLAlchemy and asyncpg;
//! * `shortest_paths`: searches, compared with one that is written out;
//! * `text_search`: searches of text by indexes, compared with the same without any;
//! * `time_machine`: a history, compared at any version with a model of it;
//! * `vector_search`: nearest vectors by indexes, compared with measuring every row.

mod bulk_changes;
mod bulk_crashes;
mod clients;
mod command_line;
mod crash;
mod differential;
mod durability;
mod embedding;
mod mirror;
mod mirror_walks;
mod pgvector;
mod scripts;
mod shortest_paths;
mod text_search;
mod time_machine;
mod transfers;
mod vector_search;
mod wire;
