//! The graph steps of a commit: what it changes is staged in the indexes, and committed or caught up with after the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::committer::Committer;
use super::kernel::standing::takes_changes;
use super::{CommitStep, graph_changes};
use crate::catalog::{Catalog, TableId};
use crate::change::RowChanges;
use crate::error::Result;
use crate::graph::index::{RebuildSource, StagedChanges};
use crate::graph_set::{MAX_ROW_CHANGES, OpenGraph, standing_at};
use crate::pending::Pending;
use crate::snapshot::Snapshot;
use crate::store::StagedLoad;

/// Changes that wait in an index's open write transaction.
pub(crate) type StagedGraph = (Arc<OpenGraph>, Box<dyn StagedChanges>);

/// What a commit does to the element tables of graphs.
#[derive(Default)]
pub(crate) struct ElementChanges {
    /// Row changes, at most one per table.
    pub(crate) rows: Vec<RowChanges>,
    /// Loads, at most one per table.
    pub(crate) loads: Vec<StagedLoad>,
    /// Tables whose rows have all been written anew.
    pub(crate) replaced: Vec<TableId>,
    /// Tables whose rows lie elsewhere, and are the same.
    pub(crate) moved: Vec<TableId>,
}

impl ElementChanges {
    /// The changes of a group.
    pub(crate) fn of(pending: &Pending) -> Self {
        let rows = pending.deltas().values().filter(|delta| !delta.is_empty());
        ElementChanges {
            rows: rows.map(|delta| delta.as_changes()).collect(),
            loads: pending.loads().to_vec(),
            replaced: pending.replaced().into_iter().collect(),
            moved: Vec::new(),
        }
    }
}

impl Committer {
    /// Applies the changes to every index they concern. An index that fails, or is not at the head, or has too much to
    /// take row by row, is left out: it is brought forward after the commit.
    pub(super) async fn stage_graphs(
        &self,
        catalog: &Catalog,
        versions: &BTreeMap<TableId, u64>,
        seq: u64,
        elements: &ElementChanges,
    ) -> Vec<StagedGraph> {
        let mut staged = Vec::new();
        for definition in catalog.graphs.values() {
            let Some(graph) = self.graphs.get(&definition.name) else { continue };
            let concerned = |table: TableId| definition.tables().any(|member| member == table);
            let bulk = elements.loads.iter().any(|load| concerned(load.table.id))
                || elements.replaced.iter().any(|table| concerned(*table));
            let touched = elements.rows.iter().any(|rows| concerned(rows.table.id))
                || elements.moved.iter().any(|table| concerned(*table));
            if bulk || !touched {
                continue;
            }
            match self.stage_graph(&graph, versions, seq, &elements.rows).await {
                Ok(Some(changes)) => staged.push((graph, changes)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(graph = definition.name, %error, "graph index refused a change, it will be brought forward");
                }
            }
        }
        staged
    }

    async fn stage_graph(
        &self,
        graph: &OpenGraph,
        versions: &BTreeMap<TableId, u64>,
        seq: u64,
        rows: &[RowChanges],
    ) -> Result<Option<Box<dyn StagedChanges>>> {
        let concerned = rows.iter().filter(|rows| graph.definition.tables().any(|table| table == rows.table.id));
        if concerned.map(|rows| rows.added.rows() + rows.removed.rows()).sum::<usize>() > MAX_ROW_CHANGES {
            return Ok(None);
        }
        let changes = graph_changes::changes(&graph.definition, rows)?;
        let before = graph.standing_at(&self.head())?;
        let current = graph.index.standing().await?;
        let takes = takes_changes(current.as_ref().map(|standing| &standing.versions), &before.versions);
        if !takes {
            return Ok(None);
        }
        graph.index.stage(changes, standing_at(&graph.definition, versions, seq)?).await.map(Some)
    }

    pub(super) async fn commit_graphs(
        &self,
        snapshot: &Arc<Snapshot>,
        staged: Vec<StagedGraph>,
        elements: &ElementChanges,
    ) {
        if let Err(error) = self.step(CommitStep::CommitGraph) {
            tracing::warn!(%error, "graph indexes are left behind");
            return;
        }
        let mut at_the_snapshot = Vec::new();
        for (graph, changes) in staged {
            match changes.commit().await {
                Ok(()) => at_the_snapshot.push(graph.definition.id),
                Err(error) => {
                    tracing::warn!(graph = graph.definition.name, %error, "graph index could not commit, bringing it forward");
                }
            }
        }
        if let Err(error) = self.graphs.follow(&snapshot.catalog).await {
            tracing::error!(%error, "a graph index could not be opened");
        }
        let head = self.head();
        for definition in snapshot.catalog.graphs.values() {
            let unchanged = standing_at(definition, &snapshot.versions, 0).ok()
                == standing_at(definition, &head.versions, 0).ok()
                && head.catalog.graphs.contains_key(&definition.name);
            if unchanged || at_the_snapshot.contains(&definition.id) {
                continue;
            }
            if let Some(graph) = self.graphs.get(&definition.name) {
                self.catch_up(&graph, snapshot, elements).await;
            }
        }
        if let Err(error) = self.done(CommitStep::CommitGraph) {
            tracing::warn!(%error, "stopped after the graph step");
        }
    }

    /// Brings an index to the snapshot that did not get there with the commit itself.
    async fn catch_up(&self, graph: &OpenGraph, snapshot: &Snapshot, elements: &ElementChanges) {
        let name = &graph.definition.name;
        let outcome = match self.load_graph(graph, snapshot, elements).await {
            Ok(true) => Ok(()),
            Ok(false) => graph.bring_forward(snapshot).await,
            Err(error) => {
                tracing::warn!(graph = name, %error, "graph index could not load, bringing it forward");
                graph.bring_forward(snapshot).await
            }
        };
        if let Err(error) = outcome {
            tracing::error!(graph = name, %error, "graph index stays behind");
        }
    }

    /// Hands appended rows to the index's bulk path, where the commit did nothing else to the graph.
    async fn load_graph(&self, graph: &OpenGraph, snapshot: &Snapshot, elements: &ElementChanges) -> Result<bool> {
        let concerned = |table: TableId| graph.definition.tables().any(|member| member == table);
        let loads: Vec<&StagedLoad> = elements.loads.iter().filter(|load| concerned(load.table.id)).collect();
        let current = graph.index.standing().await?;
        let before = graph.standing_at(&self.head())?;
        if loads.is_empty()
            || elements.rows.iter().any(|rows| concerned(rows.table.id))
            || elements.replaced.iter().any(|table| concerned(*table))
            || !takes_changes(current.as_ref().map(|standing| &standing.versions), &before.versions)
        {
            return Ok(false);
        }
        let mut source = RebuildSource { nodes: Vec::new(), relationships: Vec::new() };
        for load in loads {
            let table = snapshot.open(&load.table).await?;
            for vertex in graph.vertices_of(load.table.id) {
                let rows = table.read_newest(load.fragments(), graph_changes::node_columns(vertex)).await?;
                source.nodes.push((vertex.name.clone(), rows));
            }
            for edge in graph.edges_of(load.table.id) {
                let rows = table.read_newest(load.fragments(), graph_changes::relationship_columns(edge)).await?;
                source.relationships.push((edge.name.clone(), rows));
            }
        }
        graph.index.load(source, graph.standing_at(snapshot)?).await?;
        Ok(true)
    }
}
