//! Everything that `pg_class` has a row for, flattened from the catalog: tables of users, the indexes of their primary
//! keys, and the metadata tables.
//!
//! Derived object ids stay below 2^31 (some clients keep them in signed integers) and far above ids that are given:
//!
//! | object | id |
//! |---|---|
//! | index of a primary key | table's id + 2^30 |
//! | constraint of a primary key | table's id + 2^29 |
//! | default of a column | 2^28 + (table's id * 2048 + column number), folded into 28 bits |

use std::sync::{Arc, OnceLock};

use slipstream_engine::catalog::{Catalog, DEFAULT_SCHEMA, TableDefinition};

use super::oids::{PgType, type_modifier};
use super::session_info::SessionInfo;
use crate::metadata::{Kind, Relation, Rows};
use crate::{information_schema, pg_catalog, system};

/// Object id of the superuser.
pub(super) const SUPERUSER: u32 = 10;
/// Object id of the database.
pub(super) const DATABASE: u32 = 5;
/// Name of the superuser.
pub(crate) const SUPERUSER_NAME: &str = "postgres";

/// A schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// `pg_catalog`
    PgCatalog,
    /// `public`
    Public,
    /// `information_schema`
    InformationSchema,
    /// `slipstream`
    Slipstream,
}

/// Whether an object is a table, a view or an index: `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `r`
    Table,
    /// `v`
    View,
    /// `i`
    Index,
}

/// A row of `pg_class` with its columns.
#[derive(Debug, Clone)]
pub struct Object {
    /// Object id.
    pub oid: u32,
    /// Name.
    pub name: String,
    /// Schema.
    pub namespace: Namespace,
    /// Table, view or index.
    pub kind: ObjectKind,
    /// Columns in order.
    pub columns: Vec<ObjectColumn>,
    /// Numbers of the primary key's columns, from 1, in key order; of an index, the numbers in its table.
    pub key: Vec<i16>,
    /// The table of an index.
    pub index_of: Option<u32>,
    /// What it is, where the metadata says so.
    pub documentation: Option<&'static str>,
}

/// A row of `pg_attribute`.
#[derive(Debug, Clone)]
pub struct ObjectColumn {
    /// Name.
    pub name: String,
    /// Type.
    pub pg_type: PgType,
    /// Type modifier; -1 for none.
    pub modifier: i32,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Text of the DEFAULT expression.
    pub default: Option<String>,
    /// What it holds, where the metadata says so.
    pub documentation: Option<&'static str>,
}

/// A metadata table's name and what fills it.
pub type Filled = (&'static str, fn(&Objects, &mut Rows));

/// All objects of one catalog, and the session that asks for them. They are flattened when something asks for the first
/// time: most statements never do.
#[derive(Debug)]
pub struct Objects {
    catalog: Arc<Catalog>,
    session: Arc<SessionInfo>,
    relations: OnceLock<Vec<Object>>,
}

impl Objects {
    /// The objects of `catalog`.
    pub fn new(catalog: &Arc<Catalog>, session: &Arc<SessionInfo>) -> Self {
        Objects { catalog: Arc::clone(catalog), session: Arc::clone(session), relations: OnceLock::new() }
    }

    /// All of them; a user's tables first, each before its index.
    pub fn all(&self) -> &[Object] {
        self.relations.get_or_init(|| flatten(&self.catalog))
    }

    /// Tables and views.
    pub fn tables(&self) -> impl Iterator<Item = &Object> {
        self.all().iter().filter(|object| object.kind != ObjectKind::Index)
    }

    /// Indexes with their tables.
    pub fn indexes(&self) -> impl Iterator<Item = (&Object, &Object)> {
        self.all().iter().filter_map(|index| Some((index, self.get(index.index_of?)?)))
    }

    /// The object with that id.
    pub fn get(&self, oid: u32) -> Option<&Object> {
        self.all().iter().find(|object| object.oid == oid)
    }

    /// The object of that name, as a client writes it: with or without a schema, quoted or folded to lower case.
    pub fn named(&self, text: &str) -> Option<&Object> {
        let mut parts = split_name(text)?;
        let name = parts.pop()?;
        match parts.pop() {
            Some(schema) => {
                let namespace = Namespace::named(&schema)?;
                self.all().iter().find(|object| object.namespace == namespace && object.name == name)
            }
            None => self
                .all()
                .iter()
                .filter(|object| object.namespace.is_visible() && object.name == name)
                .min_by_key(|object| object.namespace == Namespace::Public),
        }
    }

    /// The session that asks.
    pub fn session(&self) -> &Arc<SessionInfo> {
        &self.session
    }
}

impl Object {
    /// Whether a statement finds it without its schema's name: metadata tables hide tables of users.
    pub fn is_visible(&self) -> bool {
        match self.namespace {
            Namespace::PgCatalog => true,
            Namespace::Public => !pg_catalog::contains(&self.name),
            Namespace::InformationSchema | Namespace::Slipstream => false,
        }
    }

    /// Whether a user made it.
    pub fn is_users(&self) -> bool {
        self.namespace == Namespace::Public
    }

    /// `pg_class.relkind`.
    pub fn relkind(&self) -> char {
        match self.kind {
            ObjectKind::Table => 'r',
            ObjectKind::View => 'v',
            ObjectKind::Index => 'i',
        }
    }

    /// The column with that number, counted from 1.
    pub fn column(&self, number: i64) -> Option<&ObjectColumn> {
        self.columns.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Names of the key columns of a table, in key order.
    pub fn key_columns(&self) -> impl Iterator<Item = &ObjectColumn> {
        self.key.iter().filter_map(|number| self.column(i64::from(*number)))
    }
}

impl Namespace {
    /// All schemas.
    pub const ALL: [Namespace; 4] =
        [Namespace::PgCatalog, Namespace::Public, Namespace::InformationSchema, Namespace::Slipstream];

    /// Object id.
    pub fn oid(self) -> u32 {
        match self {
            Namespace::PgCatalog => 11,
            Namespace::Public => 2200,
            Namespace::InformationSchema => information_schema::OID,
            Namespace::Slipstream => system::OID,
        }
    }

    /// Name.
    pub fn name(self) -> &'static str {
        match self {
            Namespace::PgCatalog => pg_catalog::NAME,
            Namespace::Public => DEFAULT_SCHEMA,
            Namespace::InformationSchema => information_schema::NAME,
            Namespace::Slipstream => system::NAME,
        }
    }

    /// What is in it, in a sentence.
    pub fn documentation(self) -> &'static str {
        match self {
            Namespace::PgCatalog => "system catalog schema",
            Namespace::Public => "standard public schema",
            Namespace::InformationSchema => "the standard's view of the metadata",
            Namespace::Slipstream => "tables, graphs and commits of this database",
        }
    }

    /// The schema of that name.
    pub fn named(name: &str) -> Option<Namespace> {
        Self::ALL.into_iter().find(|namespace| namespace.name() == name)
    }

    fn is_visible(self) -> bool {
        matches!(self, Namespace::PgCatalog | Namespace::Public)
    }
}

