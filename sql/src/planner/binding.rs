//! Plans that outlive their snapshot.
//!
//! A plan names tables, not versions. After planning, [`release`] takes the snapshot's tables out of it, so that a cached
//! plan holds no version of anything; before running, [`bind`] puts the tables of the statement's own snapshot in, and the
//! values of the parameters. That is sound for as long as the same catalog record is in force, which the cache checks.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan, TableSource, Volatility};
use datafusion::scalar::ScalarValue;
use slipstream_engine::ReadView;
use slipstream_engine::Result;

use super::names::{Tables, undefined};
use crate::cypher_relation::CypherTable;
use crate::error::from_datafusion;
use crate::operators::as_list;

/// Stands for a table of the snapshot in a plan that has none.
#[derive(Debug)]
struct Released(SchemaRef);

impl TableSource for Released {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }
}

/// Takes the tables of the snapshot out of a plan.
pub(crate) fn release(plan: LogicalPlan, tables: &HashSet<TableReference>) -> DataFusionResult<LogicalPlan> {
    replace_scans(plan, |scan| {
        let ours = tables.contains(&scan.table_name) && !is_cypher(&scan.source);
        ours.then(|| Arc::new(Released(scan.source.schema())) as Arc<dyn TableSource>)
    })
}

/// Puts the tables of a snapshot and the values of the parameters into a plan.
pub(crate) async fn bind(plan: LogicalPlan, tables: &Tables, parameters: &[ScalarValue]) -> Result<LogicalPlan> {
    let mut names = HashSet::new();
    scans(&plan, |scan| {
        if scan.source.is::<Released>() {
            names.insert(scan.table_name.clone());
        }
    })
    .map_err(from_datafusion)?;
    let mut sources = HashMap::new();
    for name in names {
        let table = tables.get(&name).await?.ok_or_else(|| undefined(&name))?;
        sources.insert(name, provider_as_source(table));
    }
    let plan = with_values(plan, parameters).map_err(from_datafusion)?;
    replace_scans(plan, |scan| {
        if scan.source.is::<Released>() {
            return sources.get(&scan.table_name).cloned();
        }
        None
    })
    .and_then(|plan| bind_graphs(plan, tables.view(), parameters))
    .map_err(from_datafusion)
}

fn with_values(plan: LogicalPlan, parameters: &[ScalarValue]) -> DataFusionResult<LogicalPlan> {
    if parameters.is_empty() {
        return Ok(plan);
    }
    let plan = plan.replace_params_with_values(&ParamValues::from(parameters.to_vec()))?;
    let folded = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::Limit(mut limit) => {
            let changed = fold_count(&mut limit.skip)? | fold_count(&mut limit.fetch)?;
            Ok(if changed {
                Transformed::yes(LogicalPlan::Limit(limit))
            } else {
                Transformed::no(LogicalPlan::Limit(limit))
            })
        }
        other => other.map_expressions(|expr| {
            expr.transform_up(|expr| match &expr {
                // An array that is known by now is a list that scans and keys can use.
                Expr::ScalarFunction(call) => {
                    Ok(as_list(call)?.map_or_else(|| Transformed::no(expr.clone()), Transformed::yes))
                }
                _ => Ok(Transformed::no(expr)),
            })
        }),
    })?;
    Ok(folded.data)
}

/// A count of rows must be a literal to be executed; a parameter of another integer type comes as the cast of one.
fn fold_count(count: &mut Option<Box<Expr>>) -> DataFusionResult<bool> {
    let Some(Expr::Cast(cast)) = count.as_deref() else { return Ok(false) };
    let Expr::Literal(value, metadata) = cast.expr.as_ref() else { return Ok(false) };
    let folded = Expr::Literal(value.cast_to(cast.field.data_type())?, metadata.clone());
    *count = Some(Box::new(folded));
    Ok(true)
}

fn bind_graphs(plan: LogicalPlan, view: &ReadView, parameters: &[ScalarValue]) -> DataFusionResult<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(mut scan) => {
            let Some(cypher) = cypher_table(&scan.source) else {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            scan.source = provider_as_source(cypher.bind(view, parameters)?);
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|transformed| transformed.data)
}

/// Whether the optimizer would put a value into the plan that is true only for this run, such as that of `now()`.
pub(crate) fn depends_on_time(plan: &LogicalPlan) -> DataFusionResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(call) = expr {
                    found |= call.func.signature().volatility == Volatility::Stable;
                }
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

fn is_cypher(source: &Arc<dyn TableSource>) -> bool {
    cypher_table(source).is_some()
}

fn cypher_table(source: &Arc<dyn TableSource>) -> Option<&CypherTable> {
    source.downcast_ref::<DefaultTableSource>()?.table_provider.downcast_ref()
}

fn scans(plan: &LogicalPlan, mut visit: impl FnMut(&TableScan)) -> DataFusionResult<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            visit(scan);
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map(drop)
}

fn replace_scans(
    plan: LogicalPlan,
    replacement: impl Fn(&TableScan) -> Option<Arc<dyn TableSource>>,
) -> DataFusionResult<LogicalPlan> {
    plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(mut scan) => match replacement(&scan) {
            Some(source) => {
                scan.source = source;
                Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
            }
            None => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        },
        other => Ok(Transformed::no(other)),
    })
    .map(|transformed| transformed.data)
}
