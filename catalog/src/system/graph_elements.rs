//! `slipstream.graph_elements`.

use std::sync::Arc;

use async_trait::async_trait;
use slipstream_engine::Result;
use slipstream_engine::catalog::TableId;
use slipstream_engine::snapshot::Snapshot;

use crate::metadata::{RowSource, Rows};

/// Vertex and edge tables of the property graphs at one snapshot.
pub(super) struct GraphElements {
    snapshot: Arc<Snapshot>,
}

impl GraphElements {
    pub(super) fn new(snapshot: &Arc<Snapshot>) -> Self {
        GraphElements { snapshot: Arc::clone(snapshot) }
    }

    fn table_name(&self, table: TableId) -> Option<String> {
        self.snapshot.catalog.tables.get(&table).map(|table| table.name.clone())
    }
}

#[async_trait]
impl RowSource for GraphElements {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        for graph in self.snapshot.catalog.graphs.values() {
            for vertex in &graph.vertices {
                rows.add()
                    .set("graph", graph.name.clone())
                    .set("name", vertex.name.clone())
                    .set("kind", "vertex")
                    .set("table_name", self.table_name(vertex.table))
                    .set("labels", vertex.labels.clone())
                    .set("properties", vertex.properties.clone());
            }
            for edge in &graph.edges {
                rows.add()
                    .set("graph", graph.name.clone())
                    .set("name", edge.name.clone())
                    .set("kind", "edge")
                    .set("table_name", self.table_name(edge.table))
                    .set("labels", edge.labels.clone())
                    .set("properties", edge.properties.clone())
                    .set("source", edge.source.vertex.clone())
                    .set("destination", edge.destination.vertex.clone());
            }
        }
        Ok(())
    }
}
