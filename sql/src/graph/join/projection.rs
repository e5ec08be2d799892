//! WITH and RETURN.

use datafusion::common::metadata::FieldMetadata;
use datafusion::error::Result as PlanResult;
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::array_agg::array_agg_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::functions_aggregate::expr_fn as aggregates;
use datafusion::functions_aggregate::min_max::{max_udaf, min_udaf};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{AggregateUDF, Cast, Expr, LogicalPlan, LogicalPlanBuilder, SortExpr};
use datafusion::scalar::ScalarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::functions::Ieee;
use super::value::empty_list;
use super::{Lowering, column, names};
use crate::types::{CastContext, cast, typed_literal};
use slipstream_graph_language::bound::{Aggregate, BoundItem, BoundProjection, Output, Value, ValueKind};
use slipstream_graph_language::syntax::Arithmetic;

impl Lowering<'_> {
    pub(super) fn projection(&self, rows: LogicalPlan, projection: &BoundProjection) -> PlanResult<LogicalPlan> {
        if !projection.stage.is_empty() {
            let rows = self.grouped(rows, &projection.stage)?;
            return self.plain(rows, projection);
        }
        if projection.items.iter().any(is_aggregate) {
            let rows = self.grouped(rows, &projection.items)?;
            return self.after(rows, projection);
        }
        self.plain(rows, projection)
    }

    /// A projection without aggregates. It can be ordered by what it does not pass on.
    fn plain(&self, rows: LogicalPlan, projection: &BoundProjection) -> PlanResult<LogicalPlan> {
        let items = self.items(&projection.items, &rows)?;
        if projection.distinct {
            return self.after(LogicalPlanBuilder::from(rows).project(items)?.build()?, projection);
        }
        let mut keys = Vec::with_capacity(projection.order.len());
        for (at, (value, descending)) in projection.order.iter().enumerate() {
            let value = value.clone().replace(&|part| computed(&projection.items, part));
            keys.push((self.value(&value)?.alias(format!("?order{at}")), *descending));
        }
        let columns = items.into_iter().chain(keys.iter().map(|(key, _)| key.clone()));
        let rows = LogicalPlanBuilder::from(rows).project(columns.collect::<Vec<_>>())?.build()?;
        let order = (0..keys.len()).map(|at| sort(column(format!("?order{at}")), keys[at].1)).collect();
        let rows = self.limited(rows, order, projection)?;
        if keys.is_empty() {
            return Ok(rows);
        }
        let passed: Vec<Expr> = names(&rows).filter(|name| !name.starts_with("?order")).map(column).collect();
        LogicalPlanBuilder::from(rows).project(passed)?.build()
    }

    /// DISTINCT, order and limits of rows that hold the items.
    fn after(&self, rows: LogicalPlan, projection: &BoundProjection) -> PlanResult<LogicalPlan> {
        let rows = match projection.distinct {
            true => LogicalPlanBuilder::from(rows).distinct()?.build()?,
            false => rows,
        };
        let order = projection.order.iter().map(|(value, descending)| Ok(sort(self.value(value)?, *descending)));
        let order = order.collect::<PlanResult<Vec<_>>>()?;
        self.limited(rows, order, projection)
    }

    fn limited(
        &self,
        rows: LogicalPlan,
        order: Vec<SortExpr>,
        projection: &BoundProjection,
    ) -> PlanResult<LogicalPlan> {
        let mut rows = LogicalPlanBuilder::from(rows);
        if !order.is_empty() {
            rows = rows.sort(order)?;
        }
        if projection.skip.is_some() || projection.limit.is_some() {
            let count =
                |count: &Option<Value>, clause| count.as_ref().map(|count| self.count(count, clause)).transpose();
            rows = rows.limit_by_expr(count(&projection.skip, "SKIP")?, count(&projection.limit, "LIMIT")?)?;
        }
        rows.build()
    }

    /// A number of rows.
    fn count(&self, value: &Value, clause: &str) -> Result<Expr> {
        let number = match &value.kind {
            ValueKind::Integer(number) => Some(*number),
            ValueKind::Parameter(name) => match self.parameter(name)? {
                ScalarValue::Int64(number) => number,
                _ => None,
            },
            _ => None,
        };
        match number {
            Some(number) if number >= 0 => Ok(Expr::Literal(ScalarValue::Int64(Some(number)), None)),
            Some(_) => Err(Error::new(
                slipstream_engine::ErrorKind::InvalidParameter,
                format!("{clause} must not be negative"),
            )),
            None => Err(Error::new(
                slipstream_engine::ErrorKind::InvalidParameter,
                format!("{clause} needs a whole number, not NULL"),
            )),
        }
    }

    fn items(&self, items: &[BoundItem], rows: &LogicalPlan) -> PlanResult<Vec<Expr>> {
        let mut columns = Vec::new();
        for item in items {
            match item {
                BoundItem::Variable(variable) => columns.extend(self.columns(variable, rows).into_iter().map(column)),
                BoundItem::Value { value, variable } => columns.push(self.value(value)?.alias(variable)),
            }
        }
        Ok(columns)
    }

    /// Groups rows by the items that are no aggregates.
    fn grouped(&self, rows: LogicalPlan, items: &[BoundItem]) -> PlanResult<LogicalPlan> {
        let (mut keys, mut computed, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                BoundItem::Variable(variable) => {
                    let passed = self.columns(variable, &rows);
                    keys.extend(passed.iter().map(column));
                    columns.extend(passed.iter().map(column));
                }
                BoundItem::Value { value, variable } => match &value.kind {
                    ValueKind::Aggregate { function, distinct, argument } => {
                        let parts = self.aggregate(*function, *distinct, argument.as_deref(), value, variable)?;
                        computed.extend(parts.computed);
                        columns.push(parts.result.alias(variable));
                    }
                    _ => {
                        keys.push(self.value(value)?.alias(variable));
                        columns.push(column(variable));
                    }
                },
            }
        }
        LogicalPlanBuilder::from(rows).aggregate(keys, computed)?.project(columns)?.build()
    }

    /// An aggregate, as those of DataFusion and what is made of their results.
    fn aggregate(
        &self,
        function: Aggregate,
        distinct: bool,
        argument: Option<&Value>,
        whole: &Value,
        variable: &str,
    ) -> PlanResult<Parts> {
        let Some(argument) = argument else { return Ok(Parts::of(count_star(), variable)) };
        let floating = argument.sql_type == Some(SqlType::Double);
        let value = self.value(argument)?;
        let call = |function, value| aggregate(function, value, distinct, None);
        let named = |name: &str| self.ground.functions.udaf(name);
        Ok(match function {
            Aggregate::Count => Parts::of(call(count_udaf(), value), variable),
            Aggregate::Minimum => Parts::of(call(min_udaf(), value), variable),
            Aggregate::Maximum => Parts::of(call(max_udaf(), value), variable),
            Aggregate::Sum => {
                let parts = Parts::of(call(named("sum")?, value), variable);
                let (zero, sum) = match floating {
                    true => (typed_literal(&SqlType::Double, ScalarValue::Float64(Some(0.0))), parts.result),
                    false => (
                        typed_literal(&SqlType::BigInt, ScalarValue::Int64(Some(0))),
                        cast(parts.result, &TOTAL, &SqlType::BigInt, CastContext::Explicit)?,
                    ),
                };
                let result = datafusion::functions::expr_fn::coalesce(vec![sum, zero]);
                Parts { result, computed: parts.computed }
            }
            Aggregate::Average if floating => Parts::of(call(named("avg")?, value), variable),
            // Exact until the division, which is that of floating point numbers.
            Aggregate::Average => {
                let sum = Parts::of(call(named("sum")?, value.clone()), &format!("{variable}?sum"));
                let count = Parts::of(call(count_udaf(), value), &format!("{variable}?count"));
                let total = cast(sum.result, &TOTAL, &SqlType::Double, CastContext::Explicit)?;
                let count_as_double = cast(count.result, &SqlType::BigInt, &SqlType::Double, CastContext::Explicit)?;
                let result = Ieee::arithmetic(Arithmetic::Divide, total, count_as_double);
                Parts { result, computed: sum.computed.into_iter().chain(count.computed).collect() }
            }
            Aggregate::Collect => {
                let known = value.clone().is_not_null();
                let parts = Parts::of(aggregate(array_agg_udaf(), value, distinct, Some(known)), variable);
                let empty = empty_list(whole.sql_type.as_ref())?;
                let result = datafusion::functions::expr_fn::coalesce(vec![parts.result, empty]);
                Parts { result, computed: parts.computed }
            }
        })
    }
}

