//! Dates, times and durations: made from strings ([`iso`]), maps ([`fields`]) and each other, taken apart, and added.
//!
//! They are SQL's types, with microseconds: `datetime` is `timestamptz`, a point in time without a memory of its zone; a time
//! of day has no zone.

mod duration;
mod fields;
mod iso;
mod parts;

use arrow::datatypes::IntervalMonthDayNano;
use chrono::{Days, Months, NaiveDate, NaiveDateTime};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;
use slipstream_graph_language::syntax::Arithmetic;

pub(super) use self::parts::component;
use super::{Dynamic, mismatch};

/// Microseconds in a second, in a day, and nanoseconds in a microsecond.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const NANOS: i64 = 1_000;

/// A constructor. `now` is in microseconds since 1970.
pub(super) fn call(function: Function, arguments: &[Dynamic], now: i64) -> Result<Dynamic> {
    match (function, arguments) {
        (Function::Timestamp, _) => Ok(Dynamic::Integer(now / 1000)),
        (Function::DurationBetween, [from, to]) => duration::between(from, to),
        (Function::Duration, [argument]) => duration::of(argument),
        (_, []) => of_instant(function, &Dynamic::TimestampTz(now)),
        (_, [Dynamic::String(text)]) => iso::parse(function, text),
        (_, [Dynamic::Map(map)]) => fields::of_map(function, map, now),
        (_, [value]) => of_instant(function, value),
        _ => Err(Error::internal(format!("arguments of {}", function.name()))),
    }
}

/// A date or time from another one, of which it takes a part.
fn of_instant(function: Function, value: &Dynamic) -> Result<Dynamic> {
    let refuse = || mismatch(function.name(), "a string, a map, or a date or time", value);
    match function {
        Function::Date => Ok(Dynamic::Date(day_of(value).ok_or_else(refuse)?)),
        Function::Time | Function::LocalTime => Ok(Dynamic::Time(time_of(value).ok_or_else(refuse)?)),
        Function::LocalDateTime => Ok(Dynamic::Timestamp(micros_of(value).ok_or_else(refuse)?)),
        Function::DateTime => Ok(Dynamic::TimestampTz(micros_of(value).ok_or_else(refuse)?)),
        _ => Err(Error::internal(format!("{} as a constructor", function.name()))),
    }
}

/// The day of a value that has one, since 1970.
fn day_of(value: &Dynamic) -> Option<i32> {
    match value {
        Dynamic::Date(days) => Some(*days),
        Dynamic::Timestamp(micros) | Dynamic::TimestampTz(micros) => i32::try_from(micros.div_euclid(DAY)).ok(),
        _ => None,
    }
}

/// The time of day of a value that has one.
fn time_of(value: &Dynamic) -> Option<i64> {
    match value {
        Dynamic::Time(micros) => Some(*micros),
        Dynamic::Timestamp(micros) | Dynamic::TimestampTz(micros) => Some(micros.rem_euclid(DAY)),
        _ => None,
    }
}

/// A date and time, of a day its beginning.
fn micros_of(value: &Dynamic) -> Option<i64> {
    match value {
        Dynamic::Date(days) => i64::from(*days).checked_mul(DAY),
        Dynamic::Timestamp(micros) | Dynamic::TimestampTz(micros) => Some(*micros),
        _ => None,
    }
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(days)
}

fn days(date: NaiveDate) -> i32 {
    date.to_epoch_days()
}

fn instant(micros: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc())
}

fn overflow() -> Error {
    Error::new(ErrorKind::DatetimeOverflow, "date or time out of range")
}

/// An operator with a date, a time or a duration; `None` where there is none.
pub(super) fn arithmetic(operator: Arithmetic, left: &Dynamic, right: &Dynamic) -> Option<Result<Dynamic>> {
    use Dynamic::Interval;
    let result = match (operator, left, right) {
        (Arithmetic::Add, Interval(left), Interval(right)) => duration::sum(left, right, 1),
        (Arithmetic::Subtract, Interval(left), Interval(right)) => duration::sum(left, right, -1),
        (Arithmetic::Add, Interval(interval), when) | (Arithmetic::Add, when, Interval(interval)) => {
            if matches!(when, Dynamic::Integer(_) | Dynamic::Float(_) | Dynamic::Numeric(_)) {
                return None;
            }
            moved(when, interval, 1)?
        }
        (Arithmetic::Subtract, when, Interval(interval)) => moved(when, interval, -1)?,
        (Arithmetic::Multiply, Interval(interval), factor) | (Arithmetic::Multiply, factor, Interval(interval)) => {
            duration::scaled(interval, factor.as_float()?)
        }
        (Arithmetic::Divide, Interval(interval), divisor) => duration::scaled(interval, 1.0 / divisor.as_float()?),
        _ => return None,
    };
    Some(result)
}

/// A date or time, a duration later or earlier. A date takes only the whole days of a duration.
fn moved(when: &Dynamic, by: &IntervalMonthDayNano, sign: i32) -> Option<Result<Dynamic>> {
    let micros = by.nanoseconds / NANOS * i64::from(sign);
    let result = match when {
        Dynamic::Date(day) => {
            let whole = i32::try_from(micros / DAY).ok();
            whole.and_then(|whole| moved_day(*day, by, sign)?.checked_add(whole)).map(Dynamic::Date)
        }
        Dynamic::Time(time) => Some(Dynamic::Time((time + micros % DAY).rem_euclid(DAY))),
        Dynamic::Timestamp(instant) => moved_instant(*instant, by, sign, micros).map(Dynamic::Timestamp),
        Dynamic::TimestampTz(instant) => moved_instant(*instant, by, sign, micros).map(Dynamic::TimestampTz),
        _ => return None,
    };
    Some(result.ok_or_else(overflow))
}

fn moved_instant(instant: i64, by: &IntervalMonthDayNano, sign: i32, micros: i64) -> Option<i64> {
    let day = i32::try_from(instant.div_euclid(DAY)).ok()?;
    let day = i64::from(moved_day(day, by, sign)?);
    day.checked_mul(DAY)?.checked_add(instant.rem_euclid(DAY))?.checked_add(micros)
}

fn moved_day(day: i32, by: &IntervalMonthDayNano, sign: i32) -> Option<i32> {
    let (months, more) = (by.months.checked_mul(sign)?, by.days.checked_mul(sign)?);
    let day = date(day)?;
    let day = match months {
        months if months < 0 => day.checked_sub_months(Months::new(months.unsigned_abs()))?,
        months => day.checked_add_months(Months::new(months.unsigned_abs()))?,
    };
    let day = match more {
        more if more < 0 => day.checked_sub_days(Days::new(u64::from(more.unsigned_abs())))?,
        more => day.checked_add_days(Days::new(u64::from(more.unsigned_abs())))?,
    };
    Some(days(day))
}
