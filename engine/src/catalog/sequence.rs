//! Sequences: their definition. How far each has counted is in the commit record, not here.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TableId;
use crate::types::SqlType;

/// A sequence's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SequenceId(pub Uuid);

impl fmt::Display for SequenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// A sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequenceDefinition {
    /// Identity.
    pub id: SequenceId,
    /// Object id.
    pub oid: u32,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `smallint`, `integer` or `bigint`.
    pub sql_type: SqlType,
    /// The first value.
    pub start: i64,
    /// The step; not 0.
    pub increment: i64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
    /// Whether it begins again after its last value.
    pub cycle: bool,
    /// The column it belongs to and goes with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<(TableId, String)>,
}
