//! The bound query as joins of the element tables.
//!
//! The second way to answer a query, for when the graph index cannot: the same [`BoundQuery`] becomes a plan of DataFusion
//! over the element tables. It is made when the statement is bound to what it reads, so it has the tables of that
//! view (a transaction's own changes among them) and the values of the parameters.
//!
//! A row of the plan holds what the variables of the query stand for. Columns have flat names: `n1.name` is a column of the
//! element `n1`, `v3` a value; what the user cannot name has a question mark in it (`r2?from`). Clause by clause:
//!
//! * An element ([`elements`], [`relationships`]) is a scan of its table, or a union of those that it may be from.
//! * MATCH ([`pattern`]) joins one element after the other, each relationship by the keys of its ends, beginning where a
//!   condition names the fewest. Each condition stands where its last variable comes in. Paths are trails because no two
//!   relationships of a pattern that could be the same edge have the same key. A variable-length relationship is an
//!   [`Expand`](slipstream_catalog::expand::Expand). An undirected one reads its table both ways, an edge from a node to
//!   itself once, so nothing is found twice and nothing has to be taken out afterwards.
//! * OPTIONAL MATCH ([`optional`]) is an outer join with all that the pattern asks, or several, of which each row keeps the
//!   complete ones, or else itself.
//! * Where the index has answered the first clauses, the plan begins with its rows ([`start`]).
//! * Paths that are only counted are not found one by one ([`degrees`]).
//! * UNWIND unnests a list; WITH and RETURN ([`projection`]) project, group, sort and limit.
//!
//! Expressions ([`value`]) are typed by the binder already. Where openCypher computes otherwise than Postgres (floating
//! point numbers by IEEE 754, membership of a list), functions of their own do it ([`functions`]).

mod degrees;
mod dynamic;
mod elements;
mod functions;
mod identity;
mod optional;
mod pattern;
mod projection;
mod relationships;
mod start;
mod subquery;
mod value;
mod walks;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::{Column, UnnestOptions};
use datafusion::error::Result as PlanResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;
use slipstream_engine::catalog::{GraphDefinition, TableDefinition, TableId};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use self::elements::Element;
pub(crate) use self::identity::keys_from;
use self::projection::{dynamic_outputs, named_outputs};
pub(crate) use self::start::{Start, index_rows, name};
use crate::error::from_datafusion;
use slipstream_graph_language::bound::{BoundClause, BoundItem, BoundProjection, BoundQuery, Output, Value, ValueKind};
use slipstream_graph_language::degrees::counted_paths;
use slipstream_graph_language::uses::Uses;

/// An element table as the statement sees it.
pub(crate) struct ElementTable {
    /// Its definition.
    pub(crate) definition: Arc<TableDefinition>,
    /// Its rows.
    pub(crate) rows: Arc<dyn TableProvider>,
}

/// The tables that the elements of a query may be from.
pub(crate) fn tables(query: &BoundQuery, graph: &GraphDefinition) -> Result<Vec<TableId>> {
    let mut tables = Vec::new();
    for name in elements::tables_of(query).into_iter().flat_map(|(_, names, _)| names) {
        let table = elements::table_of(graph, name)?;
        if !tables.contains(&table) {
            tables.push(table);
        }
    }
    Ok(tables)
}

/// What the query is asked of.
pub(crate) struct Ground<'a> {
    /// The graph.
    pub(crate) graph: &'a GraphDefinition,
    /// Its tables: those of [`tables`].
    pub(crate) tables: &'a HashMap<TableId, ElementTable>,
    /// The parameters, by name.
    pub(crate) parameters: &'a HashMap<String, ScalarValue>,
    /// The session's functions.
    pub(crate) functions: &'a SessionState,
}

