//! The in-memory twin of the graph index: the same door, hash maps behind it.
//!
//! It keeps a state per element, a writer works on a copy of it, and a commit swaps the copy in, so a reader's state never
//! changes. Tests run a sequence of changes through it and through Kuzu and compare [`MemoryIndex::dump`]. It answers no
//! queries: planning Cypher is not its business, and the join route is the oracle for that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::{Error, Result};
use crate::graph::cover;
use crate::graph::index::{
    Change, GraphIndex, IndexQuery, IndexReader, IndexSchema, RebuildSource, StagedChanges, Standing,
};

/// Rows by element, each as text, in order: what a dump compares.
pub type Dump = BTreeMap<String, BTreeSet<String>>;

type Row = Vec<ScalarValue>;

/// An index in memory.
#[derive(Debug)]
pub struct MemoryIndex {
    schema: IndexSchema,
    current: Arc<RwLock<Arc<State>>>,
    writing: Arc<Mutex<()>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    standing: Option<Standing>,
    /// By element and key: the whole row.
    nodes: HashMap<String, HashMap<ScalarValue, Row>>,
    /// By element and (source, destination, key): the whole row.
    relationships: HashMap<String, HashMap<Row, Row>>,
}

impl MemoryIndex {
    /// An empty index.
    pub fn new(schema: IndexSchema) -> Result<MemoryIndex> {
        cover::check_schema(&schema)?;
        Ok(MemoryIndex { schema, current: Arc::default(), writing: Arc::default() })
    }

    /// Every row of every element.
    pub fn dump(&self) -> Dump {
        let state = Arc::clone(&self.current.read());
        let nodes = self.schema.nodes.iter().map(|node| {
            let rows = state.nodes.get(&node.element).into_iter().flat_map(HashMap::values);
            (node.element.clone(), rows.map(|row| text_of_row(row)).collect())
        });
        let relationships = self.schema.relationships.iter().map(|edge| {
            let rows = state.relationships.get(&edge.element).into_iter().flat_map(HashMap::values);
            (edge.element.clone(), rows.map(|row| text_of_row(row)).collect())
        });
        nodes.chain(relationships).collect()
    }

    async fn write(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.writing).lock_owned().await
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.current.read())
    }

    async fn fill(&self, mut state: State, source: RebuildSource, standing: Standing) -> Result<()> {
        for (element, rows) in source.nodes {
            for rows in collect(rows).await? {
                state.apply(&self.schema, &Change::PutNodes { element: element.clone(), rows })?;
            }
        }
        for (element, rows) in source.relationships {
            for rows in collect(rows).await? {
                state.apply(&self.schema, &Change::CreateRelationships { element: element.clone(), rows })?;
            }
        }
        state.standing = Some(standing);
        *self.current.write() = Arc::new(state);
        Ok(())
    }
}

async fn collect(mut rows: SendableRecordBatchStream) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch.map_err(|error| Error::storage(error.to_string()))?);
    }
    Ok(batches)
}

/// A row as a dump shows it.
pub(crate) fn text_of_row(row: &[ScalarValue]) -> String {
    format!("{row:?}")
}

/// The rows of a batch as values.
pub(crate) fn rows_of(columns: &[ArrayRef]) -> Result<Vec<Row>> {
    let rows = columns.first().map_or(0, |column| column.len());
    (0..rows)
        .map(|row| {
            let cells = columns.iter().map(|column| ScalarValue::try_from_array(column, row));
            cells.collect::<Result<Row, _>>().map_err(|error| Error::internal(error.to_string()))
        })
        .collect()
}

impl State {
    fn apply(&mut self, schema: &IndexSchema, change: &Change) -> Result<()> {
        match change {
            Change::DeleteRelationships { element, rows } => {
                let edges = self.relationships.entry(element.clone()).or_default();
                for row in rows_of(rows.columns())? {
                    edges.remove(&row[..3]);
                }
            }
            Change::DeleteNodes { element, keys } => {
                for key in rows_of(std::slice::from_ref(keys))?.into_iter().flatten() {
                    self.delete_node(schema, element, &key);
                }
            }
            Change::PutNodes { element, rows } => {
                let nodes = self.nodes.entry(element.clone()).or_default();
                nodes.extend(rows_of(rows.columns())?.into_iter().map(|row| (row[0].clone(), row)));
            }
            Change::CreateRelationships { element, rows } => {
                for row in rows_of(rows.columns())?.into_iter().filter(|row| !row[0].is_null() && !row[1].is_null()) {
                    self.create_relationship(schema, element, row)?;
                }
            }
        }
        Ok(())
    }

