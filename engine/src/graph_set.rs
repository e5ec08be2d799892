//! The graph indexes of a database: opened, brought to a snapshot, read at a snapshot.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::catalog::{Catalog, EdgeTable, GraphDefinition, TableId, VertexTable};
use crate::change::RowChanges;
use crate::error::{Error, Result};
use crate::graph::index::{Change, GraphIndex, IndexFactory, RebuildSource, Standing};
use crate::snapshot::Snapshot;
use crate::store::ScanRequest;
use crate::transaction::graph_changes::{changes, index_schema, node_columns, relationship_columns};
use crate::transaction::kernel::standing::{Bringing, bringing};

/// The folder of all indexes.
const FOLDER: &str = "graph";

/// Changes of one commit that are applied row by row; more go through the index's bulk path.
pub(crate) const MAX_ROW_CHANGES: usize = 20_000;

/// The open graph indexes.
pub(crate) struct GraphSet {
    directory: PathBuf,
    factory: IndexFactory,
    open: RwLock<BTreeMap<String, Arc<OpenGraph>>>,
}

/// One graph and its index.
#[derive(Debug)]
pub(crate) struct OpenGraph {
    pub(crate) definition: Arc<GraphDefinition>,
    pub(crate) index: Arc<dyn GraphIndex>,
}

impl GraphSet {
    pub(crate) fn new(local: &Path, factory: IndexFactory) -> Self {
        GraphSet { directory: local.join(FOLDER), factory, open: RwLock::default() }
    }

    /// The open graph of that name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<OpenGraph>> {
        self.open.read().get(name).cloned()
    }

    /// Opens indexes for graphs that have none open and closes those of graphs that are gone. Gives the graphs opened.
    pub(crate) async fn follow(&self, catalog: &Catalog) -> Result<Vec<Arc<OpenGraph>>> {
        let gone: Vec<Arc<OpenGraph>> = {
            let mut open = self.open.write();
            let names: Vec<String> = open
                .iter()
                .filter(|(name, graph)| catalog.graphs.get(*name).is_none_or(|there| there.id != graph.definition.id))
                .map(|(name, _)| name.clone())
                .collect();
            names.iter().filter_map(|name| open.remove(name)).collect()
        };
        for graph in gone {
            graph.index.close().await;
            remove_directory(&self.path(&graph.definition));
        }
        let mut opened = Vec::new();
        for (name, definition) in &catalog.graphs {
            if self.get(name).is_some() {
                continue;
            }
            let schema = index_schema(catalog, definition)?;
            let index = (self.factory)(self.path(definition), schema).await?;
            let graph = Arc::new(OpenGraph { definition: Arc::clone(definition), index });
            self.open.write().insert(name.clone(), Arc::clone(&graph));
            opened.push(graph);
        }
        Ok(opened)
    }

    /// Removes what dropped graphs left on disk while no server ran.
    pub(crate) fn remove_strays(&self, catalog: &Catalog) {
        let known: HashSet<PathBuf> = catalog.graphs.values().map(|graph| self.path(graph)).collect();
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return };
        for entry in entries.flatten().filter(|entry| !known.iter().any(|path| starts_alike(&entry.path(), path))) {
            remove_directory(&entry.path());
        }
    }

    pub(crate) async fn close(&self) {
        let open = std::mem::take(&mut *self.open.write());
        for graph in open.into_values() {
            if let Err(error) = graph.index.checkpoint().await {
                tracing::warn!(graph = graph.definition.name, %error, "no checkpoint at close");
            }
            graph.index.close().await;
        }
    }

    fn path(&self, definition: &GraphDefinition) -> PathBuf {
        self.directory.join(folder_of(definition))
    }
}

/// Where the index of a graph is, below the local directory.
pub(crate) fn index_path(local: &Path, definition: &GraphDefinition) -> PathBuf {
    local.join(FOLDER).join(folder_of(definition))
}

/// The graph's id alone: a name need not be a good file name.
fn folder_of(definition: &GraphDefinition) -> String {
    definition.id.simple().to_string()
}

/// Files beside an index (its log) carry its name as their beginning.
fn starts_alike(entry: &Path, index: &Path) -> bool {
    entry.to_string_lossy().starts_with(index.to_string_lossy().as_ref())
}

fn remove_directory(path: &Path) {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a dropped graph index");
        }
        _ => {}
    }
}

impl OpenGraph {
    /// Where the index has to stand for `snapshot`.
    pub(crate) fn standing_at(&self, snapshot: &Snapshot) -> Result<Standing> {
        standing_at(&self.definition, &snapshot.versions, snapshot.seq)
    }

