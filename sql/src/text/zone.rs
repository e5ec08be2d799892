//! The session's settings that text output and input depend on.

use std::fmt;
use std::str::FromStr;

use arrow::array::timezone::Tz;
use chrono::{DateTime, NaiveDateTime, Offset, TimeZone as _};
use slipstream_engine::{Error, ErrorKind, Result};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A time zone by its IANA name or a fixed offset.
#[derive(Debug, Clone, Copy)]
pub struct TimeZone(Option<Tz>);

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: TimeZone = TimeZone(None);

    /// A zone as `SET TimeZone` names it: `Europe/Berlin`, `UTC`, `+02:00`.
    pub fn named(name: &str) -> Result<TimeZone> {
        if ["utc", "gmt", "z", "zulu", "etc/utc", "+00:00"].contains(&name.to_ascii_lowercase().as_str()) {
            return Ok(Self::UTC);
        }
        Tz::from_str(name).map(|zone| TimeZone(Some(zone))).map_err(|_| {
            Error::new(ErrorKind::InvalidParameter, format!("invalid value for parameter \"TimeZone\": \"{name}\""))
        })
    }

    /// What clocks in this zone show (microseconds) at an instant.
    pub(crate) fn local_of(&self, instant: i64) -> i64 {
        instant.saturating_add(i64::from(self.offset_at(instant)) * MICROS_PER_SECOND)
    }

    /// Seconds east of UTC at an instant, given in microseconds since 1970.
    pub(super) fn offset_at(&self, instant: i64) -> i32 {
        match (self.0, DateTime::from_timestamp_micros(instant)) {
            (Some(zone), Some(utc)) => zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc(),
            _ => 0,
        }
    }

    /// The instant at which clocks in this zone show `local` (microseconds). A time that the clocks skip or show twice
    /// is read with the offset before the change, as Postgres does.
    pub(crate) fn instant_of(&self, local: i64) -> i64 {
        let offset = match (self.0, local_datetime(local)) {
            (Some(zone), Some(naive)) => match zone.offset_from_local_datetime(&naive) {
                chrono::LocalResult::Single(offset) | chrono::LocalResult::Ambiguous(offset, _) => {
                    offset.fix().local_minus_utc()
                }
                chrono::LocalResult::None => self.offset_at(local - 86_400 * MICROS_PER_SECOND),
            },
            _ => 0,
        };
        local.saturating_sub(i64::from(offset) * MICROS_PER_SECOND)
    }
}

fn local_datetime(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|instant| instant.naive_utc())
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(zone) => write!(f, "{zone:?}"),
            None => f.write_str("UTC"),
        }
    }
}

/// How a session wants values written. Dates are ISO, bytea is hex, intervals are in Postgres's own style, always.
#[derive(Debug, Clone)]
pub struct OutputStyle {
    /// The zone in which `timestamptz` is shown.
    pub time_zone: TimeZone,
}

impl Default for OutputStyle {
    fn default() -> Self {
        OutputStyle { time_zone: TimeZone::UTC }
    }
}
