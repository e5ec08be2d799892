//! The rule: conditions on text, scores and their statistics, over rows of a table that has an index of it.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result as PlanResult;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, split_conjunction};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::filter::FilterExec;
use slipstream_engine::store::LanceScan;
use slipstream_text_search::parts;

use super::best::Best;
use super::operator::{Search, TextSearch};
use super::statistics::TextStatistics;
use super::wanted::{Finder, text};
use super::{CORPUS, MATCHES, SCORE_OF};
use crate::first_rows::FirstRows;

/// Chooses [`TextSearch`] and [`TextStatistics`]. Must run before the rules that distribute the plan, and behind the one for
/// nearest vectors, which deals with conditions by itself.
#[derive(Debug, Default)]
pub struct TextSearchRule;

impl PhysicalOptimizerRule for TextSearchRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> PlanResult<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            let replacement = if let Some(filter) = node.downcast_ref::<FilterExec>() {
                match search(filter) {
                    Some(search) => Some(over(&node, TextSearch::new(search, Arc::clone(filter.input())))?),
                    None => None,
                }
            } else if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
                statistics(aggregate, &node)
            } else {
                FirstRows::of(&node)?.map_or(Ok(None), |first| best(&first))?
            };
            Ok(replacement.map_or_else(|| Transformed::no(Arc::clone(&node)), Transformed::yes))
        })
        .map(|transformed| transformed.data)
    }

    fn name(&self) -> &str {
        "text_search"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn over(filter: &Arc<dyn ExecutionPlan>, rows: TextSearch) -> PlanResult<Arc<dyn ExecutionPlan>> {
    Arc::clone(filter).with_new_children(vec![Arc::new(rows)])
}

/// What the condition of a filter over a table's rows wants of texts. A transaction's own rows are in no index, so only tables
/// as they are stored are searched.
fn search(filter: &FilterExec) -> Option<Search> {
    let scan = filter.input().downcast_ref::<LanceScan>()?;
    let (table, request) = (scan.table(), scan.request());
    if request.limit.is_some() || table.definition().indexes.is_empty() {
        return None;
    }
    let finder = Finder { table: table.definition(), columns: request.columns.as_ref()? };
    let wanted = finder.of(filter.predicate())?;
    Some(Search { table: Arc::clone(table), request: request.clone(), wanted, best: None })
}

/// The first rows by score, of those that a search of one column finds.
fn best(first: &FirstRows<'_>) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
    let Some(filter) = first.rows.downcast_ref::<FilterExec>().filter(|_| first.options.descending) else {
        return Ok(None);
    };
    let Some(found) = filter.input().downcast_ref::<TextSearch>() else { return Ok(None) };
    match best_of(first, filter, found) {
        Some(best) => first.over(over(first.rows, found.of_best(best))?).map(Some),
        None => Ok(None),
    }
}

fn best_of(first: &FirstRows<'_>, filter: &FilterExec, found: &TextSearch) -> Option<Best> {
    let search = found.search();
    let columns = search.request.columns.as_ref()?;
    let key = first.key.downcast_ref::<ScalarFunctionExpr>().filter(|call| call.name() == SCORE_OF)?;
    let [sought, config, statistics, _, column] = key.args() else { return None };
    let position = column.downcast_ref::<Column>()?.index();
    let position = filter.projection().as_ref().map_or(Some(position), |kept| kept.get(position).copied())?;
    let is_same = |condition: &&&Arc<dyn PhysicalExpr>| {
        let Some(call) = condition.downcast_ref::<ScalarFunctionExpr>() else { return false };
        let [other, other_config, _, other_column] = call.args() else { return false };
        call.name() == MATCHES
            && text(other).is_some()
            && (text(other), text(other_config)) == (text(sought), text(config))
            && other_column.downcast_ref::<Column>().is_some_and(|column| column.index() == position)
    };
    let conditions = split_conjunction(filter.predicate());
    let condition = conditions.iter().find(is_same)?;
    let call = condition.downcast_ref::<ScalarFunctionExpr>()?;
    let finder = Finder { table: search.table.definition(), columns };
    let call = finder.search_call(sought, config, call.args().get(2..)?)?;
    if !collect_columns(statistics).is_empty() {
        return None;
    }
    let others = conditions.iter().filter(|other| !Arc::ptr_eq(other, condition));
    Some(Best {
        terms: parts::terms(call.config, &call.parse()?)?,
        field: call.fields.into_iter().next()?,
        statistics: Arc::clone(statistics),
        count: first.count,
        conditions: others.map(|condition| Arc::clone(condition)).collect(),
    })
}

/// The statistics of a search of all rows of a table.
fn statistics(aggregate: &AggregateExec, node: &Arc<dyn ExecutionPlan>) -> Option<Arc<dyn ExecutionPlan>> {
    if matches!(aggregate.mode(), AggregateMode::Partial) {
        return None;
    }
    let mut lowest = aggregate;
    let mut input = lowest.input();
    loop {
        if let Some(coalesced) = input.downcast_ref::<CoalescePartitionsExec>() {
            input = coalesced.input();
        } else if let Some(partial) = input.downcast_ref::<AggregateExec>() {
            lowest = partial;
            input = partial.input();
        } else {
            break;
        }
    }
    let [function] = lowest.aggr_expr() else { return None };
    let is_plain = lowest.group_expr().is_empty() && lowest.filter_expr().iter().all(Option::is_none);
    if function.fun().name() != CORPUS || !is_plain || node.schema().fields().len() != 1 {
        return None;
    }
    let scan = input.downcast_ref::<LanceScan>()?;
    let (table, request) = (scan.table(), scan.request());
    if request.limit.is_some() || request.filter.is_some() {
        return None;
    }
    let arguments = function.expressions();
    let [search, config, fields @ ..] = arguments.as_slice() else { return None };
    let finder = Finder { table: table.definition(), columns: request.columns.as_ref()? };
    let call = finder.search_call(search, config, fields)?;
    Some(Arc::new(TextStatistics::new(Arc::clone(table), call, Arc::clone(node))))
}
