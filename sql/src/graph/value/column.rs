//! Columns of static types as dynamic values, and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, Float32Builder, Float64Builder,
    Int16Builder, Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListArray, StringBuilder,
    Time64MicrosecondBuilder, TimestampMicrosecondBuilder, new_empty_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use datafusion::common::ScalarValue;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::json::{self, Form};
use super::{Dynamic, mismatch};
use crate::text::{OutputStyle, TextColumn, TextEncoder};

/// Reads the rows of a column.
pub(crate) struct Reader {
    array: ArrayRef,
    kind: Kind,
}

/// How a column is read.
enum Kind {
    Boolean,
    Integer,
    Float,
    String,
    Json,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    /// A number, from its text.
    Numeric(TextEncoder),
    /// As its text.
    Text(TextEncoder),
    List(Box<Reader>, OffsetBuffer<i32>),
}

impl Reader {
    /// Reads a column of a SQL type.
    pub(crate) fn new(sql_type: &SqlType, array: &ArrayRef) -> Result<Reader> {
        let as_type = |data_type: DataType| {
            cast(array, &data_type).map_err(|error| Error::internal(format!("a value of a query: {error}")))
        };
        let text = || TextEncoder::new(sql_type, array, &OutputStyle::default());
        let mut array = Arc::clone(array);
        let kind = match sql_type {
            SqlType::Boolean => Kind::Boolean,
            SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => {
                array = as_type(DataType::Int64)?;
                Kind::Integer
            }
            SqlType::Real | SqlType::Double => {
                array = as_type(DataType::Float64)?;
                Kind::Float
            }
            SqlType::Numeric { .. } => Kind::Numeric(text()?),
            SqlType::Text | SqlType::Varchar(_) => {
                array = as_type(DataType::Utf8)?;
                Kind::String
            }
            SqlType::Json | SqlType::Jsonb => {
                array = as_type(DataType::Utf8)?;
                Kind::Json
            }
            SqlType::Date => Kind::Date,
            SqlType::Time => {
                array = as_type(sql_type.arrow_type())?;
                Kind::Time
            }
            SqlType::Timestamp => {
                array = as_type(sql_type.arrow_type())?;
                Kind::Timestamp
            }
            SqlType::TimestampTz => {
                array = as_type(sql_type.arrow_type())?;
                Kind::TimestampTz
            }
            SqlType::Interval => Kind::Interval,
            SqlType::Bytea
            | SqlType::Uuid
            | SqlType::TsVector
            | SqlType::TsQuery
            | SqlType::Sparsevec(_)
            | SqlType::Bit(_)
            | SqlType::Varbit(_) => Kind::Text(text()?),
            SqlType::Vector(_) | SqlType::Halfvec(_) => {
                let list = as_type(DataType::List(Arc::new(Field::new("item", DataType::Float32, true))))?;
                return Reader::new(&SqlType::Array(Box::new(SqlType::Real)), &list);
            }
            SqlType::Array(item) => {
                let list = array
                    .as_list_opt::<i32>()
                    .ok_or_else(|| Error::internal(format!("an array kept as {}", array.data_type())))?;
                Kind::List(Box::new(Reader::new(item, list.values())?), list.offsets().clone())
            }
        };
        Ok(Reader { array, kind })
    }

    /// The value of a row.
    pub(crate) fn value(&self, row: usize) -> Result<Dynamic> {
        if self.array.is_null(row) {
            return Ok(Dynamic::Null);
        }
        Ok(match &self.kind {
            Kind::Boolean => Dynamic::Boolean(self.array.as_boolean().value(row)),
            Kind::Integer => Dynamic::Integer(self.array.as_primitive::<Int64Type>().value(row)),
            Kind::Float => Dynamic::Float(self.array.as_primitive::<Float64Type>().value(row)),
            Kind::String => Dynamic::from(self.array.as_string::<i32>().value(row)),
            Kind::Json => json::decode(self.array.as_string::<i32>().value(row))?,
            Kind::Date => Dynamic::Date(self.array.as_primitive::<Date32Type>().value(row)),
            Kind::Time => Dynamic::Time(self.array.as_primitive::<Time64MicrosecondType>().value(row)),
            Kind::Timestamp => Dynamic::Timestamp(self.array.as_primitive::<TimestampMicrosecondType>().value(row)),
            Kind::TimestampTz => Dynamic::TimestampTz(self.array.as_primitive::<TimestampMicrosecondType>().value(row)),
            Kind::Interval => Dynamic::Interval(self.array.as_primitive::<IntervalMonthDayNanoType>().value(row)),
            Kind::Numeric(text) => Dynamic::Numeric(written(text, row)),
            Kind::Text(text) => Dynamic::String(written(text, row)),
            Kind::List(items, offsets) => {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                Dynamic::List(range.map(|at| items.value(at)).collect::<Result<_>>()?)
            }
        })
    }
}

