//! Views: a name for a query.

use serde::{Deserialize, Serialize};

use crate::types::SqlType;

/// A view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewDefinition {
    /// Object id.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Names and types of its columns.
    pub columns: Vec<(String, SqlType)>,
    /// The query's text.
    pub query: String,
    /// The search path under which the query's names are looked up.
    pub search_path: Vec<String>,
    /// What the names in the query mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<ViewRelation>,
    /// Object ids of everything that the query needs: those of `relations`, and of property graphs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<u32>,
}

/// A relation that a view's query names. It stays the same one when it gets another name or schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewRelation {
    /// The name as the query writes it, with its schema where one is written.
    pub name: Vec<String>,
    /// Object id.
    pub oid: u32,
    /// The columns that it had when the view was made: `*` means these, whatever comes later.
    pub columns: Vec<String>,
    /// Those of them that the query may need.
    pub used: Vec<String>,
}

impl ViewDefinition {
    /// Whether the query may need a column of the relation with that object id.
    pub fn uses(&self, oid: u32, column: &str) -> bool {
        self.relations.iter().any(|relation| relation.oid == oid && relation.used.iter().any(|used| used == column))
    }
}
