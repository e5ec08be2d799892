//! SQL, Cypher and SQL/PGQ: sessions, statements and plans.
//!
//! # The life of a statement
//!
//! 1. **Text.** The wire hands the text of a message to [`Session::parse`]. `statement::parse` cuts out Cypher that stands by
//!    itself (`bare_cypher`), tokenises the rest once, splits it at its semicolons and parses each part: property graph DDL by
//!    [`pgq`], everything else by sqlparser. Every error from here on can point at a character of the message, because
//!    `source::SourceText` remembers where lines begin.
//! 2. **Preparation.** [`Session::prepare`] asks `plan_cache::PlanCache` for the plan of that text under the catalog in force.
//!    Statements about the session (SET, BEGIN, SHOW, ...) and DDL have none; `utility` carries them out. What is prepared under
//!    a name is kept in `named`; a query whose rows are fetched some at a time is a `cursor`.
//! 3. **Names.** `planner::Planning` looks up every table that the syntax tree names in the catalog of the snapshot
//!    (`planner::names::Tables`: along the search path), and plans views (`planner::views`). `cypher(...)` in FROM becomes a
//!    relation of its own: `graph::relation::CypherRelations` has [`slipstream_graph_language::plan`] type the pattern against the
//!    graph. So does the pattern of a GRAPH_TABLE (`graph::graph_table`), whose conditions and columns are SQL around it
//!    (`pgq::graph_table`).
//! 4. **The plan.** DataFusion's planner turns the tree into a logical plan, with Postgres's types, casts, operators and
//!    functions ([`types`], [`operators`], [`functions`]). INSERT, UPDATE, DELETE and MERGE are planned part by part
//!    (`planner::Scope`): a query of what changes, under a node that writes (`dml::write`). What clients ask the metadata in
//!    ways that DataFusion has no plan for is said in other words first (`pg_rewrite`). Rules of our own let a subquery stand
//!    anywhere in an expression (`subqueries`).
//!    `planner::parameters` finds the types of `$1`, `$2`, ...; `planner::columns` the names of the result.
//! 5. **The optimizer** runs once (`Engine::optimize`), and `planner::binding::release` takes the snapshot's tables out of the
//!    plan, so that a plan that is kept holds no version of anything. What `Prepared` says of parameters and columns is true
//!    for as long as the catalog stands; when it does not, the statement is planned again.
//! 6. **Execution.** [`Session::execute`] takes what the statement reads (`Inner::view`): the newest snapshot, together with
//!    read transactions of the graph indexes that stand exactly there; inside a transaction block, the block's snapshot with
//!    its own changes. `planner::binding::bind` puts that snapshot's tables and the parameters into the plan, and decides how
//!    its graph patterns are answered (`graph::relation::route`): by a scan of the index, or, where that does not show what the
//!    statement reads, by joins, which take the scan's place in the plan as it was written and are optimized with it.
//!    DataFusion makes it physical, and it runs. Where there is nothing to plan, a short path leads past both
//!    (`planner::short_path`).
//! 7. **Rows** leave as Arrow batches (`interrupt::Rows`), stopped by a cancel or the statement timeout. The
//!    operators of a write keep what they change in the statement's `dml::gathering::Gathering`, or past ten thousand new rows
//!    in a bulk load; `Inner::finish_write` puts it into the open transaction, or has [`Database::commit`] decide. Rows for
//!    RETURNING wait until then, because when somebody else changed the same rows first, the statement runs again on the new
//!    snapshot (`attempts::Attempts`).
//!    Cypher that writes runs before the rest of its statement, in parts, and its rows take its place (`graph::write`).
//! 8. **Errors** of DataFusion and Arrow are classified in one place ([`error`]); those of the engine come through unchanged.
//!
//! # The life of a transaction
//!
//! A statement alone is a transaction by itself. BEGIN opens a block, and so do several statements in one message, or before
//! one Sync ([`Session::begin_implicit`]); the block buffers what its statements change in an `engine::Transaction`, and COMMIT, or
//! [`Session::end_implicit`], commits that at once. Savepoints, failed blocks and settings that go back: `transaction`.
//!
//! # What holds
//!
//! * A statement reads exactly one snapshot; a transaction block reads exactly one, and its own changes.
//! * A clause that parses and would not be honoured is refused (`planner::refused`, and the checks of `ddl` and `dml`).
//! * Nothing here knows Lance or Kuzu: tables are the catalog's, graphs are read through the engine's door.
//!
//! # What is not here yet
//!
//! SERIALIZABLE, two-phase commit. Each answers `0A000`.
//!
//! [`Database::commit`]: slipstream_engine::database::Database::commit

mod attempts;
mod bare_cypher;
pub mod binary;
pub mod copy;
mod copy_command;
mod cursor;
mod ddl;
mod dml;
mod embed;
pub mod error;
mod execute;
mod explain;
mod extension;
pub mod functions;
mod graph;
mod interrupt;
mod named;
pub mod operators;
mod pg_rewrite;
pub mod pgq;
pub mod pgvector;
mod plan_cache;
mod planner;
mod prepare;
pub mod runtime;
mod session;
mod set_operations;
mod settings;
mod shorthands;
mod source;
mod statement;
mod subqueries;
#[cfg(test)]
mod tests;
pub mod text;
mod text_search;
mod time_travel;
mod transaction;
pub mod types;
mod unparsed;
mod utility;
mod vector;
mod words;

pub use copy_command::{CopyIn, CopyOut};
pub use error::from_datafusion;
pub use prepare::Prepared;
pub use session::{Execution, Session, SessionOptions};
pub use statement::Statement;
pub use transaction::TransactionStatus;
