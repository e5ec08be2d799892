//! Intervals as text: `1 year 2 mons 3 days 04:05:06`.
//!
//! An interval is months, days and a time, which do not convert into each other. Output is Postgres's default style;
//! input takes that, its verbose style (`@ 1 day ago`), the SQL standard's (`1-2`, `3 4:05:06`) and ISO 8601.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;
use slipstream_engine::{Error, ErrorKind, Result};

use super::datetime::{MICROS_PER_DAY, MICROS_PER_SECOND, append_fraction, fraction_micros};

/// Appends an interval in Postgres's style; nanoseconds are dropped.
pub(super) fn append_interval(out: &mut String, value: IntervalMonthDayNano) {
    let mut writer = Writer { out, any: false, negative_before: false };
    writer.field(i64::from(value.months / 12), "year");
    writer.field(i64::from(value.months % 12), "mon");
    writer.field(i64::from(value.days), "day");
    let micros = value.nanoseconds / 1000;
    if micros != 0 || !writer.any {
        writer.time(micros);
    }
}

struct Writer<'a> {
    out: &'a mut String,
    any: bool,
    /// Whether the last field was negative: then a positive one shows its sign.
    negative_before: bool,
}

impl Writer<'_> {
    fn separate(&mut self) {
        if self.any {
            self.out.push(' ');
        }
        self.any = true;
    }

    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.out.write_fmt(arguments).expect("writing to a string cannot fail");
    }

    fn field(&mut self, value: i64, unit: &str) {
        if value == 0 {
            return;
        }
        self.separate();
        let sign = if self.negative_before && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        self.put(format_args!("{sign}{value} {unit}{plural}"));
        self.negative_before = value < 0;
    }

    fn time(&mut self, micros: i64) {
        self.separate();
        if micros < 0 {
            self.out.push('-');
        } else if self.negative_before {
            self.out.push('+');
        }
        let micros = micros.unsigned_abs() as i64;
        let seconds = micros / MICROS_PER_SECOND;
        self.put(format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
        append_fraction(self.out, micros % MICROS_PER_SECOND);
    }
}

/// Reads an interval in any of the forms above.
pub(super) fn parse_interval(text: &str) -> Result<IntervalMonthDayNano> {
    let trimmed = text.trim_ascii();
    let total = match trimmed.strip_prefix('P') {
        Some(designators) => parse_iso(designators),
        None => parse_words(trimmed),
    }
    .ok_or_else(|| {
        Error::new(ErrorKind::InvalidDatetime, format!("invalid input syntax for type interval: \"{text}\""))
    })?;
    total.finish().ok_or_else(|| {
        Error::new(ErrorKind::DatetimeOverflow, format!("interval field value out of range: \"{text}\""))
    })
}

/// A unit of time, by how it adds to an interval.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

impl Unit {
    /// A unit by its name or abbreviation, singular or plural.
    fn named(name: &str) -> Option<Unit> {
        let name = name.to_ascii_lowercase();
        Some(match name.as_str() {
            "microsecond" | "microseconds" | "usec" | "usecs" | "us" => Unit::Micros(1),
            "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => Unit::Micros(1000),
            "second" | "seconds" | "sec" | "secs" | "s" => Unit::Micros(MICROS_PER_SECOND),
            "minute" | "minutes" | "min" | "mins" | "m" => Unit::Micros(60 * MICROS_PER_SECOND),
            "hour" | "hours" | "hr" | "hrs" | "h" => Unit::Micros(3600 * MICROS_PER_SECOND),
            "day" | "days" | "d" => Unit::Days(1),
            "week" | "weeks" | "w" => Unit::Days(7),
            "month" | "months" | "mon" | "mons" => Unit::Months(1),
            "year" | "years" | "yr" | "yrs" | "y" => Unit::Months(12),
            "decade" | "decades" | "dec" | "decs" => Unit::Months(120),
            "century" | "centuries" | "c" | "cent" => Unit::Months(1200),
            "millennium" | "millennia" | "mil" | "mils" => Unit::Months(12_000),
            _ => return None,
        })
    }
}

