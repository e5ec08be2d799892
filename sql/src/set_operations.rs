//! INTERSECT ALL and EXCEPT ALL.
//!
//! DataFusion plans both as joins that ask whether the other side has an equal row, and forgets how often. An analyzer rule
//! numbers equal rows on both sides and joins on the number too: the third copy of a row meets the third copy on the other
//! side, or none.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::common::{Column, JoinType, NullEquality, Result as PlanResult};
use datafusion::config::ConfigOptions;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;

/// The column with the number of a row among its equals.
const COPY: &str = "__copy";

/// The analyzer rule. It runs after type coercion, which makes the columns of both sides comparable.
#[derive(Debug, Default)]
pub(crate) struct CountCopies;

impl AnalyzerRule for CountCopies {
    fn name(&self) -> &str {
        "count_copies"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> PlanResult<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Join(join) if keeps_duplicates(&join) => numbered(join).map(Transformed::yes),
            other => Ok(Transformed::no(other)),
        })
        .data()
    }
}

/// Whether a join is INTERSECT ALL or EXCEPT ALL: without ALL, its left side is distinct. No other statement becomes such a
/// join before it is optimized.
fn keeps_duplicates(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti)
        && join.null_equality == NullEquality::NullEqualsNull
        && join.filter.is_none()
        && join.on.len() == join.left.schema().fields().len()
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(_))
}

fn numbered(mut join: Join) -> PlanResult<LogicalPlan> {
    let columns: Vec<Expr> = join.left.schema().columns().into_iter().map(Expr::Column).collect();
    let (left, right): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
    join.left = with_copies(join.left, left)?;
    join.right = with_copies(join.right, right)?;
    let copy = || Expr::Column(Column::new_unqualified(COPY));
    join.on.push((copy(), copy()));
    let join = Join::try_new(
        join.left,
        join.right,
        join.on,
        None,
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(join)).project(columns)?.build()
}

/// The rows with their numbers among those in which `values` are equal.
fn with_copies(rows: Arc<LogicalPlan>, values: Vec<Expr>) -> PlanResult<Arc<LogicalPlan>> {
    let columns: Vec<Expr> = rows.schema().columns().into_iter().map(Expr::Column).collect();
    let number = row_number().partition_by(values).build()?;
    let name = number.schema_name().to_string();
    let copy = Expr::Column(Column::new_unqualified(name)).alias(COPY);
    let rows = LogicalPlanBuilder::from(rows.as_ref().clone()).window([number])?;
    Ok(Arc::new(rows.project(columns.into_iter().chain([copy]))?.build()?))
}