/// Object id of the index of a primary key.
pub fn index_oid(table: u32) -> u32 {
    table + (1 << 30)
}

/// Object id of the constraint of a primary key.
pub fn constraint_oid(table: u32) -> u32 {
    table + (1 << 29)
}

/// Object id of a column's default.
pub(super) fn default_oid(table: u32, column: i16) -> u32 {
    let folded = (u64::from(table) * 2048 + column as u64) % (1 << 28);
    (1 << 28) + folded as u32
}

fn flatten(catalog: &Catalog) -> Vec<Object> {
    let mut tables: Vec<_> = catalog.tables.values().collect();
    tables.sort_by_key(|table| table.oid);
    tables
        .into_iter()
        .flat_map(of_table)
        .chain(pg_catalog::relations().map(|relation| of_metadata(relation, Namespace::PgCatalog)))
        .chain(information_schema::relations().map(|relation| of_metadata(relation, Namespace::InformationSchema)))
        .chain(system::relations().map(|relation| of_metadata(relation, Namespace::Slipstream)))
        .collect()
}

/// A user's table and the index of its primary key.
fn of_table(table: &Arc<TableDefinition>) -> Vec<Object> {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| ObjectColumn {
            name: column.name.clone(),
            pg_type: PgType::of(&column.sql_type),
            modifier: type_modifier(&column.sql_type),
            not_null: column.not_null,
            default: column.default.clone(),
            documentation: None,
        })
        .collect();
    let positions = table.key_positions();
    let key: Vec<_> = positions.iter().map(|position| *position as i16 + 1).collect();
    let key_columns = positions
        .iter()
        .map(|position| ObjectColumn { not_null: false, default: None, ..columns[*position].clone() })
        .collect();
    let mut objects = vec![Object {
        oid: table.oid,
        name: table.name.clone(),
        namespace: Namespace::Public,
        kind: ObjectKind::Table,
        columns,
        key: key.clone(),
        index_of: None,
        documentation: None,
    }];
    if !key.is_empty() {
        objects.push(Object {
            oid: index_oid(table.oid),
            name: table.primary_key_name(),
            namespace: Namespace::Public,
            kind: ObjectKind::Index,
            columns: key_columns,
            key,
            index_of: Some(table.oid),
            documentation: None,
        });
    }
    objects
}

fn of_metadata(relation: &'static Relation, namespace: Namespace) -> Object {
    let columns = relation
        .columns
        .iter()
        .map(|column| ObjectColumn {
            name: column.name.to_string(),
            pg_type: column.pg_type,
            modifier: -1,
            not_null: column.not_null,
            default: None,
            documentation: column.documentation,
        })
        .collect();
    Object {
        oid: relation.oid,
        name: relation.name.to_string(),
        namespace,
        kind: match relation.kind {
            Kind::Table => ObjectKind::Table,
            Kind::View => ObjectKind::View,
        },
        columns,
        key: Vec::new(),
        index_of: None,
        documentation: Some(relation.documentation),
    }
}

/// Splits `a."B c".d` into its names; unquoted ones fold to lower case. `None` where a quote does not end.
pub(super) fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        let part = parts.last_mut()?;
        match character {
            '.' => parts.push(String::new()),
            '"' => loop {
                match characters.next()? {
                    '"' if characters.peek() == Some(&'"') => {
                        characters.next();
                        part.push('"');
                    }
                    '"' => break,
                    other => part.push(other),
                }
            },
            other => part.extend(other.to_lowercase()),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_postgres_reads_them() {
        assert_eq!(
            split_name("Public.\"My \"\"T\"").as_deref(),
            Some(&["public".to_string(), "My \"T".to_string()][..])
        );
        assert_eq!(split_name("\"open"), None);
    }

    #[test]
    fn derived_ids_do_not_meet() {
        let table = 16_400;
        assert!(index_oid(table) < 1 << 31);
        assert!(constraint_oid(table) < 1 << 30);
        assert!(default_oid(table, 3) < 1 << 29);
        assert_ne!(default_oid(table, 3), default_oid(table + 1, 3));
    }
}
