//! A metadata table as DataFusion sees it: a stream that asks its source for rows when it is run.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use slipstream_engine::Result;

use super::relation::{Kind, Relation};
use super::rows::Rows;

/// What the rows of a metadata table are.
#[async_trait]
pub trait RowSource: Send + Sync + 'static {
    /// Adds the rows. `rows` has only the columns that the plan needs.
    async fn fill(&self, rows: &mut Rows) -> Result<()>;
}

/// A source that is a function of some immutable state, such as a catalog.
pub struct Snapshotted<S> {
    state: Arc<S>,
    fill: fn(&S, &mut Rows),
}

impl<S> Snapshotted<S> {
    /// The rows that `fill` makes of `state`.
    pub fn new(state: Arc<S>, fill: fn(&S, &mut Rows)) -> Self {
        Snapshotted { state, fill }
    }
}

#[async_trait]
impl<S: Send + Sync + 'static> RowSource for Snapshotted<S> {
    async fn fill(&self, rows: &mut Rows) -> Result<()> {
        (self.fill)(&self.state, rows);
        Ok(())
    }
}

/// A relation with its rows.
pub struct MetadataTable {
    relation: &'static Relation,
    source: Option<Arc<dyn RowSource>>,
}

impl MetadataTable {
    /// A relation filled by `source`; empty without one.
    pub fn new(relation: &'static Relation, source: Option<Arc<dyn RowSource>>) -> Self {
        MetadataTable { relation, source }
    }
}

impl fmt::Debug for MetadataTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataTable").field("name", &self.relation.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for MetadataTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.relation.schema)
    }

    fn table_type(&self) -> TableType {
        match self.relation.kind {
            Kind::Table => TableType::Base,
            Kind::View => TableType::View,
        }
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.relation.schema.project(columns)?),
            None => self.schema(),
        };
        let part: Arc<dyn PartitionStream> = Arc::new(Scan {
            name: self.relation.name,
            schema: Arc::clone(&schema),
            source: self.source.clone(),
            limit,
        });
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![part], None, [], false, limit)?))
    }
}

/// One scan of a metadata table, with the columns that it wants.
struct Scan {
    name: &'static str,
    schema: SchemaRef,
    source: Option<Arc<dyn RowSource>>,
    limit: Option<usize>,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scan").field(&self.name).finish()
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let source = self.source.clone();
        let mut rows = Rows::new(Arc::clone(&self.schema), self.limit);
        let batch = async move {
            if let Some(source) = source {
                source.fill(&mut rows).await.map_err(DataFusionError::from)?;
            }
            Ok(rows.finish()?)
        };
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), futures::stream::once(batch)))
    }
}
