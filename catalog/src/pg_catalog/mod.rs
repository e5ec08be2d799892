//! `pg_catalog`: what psql, drivers and tools ask a Postgres server about itself, answered from one snapshot's catalog.
//!
//! - [`oids`]: types and their object ids; the wire reads the same table.
//! - `relations`: declarations of the tables that have rows; `absent` of those that describe what there is none of here.
//!   Columns are Postgres 16's.
//! - [`objects`]: the catalog's tables, their key indexes and the metadata tables themselves, flattened into one list of
//!   relations. `classes`, `types` and `server` fill the tables from it.
//! - `access`: access methods and operator classes of indexes. `definitions`: objects as SQL text. [`functions`](mod@functions): the functions that read all this.
//! - [`session_info`]: the little that the answers need to know of the session.
//!
//! # Object ids
//!
//! A table's is in its definition. What has no record of its own gets an id derived from its table's, so that it is the
//! same in every session and every snapshot: see [`objects`].
//!
//! # What is not here
//!
//! Operators, casts, operator classes of values in order and the functions of SQL itself are not listed, only what clients look up. Row
//! types have no id (`reltype` is 0). Sizes and row counts are unknown (NULL, -1) rather than read from the store:
//! a metadata query opens no table.

pub mod oids;
pub mod session_info;

mod absent;
mod access;
mod classes;
pub mod constraints;
pub mod definitions;
pub mod functions;
pub mod objects;
mod relations;
mod server;
#[cfg(test)]
mod tests;
mod types;

pub use objects::SUPERUSER_NAME;
pub(crate) use types::namespace as type_namespace;

use std::sync::Arc;

use crate::metadata::{MetadataSchema, Relation, Snapshotted};
use datafusion::catalog::SchemaProvider;
use objects::Objects;

/// Name of the schema.
pub const NAME: &str = "pg_catalog";

/// The schema `pg_catalog` over one catalog.
pub fn schema(objects: Objects) -> Arc<dyn SchemaProvider> {
    let objects = Arc::new(objects);
    Arc::new(MetadataSchema::new(NAME, relations(), move |table| {
        let mut filled = classes::FILLED.iter().chain(access::FILLED).chain(types::FILLED).chain(server::FILLED);
        let (_, fill) = filled.find(|(name, _)| *name == table)?;
        Some(Arc::new(Snapshotted::new(Arc::clone(&objects), *fill)))
    }))
}

/// All relations of the schema.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    relations::RELATIONS.iter().chain(absent::RELATIONS.iter())
}

/// Whether the schema has a relation of that name. An unqualified name means this one before any table of a user's, as
/// the search path of Postgres has it.
pub fn contains(name: &str) -> bool {
    relations().any(|relation| relation.name == name)
}

/// Whether a relation describes what there is none of in this database, so that it is empty in every snapshot.
pub fn is_always_empty(name: &str) -> bool {
    absent::RELATIONS.iter().any(|relation| relation.name == name)
}
