//! The parts of dates, times and durations: `x.year`.

use arrow::datatypes::IntervalMonthDayNano;
use chrono::Datelike;
use slipstream_engine::{Error, ErrorKind, Result};

use super::{SECOND, date, day_of, iso, time_of};
use crate::graph::value::Dynamic;

/// A part of a date, a time or a duration; `None` for any other value.
pub(in crate::graph::value) fn component(value: &Dynamic, name: &str) -> Option<Result<Dynamic>> {
    let found = match value {
        Dynamic::Interval(interval) => of_duration(interval, name).map(Dynamic::Integer),
        Dynamic::Date(_) | Dynamic::Time(_) | Dynamic::Timestamp(_) => of_instant(value, name),
        Dynamic::TimestampTz(micros) => match name {
            "timezone" | "offset" => Some(Dynamic::from("Z")),
            "offsetMinutes" | "offsetSeconds" => Some(Dynamic::Integer(0)),
            "epochSeconds" => Some(Dynamic::Integer(micros.div_euclid(SECOND))),
            "epochMillis" => Some(Dynamic::Integer(micros.div_euclid(1000))),
            name => of_instant(value, name),
        },
        _ => return None,
    };
    Some(found.ok_or_else(|| Error::new(ErrorKind::UndefinedColumn, format!("{} has no \"{name}\"", value.kind()))))
}

fn of_instant(value: &Dynamic, name: &str) -> Option<Dynamic> {
    let of_day = || day_of(value).and_then(date).and_then(|day| of_date(day, name));
    let of_time = || time_of(value).and_then(|time| of_time(time, name));
    of_day().or_else(of_time).map(Dynamic::Integer)
}

fn of_date(day: chrono::NaiveDate, name: &str) -> Option<i64> {
    Some(match name {
        "year" => i64::from(day.year()),
        "quarter" => i64::from(day.month0() / 3 + 1),
        "month" => i64::from(day.month()),
        "week" => i64::from(day.iso_week().week()),
        "weekYear" => i64::from(day.iso_week().year()),
        "day" => i64::from(day.day()),
        "ordinalDay" => i64::from(day.ordinal()),
        "dayOfWeek" | "weekDay" => i64::from(day.weekday().number_from_monday()),
        "dayOfQuarter" => (day - iso::quarter_start(day)?).num_days() + 1,
        _ => return None,
    })
}

fn of_time(time: i64, name: &str) -> Option<i64> {
    Some(match name {
        "hour" => time / (3600 * SECOND),
        "minute" => time / (60 * SECOND) % 60,
        "second" => time / SECOND % 60,
        "millisecond" => time % SECOND / 1000,
        "microsecond" => time % SECOND,
        "nanosecond" => time % SECOND * 1000,
        _ => return None,
    })
}

fn of_duration(interval: &IntervalMonthDayNano, name: &str) -> Option<i64> {
    let (months, days) = (i64::from(interval.months), i64::from(interval.days));
    let nanos = interval.nanoseconds;
    let seconds = nanos.div_euclid(1_000_000_000);
    let rest = nanos.rem_euclid(1_000_000_000);
    Some(match name {
        "years" => months / 12,
        "quarters" => months / 3,
        "months" => months,
        "weeks" => days / 7,
        "days" => days,
        "hours" => seconds / 3600,
        "minutes" => seconds / 60,
        "seconds" => seconds,
        "milliseconds" => nanos / 1_000_000,
        "microseconds" => nanos / 1000,
        "nanoseconds" => nanos,
        "quartersOfYear" => months / 3 % 4,
        "monthsOfYear" => months % 12,
        "monthsOfQuarter" => months % 3,
        "daysOfWeek" => days % 7,
        "minutesOfHour" => seconds / 60 % 60,
        "secondsOfMinute" => seconds % 60,
        "millisecondsOfSecond" => rest / 1_000_000,
        "microsecondsOfSecond" => rest / 1000,
        "nanosecondsOfSecond" => rest,
        _ => return None,
    })
}
