//! Questions about the rows that a table has already.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF};
use datafusion::physical_plan::collect;
use datafusion::scalar::ScalarValue;
use slipstream_catalog::tables::LanceTable;
use slipstream_engine::catalog::{CheckConstraint, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::table::checked_condition;
use crate::error::{from_arrow, from_datafusion};
use crate::planner::Planning;
use crate::statement::parse_expression;

/// The name of the table in the plans here.
const SCANNED: &str = "rows";

/// Where the values of an altered table's column come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// A column of the table as it was, by name.
    Column(String),
    /// The same value in every row.
    Value(ScalarValue),
    /// An expression over the columns of the table as it was.
    Computed(Expr),
}

/// Whether a table has any rows.
pub(super) async fn has_rows(planning: &Planning<'_>, table: &Arc<TableDefinition>) -> Result<bool> {
    let plan = LogicalPlanBuilder::from(scan(planning, table)?).limit(0, Some(1)).and_then(LogicalPlanBuilder::build);
    any_row(planning, plan.map_err(from_datafusion)?).await
}

/// Whether a column is NULL in any row.
pub(super) async fn has_null(planning: &Planning<'_>, table: &Arc<TableDefinition>, column: &str) -> Result<bool> {
    let is_null = Expr::IsNull(Box::new(Expr::Column(Column::new(Some(SCANNED), column))));
    let plan = LogicalPlanBuilder::from(scan(planning, table)?)
        .filter(is_null)
        .and_then(|plan| plan.limit(0, Some(1)))
        .and_then(LogicalPlanBuilder::build);
    any_row(planning, plan.map_err(from_datafusion)?).await
}

/// `23514` where a row that `known` becomes does not hold a CHECK of `table`. `sources` says how rows become those of
/// `table`.
pub(super) async fn check(
    planning: &Planning<'_>,
    known: &Arc<TableDefinition>,
    table: &TableDefinition,
    sources: &[Source],
    check: &CheckConstraint,
) -> Result<()> {
    let condition = checked_condition(planning, table, parse_expression(&check.expression)?)?;
    let columns = table.columns.iter().zip(sources).map(|(column, source)| match source {
        Source::Column(name) => Expr::Column(Column::new(Some(SCANNED), name)).alias(&column.name),
        Source::Computed(expr) => expr.clone().alias(&column.name),
        Source::Value(value) => {
            let field = column.sql_type.field(&column.name, true);
            Expr::Literal(value.clone(), Some((&field).into())).alias(&column.name)
        }
    });
    let violated = Expr::IsFalse(Box::new(condition));
    let plan = LogicalPlanBuilder::from(scan(planning, known)?)
        .project(columns.collect::<Vec<_>>())
        .and_then(|plan| plan.filter(violated))
        .and_then(|plan| plan.limit(0, Some(1)))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| planning.error(error))?;
    if !any_row(planning, plan).await? {
        return Ok(());
    }
    let message = format!("check constraint \"{}\" of relation \"{}\" is violated by some row", check.name, table.name);
    Err(Error::new(ErrorKind::CheckViolation, message).on_table(&table.name).on_constraint(&check.name))
}

/// What a function makes of every value that an expression has in a table's rows: each value once, and the function's of it.
pub(super) async fn answers(
    planning: &Planning<'_>,
    table: &Arc<TableDefinition>,
    value: Expr,
    function: &Arc<ScalarUDF>,
) -> Result<RecordBatch> {
    let asked = Expr::Column(Column::new_unqualified("value"));
    let plan = LogicalPlanBuilder::from(scan(planning, table)?)
        .project([value.alias("value")])
        .and_then(LogicalPlanBuilder::distinct)
        .and_then(|plan| plan.project([asked.clone(), function.call(vec![asked]).alias("answer")]))
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| planning.error(error))?;
    let plan = planning.engine.physical(&planning.optimize(plan)?).await?;
    let schema = plan.schema();
    let batches = collect(plan, Arc::clone(&planning.engine.task)).await.map_err(from_datafusion)?;
    concat_batches(&schema, &batches).map_err(from_arrow)
}

/// The value of an expression that names no column.
pub(super) async fn value(planning: &Planning<'_>, expr: Expr) -> Result<ScalarValue> {
    let plan = LogicalPlanBuilder::empty(true)
        .project([expr.alias("value")])
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_datafusion)?;
    let plan = planning.engine.physical(&planning.optimize(plan)?).await?;
    let batches = collect(plan, Arc::clone(&planning.engine.task)).await.map_err(from_datafusion)?;
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let batch = batch.ok_or_else(|| Error::internal("a constant has no value"))?;
    ScalarValue::try_from_array(batch.column(0), 0).map_err(from_datafusion)
}

fn scan(planning: &Planning<'_>, table: &Arc<TableDefinition>) -> Result<LogicalPlan> {
    let source = provider_as_source(Arc::new(LanceTable::new(planning.view, table)));
    LogicalPlanBuilder::scan(SCANNED, source, None).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
}

async fn any_row(planning: &Planning<'_>, plan: LogicalPlan) -> Result<bool> {
    let plan = planning.engine.physical(&planning.optimize(plan)?).await?;
    let batches = collect(plan, Arc::clone(&planning.engine.task)).await.map_err(from_datafusion)?;
    Ok(batches.iter().any(|batch| batch.num_rows() > 0))
}
