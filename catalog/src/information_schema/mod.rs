//! `information_schema`: the standard's names for the metadata, from the same objects as `pg_catalog`.
//!
//! The views and their columns are Postgres 16's. Tools that are written for any database read this instead of
//! `pg_catalog`, so types and limits are spelt as the standard spells them.

mod columns;
mod constraints;
mod relations;
mod tables;

use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use slipstream_engine::catalog::Catalog;

use crate::metadata::{MetadataSchema, Relation, Snapshotted};
use crate::pg_catalog::objects::Objects;
use crate::pg_catalog::session_info::SessionInfo;

/// Name of the schema.
pub const NAME: &str = "information_schema";

/// Object id of the schema. Postgres gives it one when a cluster is made; here it is fixed.
pub const OID: u32 = 13_000;

/// The schema `information_schema` over one catalog.
pub fn schema(catalog: &Arc<Catalog>, session: &Arc<SessionInfo>) -> Arc<dyn SchemaProvider> {
    let objects = Arc::new(Objects::new(catalog, session));
    Arc::new(MetadataSchema::new(NAME, relations(), move |table| {
        let mut filled = tables::FILLED.iter().chain(columns::FILLED).chain(constraints::FILLED);
        let (_, fill) = filled.find(|(name, _)| *name == table)?;
        Some(Arc::new(Snapshotted::new(Arc::clone(&objects), *fill)))
    }))
}

/// All relations of the schema.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    relations::RELATIONS.iter()
}

/// The standard's booleans.
fn yes_or_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}
