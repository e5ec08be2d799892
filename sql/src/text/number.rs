//! Numbers as text: booleans, integers, floats, numeric.

use std::fmt::Write;

use slipstream_engine::types::DEFAULT_NUMERIC;
use slipstream_engine::{Error, ErrorKind, Result};

use super::invalid_syntax;

/// Reads `t`, `true`, `y`, `yes`, `on`, `1` and their opposites, or any unambiguous beginning of them.
pub(super) fn parse_bool(text: &str) -> Result<bool> {
    let word = text.trim_ascii().to_ascii_lowercase();
    let begins = |full: &str, least: usize| word.len() >= least && full.starts_with(word.as_str());
    if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(invalid_syntax("boolean", text))
    }
}

/// Reads an integer; `from_str` cannot tell nonsense (`22P02`) from a number that is too large (`22003`).
pub(super) fn parse_integer<T: TryFrom<i64>>(text: &str, type_name: &str) -> Result<T> {
    let digits = text.trim_ascii();
    let unsigned = digits.strip_prefix(['-', '+']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid_syntax(type_name, text));
    }
    digits.parse::<i64>().ok().and_then(|value| T::try_from(value).ok()).ok_or_else(|| {
        Error::new(ErrorKind::NumericOutOfRange, format!("value \"{digits}\" is out of range for type {type_name}"))
    })
}

/// A binary floating point type, for [`parse_float`] and [`append_float`].
pub(crate) trait Float: Copy + std::str::FromStr + std::fmt::LowerExp {
    const TYPE_NAME: &'static str;
    /// Numbers of this many digits before the point and more are written with an exponent.
    const FIXED_DIGITS: i32;
    const NAN: Self;
    fn is_nan(self) -> bool;
    fn is_infinite(self) -> bool;
    fn is_zero(self) -> bool;
    fn is_negative(self) -> bool;
}

macro_rules! float {
    ($type:ty, $name:literal, $digits:literal) => {
        impl Float for $type {
            const TYPE_NAME: &'static str = $name;
            const FIXED_DIGITS: i32 = $digits;
            const NAN: Self = <$type>::NAN;
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn is_infinite(self) -> bool {
                self.is_infinite()
            }
            fn is_zero(self) -> bool {
                self == 0.0
            }
            fn is_negative(self) -> bool {
                self.is_sign_negative()
            }
        }
    };
}
float!(f32, "real", 6);
float!(f64, "double precision", 15);

/// Reads a float; a finite number that overflows or vanishes is out of range.
pub(super) fn parse_float<T: Float>(text: &str) -> Result<T> {
    let number = text.trim_ascii();
    let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
    let value: T = number.parse().map_err(|_| invalid_syntax(T::TYPE_NAME, text))?;
    let spelled_out = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    let has_digits =
        unsigned.split(['e', 'E']).next().is_some_and(|mantissa| mantissa.contains(|c| matches!(c, '1'..='9')));
    if !spelled_out && (value.is_infinite() || value.is_zero() && has_digits) {
        return Err(Error::new(
            ErrorKind::NumericOutOfRange,
            format!("\"{number}\" is out of range for type {}", T::TYPE_NAME),
        ));
    }
    // There is one NaN only: Arrow would sort that with a minus sign before all numbers.
    Ok(if value.is_nan() { T::NAN } else { value })
}

/// Writes the shortest digits that read back as the same number, in Postgres's layout: `0.1`, `1e+20`, `1.5e-07`.
pub(crate) fn append_float<T: Float>(out: &mut String, value: T) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value.is_negative() { "-Infinity" } else { "Infinity" });
    }
    let start = out.len();
    write!(out, "{value:e}").expect("writing to a string cannot fail");
    // `{:e}` gives "d.ddde-x": take it apart and lay it out again.
    let Some(mark) = out[start..].find('e').map(|at| start + at) else { return };
    let exponent: i32 = out[mark + 1..].parse().unwrap_or(0);
    out.truncate(mark);
    if (-4..T::FIXED_DIGITS).contains(&exponent) {
        if exponent != 0 {
            place_point(out, start, exponent);
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "e{sign}{:02}", exponent.abs()).expect("writing to a string cannot fail");
    }
}

