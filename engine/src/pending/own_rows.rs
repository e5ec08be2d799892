//! The part of a scan that gives the rows a transaction has added itself, from memory or from their temporary file.

use std::fmt;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use futures::StreamExt;

use super::delta::Delta;
use super::table::project;
use crate::error::{Error, Result};
use crate::stream;

/// Rows of a delta.
#[derive(Debug)]
pub struct OwnRows {
    delta: Arc<Delta>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl OwnRows {
    /// The rows that come and satisfy `filter`, which speaks of the table's columns and the address; the columns of `schema` by
    /// name, the address among them or not.
    pub(super) fn new(delta: Arc<Delta>, filter: Option<Arc<dyn PhysicalExpr>>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        OwnRows { delta, filter, schema, properties: Arc::new(properties) }
    }
}

impl DisplayAs for OwnRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnRows: table={}, rows={}", self.delta.table().name, self.delta.added_rows())?;
        match &self.filter {
            Some(filter) => write!(f, ", filter={filter}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for OwnRows {
    fn name(&self) -> &str {
        "OwnRows"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn partition_statistics(&self, _: Option<usize>) -> PlanResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        let rows = self.delta.added_rows();
        statistics.num_rows = match self.filter {
            None => Precision::Exact(rows),
            Some(_) => Precision::Inexact(rows),
        };
        Ok(Arc::new(statistics))
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let (delta, filter, schema) = (Arc::clone(&self.delta), self.filter.clone(), Arc::clone(&self.schema));
        let rows = futures::stream::iter(0..delta.parts()).then(move |number| {
            let (delta, filter, schema) = (Arc::clone(&delta), filter.clone(), Arc::clone(&schema));
            async move {
                let rows = delta.fetch_with_address(number).await?;
                Ok(shown(rows, filter.as_deref(), &schema)?)
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

fn shown(rows: RecordBatch, filter: Option<&dyn PhysicalExpr>, schema: &SchemaRef) -> Result<RecordBatch> {
    let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    let rows = match filter {
        None => rows,
        Some(filter) => {
            let holds = filter.evaluate(&rows).and_then(|holds| holds.into_array(rows.num_rows()));
            filter_record_batch(&rows, holds.map_err(stream::error)?.as_boolean()).map_err(internal)?
        }
    };
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let rows = project(&rows, &names)?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), rows.columns().to_vec(), &options).map_err(internal)
}