/// What `sum` makes of bigints.
pub(super) const TOTAL: SqlType = SqlType::Numeric { precision: 38, scale: 0 };

/// Aggregates of DataFusion, and an expression over their columns.
struct Parts {
    computed: Vec<Expr>,
    result: Expr,
}

impl Parts {
    fn of(aggregate: Expr, name: &str) -> Parts {
        let name = format!("{name}?total");
        Parts { result: column(&name), computed: vec![aggregate.alias(name)] }
    }
}

fn count_star() -> Expr {
    aggregates::count(datafusion::logical_expr::lit(1_i64))
}

fn aggregate(function: std::sync::Arc<AggregateUDF>, value: Expr, distinct: bool, filter: Option<Expr>) -> Expr {
    let filter = filter.map(Box::new);
    Expr::AggregateFunction(AggregateFunction::new_udf(function, vec![value], distinct, filter, Vec::new(), None))
}

fn is_aggregate(item: &BoundItem) -> bool {
    matches!(item, BoundItem::Value { value, .. } if value.has_aggregate())
}

/// What an item computes, for a value that is the item's variable.
fn computed(items: &[BoundItem], value: &Value) -> Option<Value> {
    let ValueKind::Variable { name, .. } = &value.kind else { return None };
    items.iter().find_map(|item| match item {
        BoundItem::Value { value, variable } if variable == name => Some(value.clone()),
        _ => None,
    })
}

/// NULL is larger than everything.
fn sort(value: Expr, descending: bool) -> SortExpr {
    value.sort(!descending, descending)
}

/// The rows under the names and types that the query promises.
pub(super) fn outputs(rows: LogicalPlan, projection: &BoundProjection, outputs: &[Output]) -> PlanResult<LogicalPlan> {
    let mut columns = Vec::with_capacity(outputs.len());
    for (item, output) in projection.items.iter().zip(outputs) {
        let field = output.sql_type.field(&output.name, true);
        let found = rows.schema().field_with_unqualified_name(item.variable())?;
        let value = column(item.variable());
        let value = match found.data_type() == field.data_type() {
            true => value,
            false => Expr::Cast(Cast::new(Box::new(value), field.data_type().clone())),
        };
        columns.push(value.alias_with_metadata(&output.name, Some(FieldMetadata::from(&field))));
    }
    LogicalPlanBuilder::from(rows).project(columns)?.build()
}
