//! Dates and times as text, in ISO form.
//!
//! A date is days since 1970-01-01 in the proleptic Gregorian calendar, a time microseconds since midnight, a timestamp
//! microseconds since 1970. Input takes what people send: `2024-01-31`, `20240131`, `1/31/2024`, `2024-01-31T10:00:00Z`,
//! offsets and zone names, `BC`. Text that is no date at all is `22007`; a date that does not exist is `22008`.

use std::fmt::Write;

use slipstream_engine::{Error, ErrorKind, Result};

use super::zone::TimeZone;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Years that a date can have, as in Postgres: 4714 BC to 294276 AD (timestamps end there in microseconds).
const YEARS: std::ops::RangeInclusive<i64> = -4713..=294_276;

/// Days since 1970-01-01 of a civil date. From Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub(super) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The civil date of a day: year, month, day. The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Appends `2024-01-31`, and ` BC` before year 1.
pub(super) fn append_date(out: &mut String, days: i32) {
    let bc = append_civil(out, i64::from(days));
    if bc {
        out.push_str(" BC");
    }
}

/// Appends year, month and day; says whether the year is one before Christ (year 0 is 1 BC).
fn append_civil(out: &mut String, days: i64) -> bool {
    let (year, month, day) = civil_from_days(days);
    let shown = if year <= 0 { 1 - year } else { year };
    put(out, format_args!("{shown:04}-{month:02}-{day:02}"));
    year <= 0
}

fn put(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    out.write_fmt(arguments).expect("writing to a string cannot fail");
}

/// Appends `04:05:06.789`, without trailing zeros in the fraction.
pub(super) fn append_time(out: &mut String, micros: i64) {
    let seconds = micros / MICROS_PER_SECOND;
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    append_fraction(out, micros % MICROS_PER_SECOND);
}

/// Appends `.5` for 500,000 microseconds, and nothing for none.
pub(super) fn append_fraction(out: &mut String, micros: i64) {
    if micros != 0 {
        put(out, format_args!(".{micros:06}"));
        out.truncate(out.trim_end_matches('0').len());
    }
}

/// Appends `2024-01-31 04:05:06.789`.
pub(super) fn append_timestamp(out: &mut String, micros: i64) {
    let bc = append_civil(out, micros.div_euclid(MICROS_PER_DAY));
    out.push(' ');
    append_time(out, micros.rem_euclid(MICROS_PER_DAY));
    if bc {
        out.push_str(" BC");
    }
}

/// Appends `2024-01-31 04:05:06.789+01`: the instant as clocks in `zone` show it.
pub(super) fn append_timestamptz(out: &mut String, micros: i64, zone: &TimeZone) {
    let offset = zone.offset_at(micros);
    let local = micros.saturating_add(i64::from(offset) * MICROS_PER_SECOND);
    let bc = append_civil(out, local.div_euclid(MICROS_PER_DAY));
    out.push(' ');
    append_time(out, local.rem_euclid(MICROS_PER_DAY));
    let (sign, offset) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    put(out, format_args!("{sign}{:02}", offset / 3600));
    if offset % 3600 != 0 {
        put(out, format_args!(":{:02}", offset / 60 % 60));
    }
    if offset % 60 != 0 {
        put(out, format_args!(":{:02}", offset % 60));
    }
    if bc {
        out.push_str(" BC");
    }
}

/// Reads a date; a time of day after it is checked and dropped.
pub(super) fn parse_date(text: &str) -> Result<i32> {
    let moment = Moment::parse(text, "date")?;
    Ok(moment.days as i32)
}

/// Reads a time of day in microseconds; a date before it is checked and dropped, `24:00:00` is allowed.
pub(super) fn parse_time(text: &str) -> Result<i64> {
    let reader = Reader { text, type_name: "time" };
    let trimmed = text.trim_ascii();
    let clock = match trimmed.split_once([' ', 'T']) {
        Some((date, clock)) if date.contains(['-', '/']) => {
            reader.date(date, false)?;
            clock.trim_ascii()
        }
        _ => trimmed,
    };
    let (clock, zone) = split_zone(clock);
    if zone.is_some() && reader.zone(zone.unwrap_or_default()).is_err() {
        return Err(reader.invalid());
    }
    reader.time(clock)
}

/// Reads a timestamp in microseconds since 1970; a zone in the text is ignored, as in Postgres.
pub(super) fn parse_timestamp(text: &str) -> Result<i64> {
    Ok(Moment::parse(text, "timestamp")?.local())
}

/// Reads a timestamp with time zone in microseconds since 1970 UTC; without a zone in the text it is one in `zone`.
pub(super) fn parse_timestamptz(text: &str, zone: &TimeZone) -> Result<i64> {
    let moment = Moment::parse(text, "timestamp with time zone")?;
    Ok(match moment.zone {
        Some(Zone::Offset(seconds)) => moment.local() - seconds * MICROS_PER_SECOND,
        Some(Zone::Named(named)) => named.instant_of(moment.local()),
        None => zone.instant_of(moment.local()),
    })
}