fn written(text: &TextEncoder, row: usize) -> String {
    let mut out = String::new();
    text.append(row, &mut out);
    out
}

impl Dynamic {
    /// The value of a scalar of DataFusion; `None` for one of a type that is read by its SQL type only.
    pub(super) fn of_scalar(value: &ScalarValue) -> Option<Dynamic> {
        Some(match value {
            value if value.is_null() => Dynamic::Null,
            ScalarValue::Boolean(Some(truth)) => Dynamic::Boolean(*truth),
            ScalarValue::Int64(Some(number)) => Dynamic::Integer(*number),
            ScalarValue::Float64(Some(number)) => Dynamic::Float(*number),
            ScalarValue::Utf8(Some(text)) => Dynamic::String(text.clone()),
            ScalarValue::Date32(Some(days)) => Dynamic::Date(*days),
            ScalarValue::Time64Microsecond(Some(micros)) => Dynamic::Time(*micros),
            ScalarValue::TimestampMicrosecond(Some(micros), None) => Dynamic::Timestamp(*micros),
            ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => Dynamic::TimestampTz(*micros),
            ScalarValue::IntervalMonthDayNano(Some(interval)) => Dynamic::Interval(*interval),
            _ => return None,
        })
    }

    /// The value of a scalar of a SQL type.
    pub(crate) fn of_typed(sql_type: &SqlType, value: &ScalarValue) -> Result<Dynamic> {
        let array = value.to_array().map_err(|error| Error::internal(error.to_string()))?;
        Reader::new(sql_type, &array)?.value(0)
    }

    /// The text of a scalar value, as SQL writes it.
    pub(crate) fn text(&self) -> String {
        let array: ArrayRef = match self {
            Dynamic::Null => return String::new(),
            Dynamic::Boolean(truth) => return truth.to_string(),
            Dynamic::Integer(number) => return number.to_string(),
            Dynamic::Numeric(text) | Dynamic::String(text) => return text.clone(),
            Dynamic::Float(_) => return json::encode(self, Form::Client).trim_matches('"').to_string(),
            Dynamic::List(_) | Dynamic::Map(_) | Dynamic::Node(_) | Dynamic::Relationship(_) | Dynamic::Path(_) => {
                return json::encode(self, Form::Client);
            }
            Dynamic::Date(_)
            | Dynamic::Time(_)
            | Dynamic::Timestamp(_)
            | Dynamic::TimestampTz(_)
            | Dynamic::Interval(_) => {
                let Some(sql_type) = self.scalar_type() else { return String::new() };
                let mut column = Builder::new(&sql_type, Form::Internal);
                let array = column.append(self.clone()).map(|()| column.finish());
                match array {
                    Ok(array) => array,
                    Err(_) => return String::new(),
                }
            }
        };
        let Some(sql_type) = self.scalar_type() else { return String::new() };
        TextEncoder::new(&sql_type, &array, &OutputStyle::default())
            .map(|encoder| written(&encoder, 0))
            .unwrap_or_default()
    }

    /// The SQL type of a value that is one by itself.
    pub(super) fn scalar_type(&self) -> Option<SqlType> {
        Some(match self {
            Dynamic::Boolean(_) => SqlType::Boolean,
            Dynamic::Integer(_) => SqlType::BigInt,
            Dynamic::Float(_) => SqlType::Double,
            Dynamic::String(_) => SqlType::Text,
            Dynamic::Date(_) => SqlType::Date,
            Dynamic::Time(_) => SqlType::Time,
            Dynamic::Timestamp(_) => SqlType::Timestamp,
            Dynamic::TimestampTz(_) => SqlType::TimestampTz,
            Dynamic::Interval(_) => SqlType::Interval,
            _ => return None,
        })
    }
}

