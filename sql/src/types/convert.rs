//! Arrays of one SQL type into arrays of another, with Postgres's rounding, ranges and errors.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, ListArray, PrimitiveArray, StringBuilder};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::cast::{CastContext, cannot_cast};
use super::vectors;
use crate::pgvector::Kind;
use crate::text::json_access::Kind as JsonKind;
use crate::text::{OutputStyle, TextColumn, TextEncoder, TimeZone, rescale};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How values of one type become values of another.
pub(super) struct Conversion<'a> {
    from: &'a SqlType,
    to: &'a SqlType,
    rule: Rule,
}

/// The ways there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Through the text forms: text to anything, anything to text.
    Text,
    /// Number to number.
    Number,
    Boolean,
    /// Between dates, times and timestamps.
    Datetime,
    /// Array to array, element by element.
    Elements,
    /// Between types of vectors and arrays of numbers.
    Vector,
    /// Between bit strings, and between them and integers.
    Bits,
    /// The number or boolean that a `jsonb` value is.
    Json,
}

fn is_text(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Text | SqlType::Varchar(_) | SqlType::Json | SqlType::Jsonb)
}

fn is_number(sql_type: &SqlType) -> bool {
    use SqlType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    matches!(sql_type, SmallInt | Integer | BigInt | Real | Double | Numeric { .. })
}

impl<'a> Conversion<'a> {
    /// The conversion, or an error if Postgres has none.
    pub(super) fn between(from: &'a SqlType, to: &'a SqlType) -> Result<Self> {
        use SqlType::{Array, Bit, Boolean, Date, Integer, Interval, Json, Jsonb, Time, Timestamp, TimestampTz};
        use SqlType::{BigInt, Varbit};
        let rule = match (from, to) {
            (Jsonb, to) if is_number(to) || *to == Boolean => Rule::Json,
            (Json | Jsonb, to) if !is_text(to) => return Err(cannot_cast(from, to)),
            (from, Json | Jsonb) if !is_text(from) => return Err(cannot_cast(from, to)),
            (from, to) if is_text(from) || is_text(to) => Rule::Text,
            (from, to) if is_number(from) && is_number(to) => Rule::Number,
            (Boolean, Integer) | (Integer, Boolean) => Rule::Boolean,
            (Date, Timestamp | TimestampTz)
            | (Timestamp, Date | Time | TimestampTz)
            | (TimestampTz, Date | Time | Timestamp)
            | (Time, Interval)
            | (Interval, Time) => Rule::Datetime,
            (Array(from), Array(to)) => {
                if from != to {
                    Conversion::between(from, to)?;
                }
                Rule::Elements
            }
            (from, to) if Kind::of(from).is_some() && Kind::of(to).is_some() => Rule::Vector,
            (from, Array(item)) if Kind::of(from).is_some_and(Kind::is_dense) && is_number(item) => Rule::Vector,
            (Array(item), to) if Kind::of(to).is_some() && is_number(item) => Rule::Vector,
            (Bit(_) | Varbit(_), Bit(_) | Varbit(_)) | (Integer | BigInt, Bit(_)) | (Bit(_), Integer | BigInt) => {
                Rule::Bits
            }
            _ if from == to => Rule::Text,
            _ => return Err(cannot_cast(from, to)),
        };
        Ok(Conversion { from, to, rule })
    }

    /// The converted array, in exactly the Arrow type of its SQL type.
    pub(super) fn apply(&self, array: &ArrayRef, context: CastContext, zone: TimeZone) -> Result<ArrayRef> {
        match self.rule {
            // A cast cuts bit strings to length, reading them does not.
            Rule::Text if vectors::is_bits(self.to) && context == CastContext::Explicit => {
                let any = SqlType::Varbit(0);
                let bits = through_text(self.from, &any, array, context, zone)?;
                vectors::bits(&any, self.to, &bits, context)
            }
            Rule::Text => through_text(self.from, self.to, array, context, zone),
            Rule::Number => number(self.to, &own_storage(self.from, array)?),
            Rule::Boolean => boolean(self.to, &own_storage(self.from, array)?),
            Rule::Datetime => datetime(self.from, self.to, &own_storage(self.from, array)?, zone),
            Rule::Elements => elements(self.from, self.to, array, context, zone),
            Rule::Vector => match self.to {
                SqlType::Array(_) => {
                    let reals = SqlType::Array(Box::new(SqlType::Real));
                    elements(&reals, self.to, &vectors::to_array(array)?, context, zone)
                }
                to => vectors::convert(to, array),
            },
            Rule::Bits => vectors::bits(self.from, self.to, array, context),
            Rule::Json => from_json(self.to, &own_storage(self.from, array)?),
        }
    }
}

