//! The rule: a hash join of an index's answer with a table on the table's primary key becomes an [`IndexThenStore`].
//!
//! It looks at the physical plan, where every spelling (JOIN, comma, IN, EXISTS, either side) has become a hash join.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::LanceScan;

use super::operator::{IndexThenStore, Lookup, OutputColumn};
use crate::graph_scan::GraphIndexScan;

/// Chooses [`IndexThenStore`]. Must run before the rules that distribute the plan.
#[derive(Debug, Default)]
pub struct IndexThenStoreRule;

impl PhysicalOptimizerRule for IndexThenStoreRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let replacement = match node.downcast_ref::<HashJoinExec>() {
                Some(join) => replace(join)?,
                None => None,
            };
            Ok(replacement.map_or_else(|| Transformed::no(node), Transformed::yes))
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "index_then_store"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// One side of a join that is a plain scan of a table.
struct TableSide<'a> {
    scan: &'a LanceScan,
    /// Columns of the side's output, by name in the table.
    columns: Vec<String>,
}

fn replace(join: &HashJoinExec) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let [(left_key, right_key)] = join.on() else { return Ok(None) };
    if join.filter().is_some() {
        return Ok(None);
    }
    let (Some(left_key), Some(right_key)) = (column(left_key), column(right_key)) else { return Ok(None) };
    if let Some(table) = table_side(join.right(), right_key)
        && comes_from_an_index(join.left())
        && matches!(join.join_type(), JoinType::Inner | JoinType::RightSemi)
    {
        return build(join, Arc::clone(join.left()), left_key, &table, false);
    }
    if let Some(table) = table_side(join.left(), left_key)
        && comes_from_an_index(join.right())
        && matches!(join.join_type(), JoinType::Inner | JoinType::LeftSemi)
    {
        return build(join, Arc::clone(join.right()), right_key, &table, true);
    }
    Ok(None)
}

fn build(
    join: &HashJoinExec,
    input: Arc<dyn ExecutionPlan>,
    key: usize,
    table: &TableSide<'_>,
    table_is_left: bool,
) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let version = table.scan.table();
    let key_type = version.definition().column(&version.definition().primary_key[0])?.sql_type.arrow_type();
    if input.schema().field(key).data_type() != &key_type {
        return Ok(None);
    }
    let once = *join.join_type() != JoinType::Inner;
    let inputs = (0..input.schema().fields().len()).map(OutputColumn::Input);
    let stored = (0..table.columns.len()).map(OutputColumn::Store);
    let all: Vec<OutputColumn> = match (once, table_is_left) {
        (true, _) => stored.collect(),
        (false, true) => stored.chain(inputs).collect(),
        (false, false) => inputs.chain(stored).collect(),
    };
    let output = match join.projection.as_ref() {
        Some(projection) => projection.iter().map(|position| all[*position]).collect(),
        None => all,
    };
    let lookup = Lookup {
        table: Arc::new(TableState::of(Arc::clone(version))),
        columns: table.columns.clone(),
        condition: table.scan.request().filter.clone(),
        once,
        output,
    };
    let operator = IndexThenStore::new(input, key, lookup)?;
    // Where names or nullability differ (a renamed column), the join stays: a plan must keep its schema.
    let same = operator
        .schema()
        .fields()
        .iter()
        .zip(join.schema().fields())
        .all(|(ours, theirs)| ours.data_type() == theirs.data_type() && ours.name() == theirs.name());
    match same {
        true => Ok(Some(Arc::new(operator))),
        false => renamed(operator, join).map(Some),
    }
}

/// The operator under a projection that gives its columns the names that the join gave them.
fn renamed(operator: IndexThenStore, join: &HashJoinExec) -> PlanResult<Arc<dyn ExecutionPlan>> {
    let (schema, wanted) = (operator.schema(), join.schema());
    let columns = schema.fields().iter().zip(wanted.fields()).enumerate().map(|(position, (ours, theirs))| {
        (Arc::new(Column::new(ours.name(), position)) as Arc<dyn PhysicalExpr>, theirs.name().clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), Arc::new(operator))?))
}

fn column(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<Column>().map(Column::index)
}

/// The table that `plan` scans without changing more than names, where `key` is its one-column primary key.
fn table_side(plan: &Arc<dyn ExecutionPlan>, key: usize) -> Option<TableSide<'_>> {
    let side = plain_scan(plan)?;
    let [primary_key] = side.scan.table().definition().primary_key.as_slice() else { return None };
    (side.columns.get(key) == Some(primary_key)).then_some(side)
}

fn plain_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<TableSide<'_>> {
    if let Some(scan) = plan.downcast_ref::<LanceScan>() {
        let request = scan.request();
        let columns = request.columns.clone()?;
        return (request.limit.is_none() && !request.row_address).then_some(TableSide { scan, columns });
    }
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let below = plain_scan(projection.input())?;
    let columns = projection
        .expr()
        .iter()
        .map(|item| below.columns.get(column(&item.expr)?).cloned())
        .collect::<Option<Vec<_>>>()?;
    Some(TableSide { scan: below.scan, columns })
}

/// Whether rows of `plan` are what an index found: a graph scan, the nearest few, or rows fetched for either.
fn comes_from_an_index(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<GraphIndexScan>().is_some()
        || plan.downcast_ref::<IndexThenStore>().is_some()
        || plan.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_some())
        || plan.children().into_iter().any(comes_from_an_index)
}
