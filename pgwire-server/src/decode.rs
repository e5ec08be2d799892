//! Parameters from the wire: text or binary bytes in, scalar values of the statement's parameter types out.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, ListArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano};
use bytes::Buf;
use datafusion::scalar::ScalarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::{from_datafusion, text};

use crate::binary::{EPOCH_DAYS, EPOCH_MICROSECONDS, JSONB_VERSION};
use crate::encode::Format;
use crate::numeric;

/// The most dimensions of an array, as in Postgres.
const MAX_DIMENSIONS: i32 = 6;

/// Decodes one parameter. `number` counts from 1 and is for messages; `data` is `None` for NULL.
pub(crate) fn parameter(number: usize, sql_type: &SqlType, format: Format, data: Option<&[u8]>) -> Result<ScalarValue> {
    let Some(data) = data else {
        return ScalarValue::try_new_null(&sql_type.arrow_type()).map_err(from_datafusion);
    };
    match format {
        Format::Text => text::parse_scalar(sql_type, utf8(data)?),
        Format::Binary => binary(sql_type, data).map_err(|error| match error.kind() {
            ErrorKind::InvalidBinary => {
                Error::new(ErrorKind::InvalidBinary, format!("incorrect binary data format in bind parameter {number}"))
                    .with_detail(format!("The bytes are not a value of type {sql_type}."))
            }
            _ => error,
        }),
    }
}

/// Text of the client encoding, which is UTF-8.
pub(crate) fn utf8(data: &[u8]) -> Result<&str> {
    let invalid = |at: usize| {
        let bytes: Vec<String> = data[at..].iter().take(4).map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", bytes.join(" "));
        Error::new(ErrorKind::InvalidEncoding, message)
    };
    let text = std::str::from_utf8(data).map_err(|error| invalid(error.valid_up_to()))?;
    match data.iter().position(|byte| *byte == 0) {
        Some(nul) => Err(invalid(nul)),
        None => Ok(text),
    }
}

fn malformed() -> Error {
    Error::new(ErrorKind::InvalidBinary, "incorrect binary data format")
}

/// A value of exactly `N` bytes.
fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N]> {
    data.try_into().map_err(|_| malformed())
}

fn binary(sql_type: &SqlType, data: &[u8]) -> Result<ScalarValue> {
    Ok(match sql_type {
        SqlType::Boolean => ScalarValue::Boolean(Some(exactly::<1>(data)?[0] != 0)),
        SqlType::SmallInt => ScalarValue::Int16(Some(i16::from_be_bytes(exactly(data)?))),
        SqlType::Integer => ScalarValue::Int32(Some(i32::from_be_bytes(exactly(data)?))),
        SqlType::BigInt => ScalarValue::Int64(Some(i64::from_be_bytes(exactly(data)?))),
        SqlType::Real => ScalarValue::Float32(Some(f32::from_be_bytes(exactly(data)?))),
        SqlType::Double => ScalarValue::Float64(Some(f64::from_be_bytes(exactly(data)?))),
        SqlType::Numeric { .. } => text::parse_scalar(sql_type, &numeric::to_text(data)?)?,
        SqlType::Text | SqlType::Varchar(_) | SqlType::Json => text::parse_scalar(sql_type, utf8(data)?)?,
        SqlType::Jsonb => match data.split_first() {
            Some((&JSONB_VERSION, json)) => text::parse_scalar(sql_type, utf8(json)?)?,
            _ => return Err(malformed()),
        },
        SqlType::Bytea => ScalarValue::Binary(Some(data.to_vec())),
        SqlType::Uuid => ScalarValue::FixedSizeBinary(16, Some(exactly::<16>(data)?.to_vec())),
        SqlType::Date => {
            let days = i32::from_be_bytes(exactly(data)?);
            ScalarValue::Date32(Some(days.checked_add(EPOCH_DAYS).ok_or_else(|| out_of_range("date"))?))
        }
        SqlType::Time => ScalarValue::Time64Microsecond(Some(time(data)?)),
        SqlType::Timestamp => ScalarValue::TimestampMicrosecond(Some(timestamp(data)?), None),
        SqlType::TimestampTz => ScalarValue::TimestampMicrosecond(Some(timestamp(data)?), Some("UTC".into())),
        SqlType::Interval => ScalarValue::IntervalMonthDayNano(Some(interval(data)?)),
        SqlType::Vector(dimension) => vector(*dimension, data)?,
        SqlType::Array(item) => array(item, data)?,
    })
}

