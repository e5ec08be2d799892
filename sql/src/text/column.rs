//! Text values into an Arrow array.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, FixedSizeListArray, Float32Array, ListArray,
    NullBufferBuilder, OffsetBufferBuilder, PrimitiveBuilder, StringBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use datafusion::scalar::ScalarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::array::parse_array;
use super::zone::TimeZone;
use super::{bytes, datetime, interval, json, number, vector};

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
    Vector { elements: Vec<f32>, nulls: NullBufferBuilder },
    Array { items: Box<TextColumn>, offsets: OffsetBufferBuilder<i32>, nulls: NullBufferBuilder },
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
            SqlType::Text | SqlType::Varchar(_) | SqlType::Json | SqlType::Jsonb => {
                Values::Text(StringBuilder::with_capacity(capacity, capacity * 16))
            }
            SqlType::Bytea => Values::Bytes(BinaryBuilder::with_capacity(capacity, capacity * 16)),
            SqlType::Uuid => Values::Uuid(FixedSizeBinaryBuilder::with_capacity(capacity, 16)),
            SqlType::Date => Values::Date(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Time => Values::Time(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Timestamp | SqlType::TimestampTz => {
                Values::Timestamp(PrimitiveBuilder::with_capacity(capacity).with_data_type(sql_type.arrow_type()))
            }
            SqlType::Interval => Values::Interval(PrimitiveBuilder::with_capacity(capacity)),
            SqlType::Vector(dimension) => Values::Vector {
                elements: Vec::with_capacity(capacity * *dimension as usize),
                nulls: NullBufferBuilder::new(capacity),
            },
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
            Values::Vector { elements, nulls } => {
                let SqlType::Vector(dimension) = &mut self.sql_type else {
                    return Err(Error::internal("a vector column of a type that is not vector"));
                };
                // A vector of any dimension takes the dimension of its first value.
                *dimension = vector::parse_vector(text, *dimension, elements)?;
                nulls.append_non_null();
            }
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
            Values::Vector { elements, nulls } => {
                if let SqlType::Vector(dimension) = self.sql_type {
                    elements.resize(elements.len() + dimension as usize, 0.0);
                }
                nulls.append_null();
            }
            Values::Array { offsets, nulls, .. } => {
                offsets.push_length(0);
                nulls.append_null();
            }
        }
    }

    /// The values, for those who read them from another form than text.
    pub(crate) fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// Appends the elements of a vector, as many as its type says. A vector of any dimension takes that of its first value.
    pub(crate) fn append_vector(&mut self, values: impl ExactSizeIterator<Item = f32>) {
        if let (Values::Vector { elements, nulls }, SqlType::Vector(dimension)) = (&mut self.values, &mut self.sql_type)
        {
            *dimension = values.len() as u32;
            elements.extend(values);
            nulls.append_non_null();
        }
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
            Values::Vector { elements, mut nulls } => finish_vector(&self.sql_type, elements, &mut nulls),
            Values::Array { items, offsets, mut nulls } => {
                let DataType::List(field) = self.sql_type.arrow_type() else {
                    unreachable!("the Arrow type of an array is a list");
                };
                Arc::new(ListArray::new(field, offsets.finish(), items.finish(), nulls.finish()))
            }
        }
    }
}

fn finish_vector(sql_type: &SqlType, elements: Vec<f32>, nulls: &mut NullBufferBuilder) -> ArrayRef {
    let DataType::FixedSizeList(field, dimension) = sql_type.arrow_type() else {
        unreachable!("the Arrow type of a vector is a fixed-size list");
    };
    let (rows, nulls) = (nulls.len(), nulls.finish());
    let values = Arc::new(Float32Array::from(elements));
    Arc::new(
        FixedSizeListArray::try_new_with_length(field, dimension, values, nulls, rows)
            .expect("every append added one row of `dimension` elements"),
    )
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

/// The value that `text` stands for. `Vector(0)` reads a vector of any dimension.
pub fn parse_scalar(sql_type: &SqlType, text: &str) -> Result<ScalarValue> {
    let mut column = TextColumn::new(sql_type, 1);
    column.append(text)?;
    ScalarValue::try_from_array(&column.finish(), 0).map_err(|error| Error::internal(error.to_string()))
}
