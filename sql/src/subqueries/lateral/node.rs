//! The node of the logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore, build_join_schema};
use slipstream_engine::Error;

use super::outer::WithValues;

/// Each row of an input with those of a subquery for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct LateralNode {
    pub(super) input: LogicalPlan,
    pub(super) rows: LogicalPlan,
    /// The outer columns, by the number of their value.
    pub(super) values: Vec<Expr>,
    /// Whether a row without any comes once, with NULLs.
    pub(super) outer: bool,
    pub(super) schema: DFSchemaRef,
}

impl LateralNode {
    pub(super) fn new(input: LogicalPlan, subquery: WithValues, outer: bool) -> PlanResult<Self> {
        let WithValues { rows, values } = subquery;
        let join_type = if outer { JoinType::Left } else { JoinType::Inner };
        let schema = Arc::new(build_join_schema(input.schema(), rows.schema(), &join_type)?);
        Ok(LateralNode { input, rows, values, outer, schema })
    }

    pub(super) fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The node that a plan is, if it is one.
    pub(super) fn of(plan: &LogicalPlan) -> Option<&LateralNode> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl PartialOrd for LateralNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for LateralNode {
    fn name(&self) -> &str {
        "Lateral"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input, &self.rows]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.values.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Lateral: outer={}", self.outer)
    }

    fn with_exprs_and_inputs(&self, values: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        match <[LogicalPlan; 2]>::try_from(inputs) {
            Ok([input, rows]) => LateralNode::new(input, WithValues { rows, values }, self.outer),
            Err(_) => Err(Error::internal("a LATERAL subquery has two inputs").into()),
        }
    }

    /// Without it both inputs would read all their columns.
    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let (own, others): (Vec<usize>, Vec<usize>) = output.iter().partition(|position| **position < width);
        Some(vec![own, others.into_iter().map(|position| position - width).collect()])
    }
}

/// The same for the physical planner, which must not look into the subquery.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PlannedNode {
    pub(super) input: LogicalPlan,
    pub(super) rows: Arc<LogicalPlan>,
    pub(super) values: Vec<Expr>,
    pub(super) outer: bool,
    pub(super) schema: DFSchemaRef,
}

impl PlannedNode {
    pub(super) fn of(node: &LateralNode) -> Self {
        PlannedNode {
            input: node.input.clone(),
            rows: Arc::new(node.rows.clone()),
            values: node.values.clone(),
            outer: node.outer,
            schema: Arc::clone(&node.schema),
        }
    }
}

impl PartialOrd for PlannedNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.input.partial_cmp(&other.input).filter(|order| order.is_ne() || self == other)
    }
}

impl UserDefinedLogicalNodeCore for PlannedNode {
    fn name(&self) -> &str {
        "Lateral"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.values.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Lateral: outer={}", self.outer)
    }

    fn with_exprs_and_inputs(&self, values: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        match <[LogicalPlan; 1]>::try_from(inputs) {
            Ok([input]) => Ok(PlannedNode { input, values, ..self.clone() }),
            Err(_) => Err(Error::internal("a planned LATERAL subquery has one input").into()),
        }
    }
}
