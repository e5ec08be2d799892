//! ORDER BY in queries with scalar subqueries.
//!
//! The physical optimizer asks for the order of the outermost sort, and drops sorts that nobody asks for. It looks for that sort
//! from the root down, and an operator with several inputs ends the search. With scalar subqueries there is one at the root, the
//! operator that runs them; so the order is asked for below it.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::error::Result as DataFusionResult;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::output_requirements::OutputRequirements;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::scalar_subquery::ScalarSubqueryExec;

/// Asks for the order below the operator that runs scalar subqueries. Must run before the rules that move sorts.
#[derive(Debug)]
pub(super) struct OrderBelowSubqueries;

impl PhysicalOptimizerRule for OrderBelowSubqueries {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if !plan.is::<ScalarSubqueryExec>() {
            return Ok(plan);
        }
        // The first input is the query, the others are its subqueries.
        let mut inputs: Vec<_> = plan.children().into_iter().map(Arc::clone).collect();
        if let Some(query) = inputs.first_mut() {
            *query = OutputRequirements::new_add_mode().optimize(Arc::clone(query), config)?;
        }
        plan.with_new_children(inputs)
    }

    fn name(&self) -> &str {
        "order_below_subqueries"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