fn out_of_range(what: &str) -> Error {
    Error::new(ErrorKind::DatetimeOverflow, format!("{what} out of range"))
}

/// Microseconds since midnight; 24:00 is a time in Postgres.
fn time(data: &[u8]) -> Result<i64> {
    let time = i64::from_be_bytes(exactly(data)?);
    if (0..=86_400_000_000).contains(&time) { Ok(time) } else { Err(out_of_range("time")) }
}

fn timestamp(data: &[u8]) -> Result<i64> {
    let microseconds = i64::from_be_bytes(exactly(data)?);
    microseconds.checked_add(EPOCH_MICROSECONDS).ok_or_else(|| out_of_range("timestamp"))
}

fn interval(data: &[u8]) -> Result<IntervalMonthDayNano> {
    let mut data = &exactly::<16>(data)?[..];
    let nanoseconds = data.get_i64().checked_mul(1_000).ok_or_else(|| out_of_range("interval"))?;
    let days = data.get_i32();
    let months = data.get_i32();
    Ok(IntervalMonthDayNano::new(months, days, nanoseconds))
}

/// pgvector's `vector_recv`.
fn vector(dimension: u32, mut data: &[u8]) -> Result<ScalarValue> {
    if data.len() < 4 {
        return Err(malformed());
    }
    let found = u32::from(data.get_u16());
    let unused = data.get_u16();
    if unused != 0 || data.len() != found as usize * 4 {
        return Err(malformed());
    }
    if found != dimension {
        return Err(Error::new(ErrorKind::DataException, format!("expected {dimension} dimensions, not {found}")));
    }
    let values: Vec<f32> = (0..found).map(|_| data.get_f32()).collect();
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        let name = if value.is_nan() { "NaN" } else { "infinite value" };
        return Err(Error::new(ErrorKind::DataException, format!("{name} not allowed in vector")));
    }
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let values = Arc::new(Float32Array::from(values));
    Ok(ScalarValue::FixedSizeList(Arc::new(FixedSizeListArray::new(item, dimension as i32, values, None))))
}

/// `array_recv`: dimension count, a flag that we do not need, item type, lengths and lower bounds, items.
fn array(item: &SqlType, mut data: &[u8]) -> Result<ScalarValue> {
    if data.len() < 12 {
        return Err(malformed());
    }
    let dimensions = data.get_i32();
    data.advance(8);
    if !(0..=MAX_DIMENSIONS).contains(&dimensions) || data.len() < dimensions as usize * 8 {
        return Err(malformed());
    }
    let mut lengths = Vec::with_capacity(dimensions as usize);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(data.get_i32()).map_err(|_| malformed())?);
        data.advance(4);
    }
    // Each item takes at least its length, so that a header cannot promise more than the message holds.
    let items = lengths.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
    match items {
        Some(0) => lengths.clear(),
        Some(items) if items <= data.len() / 4 || lengths.is_empty() => {}
        _ => return Err(malformed()),
    }
    let list = list(item, &lengths, &mut data)?;
    if data.is_empty() { Ok(list) } else { Err(malformed()) }
}

/// Reads the items of one dimension, and of the dimensions inside it.
fn list(item: &SqlType, lengths: &[usize], data: &mut &[u8]) -> Result<ScalarValue> {
    let (length, inner) = match lengths.split_first() {
        Some((length, inner)) => (*length, inner),
        None => (0, lengths),
    };
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(match (item, inner) {
            (SqlType::Array(item), inner) if !inner.is_empty() => list(item, inner, data)?,
            (item, []) => list_item(item, data)?,
            _ => return Err(malformed()),
        });
    }
    let values: ArrayRef = if items.is_empty() {
        new_empty_array(&item.arrow_type())
    } else {
        ScalarValue::iter_to_array(items).map_err(from_datafusion)?
    };
    let field = Arc::new(Field::new("item", item.arrow_type(), true));
    Ok(ScalarValue::List(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([length]), values, None))))
}

