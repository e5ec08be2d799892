//! The catalog: what exists in a database, as one immutable record per DDL commit.
//!
//! * [`table`]: tables, their columns and constraints.
//! * [`index`]: indexes of tables.
//! * [`graph`]: property graphs over tables.
//! * [`sequence`] and [`view`].
//! * [`named_snapshot`]: versions of the database that have a name.
//! * [`edit`]: changes of the catalog, applied and checked one by one.

pub mod edit;
pub mod graph;
pub mod index;
pub mod named_snapshot;
pub mod sequence;
pub mod table;
pub mod view;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

pub use edit::{CatalogEdit, ColumnSource, Computed, RowFunction};
pub use graph::{EdgeTable, EndPoint, GraphDefinition, VertexTable};
pub use index::{IndexDefinition, IndexFamily, IndexKey, IndexMethod, IndexPredicate, Metric, OperatorClass};
pub use named_snapshot::NamedSnapshot;
pub use sequence::{SequenceDefinition, SequenceId};
pub use table::{
    CheckConstraint, ColumnDefinition, ForeignKey, Identity, ReferentialAction, TableDefinition, TableId,
    UniqueConstraint,
};
pub use view::{ViewDefinition, ViewRelation};

/// The format version of catalog records that this code writes and the newest that it reads.
pub const CATALOG_FORMAT: u32 = 4;

/// The first object id given to a user's object, as in Postgres.
pub const FIRST_USER_OID: u32 = 16384;

/// The schema that unqualified names live in.
pub const DEFAULT_SCHEMA: &str = "public";

/// Everything that exists at one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Format version of the record.
    pub format: u32,
    /// The next object id to give.
    pub next_oid: u32,
    /// Schemas beside [`DEFAULT_SCHEMA`], with their object ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, u32>,
    /// Tables by identity.
    pub tables: BTreeMap<TableId, Arc<TableDefinition>>,
    /// Property graphs by name; they live in [`DEFAULT_SCHEMA`].
    pub graphs: BTreeMap<String, Arc<GraphDefinition>>,
    /// Views by object id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<u32, Arc<ViewDefinition>>,
    /// Sequences by identity.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sequences: BTreeMap<SequenceId, Arc<SequenceDefinition>>,
    /// Named snapshots by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub snapshots: BTreeMap<String, NamedSnapshot>,
    /// Commits before this one have been cleaned up: of them only what a named snapshot holds can be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub oldest_kept: u64,
    /// Object ids that are promised.
    #[serde(skip)]
    pub reserved: Reserved,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a name in a schema can mean: tables, views, sequences and graphs share one name space, as relations do in Postgres.
#[derive(Debug, Clone)]
pub enum Relation {
    /// A table.
    Table(Arc<TableDefinition>),
    /// A view.
    View(Arc<ViewDefinition>),
    /// A sequence.
    Sequence(Arc<SequenceDefinition>),
    /// A property graph.
    Graph(Arc<GraphDefinition>),
}

impl Relation {
    /// Its object id.
    pub fn oid(&self) -> u32 {
        match self {
            Relation::Table(table) => table.oid,
            Relation::View(view) => view.oid,
            Relation::Sequence(sequence) => sequence.oid,
            Relation::Graph(graph) => graph.oid,
        }
    }
}

/// Object ids that transactions have reserved; all later catalogs of a database share it.
#[derive(Debug, Clone, Default)]
pub struct Reserved(Arc<AtomicU32>);

/// What is reserved is no part of what a catalog says.
impl PartialEq for Reserved {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Catalog {
            format: CATALOG_FORMAT,
            next_oid: FIRST_USER_OID,
            schemas: BTreeMap::new(),
            tables: BTreeMap::new(),
            graphs: BTreeMap::new(),
            views: BTreeMap::new(),
            sequences: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            oldest_kept: 0,
            reserved: Reserved::default(),
        }
    }
}

impl Catalog {
    /// Whether there is a schema of that name.
    pub fn has_schema(&self, name: &str) -> bool {
        name == DEFAULT_SCHEMA || self.schemas.contains_key(name)
    }

    /// What a name in a schema means.
    pub fn get_relation(&self, schema: &str, name: &str) -> Option<Relation> {
        if let Some(table) = self.get_table_in(schema, name) {
            return Some(Relation::Table(Arc::clone(table)));
        }
        if let Some(view) = self.views.values().find(|view| view.schema == schema && view.name == name) {
            return Some(Relation::View(Arc::clone(view)));
        }
        if let Some(sequence) = self.get_sequence(schema, name) {
            return Some(Relation::Sequence(Arc::clone(sequence)));
        }
        let graph = if schema == DEFAULT_SCHEMA { self.graphs.get(name) } else { None };
        graph.map(|graph| Relation::Graph(Arc::clone(graph)))
    }

