//! Gives Lance's scan plan the schema that the catalog says, and a line in EXPLAIN.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use super::{ScanRequest, TableVersion, layout};
use crate::error::{Error, Result};

/// A scan of a Lance table: Lance's own plan below, the catalog's schema above.
#[derive(Debug)]
pub struct LanceScan {
    input: Arc<dyn ExecutionPlan>,
    /// Positions in the input of the output's columns.
    positions: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    table: Arc<TableVersion>,
    request: ScanRequest,
    /// Whether every row of the version comes out.
    whole: bool,
}

impl LanceScan {
    /// A scan over `input`, which has the columns of `schema` by name (and maybe more).
    pub(super) fn over(
        input: Arc<dyn ExecutionPlan>,
        schema: SchemaRef,
        table: Arc<TableVersion>,
        request: ScanRequest,
        whole: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let missing = |name: &str| {
            Error::storage(format!(
                "column \"{name}\" of table \"{}\" is missing in its files",
                table.definition().name
            ))
        };
        let positions = schema
            .fields()
            .iter()
            .map(|field| input.schema().index_of(field.name()).map_err(|_| missing(field.name())))
            .collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(LanceScan::new(input, positions, schema, table, request, whole)))
    }

    fn new(
        input: Arc<dyn ExecutionPlan>,
        positions: Vec<usize>,
        schema: SchemaRef,
        table: Arc<TableVersion>,
        request: ScanRequest,
        whole: bool,
    ) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            input.properties().output_partitioning().clone(),
            input.properties().emission_type,
            input.properties().boundedness,
        ));
        LanceScan { input, positions, schema, properties, table, request, whole }
    }

    /// The table at its version.
    pub fn table(&self) -> &Arc<TableVersion> {
        &self.table
    }

    /// What is scanned.
    pub fn request(&self) -> &ScanRequest {
        &self.request
    }
}

impl DisplayAs for LanceScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        let (name, version) = (&self.table.definition().name, self.table.version());
        write!(f, "LanceScan: table={name}, version={version}, columns=[{}]", columns.join(", "))?;
        if let Some(filter) = &self.request.filter {
            write!(f, ", filter={filter}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for LanceScan {
    fn name(&self) -> &str {
        "LanceScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Lance reads in parallel by itself.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        let (positions, schema) = (self.positions.clone(), Arc::clone(&self.schema));
        let (table, request) = (Arc::clone(&self.table), self.request.clone());
        Ok(Arc::new(LanceScan::new(input, positions, schema, table, request, self.whole)))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> PlanResult<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if partition.is_none() {
            let rows = self.table.row_count();
            statistics.num_rows = match self.whole {
                true => Precision::Exact(rows),
                false => Precision::Inexact(self.request.limit.map_or(rows, |limit| limit.min(rows))),
            };
        }
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let (positions, schema) = (self.positions.clone(), Arc::clone(&self.schema));
        let table = Arc::clone(&self.table);
        let shaped = rows.map_err(move |error| table.explain(error)).and_then(move |batch: RecordBatch| {
            let shaped = batch
                .project(&positions)
                .map_err(Into::into)
                .and_then(|batch| layout::from_stored(&batch, &schema).map_err(Into::into));
            futures::future::ready(shaped)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), shaped)))
    }
}