/// The array in the Arrow type of its SQL type; plans come with other units and widths.
fn own_storage(sql_type: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    let wanted = sql_type.arrow_type();
    if array.data_type().equals_datatype(&wanted) {
        return Ok(Arc::clone(array));
    }
    arrow_cast(array, &wanted).map_err(|error| Error::internal(error.to_string()))
}

fn through_text(
    from: &SqlType,
    to: &SqlType,
    array: &ArrayRef,
    context: CastContext,
    zone: TimeZone,
) -> Result<ArrayRef> {
    if *from == SqlType::Boolean && is_text(to) {
        return own_storage(&SqlType::Text, array);
    }
    let encoder = TextEncoder::new(from, array, &OutputStyle { time_zone: zone })?;
    let mut text = String::new();
    if *to == SqlType::Text {
        let mut values = StringBuilder::with_capacity(array.len(), array.len() * 8);
        for row in 0..array.len() {
            if encoder.is_null(row) {
                values.append_null();
                continue;
            }
            text.clear();
            encoder.append(row, &mut text);
            values.append_value(&text);
        }
        return Ok(Arc::new(values.finish()));
    }
    let mut values = TextColumn::in_zone(to, array.len(), zone);
    for row in 0..array.len() {
        if encoder.is_null(row) {
            values.append_null();
            continue;
        }
        text.clear();
        encoder.append(row, &mut text);
        if let (SqlType::Varchar(limit), CastContext::Explicit) = (to, context)
            && let Some((cut, _)) = text.char_indices().nth(*limit as usize)
        {
            text.truncate(cut);
        }
        values.append(&text)?;
    }
    Ok(values.finish())
}

/// The numbers or booleans that JSON values are. JSON's null is NULL.
fn from_json(to: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    let wanted = if *to == SqlType::Boolean { JsonKind::Boolean } else { JsonKind::Number };
    let mut values = TextColumn::in_zone(to, array.len(), TimeZone::UTC);
    for json in array.as_string::<i32>() {
        match json.map(|json| (json, JsonKind::of(json))) {
            None | Some((_, JsonKind::Null)) => values.append_null(),
            Some((json, kind)) if kind == wanted => append_json(&mut values, to, json.trim_ascii())?,
            Some((_, kind)) => {
                let what = match kind {
                    JsonKind::Number => "numeric",
                    other => other.name(),
                };
                let message = format!("cannot cast jsonb {what} to type {to}");
                return Err(Error::new(ErrorKind::InvalidParameter, message));
            }
        }
    }
    Ok(values.finish())
}

/// Appends a JSON value. A number may have digits that its type does not keep: they are rounded as those of a numeric are.
fn append_json(values: &mut TextColumn, to: &SqlType, json: &str) -> Result<()> {
    if matches!(to, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt) && json.contains(['.', 'e', 'E']) {
        let number = json.parse::<f64>().map_err(|_| out_of_range(to))?;
        let rounded = number.signum() * (number.abs() + 0.5).floor();
        return values.append(&format!("{rounded:.0}"));
    }
    values.append(json)
}

fn out_of_range(to: &SqlType) -> Error {
    Error::new(ErrorKind::NumericOutOfRange, format!("{to} out of range"))
}