    /// The relation with that object id.
    pub fn relation_with_oid(&self, oid: u32) -> Option<Relation> {
        if let Some(view) = self.views.get(&oid) {
            return Some(Relation::View(Arc::clone(view)));
        }
        let table = self.tables.values().find(|table| table.oid == oid).map(|table| Relation::Table(Arc::clone(table)));
        let sequence = || self.sequences.values().find(|sequence| sequence.oid == oid);
        let graph = || self.graphs.values().find(|graph| graph.oid == oid);
        table
            .or_else(|| sequence().map(|sequence| Relation::Sequence(Arc::clone(sequence))))
            .or_else(|| graph().map(|graph| Relation::Graph(Arc::clone(graph))))
    }

    /// The table of that name in a schema.
    pub fn get_table_in(&self, schema: &str, name: &str) -> Option<&Arc<TableDefinition>> {
        self.tables.values().find(|table| table.name == name && table.schema == schema)
    }

    /// The table of that name in [`DEFAULT_SCHEMA`].
    pub fn get_table(&self, name: &str) -> Option<&Arc<TableDefinition>> {
        self.get_table_in(DEFAULT_SCHEMA, name)
    }

    /// The table of that name in [`DEFAULT_SCHEMA`], or `42P01`.
    pub fn table(&self, name: &str) -> Result<&Arc<TableDefinition>> {
        self.get_table(name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist")).on_table(name)
        })
    }

    /// The sequence of that name in a schema.
    pub fn get_sequence(&self, schema: &str, name: &str) -> Option<&Arc<SequenceDefinition>> {
        self.sequences.values().find(|sequence| sequence.name == name && sequence.schema == schema)
    }

    /// The index of that name in a schema, and its table. The indexes of keys are not among them.
    pub fn get_index(&self, schema: &str, name: &str) -> Option<(&Arc<TableDefinition>, &IndexDefinition)> {
        let mut tables = self.tables.values().filter(|table| table.schema == schema);
        tables.find_map(|table| Some((table, table.indexes.iter().find(|index| index.name == name)?)))
    }

    /// The graph of that name, or `42P01`.
    pub fn graph(&self, name: &str) -> Result<&Arc<GraphDefinition>> {
        self.graphs.get(name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedTable, format!("graph \"{name}\" does not exist"))
                .with_hint("CREATE PROPERTY GRAPH makes one; slipstream.graphs lists them.")
        })
    }

    /// Graphs that have `table` as a vertex or edge table.
    pub fn graphs_of(&self, table: TableId) -> impl Iterator<Item = &Arc<GraphDefinition>> {
        self.graphs.values().filter(move |graph| graph.tables().any(|member| member == table))
    }

    /// The columns that come with a row of `table` that goes, so that everything that knows the row can let go of it: its
    /// primary key, the columns of its unique constraints, and the end point columns of its edge tables; each once.
    pub fn identity_columns(&self, table: &TableDefinition) -> Vec<String> {
        let mut columns = table.primary_key.clone();
        columns.extend(table.unique.iter().flat_map(|constraint| constraint.columns.iter().cloned()));
        for graph in self.graphs_of(table.id) {
            for edge in graph.edges.iter().filter(|edge| edge.table == table.id) {
                columns.extend(edge.source.columns.iter().cloned());
                columns.extend(edge.destination.columns.iter().cloned());
            }
        }
        let mut seen = HashSet::new();
        columns.retain(|column| seen.insert(column.clone()));
        columns
    }

    /// Gives an object id for something that a transaction is about to make. No other transaction gets it,
    /// so that what is made later in the same transaction can refer to it.
    pub fn reserve_oid(&self) -> u32 {
        let floor = self.next_oid;
        let next = |known: u32| Some(known.max(floor) + 1);
        let before = self.reserved.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        before.unwrap_or(floor).max(floor)
    }

    /// Gives a fresh object id.
    pub fn allocate_oid(&mut self) -> u32 {
        let oid = self.next_oid;
        self.next_oid += 1;
        oid
    }

    /// The object id that something is made with: the reserved one, where there is one.
    pub(crate) fn settle_oid(&mut self, reserved: u32) -> u32 {
        if reserved == 0 {
            return self.allocate_oid();
        }
        self.next_oid = self.next_oid.max(reserved + 1);
        reserved
    }
}
