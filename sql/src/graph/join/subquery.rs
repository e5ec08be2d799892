//! Queries inside expressions.
//!
//! Before an expression is computed, the rows get a column with the answer of each query in it. The query begins with what
//! the rows hold of the variables that it names, every combination once; its rows are grouped by these, and the answers
//! joined with the rows again. So it is asked once for equal rows, whatever is in it, and never more than it is about.

use datafusion::common::JoinType;
use datafusion::error::Result as PlanResult;
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, lit};
use datafusion::scalar::ScalarValue;
use slipstream_engine::types::SqlType;

use super::pattern::joined;
use super::value::empty_list;
use super::{Lowering, column, names};
use crate::graph::value::aggregate::DynamicAggregate;
use crate::types::typed_literal;
use slipstream_graph_language::bound::{Answer, BoundClause, Subquery, Value, ValueKind};

impl Lowering<'_> {
    /// The rows with the answers of the queries inside these values.
    pub(super) fn answered<'v>(
        &self,
        mut rows: LogicalPlan,
        values: impl IntoIterator<Item = &'v Value>,
    ) -> PlanResult<LogicalPlan> {
        let mut found = Vec::new();
        values.into_iter().for_each(|value| collect(value, &mut found));
        for subquery in found {
            if !names(&rows).any(|name| *name == subquery.variable) {
                rows = self.answer(rows, subquery)?;
            }
        }
        Ok(rows)
    }

    fn answer(&self, rows: LogicalPlan, subquery: &Subquery) -> PlanResult<LogicalPlan> {
        let captured: Vec<String> =
            subquery.captured.iter().flat_map(|variable| self.columns(variable, &rows)).collect();
        let seeds = match captured.is_empty() {
            true => LogicalPlanBuilder::empty(true).build()?,
            false => {
                let columns: Vec<Expr> = captured.iter().map(column).collect();
                self.distinct_rows(LogicalPlanBuilder::from(rows.clone()).project(columns)?.build()?, &[])?
            }
        };
        let mut found = Some(seeds);
        for (at, clause) in subquery.clauses.iter().enumerate() {
            found = Some(self.clause(found, clause, usize::MAX - at)?);
        }
        let mut found = super::started(found)?;
        if let Answer::Collect(value) = &subquery.answer {
            found = self.answered(found, [value])?;
        }
        let (answers, result) = self.grouped_answers(found, subquery, &captured)?;
        let kept: Vec<Expr> = names(&rows).map(column).chain([result.alias(&subquery.variable)]).collect();
        let on = self.same_captured(&rows, subquery, &captured)?;
        let rows = match on.is_empty() {
            true => joined(rows, answers, JoinType::Inner, Vec::new())?,
            false => joined(rows, answers, JoinType::Left, on)?,
        };
        LogicalPlanBuilder::from(rows).project(kept)?.build()
    }

    /// The answers by what was captured, under names of their own, and the answer of a row that may have none.
    fn grouped_answers(
        &self,
        found: LogicalPlan,
        subquery: &Subquery,
        captured: &[String],
    ) -> PlanResult<(LogicalPlan, Expr)> {
        let answer = format!("{}?answer", subquery.variable);
        let zero = typed_literal(&SqlType::BigInt, ScalarValue::Int64(Some(0)));
        let (computed, result) = match &subquery.answer {
            Answer::Exists => (count(lit(1_i64)), coalesce(vec![column(&answer), zero.clone()]).gt(zero)),
            Answer::Count => (count(lit(1_i64)), coalesce(vec![column(&answer), zero])),
            Answer::Collect(value) => {
                let expr = self.value(value)?;
                let item = value.sql_type.clone().unwrap_or(SqlType::Jsonb);
                match &item {
                    SqlType::Jsonb | SqlType::Array(_) => {
                        let collected = DynamicAggregate::collect_all((expr, item.clone()), SqlType::Jsonb);
                        let empty = lit("[]");
                        (collected, coalesce(vec![column(&answer), empty]))
                    }
                    item => {
                        let collected =
                            AggregateFunction::new_udf(array_agg_udaf(), vec![expr], false, None, Vec::new(), None);
                        let empty = empty_list(Some(&SqlType::Array(Box::new(item.clone()))))?;
                        (Expr::AggregateFunction(collected), coalesce(vec![column(&answer), empty]))
                    }
                }
            }
        };
        let keys: Vec<Expr> = captured.iter().map(|name| column(name).alias(captured_name(subquery, name))).collect();
        let answers = LogicalPlanBuilder::from(found).aggregate(keys, [computed.alias(&answer)])?.build()?;
        Ok((answers, result))
    }

    /// That a row holds what an answer is for.
    fn same_captured(&self, rows: &LogicalPlan, subquery: &Subquery, captured: &[String]) -> PlanResult<Vec<Expr>> {
        let mut on = Vec::new();
        for variable in &subquery.captured {
            let columns = match self.get_element(variable) {
                // Its key says which it is; without a key no pattern has it.
                Some(element) if !element.walk => {
                    if let Expr::Column(key) = self.key(variable)? {
                        on.push(column(&key.name).eq(column(captured_name(subquery, &key.name))));
                    }
                    continue;
                }
                _ => self.columns(variable, rows),
            };
            for name in columns.iter().filter(|name| captured.contains(name)) {
                let other = captured_name(subquery, name);
                on.push(Expr::BinaryExpr(BinaryExpr::new(
                    Box::new(column(name)),
                    Operator::IsNotDistinctFrom,
                    Box::new(column(other)),
                )));
            }
        }
        Ok(on)
    }

    /// Rows of which equal ones are one. `dynamic` are the columns whose values are told apart by openCypher's rules.
    pub(super) fn distinct_rows(&self, rows: LogicalPlan, dynamic: &[(String, SqlType)]) -> PlanResult<LogicalPlan> {
        if dynamic.is_empty() {
            return LogicalPlanBuilder::from(rows).distinct()?.build();
        }
        let all: Vec<String> = names(&rows).cloned().collect();
        self.distinct_by(rows, &all, dynamic, Vec::new())
    }

    /// Groups rows by columns, of which some are told apart by openCypher's rules; one of the values that are the same stays.
    pub(super) fn distinct_by(
        &self,
        rows: LogicalPlan,
        columns: &[String],
        dynamic: &[(String, SqlType)],
        mut computed: Vec<Expr>,
    ) -> PlanResult<LogicalPlan> {
        let mut keys = Vec::with_capacity(columns.len());
        let mut kept = Vec::with_capacity(columns.len());
        let results: Vec<String> = computed.iter().map(|expr| expr.schema_name().to_string()).collect();
        for name in columns {
            match dynamic.iter().find(|(other, _)| other == name) {
                None => {
                    keys.push(column(name));
                    kept.push(column(name));
                }
                Some((_, sql_type)) => {
                    keys.push(self.key_of(column(name), Some(sql_type)).alias(format!("{name}?key")));
                    let first = datafusion::functions_aggregate::expr_fn::first_value(column(name), Vec::new());
                    computed.push(first.alias(format!("{name}?first")));
                    kept.push(column(format!("{name}?first")).alias(name));
                }
            }
        }
        kept.extend(results.into_iter().map(column));
        LogicalPlanBuilder::from(rows).aggregate(keys, computed)?.project(kept)?.build()
    }
}

fn captured_name(subquery: &Subquery, name: &str) -> String {
    format!("{}?{name}", subquery.variable)
}

fn collect<'v>(value: &'v Value, found: &mut Vec<&'v Subquery>) {
    if let ValueKind::Subquery(subquery) = &value.kind {
        found.push(subquery);
    }
    value.children().into_iter().for_each(|child| collect(child, found));
}

/// Whether a query is inside a value.
pub(super) fn has_subquery(value: &Value) -> bool {
    let mut found = Vec::new();
    collect(value, &mut found);
    !found.is_empty()
}

/// The values that a clause computes from the rows that it is given.
pub(super) fn values_before(clause: &BoundClause) -> Vec<&Value> {
    match clause {
        BoundClause::Unwind { list, .. } => vec![list],
        BoundClause::With(projection, _) | BoundClause::Return(projection) => projection.values().collect(),
        BoundClause::Merge(merge) => merge.each_value().collect(),
        BoundClause::Match(_) | BoundClause::Create(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => Vec::new(),
    }
}
