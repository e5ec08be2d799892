//! What a graph index answers, as a table: the Kuzu table provider.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::{TryFutureExt, TryStreamExt};
use slipstream_engine::graph::index::{IndexQuery, IndexReader};

/// A query of a graph index as a table.
#[derive(Debug, Clone)]
pub struct GraphScan {
    graph: String,
    description: String,
    query: IndexQuery,
    reader: Arc<dyn IndexReader>,
}

impl GraphScan {
    /// A query over the graph called `graph`, answered within `reader`'s read transaction. `description` is for EXPLAIN.
    pub fn new(graph: &str, description: &str, query: IndexQuery, reader: Arc<dyn IndexReader>) -> Self {
        GraphScan { graph: graph.to_string(), description: description.to_string(), query, reader }
    }

    /// The operator that runs it, for these columns of the query or all.
    pub fn plan(&self, columns: Option<Vec<usize>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(GraphIndexScan::new(self.clone(), columns)?))
    }
}

#[async_trait]
impl TableProvider for GraphScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.query.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        self.plan(projection.cloned())
    }
}

/// Runs a query in a graph index and streams what comes back.
#[derive(Debug)]
pub struct GraphIndexScan {
    scan: GraphScan,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl GraphIndexScan {
    fn new(scan: GraphScan, projection: Option<Vec<usize>>) -> PlanResult<Self> {
        let schema = match &projection {
            Some(projection) => Arc::new(scan.query.schema.project(projection)?),
            None => Arc::clone(&scan.query.schema),
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(GraphIndexScan { scan, projection, schema, properties })
    }
}

impl DisplayAs for GraphIndexScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.scan.reader.standing();
        write!(f, "GraphIndexScan: graph={}, seq={}, {}", self.scan.graph, standing.seq, self.scan.description)
    }
}

impl ExecutionPlan for GraphIndexScan {
    fn name(&self) -> &str {
        "GraphIndexScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let scan = self.scan.clone();
        let projection = self.projection.clone();
        let rows = async move { scan.reader.query(&scan.query).await }.map_err(Into::into).try_flatten_stream();
        let projected = rows.and_then(move |batch| {
            let projected = match &projection {
                Some(projection) => batch.project(projection).map_err(Into::into),
                None => Ok(batch),
            };
            futures::future::ready(projected)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), projected)))
    }
}
