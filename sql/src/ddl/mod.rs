//! CREATE and DROP.
//!
//! A statement becomes a list of catalog edits that the engine checks again when it commits. What this database does not do
//! (views, indexes by hand, constraints beyond the primary key and NOT NULL, ...) is `0A000`, and says what it was.

mod create_table;
mod drop;
mod graph;
mod refused;

pub(crate) use create_table::{create_table, identify, table_from_query};
pub(crate) use drop::drop_tables;
pub(crate) use graph::property_graph;
pub(crate) use refused::refused;

use slipstream_engine::catalog::CatalogEdit;

/// What a DDL statement changes, and the tag that it answers.
pub(crate) struct Definition {
    pub(crate) edits: Vec<CatalogEdit>,
    pub(crate) tag: &'static str,
    /// What `IF [NOT] EXISTS` passed over, as notices.
    pub(crate) notices: Vec<String>,
}