/// Moves the decimal point of the "d.ddd" that begins at `start` by `exponent` places.
fn place_point(out: &mut String, start: usize, exponent: i32) {
    let number = out.split_off(start);
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits.replace('.', "")),
        None => ("", number.replace('.', "")),
    };
    out.push_str(sign);
    if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
        return;
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', whole - digits.len()));
    } else {
        out.push_str(&digits[..whole]);
        out.push('.');
        out.push_str(&digits[whole..]);
    }
}

/// Digits that a `Decimal128` can hold.
const MAX_DIGITS: u32 = 38;

/// Reads a `numeric(precision, scale)` as its unscaled integer, rounding half away from zero to the scale.
///
/// Plain `numeric` has no scale to round to in Postgres: digits that [`DEFAULT_NUMERIC`] cannot keep are an error.
pub(super) fn parse_numeric(text: &str, precision: u8, scale: i8) -> Result<i128> {
    let number = Digits::parse(text)?;
    let exact = (precision, scale) == DEFAULT_NUMERIC;
    let value = number.at_scale(scale, exact).ok_or_else(|| overflow(precision, scale))?;
    if value.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
        return Err(overflow(precision, scale));
    }
    Ok(value)
}

/// `numeric field overflow`, with Postgres's detail.
fn overflow(precision: u8, scale: i8) -> Error {
    let error = Error::new(ErrorKind::NumericOutOfRange, "numeric field overflow");
    if (precision, scale) == DEFAULT_NUMERIC {
        return error.with_detail(format!(
            "A numeric without precision holds {} digits before and {scale} digits after the decimal point.",
            i32::from(precision) - i32::from(scale)
        ));
    }
    error.with_detail(format!(
        "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
        i32::from(precision) - i32::from(scale)
    ))
}

/// A decimal number taken apart: `0.ddd * 10^point`, without leading zeros.
struct Digits {
    negative: bool,
    digits: Vec<u8>,
    point: i64,
}

impl Digits {
    fn parse(text: &str) -> Result<Digits> {
        let invalid = || invalid_syntax("numeric", text);
        let number = text.trim_ascii();
        let negative = number.starts_with('-');
        let unsigned = number.strip_prefix(['-', '+']).unwrap_or(number);
        if ["nan", "infinity", "inf"].contains(&unsigned.to_ascii_lowercase().as_str()) {
            return Err(Error::not_supported(format!("numeric value {number} is not supported")));
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| invalid())?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let leading = whole.bytes().chain(fraction.bytes()).take_while(|byte| *byte == b'0').count();
        Ok(Digits {
            negative,
            digits: whole.bytes().chain(fraction.bytes()).skip(leading).map(|byte| byte - b'0').collect(),
            point: whole.len() as i64 - leading as i64 + i64::from(exponent),
        })
    }

    /// The number times 10^scale, rounded half away from zero; `None` when it is too large, or was to be exact and is not.
    fn at_scale(&self, scale: i8, exact: bool) -> Option<i128> {
        let keep = self.point + i64::from(scale);
        let kept = usize::try_from(keep.max(0)).ok()?.min(self.digits.len());
        if keep > i64::from(MAX_DIGITS) && !self.digits.is_empty() {
            return None;
        }
        let rest = &self.digits[kept..];
        if exact && rest.iter().any(|digit| *digit != 0) {
            return None;
        }
        let mut value: i128 = 0;
        for digit in &self.digits[..kept] {
            value = value * 10 + i128::from(*digit);
        }
        for _ in kept as i64..keep.max(0) {
            value = value.checked_mul(10)?;
        }
        if keep >= 0 && rest.first().is_some_and(|digit| *digit >= 5) {
            value += 1;
        }
        Some(if self.negative { -value } else { value })
    }
}