    fn delete_node(&mut self, schema: &IndexSchema, element: &str, key: &ScalarValue) {
        self.nodes.entry(element.to_string()).or_default().remove(key);
        for edge in &schema.relationships {
            let edges = self.relationships.entry(edge.element.clone()).or_default();
            let ends_there =
                |ends: &Row| edge.from == element && &ends[0] == key || edge.to == element && &ends[1] == key;
            edges.retain(|ends, _| !ends_there(ends));
        }
    }

    fn create_relationship(&mut self, schema: &IndexSchema, element: &str, row: Row) -> Result<()> {
        let edge = schema.relationships.iter().find(|edge| edge.element == element);
        let edge = edge.ok_or_else(|| Error::internal(format!("element \"{element}\" is not in the graph index")))?;
        for (end, key) in [(&edge.from, &row[0]), (&edge.to, &row[1])] {
            if !self.nodes.get(end).is_some_and(|nodes| nodes.contains_key(key)) {
                return Err(Error::internal(format!(
                    "an end point of a new edge \"{element}\" is not in the graph index"
                )));
            }
        }
        self.relationships.entry(element.to_string()).or_default().insert(row[..3].to_vec(), row);
        Ok(())
    }
}

#[async_trait::async_trait]
impl GraphIndex for MemoryIndex {
    fn schema(&self) -> &IndexSchema {
        &self.schema
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        Ok(self.state().standing.clone())
    }

    async fn stage(&self, changes: Vec<Change>, standing: Standing) -> Result<Box<dyn StagedChanges>> {
        let writing = self.write().await;
        let mut state = State::clone(&self.state());
        require_complete(&state)?;
        for change in &changes {
            state.apply(&self.schema, change)?;
        }
        state.standing = Some(standing);
        Ok(Box::new(Staged { state, current: Arc::clone(&self.current), _writing: writing }))
    }

    async fn rebuild(&self, source: RebuildSource, standing: Standing) -> Result<()> {
        let _writing = self.write().await;
        *self.current.write() = Arc::default();
        self.fill(State::default(), source, standing).await
    }

    async fn load(&self, source: RebuildSource, standing: Standing) -> Result<()> {
        let _writing = self.write().await;
        let state = State::clone(&self.state());
        require_complete(&state)?;
        *self.current.write() = Arc::new(State { standing: None, ..state.clone() });
        self.fill(state, source, standing).await
    }

    async fn begin_read(&self) -> Result<Option<Arc<dyn IndexReader>>> {
        let standing = self.state().standing.clone();
        Ok(standing.map(|standing| Arc::new(Reader { standing }) as Arc<dyn IndexReader>))
    }

    async fn mark_behind(&self) -> Result<()> {
        let _writing = self.write().await;
        let state = State { standing: None, ..State::clone(&self.state()) };
        *self.current.write() = Arc::new(state);
        Ok(())
    }

    async fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self) {}
}

fn require_complete(state: &State) -> Result<()> {
    match state.standing {
        Some(_) => Ok(()),
        None => Err(Error::storage("the graph index is behind, only a rebuild can complete it")),
    }
}

struct Staged {
    state: State,
    current: Arc<RwLock<Arc<State>>>,
    _writing: OwnedMutexGuard<()>,
}

#[async_trait::async_trait]
impl StagedChanges for Staged {
    async fn commit(self: Box<Self>) -> Result<()> {
        *self.current.write() = Arc::new(self.state);
        Ok(())
    }

    async fn rollback(self: Box<Self>) {}
}

#[derive(Debug)]
struct Reader {
    standing: Standing,
}

#[async_trait::async_trait]
impl IndexReader for Reader {
    fn standing(&self) -> &Standing {
        &self.standing
    }

    async fn query(&self, _query: &IndexQuery) -> Result<SendableRecordBatchStream> {
        Err(no_queries())
    }

    async fn check(&self, _query: &IndexQuery) -> Result<()> {
        Err(no_queries())
    }
}

fn no_queries() -> Error {
    Error::not_supported("the graph index in memory answers no queries")
}