/// A point on the calendar and the clock, as text names it.
struct Moment {
    days: i64,
    micros: i64,
    zone: Option<Zone>,
}

enum Zone {
    /// Seconds east of UTC.
    Offset(i64),
    Named(TimeZone),
}

impl Moment {
    fn parse(text: &str, type_name: &'static str) -> Result<Moment> {
        let reader = Reader { text, type_name };
        let trimmed = text.trim_ascii();
        match trimmed.to_ascii_lowercase().as_str() {
            "epoch" => return Ok(Moment { days: 0, micros: 0, zone: Some(Zone::Offset(0)) }),
            "infinity" | "-infinity" | "+infinity" => return Err(reader.out_of_range()),
            _ => {}
        }
        let (trimmed, bc) = match trimmed.len().checked_sub(3).and_then(|at| trimmed.split_at_checked(at)) {
            Some((rest, era)) if era.eq_ignore_ascii_case(" bc") => (rest.trim_ascii_end(), true),
            Some((rest, era)) if era.eq_ignore_ascii_case(" ad") => (rest.trim_ascii_end(), false),
            _ => (trimmed, false),
        };
        let (date, clock) = match trimmed.split_once([' ', 'T', 't']) {
            Some((date, clock)) => (date, Some(clock.trim_ascii())),
            None => (trimmed, None),
        };
        let days = reader.date(date, bc)?;
        let Some(clock) = clock else { return Ok(Moment { days, micros: 0, zone: None }) };
        let (clock, zone) = split_zone(clock);
        let zone = zone.map(|zone| reader.zone(zone)).transpose()?;
        // A zone can stand without a time before it, as JDBC sends dates.
        let micros = if clock.is_empty() && zone.is_some() { 0 } else { reader.time(clock)? };
        Ok(Moment { days, micros, zone })
    }

    fn local(&self) -> i64 {
        self.days * MICROS_PER_DAY + self.micros
    }
}

/// Splits `04:05:06+02`, `04:05:06 Europe/Berlin` or `04:05:06Z` before the zone.
fn split_zone(clock: &str) -> (&str, Option<&str>) {
    match clock.find(|c: char| matches!(c, '+' | '-' | ' ') || c.is_ascii_alphabetic()) {
        Some(at) => (clock[..at].trim_ascii_end(), Some(clock[at..].trim_ascii_start())),
        None => (clock, None),
    }
}

/// The text being read, for error messages, and its parts.
struct Reader<'a> {
    text: &'a str,
    type_name: &'static str,
}

impl Reader<'_> {
    fn invalid(&self) -> Error {
        let message = format!("invalid input syntax for type {}: \"{}\"", self.type_name, self.text);
        Error::new(ErrorKind::InvalidDatetime, message)
    }

    fn out_of_range(&self) -> Error {
        Error::new(ErrorKind::DatetimeOverflow, format!("date/time field value out of range: \"{}\"", self.text))
    }

    fn number(&self, digits: &str) -> Result<i64> {
        if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.invalid());
        }
        digits.parse().map_err(|_| self.invalid())
    }

    /// `2024-01-31`, `20240131` or `1/31/2024`, as days since 1970.
    fn date(&self, date: &str, bc: bool) -> Result<i64> {
        let parts: Vec<&str> = date.split(['-', '/']).collect();
        let (year, month, day) = match parts.as_slice() {
            [month, day, year] if date.contains('/') && month.len() <= 2 => (*year, *month, *day),
            [year, month, day] if year.len() >= 3 => (*year, *month, *day),
            [all] if all.len() >= 8 && all.is_ascii() => {
                let (year, rest) = all.split_at(all.len() - 4);
                (year, &rest[..2], &rest[2..])
            }
            _ => return Err(self.invalid()),
        };
        let (year, month, day) = (self.number(year)?, self.number(month)?, self.number(day)?);
        let year = match (bc, year) {
            (_, 0) => return Err(self.out_of_range()),
            (true, year) => 1 - year,
            (false, year) => year,
        };
        if !YEARS.contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return Err(self.out_of_range());
        }
        Ok(days_from_civil(year, month as u32, day as u32))
    }

    /// `04:05`, `04:05:06.789` or `040506`, as microseconds since midnight.
    fn time(&self, clock: &str) -> Result<i64> {
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let parts: Vec<&str> = clock.split(':').collect();
        let (hour, minute, second) = match parts.as_slice() {
            [hour, minute, second] => (*hour, *minute, *second),
            [hour, minute] if fraction.is_empty() => (*hour, *minute, "0"),
            [all] if all.len() == 6 && all.is_ascii() => (&all[..2], &all[2..4], &all[4..]),
            [all] if all.len() == 4 && all.is_ascii() && fraction.is_empty() => (&all[..2], &all[2..4], "0"),
            _ => return Err(self.invalid()),
        };
        let (hour, minute, second) = (self.number(hour)?, self.number(minute)?, self.number(second)?);
        let micros = fraction_micros(fraction).ok_or_else(|| self.invalid())?;
        let total = (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + micros;
        if minute > 59 || second > 60 || total > MICROS_PER_DAY {
            return Err(self.out_of_range());
        }
        Ok(total)
    }

    /// `+02`, `-03:30`, `+0530`, `Z` or a zone's name.
    fn zone(&self, zone: &str) -> Result<Zone> {
        let Some(offset) = zone.strip_prefix(['+', '-']) else {
            return TimeZone::named(zone).map(Zone::Named).map_err(|_| {
                let message = format!("time zone \"{zone}\" not recognized");
                Error::new(ErrorKind::InvalidParameter, message)
            });
        };
        let parts: Vec<&str> = offset.split(':').collect();
        let (hours, minutes, seconds) = match parts.as_slice() {
            [hours, minutes, seconds] => (*hours, *minutes, *seconds),
            [hours, minutes] => (*hours, *minutes, "0"),
            [all] if all.len() == 4 && all.is_ascii() => (&all[..2], &all[2..], "0"),
            [hours] => (*hours, "0", "0"),
            _ => return Err(self.invalid()),
        };
        let (hours, minutes, seconds) = (self.number(hours)?, self.number(minutes)?, self.number(seconds)?);
        if hours > 15 || minutes > 59 || seconds > 59 {
            let message = format!("time zone displacement out of range: \"{}\"", self.text);
            return Err(Error::new(ErrorKind::DatetimeOverflow, message));
        }
        let east = hours * 3600 + minutes * 60 + seconds;
        Ok(Zone::Offset(if zone.starts_with('-') { -east } else { east }))
    }
}

