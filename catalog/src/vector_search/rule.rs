//! The rule: a sort by the distance of a column from a vector, of which the first rows are wanted, over rows of a table with
//! an index of that column and distance.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use slipstream_engine::catalog::{IndexDefinition, Metric};
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::index_recipe::can_have_data;
use slipstream_engine::store::{LanceScan, ScanRequest, SearchEffort};

use super::OUTER_VALUE;
use super::leaf::StateScan;
use super::operator::{Search, VectorSearch};
use crate::first_rows::FirstRows;

/// Chooses [`VectorSearch`]. Must run before the rules that distribute the plan.
#[derive(Debug, Default)]
pub struct VectorSearchRule;

impl PhysicalOptimizerRule for VectorSearchRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match FirstRows::of(&node)? {
            Some(first) => {
                replace(&first).map(|plan| plan.map_or_else(|| Transformed::no(Arc::clone(&node)), Transformed::yes))
            }
            None => Ok(Transformed::no(node)),
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "vector_search"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replace(first: &FirstRows<'_>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    if first.options.descending || first.options.nulls_first {
        return Ok(None);
    }
    let Some(search) = search(first.rows, &first.key, first.count) else { return Ok(None) };
    first.over(Arc::new(VectorSearch::new(search, Arc::clone(first.rows)))).map(Some)
}

/// What is searched for, where `key` is the distance from a vector and `rows` are those of a table with an index of it.
fn search(rows: &Arc<dyn ExecutionPlan>, key: &Arc<dyn PhysicalExpr>, count: usize) -> Option<Search> {
    let (metric, column, query) = distance(key)?;
    let source = source(rows)?;
    let column = source.columns.get(column.index())?;
    let definition = source.table.definition();
    let fits = |index: &&IndexDefinition| {
        index.metric() == Some(metric)
            && index.plain_column() == Some(column.as_str())
            && can_have_data(definition, index)
    };
    let indexes: Vec<IndexDefinition> = definition.indexes.iter().filter(fits).cloned().collect();
    if indexes.is_empty() {
        return None;
    }
    Some(Search {
        table: Arc::clone(&source.table),
        indexes,
        metric,
        query,
        count,
        request: source.request,
        conditions: source.conditions,
        columns: source.columns,
        effort: SearchEffort::default(),
    })
}

/// The metric, the column and the other vector of a distance.
fn distance(key: &Arc<dyn PhysicalExpr>) -> Option<(Metric, Column, Arc<dyn PhysicalExpr>)> {
    let call = key.downcast_ref::<ScalarFunctionExpr>()?;
    let metric = match call.name() {
        "l2_distance" => Metric::L2,
        "cosine_distance" => Metric::Cosine,
        "vector_negative_inner_product" => Metric::InnerProduct,
        "l1_distance" => Metric::L1,
        "hamming_distance" => Metric::Hamming,
        "jaccard_distance" => Metric::Jaccard,
        _ => return None,
    };
    let [left, right] = call.args() else { return None };
    let of = |column: &Arc<dyn PhysicalExpr>, query: &Arc<dyn PhysicalExpr>| {
        let column = column.downcast_ref::<Column>()?.clone();
        (collect_columns(query).is_empty() && is_the_same_for_all(query)).then(|| (metric, column, Arc::clone(query)))
    };
    of(left, right).or_else(|| of(right, left))
}

/// Whether an expression gives one value in one run of a plan.
fn is_the_same_for_all(query: &Arc<dyn PhysicalExpr>) -> bool {
    let is_outer = query.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| call.name() == OUTER_VALUE);
    is_outer || (!query.is_volatile_node() && query.children().into_iter().all(is_the_same_for_all))
}

/// Rows of a table, and what they must satisfy.
struct Source {
    table: Arc<TableState>,
    request: ScanRequest,
    /// Conditions over the columns of the request.
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// The output's columns, by name in the table.
    columns: Vec<String>,
}

fn source(plan: &Arc<dyn ExecutionPlan>) -> Option<Source> {
    if let Some(scan) = plan.downcast_ref::<LanceScan>() {
        return leaf(Arc::new(TableState::of(Arc::clone(scan.table()))), scan.request());
    }
    if let Some(scan) = plan.downcast_ref::<StateScan>() {
        return leaf(Arc::clone(scan.table()), scan.request());
    }
    let filter = plan.downcast_ref::<FilterExec>()?;
    let mut source = source(filter.input())?;
    // Conditions above a projection would speak of other columns.
    if source.columns.len() != source.request.columns.as_ref()?.len() + usize::from(source.request.row_address) {
        return None;
    }
    source.conditions.push(Arc::clone(filter.predicate()));
    if let Some(projection) = filter.projection().as_ref() {
        source.columns =
            projection.iter().map(|position| source.columns.get(*position).cloned()).collect::<Option<_>>()?;
    }
    Some(source)
}

fn leaf(table: Arc<TableState>, request: &ScanRequest) -> Option<Source> {
    let mut columns = request.columns.clone()?;
    if request.row_address {
        columns.push(ROW_ADDRESS.to_string());
    }
    let request = request.clone();
    request.limit.is_none().then_some(Source { table, request, conditions: Vec::new(), columns })
}
