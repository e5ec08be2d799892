//! The operator, and asking for one row after the other. Answers may be asked for some rows at once; each streams, and they come one after
//! the other, in the input's order.

use std::fmt::{self, Debug};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, Partitioning, PlanProperties, SendableRecordBatchStream,
    displayable,
};
use datafusion::scalar::ScalarValue;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use super::group::{self, Pace};
use super::{Answer, ChangePlan};

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
        let asked = if self.apply.answer.many().is_some() { "for groups of rows" } else { "for each row" };
        match self.answering_plan() {
            Some(plan) => write!(f, "Apply: {asked}, {}", in_a_line(plan)),
            None => write!(f, "Apply: {asked}, {}", self.apply.description),
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
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let (apply, schema) = (self.apply.clone(), Arc::clone(&self.schema));
        if apply.answer.many().is_some() {
            let output = Arc::clone(&self.schema);
            let groups = Groups { input, left: None, pace: Pace::new(), apply, schema, context };
            return Ok(Box::pin(RecordBatchStreamAdapter::new(output, in_groups(groups))));
        }
        let rows = input
            .map(move |batch| Ok::<_, DataFusionError>(of_batch(batch?, apply.clone(), Arc::clone(&schema))))
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

/// The rows of a batch with their answers, one by one.
fn of_batch(batch: RecordBatch, apply: Apply, schema: SchemaRef) -> impl Stream<Item = PlanResult<RecordBatch>> {
    let at_once = apply.at_once;
    let rows = futures::stream::iter(0..batch.num_rows());
    rows.map(move |row| of_row(batch.slice(row, 1), apply.clone(), Arc::clone(&schema))).buffered(at_once).try_flatten()
}

/// The input, group by group.
struct Groups {
    input: SendableRecordBatchStream,
    /// What is left of a batch of it.
    left: Option<RecordBatch>,
    pace: Pace,
    apply: Apply,
    schema: SchemaRef,
    context: Arc<TaskContext>,
}

impl Groups {
    /// The next rows.
    async fn next(&mut self) -> PlanResult<Option<RecordBatch>> {
        let batch = match self.left.take() {
            Some(batch) => batch,
            None => match self.input.next().await.transpose()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let rows = batch.num_rows().min(self.pace.rows());
        if rows < batch.num_rows() {
            self.left = Some(batch.slice(rows, batch.num_rows() - rows));
        }
        Ok(Some(batch.slice(0, rows)))
    }

    /// Some rows with their answers.
    async fn answered(&mut self, rows: RecordBatch) -> PlanResult<BoxStream<'static, PlanResult<RecordBatch>>> {
        let asked = rows.num_rows();
        if asked <= 1 {
            self.pace.learn(1, 1);
            return Ok(of_batch(rows, self.apply.clone(), Arc::clone(&self.schema)).boxed());
        }
        let memory = MemoryConsumer::new("Apply").register(self.context.memory_pool());
        let answered = group::ask(rows, &self.apply, &self.schema, memory).await?;
        self.pace.learn(asked, answered.answers());
        Ok(answered.batches().boxed())
    }
}

/// The rows of the input with their answers, asked for in groups.
fn in_groups(groups: Groups) -> impl Stream<Item = PlanResult<RecordBatch>> {
    futures::stream::try_unfold(groups, |mut groups| async move {
        let Some(rows) = groups.next().await? else { return Ok::<_, DataFusionError>(None) };
        Ok(Some((groups.answered(rows).await?, groups)))
    })
    .try_flatten()
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