/// The digits after the point of a second, as microseconds, rounded.
pub(super) fn fraction_micros(digits: &str) -> Option<i64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digit = |place: usize| digits.as_bytes().get(place).map_or(0, |byte| i64::from(byte - b'0'));
    let micros = (0..6).fold(0, |micros, place| micros * 10 + digit(place));
    Some(micros + i64::from(digit(6) >= 5))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(append: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        append(&mut out);
        out
    }

    #[test]
    fn every_day_survives_the_calendar() {
        for days in (-2_472_632..107_000_000).step_by(997) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn dates_go_both_ways() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29"),
            ("20240131", "2024-01-31"),
            ("1/31/2024", "2024-01-31"),
            ("2024-1-2", "2024-01-02"),
            ("2024-01-31 10:00:00", "2024-01-31"),
            ("0044-03-15 BC", "0044-03-15 BC"),
            ("12345-01-01", "12345-01-01"),
            ("epoch", "1970-01-01"),
        ] {
            assert_eq!(written(|out| append_date(out, parse_date(text).expect(text))), expected);
        }
        for (text, kind) in [
            ("2023-02-29", ErrorKind::DatetimeOverflow),
            ("2024-13-01", ErrorKind::DatetimeOverflow),
            ("infinity", ErrorKind::DatetimeOverflow),
            ("yesterday-ish", ErrorKind::InvalidDatetime),
            ("", ErrorKind::InvalidDatetime),
        ] {
            assert_eq!(parse_date(text).expect_err(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn times_go_both_ways() {
        for (text, expected) in [
            ("04:05:06.789", "04:05:06.789"),
            ("04:05", "04:05:00"),
            ("040506", "04:05:06"),
            ("24:00:00", "24:00:00"),
            ("04:05:06.1234567", "04:05:06.123457"),
        ] {
            assert_eq!(written(|out| append_time(out, parse_time(text).expect(text))), expected);
        }
        assert!(parse_time("25:00").is_err());
        assert!(parse_time("abc").is_err());
    }

    #[test]
    fn timestamps_go_both_ways() {
        for (text, expected) in [
            ("2024-01-31 04:05:06.5", "2024-01-31 04:05:06.5"),
            ("2024-01-31T04:05:06+02", "2024-01-31 04:05:06"),
            ("2024-01-31", "2024-01-31 00:00:00"),
            ("1969-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"),
            ("0001-01-01 00:00:00 BC", "0001-01-01 00:00:00 BC"),
        ] {
            assert_eq!(written(|out| append_timestamp(out, parse_timestamp(text).expect(text))), expected);
        }
    }

    #[test]
    fn timestamptz_is_read_and_shown_in_zones() {
        let berlin = TimeZone::named("Europe/Berlin").expect("a known zone");
        for (text, zone, expected) in [
            ("2024-01-31 04:05:06+00", TimeZone::UTC, "2024-01-31 04:05:06+00"),
            ("2024-01-31 04:05:06Z", berlin, "2024-01-31 05:05:06+01"),
            ("2024-07-01 12:00", berlin, "2024-07-01 12:00:00+02"),
            ("2024-07-01 12:00 America/New_York", TimeZone::UTC, "2024-07-01 16:00:00+00"),
            ("2024-07-01 12:00:00-03:30", TimeZone::UTC, "2024-07-01 15:30:00+00"),
        ] {
            let micros = parse_timestamptz(text, &zone).expect(text);
            assert_eq!(written(|out| append_timestamptz(out, micros, &zone)), expected);
        }
        let india = TimeZone::named("Asia/Kolkata").expect("a known zone");
        assert_eq!(written(|out| append_timestamptz(out, 0, &india)), "1970-01-01 05:30:00+05:30");
    }
}