/// An interval being added up.
#[derive(Default)]
struct Total {
    months: i64,
    days: i64,
    micros: i64,
}

impl Total {
    /// Adds `whole.fraction` units; a fraction of a month spills into days (of 30), a fraction of a day into time.
    fn add(&mut self, number: &Number, unit: Unit) -> Option<()> {
        let add = |field: &mut i64, each: i64| -> Option<()> {
            *field = field.checked_add(number.whole.checked_mul(each)?)?;
            Some(())
        };
        match unit {
            Unit::Months(each) => {
                add(&mut self.months, each)?;
                let months = number.fraction * each as f64;
                self.months += months.trunc() as i64;
                self.spill_days(months.fract() * 30.0);
            }
            Unit::Days(each) => {
                add(&mut self.days, each)?;
                self.spill_days(number.fraction * each as f64);
            }
            Unit::Micros(each) => {
                add(&mut self.micros, each)?;
                self.micros = self.micros.checked_add((number.fraction * each as f64).round() as i64)?;
            }
        }
        Some(())
    }

    fn spill_days(&mut self, days: f64) {
        self.days += days.trunc() as i64;
        self.micros += (days.fract() * MICROS_PER_DAY as f64).round() as i64;
    }

    fn negate(self) -> Total {
        Total { months: -self.months, days: -self.days, micros: -self.micros }
    }

    fn finish(self) -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(
            i32::try_from(self.months).ok()?,
            i32::try_from(self.days).ok()?,
            self.micros.checked_mul(1000)?,
        ))
    }
}

/// A signed decimal number: both parts carry the sign.
struct Number {
    whole: i64,
    fraction: f64,
}

impl Number {
    fn parse(text: &str) -> Option<Number> {
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let fraction: f64 = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
        Some(if negative { Number { whole: -whole, fraction: -fraction } } else { Number { whole, fraction } })
    }
}

/// `1 year 2 mons 3 days 04:05:06`, `@ 1 day ago`, `1-2`, `3 4:05`, `90` (seconds), `1h30m`.
fn parse_words(text: &str) -> Option<Total> {
    let tokens = tokens(text.strip_prefix('@').unwrap_or(text));
    let (tokens, ago) = match tokens.split_last() {
        Some((last, rest)) if last.eq_ignore_ascii_case("ago") => (rest, true),
        _ => (tokens.as_slice(), false),
    };
    if tokens.is_empty() {
        return None;
    }
    let mut total = Total::default();
    let mut rest = tokens;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if first.contains(':') {
            total.micros = total.micros.checked_add(clock(first)?)?;
        } else if let Some(months) = year_month(first) {
            total.months = total.months.checked_add(months)?;
        } else {
            let number = Number::parse(first)?;
            match tail.first() {
                Some(next) if next.contains(':') => total.add(&number, Unit::Days(1))?,
                Some(next) => {
                    total.add(&number, Unit::named(next)?)?;
                    rest = &tail[1..];
                }
                None => total.add(&number, Unit::Micros(MICROS_PER_SECOND))?,
            }
        }
    }
    Some(if ago { total.negate() } else { total })
}

/// Splits at blanks, and between a number and the unit that follows it directly.
fn tokens(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace()
        .flat_map(|word| {
            let mut parts = Vec::new();
            let mut rest = word;
            while let Some(at) = rest.char_indices().skip(1).find_map(|(at, c)| {
                let before = rest[..at].chars().next_back().is_some_and(|b| b.is_ascii_alphabetic());
                (before != c.is_ascii_alphabetic()).then_some(at)
            }) {
                parts.push(&rest[..at]);
                rest = &rest[at..];
            }
            parts.push(rest);
            parts
        })
        .collect()
}