/// Writes an unscaled integer as a decimal number of that scale.
pub(super) fn append_numeric(out: &mut String, unscaled: i128, precision: u8, scale: i8) {
    let start = out.len();
    let digits = unscaled.unsigned_abs();
    if unscaled < 0 {
        out.push('-');
    }
    if scale <= 0 {
        write!(out, "{digits}").expect("writing to a string cannot fail");
        if digits != 0 {
            out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
        }
        return;
    }
    let unit = 10_u128.checked_pow(u32::from(scale.unsigned_abs())).unwrap_or(u128::MAX);
    write!(out, "{}.{:0width$}", digits / unit, digits % unit, width = usize::from(scale.unsigned_abs()))
        .expect("writing to a string cannot fail");
    if is_unconstrained(precision, scale) {
        let kept = out[start..].trim_end_matches('0').trim_end_matches('.').len();
        out.truncate(start + kept);
    }
}

/// Whether a numeric's scale is only what we keep it at, and not what a column declares: then trailing zeros say nothing.
fn is_unconstrained(precision: u8, scale: i8) -> bool {
    (precision, scale) == DEFAULT_NUMERIC || u32::from(precision) == MAX_DIGITS && scale > DEFAULT_NUMERIC.1
}

/// Moves an unscaled integer from one scale to another, rounding half away from zero; `None` on overflow.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    if shift >= 0 {
        return match value {
            0 => Some(0),
            _ => value.checked_mul(10_i128.checked_pow(shift as u32)?),
        };
    }
    let Some(unit) = 10_i128.checked_pow(shift.unsigned_abs()) else { return Some(0) };
    let (quotient, rest) = (value / unit, value % unit);
    Some(if rest.unsigned_abs() >= unit.unsigned_abs().div_ceil(2) { quotient + value.signum() } else { quotient })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_postgres_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (100.0, "100"),
            (123456.789, "123456.789"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e20, "1.5e+20"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-0.00012, "-0.00012"),
            (1e-300, "1e-300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            append_float(&mut out, value);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        append_float(&mut out, 1_234_567_f32);
        assert_eq!(out, "1.234567e+06");
    }

    #[test]
    fn rescaling_rounds_half_away_from_zero() {
        assert_eq!(rescale(25, 1, 0), Some(3));
        assert_eq!(rescale(-25, 1, 0), Some(-3));
        assert_eq!(rescale(24, 1, 0), Some(2));
        assert_eq!(rescale(2, 0, 3), Some(2000));
        assert_eq!(rescale(i128::MAX, 0, 1), None);
    }

    #[test]
    fn numeric_text_goes_both_ways() {
        let cases = [
            ("1.5", 10, 2, "1.50"),
            ("1.005", 10, 2, "1.01"),
            ("-1.005", 10, 2, "-1.01"),
            ("1e3", 10, 2, "1000.00"),
            (".5", 10, 0, "1"),
            ("0.004", 10, 2, "0.00"),
            ("12.50", 38, 10, "12.5"),
            ("100", 38, 10, "100"),
            ("-0.0", 38, 10, "0"),
        ];
        for (text, precision, scale, expected) in cases {
            let mut out = String::new();
            append_numeric(&mut out, parse_numeric(text, precision, scale).expect(text), precision, scale);
            assert_eq!(out, expected, "{text}");
        }
        for (text, kind) in [
            ("1000.00", ErrorKind::NumericOutOfRange),
            ("999.995", ErrorKind::NumericOutOfRange),
            ("1e99999999", ErrorKind::NumericOutOfRange),
            ("1.2.3", ErrorKind::InvalidText),
            ("", ErrorKind::InvalidText),
            ("NaN", ErrorKind::NotSupported),
        ] {
            assert_eq!(parse_numeric(text, 5, 2).expect_err(text).kind(), kind, "{text}");
        }
        assert!(parse_numeric("0.12345678901", 38, 10).is_err());
    }
}
