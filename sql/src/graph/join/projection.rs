//! WITH and RETURN.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::DFSchema;
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
use super::{Lowering, column, extended, names};
use crate::error::from_datafusion;
use crate::graph::value::Dynamic;
use crate::graph::value::aggregate::{DynamicAggregate, fraction as aggregate_fraction};
use crate::graph::value::function::Result as Computed;
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
            let key = self.key_of(self.value(&value)?, value.sql_type.as_ref());
            keys.push((key.alias(format!("?order{at}")), *descending));
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
            true => self.distinct_rows(rows, &dynamic_columns(&projection.items))?,
            false => rows,
        };
        let order = projection.order.iter().map(|(value, descending)| {
            let key = self.key_of(self.value(value)?, value.sql_type.as_ref());
            Ok(sort(key, *descending))
        });
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
        let number = match self.constant(value).map_err(from_datafusion)? {
            Dynamic::Integer(number) => Some(number),
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
                    ValueKind::Aggregate { function, distinct, argument, fraction } => {
                        let parts = match argument.as_deref() {
                            Some(argument) if needs_program(*function, argument) => {
                                let call = self.dynamic_aggregate(value, *distinct, argument, fraction.as_deref())?;
                                Parts::of(call, variable)
                            }
                            argument => self.aggregate(*function, *distinct, argument, value, variable)?,
                        };
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
        let dynamic = dynamic_columns(items);
        if dynamic.is_empty() {
            return LogicalPlanBuilder::from(rows).aggregate(keys, computed)?.project(columns)?.build();
        }
        // Grouped by bytes that are made of them; for that they must be columns.
        let names: Vec<String> = keys.iter().map(|key| key.schema_name().to_string()).collect();
        let rows = extended(rows, keys.into_iter().filter(|key| !matches!(key, Expr::Column(_))))?;
        let rows = self.distinct_by(rows, &names, &dynamic, computed)?;
        LogicalPlanBuilder::from(rows).project(columns)?.build()
    }

    /// An aggregate of dynamic values, or one that DataFusion has not.
    fn dynamic_aggregate(
        &self,
        whole: &Value,
        distinct: bool,
        argument: &Value,
        fraction: Option<&Value>,
    ) -> PlanResult<Expr> {
        let ValueKind::Aggregate { function, .. } = &whole.kind else {
            return Err(Error::internal("an aggregate that is none").into());
        };
        let returns = whole.sql_type.clone().unwrap_or(SqlType::Jsonb);
        let sql_type = argument.sql_type.clone().unwrap_or(SqlType::Jsonb);
        let fraction = fraction.map(|fraction| self.fraction(fraction)).transpose()?;
        let value = self.value(argument)?;
        Ok(DynamicAggregate::call(*function, distinct, fraction, (value, sql_type), returns))
    }

    /// The percentile that is asked.
    fn fraction(&self, value: &Value) -> PlanResult<f64> {
        Ok(aggregate_fraction(&self.constant(value)?)?)
    }

    /// The value of an expression that is the same for all rows.
    fn constant(&self, value: &Value) -> PlanResult<Dynamic> {
        let sql_type = value.sql_type.clone().unwrap_or(SqlType::Jsonb);
        let value = self.value(value)?;
        let computed = self.ground.functions.create_physical_expr(value, &DFSchema::empty())?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        let value = computed.evaluate(&row)?.into_array(1)?;
        Ok(Dynamic::of_typed(&sql_type, &ScalarValue::try_from_array(&value, 0)?)?)
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
            Aggregate::StandardDeviation
            | Aggregate::PopulationDeviation
            | Aggregate::PercentileContinuous
            | Aggregate::PercentileDiscrete => {
                return Err(Error::internal("an aggregate that needs a program").into());
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

fn aggregate(function: Arc<AggregateUDF>, value: Expr, distinct: bool, filter: Option<Expr>) -> Expr {
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

/// Whether an aggregate is computed by openCypher's rules for values of any type.
fn needs_program(function: Aggregate, argument: &Value) -> bool {
    let dynamic = matches!(argument.sql_type, Some(SqlType::Jsonb | SqlType::Array(_) | SqlType::Interval));
    let unknown = matches!(
        function,
        Aggregate::StandardDeviation
            | Aggregate::PopulationDeviation
            | Aggregate::PercentileContinuous
            | Aggregate::PercentileDiscrete
    );
    dynamic || unknown
}

/// The columns of items whose values are told apart by openCypher's rules for values of any type.
fn dynamic_columns(items: &[BoundItem]) -> Vec<(String, SqlType)> {
    let dynamic = |item: &BoundItem| match item {
        BoundItem::Value { value, variable } if !matches!(value.kind, ValueKind::Aggregate { .. }) => {
            match value.sql_type.clone()? {
                sql_type @ (SqlType::Jsonb | SqlType::Array(_) | SqlType::Interval) => {
                    Some((variable.clone(), sql_type))
                }
                _ => None,
            }
        }
        _ => None,
    };
    items.iter().filter_map(dynamic).collect()
}

/// The columns of a result whose values are told apart by openCypher's rules.
pub(super) fn dynamic_outputs(outputs: &[Output]) -> Vec<(String, SqlType)> {
    let dynamic = |output: &&Output| matches!(output.sql_type, SqlType::Jsonb | SqlType::Array(_) | SqlType::Interval);
    outputs.iter().filter(dynamic).map(|output| (output.name.clone(), output.sql_type.clone())).collect()
}

/// Rows whose columns say the types that the query promises.
pub(super) fn named_outputs(rows: LogicalPlan, outputs: &[Output]) -> PlanResult<LogicalPlan> {
    let columns = outputs.iter().map(|output| {
        let field = output.sql_type.field(&output.name, true);
        column(&output.name).alias_with_metadata(&output.name, Some(FieldMetadata::from(&field)))
    });
    let columns: Vec<Expr> = columns.collect();
    LogicalPlanBuilder::from(rows).project(columns)?.build()
}

impl Lowering<'_> {
    /// The rows under the names and types that the query promises. `results` are what each column is.
    pub(super) fn outputs(&self, rows: LogicalPlan, results: &[Value], outputs: &[Output]) -> PlanResult<LogicalPlan> {
        let mut columns = Vec::with_capacity(outputs.len());
        for (result, output) in results.iter().zip(outputs) {
            let field = output.sql_type.field(&output.name, true);
            let value = match &result.kind {
                ValueKind::Whole(_) => self.evaluated(result, Computed::Client)?,
                ValueKind::Cast(value) => self.for_client(self.value(value)?),
                _ => self.value(result)?,
            };
            let value = match &value {
                Expr::Column(found) => {
                    let found = rows.schema().field_with_unqualified_name(&found.name)?;
                    match found.data_type() == field.data_type() {
                        true => value,
                        false => Expr::Cast(Cast::new(Box::new(value), field.data_type().clone())),
                    }
                }
                _ => value,
            };
            columns.push(value.alias_with_metadata(&output.name, Some(FieldMetadata::from(&field))));
        }
        LogicalPlanBuilder::from(rows).project(columns)?.build()
    }
}
