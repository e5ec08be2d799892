//! What a graph index is to the rest of the engine.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::scalar::ScalarValue;
use futures::future::BoxFuture;

use crate::catalog::TableId;
use crate::error::Result;
use crate::types::SqlType;

/// The longest path that an index finds.
pub const LONGEST_PATH: u32 = 65_000;

/// Opens (or makes) the index in a directory.
pub type IndexFactory =
    Arc<dyn Fn(PathBuf, IndexSchema) -> BoxFuture<'static, Result<Arc<dyn GraphIndex>>> + Send + Sync>;

/// Where an index stands: the commit it was last brought to and the version of each of its tables there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Commit sequence number.
    pub seq: u64,
    /// Lance version of every table of the graph at that commit.
    pub versions: BTreeMap<TableId, u64>,
}

/// The shape of an index: what it covers of each element table.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexSchema {
    /// Vertex tables.
    pub nodes: Vec<NodeSchema>,
    /// Edge tables.
    pub relationships: Vec<RelationshipSchema>,
}

/// A covered column.
#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    /// Column name, also its name in the index.
    pub name: String,
    /// SQL type.
    pub sql_type: SqlType,
}

/// What the index holds of a vertex table.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSchema {
    /// The element's name in the graph, which is what the index calls its table.
    pub element: String,
    /// The key; one column.
    pub key: Property,
    /// Covered columns beside the key.
    pub properties: Vec<Property>,
}

/// What the index holds of an edge table.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationshipSchema {
    /// The element's name in the graph, which is what the index calls its table.
    pub element: String,
    /// Name of the vertex element where edges start.
    pub from: String,
    /// Name of the vertex element where edges end.
    pub to: String,
    /// The edge's own key (one column), stored as a property.
    pub key: Property,
    /// Covered columns beside the key.
    pub properties: Vec<Property>,
}

/// One change to an index. Changes of one commit are applied in order: edges go before the vertices they need go, and come
/// after those come.
#[derive(Debug, Clone)]
pub enum Change {
    /// Remove edges. Columns: source key, destination key, edge key.
    DeleteRelationships {
        /// The element's name.
        element: String,
        /// One row an edge.
        rows: RecordBatch,
    },
    /// Remove vertices (and whatever edges they still have).
    DeleteNodes {
        /// The element's name.
        element: String,
        /// Keys.
        keys: ArrayRef,
    },
    /// Add vertices or overwrite their properties. Columns: key, then the properties in schema order.
    PutNodes {
        /// The element's name.
        element: String,
        /// One row a vertex.
        rows: RecordBatch,
    },
    /// Add edges. Columns: source key, destination key, edge key, then the properties in schema order.
    CreateRelationships {
        /// The element's name.
        element: String,
        /// One row an edge.
        rows: RecordBatch,
    },
}

impl Change {
    /// Rows it touches.
    pub fn rows(&self) -> usize {
        match self {
            Change::DeleteNodes { keys, .. } => keys.len(),
            Change::DeleteRelationships { rows, .. }
            | Change::PutNodes { rows, .. }
            | Change::CreateRelationships { rows, .. } => rows.num_rows(),
        }
    }
}

/// A read-only query in the index's own language, with only covered elements and properties in it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexQuery {
    /// Cypher text, parameters as `$name`.
    pub cypher: String,
    /// Parameter values by name.
    pub parameters: Vec<(String, ScalarValue)>,
    /// The columns that come back: names and types as the plan expects them. The index converts its results to it.
    pub schema: SchemaRef,
}

/// The index of one graph, open in this process.
///
/// Blocking work runs on threads of the index's own; every method may be called from an async task.
#[async_trait::async_trait]
pub trait GraphIndex: Send + Sync + Debug {
    /// The shape it was made with.
    fn schema(&self) -> &IndexSchema;

    /// Where it stands, from its own storage; `None` where it is empty, half built, or marked behind.
    async fn standing(&self) -> Result<Option<Standing>>;

    /// Applies `changes` and the standing they lead to in an open write transaction of the index, invisible to readers.
    /// After an error nothing of it remains.
    async fn stage(&self, changes: Vec<Change>, standing: Standing) -> Result<Box<dyn StagedChanges>>;

    /// Empties the index and fills it again. It counts as complete (has a standing) only when the last row is durable.
    /// Node sources are consumed before relationship sources.
    async fn rebuild(&self, source: RebuildSource, standing: Standing) -> Result<()>;

    /// Adds many rows to what is there, by the engine's bulk path. Until it has finished, [`GraphIndex::standing`] is
    /// `None`; a crash in between leaves it so.
    async fn load(&self, source: RebuildSource, standing: Standing) -> Result<()>;

    /// Opens a read transaction and says where it stands; `None` as for [`GraphIndex::standing`].
    async fn begin_read(&self) -> Result<Option<Arc<dyn IndexReader>>>;

    /// Says durably that the index is behind, until a rebuild.
    async fn mark_behind(&self) -> Result<()>;

    /// Writes a checkpoint, so that opening is quick and the log is short.
    async fn checkpoint(&self) -> Result<()>;

    /// Stops its threads and closes its files.
    async fn close(&self);
}

/// Rows for a rebuild or a load, element by element, columns as in [`Change::PutNodes`] and [`Change::CreateRelationships`].
pub struct RebuildSource {
    /// Vertices by element.
    pub nodes: Vec<(String, SendableRecordBatchStream)>,
    /// Edges by element.
    pub relationships: Vec<(String, SendableRecordBatchStream)>,
}

/// Changes in an open write transaction of an index. Dropping it rolls back.
#[async_trait::async_trait]
pub trait StagedChanges: Send + Sync {
    /// Makes the changes visible and durable.
    async fn commit(self: Box<Self>) -> Result<()>;
    /// Forgets them.
    async fn rollback(self: Box<Self>);
}

/// A read transaction of an index: every query through it sees the same state. Dropping it ends it, and interrupts a query
/// that is still running.
#[async_trait::async_trait]
pub trait IndexReader: Send + Sync + Debug {
    /// Where that state stands.
    fn standing(&self) -> &Standing;
    /// Runs a query. Dropping the stream interrupts it.
    async fn query(&self, query: &IndexQuery) -> Result<SendableRecordBatchStream>;
    /// Checks a query without running it: its text is planned by the index.
    async fn check(&self, query: &IndexQuery) -> Result<()>;
}
