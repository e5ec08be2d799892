//! Binary values into an Arrow array.

use arrow::array::ArrayRef;
use arrow::datatypes::IntervalMonthDayNano;
use bytes::Buf;
use datafusion::scalar::ScalarValue;
use slipstream_catalog::pg_catalog::oids::Form;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::{EPOCH_DAYS, EPOCH_MICROSECONDS, Half, JSONB_VERSION};
use super::{numeric, text_search};
use crate::pgvector::{Kind, Sparse};
use crate::text::{TextColumn, Values};
use crate::types::ClientType;

/// The most dimensions of an array, as in Postgres.
const MAX_DIMENSIONS: i32 = 6;

/// A column of a type, built from Postgres's binary input form.
///
/// A value that cannot be read is an error, after which the column is good for nothing.
pub struct BinaryColumn {
    client_type: ClientType,
    column: TextColumn,
}

impl BinaryColumn {
    /// An empty column with room for `capacity` values.
    pub fn new(client_type: &ClientType, capacity: usize) -> Self {
        let column = TextColumn::new(client_type.sql_type(), capacity);
        BinaryColumn { client_type: client_type.clone(), column }
    }

    /// Appends the value that `data` stands for. Bytes that are no value of the type are `22P03`.
    pub fn append(&mut self, data: &[u8]) -> Result<()> {
        append(&self.client_type, &mut self.column, data)
    }

    /// Appends NULL.
    pub fn append_null(&mut self) {
        self.column.append_null();
    }

    /// The column, in exactly the Arrow type of its SQL type.
    pub fn finish(self) -> ArrayRef {
        self.column.finish()
    }
}

/// The value that `data` stands for. A `vector` of any dimension is read as one of the dimension that it has.
pub fn parse_scalar(client_type: &ClientType, data: &[u8]) -> Result<ScalarValue> {
    let mut column = BinaryColumn::new(client_type, 1);
    column.append(data)?;
    column.column.take_dimension();
    ScalarValue::try_from_array(&column.finish(), 0).map_err(|error| Error::internal(error.to_string()))
}

