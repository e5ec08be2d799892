//! A schema of metadata tables.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result as DataFusionResult;

use super::relation::Relation;
use super::table::{MetadataTable, RowSource};

/// Metadata tables by name. A schema is made for every statement, so it holds next to nothing; what fills a table is made
/// when the table is looked up, and asked when it is scanned.
pub struct MetadataSchema {
    name: &'static str,
    relations: Vec<&'static Relation>,
    sources: Box<Sources>,
}

/// What fills the table of a name; `None` for a table that is empty.
type Sources = dyn Fn(&str) -> Option<Arc<dyn RowSource>> + Send + Sync;

impl MetadataSchema {
    /// A schema of `relations`, each filled by its source.
    pub fn new(
        name: &'static str,
        relations: impl IntoIterator<Item = &'static Relation>,
        sources: impl Fn(&str) -> Option<Arc<dyn RowSource>> + Send + Sync + 'static,
    ) -> Self {
        MetadataSchema { name, relations: relations.into_iter().collect(), sources: Box::new(sources) }
    }

    fn relation(&self, name: &str) -> Option<&'static Relation> {
        self.relations.iter().find(|relation| relation.name == name).copied()
    }
}

impl fmt::Debug for MetadataSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataSchema").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl SchemaProvider for MetadataSchema {
    fn table_names(&self) -> Vec<String> {
        self.relations.iter().map(|relation| relation.name.to_string()).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let found = self.relation(name).map(|relation| MetadataTable::new(relation, (self.sources)(name)));
        Ok(found.map(|table| Arc::new(table) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.relation(name).is_some()
    }
}