    /// Brings the index to `snapshot`, from wherever it is: by what changed, or from nothing.
    pub(crate) async fn bring_forward(&self, snapshot: &Snapshot) -> Result<()> {
        let goal = self.standing_at(snapshot)?;
        let started = Instant::now();
        let name = &self.definition.name;
        let standing = self.index.standing().await?;
        match (bringing(standing.as_ref().map(|standing| &standing.versions), &goal.versions), &standing) {
            (Bringing::Nothing, _) => return Ok(()),
            (Bringing::Forward, Some(standing)) => {
                let outcome = match self.changes_since(standing, snapshot).await {
                    Ok(Some(changes)) => self.apply(changes, goal.clone()).await.map(|()| true),
                    Ok(None) => Ok(false),
                    Err(error) => Err(error),
                };
                match outcome {
                    Ok(true) => {
                        tracing::info!(graph = name, from = standing.seq, to = goal.seq, took = ?started.elapsed(), "graph index brought forward");
                        return Ok(());
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(graph = name, %error, "graph index could not be brought forward, rebuilding")
                    }
                }
            }
            (Bringing::Forward | Bringing::Rebuild, _) => {}
        }
        self.rebuild(snapshot, goal).await?;
        tracing::info!(graph = name, seq = snapshot.seq, took = ?started.elapsed(), "graph index rebuilt");
        Ok(())
    }

    async fn apply(&self, changes: Vec<Change>, goal: Standing) -> Result<()> {
        self.index.stage(changes, goal).await?.commit().await
    }

    /// The changes between where the index stands and `snapshot`; `None` where a rebuild is the better way.
    async fn changes_since(&self, standing: &Standing, snapshot: &Snapshot) -> Result<Option<Vec<Change>>> {
        let mut deltas = Vec::new();
        let mut seen = HashSet::new();
        let mut rows = 0;
        for id in self.definition.tables().filter(|id| seen.insert(*id)) {
            let Some(definition) = snapshot.catalog.tables.get(&id) else { return Ok(None) };
            let Some(from) = standing.versions.get(&id) else { return Ok(None) };
            let newer = snapshot.open(definition).await?;
            if newer.version() == *from {
                continue;
            }
            let older = snapshot.store.open(definition, *from).await?;
            let identity = snapshot.catalog.identity_columns(definition);
            let Some(difference) = newer.difference(&older, &identity, MAX_ROW_CHANGES).await? else { return Ok(None) };
            let delta = RowChanges {
                removed: difference.removed.into(),
                added: difference.added.into(),
                ..RowChanges::new(Arc::clone(definition))
            };
            rows += delta.added_rows() + delta.removed_rows();
            if rows > MAX_ROW_CHANGES {
                return Ok(None);
            }
            deltas.push(delta);
        }
        changes(&self.definition, &deltas).map(Some)
    }

    async fn rebuild(&self, snapshot: &Snapshot, goal: Standing) -> Result<()> {
        let mut source = RebuildSource { nodes: Vec::new(), relationships: Vec::new() };
        for vertex in &self.definition.vertices {
            source.nodes.push((vertex.name.clone(), read(snapshot, vertex.table, node_columns(vertex)).await?));
        }
        for edge in &self.definition.edges {
            let rows = read(snapshot, edge.table, relationship_columns(edge)).await?;
            source.relationships.push((edge.name.clone(), rows));
        }
        self.index.rebuild(source, goal).await
    }

    /// Vertex elements over a table.
    pub(crate) fn vertices_of(&self, table: TableId) -> impl Iterator<Item = &VertexTable> {
        self.definition.vertices.iter().filter(move |vertex| vertex.table == table)
    }

    /// Edge elements over a table.
    pub(crate) fn edges_of(&self, table: TableId) -> impl Iterator<Item = &EdgeTable> {
        self.definition.edges.iter().filter(move |edge| edge.table == table)
    }
}

/// Rows of a table with `columns`, one of which may be asked for twice.
pub(crate) async fn read(
    snapshot: &Snapshot,
    table: TableId,
    columns: Vec<String>,
) -> Result<datafusion::physical_plan::SendableRecordBatchStream> {
    let definition = snapshot
        .catalog
        .tables
        .get(&table)
        .ok_or_else(|| Error::internal(format!("table {table} is missing in snapshot {}", snapshot.seq)))?;
    let mut distinct = columns.clone();
    let mut seen = HashSet::new();
    distinct.retain(|column| seen.insert(column.clone()));
    let request = ScanRequest { columns: Some(distinct.clone()), ..ScanRequest::default() };
    let rows = snapshot.open(definition).await?.read(&request).await?;
    if distinct == columns {
        return Ok(rows);
    }
    let positions: Vec<usize> =
        columns.iter().filter_map(|column| distinct.iter().position(|known| known == column)).collect();
    crate::stream::project(rows, positions)
}

/// Where an index of `graph` stands at a version map.
pub(crate) fn standing_at(graph: &GraphDefinition, versions: &BTreeMap<TableId, u64>, seq: u64) -> Result<Standing> {
    let versions = graph
        .tables()
        .map(|table| {
            let version = versions.get(&table).copied();
            version
                .map(|version| (table, version))
                .ok_or_else(|| Error::internal(format!("table {table} has no version")))
        })
        .collect::<Result<_>>()?;
    Ok(Standing { seq, versions })
}

/// How long a statement waits for an index that is being brought to its snapshot, before joins answer it instead.
pub(crate) const READ_PATIENCE: Duration = Duration::from_millis(100);
