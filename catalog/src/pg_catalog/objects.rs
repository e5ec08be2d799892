//! Everything that `pg_class` has a row for, flattened from the catalog: tables of users with the indexes of their keys,
//! views, sequences, and the metadata tables. Constraints come with their tables ([`super::constraints`]).
//!
//! Derived object ids stay below 2^31 (some clients keep them in signed integers) and far above ids that are given:
//!
//! | object | id |
//! |---|---|
//! | index of a key | 2^30 + (table's id * 512 + number of the constraint), folded into 30 bits |
//! | constraint | 2^29 + the same, folded into 29 bits |
//! | default of a column | 2^28 + (table's id * 2048 + column number), folded into 28 bits |

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use slipstream_engine::Database;
use slipstream_engine::catalog::{
    Catalog, DEFAULT_SCHEMA, Identity, IndexDefinition, SequenceDefinition, TableDefinition, ViewDefinition,
};
use slipstream_engine::index_builds::IndexBuild;
use slipstream_engine::types::SqlType;

use super::constraints::{Constraint, of_table as constraints_of};
use super::definitions::quote_identifier;
use super::oids::{PgType, type_modifier};
use super::session_info::SessionInfo;
use crate::metadata::{Kind, Relation, Rows};
use crate::search_path::SearchPath;
use crate::{information_schema, pg_catalog, sequence_table, system};

/// Object id of the superuser.
pub(super) const SUPERUSER: u32 = 10;
/// Object id of the database.
pub(super) const DATABASE: u32 = 5;
/// Name of the superuser.
pub const SUPERUSER_NAME: &str = "postgres";

/// A schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespace {
    /// `pg_catalog`
    PgCatalog,
    /// `public`
    Public,
    /// `information_schema`
    InformationSchema,
    /// `slipstream`
    Slipstream,
    /// One that a user made: its name and object id.
    Users(Arc<str>, u32),
}

/// What an object is: `pg_class.relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// `r`
    Table,
    /// `v`
    View,
    /// `i`
    Index,
    /// `S`
    Sequence,
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
    /// Table, view, index or sequence.
    pub kind: ObjectKind,
    /// Columns in order.
    pub columns: Vec<ObjectColumn>,
    /// Of an index, the numbers of its columns in its table, from 1.
    pub key: Vec<i16>,
    /// The table of an index.
    pub index_of: Option<u32>,
    /// What an index is that is none of a key.
    pub index: Option<IndexDefinition>,
    /// Whether an index is that of a primary key.
    pub is_primary: bool,
    /// Constraints of a table.
    pub constraints: Vec<Constraint>,
    /// The query of a user's view.
    pub query: Option<String>,
    /// What a sequence is.
    pub sequence: Option<Arc<SequenceDefinition>>,
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
    /// Text of the DEFAULT expression, or of the one that generates the column; identity columns show none.
    pub default: Option<String>,
    /// Whether it is GENERATED AS IDENTITY.
    pub identity: Option<Identity>,
    /// Whether it is GENERATED ALWAYS AS an expression.
    pub generated: bool,
    /// What it holds, where the metadata says so.
    pub documentation: Option<&'static str>,
}

