//! ISO 8601's forms of dates and times, as openCypher reads them.

use chrono::{Datelike, NaiveDate, Weekday};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::function::Function;

use super::{DAY, SECOND, days};
use crate::graph::value::Dynamic;
use crate::text::TimeZone;

/// Reads what a constructor makes.
pub(super) fn parse(function: Function, text: &str) -> Result<Dynamic> {
    let trimmed = text.trim();
    let invalid = || Error::new(ErrorKind::InvalidDatetime, format!("invalid {}: \"{text}\"", function.name()));
    match function {
        Function::Date => {
            let date = trimmed.split(['T', ' ']).next().and_then(parse_date).ok_or_else(invalid)?;
            Ok(Dynamic::Date(days(date)))
        }
        Function::Time | Function::LocalTime => {
            let (time, zone) = zoned(trimmed);
            let time = parse_time(time.trim_start_matches('T')).ok_or_else(invalid)?;
            if zone.is_some_and(|zone| offset(zone, 0) != Some(0)) {
                return Err(Error::not_supported("a time of day with a time zone is not supported")
                    .with_hint("Use datetime, or a time without a zone."));
            }
            Ok(Dynamic::Time(time))
        }
        _ => {
            let (date, time) = trimmed.split_once(['T', ' ']).unwrap_or((trimmed, ""));
            let (time, zone) = zoned(time);
            let day = i64::from(days(parse_date(date).ok_or_else(invalid)?));
            let time = if time.is_empty() { 0 } else { parse_time(time).ok_or_else(invalid)? };
            let local = day.checked_mul(DAY).and_then(|day| day.checked_add(time)).ok_or_else(super::overflow)?;
            if function == Function::LocalDateTime {
                return if zone.is_none() { Ok(Dynamic::Timestamp(local)) } else { Err(invalid()) };
            }
            let shift = zone.map_or(Some(0), |zone| offset(zone, local)).ok_or_else(invalid)?;
            Ok(Dynamic::TimestampTz(local - shift))
        }
    }
}

/// A time, and the zone behind it.
fn zoned(text: &str) -> (&str, Option<&str>) {
    match text.find(['Z', 'z', '+', '-', '[']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    }
}

/// How far a zone is ahead of UTC at a local time, in microseconds: `Z`, `+01:00`, `+0100`, `+01`, `[Europe/Stockholm]`, or
/// an offset with the name behind it.
pub(super) fn offset(zone: &str, local: i64) -> Option<i64> {
    if let Some(rest) = zone.strip_prefix(['Z', 'z']) {
        return (rest.is_empty() || rest.starts_with('[')).then_some(0);
    }
    let (offset, name) = zone.split_once('[').map_or((zone, None), |(offset, name)| (offset, Some(name)));
    if let (true, Some(name)) = (offset.is_empty(), name) {
        return named(name.strip_suffix(']')?, local);
    }
    let Some(sign) = offset.chars().next().filter(|sign| matches!(sign, '+' | '-')) else {
        return named(offset, local);
    };
    let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() < 2 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i64>().ok());
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4)?;
    Some(if sign == '-' { -seconds } else { seconds } * SECOND)
}

fn named(name: &str, local: i64) -> Option<i64> {
    Some(local - TimeZone::named(name).ok()?.instant_of(local))
}

/// A day, week or month, in the basic and in the extended form.
fn parse_date(text: &str) -> Option<NaiveDate> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let extended = text.contains('-');
    let bare: String = text.chars().filter(|c| *c != '-').collect();
    if !bare.is_ascii() || bare.len() < 4 {
        return None;
    }
    let (year, rest) = bare.split_at(4);
    let year: i32 = year.parse().ok()?;
    let number = |text: &str| text.parse::<u32>().ok();
    if let Some(week) = rest.strip_prefix('W') {
        let day = week.get(2..3).map_or(Some(1), number)?;
        return NaiveDate::from_isoywd_opt(year, number(week.get(..2)?)?, weekday(day)?);
    }
    match rest.len() {
        0 => NaiveDate::from_ymd_opt(year, 1, 1),
        2 => NaiveDate::from_ymd_opt(year, number(rest)?, 1),
        3 => NaiveDate::from_yo_opt(year, number(rest)?),
        4 if !extended || text.matches('-').count() == 2 => {
            NaiveDate::from_ymd_opt(year, number(&rest[..2])?, number(&rest[2..])?)
        }
        _ => None,
    }
}

/// The day of a week, of which Monday is the first.
pub(super) fn weekday(number: u32) -> Option<Weekday> {
    Weekday::try_from(u8::try_from(number.checked_sub(1)?).ok()?).ok()
}

/// A time of day in microseconds; what is finer is cut off.
fn parse_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits: String = whole.chars().filter(|c| *c != ':').collect();
    if !digits.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit()) || !matches!(digits.len(), 2 | 4 | 6) {
        return None;
    }
    let part = |at: usize| digits.get(at..at + 2).map_or(Some(0), |part| part.parse::<i64>().ok());
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    Some((hour * 3600 + minute * 60 + second) * SECOND + micros)
}

/// The first day of the year and quarter in which a date lies.
pub(super) fn quarter_start(date: NaiveDate) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(date.year(), date.month0() / 3 * 3 + 1, 1)
}