/// Text of the client encoding, which is UTF-8, and without NUL.
pub fn utf8(data: &[u8]) -> Result<&str> {
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

fn append(client_type: &ClientType, column: &mut TextColumn, data: &[u8]) -> Result<()> {
    match client_type.sql_type() {
        SqlType::Numeric { .. } => return column.append(&numeric::to_text(data)?),
        SqlType::Text if client_type.form() == Form::Byte => return column.append(one_byte(data)?),
        SqlType::Text | SqlType::Varchar(_) | SqlType::Json => return column.append(utf8(data)?),
        SqlType::Jsonb => match data.split_first() {
            Some((&JSONB_VERSION, json)) => return column.append(utf8(json)?),
            _ => return Err(malformed()),
        },
        SqlType::TsVector => return column.append(&text_search::vector_text(data)?),
        SqlType::TsQuery => return column.append(&text_search::query_text(data)?),
        _ => {}
    }
    let form = client_type.form();
    match column.values() {
        Values::Boolean(values) => values.append_value(exactly::<1>(data)?[0] != 0),
        Values::Int16(values) => values.append_value(i16::from_be_bytes(exactly(data)?)),
        Values::Int32(values) => values.append_value(i32::from_be_bytes(exactly(data)?)),
        Values::Int64(values) if form == Form::ObjectId => {
            values.append_value(u32::from_be_bytes(exactly(data)?).into());
        }
        Values::Int64(values) => values.append_value(i64::from_be_bytes(exactly(data)?)),
        Values::Float32(values) => {
            let value = f32::from_be_bytes(exactly(data)?);
            values.append_value(if value.is_nan() { f32::NAN } else { value });
        }
        Values::Float64(values) => {
            let value = f64::from_be_bytes(exactly(data)?);
            values.append_value(if value.is_nan() { f64::NAN } else { value });
        }
        Values::Bytes(values) => values.append_value(data),
        Values::Uuid(values) => {
            values.append_value(exactly::<16>(data)?).map_err(|error| Error::internal(error.to_string()))?;
        }
        Values::Date(values) => {
            let days = i32::from_be_bytes(exactly(data)?).checked_add(EPOCH_DAYS);
            values.append_value(days.ok_or_else(|| out_of_range("date"))?);
        }
        Values::Time(values) => values.append_value(time(data)?),
        Values::Timestamp(values) => {
            let microseconds = i64::from_be_bytes(exactly(data)?).checked_add(EPOCH_MICROSECONDS);
            values.append_value(microseconds.ok_or_else(|| out_of_range("timestamp"))?);
        }
        Values::Interval(values) => values.append_value(interval(data)?),
        Values::Array { items, offsets, nulls } => {
            let item = client_type.item().ok_or_else(|| Error::internal("an array without a type of its items"))?;
            offsets.push_length(append_items(&item, items, data)?);
            nulls.append_non_null();
        }
        Values::Vector(values) => {
            let elements = vector(values.kind(), data)?;
            values.push(elements)?;
        }
        Values::Sparse(values) => {
            let vector = Sparse::from_bytes(data)?;
            Kind::check_expected(Kind::dimension(client_type.sql_type()), vector.dimension())?;
            values.append_value(data);
        }
        Values::Bits(values) => values.push(&bits(data)?)?,
        Values::Decimal(_) | Values::Text(_) => {
            return Err(Error::internal("a value whose type is read elsewhere"));
        }
    }
    Ok(())
}

/// A `"char"`, which is empty where its byte is 0.
fn one_byte(data: &[u8]) -> Result<&str> {
    match data {
        [0] => Ok(""),
        [byte] if byte.is_ascii() => utf8(data),
        _ => Err(malformed()),
    }
}

fn out_of_range(what: &str) -> Error {
    Error::new(ErrorKind::DatetimeOverflow, format!("{what} out of range"))
}

/// Microseconds since midnight; 24:00 is a time in Postgres.
fn time(data: &[u8]) -> Result<i64> {
    let time = i64::from_be_bytes(exactly(data)?);
    if (0..=86_400_000_000).contains(&time) { Ok(time) } else { Err(out_of_range("time")) }
}

fn interval(data: &[u8]) -> Result<IntervalMonthDayNano> {
    let mut data = &exactly::<16>(data)?[..];
    let nanoseconds = data.get_i64().checked_mul(1_000).ok_or_else(|| out_of_range("interval"))?;
    let days = data.get_i32();
    let months = data.get_i32();
    Ok(IntervalMonthDayNano::new(months, days, nanoseconds))
}

/// pgvector's `vector_recv` and `halfvec_recv`: dimension, 16 unused bits, the floats.
fn vector(kind: Kind, mut data: &[u8]) -> Result<Vec<f32>> {
    if data.len() < 4 {
        return Err(malformed());
    }
    let dimension = data.get_i16();
    let unused = data.get_i16();
    kind.check_dimension(usize::try_from(dimension).unwrap_or(0))?;
    if unused != 0 {
        return Err(Error::new(ErrorKind::DataException, format!("expected unused to be 0, not {unused}")));
    }
    let width = if kind == Kind::Halfvec { 2 } else { 4 };
    if data.len() != dimension as usize * width {
        return Err(malformed());
    }
    let elements = data.chunks_exact(width).map(|mut element| {
        let value = if kind == Kind::Halfvec { Half::from_bits(element.get_u16()).to_f32() } else { element.get_f32() };
        kind.check_element(value).map(|()| value)
    });
    elements.collect()
}

/// `bit_recv`: how many bits, then the bits, the first the highest of the first byte.
fn bits(mut data: &[u8]) -> Result<Vec<bool>> {
    if data.len() < 4 {
        return Err(malformed());
    }
    let count = data.get_i32();
    let count = usize::try_from(count)
        .map_err(|_| Error::new(ErrorKind::InvalidBinary, "invalid length in external bit string"))?;
    if data.len() != count.div_ceil(8) {
        return Err(malformed());
    }
    Ok((0..count).map(|bit| data[bit / 8] & (0x80 >> (bit % 8)) != 0).collect())
}

/// `array_recv`: dimension count, a flag that we do not need, item type, length and lower bound of each dimension, items.
/// Says how many items there were.
fn append_items(item: &ClientType, items: &mut TextColumn, mut data: &[u8]) -> Result<usize> {
    if data.len() < 12 {
        return Err(malformed());
    }
    let dimensions = data.get_i32();
    data.advance(4);
    let item_oid = data.get_u32();
    if !(0..=MAX_DIMENSIONS).contains(&dimensions) || data.len() < dimensions as usize * 8 {
        return Err(malformed());
    }
    if item_oid != item.oid() {
        let message = format!("wrong element type: the array holds type {item_oid} and not {}", item.oid());
        return Err(Error::new(ErrorKind::DatatypeMismatch, message));
    }
    if dimensions > 1 {
        return Err(Error::not_supported("multidimensional arrays are not supported"));
    }
    let mut length = 0;
    if dimensions == 1 {
        length = usize::try_from(data.get_i32()).map_err(|_| malformed())?;
        data.advance(4);
    }
    for _ in 0..length {
        append_item(item, items, &mut data)?;
    }
    if data.is_empty() { Ok(length) } else { Err(malformed()) }
}

fn append_item(item: &ClientType, items: &mut TextColumn, data: &mut &[u8]) -> Result<()> {
    if data.len() < 4 {
        return Err(malformed());
    }
    let length = data.get_i32();
    if length == -1 {
        items.append_null();
        return Ok(());
    }
    let length = usize::try_from(length).map_err(|_| malformed())?;
    if data.len() < length {
        return Err(malformed());
    }
    let (value, rest) = data.split_at(length);
    *data = rest;
    append(item, items, value)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{FixedSizeListArray, Float32Array, ListArray};
    use arrow::datatypes::{DataType, Field, Int64Type};
    use bytes::BytesMut;

    use super::super::BinaryEncoder;
    use super::*;

    /// Decoding what the encoder wrote gives the value back. Gives the bytes.
    fn round_trip(client_type: &ClientType, value: ScalarValue) -> BytesMut {
        let array = value.to_array().unwrap();
        let mut out = BytesMut::new();
        BinaryEncoder::new(client_type, &array).unwrap().append(&mut out, 0).unwrap();
        assert_eq!(parse_scalar(client_type, &out).unwrap(), value, "{client_type:?}");
        out
    }

    fn vector(values: Vec<f32>) -> ScalarValue {
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let dimension = values.len() as i32;
        let vector = FixedSizeListArray::new(item, dimension, Arc::new(Float32Array::from(values)), None);
        ScalarValue::FixedSizeList(Arc::new(vector))
    }

    #[test]
    fn every_type_survives_both_ways() {
        let survives = |sql_type, value| round_trip(&ClientType::of(&sql_type), value);
        survives(SqlType::Boolean, ScalarValue::Boolean(Some(true)));
        survives(SqlType::SmallInt, ScalarValue::Int16(Some(-7)));
        survives(SqlType::Integer, ScalarValue::Int32(Some(i32::MIN)));
        survives(SqlType::BigInt, ScalarValue::Int64(Some(i64::MAX)));
        survives(SqlType::Real, ScalarValue::Float32(Some(1.5)));
        survives(SqlType::Double, ScalarValue::Float64(Some(-0.1)));
        let numeric = SqlType::Numeric { precision: 12, scale: 3 };
        survives(numeric, ScalarValue::Decimal128(Some(-123_456_789), 12, 3));
        survives(SqlType::Text, ScalarValue::Utf8(Some("a\u{e9}".into())));
        survives(SqlType::Jsonb, ScalarValue::Utf8(Some("{\"a\": 1}".into())));
        survives(SqlType::Bytea, ScalarValue::Binary(Some(vec![0, 255])));
        survives(SqlType::Uuid, ScalarValue::FixedSizeBinary(16, Some(vec![7; 16])));
        survives(SqlType::Date, ScalarValue::Date32(Some(-1)));
        survives(SqlType::Time, ScalarValue::Time64Microsecond(Some(86_399_999_999)));
        survives(SqlType::Timestamp, ScalarValue::TimestampMicrosecond(Some(-1), None));
        survives(SqlType::TimestampTz, ScalarValue::TimestampMicrosecond(Some(1), Some("UTC".into())));
        let interval = IntervalMonthDayNano::new(-1, 2, 3_000);
        survives(SqlType::Interval, ScalarValue::IntervalMonthDayNano(Some(interval)));
        survives(SqlType::Vector(2), vector(vec![1.0, -2.5]));
        survives(SqlType::Vector(0), vector(vec![1.0, -2.5]));
        for (sql_type, text) in [
            (SqlType::Halfvec(2), "[0.5,-3]"),
            (SqlType::Halfvec(0), "[0.5,-3]"),
            (SqlType::Sparsevec(5), "{2:0.5,5:-3}/5"),
            (SqlType::Bit(9), "101100001"),
            (SqlType::Varbit(0), "1011"),
            (SqlType::Varbit(9), ""),
        ] {
            let value = crate::text::parse_scalar(&sql_type, text).unwrap();
            survives(sql_type, value);
        }
    }

    #[test]
    fn types_of_the_catalogs_have_their_own_bytes() {
        let named = |oid| ClientType::with_oid(oid).expect("readable");
        assert_eq!(round_trip(&named(26), ScalarValue::Int64(Some(0xffff_fffe)))[..], [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(round_trip(&named(18), ScalarValue::Utf8(Some("r".into())))[..], *b"r");
        assert_eq!(round_trip(&named(18), ScalarValue::Utf8(Some(String::new())))[..], [0]);
        assert_eq!(round_trip(&named(19), ScalarValue::Utf8(Some("public".into())))[..], *b"public");
        let oids = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(7)])]);
        let bytes = round_trip(&named(1028), ScalarValue::List(Arc::new(oids)));
        let expected: Vec<u8> = [1i32, 0, 26, 1, 1, 4, 7].iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(bytes[..], expected);
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        let kind = |sql_type, data: &[u8]| parse_scalar(&ClientType::of(&sql_type), data).unwrap_err().kind();
        let integers = SqlType::Array(Box::new(SqlType::Integer));
        assert_eq!(kind(SqlType::Integer, &[1, 2]), ErrorKind::InvalidBinary);
        assert_eq!(kind(SqlType::Jsonb, b"{}"), ErrorKind::InvalidBinary);
        assert_eq!(kind(SqlType::Text, &[b'a', 0xff]), ErrorKind::InvalidEncoding);
        assert_eq!(kind(SqlType::Text, b"a\0b"), ErrorKind::InvalidEncoding);
        assert_eq!(kind(SqlType::Vector(3), &[0, 1, 0, 0, 0, 0, 0, 0]), ErrorKind::DataException);
        assert_eq!(kind(SqlType::Vector(0), &[0, 0, 0, 0]), ErrorKind::DataException);
        assert_eq!(kind(SqlType::Vector(1), &[0, 1, 0, 0, 0x7f, 0xc0, 0, 0]), ErrorKind::DataException);
        assert_eq!(kind(SqlType::Halfvec(0), &[0, 1, 0, 0, 0x7e, 0]), ErrorKind::DataException);
        assert_eq!(kind(SqlType::Halfvec(0), &[0, 1, 0, 0, 0]), ErrorKind::InvalidBinary);
        assert_eq!(kind(SqlType::Sparsevec(2), &[0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0]), ErrorKind::DataException);
        assert_eq!(kind(SqlType::Bit(3), &[0, 0, 0, 4, 0xf0]), ErrorKind::StringLengthMismatch);
        assert_eq!(kind(SqlType::Varbit(0), &[0, 0, 0, 9, 0xf0]), ErrorKind::InvalidBinary);
        assert_eq!(kind(integers.clone(), &[0; 8]), ErrorKind::InvalidBinary);
        let words = |words: &[i32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        assert_eq!(kind(integers.clone(), &words(&[1, 0, 23, i32::MAX, 1])), ErrorKind::InvalidBinary);
        assert_eq!(kind(integers.clone(), &words(&[1, 0, 20, 0, 1])), ErrorKind::DatatypeMismatch);
        assert_eq!(kind(integers, &words(&[2, 0, 23, 1, 1, 1, 1, 4, 1])), ErrorKind::NotSupported);
    }
}