/// A metadata table's name and what fills it.
pub type Filled = (&'static str, fn(&Objects, &mut Rows));

/// All objects of one catalog, and the session that asks for them. They are flattened when something asks for the first
/// time: most statements never do.
pub struct Objects {
    catalog: Arc<Catalog>,
    session: Arc<SessionInfo>,
    database: Option<Arc<Database>>,
    relations: OnceLock<Vec<Object>>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}

impl Objects {
    /// The objects of `catalog`.
    pub fn new(catalog: &Arc<Catalog>, session: &Arc<SessionInfo>) -> Self {
        let (catalog, session) = (Arc::clone(catalog), Arc::clone(session));
        Objects { catalog, session, database: None, relations: OnceLock::new() }
    }

    /// The objects of `catalog`, with what its sequences have given out.
    pub fn of_database(catalog: &Arc<Catalog>, session: &Arc<SessionInfo>, database: &Arc<Database>) -> Self {
        Objects { database: Some(Arc::clone(database)), ..Objects::new(catalog, session) }
    }

    /// All of them; a user's tables first, each before its indexes.
    pub fn all(&self) -> &[Object] {
        self.relations.get_or_init(|| flatten(&self.catalog))
    }

    /// Tables and views.
    pub fn tables(&self) -> impl Iterator<Item = &Object> {
        self.all().iter().filter(|object| matches!(object.kind, ObjectKind::Table | ObjectKind::View))
    }

    /// Indexes with their tables.
    pub fn indexes(&self) -> impl Iterator<Item = (&Object, &Object)> {
        self.all().iter().filter_map(|index| Some((index, self.get(index.index_of?)?)))
    }

    /// Constraints with their tables.
    pub fn constraints(&self) -> impl Iterator<Item = (&Constraint, &Object)> {
        self.all().iter().flat_map(|table| table.constraints.iter().map(move |constraint| (constraint, table)))
    }

    /// Sequences.
    pub fn sequences(&self) -> impl Iterator<Item = (&Object, &SequenceDefinition)> {
        self.all().iter().filter_map(|object| Some((object, object.sequence.as_deref()?)))
    }

    /// The last value that a sequence has given, if any.
    pub fn last_value(&self, sequence: &SequenceDefinition) -> Option<i64> {
        let (last, called) = self.database.as_ref()?.sequences().last(sequence);
        called.then_some(last)
    }

    /// The builds of indexes that are running.
    pub fn index_builds(&self) -> Vec<IndexBuild> {
        self.database.as_ref().map(|database| database.index_builds().running()).unwrap_or_default()
    }

    /// All schemas.
    pub fn namespaces(&self) -> impl Iterator<Item = Namespace> + '_ {
        let users = self.catalog.schemas.iter().map(|(name, oid)| Namespace::Users(Arc::from(name.as_str()), *oid));
        Namespace::BUILT_IN.into_iter().chain(users)
    }

    /// The schema of that name.
    pub fn namespace(&self, name: &str) -> Option<Namespace> {
        self.namespaces().find(|namespace| namespace.name() == name)
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
            Some(schema) => self.named_in(&schema, &name),
            None => self.visible(&name),
        }
    }

    fn named_in(&self, schema: &str, name: &str) -> Option<&Object> {
        self.all().iter().find(|object| object.name == name && object.namespace.name() == schema)
    }

    /// The object that a name without a schema means.
    fn visible(&self, name: &str) -> Option<&Object> {
        let path = self.path();
        path.searched().find_map(|schema| self.named_in(schema, name))
    }

    /// Whether a statement finds an object without its schema's name.
    pub fn is_visible(&self, object: &Object) -> bool {
        self.visible(&object.name).is_some_and(|found| found.oid == object.oid)
    }

    /// The session's search path.
    pub fn path(&self) -> SearchPath {
        SearchPath::of_session(&self.session)
    }

    /// A column's default as the session would write it: sequences have their schema only where they need it.
    pub fn default_text(&self, column: &ObjectColumn) -> Option<String> {
        let text = column.default.clone()?;
        let Some(start) = text.find("nextval('") else { return Some(text) };
        let start = start + "nextval('".len();
        let Some(end) = text[start..].find("'::regclass").map(|length| start + length) else { return Some(text) };
        match self.named(&text[start..end].replace("''", "'")) {
            Some(sequence) if self.is_visible(sequence) => {
                let name = quote_identifier(&sequence.name).replace('\'', "''");
                Some(format!("{}{name}{}", &text[..start], &text[end..]))
            }
            _ => Some(text),
        }
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The session that asks.
    pub fn session(&self) -> &Arc<SessionInfo> {
        &self.session
    }
}

impl Object {
    /// Whether a user made it.
    pub fn is_users(&self) -> bool {
        matches!(self.namespace, Namespace::Public | Namespace::Users(..))
    }

    /// Whether statements can change its rows.
    pub fn is_changeable(&self) -> bool {
        self.is_users() && self.kind == ObjectKind::Table
    }

    /// `pg_class.relkind`.
    pub fn relkind(&self) -> char {
        match self.kind {
            ObjectKind::Table => 'r',
            ObjectKind::View => 'v',
            ObjectKind::Index => 'i',
            ObjectKind::Sequence => 'S',
        }
    }

    /// The column with that number, counted from 1.
    pub fn column(&self, number: i64) -> Option<&ObjectColumn> {
        self.columns.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The columns with these numbers.
    pub fn columns_at<'a>(&'a self, numbers: &'a [i16]) -> impl Iterator<Item = &'a ObjectColumn> {
        numbers.iter().filter_map(|number| self.column(i64::from(*number)))
    }
}

impl Namespace {
    /// The schemas that every database has.
    pub const BUILT_IN: [Namespace; 4] =
        [Namespace::PgCatalog, Namespace::Public, Namespace::InformationSchema, Namespace::Slipstream];

