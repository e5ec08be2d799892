//! Text values into an Arrow array.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, LargeBinaryBuilder, ListArray, NullBufferBuilder,
    OffsetBufferBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use datafusion::scalar::ScalarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::{TsQuery, TsVector};

use super::array::parse_array;
use super::zone::TimeZone;
use super::{bytes, datetime, interval, json, number, vector};
use crate::error::from_text_search;
use crate::pgvector::{BitsBuilder, DenseBuilder, Kind, parse_bits};

/// A column of a SQL type, built from Postgres's text input form.
///
/// A value that cannot be read leaves the column as it was.
pub struct TextColumn {
    sql_type: SqlType,
    zone: TimeZone,
    values: Values,
}

/// The builder for each kind of storage.
pub(crate) enum Values {
    Boolean(BooleanBuilder),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>),
    Text(StringBuilder),
    Bytes(BinaryBuilder),
    Uuid(FixedSizeBinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time64MicrosecondType>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    Interval(PrimitiveBuilder<IntervalMonthDayNanoType>),
    Vector(DenseBuilder),
    /// In the bytes of the wire.
    Sparse(LargeBinaryBuilder),
    Bits(BitsBuilder),
    Array {
        items: Box<TextColumn>,
        offsets: OffsetBufferBuilder<i32>,
        nulls: NullBufferBuilder,
    },
}

impl TextColumn {
    /// An empty column with room for `capacity` values.
    pub fn new(sql_type: &SqlType, capacity: usize) -> Self {
        Self::in_zone(sql_type, capacity, TimeZone::UTC)
    }