/// Makes a column of a SQL type.
pub(crate) enum Builder {
    /// Booleans.
    Boolean(BooleanBuilder),
    /// `smallint`
    SmallInt(Int16Builder),
    /// `integer`
    Integer(Int32Builder),
    /// `bigint`
    BigInt(Int64Builder),
    /// `real`
    Real(Float32Builder),
    /// `double precision`
    Double(Float64Builder),
    /// Strings.
    String(StringBuilder),
    /// Anything, as JSON.
    Json(StringBuilder, Form),
    /// Dates.
    Date(Date32Builder),
    /// Times of day.
    Time(Time64MicrosecondBuilder),
    /// Timestamps; with a zone, where it says so.
    Timestamp(TimestampMicrosecondBuilder, bool),
    /// Durations.
    Interval(IntervalMonthDayNanoBuilder),
    /// Bytes by which values are ordered.
    Key(BinaryBuilder),
    /// Of another type, from its text.
    Text(TextColumn),
    /// Lists.
    List {
        /// Their elements.
        items: Box<Builder>,
        /// Their type.
        item: Box<SqlType>,
        /// How long each is.
        lengths: Vec<usize>,
        /// Which are there.
        valid: Vec<bool>,
    },
}

impl Builder {
    /// A column of a SQL type; what is dynamic is written in `form`.
    pub(crate) fn new(sql_type: &SqlType, form: Form) -> Builder {
        match sql_type {
            SqlType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            SqlType::SmallInt => Builder::SmallInt(Int16Builder::new()),
            SqlType::Integer => Builder::Integer(Int32Builder::new()),
            SqlType::BigInt => Builder::BigInt(Int64Builder::new()),
            SqlType::Real => Builder::Real(Float32Builder::new()),
            SqlType::Double => Builder::Double(Float64Builder::new()),
            SqlType::Text | SqlType::Varchar(_) => Builder::String(StringBuilder::new()),
            SqlType::Json | SqlType::Jsonb => Builder::Json(StringBuilder::new(), form),
            SqlType::Date => Builder::Date(Date32Builder::new()),
            SqlType::Time => Builder::Time(Time64MicrosecondBuilder::new()),
            SqlType::Timestamp => Builder::Timestamp(TimestampMicrosecondBuilder::new(), false),
            SqlType::TimestampTz => Builder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC"), true),
            SqlType::Interval => Builder::Interval(IntervalMonthDayNanoBuilder::new()),
            SqlType::Array(item) => Builder::List {
                items: Box::new(Builder::new(item, form)),
                item: item.clone(),
                lengths: Vec::new(),
                valid: Vec::new(),
            },
            SqlType::Numeric { .. }
            | SqlType::Bytea
            | SqlType::Uuid
            | SqlType::TsVector
            | SqlType::TsQuery
            | SqlType::Vector(_)
            | SqlType::Halfvec(_)
            | SqlType::Sparsevec(_)
            | SqlType::Bit(_)
            | SqlType::Varbit(_) => Builder::Text(TextColumn::new(sql_type, 0)),
        }
    }

