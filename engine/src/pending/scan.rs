//! The plan of a scan over stored rows with a transaction's own changes: the stored rows without those that went, in the
//! shape that the table has for the transaction, and then the rows that came.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DFSchema, ToDFSchema};
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, create_physical_expr};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use futures::TryStreamExt;

use super::delta::with_address;
use super::own_rows::OwnRows;
use super::reshape::Reshape;
use super::table::{Removed, TableState, project};
use crate::catalog::TableDefinition;
use crate::error::{Error, Result};
use crate::store::ScanRequest;
use crate::store::table::without_rows;
use crate::stream;

/// The plan of a scan of a table with pending changes.
pub(super) async fn plan(table: &TableState, request: &ScanRequest) -> Result<Arc<dyn ExecutionPlan>> {
    let definition = table.definition();
    let columns = match &request.columns {
        Some(columns) => columns.clone(),
        None => definition.columns.iter().map(|column| column.name.clone()).collect(),
    };
    let schema = table.output_schema(&columns, request.row_address)?;
    let mut parts = Vec::new();
    if let Some(stored) = stored_rows(table, &columns, &schema, request).await? {
        parts.push(stored);
    }
    parts.extend(own_rows(table, &schema, request)?);
    if parts.is_empty() {
        return Ok(Arc::new(EmptyExec::new(schema)));
    }
    match <[_; 1]>::try_from(parts) {
        Ok([only]) => Ok(only),
        Err(parts) => UnionExec::try_new(parts).map_err(stream::error),
    }
}

/// The stored rows that are still there.
async fn stored_rows(
    table: &TableState,
    columns: &[String],
    schema: &SchemaRef,
    request: &ScanRequest,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let delta = table.delta();
    let Some(base) = table.base().filter(|_| !delta.is_some_and(|delta| delta.truncated())) else { return Ok(None) };
    let removed: Removed = Arc::new(delta.map(|delta| delta.removed_addresses().clone()).unwrap_or_default());
    let with_address = request.row_address || !removed.is_empty();
    let Some(reshape) = table.reshape() else {
        let wanted = ScanRequest {
            columns: Some(columns.to_vec()),
            filter: request.filter.clone(),
            limit: request.limit.filter(|_| removed.is_empty()),
            row_address: with_address,
        };
        let rows = base.scan(&wanted).await?;
        return Ok(Some(Arc::new(PendingScan::new(rows, removed, None, Arc::clone(schema), definition_of(table)))));
    };
    // The filter speaks of columns as they will be, so it stands above the change of shape.
    let wanted = ScanRequest { columns: Some(reshape.stored_columns()), filter: None, limit: None, row_address: true };
    let rows = base.scan(&wanted).await?;
    let all: Vec<String> = table.definition().columns.iter().map(|column| column.name.clone()).collect();
    let whole = table.output_schema(&all, true)?;
    let shaped: Arc<dyn ExecutionPlan> =
        Arc::new(PendingScan::new(rows, removed, Some(Arc::clone(reshape)), Arc::clone(&whole), definition_of(table)));
    let filtered = match &request.filter {
        None => shaped,
        Some(filter) => {
            let filter = physical(filter, &whole)?;
            Arc::new(FilterExec::try_new(filter, shaped).map_err(stream::error)?)
        }
    };
    let nothing = Removed::default();
    Ok(Some(Arc::new(PendingScan::new(filtered, nothing, None, Arc::clone(schema), definition_of(table)))))
}

fn definition_of(table: &TableState) -> Arc<TableDefinition> {
    Arc::clone(table.definition())
}

/// The rows that came.
fn own_rows(table: &TableState, schema: &SchemaRef, request: &ScanRequest) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(delta) = table.delta().filter(|delta| delta.added_rows() > 0) else { return Ok(None) };
    let whole = with_address(&delta.table().arrow_schema());
    let filter = request.filter.as_ref().map(|filter| physical(filter, &whole)).transpose()?;
    Ok(Some(Arc::new(OwnRows::new(Arc::clone(delta), filter, Arc::clone(schema)))))
}

fn physical(filter: &Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>> {
    let schema: DFSchema = Arc::clone(schema).to_dfschema().map_err(stream::error)?;
    create_physical_expr(filter, &schema, &ExecutionProps::new()).map_err(stream::error)
}

/// Stored rows as a transaction sees them: without those it has removed, in the shape it has given them.
#[derive(Debug)]
pub struct PendingScan {
    input: Arc<dyn ExecutionPlan>,
    removed: Removed,
    reshape: Option<Arc<Reshape>>,
    table: Arc<TableDefinition>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PendingScan {
    /// `input` has the row address as its last column where something is removed or `schema` has it.
    fn new(
        input: Arc<dyn ExecutionPlan>,
        removed: Removed,
        reshape: Option<Arc<Reshape>>,
        schema: SchemaRef,
        table: Arc<TableDefinition>,
    ) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            input.properties().output_partitioning().clone(),
            input.properties().emission_type,
            input.properties().boundedness,
        ));
        PendingScan { input, removed, reshape, table, schema, properties }
    }
}

impl DisplayAs for PendingScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PendingScan: table={}, removed={}", self.table.name, self.removed.len())?;
        if self.reshape.is_some() { f.write_str(", altered") } else { Ok(()) }
    }
}

impl ExecutionPlan for PendingScan {
    fn name(&self) -> &str {
        "PendingScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        let (removed, reshape) = (Arc::clone(&self.removed), self.reshape.clone());
        Ok(Arc::new(PendingScan::new(input, removed, reshape, Arc::clone(&self.schema), Arc::clone(&self.table))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let rows = self.input.execute(partition, context)?;
        let (removed, reshape) = (Arc::clone(&self.removed), self.reshape.clone());
        let (table, schema) = (Arc::clone(&self.table), Arc::clone(&self.schema));
        let shown = rows.and_then(move |batch| {
            let shown = shown(batch, &removed, reshape.as_deref(), &table, &schema);
            std::future::ready(shown.map_err(Into::into))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), shown)))
    }
}

fn shown(
    batch: RecordBatch,
    removed: &Removed,
    reshape: Option<&Reshape>,
    table: &TableDefinition,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
    let batch = if removed.is_empty() { batch } else { without_rows(batch, removed)? };
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let mut columns = batch.columns().to_vec();
    if let Some(reshape) = reshape {
        let address = columns.pop();
        columns = reshape.rows(table, &batch)?.columns().to_vec();
        columns.extend(address);
    } else if batch.num_columns() != schema.fields().len() || batch.schema_ref().fields() != schema.fields() {
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        columns = project(&batch, &names)?.columns().to_vec();
    }
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(internal)
}