/// Applies a fallible function to every value that is not NULL.
fn try_map<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    values: &PrimitiveArray<A>,
    convert: impl Fn(A::Native) -> Result<B::Native>,
) -> Result<PrimitiveArray<B>> {
    let mut out = PrimitiveArray::<B>::builder(values.len());
    for value in values {
        match value {
            Some(value) => out.append_value(convert(value)?),
            None => out.append_null(),
        }
    }
    Ok(out.finish())
}

/// A number on its way from one type to another.
#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Single(f32),
    Double(f64),
    Decimal(i128, i8),
}

fn number(to: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Int16 => numbers(to, array.as_primitive::<Int16Type>(), |value| Number::Integer(value.into())),
        DataType::Int32 => numbers(to, array.as_primitive::<Int32Type>(), |value| Number::Integer(value.into())),
        DataType::Int64 => numbers(to, array.as_primitive::<Int64Type>(), Number::Integer),
        DataType::Float32 => numbers(to, array.as_primitive::<Float32Type>(), Number::Single),
        DataType::Float64 => numbers(to, array.as_primitive::<Float64Type>(), Number::Double),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            numbers(to, array.as_primitive::<Decimal128Type>(), |value| Number::Decimal(value, scale))
        }
        other => Err(Error::internal(format!("{other} is not a number"))),
    }
}

fn numbers<A: ArrowPrimitiveType>(
    to: &SqlType,
    values: &PrimitiveArray<A>,
    read: impl Fn(A::Native) -> Number,
) -> Result<ArrayRef> {
    let integer = |value: A::Native| read(value).to_integer().ok_or_else(|| out_of_range(to));
    Ok(match to {
        SqlType::SmallInt => Arc::new(try_map::<A, Int16Type>(values, |value| {
            i16::try_from(integer(value)?).map_err(|_| out_of_range(to))
        })?),
        SqlType::Integer => Arc::new(try_map::<A, Int32Type>(values, |value| {
            i32::try_from(integer(value)?).map_err(|_| out_of_range(to))
        })?),
        SqlType::BigInt => Arc::new(try_map::<A, Int64Type>(values, integer)?),
        SqlType::Real => Arc::new(try_map::<A, Float32Type>(values, |value| read(value).to_single())?),
        SqlType::Double => Arc::new(try_map::<A, Float64Type>(values, |value| Ok(read(value).to_double()))?),
        SqlType::Numeric { precision, scale } => Arc::new(
            try_map::<A, Decimal128Type>(values, |value| read(value).to_decimal(*precision, *scale))?
                .with_data_type(to.arrow_type()),
        ),
        other => return Err(Error::internal(format!("{other} is not a number"))),
    })
}

impl Number {
    /// The nearest integer: half to even from floats, half away from zero from numeric. `None` if there is none.
    fn to_integer(self) -> Option<i64> {
        // 2^63 is a double; every double below it fits.
        let from_double = |value: f64| {
            let rounded = value.round_ties_even();
            ((-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded)).then_some(rounded as i64)
        };
        match self {
            Number::Integer(value) => Some(value),
            Number::Single(value) => from_double(f64::from(value)),
            Number::Double(value) => from_double(value),
            Number::Decimal(value, scale) => i64::try_from(rescale(value, scale, 0)?).ok(),
        }
    }

    fn to_double(self) -> f64 {
        match self {
            Number::Integer(value) => value as f64,
            Number::Single(value) => f64::from(value),
            Number::Double(value) => value,
            Number::Decimal(value, scale) => decimal_to_double(value, scale),
        }
    }

    fn to_single(self) -> Result<f32> {
        let wide = match self {
            Number::Single(value) => return Ok(value),
            Number::Integer(value) => return Ok(value as f32),
            other => other.to_double(),
        };
        let value = wide as f32;
        if value.is_infinite() && wide.is_finite() {
            return Err(Error::new(ErrorKind::NumericOutOfRange, "value out of range: overflow"));
        }
        if value == 0.0 && wide != 0.0 {
            return Err(Error::new(ErrorKind::NumericOutOfRange, "value out of range: underflow"));
        }
        Ok(value)
    }

