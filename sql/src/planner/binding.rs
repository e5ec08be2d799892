//! Plans that outlive their snapshot.
//!
//! A plan names tables, not versions. After planning, [`release`] takes the snapshot's tables out of it, so that a cached
//! plan holds no version of anything; before running, [`bind`] puts the tables of the statement's own snapshot in, and the
//! values of the parameters. That is sound for as long as the same catalog record is in force, which the cache checks.
//!
//! How a graph pattern is answered ([`Route`]) depends on what the statement reads, so it is decided here as well. A pattern
//! that the index answers is a table of the plan like any other. Where joins answer one, or what is left of one, a plan takes
//! its place in the statement's plan as it was written, and all of that is optimized when it is bound.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::catalog::TableProvider;
use datafusion::catalog::default_table_source::DefaultTableSource;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ParamValues, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan, TableSource, Volatility};
use datafusion::scalar::ScalarValue;
use slipstream_engine::{Error, ReadView, Result};

use super::names::{Tables, undefined};
use super::state::Engine;
use crate::error::from_datafusion;
use crate::graph::algorithm::AlgorithmTable;
use crate::graph::answer::PatternAnswer;
use crate::graph::lateral::ApplyNode;
use crate::graph::route::Route;
use crate::graph::table::{CypherTable, Sources};
use crate::operators::as_list;
use crate::prepare::Planned;
use crate::settings::GraphStrategy;

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
        let ours = tables.contains(&scan.table_name) && !is_cypher(&scan.source) && algorithm(&scan.source).is_none();
        ours.then(|| Arc::new(Released(scan.source.schema())) as Arc<dyn TableSource>)
    })
}

/// A plan that can be made physical.
pub(crate) struct Bound {
    /// The plan.
    pub(crate) plan: LogicalPlan,
    /// Whether it is optimized.
    pub(crate) optimized: bool,
    /// What EXPLAIN says of graph patterns.
    pub(crate) notes: Vec<String>,
}

/// What graph patterns are answered by.
pub(crate) struct Patterns<'a> {
    /// What the session wants.
    pub(crate) strategy: GraphStrategy,
    /// What plans are made by.
    pub(crate) engine: &'a Arc<Engine>,
    /// What `now()` means.
    pub(crate) now: DateTime<Utc>,
    /// The rows of the query that writes, which has run before; none where it is explained.
    pub(crate) written: Option<Arc<dyn TableProvider>>,
}

impl Patterns<'_> {
    /// The session's functions.
    fn functions(&self) -> &SessionState {
        &self.engine.session
    }
}

/// Puts the tables of a snapshot and the values of the parameters into a statement's plan.
pub(crate) async fn bind(
    planned: &Planned,
    tables: &Tables,
    parameters: &[ScalarValue],
    patterns: &Patterns<'_>,
) -> Result<Bound> {
    let by_index = routes(&planned.plan, tables.view(), patterns.strategy)?;
    let joined = by_index.iter().any(|(_, route)| !matches!(route, Route::Index(_)));
    let (plan, optimized, routes) = match &planned.written {
        Some(written) if joined => (written, false, routes(written, tables.view(), patterns.strategy)?),
        _ => (&planned.plan, planned.optimized, by_index),
    };
    let sources_of = Sources { tables, functions: patterns.functions(), values: parameters };
    let mut places = HashMap::new();
    let mut notes = Vec::new();
    for (pattern, route) in &routes {
        let table = pattern.table()?;
        notes.push(table.explain(route));
        let place = match route {
            Route::Index(reader) => {
                Place::Source(provider_as_source(Arc::new(table.index_scan(Arc::clone(reader), parameters)?)))
            }
            Route::Prefix(reader) => Place::Plan(Box::new(table.begun_by_index(Arc::clone(reader), &sources_of)?)),
            Route::Joins(_) => Place::Plan(Box::new(table.joins(&sources_of)?)),
        };
        places.insert(address(table), place);
    }
    for source in writing(plan).map_err(from_datafusion)? {
        let Some(table) = cypher_table(&source) else { continue };
        if patterns.written.is_none() {
            notes.extend(table.explain_writes());
        }
        let rows: Arc<dyn TableProvider> = match &patterns.written {
            Some(rows) => Arc::clone(rows),
            None => Arc::new(MemTable::try_new(source.schema(), vec![Vec::new()]).map_err(from_datafusion)?),
        };
        places.insert(address(table), Place::Source(provider_as_source(rows)));
    }
    let sources = sources(plan, tables).await?;
    let plan = with_values(plan.clone(), parameters)
        .and_then(|plan| {
            replace_scans(plan, |scan| match scan.source.is::<Released>() {
                true => sources.get(&scan.table_name).cloned(),
                false => None,
            })
        })
        .and_then(|plan| place_patterns(plan, &places))
        .map_err(from_datafusion)?;
    let plan = place_algorithms(plan, tables, parameters, patterns.functions())?;
    let plan = place_laterals(plan, tables, patterns, &mut notes)?;
    Ok(Bound { plan, optimized, notes })
}