/// The plan of a query, or of what is left of it from a start on. Its columns are those of [`BoundQuery::outputs`].
pub(crate) fn lower<'a>(
    query: &'a BoundQuery,
    ground: &'a Ground<'a>,
    start: Option<Start<'_>>,
) -> Result<LogicalPlan> {
    let done = start.as_ref().map_or(0, |start| start.clauses);
    let mut uses = Uses::of(query.clauses.iter().skip(done).chain(query.more.iter().flatten()));
    start.iter().flat_map(|start| start.conditions).for_each(|condition| uses.value(condition));
    let elements = elements::elements(query, ground, &uses)?;
    let optional = elements::optional(query);
    let identified = elements::identified(query, &elements);
    let lowering = Lowering { ground, uses, elements, optional, identified, now: now() };
    lowering.query(query, start).map_err(from_datafusion)
}

/// The rows after some clauses of a query, up to the one at `to`, and beside them the values that are `wanted`, as columns
/// named by [`wanted`].
///
/// For queries that write, which are answered part by part: the rows have of an element nothing but what tells it from
/// others, so that what is asked of it later is what it is then.
pub(crate) fn lower_part<'a>(
    query: &'a BoundQuery,
    ground: &'a Ground<'a>,
    start: Option<Start<'_>>,
    to: usize,
    values: &[&Value],
) -> Result<LogicalPlan> {
    let done = start.as_ref().map_or(0, |start| start.clauses);
    let mut uses = Uses::of(query.clauses.iter().skip(done));
    values.iter().for_each(|value| uses.value(value));
    let elements = elements::elements(query, ground, &uses)?;
    let optional = elements.keys().cloned().collect();
    let identified = elements::identified(query, &elements);
    let lowering = Lowering { ground, uses, elements, optional, identified, now: now() };
    lowering.part(query, start, to, values).map_err(from_datafusion)
}

/// What is left of a query from a start on, as [`lower`] has it, where any element may have gone since.
pub(crate) fn lower_rest<'a>(
    query: &'a BoundQuery,
    ground: &'a Ground<'a>,
    start: Option<Start<'_>>,
) -> Result<LogicalPlan> {
    let done = start.as_ref().map_or(0, |start| start.clauses);
    let uses = Uses::of(query.clauses.iter().skip(done));
    let elements = elements::elements(query, ground, &uses)?;
    let optional = elements.keys().cloned().collect();
    let identified = elements::identified(query, &elements);
    Lowering { ground, uses, elements, optional, identified, now: now() }.query(query, start).map_err(from_datafusion)
}

/// The name of the column with the key of an element.
pub(crate) fn element_key(variable: &str, key: &str) -> String {
    format!("{variable}.{key}")
}

/// The name of a wanted value among the columns of [`lower_part`].
pub(crate) fn wanted(at: usize) -> String {
    format!("?wanted{at}")
}

/// What the clock shows, in microseconds since 1970.
fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// A column that keeps rows that hold nothing.
const ROW: &str = "?row";

/// A query on its way to a plan.
struct Lowering<'a> {
    ground: &'a Ground<'a>,
    uses: Uses,
    elements: HashMap<String, Element<'a>>,
    /// The elements that may be missing.
    optional: HashSet<String>,
    /// Variable-length relationships whose edges are told by identity.
    identified: HashSet<&'a str>,
    /// What the clock shows to the query, in microseconds since 1970.
    now: i64,
}