    /// The number at a scale, rounded half away from zero; floats bring 15 (or 6) significant digits, as in Postgres.
    fn to_decimal(self, precision: u8, scale: i8) -> Result<i128> {
        let unscaled = match self {
            Number::Integer(value) => rescale(value.into(), 0, scale),
            Number::Decimal(value, from) => rescale(value, from, scale),
            Number::Single(value) => scientific(f64::from(value), format!("{value:.5e}"), scale)?,
            Number::Double(value) => scientific(value, format!("{value:.14e}"), scale)?,
        };
        unscaled.filter(|value| value.unsigned_abs() < 10_u128.pow(precision.into())).ok_or_else(|| {
            Error::new(ErrorKind::NumericOutOfRange, "numeric field overflow").with_detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than 10^{}.",
                i32::from(precision) - i32::from(scale)
            ))
        })
    }
}

/// The double nearest to a decimal.
fn decimal_to_double(value: i128, scale: i8) -> f64 {
    // Both are exact as doubles, and a division of exact doubles is rounded once.
    if value.unsigned_abs() < 1 << 53 && (0..=22).contains(&scale) {
        return value as f64 / 10_f64.powi(scale.into());
    }
    format!("{value}e{}", -i32::from(scale)).parse().unwrap_or(f64::NAN)
}

/// Reads the digits of `d.ddde-x` at a scale; `None` on overflow.
fn scientific(value: f64, digits: String, scale: i8) -> Result<Option<i128>> {
    if !value.is_finite() {
        return Err(Error::not_supported(format!("numeric value {value} is not supported")));
    }
    let Some((mantissa, exponent)) = digits.split_once('e') else { return Ok(None) };
    let (Ok(unscaled), Ok(exponent)) = (mantissa.replace('.', "").parse::<i128>(), exponent.parse::<i32>()) else {
        return Ok(None);
    };
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    // unscaled * 10^(exponent - fraction), at scale `scale`.
    let shift = exponent - fraction + i32::from(scale);
    if unscaled == 0 || shift < -40 {
        return Ok(Some(0));
    }
    Ok(match i8::try_from(shift) {
        Ok(shift) if shift <= 0 => rescale(unscaled, -shift, 0),
        Ok(shift) => rescale(unscaled, 0, shift),
        Err(_) => None,
    })
}

fn boolean(to: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    // Arrow's own casts: true is 1, and everything but 0 is true.
    arrow_cast(array, &to.arrow_type()).map_err(|error| Error::internal(error.to_string()))
}

fn datetime(from: &SqlType, to: &SqlType, array: &ArrayRef, zone: TimeZone) -> Result<ArrayRef> {
    use SqlType::{Date, Interval, Time, Timestamp, TimestampTz};
    let timestamps = || array.as_primitive::<TimestampMicrosecondType>();
    Ok(match (from, to) {
        (Date, Timestamp | TimestampTz) => {
            let midnight = array.as_primitive::<Date32Type>();
            let instants: PrimitiveArray<TimestampMicrosecondType> = midnight.unary(|days| {
                let local = i64::from(days).saturating_mul(MICROS_PER_DAY);
                if *to == TimestampTz { zone.instant_of(local) } else { local }
            });
            Arc::new(instants.with_data_type(to.arrow_type()))
        }
        (Timestamp, TimestampTz) => {
            let instants: PrimitiveArray<TimestampMicrosecondType> = timestamps().unary(|local| zone.instant_of(local));
            Arc::new(instants.with_data_type(to.arrow_type()))
        }
        (TimestampTz, Timestamp) => {
            let locals: PrimitiveArray<TimestampMicrosecondType> = timestamps().unary(|instant| zone.local_of(instant));
            Arc::new(locals.with_data_type(to.arrow_type()))
        }
        (Timestamp | TimestampTz, Date | Time) => {
            let local = |micros: i64| if *from == TimestampTz { zone.local_of(micros) } else { micros };
            if *to == Date {
                let days: PrimitiveArray<Date32Type> =
                    timestamps().unary(|micros| local(micros).div_euclid(MICROS_PER_DAY) as i32);
                Arc::new(days)
            } else {
                let times: PrimitiveArray<Time64MicrosecondType> =
                    timestamps().unary(|micros| local(micros).rem_euclid(MICROS_PER_DAY));
                Arc::new(times)
            }
        }
        (Time, Interval) => {
            let times = array.as_primitive::<Time64MicrosecondType>();
            let intervals: PrimitiveArray<IntervalMonthDayNanoType> =
                times.unary(|micros| IntervalMonthDayNanoType::make_value(0, 0, micros * 1000));
            Arc::new(intervals)
        }
        (Interval, Time) => {
            let intervals = array.as_primitive::<IntervalMonthDayNanoType>();
            let times: PrimitiveArray<Time64MicrosecondType> =
                intervals.unary(|interval| (interval.nanoseconds / 1000).rem_euclid(MICROS_PER_DAY));
            Arc::new(times)
        }
        _ => return Err(cannot_cast(from, to)),
    })
}