/// Gives every pattern that depends on the rows beside it who answers it.
fn place_laterals(
    plan: LogicalPlan,
    tables: &Tables,
    patterns: &Patterns<'_>,
    notes: &mut Vec<String>,
) -> Result<LogicalPlan> {
    let placed = plan.transform_down_with_subqueries(|node| {
        let Some(apply) = ApplyNode::of(&node) else { return Ok(Transformed::no(node)) };
        let table = Arc::clone(apply.table());
        let route = table.route(tables.view(), patterns.strategy)?;
        let elements = match route {
            Route::Index(_) => HashMap::new(),
            Route::Prefix(_) | Route::Joins(_) => table.elements(tables)?,
        };
        let described = table.explain(&route);
        notes.push(described.clone());
        let (engine, now) = (Arc::clone(patterns.engine), patterns.now);
        let answer = PatternAnswer { table, route, elements, engine, now };
        Ok(Transformed::yes(apply.answered(Arc::new(answer), described)))
    });
    placed.map(|placed| placed.data).map_err(from_datafusion)
}

/// The tables that stand for themselves in a plan, by name.
async fn sources(plan: &LogicalPlan, tables: &Tables) -> Result<HashMap<TableReference, Arc<dyn TableSource>>> {
    let mut names = HashSet::new();
    scans(plan, |scan| {
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
    Ok(sources)
}

/// What takes the place of a graph pattern.
enum Place {
    Source(Arc<dyn TableSource>),
    Plan(Box<LogicalPlan>),
}

/// The graph patterns of a plan, and how each is answered.
fn routes(plan: &LogicalPlan, view: &ReadView, strategy: GraphStrategy) -> Result<Vec<(Pattern, Route)>> {
    let mut patterns = Vec::new();
    scans(plan, |scan| {
        if cypher_table(&scan.source).is_some_and(|table| !table.writes()) {
            patterns.push(Pattern(Arc::clone(&scan.source)));
        }
    })
    .map_err(from_datafusion)?;
    patterns
        .into_iter()
        .map(|pattern| {
            let route = pattern.table()?.route(view, strategy)?;
            Ok((pattern, route))
        })
        .collect()
}

/// The graph queries of a plan that write.
pub(crate) fn writing(plan: &LogicalPlan) -> DataFusionResult<Vec<Arc<dyn TableSource>>> {
    let mut found: Vec<Arc<dyn TableSource>> = Vec::new();
    scans(plan, |scan| {
        let writes = cypher_table(&scan.source).is_some_and(CypherTable::writes);
        if writes && !found.iter().any(|other| Arc::ptr_eq(other, &scan.source)) {
            found.push(Arc::clone(&scan.source));
        }
    })?;
    Ok(found)
}

/// The source of a scan that is a graph pattern.
struct Pattern(Arc<dyn TableSource>);

impl Pattern {
    fn table(&self) -> Result<&CypherTable> {
        cypher_table(&self.0).ok_or_else(|| Error::internal("a graph pattern that is none"))
    }
}

/// What tells one pattern of a plan from another.
fn address(table: &CypherTable) -> usize {
    std::ptr::from_ref(table).addr()
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

fn place_patterns(plan: LogicalPlan, places: &HashMap<usize, Place>) -> DataFusionResult<LogicalPlan> {
    if places.is_empty() {
        return Ok(plan);
    }
    plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(mut scan) => {
            match cypher_table(&scan.source).and_then(|table| places.get(&address(table))) {
                None => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
                Some(Place::Source(source)) => {
                    scan.source = Arc::clone(source);
                    Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
                }
                Some(Place::Plan(plan)) => {
                    let names = scan.projected_schema.fields().iter();
                    let columns = names.map(|field| Expr::Column(Column::new_unqualified(field.name())));
                    let plan = LogicalPlanBuilder::from(plan.as_ref().clone())
                        .project(columns.collect::<Vec<_>>())?
                        .alias(scan.table_name.clone())?
                        .build()?;
                    // The tables in it are bound.
                    Ok(Transformed::new(plan, true, TreeNodeRecursion::Jump))
                }
            }
        }
        other => Ok(Transformed::no(other)),
    })
    .map(|transformed| transformed.data)
}

/// Puts graph algorithms over the tables of the snapshot.
fn place_algorithms(
    plan: LogicalPlan,
    tables: &Tables,
    parameters: &[ScalarValue],
    session: &SessionState,
) -> Result<LogicalPlan> {
    let mut found = Vec::new();
    scans(&plan, |scan| found.extend(algorithm(&scan.source).map(|_| Arc::clone(&scan.source))))
        .map_err(from_datafusion)?;
    let mut bound: HashMap<usize, Arc<dyn TableSource>> = HashMap::new();
    for source in &found {
        let Some(table) = algorithm(source) else { continue };
        let over_tables = table.bound(tables, parameters, session.config_options())?;
        bound.insert(std::ptr::from_ref(table).addr(), provider_as_source(Arc::new(over_tables)));
    }
    if bound.is_empty() {
        return Ok(plan);
    }
    replace_scans(plan, |scan| {
        let table = algorithm(&scan.source)?;
        bound.get(&std::ptr::from_ref(table).addr()).cloned()
    })
    .map_err(from_datafusion)
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

pub(crate) fn cypher_table(source: &Arc<dyn TableSource>) -> Option<&CypherTable> {
    source.downcast_ref::<DefaultTableSource>()?.table_provider.downcast_ref()
}

fn algorithm(source: &Arc<dyn TableSource>) -> Option<&AlgorithmTable> {
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
