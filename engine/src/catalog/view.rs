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
    /// Object ids of the tables, views and sequences that the query names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<u32>,
}