    /// Object id.
    pub fn oid(&self) -> u32 {
        match self {
            Namespace::PgCatalog => 11,
            Namespace::Public => 2200,
            Namespace::InformationSchema => information_schema::OID,
            Namespace::Slipstream => system::OID,
            Namespace::Users(_, oid) => *oid,
        }
    }

    /// Name.
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Namespace::PgCatalog => pg_catalog::NAME,
            Namespace::Public => DEFAULT_SCHEMA,
            Namespace::InformationSchema => information_schema::NAME,
            Namespace::Slipstream => system::NAME,
            Namespace::Users(name, _) => return Cow::Owned(name.to_string()),
        })
    }

    /// What is in it, in a sentence, for those that every database has.
    pub fn documentation(&self) -> Option<&'static str> {
        Some(match self {
            Namespace::PgCatalog => "system catalog schema",
            Namespace::Public => "standard public schema",
            Namespace::InformationSchema => "the standard's view of the metadata",
            Namespace::Slipstream => "tables, graphs and commits of this database",
            Namespace::Users(..) => return None,
        })
    }
}

/// Object id of the index of a table's n-th key.
pub fn index_oid(table: u32, number: usize) -> u32 {
    (1 << 30) + derived(table, number, 30)
}

/// Object id of a table's n-th constraint.
pub fn constraint_oid(table: u32, number: usize) -> u32 {
    (1 << 29) + derived(table, number, 29)
}

fn derived(table: u32, number: usize, bits: u32) -> u32 {
    ((u64::from(table) * 512 + number as u64) % (1 << bits)) as u32
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
        .flat_map(|table| of_table(catalog, table))
        .chain(catalog.views.values().map(|view| of_view(catalog, view)))
        .chain(catalog.sequences.values().map(|sequence| of_sequence(catalog, sequence)))
        .chain(pg_catalog::relations().map(|relation| of_metadata(relation, Namespace::PgCatalog)))
        .chain(information_schema::relations().map(|relation| of_metadata(relation, Namespace::InformationSchema)))
        .chain(system::relations().map(|relation| of_metadata(relation, Namespace::Slipstream)))
        .collect()
}

fn namespace_of(catalog: &Catalog, schema: &str) -> Namespace {
    match catalog.schemas.get(schema) {
        Some(oid) => Namespace::Users(Arc::from(schema), *oid),
        None => Namespace::Public,
    }
}

impl Object {
    fn plain(oid: u32, name: &str, namespace: Namespace, kind: ObjectKind) -> Self {
        Object {
            oid,
            name: name.to_string(),
            namespace,
            kind,
            columns: Vec::new(),
            key: Vec::new(),
            index_of: None,
            index: None,
            is_primary: false,
            constraints: Vec::new(),
            query: None,
            sequence: None,
            documentation: None,
        }
    }
}

/// A user's table and its indexes.
fn of_table(catalog: &Catalog, table: &Arc<TableDefinition>) -> Vec<Object> {
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| ObjectColumn {
            name: column.name.clone(),
            pg_type: PgType::of(&column.sql_type),
            modifier: type_modifier(&column.sql_type),
            not_null: column.not_null,
            default: match &column.generated {
                Some(expression) => Some(expression.clone()),
                None => column.default.clone().filter(|_| column.identity.is_none()),
            },
            identity: column.identity,
            generated: column.generated.is_some(),
            documentation: None,
        })
        .collect();
    let namespace = namespace_of(catalog, &table.schema);
    let constraints = constraints_of(catalog, table);
    let indexes = constraints.iter().filter_map(|constraint| {
        let oid = constraint.own_index()?;
        let key_column = |number: &i16| {
            let column = columns.get(usize::try_from(*number).ok()?.checked_sub(1)?)?;
            Some(ObjectColumn { not_null: false, default: None, identity: None, generated: false, ..column.clone() })
        };
        Some(Object {
            columns: constraint.columns.iter().filter_map(key_column).collect(),
            key: constraint.columns.clone(),
            index_of: Some(table.oid),
            is_primary: constraint.is_primary(),
            ..Object::plain(oid, &constraint.name, namespace.clone(), ObjectKind::Index)
        })
    });
    let mut indexes: Vec<_> = indexes.collect();
    indexes.extend(table.indexes.iter().map(|index| of_index(table, index, &columns, namespace.clone())));
    let object = Object::plain(table.oid, &table.name, namespace, ObjectKind::Table);
    let mut objects = vec![Object { columns, constraints, ..object }];
    objects.extend(indexes);
    objects
}