fn elements(from: &SqlType, to: &SqlType, array: &ArrayRef, context: CastContext, zone: TimeZone) -> Result<ArrayRef> {
    let (SqlType::Array(from_item), SqlType::Array(to_item)) = (from, to) else { return Err(cannot_cast(from, to)) };
    let list = own_storage(from, array)?;
    let list = list.as_list::<i32>();
    let items = match from_item == to_item {
        true => Arc::clone(list.values()),
        false => Conversion::between(from_item, to_item)?.apply(list.values(), context, zone)?,
    };
    let DataType::List(field) = to.arrow_type() else { return Err(cannot_cast(from, to)) };
    Ok(Arc::new(ListArray::new(field, list.offsets().clone(), items, list.nulls().cloned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::append_value;

    /// Casts the text form of a value, and gives the text form of the result.
    fn cast(from: SqlType, text: &str, to: SqlType) -> Result<String> {
        let mut column = TextColumn::new(&from, 1);
        column.append(text)?;
        let berlin = TimeZone::named("Europe/Berlin")?;
        let array = Conversion::between(&from, &to)?.apply(&column.finish(), CastContext::Explicit, berlin)?;
        assert_eq!(array.data_type(), &to.arrow_type());
        let mut out = String::new();
        append_value(&mut out, &to, &array, 0, &OutputStyle::default())?;
        Ok(out)
    }

    #[test]
    fn casts_convert_as_postgres_does() {
        use SqlType::*;
        let numeric = |precision, scale| Numeric { precision, scale };
        for (from, text, to, expected) in [
            (Double, "2.5", Integer, "2"),
            (Double, "3.5", Integer, "4"),
            (Double, "-2.5", BigInt, "-2"),
            (numeric(5, 1), "2.5", Integer, "3"),
            (numeric(5, 1), "-2.5", Integer, "-3"),
            (numeric(10, 4), "1.2350", numeric(10, 2), "1.24"),
            (numeric(10, 4), "0.1", Double, "0.1"),
            (Double, "0.1", numeric(38, 10), "0.1"),
            (Double, "1e20", numeric(38, 10), "100000000000000000000"),
            (Real, "0.1", numeric(38, 10), "0.1"),
            (Double, "1234.5678", numeric(6, 2), "1234.57"),
            (BigInt, "7", SmallInt, "7"),
            (BigInt, "7", Real, "7"),
            (Boolean, "t", Integer, "1"),
            (Integer, "2", Boolean, "t"),
            (Boolean, "t", Text, "true"),
            (Integer, "42", Text, "42"),
            (Text, " 42 ", Integer, "42"),
            (Text, "abcdef", Varchar(3), "abc"),
            (Date, "2024-01-31", Timestamp, "2024-01-31 00:00:00"),
            (Date, "2024-01-31", TimestampTz, "2024-01-30 23:00:00+00"),
            (Timestamp, "2024-07-01 12:00", TimestampTz, "2024-07-01 10:00:00+00"),
            (TimestampTz, "2024-07-01 10:00+00", Timestamp, "2024-07-01 12:00:00"),
            (TimestampTz, "2024-07-01 23:00+00", Date, "2024-07-02"),
            (Timestamp, "1969-12-31 23:59:59", Date, "1969-12-31"),
            (Timestamp, "2024-07-01 12:34:56", Time, "12:34:56"),
            (Array(Box::new(Integer)), "{1,NULL}", Array(Box::new(Text)), "{1,NULL}"),
            (Array(Box::new(Double)), "{1,2.5}", Vector(2), "[1,2.5]"),
            (Vector(2), "[1,2.5]", Array(Box::new(Real)), "{1,2.5}"),
            (Vector(2), "[1,2.5]", Text, "[1,2.5]"),
            (Vector(2), "[1,2.5]", Vector(0), "[1,2.5]"),
            (Vector(2), "[0.1,2.5]", Halfvec(2), "[0.099975586,2.5]"),
            (Halfvec(2), "[1,0]", Sparsevec(0), "{1:1}/2"),
            (Sparsevec(3), "{1:1,3:2}/3", Vector(3), "[1,0,2]"),
            (Array(Box::new(Integer)), "{0,7}", Sparsevec(2), "{2:7}/2"),
            (Text, "[1,2]", Vector(0), "[1,2]"),
            (Text, "10", Bit(3), "100"),
            (Varbit(0), "10101", Varbit(3), "101"),
            (Bit(3), "101", Varbit(0), "101"),
            (Integer, "5", Bit(4), "0101"),
            (Integer, "-1", Bit(3), "111"),
            (BigInt, "-1", Bit(66), &"1".repeat(66)),
            (Bit(3), "101", Integer, "5"),
            (Bit(64), &"1".repeat(64), BigInt, "-1"),
            (Json, "{\"a\":1}", Jsonb, "{\"a\": 1}"),
        ] {
            assert_eq!(cast(from.clone(), text, to.clone()).expect(text), expected, "{from} {text} -> {to}");
        }
    }

    #[test]
    fn casts_fail_as_postgres_does() {
        use SqlType::*;
        use slipstream_engine::ErrorKind::*;
        let vector = |dimension| Vector(dimension);
        for (from, text, to, kind, message) in [
            (BigInt, "40000", SmallInt, NumericOutOfRange, "smallint out of range"),
            (Double, "1e10", Integer, NumericOutOfRange, "integer out of range"),
            (Double, "NaN", Integer, NumericOutOfRange, "integer out of range"),
            (Double, "9223372036854775808", BigInt, NumericOutOfRange, "bigint out of range"),
            (Double, "1e39", Real, NumericOutOfRange, "value out of range: overflow"),
            (Integer, "1000", Numeric { precision: 3, scale: 0 }, NumericOutOfRange, "numeric field overflow"),
            (Text, "abc", Integer, InvalidText, "invalid input syntax for type integer: \"abc\""),
            (Boolean, "t", Date, DatatypeMismatch, "cannot cast type boolean to date"),
            (vector(2), "[1,2]", vector(3), DataException, "expected 3 dimensions, not 2"),
            (vector(1), "[70000]", Halfvec(0), NumericOutOfRange, "\"70000\" is out of range for type halfvec"),
            (Sparsevec(0), "{}/20000", vector(0), ProgramLimit, "vector cannot have more than 16000 dimensions"),
            (Array(Box::new(Double)), "{1e39}", vector(0), DataException, "infinite value not allowed in vector"),
            (Array(Box::new(Double)), "{1,NULL}", vector(0), NullNotAllowed, "array must not contain nulls"),
            (Array(Box::new(Double)), "{}", Sparsevec(0), DataException, "sparsevec must have at least 1 dimension"),
            (Bit(0), &"1".repeat(33), Integer, NumericOutOfRange, "integer out of range"),
            (Sparsevec(0), "{}/3", Array(Box::new(Real)), DatatypeMismatch, "cannot cast type sparsevec to real[]"),
        ] {
            let error = cast(from, text, to).expect_err(text);
            assert_eq!((error.kind(), error.message()), (kind, message));
        }
    }
}
