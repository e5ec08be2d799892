//! `age(a, b)`: the time from one timestamp to another in years, months and days as calendars count them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, Timelike};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use slipstream_engine::{Error, ErrorKind, Result};

use super::untyped_null;

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![ScalarUDF::from(Age { signature: Signature::any(2, Volatility::Immutable) })]
}

/// Its arguments are timestamps by the time that it runs ([`crate::operators::PostgresTyping`]).
#[derive(Debug, PartialEq, Eq, Hash)]
struct Age {
    signature: Signature,
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &str {
        "age"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        let [to, from] = arrays.as_slice() else { return Err(Error::internal("age takes two arguments").into()) };
        if to.data_type() != &timestamp || from.data_type() != &timestamp {
            return Err(Error::internal("age of other than timestamps").into());
        }
        let (to, from) =
            (to.as_primitive::<TimestampMicrosecondType>(), from.as_primitive::<TimestampMicrosecondType>());
        let mut ages = arrow::array::PrimitiveBuilder::<IntervalMonthDayNanoType>::with_capacity(to.len());
        for (to, from) in to.iter().zip(from) {
            ages.append_option(match (to, from) {
                (Some(to), Some(from)) => Some(age(to, from)?),
                _ => None,
            });
        }
        let ages: ArrayRef = Arc::new(ages.finish());
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&ages, 0)?),
            false => ColumnarValue::Array(ages),
        })
    }
}

fn age(to: i64, from: i64) -> Result<IntervalMonthDayNano> {
    let moment = |micros| {
        let moment = DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc());
        moment.ok_or_else(|| Error::new(ErrorKind::DatetimeOverflow, "timestamp out of range"))
    };
    let (to, from) = (moment(to)?, moment(from)?);
    let forward = between(to.max(from), to.min(from));
    Ok(match to < from {
        true => IntervalMonthDayNano::new(-forward.months, -forward.days, -forward.nanoseconds),
        false => forward,
    })
}

/// From the earlier to the later, field by field. Where days have to be borrowed, it is those of the earlier one's month.
fn between(later: NaiveDateTime, earlier: NaiveDateTime) -> IntervalMonthDayNano {
    let time = |moment: &NaiveDateTime| {
        i64::from(moment.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(moment.nanosecond())
    };
    let mut nanoseconds = time(&later) - time(&earlier);
    let mut days = later.day() as i32 - earlier.day() as i32;
    let mut months = (later.year() - earlier.year()) * 12 + later.month() as i32 - earlier.month() as i32;
    if nanoseconds < 0 {
        nanoseconds += 86_400_000_000_000;
        days -= 1;
    }
    if days < 0 {
        days += days_of_month(earlier.date());
        months -= 1;
    }
    IntervalMonthDayNano::new(months, days, nanoseconds)
}

fn days_of_month(date: NaiveDate) -> i32 {
    let first = date.with_day(1).unwrap_or(date);
    first.checked_add_months(Months::new(1)).map_or(31, |next| (next - first).num_days() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_those_of_postgres() {
        let micros = |text: &str| text.parse::<NaiveDateTime>().expect("a timestamp").and_utc().timestamp_micros();
        for (to, from, months, days, seconds) in [
            ("2001-04-10T00:00:00", "1957-06-13T00:00:00", 43 * 12 + 9, 27, 0),
            ("2001-04-10T12:00:00", "2001-04-11T13:01:01", 0, -1, -3661),
            ("2024-03-01T00:00:00", "2024-02-29T00:00:00", 0, 1, 0),
            ("2024-03-31T00:00:00", "2024-02-29T00:00:00", 1, 2, 0),
            ("2023-02-28T00:00:00", "2024-02-29T00:00:00", -12, -1, 0),
            ("2020-01-31T00:00:00", "2020-03-01T00:00:00", -1, -1, 0),
        ] {
            let expected = IntervalMonthDayNano::new(months, days, seconds * 1_000_000_000);
            assert_eq!(age(micros(to), micros(from)).expect("an age"), expected, "{to} and {from}");
        }
    }
}
