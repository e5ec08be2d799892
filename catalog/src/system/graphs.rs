//! `slipstream.graphs`.

use std::sync::Arc;

use async_trait::async_trait;
use slipstream_engine::catalog::{GraphDefinition, TableId};
use slipstream_engine::snapshot::Snapshot;
use slipstream_engine::{Database, Result};

use crate::metadata::{RowSource, Rows};

/// Property graphs at one snapshot.
pub(super) struct Graphs {
    database: Arc<Database>,
    snapshot: Arc<Snapshot>,
}

impl Graphs {
    pub(super) fn new(database: &Arc<Database>, snapshot: &Arc<Snapshot>) -> Self {
        Graphs { database: Arc::clone(database), snapshot: Arc::clone(snapshot) }
    }

    fn names(&self, tables: impl Iterator<Item = TableId>) -> Vec<String> {
        tables.filter_map(|id| Some(self.snapshot.catalog.tables.get(&id)?.name.clone())).collect()
    }

    /// The commit that the index stands at, and whether it can answer at this snapshot.
    async fn standing(&self, graph: &GraphDefinition) -> Result<(Option<i64>, &'static str)> {
        let Some(standing) = self.database.graph_standing(&graph.name).await? else {
            return Ok((None, "building"));
        };
        // What counts is the versions of the graph's own tables: commits elsewhere don't concern it.
        let current = graph.tables().all(|id| standing.versions.get(&id) == self.snapshot.versions.get(&id));
        Ok((Some(standing.seq as i64), if current { "ready" } else { "behind" }))
    }
}

#[async_trait]
impl RowSource for Graphs {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        for graph in self.snapshot.catalog.graphs.values() {
            let mut labels: Vec<String> = Vec::new();
            let all = graph.vertices.iter().flat_map(|vertex| &vertex.labels);
            for label in all.chain(graph.edges.iter().flat_map(|edge| &edge.labels)) {
                if !labels.contains(label) {
                    labels.push(label.clone());
                }
            }
            let (seq, state) = self.standing(graph).await?;
            rows.add()
                .set("name", graph.name.clone())
                .set("oid", graph.oid)
                .set("labels", labels)
                .set("vertex_tables", self.names(graph.vertices.iter().map(|vertex| vertex.table)))
                .set("edge_tables", self.names(graph.edges.iter().map(|edge| edge.table)))
                .set("index_seq", seq)
                .set("state", state);
        }
        Ok(())
    }
}
