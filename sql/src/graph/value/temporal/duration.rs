//! Durations: months, days and nanoseconds, which do not convert into each other but for fractions.

use arrow::datatypes::IntervalMonthDayNano;
use slipstream_engine::{Error, ErrorKind, Result};

use super::{DAY, NANOS, day_of, micros_of, overflow, time_of};
use crate::graph::value::{Dynamic, Map, mismatch};

/// Days in a month on average, for fractions of months.
const MONTH_DAYS: f64 = 30.436_875;
/// Nanoseconds in a day and in a second.
const DAY_NANOS: f64 = 86_400e9;
const SECOND_NANOS: f64 = 1e9;

/// `duration(x)`: of a map or of ISO 8601's text, of which SQL's forms are read too.
pub(super) fn of(value: &Dynamic) -> Result<Dynamic> {
    match value {
        Dynamic::Interval(_) => Ok(value.clone()),
        Dynamic::Map(map) => of_map(map),
        Dynamic::String(text) => parse(text),
        other => Err(mismatch("duration", "a string or a map", other)),
    }
}

/// How much a unit is, in months, days and nanoseconds.
fn unit(name: &str) -> Option<[f64; 3]> {
    Some(match name {
        "years" => [12.0, 0.0, 0.0],
        "quarters" => [3.0, 0.0, 0.0],
        "months" => [1.0, 0.0, 0.0],
        "weeks" => [0.0, 7.0, 0.0],
        "days" => [0.0, 1.0, 0.0],
        "hours" => [0.0, 0.0, 3600.0 * SECOND_NANOS],
        "minutes" => [0.0, 0.0, 60.0 * SECOND_NANOS],
        "seconds" => [0.0, 0.0, SECOND_NANOS],
        "milliseconds" => [0.0, 0.0, 1e6],
        "microseconds" => [0.0, 0.0, 1e3],
        "nanoseconds" => [0.0, 0.0, 1.0],
        _ => return None,
    })
}

fn of_map(map: &Map) -> Result<Dynamic> {
    let mut sum = [0.0; 3];
    for (name, value) in map {
        let unit = unit(name).ok_or_else(|| {
            Error::new(ErrorKind::InvalidParameter, format!("a duration has no \"{name}\""))
                .with_hint("It has years, months, weeks, days, hours, minutes, seconds and their fractions.")
        })?;
        let number = value.as_float().ok_or_else(|| mismatch("a duration", "numbers", value))?;
        for (sum, unit) in sum.iter_mut().zip(unit) {
            *sum += number * unit;
        }
    }
    carried(sum)
}

/// A duration of parts that may have fractions: those of months are days, those of days a time.
fn carried([months, days, nanos]: [f64; 3]) -> Result<Dynamic> {
    let days = days + months.fract() * MONTH_DAYS;
    let nanos = nanos + (days.fract() * DAY_NANOS).round();
    let whole = |number: f64| (number.abs() <= f64::from(i32::MAX)).then_some(number.trunc() as i32);
    let (months, days) = whole(months).zip(whole(days)).ok_or_else(overflow)?;
    if nanos.abs() >= i64::MAX as f64 {
        return Err(overflow());
    }
    Ok(Dynamic::Interval(IntervalMonthDayNano::new(months, days, nanos.round() as i64)))
}

/// `P1Y2M3W4DT5H6M7.8S`, each number of which may have a fraction and a sign.
fn parse(text: &str) -> Result<Dynamic> {
    match parts(text.trim()) {
        Some(sum) => carried(sum),
        None => Ok(Dynamic::of_scalar(&crate::text::parse_scalar(&slipstream_engine::types::SqlType::Interval, text)?)
            .unwrap_or(Dynamic::Null)),
    }
}

fn parts(text: &str) -> Option<[f64; 3]> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (date, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let mut sum = [0.0; 3];
    let dates = [('Y', "years"), ('M', "months"), ('W', "weeks"), ('D', "days")];
    let times = [('H', "hours"), ('M', "minutes"), ('S', "seconds")];
    for (text, units) in [(date, &dates[..]), (time, &times[..])] {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let number: f64 = rest[..end].replace(',', ".").parse().ok()?;
            let letter = rest[end..].chars().next()?;
            let (_, name) = units.iter().find(|(known, _)| *known == letter)?;
            for (sum, unit) in sum.iter_mut().zip(unit(name)?) {
                *sum += sign * number * unit;
            }
            rest = &rest[end + 1..];
        }
    }
    Some(sum)
}

/// Two durations together, the second with a sign.
pub(super) fn sum(left: &IntervalMonthDayNano, right: &IntervalMonthDayNano, sign: i32) -> Result<Dynamic> {
    let added = || {
        Some(IntervalMonthDayNano::new(
            left.months.checked_add(right.months.checked_mul(sign)?)?,
            left.days.checked_add(right.days.checked_mul(sign)?)?,
            left.nanoseconds.checked_add(right.nanoseconds.checked_mul(i64::from(sign))?)?,
        ))
    };
    added().map(Dynamic::Interval).ok_or_else(overflow)
}

/// A duration several times, or a part of it.
pub(super) fn scaled(interval: &IntervalMonthDayNano, factor: f64) -> Result<Dynamic> {
    if !factor.is_finite() {
        return Err(overflow());
    }
    let parts = [f64::from(interval.months), f64::from(interval.days), interval.nanoseconds as f64];
    carried(parts.map(|part| part * factor))
}

/// From one date or time to another: in whole months and days and the rest where both have dates, else as a time.
pub(super) fn between(from: &Dynamic, to: &Dynamic) -> Result<Dynamic> {
    let refuse = |value: &Dynamic| mismatch("duration.between", "dates or times", value);
    if let (Some(start), Some(end)) = (micros_of(from), micros_of(to)) {
        let (earlier, later, sign) = if start <= end { (start, end, 1) } else { (end, start, -1) };
        let interval = apart(earlier, later).ok_or_else(overflow)?;
        return sum(&IntervalMonthDayNano::new(0, 0, 0), &interval, sign);
    }
    let time = |value: &Dynamic| time_of(value).or_else(|| day_of(value).map(|_| 0)).ok_or_else(|| refuse(value));
    Ok(Dynamic::Interval(IntervalMonthDayNano::new(0, 0, (time(to)? - time(from)?) * NANOS)))
}

/// Whole months first, then days, then the time.
fn apart(earlier: i64, later: i64) -> Option<IntervalMonthDayNano> {
    use chrono::{Datelike, Months};
    let (start, end) = (super::instant(earlier)?, super::instant(later)?);
    let mut months = (end.year() - start.year()) * 12 + end.month() as i32 - start.month() as i32;
    let at = |months: i32| start.checked_add_months(Months::new(months.max(0).unsigned_abs()));
    if at(months)? > end {
        months -= 1;
    }
    let rest = (end - at(months)?).num_microseconds()?;
    Some(IntervalMonthDayNano::new(months, i32::try_from(rest / DAY).ok()?, (rest % DAY) * NANOS))
}
