//! Rows that satisfy conditions, found before an index is searched among them.

use std::sync::Arc;

use arrow::array::{AsArray, UInt64Array};
use arrow::datatypes::UInt64Type;
use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::filter::FilterExec;
use futures::StreamExt;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::ScanRequest;

/// Addresses of the rows of a request that satisfy the conditions, which are over the request's columns.
pub(crate) async fn addresses(
    table: &TableState,
    request: &ScanRequest,
    conditions: &[Arc<dyn PhysicalExpr>],
    context: &Arc<TaskContext>,
) -> PlanResult<Vec<u64>> {
    let mut request = ScanRequest { row_address: true, ..request.clone() };
    if conditions.is_empty() {
        request.columns = Some(Vec::new());
    }
    let mut plan = table.scan(&request).await?;
    for condition in conditions {
        plan = Arc::new(FilterExec::try_new(Arc::clone(condition), plan)?);
    }
    let mut rows = execute_stream(plan, Arc::clone(context))?;
    let mut addresses = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        let column = batch.columns().last().and_then(|column| column.as_primitive_opt::<UInt64Type>());
        addresses.extend_from_slice(column.map(UInt64Array::values).map_or(&[][..], |values| values));
    }
    Ok(addresses)
}
