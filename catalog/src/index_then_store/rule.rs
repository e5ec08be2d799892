//! The rule: a hash join of an index's answer, or of a few rows of VALUES, with a table on the table's primary key becomes an
//! [`IndexThenStore`].
//!
//! It looks at the physical plan, where every spelling (JOIN, comma, IN, EXISTS, either side) has become a hash join.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::JoinType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::pending::TableState;
use slipstream_engine::store::LanceScan;

use super::operator::{IndexThenStore, Lookup, Matching, OutputColumn};
use crate::graph_scan::GraphIndexScan;

/// Rows that are looked up rather than joined, where they are the statement's own.
const FEW_ROWS: usize = 1000;

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
    if join.filter().is_some() {
        return Ok(None);
    }
    let Some((left, right)) = join.on().iter().map(|(left, right)| Some((column(left)?, column(right)?))).collect()
    else {
        return Ok(None);
    };
    let (left, right): (Vec<usize>, Vec<usize>) = (left, right);
    if let Some((table, keys)) = table_side(join.right(), &right, &left)
        && leads_to_rows(join.left())
        && let Some(matching) = matching(*join.join_type(), false)
    {
        return build(join, Arc::clone(join.left()), keys, &table, matching, false);
    }
    if let Some((table, keys)) = table_side(join.left(), &left, &right)
        && leads_to_rows(join.right())
        && let Some(matching) = matching(*join.join_type(), true)
    {
        return build(join, Arc::clone(join.right()), keys, &table, matching, true);
    }
    Ok(None)
}

/// Which rows a join wants where one side of it is looked up.
fn matching(join: JoinType, table_is_left: bool) -> Option<Matching> {
    match (join, table_is_left) {
        (JoinType::Inner, _) => Some(Matching::Inner),
        (JoinType::RightSemi, false) | (JoinType::LeftSemi, true) => Some(Matching::Once),
        (JoinType::Left, false) | (JoinType::Right, true) => Some(Matching::Outer),
        _ => None,
    }
}

fn build(
    join: &HashJoinExec,
    input: Arc<dyn ExecutionPlan>,
    keys: Vec<usize>,
    table: &TableSide<'_>,
    matching: Matching,
    table_is_left: bool,
) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let version = table.scan.table();
    for (key, name) in keys.iter().zip(&version.definition().primary_key) {
        if input.schema().field(*key).data_type() != &version.definition().column(name)?.sql_type.arrow_type() {
            return Ok(None);
        }
    }
    let once = matching == Matching::Once;
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
        matching,
        output,
    };
    let operator = IndexThenStore::new(input, keys, lookup)?;
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

/// The table that `plan` scans without changing more than names, where `on` is its primary key, and the columns of the other
/// side that are equal to it, in the order of the key.
fn table_side<'a>(
    plan: &'a Arc<dyn ExecutionPlan>,
    on: &[usize],
    other: &[usize],
) -> Option<(TableSide<'a>, Vec<usize>)> {
    let side = plain_scan(plan)?;
    let primary_key = &side.scan.table().definition().primary_key;
    if primary_key.is_empty() || primary_key.len() != on.len() {
        return None;
    }
    let keys = primary_key.iter().map(|key| {
        let position = on.iter().position(|column| side.columns.get(*column) == Some(key))?;
        Some(other[position])
    });
    let keys = keys.collect::<Option<Vec<usize>>>()?;
    Some((side, keys))
}

fn plain_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<TableSide<'_>> {
    if let Some(scan) = plan.downcast_ref::<LanceScan>() {
        let request = scan.request();
        let mut columns = request.columns.clone()?;
        if request.row_address {
            columns.push(ROW_ADDRESS.to_string());
        }
        return request.limit.is_none().then_some(TableSide { scan, columns });
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

/// Whether it is better to look up the rows that `plan` leads to than to scan the table for them.
fn leads_to_rows(plan: &Arc<dyn ExecutionPlan>) -> bool {
    comes_from_an_index(plan) || are_few(plan)
}

/// Whether rows of `plan` come out of the statement itself, and are few.
fn are_few(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        let Some(memory) = source.data_source().downcast_ref::<MemorySourceConfig>() else { return false };
        return memory.partitions().iter().flatten().map(RecordBatch::num_rows).sum::<usize>() <= FEW_ROWS;
    }
    let children = plan.children();
    let keeps_few = plan.is::<ProjectionExec>() || plan.is::<FilterExec>();
    keeps_few && children.len() == 1 && children.into_iter().all(are_few)
}

/// Whether rows of `plan` are what an index found: a graph scan, the nearest few, or rows fetched for either.
fn comes_from_an_index(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<GraphIndexScan>().is_some()
        || plan.downcast_ref::<IndexThenStore>().is_some()
        || plan.downcast_ref::<SortExec>().is_some_and(|sort| sort.fetch().is_some())
        || plan.children().into_iter().any(comes_from_an_index)
}