impl Lowering<'_> {
    /// The rows of all parts.
    fn query(&self, query: &BoundQuery, start: Option<Start<'_>>) -> PlanResult<LogicalPlan> {
        if start.is_none()
            && query.more.is_empty()
            && let (Some(pattern), Some(BoundClause::Return(projection))) = (counted_paths(query), query.clauses.last())
            && let [counted] = projection.items.as_slice()
        {
            let rows = self.count_by_degrees(pattern, counted.variable())?;
            let (_, results) = returned(projection, &query.outputs);
            return self.outputs(rows, &results, &query.outputs);
        }
        let outputs = &query.outputs;
        let mut rows = self.clauses(&query.clauses, outputs, start, query.clauses.len())?;
        for clauses in &query.more {
            let part = started(self.clauses(clauses, outputs, None, clauses.len())?)?;
            rows = Some(LogicalPlanBuilder::from(started(rows)?).union(part)?.build()?);
        }
        let mut rows = rows.ok_or_else(|| Error::internal("a query without clauses"))?;
        if query.more.is_empty() {
            return Ok(rows);
        }
        if query.distinct {
            rows = self.distinct_rows(rows, &dynamic_outputs(outputs))?;
        }
        named_outputs(rows, outputs)
    }

    fn part(
        &self,
        query: &BoundQuery,
        start: Option<Start<'_>>,
        to: usize,
        values: &[&Value],
    ) -> PlanResult<LogicalPlan> {
        let rows = started(self.clauses(&query.clauses, &query.outputs, start, to)?)?;
        let mut uses = Uses::default();
        values.iter().for_each(|value| uses.value(value));
        let rows = self.fetched(rows, &uses)?;
        let rows = self.answered(rows, values.iter().copied())?;
        let kept = names(&rows).filter(|name| *name != ROW && self.is_kept(name)).map(column);
        let mut columns: Vec<Expr> = kept.chain([lit(0_i32).alias(ROW)]).collect();
        for (at, value) in values.iter().enumerate() {
            columns.push(self.value(value)?.alias(wanted(at)));
        }
        LogicalPlanBuilder::from(rows).project(columns)?.build()
    }

    /// Whether a column says which element it is, or is of none.
    fn is_kept(&self, name: &str) -> bool {
        match name.split_once('.').and_then(|(variable, column)| Some((self.elements.get(variable)?, column))) {
            // What may be from several tables is known by its identity.
            Some((element, column)) => element.only().is_some_and(|only| only.key == column),
            // An element as a value is read again like its columns.
            None => {
                !name.starts_with("?wanted") && !self.elements.keys().any(|variable| *name == elements::whole(variable))
            }
        }
    }

    /// The rows after the clauses up to the one at `to`.
    fn clauses(
        &self,
        clauses: &[BoundClause],
        outputs: &[Output],
        start: Option<Start<'_>>,
        to: usize,
    ) -> PlanResult<Option<LogicalPlan>> {
        let done = start.as_ref().map_or(0, |start| start.clauses);
        let mut rows = start.map(|start| self.started_from(start)).transpose()?;
        for (at, clause) in clauses.iter().enumerate().take(to).skip(done) {
            if let Some(known) = rows {
                rows = Some(self.fetched(known, &Uses::of([clause]))?);
            }
            rows = Some(match clause {
                BoundClause::Return(projection) => {
                    let rows = self.answered(started(rows)?, projection.values())?;
                    let (projection, wholes) = returned(projection, outputs);
                    let rows = self.projection(rows, &projection)?;
                    self.outputs(rows, &wholes, outputs)?
                }
                clause => self.clause(rows, clause, at)?,
            });
        }
        Ok(rows)
    }

    /// The rows after a clause; `place` tells it from others.
    fn clause(&self, rows: Option<LogicalPlan>, clause: &BoundClause, place: usize) -> PlanResult<LogicalPlan> {
        let rows = match clause {
            BoundClause::Match(pattern) => return self.match_clause(rows, pattern, place),
            clause => self.answered(started(rows)?, subquery::values_before(clause))?,
        };
        match clause {
            BoundClause::Match(pattern) => self.match_clause(Some(rows), pattern, place),
            BoundClause::Unwind { list, variable } => {
                let list = self.unwound(list)?.alias(variable);
                let rows = extended(rows, [list])?;
                let options = UnnestOptions { preserve_nulls: false, ..UnnestOptions::default() };
                LogicalPlanBuilder::from(rows)
                    .unnest_column_with_options(Column::new_unqualified(variable), options)?
                    .build()
            }
            BoundClause::With(projection, filter) => {
                let rows = self.projection(rows, projection)?;
                let Some(filter) = filter else { return Ok(rows) };
                let rows = self.answered(rows, [filter])?;
                LogicalPlanBuilder::from(rows).filter(self.value(filter)?)?.build()
            }
            BoundClause::Return(projection) => self.projection(rows, projection),
            // What of it only reads.
            BoundClause::Merge(merge) => {
                let values = merge.values.iter().filter_map(|item| match item {
                    BoundItem::Value { value, variable } => Some((value, variable)),
                    BoundItem::Variable(_) => None,
                });
                let values = values.map(|(value, variable)| Ok(self.value(value)?.alias(variable)));
                let rows = extended(rows, values.collect::<Result<Vec<_>>>()?)?;
                self.match_clause(Some(rows), &merge.pattern, place)
            }
            BoundClause::Create(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => {
                Err(Error::internal("a clause that writes was to be joined").into())
            }
        }
    }

    /// A list whose elements become rows.
    fn unwound(&self, list: &Value) -> Result<Expr> {
        match list.sql_type {
            Some(SqlType::Jsonb) => {
                let items = SqlType::Array(Box::new(SqlType::Jsonb));
                let list = Value::new(ValueKind::Cast(Box::new(list.clone())), items);
                self.value(&list)
            }
            _ => self.value(list),
        }
    }
}

