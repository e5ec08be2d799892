//! Aggregates of dynamic values, and those that SQL has not.
//!
//! `min` and `max` go by the order of all values, `sum` and `avg` take numbers of any kind and durations, `collect` makes a
//! list. Percentiles and standard deviations need all values of a group; so does whatever is DISTINCT.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Expr, Signature, Volatility};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::bound::Aggregate;
use slipstream_graph_language::syntax::Arithmetic;

use super::column::{Builder, Reader};
use super::json::{self, Form};
use super::{Dynamic, mismatch, number, order};

/// An aggregate of one column.
#[derive(Debug, Clone)]
pub(crate) struct DynamicAggregate {
    function: Aggregate,
    distinct: bool,
    /// The percentile, where one is wanted.
    fraction: Option<f64>,
    /// Whether NULLs are collected too.
    with_nulls: bool,
    argument: SqlType,
    returns: SqlType,
    signature: Signature,
}

impl DynamicAggregate {
    /// The expression of an aggregate.
    pub(crate) fn call(
        function: Aggregate,
        distinct: bool,
        fraction: Option<f64>,
        argument: (Expr, SqlType),
        returns: SqlType,
    ) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        let (value, argument) = argument;
        let with_nulls = false;
        DynamicAggregate { function, distinct, fraction, with_nulls, argument, returns, signature }.of(value)
    }

    /// A list of all values, NULLs among them.
    pub(crate) fn collect_all(argument: (Expr, SqlType), returns: SqlType) -> Expr {
        let (value, argument) = argument;
        DynamicAggregate {
            function: Aggregate::Collect,
            distinct: false,
            fraction: None,
            with_nulls: true,
            argument,
            returns,
            signature: Signature::any(1, Volatility::Immutable),
        }
        .of(value)
    }

    fn of(self, value: Expr) -> Expr {
        let function = std::sync::Arc::new(AggregateUDF::from(self));
        Expr::AggregateFunction(AggregateFunction::new_udf(function, vec![value], false, None, Vec::new(), None))
    }

    fn identity(&self) -> (Aggregate, [bool; 2], Option<u64>, &SqlType, &SqlType) {
        let flags = [self.distinct, self.with_nulls];
        (self.function, flags, self.fraction.map(f64::to_bits), &self.argument, &self.returns)
    }
}

impl PartialEq for DynamicAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for DynamicAggregate {}

impl Hash for DynamicAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl AggregateUDFImpl for DynamicAggregate {
    fn name(&self) -> &str {
        match self.function {
            Aggregate::Count => "cypher_count",
            Aggregate::Sum => "cypher_sum",
            Aggregate::Average => "cypher_avg",
            Aggregate::Minimum => "cypher_min",
            Aggregate::Maximum => "cypher_max",
            Aggregate::Collect => "cypher_collect",
            Aggregate::StandardDeviation => "cypher_stdev",
            Aggregate::PopulationDeviation => "cypher_stdevp",
            Aggregate::PercentileContinuous => "cypher_percentile_cont",
            Aggregate::PercentileDiscrete => "cypher_percentile_disc",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.returns.arrow_type())
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered { of: self.clone(), values: Vec::new(), seen: HashSet::new(), bytes: 0 }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        Ok(vec![std::sync::Arc::new(Field::new(format!("{}?state", args.name), DataType::Utf8, true))])
    }
}

/// The values so far; where the result needs no more of them than one, that.
#[derive(Debug)]
struct Gathered {
    of: DynamicAggregate,
    values: Vec<Dynamic>,
    seen: HashSet<Vec<u8>>,
    bytes: usize,
}

impl Gathered {
    fn add(&mut self, value: Dynamic) -> Result<()> {
        if value.is_null() && !self.of.with_nulls {
            return Ok(());
        }
        if self.of.distinct {
            let key = order::key(&value);
            self.bytes += key.len() + size_of::<Vec<u8>>();
            if !self.seen.insert(key) {
                return Ok(());
            }
        }
        let best = match (self.of.function, self.of.distinct, self.values.first()) {
            (Aggregate::Minimum, _, Some(best)) => order::key(&value) < order::key(best),
            (Aggregate::Maximum, _, Some(best)) => order::key(&value) > order::key(best),
            (Aggregate::Sum, false, Some(sum)) => {
                self.values[0] = number::arithmetic(Arithmetic::Add, sum.clone(), summand(value, "sum")?)?;
                return Ok(());
            }
            (Aggregate::Sum | Aggregate::Average, ..) => {
                self.push(summand(value, "sum or avg")?);
                return Ok(());
            }
            _ => {
                self.push(value);
                return Ok(());
            }
        };
        if best {
            self.values[0] = value;
        }
        Ok(())
    }

