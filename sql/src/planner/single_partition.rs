//! Operators that need all rows of an input in one partition get them there.
//!
//! Where DataFusion sorts in parallel (`EnforceSorting`) it takes away the operators that bring partitions together below a sort,
//! and with them, in a join whose other side leads to one, the one that the join itself needs of the side that it
//! keeps. The plan is then refused as invalid. It is put back here.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::{Distribution, ExecutionPlan, ExecutionPlanProperties};

/// Puts a [`CoalescePartitionsExec`] where one partition is needed and there are several. Must run behind `EnforceSorting`.
#[derive(Debug)]
pub(super) struct BringTogether;

impl PhysicalOptimizerRule for BringTogether {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let apart: Vec<bool> = inputs_apart(node.as_ref());
            if !apart.contains(&true) {
                return Ok(Transformed::no(node));
            }
            let children = node.children().into_iter().map(Arc::clone).zip(apart);
            let children = children
                .map(|(child, apart)| match apart {
                    true => Arc::new(CoalescePartitionsExec::new(child)) as Arc<dyn ExecutionPlan>,
                    false => child,
                })
                .collect();
            node.with_new_children(children).map(Transformed::yes)
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "bring_together"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Which inputs are in several partitions and should be in one. Those that must be sorted are not for this rule.
fn inputs_apart(node: &dyn ExecutionPlan) -> Vec<bool> {
    let (needed, sorted) = (node.required_input_distribution(), node.required_input_ordering());
    let inputs = node.children().into_iter().zip(needed).zip(sorted);
    inputs
        .map(|((child, needed), sorted)| {
            let single = matches!(needed, Distribution::SinglePartition);
            single && sorted.is_none() && child.output_partitioning().partition_count() > 1
        })
        .collect()
}
