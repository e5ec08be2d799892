//! Short paths past the physical planner, for statements in which there is nothing to plan.
//!
//! * **Columns of one graph pattern**, in any order and under any name ([`ShortPath`]). The index answers it in some ten
//!   microseconds, in which DataFusion does not make a physical plan. Whether a statement is of this kind is found once, from
//!   its optimized plan; whether the index answers is decided for every run, as for any other statement ([`super::binding`]).
//! * **The rows of one table** whose conditions are all the table's own to check, by key for example ([`only_scan`]). What
//!   the table gives for a scan is a whole plan, and the optimizer's rules would find nothing to do in it.

use std::sync::Arc;

use datafusion::datasource::source_as_provider;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableSource};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use slipstream_catalog::tables::LanceTable;
use slipstream_engine::{ReadView, Result};

use super::binding::cypher_table;
use crate::error::from_datafusion;
use crate::graph::route::Route;
use crate::settings::GraphStrategy;

/// Columns of a graph pattern, which are all that a statement returns.
pub(crate) struct ShortPath {
    pattern: Arc<dyn TableSource>,
    /// Positions in the pattern's columns.
    columns: Vec<usize>,
}

impl ShortPath {
    /// The path of an optimized plan, where there is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<Self> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let whole = scan.filters.is_empty() && scan.fetch.is_none();
                let table = cypher_table(&scan.source).filter(|_| whole)?;
                let columns = match &scan.projection {
                    Some(projection) => projection.clone(),
                    None => (0..table.columns()).collect(),
                };
                Some(ShortPath { pattern: Arc::clone(&scan.source), columns })
            }
            LogicalPlan::SubqueryAlias(alias) => Self::of(&alias.input),
            LogicalPlan::Projection(projection) => {
                let input = Self::of(&projection.input)?;
                let schema = projection.input.schema();
                let columns = projection.expr.iter().map(|expr| {
                    let position = schema.maybe_index_of_column(column(expr)?)?;
                    input.columns.get(position).copied()
                });
                Some(ShortPath { columns: columns.collect::<Option<_>>()?, pattern: input.pattern })
            }
            _ => None,
        }
    }

    /// The plan of a run, and what EXPLAIN says of its pattern; `None` where the index does not answer the pattern in this view.
    pub(crate) fn plan(
        &self,
        view: &ReadView,
        strategy: GraphStrategy,
        parameters: &[ScalarValue],
    ) -> Result<Option<(Arc<dyn ExecutionPlan>, String)>> {
        let Some(table) = cypher_table(&self.pattern) else { return Ok(None) };
        let route = table.route(view, strategy)?;
        match &route {
            Route::Index(reader) => {
                let scan = table.index_scan(Arc::clone(reader), parameters)?;
                let plan = scan.plan(Some(self.columns.clone())).map_err(from_datafusion)?;
                Ok(Some((plan, table.explain(&route))))
            }
            Route::Prefix(_) | Route::Joins(_) => Ok(None),
        }
    }
}

/// The column that an expression is, whatever it is called.
fn column(expr: &Expr) -> Option<&datafusion::common::Column> {
    match expr {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => column(&alias.expr),
        _ => None,
    }
}

/// The scan of a user's table that a bound plan is, where it is nothing else.
pub(crate) fn only_scan(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let provider = source_as_provider(&scan.source).ok()?;
            provider.downcast_ref::<LanceTable>().is_some().then_some(scan)
        }
        LogicalPlan::SubqueryAlias(alias) => only_scan(&alias.input),
        LogicalPlan::Projection(projection) => {
            let schema = projection.input.schema();
            let mut positions = projection.expr.iter().map(|expr| schema.maybe_index_of_column(column(expr)?));
            let in_order = (0..schema.fields().len()).all(|position| positions.next() == Some(Some(position)));
            (in_order && positions.next().is_none()).then(|| only_scan(&projection.input)).flatten()
        }
        _ => None,
    }
}

/// The plan that a table gives for a scan of it.
pub(crate) async fn plan_of_scan(scan: &TableScan, session: &SessionState) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    let filters = unnormalize_cols(scan.filters.iter().cloned());
    source_as_provider(&scan.source)?.scan(session, scan.projection.as_ref(), &filters, scan.fetch).await
}