/// A projection of RETURN, and what each column of it is. Whole elements are passed on as they are, so that they become
/// values after limits.
fn returned(projection: &BoundProjection, outputs: &[Output]) -> (BoundProjection, Vec<Value>) {
    let mut projection = projection.clone();
    let mut results = Vec::with_capacity(projection.items.len());
    let mut items: Vec<BoundItem> = Vec::with_capacity(projection.items.len());
    for (item, output) in projection.items.into_iter().zip(outputs) {
        match item {
            BoundItem::Value { value: value @ Value { kind: ValueKind::Whole(_), .. }, .. } => {
                if let ValueKind::Whole(part) = &value.kind {
                    let passed = BoundItem::Variable(part.variable.clone());
                    if !items.contains(&passed) {
                        items.push(passed);
                    }
                }
                results.push(value);
            }
            BoundItem::Value { value, variable } => {
                let kind = match value.kind {
                    // What a user's column holds has no marks to be taken off.
                    ValueKind::Property { .. } => ValueKind::Variable { name: variable.clone(), key: None },
                    _ if value.sql_type == Some(SqlType::Jsonb) => {
                        let held = ValueKind::Variable { name: variable.clone(), key: None };
                        ValueKind::Cast(Box::new(Value::new(held, SqlType::Jsonb)))
                    }
                    _ => ValueKind::Variable { name: variable.clone(), key: None },
                };
                results.push(Value { kind, sql_type: value.sql_type.clone() });
                items.push(BoundItem::Value { value, variable });
            }
            BoundItem::Variable(variable) => {
                let held = ValueKind::Variable { name: variable.clone(), key: None };
                let held = Value::new(held, output.sql_type.clone());
                results.push(match output.sql_type {
                    SqlType::Jsonb => Value::new(ValueKind::Cast(Box::new(held)), SqlType::Jsonb),
                    _ => held,
                });
                items.push(BoundItem::Variable(variable));
            }
        }
    }
    projection.items = items;
    (projection, results)
}

/// The rows so far; before the first clause, one row of nothing.
fn started(rows: Option<LogicalPlan>) -> PlanResult<LogicalPlan> {
    match rows {
        Some(rows) => Ok(rows),
        None => LogicalPlanBuilder::empty(true).build(),
    }
}

/// The column of that name.
fn column(name: impl Into<String>) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// The rows with more columns.
fn extended(rows: LogicalPlan, more: impl IntoIterator<Item = Expr>) -> PlanResult<LogicalPlan> {
    let columns: Vec<Expr> = names(&rows).map(column).chain(more).collect();
    LogicalPlanBuilder::from(rows).project(columns)?.build()
}

/// The names of a plan's columns.
fn names(rows: &LogicalPlan) -> impl Iterator<Item = &String> {
    rows.schema().fields().iter().map(|field| field.name())
}
