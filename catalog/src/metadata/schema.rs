//! A schema of metadata tables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::error::Result as DataFusionResult;

use super::relation::Relation;
use super::table::{MetadataTable, RowSource};

/// Metadata tables by name. Nothing is built before a table is scanned.
pub struct MetadataSchema {
    name: &'static str,
    tables: BTreeMap<&'static str, (&'static Relation, Option<Arc<dyn RowSource>>)>,
}

impl MetadataSchema {
    /// A schema of relations that are empty until [`filled`](Self::filled).
    pub fn new(name: &'static str, relations: impl IntoIterator<Item = &'static Relation>) -> Self {
        MetadataSchema {
            name,
            tables: relations.into_iter().map(|relation| (relation.name, (relation, None))).collect(),
        }
    }

    /// Gives a relation its rows.
    #[must_use]
    pub fn filled(mut self, table: &str, source: impl RowSource) -> Self {
        if let Some((_, slot)) = self.tables.get_mut(table) {
            *slot = Some(Arc::new(source));
        }
        self
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
        self.tables.keys().map(ToString::to_string).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let found = self.tables.get(name).map(|(relation, source)| MetadataTable::new(relation, source.clone()));
        Ok(found.map(|table| Arc::new(table) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name)
    }
}
