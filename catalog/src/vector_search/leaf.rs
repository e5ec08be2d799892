//! A scan of a table with pending changes, which remembers the table.

use std::fmt;
use std::sync::Arc;

use datafusion::error::Result as PlanResult;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, SendableRecordBatchStream,
};
use slipstream_engine::pending::TableState;
use slipstream_engine::store::ScanRequest;

/// Rows of a table with a transaction's own changes; whoever looks at the plan can ask the table again.
#[derive(Debug)]
pub struct StateScan {
    input: Arc<dyn ExecutionPlan>,
    table: Arc<TableState>,
    request: ScanRequest,
}

impl StateScan {
    /// `input` is the plan of `request`.
    pub fn new(input: Arc<dyn ExecutionPlan>, table: Arc<TableState>, request: ScanRequest) -> Self {
        StateScan { input, table, request }
    }

    /// The table.
    pub fn table(&self) -> &Arc<TableState> {
        &self.table
    }

    /// What is scanned.
    pub fn request(&self) -> &ScanRequest {
        &self.request
    }
}

impl DisplayAs for StateScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateScan: table={}, version={}", self.table.definition().name, self.table.version_text())
    }
}

impl ExecutionPlan for StateScan {
    fn name(&self) -> &str {
        "StateScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(StateScan { input, table: Arc::clone(&self.table), request: self.request.clone() }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