    /// Adds a value; `42804` for one of another type.
    pub(crate) fn append(&mut self, value: Dynamic) -> Result<()> {
        match (self, value) {
            (Builder::Key(column), value) => column.append_value(super::order::key(&value)),
            (column, Dynamic::Null) => column.append_null(),
            (Builder::Json(column, form), value) => column.append_value(json::encode(&value, *form)),
            (Builder::Boolean(column), Dynamic::Boolean(truth)) => column.append_value(truth),
            (Builder::BigInt(column), Dynamic::Integer(number)) => column.append_value(number),
            (Builder::Integer(column), Dynamic::Integer(number)) => {
                column.append_value(i32::try_from(number).map_err(|_| narrow("integer"))?);
            }
            (Builder::SmallInt(column), Dynamic::Integer(number)) => {
                column.append_value(i16::try_from(number).map_err(|_| narrow("smallint"))?);
            }
            (Builder::Double(column), value) => match value.as_float() {
                Some(number) => column.append_value(number),
                None => return Err(mismatch("an expression", "a number", &value)),
            },
            (Builder::Real(column), value) => match value.as_float() {
                Some(number) => column.append_value(number as f32),
                None => return Err(mismatch("an expression", "a number", &value)),
            },
            (Builder::String(column), Dynamic::String(text)) => column.append_value(text),
            (Builder::Date(column), Dynamic::Date(days)) => column.append_value(days),
            (Builder::Time(column), Dynamic::Time(micros)) => column.append_value(micros),
            (Builder::Timestamp(column, false), Dynamic::Timestamp(micros))
            | (Builder::Timestamp(column, true), Dynamic::TimestampTz(micros)) => column.append_value(micros),
            (Builder::Interval(column), Dynamic::Interval(interval)) => column.append_value(interval),
            (Builder::Text(column), Dynamic::String(text) | Dynamic::Numeric(text)) => column.append(&text)?,
            (Builder::Text(column), value @ (Dynamic::Integer(_) | Dynamic::Float(_))) => {
                column.append(&value.text())?;
            }
            (Builder::List { items, lengths, valid, .. }, Dynamic::List(values)) => {
                lengths.push(values.len());
                valid.push(true);
                for value in values {
                    items.append(value)?;
                }
            }
            (column, value) => return Err(mismatch("an expression", column.wanted(), &value)),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        match self {
            Builder::Boolean(column) => column.append_null(),
            Builder::SmallInt(column) => column.append_null(),
            Builder::Integer(column) => column.append_null(),
            Builder::BigInt(column) => column.append_null(),
            Builder::Real(column) => column.append_null(),
            Builder::Double(column) => column.append_null(),
            Builder::String(column) | Builder::Json(column, _) => column.append_null(),
            Builder::Date(column) => column.append_null(),
            Builder::Time(column) => column.append_null(),
            Builder::Timestamp(column, _) => column.append_null(),
            Builder::Interval(column) => column.append_null(),
            Builder::Key(column) => column.append_null(),
            Builder::Text(column) => column.append_null(),
            Builder::List { lengths, valid, .. } => {
                lengths.push(0);
                valid.push(false);
            }
        }
    }

    /// What it takes, in words.
    fn wanted(&self) -> &'static str {
        match self {
            Builder::Boolean(_) => "a boolean",
            Builder::SmallInt(_) | Builder::Integer(_) | Builder::BigInt(_) => "a whole number",
            Builder::Real(_) | Builder::Double(_) => "a number",
            Builder::String(_) | Builder::Text(_) => "a string",
            Builder::Json(..) | Builder::Key(_) => "a value",
            Builder::Date(_) => "a date",
            Builder::Time(_) => "a time",
            Builder::Timestamp(..) => "a timestamp",
            Builder::Interval(_) => "a duration",
            Builder::List { .. } => "a list",
        }
    }

    /// The column.
    pub(crate) fn finish(self) -> ArrayRef {
        match self {
            Builder::Boolean(mut column) => Arc::new(column.finish()),
            Builder::SmallInt(mut column) => Arc::new(column.finish()),
            Builder::Integer(mut column) => Arc::new(column.finish()),
            Builder::BigInt(mut column) => Arc::new(column.finish()),
            Builder::Real(mut column) => Arc::new(column.finish()),
            Builder::Double(mut column) => Arc::new(column.finish()),
            Builder::String(mut column) | Builder::Json(mut column, _) => Arc::new(column.finish()),
            Builder::Date(mut column) => Arc::new(column.finish()),
            Builder::Time(mut column) => Arc::new(column.finish()),
            Builder::Timestamp(mut column, _) => Arc::new(column.finish()),
            Builder::Interval(mut column) => Arc::new(column.finish()),
            Builder::Key(mut column) => Arc::new(column.finish()),
            Builder::Text(column) => column.finish(),
            Builder::List { items, item, lengths, valid } => {
                let field = Arc::new(Field::new("item", item.arrow_type(), true));
                let offsets = OffsetBuffer::from_lengths(lengths);
                let nulls = NullBuffer::from(valid);
                let list = ListArray::try_new(field, offsets, items.finish(), Some(nulls));
                list.map_or_else(
                    |_| new_empty_array(&SqlType::Array(item).arrow_type()),
                    |list| Arc::new(list) as ArrayRef,
                )
            }
        }
    }
}

fn narrow(name: &str) -> Error {
    Error::new(ErrorKind::NumericOutOfRange, format!("{name} out of range"))
}