/// An index that a user made. A key that is an expression has the number 0, and a column of its own.
fn of_index(
    table: &TableDefinition,
    index: &IndexDefinition,
    columns: &[ObjectColumn],
    namespace: Namespace,
) -> Object {
    let mut object = Object::plain(index.oid, &index.name, namespace, ObjectKind::Index);
    for key in &index.keys {
        let position = match (&key.expression, key.columns.first()) {
            (None, Some(name)) => columns.iter().position(|column| &column.name == name),
            _ => None,
        };
        object.key.push(position.map_or(0, |position| position as i16 + 1));
        object.columns.push(match position {
            Some(position) => ObjectColumn {
                not_null: false,
                default: None,
                identity: None,
                generated: false,
                ..columns[position].clone()
            },
            None => expression_column(key.expression.as_deref().unwrap_or_default()),
        });
    }
    Object { index_of: Some(table.oid), index: Some(index.clone()), ..object }
}

/// The column that stands for an expression of an index.
fn expression_column(expression: &str) -> ObjectColumn {
    let function = expression.split('(').next().unwrap_or_default().trim();
    let is_function = expression.contains('(') && function.chars().all(|c| c.is_alphanumeric() || c == '_');
    let name = if is_function && !function.is_empty() { function } else { "expr" };
    let pg_type = PgType::named(if name.ends_with("to_tsvector") { "tsvector" } else { "text" });
    ObjectColumn {
        name: name.to_string(),
        pg_type: pg_type.unwrap_or_else(|| PgType::of(&SqlType::Text)),
        modifier: -1,
        not_null: false,
        default: None,
        identity: None,
        generated: false,
        documentation: None,
    }
}

fn of_view(catalog: &Catalog, view: &Arc<ViewDefinition>) -> Object {
    let columns = view.columns.iter().map(|(name, sql_type)| ObjectColumn {
        name: name.clone(),
        pg_type: PgType::of(sql_type),
        modifier: type_modifier(sql_type),
        not_null: false,
        default: None,
        identity: None,
        generated: false,
        documentation: None,
    });
    let object = Object::plain(view.oid, &view.name, namespace_of(catalog, &view.schema), ObjectKind::View);
    Object { columns: columns.collect(), query: Some(view.query.clone()), ..object }
}

fn of_sequence(catalog: &Catalog, sequence: &Arc<SequenceDefinition>) -> Object {
    let namespace = namespace_of(catalog, &sequence.schema);
    let object = Object::plain(sequence.oid, &sequence.name, namespace, ObjectKind::Sequence);
    Object { columns: declared(sequence_table::columns()), sequence: Some(Arc::clone(sequence)), ..object }
}

fn of_metadata(relation: &'static Relation, namespace: Namespace) -> Object {
    let kind = match relation.kind {
        Kind::Table => ObjectKind::Table,
        Kind::View => ObjectKind::View,
    };
    let object = Object::plain(relation.oid, relation.name, namespace, kind);
    Object { columns: declared(relation), documentation: Some(relation.documentation), ..object }
}

fn declared(relation: &'static Relation) -> Vec<ObjectColumn> {
    let columns = relation.columns.iter().map(|column| ObjectColumn {
        name: column.name.to_string(),
        pg_type: column.pg_type,
        modifier: -1,
        not_null: column.not_null,
        default: None,
        identity: None,
        generated: false,
        documentation: column.documentation,
    });
    columns.collect()
}

/// Splits `a."B c".d` into its names; unquoted ones fold to lower case. `None` where a quote does not end.
pub fn split_name(text: &str) -> Option<Vec<String>> {
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
        assert!(index_oid(table, 511) < 1 << 31);
        assert!(constraint_oid(table, 511) < 1 << 30);
        assert_ne!(constraint_oid(table, 511), constraint_oid(table + 1, 0));
        assert!(default_oid(table, 3) < 1 << 29);
        assert_ne!(default_oid(table, 3), default_oid(table + 1, 3));
    }
}