    fn push(&mut self, value: Dynamic) {
        // Roughly; what a value holds is not counted by any library.
        self.bytes += size_of::<Dynamic>() + 32;
        self.values.push(value);
    }

    fn result(&mut self) -> Result<Dynamic> {
        let values = std::mem::take(&mut self.values);
        let function = self.of.function;
        match function {
            Aggregate::Count => Ok(Dynamic::Integer(values.len() as i64)),
            Aggregate::Collect => Ok(Dynamic::List(values)),
            Aggregate::Minimum | Aggregate::Maximum => Ok(values.into_iter().next().unwrap_or(Dynamic::Null)),
            Aggregate::Sum => sum(values).map(|sum| sum.unwrap_or(Dynamic::Integer(0))),
            Aggregate::Average => {
                let count = Dynamic::Float(values.len() as f64);
                match sum(values)? {
                    None => Ok(Dynamic::Null),
                    Some(sum) => number::arithmetic(Arithmetic::Divide, sum, count),
                }
            }
            Aggregate::StandardDeviation | Aggregate::PopulationDeviation => {
                deviation(&numbers(&values)?, function == Aggregate::StandardDeviation)
            }
            Aggregate::PercentileContinuous => Ok(continuous(numbers(&values)?, self.of.fraction.unwrap_or_default())),
            Aggregate::PercentileDiscrete => {
                numbers(&values)?;
                Ok(discrete(values, self.of.fraction.unwrap_or_default()))
            }
        }
    }
}

fn summand(value: Dynamic, user: &str) -> Result<Dynamic> {
    match value {
        Dynamic::Integer(_) | Dynamic::Float(_) | Dynamic::Interval(_) => Ok(value),
        other => match other.as_float() {
            Some(number) => Ok(Dynamic::Float(number)),
            None => Err(mismatch(user, "numbers", &other)),
        },
    }
}

fn sum(values: Vec<Dynamic>) -> Result<Option<Dynamic>> {
    let mut values = values.into_iter();
    let Some(first) = values.next() else { return Ok(None) };
    values.try_fold(first, |sum, value| number::arithmetic(Arithmetic::Add, sum, value)).map(Some)
}

fn numbers(values: &[Dynamic]) -> Result<Vec<f64>> {
    let number = |value: &Dynamic| {
        value.as_float().ok_or_else(|| mismatch("a percentile or standard deviation", "numbers", value))
    };
    values.iter().map(number).collect()
}

fn deviation(numbers: &[f64], of_sample: bool) -> Result<Dynamic> {
    let count = numbers.len() as f64;
    let divisor = if of_sample { count - 1.0 } else { count };
    if divisor <= 0.0 {
        return Ok(Dynamic::Float(0.0));
    }
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    Ok(Dynamic::Float((squares / divisor).sqrt()))
}

/// Between the two values that a percentile lies between.
fn continuous(mut numbers: Vec<f64>, fraction: f64) -> Dynamic {
    numbers.sort_by(f64::total_cmp);
    let Some(last) = numbers.len().checked_sub(1) else { return Dynamic::Null };
    let place = fraction * last as f64;
    let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
    Dynamic::Float(below + (above - below) * place.fract())
}

/// The first value that so many are not above.
fn discrete(mut values: Vec<Dynamic>, fraction: f64) -> Dynamic {
    values.sort_by_cached_key(order::key);
    let place = (fraction * values.len() as f64).ceil() as usize;
    values.into_iter().nth(place.saturating_sub(1)).unwrap_or(Dynamic::Null)
}

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let [values] = values else { return Err(Error::internal("an aggregate takes one argument").into()) };
        let reader = Reader::new(&self.of.argument, values)?;
        for row in 0..values.len() {
            self.add(reader.value(row)?)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let mut builder = Builder::new(&self.of.returns, Form::Internal);
        builder.append(self.result()?)?;
        ScalarValue::try_from_array(&builder.finish(), 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let values = Dynamic::List(std::mem::take(&mut self.values));
        Ok(vec![ScalarValue::Utf8(Some(json::encode(&values, Form::Internal)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let states = states.first().ok_or_else(|| Error::internal("an aggregate without its state"))?;
        for state in states.as_string::<i32>().iter().flatten() {
            if let Dynamic::List(values) = json::decode(state)? {
                for value in values {
                    self.add(value)?;
                }
            }
        }
        Ok(())
    }
}

/// A percentile, which is between 0 and 1.
pub(crate) fn fraction(value: &Dynamic) -> Result<f64> {
    match value.as_float() {
        Some(fraction) if (0.0..=1.0).contains(&fraction) => Ok(fraction),
        Some(fraction) => {
            Err(Error::new(ErrorKind::NumericOutOfRange, format!("percentile value {fraction} is not between 0 and 1")))
        }
        None => Err(mismatch("a percentile", "a number", value)),
    }
}