fn list_item(item: &SqlType, data: &mut &[u8]) -> Result<ScalarValue> {
    if data.len() < 4 {
        return Err(malformed());
    }
    let length = data.get_i32();
    if length == -1 {
        return ScalarValue::try_new_null(&item.arrow_type()).map_err(from_datafusion);
    }
    let length = usize::try_from(length).map_err(|_| malformed())?;
    if data.len() < length {
        return Err(malformed());
    }
    let (value, rest) = data.split_at(length);
    *data = rest;
    binary(item, value)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::binary::BinaryColumn;

    /// Decoding what the encoder wrote gives the value back.
    fn round_trip(sql_type: &SqlType, value: ScalarValue) {
        let array = value.to_array().unwrap();
        let mut out = BytesMut::new();
        BinaryColumn::new(sql_type, &array).append(&mut out, 0).unwrap();
        let read = parameter(1, sql_type, Format::Binary, Some(&out)).unwrap();
        assert_eq!(read, value, "{sql_type}");
    }

    #[test]
    fn every_type_survives_binary_both_ways() {
        round_trip(&SqlType::Boolean, ScalarValue::Boolean(Some(true)));
        round_trip(&SqlType::SmallInt, ScalarValue::Int16(Some(-7)));
        round_trip(&SqlType::Integer, ScalarValue::Int32(Some(i32::MIN)));
        round_trip(&SqlType::BigInt, ScalarValue::Int64(Some(i64::MAX)));
        round_trip(&SqlType::Real, ScalarValue::Float32(Some(1.5)));
        round_trip(&SqlType::Double, ScalarValue::Float64(Some(-0.1)));
        let numeric = SqlType::Numeric { precision: 12, scale: 3 };
        round_trip(&numeric, ScalarValue::Decimal128(Some(-123_456_789), 12, 3));
        round_trip(&SqlType::Text, ScalarValue::Utf8(Some("a\u{e9}".into())));
        round_trip(&SqlType::Jsonb, ScalarValue::Utf8(Some("{\"a\": 1}".into())));
        round_trip(&SqlType::Bytea, ScalarValue::Binary(Some(vec![0, 255])));
        round_trip(&SqlType::Uuid, ScalarValue::FixedSizeBinary(16, Some(vec![7; 16])));
        round_trip(&SqlType::Date, ScalarValue::Date32(Some(-1)));
        round_trip(&SqlType::Time, ScalarValue::Time64Microsecond(Some(86_399_999_999)));
        round_trip(&SqlType::Timestamp, ScalarValue::TimestampMicrosecond(Some(-1), None));
        round_trip(&SqlType::TimestampTz, ScalarValue::TimestampMicrosecond(Some(1), Some("UTC".into())));
        let interval = IntervalMonthDayNano::new(-1, 2, 3_000);
        round_trip(&SqlType::Interval, ScalarValue::IntervalMonthDayNano(Some(interval)));
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let vector = FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(vec![1.0, -2.5])), None);
        round_trip(&SqlType::Vector(2), ScalarValue::FixedSizeList(Arc::new(vector)));
    }

    #[test]
    fn arrays_of_arrays_survive_binary_both_ways() {
        let inner = SqlType::Array(Box::new(SqlType::Integer));
        let outer = SqlType::Array(Box::new(inner.clone()));
        let row = |items: Vec<Option<i32>>| {
            let field = Arc::new(Field::new("item", DataType::Int32, true));
            let values: ArrayRef = Arc::new(arrow::array::Int32Array::from(items));
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            ScalarValue::List(Arc::new(ListArray::new(field, offsets, values, None)))
        };
        let rows = ScalarValue::iter_to_array([row(vec![Some(1), None]), row(vec![Some(3), Some(4)])]).unwrap();
        let field = Arc::new(Field::new("item", inner.arrow_type(), true));
        let value = ListArray::new(field, OffsetBuffer::from_lengths([2]), rows, None);
        round_trip(&outer, ScalarValue::List(Arc::new(value)));
    }

    #[test]
    fn a_value_of_the_wrong_length_is_22p03() {
        let error = parameter(2, &SqlType::Integer, Format::Binary, Some(&[1, 2])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidBinary);
        assert_eq!(error.message(), "incorrect binary data format in bind parameter 2");
    }

    #[test]
    fn a_vector_of_the_wrong_dimension_is_refused() {
        let error = parameter(1, &SqlType::Vector(3), Format::Binary, Some(&[0, 1, 0, 0, 0, 0, 0, 0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataException);
        assert_eq!(error.message(), "expected 3 dimensions, not 1");
    }

    #[test]
    fn text_that_is_not_utf8_is_22021() {
        assert_eq!(utf8(&[b'a', 0xff]).unwrap_err().kind(), ErrorKind::InvalidEncoding);
        assert_eq!(utf8(b"a\0b").unwrap_err().kind(), ErrorKind::InvalidEncoding);
    }
}
