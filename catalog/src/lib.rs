//! Slipstream's catalog: DataFusion's view of one snapshot.
//!
//! * [`SnapshotCatalog`] is the catalog of a statement: every schema and table at the versions of its [`ReadView`].
//! * [`tables`] are the Lance tables, [`graph_scan`] is what a graph index answers.
//! * [`apply`] is the operator that asks for rows for each row.
//! * [`expand`] is the operator that follows edges where joins answer a graph pattern.
//! * [`graph_algorithms`] are PageRank and its like, over a graph's tables.
//! * [`keyed_table`] is a table that an operator looks rows up in.
//! * [`index_then_store`] is the operator that takes keys from an index and rows from Lance, and the rule that chooses it.
//! * [`version_diff`] is what one version of a table has that another has not.
//! * [`vector_search`] is the operator that takes the nearest rows from an index, and the rule that chooses it; [`text_search`]
//!   does the same for words and substrings.
//! * [`pg_catalog`], [`information_schema`] and [`system`] are the metadata, made of one declarative description
//!   ([`metadata`]).

pub mod apply;
pub mod expand;
mod first_rows;
pub mod graph_algorithms;
pub mod graph_scan;
pub mod index_then_store;
pub mod information_schema;
pub mod keyed_table;
pub mod metadata;
pub mod pg_catalog;
mod prefilter;
pub mod search_path;
pub mod sequence_table;
pub mod system;
pub mod tables;
pub mod text_search;
pub mod vector_search;
pub mod version_diff;

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, SchemaProvider};
use slipstream_engine::catalog::DEFAULT_SCHEMA;
use slipstream_engine::{Database, ReadView};

use pg_catalog::objects::Objects;
use pg_catalog::session_info::SessionInfo;

/// The catalog of one statement.
#[derive(Debug)]
pub struct SnapshotCatalog {
    schemas: Vec<(&'static str, Arc<dyn SchemaProvider>)>,
}

impl SnapshotCatalog {
    /// The catalog at a view's snapshot, as a session sees it.
    #[expect(clippy::new_ret_no_self, reason = "DataFusion takes catalogs as trait objects only")]
    pub fn new(database: &Arc<Database>, view: &ReadView, session: &Arc<SessionInfo>) -> Arc<dyn CatalogProvider> {
        let snapshot = &view.snapshot;
        Arc::new(SnapshotCatalog {
            schemas: vec![
                (DEFAULT_SCHEMA, Arc::new(tables::Tables::new(view))),
                (pg_catalog::NAME, pg_catalog::schema(Objects::of_database(&snapshot.catalog, session, database))),
                (information_schema::NAME, information_schema::schema(&snapshot.catalog, session)),
                (system::NAME, system::schema(database, snapshot)),
            ],
        })
    }
}

impl CatalogProvider for SnapshotCatalog {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.iter().map(|(name, _)| (*name).to_string()).collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        self.schemas.iter().find(|(known, _)| *known == name).map(|(_, schema)| Arc::clone(schema))
    }
}
