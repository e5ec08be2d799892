//! Dates and times from maps of their parts: `date({year: 2024, month: 2, day: 29})`.

use chrono::{Datelike, Days, NaiveDate, Timelike};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;

use super::{DAY, SECOND, date, day_of, days, iso, overflow, time_of};
use crate::graph::value::{Dynamic, Map, mismatch};

/// Members that say a day, by the way in which they do.
const DATE: &[&str] = &["year", "month", "day", "week", "dayOfWeek", "ordinalDay", "quarter", "dayOfQuarter"];
/// Members that say a time of day.
const TIME: &[&str] = &["hour", "minute", "second", "millisecond", "microsecond", "nanosecond"];
/// Members that are another date or time of which parts are taken, and the zone.
const OTHER: &[&str] = &["date", "time", "datetime", "timezone", "epochSeconds", "epochMillis"];

/// What a constructor makes of a map.
pub(super) fn of_map(function: Function, map: &Map, now: i64) -> Result<Dynamic> {
    let (dated, timed) = match function {
        Function::Date => (true, false),
        Function::Time | Function::LocalTime => (false, true),
        _ => (true, true),
    };
    for name in map.keys() {
        let known = dated && DATE.contains(&name.as_str())
            || timed && TIME.contains(&name.as_str())
            || OTHER.contains(&name.as_str());
        if !known {
            return Err(Error::new(ErrorKind::InvalidParameter, format!("{} has no \"{name}\"", function.name())));
        }
    }
    let zone = match map.get("timezone") {
        None => None,
        Some(Dynamic::String(zone)) => Some(zone.as_str()),
        Some(other) => return Err(mismatch("timezone", "a string", other)),
    };
    if let Some(instant) = epoch(map)? {
        return match function {
            Function::DateTime => Ok(Dynamic::TimestampTz(instant)),
            _ => super::of_instant(function, &Dynamic::TimestampTz(instant)),
        };
    }
    let day = if dated { i64::from(day(map, function)?) } else { 0 };
    let time = if timed { time(map)? } else { 0 };
    let local = day.checked_mul(DAY).and_then(|day| day.checked_add(time)).ok_or_else(overflow)?;
    match function {
        Function::Date => i32::try_from(day).map(Dynamic::Date).map_err(|_| overflow()),
        Function::Time | Function::LocalTime => match zone {
            Some(zone) if iso::offset(zone, now) != Some(0) => {
                Err(Error::not_supported("a time of day with a time zone is not supported")
                    .with_hint("Use datetime, or a time without a zone."))
            }
            _ => Ok(Dynamic::Time(time)),
        },
        Function::LocalDateTime => Ok(Dynamic::Timestamp(local)),
        _ => {
            let shift = zone.map_or(Some(0), |zone| iso::offset(zone, local)).ok_or_else(|| {
                Error::new(ErrorKind::InvalidParameter, format!("time zone \"{}\" is not known", zone.unwrap_or("")))
            })?;
            Ok(Dynamic::TimestampTz(local - shift))
        }
    }
}

fn epoch(map: &Map) -> Result<Option<i64>> {
    let scaled = |name: &str, scale: i64| match number(map, name)? {
        None => Ok(None),
        Some(number) => number.checked_mul(scale).map(Some).ok_or_else(overflow),
    };
    match scaled("epochSeconds", SECOND)? {
        Some(seconds) => Ok(Some(seconds + number(map, "nanosecond")?.unwrap_or(0) / 1000)),
        None => scaled("epochMillis", 1000),
    }
}

fn number(map: &Map, name: &str) -> Result<Option<i64>> {
    match map.get(name) {
        None => Ok(None),
        Some(Dynamic::Integer(number)) => Ok(Some(*number)),
        Some(other) => Err(mismatch(name, "a whole number", other)),
    }
}

/// The day that a map says, since 1970.
fn day(map: &Map, function: Function) -> Result<i32> {
    let base = ["date", "datetime"]
        .iter()
        .find_map(|name| map.get(*name))
        .map(|base| day_of(base).and_then(date).ok_or_else(|| mismatch(function.name(), "a date", base)));
    let base = base.transpose()?;
    let part = |name: &str| number(map, name);
    let invalid = || Error::new(ErrorKind::InvalidDatetime, format!("no such day for {}", function.name()));
    let narrow = |number: i64| u32::try_from(number).map_err(|_| invalid());
    let year = match (part("year")?, base) {
        (Some(year), _) => i32::try_from(year).map_err(|_| invalid())?,
        (None, Some(base)) if map.contains_key("week") => base.iso_week().year(),
        (None, Some(base)) => base.year(),
        (None, None) => {
            return Err(Error::new(ErrorKind::InvalidParameter, format!("{} needs a year", function.name())));
        }
    };
    let found = if let Some(week) = part("week")? {
        let weekday =
            part("dayOfWeek")?.map_or(Ok(base.map_or(1, |base| base.weekday().number_from_monday())), narrow)?;
        iso::weekday(weekday).and_then(|weekday| NaiveDate::from_isoywd_opt(year, u32::try_from(week).ok()?, weekday))
    } else if let Some(ordinal) = part("ordinalDay")? {
        NaiveDate::from_yo_opt(year, narrow(ordinal)?)
    } else if let Some(quarter) = part("quarter")? {
        let start = NaiveDate::from_ymd_opt(year, narrow(quarter)?.saturating_sub(1) * 3 + 1, 1);
        let ahead = match (part("dayOfQuarter")?, base) {
            (Some(day), _) => narrow(day)?.saturating_sub(1),
            (None, Some(base)) => iso::quarter_start(base).map_or(0, |start| (base - start).num_days() as u32),
            (None, None) => 0,
        };
        start.and_then(|start| start.checked_add_days(Days::new(u64::from(ahead))))
    } else {
        let month = part("month")?.map_or(Ok(base.map_or(1, |base| base.month())), narrow)?;
        let day = part("day")?.map_or(Ok(base.map_or(1, |base| base.day())), narrow)?;
        NaiveDate::from_ymd_opt(year, month, day)
    };
    found.map(days).ok_or_else(invalid)
}

/// The time of day that a map says, in microseconds.
fn time(map: &Map) -> Result<i64> {
    let base = ["time", "datetime"]
        .iter()
        .find_map(|name| map.get(*name))
        .map(|base| time_of(base).ok_or_else(|| mismatch("a constructor", "a time", base)));
    let base = base.transpose()?.unwrap_or(0);
    let base_time =
        chrono::NaiveTime::from_num_seconds_from_midnight_opt((base / SECOND) as u32, 0).unwrap_or_default();
    let part = |name: &str, most: i64, missing: i64| match number(map, name)? {
        None => Ok(missing),
        Some(number) if (0..=most).contains(&number) => Ok(number),
        Some(number) => {
            Err(Error::new(ErrorKind::InvalidDatetime, format!("{name} must be between 0 and {most}, not {number}")))
        }
    };
    let hour = part("hour", 23, i64::from(base_time.hour()))?;
    let minute = part("minute", 59, i64::from(base_time.minute()))?;
    let second = part("second", 59, i64::from(base_time.second()))?;
    let finer = ["millisecond", "microsecond", "nanosecond"].iter().any(|name| map.contains_key(*name));
    let micros = if finer {
        part("millisecond", 999, 0)? * 1000
            + part("microsecond", 999_999, 0)?
            + part("nanosecond", 999_999_999, 0)? / 1000
    } else {
        base % SECOND
    };
    Ok((hour * 3600 + minute * 60 + second) * SECOND + micros)
}