/// `[-]4:05[:06.789]` as microseconds.
fn clock(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (unsigned, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut seconds: i64 = 0;
    let parts: Vec<i64> =
        unsigned.split(':').map(|part| part.parse::<i64>().ok().filter(|n| *n >= 0)).collect::<Option<_>>()?;
    match parts.as_slice() {
        [hours, minutes @ 0..=59] => seconds += hours.checked_mul(3600)? + minutes * 60,
        [hours, minutes @ 0..=59, rest @ 0..=60] => seconds += hours.checked_mul(3600)? + minutes * 60 + rest,
        _ => return None,
    }
    let micros = seconds.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction_micros(fraction)?)?;
    Some(if negative { -micros } else { micros })
}

/// `[-]1-2`: years and months.
fn year_month(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let (years, months) = text.strip_prefix(['-', '+']).unwrap_or(text).split_once('-')?;
    let total =
        years.parse::<i64>().ok()?.checked_mul(12)?.checked_add(months.parse::<i64>().ok().filter(|m| *m < 12)?)?;
    Some(if negative { -total } else { total })
}

/// What follows the `P` of ISO 8601: `1Y2M3DT4H5M6S`.
fn parse_iso(text: &str) -> Option<Total> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut total = Total::default();
    let mut any = false;
    for (part, in_time) in [(Some(date), false), (time, true)] {
        let mut rest = part.unwrap_or("");
        while !rest.is_empty() {
            let at = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let number = Number::parse(&rest[..at])?;
            let unit = match (rest.as_bytes()[at], in_time) {
                (b'Y', false) => Unit::Months(12),
                (b'M', false) => Unit::Months(1),
                (b'W', false) => Unit::Days(7),
                (b'D', false) => Unit::Days(1),
                (b'H', true) => Unit::Micros(3600 * MICROS_PER_SECOND),
                (b'M', true) => Unit::Micros(60 * MICROS_PER_SECOND),
                (b'S', true) => Unit::Micros(MICROS_PER_SECOND),
                _ => return None,
            };
            total.add(&number, unit)?;
            rest = &rest[at + 1..];
            any = true;
        }
    }
    any.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_go_both_ways() {
        for (text, expected) in [
            ("1 year 2 mons 3 days 04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("1 year", "1 year"),
            ("14 months", "1 year 2 mons"),
            ("-1 year -2 mons +3 days -04:05:06", "-1 years -2 mons +3 days -04:05:06"),
            ("1 day ago", "-1 days"),
            ("@ 2 hours 30 mins", "02:30:00"),
            ("1h30m", "01:30:00"),
            ("90", "00:01:30"),
            ("1.5 days", "1 day 12:00:00"),
            ("1.5 months", "1 mon 15 days"),
            ("1.5 seconds", "00:00:01.5"),
            ("2 weeks", "14 days"),
            ("1-2", "1 year 2 mons"),
            ("3 4:05:06", "3 days 04:05:06"),
            ("-3:00", "-03:00:00"),
            ("100:00:00", "100:00:00"),
            ("P1Y2M3DT4H5M6S", "1 year 2 mons 3 days 04:05:06"),
            ("PT0.5S", "00:00:00.5"),
            ("P1W", "7 days"),
            ("0", "00:00:00"),
            ("-1 mon 2 days", "-1 mons +2 days"),
            ("-1 mon 00:00:01", "-1 mons +00:00:01"),
        ] {
            let mut out = String::new();
            append_interval(&mut out, parse_interval(text).expect(text));
            assert_eq!(out, expected, "{text}");
        }
        for text in ["", "abc", "1 fortnight", "P", "1 2 3", "4:5:6:7"] {
            assert_eq!(parse_interval(text).expect_err(text).kind(), ErrorKind::InvalidDatetime, "{text}");
        }
        assert_eq!(parse_interval("9999999999 years").expect_err("too long").kind(), ErrorKind::DatetimeOverflow);
    }
}
