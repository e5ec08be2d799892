//! Tables: columns, constraints, and where their rows lie.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DEFAULT_SCHEMA, IndexDefinition};
use crate::error::{Error, ErrorKind, Result};
use crate::types::SqlType;

/// A table's identity; a table made again under the same name gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableId(pub Uuid);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// A table: its columns, key and place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// Identity.
    pub id: TableId,
    /// Object id, as `pg_class.oid` shows it.
    pub oid: u32,
    /// Schema.
    #[serde(default = "default_schema", skip_serializing_if = "is_default_schema")]
    pub schema: String,
    /// Name within its schema.
    pub name: String,
    /// Directory of the Lance dataset below `tables/`.
    pub directory: String,
    /// Columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// Primary key columns in key order; empty where the table has none.
    pub primary_key: Vec<String>,
    /// Name of the primary key constraint, where it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_constraint: Option<String>,
    /// UNIQUE constraints beside the primary key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<UniqueConstraint>,
    /// CHECK constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<CheckConstraint>,
    /// FOREIGN KEY constraints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub foreign_keys: Vec<ForeignKey>,
    /// Indexes beside those of its keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexDefinition>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// Name.
    pub name: String,
    /// SQL type.
    pub sql_type: SqlType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Text of the DEFAULT expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether it is GENERATED AS IDENTITY; its default draws from the sequence then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Text of the expression over the row's other columns that gives its values. The SQL layer computes it as rows are made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
}

/// How a column is GENERATED AS IDENTITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Identity {
    /// ALWAYS: a value of the statement's own is refused.
    Always,
    /// BY DEFAULT: the statement may give one.
    ByDefault,
}

/// UNIQUE over columns; rows with a NULL in one of them are never equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UniqueConstraint {
    /// Constraint name.
    pub name: String,
    /// Columns.
    pub columns: Vec<String>,
}

/// CHECK: an expression that must not be false. Its meaning is the SQL layer's, which evaluates it as rows are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckConstraint {
    /// Constraint name.
    pub name: String,
    /// Text of the expression.
    pub expression: String,
}

/// FOREIGN KEY: every row without a NULL in `columns` has a partner in another table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Constraint name.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// The table referred to; may be this one.
    pub table: TableId,
    /// Its columns: its primary key or one of its UNIQUE constraints, in the order of `columns`.
    pub referenced: Vec<String>,
    /// What happens to rows whose partner goes.
    pub on_delete: ReferentialAction,
}

/// What happens to referencing rows when the row they refer to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferentialAction {
    /// The deletion is refused, if they are still there at the end of the statement.
    NoAction,
    /// They go too.
    Cascade,
    /// Their columns become NULL.
    SetNull,
}

impl TableDefinition {
    /// A table to be made: with an identity and a directory of its own; its object id is given at commit.
    pub fn new(name: impl Into<String>, columns: Vec<ColumnDefinition>, primary_key: Vec<String>) -> Self {
        let (id, name) = (TableId(Uuid::now_v7()), name.into());
        TableDefinition {
            id,
            oid: 0,
            directory: directory(&name, id),
            schema: DEFAULT_SCHEMA.to_string(),
            name,
            columns,
            primary_key,
            key_constraint: None,
            unique: Vec::new(),
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// Whether the other definition says the same of the table's rows. Indexes say nothing of them.
    pub fn says_the_same_of_rows(&self, other: &TableDefinition) -> bool {
        match self.indexes == other.indexes {
            true => self == other,
            false => self == &TableDefinition { indexes: self.indexes.clone(), ..other.clone() },
        }
    }

    /// The Arrow schema of the table's rows in plans.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.columns.iter().map(|column| column.sql_type.field(&column.name, !column.not_null)).collect::<Vec<_>>(),
        ))
    }

    /// The column of that name.
    pub fn get_column(&self, name: &str) -> Option<&ColumnDefinition> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column of that name, or `42703`.
    pub fn column(&self, name: &str) -> Result<&ColumnDefinition> {
        self.get_column(name).ok_or_else(|| {
            Error::new(
                ErrorKind::UndefinedColumn,
                format!("column \"{name}\" of relation \"{}\" does not exist", self.name),
            )
            .on_table(&self.name)
            .on_column(name)
        })
    }

    /// Positions of the primary key columns, in key order; empty where the table has none.
    pub fn key_positions(&self) -> Vec<usize> {
        self.primary_key.iter().filter_map(|key| self.columns.iter().position(|column| &column.name == key)).collect()
    }

    /// The name of the primary key constraint.
    pub fn primary_key_name(&self) -> String {
        self.key_constraint.clone().unwrap_or_else(|| format!("{}_pkey", self.name))
    }

    /// Names and columns of everything that must be unique: the primary key first, where there is one, then the UNIQUE
    /// constraints.
    pub fn unique_keys(&self) -> Vec<UniqueConstraint> {
        let key = (!self.primary_key.is_empty())
            .then(|| UniqueConstraint { name: self.primary_key_name(), columns: self.primary_key.clone() });
        key.into_iter().chain(self.unique.iter().cloned()).collect()
    }
}

/// The directory of a table's dataset. The id makes it unique; the name is a help to people, in LanceDB's alphabet and not
/// longer than file systems take.
fn directory(name: &str, id: TableId) -> String {
    let readable = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = name.chars().take(100).map(readable).collect();
    format!("{name}-{id}.lance")
}

fn default_schema() -> String {
    DEFAULT_SCHEMA.to_string()
}

fn is_default_schema(schema: &str) -> bool {
    schema == DEFAULT_SCHEMA
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_readable_and_unique_whatever_the_name() {
        let first = TableDefinition::new("../größe & co", Vec::new(), Vec::new());
        let second = TableDefinition::new("../größe & co", Vec::new(), Vec::new());
        assert!(first.directory.starts_with(".._gr__e___co-"), "{}", first.directory);
        assert!(!first.directory.contains('/'));
        assert_ne!(first.directory, second.directory);
    }
}
