//! A table that is read by its keys and not scanned.
//!
//! It stands in plans where an operator wants the table itself, with the columns that are used of it. The plan of its scan is
//! [`KeyedSource`], which gives no rows: whoever planned it takes the table out of it.

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
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
};
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::pending::TableState;
use slipstream_engine::{Error, ReadView};

use crate::tables::schema_with_row_address;

/// A table of a view, with [`ROW_ADDRESS`] as its last column.
///
/// [`ROW_ADDRESS`]: slipstream_engine::change::ROW_ADDRESS
#[derive(Debug)]
pub struct KeyedTable {
    view: ReadView,
    definition: Arc<TableDefinition>,
    schema: SchemaRef,
}

impl KeyedTable {
    /// The table.
    pub fn new(view: &ReadView, definition: &Arc<TableDefinition>) -> Self {
        let schema = schema_with_row_address(definition);
        KeyedTable { view: view.clone(), definition: Arc::clone(definition), schema }
    }
}

#[async_trait]
impl TableProvider for KeyedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let table = self.view.table(&self.definition).await?;
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Ok(Arc::new(KeyedSource { table, properties }))
    }
}

/// A table in a physical plan, to be read by its keys.
#[derive(Debug)]
pub struct KeyedSource {
    table: Arc<TableState>,
    properties: Arc<PlanProperties>,
}

impl KeyedSource {
    /// What a plan is, if it is one.
    pub fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<&KeyedSource> {
        plan.downcast_ref()
    }

    /// The table.
    pub fn table(&self) -> &Arc<TableState> {
        &self.table
    }

    /// The columns that are wanted of its rows.
    pub fn columns(&self) -> Vec<String> {
        self.schema().fields().iter().map(|field| field.name().clone()).collect()
    }
}

impl DisplayAs for KeyedSource {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedSource: table={}", self.table.definition().name)
    }
}

impl ExecutionPlan for KeyedSource {
    fn name(&self) -> &str {
        "KeyedSource"
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

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        Err(Error::internal("a table that is read by its keys was scanned").into())
    }
}