    /// An empty column whose `timestamptz` values are in `zone` where they don't say otherwise.
    pub fn in_zone(sql_type: &SqlType, capacity: usize, zone: TimeZone) -> Self {
        let values = match sql_type {
            SqlType::Boolean => Values::Boolean(BooleanBuilder::with_capacity(capacity)),
            SqlType::SmallInt => Values::Int16(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Integer => Values::Int32(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::BigInt => Values::Int64(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Real => Values::Float32(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Double => Values::Float64(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Numeric { .. } => {
                Values::Decimal(PrimitiveBuilder::with_capacity(capacity).with_data_type(sql_type.arrow_type()))
            }
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Json
            | SqlType::Jsonb
            | SqlType::TsVector
            | SqlType::TsQuery => Values::Text(StringBuilder::with_capacity(capacity, capacity * 16)),
            SqlType::Bytea => Values::Bytes(BinaryBuilder::with_capacity(capacity, capacity * 16)),
            SqlType::Uuid => Values::Uuid(FixedSizeBinaryBuilder::with_capacity(capacity, 16)),
            SqlType::Date => Values::Date(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Time => Values::Time(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Timestamp | SqlType::TimestampTz => {
                Values::Timestamp(PrimitiveBuilder::with_capacity(capacity).with_data_type(sql_type.arrow_type()))
            }
            SqlType::Interval => Values::Interval(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Vector(_) | SqlType::Halfvec(_) => Values::Vector(DenseBuilder::new(sql_type, capacity)),
            SqlType::Sparsevec(_) => Values::Sparse(LargeBinaryBuilder::with_capacity(capacity, capacity * 64)),
            SqlType::Bit(_) | SqlType::Varbit(_) => Values::Bits(BitsBuilder::new(sql_type, capacity)),
            SqlType::Array(item) => Values::Array {
                items: Box::new(Self::in_zone(item, capacity, zone)),
                offsets: OffsetBufferBuilder::new(capacity),
                nulls: NullBufferBuilder::new(capacity),
            },
        };
        TextColumn { sql_type: sql_type.clone(), zone, values }
    }

    /// Appends the value that `text` stands for.
    pub fn append(&mut self, text: &str) -> Result<()> {
        match &mut self.values {
            Values::Boolean(values) => values.append_value(number::parse_bool(text)?),
            Values::Int16(values) => values.append_value(number::parse_integer(text, "smallint")?),
            Values::Int32(values) => values.append_value(number::parse_integer(text, "integer")?),
            Values::Int64(values) => values.append_value(number::parse_integer(text, "bigint")?),
            Values::Float32(values) => values.append_value(number::parse_float(text)?),
            Values::Float64(values) => values.append_value(number::parse_float(text)?),
            Values::Decimal(values) => {
                let SqlType::Numeric { precision, scale } = self.sql_type else {
                    return Err(Error::internal("a decimal column of a type that is not numeric"));
                };
                values.append_value(number::parse_numeric(text, precision, scale)?);
            }
            Values::Text(values) => values.append_value(parse_text(&self.sql_type, text)?),
            Values::Bytes(values) => values.append_value(bytes::parse_bytea(text)?),
            Values::Uuid(values) => values.append_value(bytes::parse_uuid(text)?).map_err(internal)?,
            Values::Date(values) => values.append_value(datetime::parse_date(text)?),
            Values::Time(values) => values.append_value(datetime::parse_time(text)?),
            Values::Timestamp(values) => values.append_value(match self.sql_type {
                SqlType::TimestampTz => datetime::parse_timestamptz(text, &self.zone)?,
                _ => datetime::parse_timestamp(text)?,
            }),
            Values::Interval(values) => values.append_value(interval::parse_interval(text)?),
            Values::Vector(values) => {
                values.push(vector::parse_vector(values.kind(), text, Kind::dimension(&self.sql_type))?)?;
            }
            Values::Sparse(values) => {
                values.append_value(vector::parse_sparse(text, Kind::dimension(&self.sql_type))?.to_bytes());
            }
            Values::Bits(values) => values.push(&parse_bits(text)?)?,
            Values::Array { items, offsets, nulls } => append_array(text, items, offsets, nulls)?,
        }
        Ok(())
    }

    /// Appends NULL.
    pub fn append_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append_null(),
            Values::Int16(values) => values.append_null(),
            Values::Int32(values) => values.append_null(),
            Values::Int64(values) => values.append_null(),
            Values::Float32(values) => values.append_null(),
            Values::Float64(values) => values.append_null(),
            Values::Decimal(values) => values.append_null(),
            Values::Text(values) => values.append_null(),
            Values::Bytes(values) => values.append_null(),
            Values::Uuid(values) => values.append_null(),
            Values::Date(values) => values.append_null(),
            Values::Time(values) => values.append_null(),
            Values::Timestamp(values) => values.append_null(),
            Values::Interval(values) => values.append_null(),
            Values::Vector(values) => values.push_null(),
            Values::Sparse(values) => values.append_null(),
            Values::Bits(values) => values.push_null(),
            Values::Array { offsets, nulls, .. } => {
                offsets.push_length(0);
                nulls.append_null();
            }
        }
    }

    /// Takes the dimension of the only value, where the type leaves it open.
    pub(crate) fn take_dimension(&mut self) {
        if let Values::Vector(values) = &mut self.values {
            values.take_dimension();
        }
    }

    /// The values, for those who read them from another form than text.
    pub(crate) fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// The column, in exactly the Arrow type of its SQL type.
    pub fn finish(self) -> ArrayRef {
        match self.values {
            Values::Boolean(mut values) => Arc::new(values.finish()),
            Values::Int16(mut values) => Arc::new(values.finish()),
            Values::Int32(mut values) => Arc::new(values.finish()),
            Values::Int64(mut values) => Arc::new(values.finish()),
            Values::Float32(mut values) => Arc::new(values.finish()),
            Values::Float64(mut values) => Arc::new(values.finish()),
            Values::Decimal(mut values) => Arc::new(values.finish()),
            Values::Text(mut values) => Arc::new(values.finish()),
            Values::Bytes(mut values) => Arc::new(values.finish()),
            Values::Uuid(mut values) => Arc::new(values.finish()),
            Values::Date(mut values) => Arc::new(values.finish()),
            Values::Time(mut values) => Arc::new(values.finish()),
            Values::Timestamp(mut values) => Arc::new(values.finish()),
            Values::Interval(mut values) => Arc::new(values.finish()),
            Values::Vector(values) => values.finish().expect("every value was checked when it was appended"),
            Values::Sparse(mut values) => Arc::new(values.finish()),
            Values::Bits(values) => values.finish().expect("every value was checked when it was appended"),
            Values::Array { items, offsets, mut nulls } => {
                let DataType::List(field) = self.sql_type.arrow_type() else {
                    unreachable!("the Arrow type of an array is a list");
                };
                Arc::new(ListArray::new(field, offsets.finish(), items.finish(), nulls.finish()))
            }
        }
    }
}

fn append_array(
    text: &str,
    items: &mut TextColumn,
    offsets: &mut OffsetBufferBuilder<i32>,
    nulls: &mut NullBufferBuilder,
) -> Result<()> {
    let mut parsed: Vec<Option<String>> = Vec::new();
    parse_array(text, |element| {
        parsed.push(element.map(str::to_string));
        Ok(())
    })?;
    // The items are checked apart, so that an array that fails leaves nothing behind.
    let mut trial = TextColumn::in_zone(&items.sql_type, parsed.len(), items.zone);
    for element in parsed.iter().flatten() {
        trial.append(element)?;
    }
    for element in &parsed {
        match element {
            Some(element) => items.append(element)?,
            None => items.append_null(),
        }
    }
    offsets.push_length(parsed.len());
    nulls.append_non_null();
    Ok(())
}

/// What a text type keeps of a text.
fn parse_text<'a>(sql_type: &SqlType, text: &'a str) -> Result<Cow<'a, str>> {
    if text.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    match sql_type {
        SqlType::Varchar(limit) => fit_varchar(text, *limit).map(Cow::Borrowed),
        SqlType::Json => json::validate(text).map(|()| Cow::Borrowed(text)),
        SqlType::Jsonb => json::normalize(text).map(Cow::Owned),
        SqlType::TsVector => Ok(Cow::Owned(TsVector::parse(text).map_err(from_text_search)?.to_string())),
        SqlType::TsQuery => Ok(Cow::Owned(TsQuery::parse(text).map_err(from_text_search)?.to_string())),
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// At most `limit` characters of text: what is cut off may only be blanks.
fn fit_varchar(text: &str, limit: u32) -> Result<&str> {
    let Some((cut, _)) = text.char_indices().nth(limit as usize) else { return Ok(text) };
    if text[cut..].bytes().any(|byte| byte != b' ') {
        let message = format!("value too long for type character varying({limit})");
        return Err(Error::new(ErrorKind::StringTooLong, message));
    }
    Ok(&text[..cut])
}

fn internal(error: ArrowError) -> Error {
    Error::internal(error.to_string())
}

/// The value that `text` stands for. A `vector` of any dimension is read as one of the dimension that it has.
pub fn parse_scalar(sql_type: &SqlType, text: &str) -> Result<ScalarValue> {
    let mut column = TextColumn::new(sql_type, 1);
    column.append(text)?;
    column.take_dimension();
    ScalarValue::try_from_array(&column.finish(), 0).map_err(|error| Error::internal(error.to_string()))
}
