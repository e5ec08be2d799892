//! Apply: for each row of the input, the rows of an answer that depends on it.
//!
//! This is what LATERAL means where the answer is no plan that could be joined: a graph pattern with values of the row as its
//! parameters, or the first rows of a subquery. Answers may be asked for some rows at once; each streams, and they come one after the other, in
//! the input's order.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
    displayable,
};
use datafusion::scalar::ScalarValue;
use futures::{Stream, StreamExt, TryStreamExt};
use slipstream_engine::Result;

/// Gives rows for the value of an argument.
#[async_trait]
pub trait Answer: Debug + Send + Sync {
    /// The rows; their columns are those that [`ApplyExec`] adds.
    async fn answer(&self, argument: ScalarValue) -> Result<SendableRecordBatchStream>;

    /// The plan that gives them, where it is the same for every row.
    fn plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        None
    }

    /// The same by changed plans; `None` where there are none.
    fn mapped(&self, _change: &ChangePlan<'_>) -> PlanResult<Option<Arc<dyn Answer>>> {
        Ok(None)
    }
}

/// Makes another plan of a plan.
pub type ChangePlan<'a> = dyn Fn(Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> + 'a;

/// Joins each row of its input with the answer for it.
#[derive(Debug)]
pub struct ApplyExec {
    input: Arc<dyn ExecutionPlan>,
    apply: Apply,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

/// What is asked for each row.
#[derive(Debug, Clone)]
pub struct Apply {
    /// The value of its argument, by the row.
    pub argument: Arc<dyn PhysicalExpr>,
    /// Who answers.
    pub answer: Arc<dyn Answer>,
    /// Whether a row without an answer comes once, with NULLs.
    pub outer: bool,
    /// Answers that are asked for at once.
    pub at_once: usize,
    /// For EXPLAIN, where there is no plan to show.
    pub description: String,
}

impl ApplyExec {
    /// The columns of `schema` are those of the input and those of the answer.
    pub fn new(input: Arc<dyn ExecutionPlan>, apply: Apply, schema: SchemaRef) -> Self {
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        ApplyExec { input, apply, schema, properties }
    }

    /// The plan that answers, where it is the same for every row. It is none of the operator's children: nobody else may run it.
    pub fn answering_plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        self.apply.answer.plan()
    }

    /// The operator with answers by changed plans; `None` where there are none.
    pub fn with_answering_plans(&self, change: &ChangePlan<'_>) -> PlanResult<Option<Self>> {
        let answer = self.apply.answer.mapped(change)?;
        Ok(answer.map(|answer| {
            let apply = Apply { answer, ..self.apply.clone() };
            Self::new(Arc::clone(&self.input), apply, Arc::clone(&self.schema))
        }))
    }
}

impl DisplayAs for ApplyExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answering_plan() {
            Some(plan) => write!(f, "Apply: for each row, {}", in_a_line(plan)),
            None => write!(f, "Apply: for each row, {}", self.apply.description),
        }
    }
}

/// The operators of a plan in one line.
fn in_a_line(plan: &Arc<dyn ExecutionPlan>) -> String {
    let lines = displayable(plan.as_ref()).indent(false).to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    lines.join(" <- ")
}

impl ExecutionPlan for ApplyExec {
    fn name(&self) -> &str {
        "Apply"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.apply.clone(), Arc::clone(&self.schema))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let (apply, schema) = (self.apply.clone(), Arc::clone(&self.schema));
        let rows = input
            .map(move |batch| Ok::<_, DataFusionError>(of_batch(batch?, apply.clone(), Arc::clone(&schema))))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

/// The rows of a batch with their answers.
fn of_batch(batch: RecordBatch, apply: Apply, schema: SchemaRef) -> impl Stream<Item = PlanResult<RecordBatch>> {
    let at_once = apply.at_once;
    let rows = futures::stream::iter(0..batch.num_rows());
    rows.map(move |row| of_row(batch.slice(row, 1), apply.clone(), Arc::clone(&schema))).buffered(at_once).try_flatten()
}

/// One row with its answer.
async fn of_row(
    row: RecordBatch,
    apply: Apply,
    schema: SchemaRef,
) -> PlanResult<impl Stream<Item = PlanResult<RecordBatch>>> {
    let argument = apply.argument.evaluate(&row)?.into_array(1)?;
    let answer = apply.answer.answer(ScalarValue::try_from_array(&argument, 0)?).await?;
    Ok(futures::stream::try_unfold((answer, !apply.outer), move |(mut answer, mut found)| {
        let (row, schema) = (row.clone(), Arc::clone(&schema));
        async move {
            while let Some(batch) = answer.next().await.transpose()? {
                if batch.num_rows() > 0 {
                    return Ok(Some((beside(&row, batch.columns(), batch.num_rows(), &schema)?, (answer, true))));
                }
            }
            if std::mem::replace(&mut found, true) {
                return Ok(None);
            }
            let missing = schema.fields().iter().skip(row.num_columns());
            let missing: Vec<ArrayRef> = missing.map(|field| new_null_array(field.data_type(), 1)).collect();
            Ok(Some((beside(&row, &missing, 1, &schema)?, (answer, true))))
        }
    }))
}

/// A row, as often as there are rows in other columns, beside them.
fn beside(row: &RecordBatch, columns: &[ArrayRef], rows: usize, schema: &SchemaRef) -> PlanResult<RecordBatch> {
    let repeated = UInt64Array::from_value(0, rows);
    let mut all = Vec::with_capacity(schema.fields().len());
    for column in row.columns() {
        all.push(take(column, &repeated, None)?);
    }
    all.extend(columns.iter().map(Arc::clone));
    Ok(RecordBatch::try_new(Arc::clone(schema), all)?)
}
