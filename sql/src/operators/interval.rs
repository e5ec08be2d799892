//! Operators of dates and intervals that Arrow does not have, or means otherwise.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, FieldRef, Float64Type, Int32Type, IntervalMonthDayNano,
    IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::arithmetic::Operation;
use crate::functions::untyped_null;

const MICROS_PER_DAY: i64 = 86_400_000_000;
const NANOS_PER_DAY: i128 = 86_400_000_000_000;
const DAYS_PER_MONTH: i128 = 30;

/// `date + integer` and `date - integer`.
pub(super) fn shift_date(operation: Operation, date: Expr, days: Expr) -> Expr {
    let function = if operation == Operation::Add { Function::DatePlusDays } else { Function::DateMinusDays };
    call(function, vec![date, days])
}

/// `date - date`, in days.
pub(super) fn days_between(left: Expr, right: Expr) -> Expr {
    call(Function::DaysBetween, vec![left, right])
}

/// `timestamp - timestamp`, in days and a time.
pub(super) fn time_between(left: Expr, right: Expr) -> Expr {
    call(Function::TimeBetween, vec![left, right])
}

/// `interval * double`.
pub(super) fn scale(interval: Expr, factor: Expr) -> Expr {
    call(Function::Scale, vec![interval, factor])
}

/// A number that orders intervals as Postgres does: a month is 30 days, a day is 24 hours.
pub(super) fn ordinal(interval: Expr) -> Expr {
    call(Function::Ordinal, vec![interval])
}

fn call(function: Function, args: Vec<Expr>) -> Expr {
    let signature = Signature::any(args.len(), Volatility::Immutable);
    ScalarUDF::from(DateOperator { function, signature }).call(args)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Function {
    DatePlusDays,
    DateMinusDays,
    DaysBetween,
    TimeBetween,
    Scale,
    Ordinal,
}

impl Function {
    fn result(self) -> SqlType {
        match self {
            Function::DatePlusDays | Function::DateMinusDays => SqlType::Date,
            Function::DaysBetween => SqlType::Integer,
            Function::TimeBetween | Function::Scale => SqlType::Interval,
            Function::Ordinal => SqlType::Numeric { precision: 38, scale: 0 },
        }
    }

    fn compute(self, args: &[ArrayRef]) -> Result<ArrayRef> {
        Ok(match (self, args) {
            (Function::DatePlusDays, [dates, days]) => {
                Arc::new(zip::<Date32Type, Int32Type, Date32Type>(dates, days, |date, days| {
                    date.checked_add(days).ok_or_else(date_out_of_range)
                })?)
            }
            (Function::DateMinusDays, [dates, days]) => {
                Arc::new(zip::<Date32Type, Int32Type, Date32Type>(dates, days, |date, days| {
                    date.checked_sub(days).ok_or_else(date_out_of_range)
                })?)
            }
            (Function::DaysBetween, [left, right]) => {
                Arc::new(zip::<Date32Type, Date32Type, Int32Type>(left, right, |left, right| {
                    left.checked_sub(right).ok_or_else(date_out_of_range)
                })?)
            }
            (Function::TimeBetween, [left, right]) => {
                Arc::new(zip::<TimestampMicrosecondType, TimestampMicrosecondType, IntervalMonthDayNanoType>(
                    left, right, between,
                )?)
            }
            (Function::Scale, [intervals, factors]) => {
                Arc::new(zip::<IntervalMonthDayNanoType, Float64Type, IntervalMonthDayNanoType>(
                    intervals, factors, scaled,
                )?)
            }
            (Function::Ordinal, [intervals]) => {
                let ordinals: PrimitiveArray<Decimal128Type> =
                    intervals.as_primitive::<IntervalMonthDayNanoType>().unary(|interval| {
                        let days = i128::from(interval.months) * DAYS_PER_MONTH + i128::from(interval.days);
                        days * NANOS_PER_DAY + i128::from(interval.nanoseconds)
                    });
                Arc::new(ordinals.with_data_type(self.result().arrow_type()))
            }
            _ => return Err(Error::internal("a date operator with the wrong number of arguments")),
        })
    }
}

fn date_out_of_range() -> Error {
    Error::new(ErrorKind::DatetimeOverflow, "date out of range")
}

fn interval_out_of_range() -> Error {
    Error::new(ErrorKind::DatetimeOverflow, "interval out of range")
}

fn between(left: i64, right: i64) -> Result<IntervalMonthDayNano> {
    let micros = left.checked_sub(right).ok_or_else(interval_out_of_range)?;
    let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| interval_out_of_range())?;
    Ok(IntervalMonthDayNano::new(0, days, (micros % MICROS_PER_DAY) * 1000))
}

/// An interval times a factor: fractions of a month become days, fractions of a day become time.
fn scaled(interval: IntervalMonthDayNano, factor: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * factor;
    let days = f64::from(interval.days) * factor + months.fract() * DAYS_PER_MONTH as f64;
    // Products like 0.1 * 30 miss the whole day they mean by less than this.
    let whole_days = if (days - days.round()).abs() < 1e-9 { days.round() } else { days.trunc() };
    let micros = (interval.nanoseconds / 1000) as f64 * factor + (days - whole_days) * MICROS_PER_DAY as f64;
    let fits = |value: f64, limit: f64| value.is_finite() && value.abs() < limit;
    if !fits(months, i32::MAX.into()) || !fits(days, i32::MAX.into()) || !fits(micros, 9.2e15) {
        return Err(interval_out_of_range());
    }
    Ok(IntervalMonthDayNano::new(months.trunc() as i32, whole_days as i32, micros.round() as i64 * 1000))
}

/// Applies a function to the rows where neither side is NULL.
fn zip<A: ArrowPrimitiveType, B: ArrowPrimitiveType, C: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    function: impl Fn(A::Native, B::Native) -> Result<C::Native>,
) -> Result<PrimitiveArray<C>> {
    let (left, right) = (left.as_primitive::<A>(), right.as_primitive::<B>());
    let mut results = PrimitiveArray::<C>::builder(left.len());
    for pair in left.iter().zip(right) {
        match pair {
            (Some(left), Some(right)) => results.append_value(function(left, right)?),
            _ => results.append_null(),
        }
    }
    Ok(results.finish())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateOperator {
    function: Function,
    signature: Signature,
}

impl ScalarUDFImpl for DateOperator {
    fn name(&self) -> &str {
        match self.function {
            Function::DatePlusDays => "date_plus_days",
            Function::DateMinusDays => "date_minus_days",
            Function::DaysBetween => "days_between",
            Function::TimeBetween => "time_between",
            Function::Scale => "interval_scale",
            Function::Ordinal => "interval_ordinal",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.function.result().arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(field_ref(self.name(), &self.function.result(), nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let result = self.function.compute(&arrays).map_err(DataFusionError::from)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}
