//! Sorts of which the first rows are wanted: `ORDER BY ... LIMIT`, in the physical plan.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

/// A sort whose first rows are wanted.
pub(crate) struct FirstRows<'a> {
    /// How many are wanted.
    pub(crate) count: usize,
    /// What is sorted by first, as an expression over `rows`.
    pub(crate) key: Arc<dyn PhysicalExpr>,
    /// The order of it.
    pub(crate) options: SortOptions,
    /// What is sorted, below the projections.
    pub(crate) rows: &'a Arc<dyn ExecutionPlan>,
    /// The sort, or the limit above it.
    node: &'a Arc<dyn ExecutionPlan>,
    sort: &'a SortExec,
    projections: Vec<&'a Arc<dyn ExecutionPlan>>,
}

impl<'a> FirstRows<'a> {
    /// The sort that a node is, or that a limit is over; `None` for any other, and where no row is wanted.
    pub(crate) fn of(node: &'a Arc<dyn ExecutionPlan>) -> PlanResult<Option<Self>> {
        let Some((sort, count)) = wanted(node).filter(|(_, count)| *count > 0) else { return Ok(None) };
        let first = sort.expr().first();
        let mut projections = Vec::new();
        let mut rows = sort.input();
        let mut key = Arc::clone(&first.expr);
        while let Some(projection) = rows.downcast_ref::<ProjectionExec>() {
            key = through(&key, projection)?;
            projections.push(rows);
            rows = projection.input();
        }
        Ok(Some(FirstRows { count, key, options: first.options, rows, node, sort, projections }))
    }

    /// The node over other rows, among which the first are.
    pub(crate) fn over(&self, rows: Arc<dyn ExecutionPlan>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut plan = rows;
        for projection in self.projections.iter().rev() {
            plan = Arc::clone(projection).with_new_children(vec![plan])?;
        }
        let sort = SortExec::new(self.sort.expr().clone(), plan)
            .with_fetch(self.sort.fetch())
            .with_preserve_partitioning(self.sort.preserve_partitioning());
        // The limit, where there is one above the sort, stays.
        match self.node.is::<SortExec>() {
            true => Ok(Arc::new(sort)),
            false => Arc::clone(self.node).with_new_children(vec![Arc::new(sort)]),
        }
    }
}

/// A sort, and how many of its first rows are wanted.
fn wanted(node: &Arc<dyn ExecutionPlan>) -> Option<(&SortExec, usize)> {
    if let Some(sort) = node.downcast_ref::<SortExec>() {
        return Some((sort, sort.fetch()?));
    }
    let limit = node.downcast_ref::<GlobalLimitExec>()?;
    let sort = limit.input().downcast_ref::<SortExec>()?;
    Some((sort, limit.skip().checked_add(limit.fetch()?)?))
}

/// An expression over what a projection gives as one over what it takes.
fn through(expr: &Arc<dyn PhysicalExpr>, projection: &ProjectionExec) -> PlanResult<Arc<dyn PhysicalExpr>> {
    let transformed = Arc::clone(expr).transform_down(|node| {
        let source = node.downcast_ref::<Column>().and_then(|column| projection.expr().get(column.index()));
        Ok(match source {
            Some(source) => Transformed::new(Arc::clone(&source.expr), true, TreeNodeRecursion::Jump),
            None => Transformed::no(node),
        })
    });
    transformed.map(|transformed| transformed.data)
}
