//! Arrow values as text.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray, NullArray,
    PrimitiveArray, StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use slipstream_catalog::pg_catalog::oids::Form;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::array::quote_element;
use super::datetime::MICROS_PER_DAY;
use super::zone::{OutputStyle, TimeZone};
use super::{bytes, datetime, interval, number, vector};
use crate::pgvector::{Bits, Dense, Sparse, append_bits};
use crate::types::ClientType;

/// Writes the values of one array in Postgres's text output form.
pub struct TextEncoder(Values);

/// The array, by how its values are written.
enum Values {
    Null(NullArray),
    Boolean(BooleanArray),
    Int16(PrimitiveArray<Int16Type>),
    Int32(PrimitiveArray<Int32Type>),
    Int64(PrimitiveArray<Int64Type>),
    Float32(PrimitiveArray<Float32Type>),
    Float64(PrimitiveArray<Float64Type>),
    Decimal {
        values: PrimitiveArray<Decimal128Type>,
        precision: u8,
        scale: i8,
    },
    Text(StringArray),
    Bytes(BinaryArray),
    Uuid(FixedSizeBinaryArray),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time64MicrosecondType>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>),
    TimestampTz(PrimitiveArray<TimestampMicrosecondType>, TimeZone),
    Interval(PrimitiveArray<IntervalMonthDayNanoType>),
    Duration(PrimitiveArray<DurationMicrosecondType>),
    Vector(Dense),
    Sparse(LargeBinaryArray),
    Bits(Bits),
    Array {
        items: Box<TextEncoder>,
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
    },
    /// Numbers with blanks between them.
    Spaced {
        items: Box<TextEncoder>,
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
    },
    /// What no SQL type stands for, in Arrow's own words.
    Other(ArrayRef),
}

impl TextEncoder {
    /// Resolves the array's type. The array need not be in the SQL type's own Arrow type: plans come with other widths of
    /// strings, other units of time, dictionaries.
    pub fn new(sql_type: &SqlType, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        if array.data_type() == &DataType::Null {
            return Ok(TextEncoder(Values::Null(NullArray::new(array.len()))));
        }
        let as_type = |data_type: &DataType| -> Result<ArrayRef> {
            if array.data_type().equals_datatype(data_type) {
                return Ok(Arc::clone(array));
            }
            // A value that does not fit is an error: NULL in its place would be a wrong answer.
            cast_with_options(array, data_type, &CastOptions { safe: false, ..CastOptions::default() }).map_err(
                |error| {
                    Error::new(ErrorKind::NumericOutOfRange, format!("value out of range for type {sql_type}"))
                        .with_detail(error.to_string())
                },
            )
        };
        Ok(TextEncoder(match sql_type {
            SqlType::Boolean => Values::Boolean(as_type(&DataType::Boolean)?.as_boolean().clone()),
            SqlType::SmallInt => Values::Int16(primitive(as_type(&DataType::Int16)?)),
            SqlType::Integer => Values::Int32(primitive(as_type(&DataType::Int32)?)),
            SqlType::BigInt => Values::Int64(primitive(as_type(&DataType::Int64)?)),
            SqlType::Real => Values::Float32(primitive(as_type(&DataType::Float32)?)),
            SqlType::Double => Values::Float64(primitive(as_type(&DataType::Float64)?)),
            SqlType::Numeric { precision, scale } if *precision <= 38 => Values::Decimal {
                values: primitive(as_type(&sql_type.arrow_type())?),
                precision: *precision,
                scale: *scale,
            },
            SqlType::Numeric { .. } => Values::Other(Arc::clone(array)),
            SqlType::Jsonb if matches!(array.data_type(), DataType::Struct(_) | DataType::Map(_, _)) => {
                Values::Other(Arc::clone(array))
            }
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Json
            | SqlType::Jsonb
            | SqlType::TsVector
            | SqlType::TsQuery => Values::Text(as_type(&DataType::Utf8)?.as_string().clone()),
            SqlType::Bytea => Values::Bytes(as_type(&DataType::Binary)?.as_binary().clone()),
            SqlType::Uuid => Values::Uuid(as_type(&DataType::FixedSizeBinary(16))?.as_fixed_size_binary().clone()),
            SqlType::Date => Values::Date(primitive(as_type(&DataType::Date32)?)),
            SqlType::Time => Values::Time(primitive(as_type(&sql_type.arrow_type())?)),
            SqlType::Timestamp => Values::Timestamp(primitive(as_type(&sql_type.arrow_type())?)),
            SqlType::TimestampTz => Values::TimestampTz(primitive(as_type(&sql_type.arrow_type())?), style.time_zone),
            SqlType::Interval => match array.data_type() {
                DataType::Duration(_) => {
                    Values::Duration(primitive(as_type(&DataType::Duration(TimeUnit::Microsecond))?))
                }
                _ => Values::Interval(primitive(as_type(&sql_type.arrow_type())?)),
            },
            SqlType::Vector(_) | SqlType::Halfvec(_) => Values::Vector(Dense::new(array)?),
            SqlType::Sparsevec(_) => Values::Sparse(as_type(&DataType::LargeBinary)?.as_binary().clone()),
            SqlType::Bit(_) | SqlType::Varbit(_) => Values::Bits(Bits::new(array)?),
            SqlType::Array(item) => Self::array(item, array, style)?,
        }))
    }

    /// The same for a type as clients know it: `int2vector` has another form than the array that keeps it.
    pub fn for_client(client_type: &ClientType, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        let encoder = Self::new(client_type.sql_type(), array, style)?;
        Ok(match encoder.0 {
            Values::Array { items, offsets, nulls } if client_type.form() == Form::Vector => {
                TextEncoder(Values::Spaced { items, offsets, nulls })
            }
            other => TextEncoder(other),
        })
    }

    fn array(item: &SqlType, array: &ArrayRef, style: &OutputStyle) -> Result<Values> {
        let (DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _)) =
            array.data_type()
        else {
            return Ok(Values::Other(Arc::clone(array)));
        };
        let list =
            cast(array, &DataType::List(Arc::clone(field))).map_err(|error| Error::internal(error.to_string()))?;
        let list = list.as_list::<i32>();
        Ok(Values::Array {
            items: Box::new(TextEncoder::new(item, list.values(), style)?),
            offsets: list.offsets().clone(),
            nulls: list.nulls().cloned(),
        })
    }

    /// Whether the value of a row is NULL, which has no text form.
    pub fn is_null(&self, row: usize) -> bool {
        match &self.0 {
            Values::Null(_) => true,
            Values::Boolean(values) => values.is_null(row),
            Values::Int16(values) => values.is_null(row),
            Values::Int32(values) => values.is_null(row),
            Values::Int64(values) => values.is_null(row),
            Values::Float32(values) => values.is_null(row),
            Values::Float64(values) => values.is_null(row),
            Values::Decimal { values, .. } => values.is_null(row),
            Values::Text(values) => values.is_null(row),
            Values::Bytes(values) => values.is_null(row),
            Values::Uuid(values) => values.is_null(row),
            Values::Date(values) => values.is_null(row),
            Values::Time(values) => values.is_null(row),
            Values::Timestamp(values) | Values::TimestampTz(values, _) => values.is_null(row),
            Values::Interval(values) => values.is_null(row),
            Values::Duration(values) => values.is_null(row),
            Values::Vector(values) => values.is_null(row),
            Values::Sparse(values) => values.is_null(row),
            Values::Bits(values) => values.is_null(row),
            Values::Array { nulls, .. } | Values::Spaced { nulls, .. } => {
                nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
            }
            Values::Other(values) => values.is_null(row),
        }
    }

    /// Rows of the array.
    pub fn len(&self) -> usize {
        match &self.0 {
            Values::Null(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Int16(values) => values.len(),
            Values::Int32(values) => values.len(),
            Values::Int64(values) => values.len(),
            Values::Float32(values) => values.len(),
            Values::Float64(values) => values.len(),
            Values::Decimal { values, .. } => values.len(),
            Values::Text(values) => values.len(),
            Values::Bytes(values) => values.len(),
            Values::Uuid(values) => values.len(),
            Values::Date(values) => values.len(),
            Values::Time(values) => values.len(),
            Values::Timestamp(values) | Values::TimestampTz(values, _) => values.len(),
            Values::Interval(values) => values.len(),
            Values::Duration(values) => values.len(),
            Values::Vector(values) => values.len(),
            Values::Sparse(values) => values.len(),
            Values::Bits(values) => values.len(),
            Values::Array { offsets, .. } | Values::Spaced { offsets, .. } => offsets.len() - 1,
            Values::Other(values) => values.len(),
        }
    }

    /// Whether the array has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the value of a row, which must not be NULL.
    pub fn append(&self, row: usize, out: &mut String) {
        match &self.0 {
            Values::Null(_) => {}
            Values::Boolean(values) => out.push(if values.value(row) { 't' } else { 'f' }),
            Values::Int16(values) => put(out, values.value(row)),
            Values::Int32(values) => put(out, values.value(row)),
            Values::Int64(values) => put(out, values.value(row)),
            Values::Float32(values) => number::append_float(out, values.value(row)),
            Values::Float64(values) => number::append_float(out, values.value(row)),
            Values::Decimal { values, precision, scale } => {
                number::append_numeric(out, values.value(row), *precision, *scale);
            }
            Values::Text(values) => out.push_str(values.value(row)),
            Values::Bytes(values) => bytes::append_bytea(out, values.value(row)),
            Values::Uuid(values) => bytes::append_uuid(out, values.value(row)),
            Values::Date(values) => datetime::append_date(out, values.value(row)),
            Values::Time(values) => datetime::append_time(out, values.value(row)),
            Values::Timestamp(values) => datetime::append_timestamp(out, values.value(row)),
            Values::TimestampTz(values, zone) => datetime::append_timestamptz(out, values.value(row), zone),
            Values::Interval(values) => interval::append_interval(out, values.value(row)),
            Values::Duration(values) => interval::append_interval(out, from_micros(values.value(row))),
            Values::Vector(values) => vector::append_vector(out, values.row(row)),
            // Bytes that nobody can read have been refused when they came.
            Values::Sparse(values) => {
                if let Ok(vector) = Sparse::stored(values.value(row)) {
                    vector::append_sparse(out, &vector);
                }
            }
            Values::Bits(values) => append_bits(out, &values.row(row)),
            Values::Array { items, offsets, .. } => {
                append_array(items, offsets[row] as usize..offsets[row + 1] as usize, out)
            }
            Values::Spaced { items, offsets, .. } => {
                for item in offsets[row]..offsets[row + 1] {
                    if item > offsets[row] {
                        out.push(' ');
                    }
                    items.append(item as usize, out);
                }
            }
            Values::Other(values) => append_other(values, row, out),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(array: ArrayRef) -> PrimitiveArray<T> {
    array.as_primitive::<T>().clone()
}

fn put(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

/// The difference of two timestamps as Postgres gives it: whole days, then a time.
fn from_micros(micros: i64) -> IntervalMonthDayNano {
    let days = (micros / MICROS_PER_DAY) as i32;
    IntervalMonthDayNano::new(0, days, (micros % MICROS_PER_DAY) * 1000)
}

fn append_array(items: &TextEncoder, rows: std::ops::Range<usize>, out: &mut String) {
    out.push('{');
    for row in rows.clone() {
        if row > rows.start {
            out.push(',');
        }
        if items.is_null(row) {
            out.push_str("NULL");
            continue;
        }
        let start = out.len();
        items.append(row, out);
        if !matches!(items.0, Values::Array { .. }) {
            quote_element(out, start);
        }
    }
    out.push('}');
}

fn append_other(values: &ArrayRef, row: usize, out: &mut String) {
    let options = FormatOptions::default();
    if let Ok(formatter) = ArrayFormatter::try_new(values.as_ref(), &options) {
        put(out, formatter.value(row));
    }
}

/// Appends one value; for more than one of an array, make a [`TextEncoder`]. The value must not be NULL.
pub fn append_value(
    out: &mut String,
    sql_type: &SqlType,
    array: &ArrayRef,
    row: usize,
    style: &OutputStyle,
) -> Result<()> {
    TextEncoder::new(sql_type, &array.slice(row, 1), style)?.append(0, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::TextColumn;
    use super::*;

    fn round_trip(sql_type: &SqlType, text: &str) -> Result<String> {
        let mut column = TextColumn::new(sql_type, 1);
        column.append(text)?;
        let array = column.finish();
        assert_eq!(array.data_type(), &sql_type.arrow_type());
        let mut out = String::new();
        append_value(&mut out, sql_type, &array, 0, &OutputStyle::default())?;
        Ok(out)
    }

    #[test]
    fn values_of_every_type_go_both_ways() {
        use SqlType::*;
        let numeric = |precision, scale| Numeric { precision, scale };
        let cases = [
            (Boolean, " TRUE ", "t"),
            (Boolean, "of", "f"),
            (SmallInt, "-32768", "-32768"),
            (Integer, " 42 ", "42"),
            (BigInt, "+9223372036854775807", "9223372036854775807"),
            (Real, "0.1", "0.1"),
            (Real, "3.4028235e38", "3.4028235e+38"),
            (Double, "-inf", "-Infinity"),
            (Double, "1e-7", "1e-07"),
            (numeric(12, 3), "1.2345", "1.235"),
            (numeric(38, 10), "1.2345", "1.2345"),
            (Text, "a\tb", "a\tb"),
            (Varchar(3), "abc  ", "abc"),
            (Bytea, "\\x00FF", "\\x00ff"),
            (Uuid, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            (Date, "2024-02-29", "2024-02-29"),
            (Time, "23:59:59.999999", "23:59:59.999999"),
            (Timestamp, "2024-02-29 12:00", "2024-02-29 12:00:00"),
            (TimestampTz, "2024-02-29 12:00+02", "2024-02-29 10:00:00+00"),
            (Interval, "1 day 2 hours", "1 day 02:00:00"),
            (Json, "{\"a\":1}", "{\"a\":1}"),
            (Jsonb, "{\"a\":1}", "{\"a\": 1}"),
            (Vector(3), "[1, 2.5 ,-3]", "[1,2.5,-3]"),
            (Array(Box::new(Integer)), "{1,NULL,3}", "{1,NULL,3}"),
            (Array(Box::new(Text)), "{\"a b\",c,\"\"}", "{\"a b\",c,\"\"}"),
            (Array(Box::new(Boolean)), "{}", "{}"),
        ];
        for (sql_type, text, expected) in cases {
            assert_eq!(round_trip(&sql_type, text).expect(text), expected, "{sql_type}: {text}");
        }
    }

    #[test]
    fn the_vectors_of_the_catalogs_have_blanks_between_their_items() {
        let items = arrow::array::ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(20), Some(7)])]);
        let field = slipstream_catalog::pg_catalog::oids::PgType::named("oidvector").expect("known").field("v", true);
        let client_type = ClientType::of_field(&field).expect("typed");
        let encoder = TextEncoder::for_client(&client_type, &(Arc::new(items) as ArrayRef), &OutputStyle::default());
        let mut out = String::new();
        encoder.expect("integers").append(0, &mut out);
        assert_eq!(out, "20 7");
    }

    #[test]
    fn bad_text_is_classified_as_postgres_classifies_it() {
        use slipstream_engine::ErrorKind::*;
        let cases = [
            (SqlType::Boolean, "o", InvalidText, "invalid input syntax for type boolean: \"o\""),
            (SqlType::Integer, "abc", InvalidText, "invalid input syntax for type integer: \"abc\""),
            (SqlType::Integer, "", InvalidText, "invalid input syntax for type integer: \"\""),
            (SqlType::Integer, "1.5", InvalidText, "invalid input syntax for type integer: \"1.5\""),
            (
                SqlType::Integer,
                "2147483648",
                NumericOutOfRange,
                "value \"2147483648\" is out of range for type integer",
            ),
            (
                SqlType::BigInt,
                "9223372036854775808",
                NumericOutOfRange,
                "value \"9223372036854775808\" is out of range for type bigint",
            ),
            (SqlType::Double, "1e400", NumericOutOfRange, "\"1e400\" is out of range for type double precision"),
            (SqlType::Real, "1e-50", NumericOutOfRange, "\"1e-50\" is out of range for type real"),
            (SqlType::Double, "x", InvalidText, "invalid input syntax for type double precision: \"x\""),
            (SqlType::Numeric { precision: 3, scale: 1 }, "100", NumericOutOfRange, "numeric field overflow"),
            (SqlType::Varchar(3), "abcd", StringTooLong, "value too long for type character varying(3)"),
            (SqlType::Uuid, "x", InvalidText, "invalid input syntax for type uuid: \"x\""),
            (SqlType::Date, "x", InvalidDatetime, "invalid input syntax for type date: \"x\""),
            (SqlType::Date, "2024-02-30", DatetimeOverflow, "date/time field value out of range: \"2024-02-30\""),
            (SqlType::Json, "{", InvalidText, "invalid input syntax for type json"),
            (SqlType::Vector(3), "[1,2]", DataException, "expected 3 dimensions, not 2"),
            (SqlType::Vector(1), "[NaN]", DataException, "NaN not allowed in vector"),
            (SqlType::Vector(1), "1", InvalidText, "invalid input syntax for type vector: \"1\""),
            (
                SqlType::Array(Box::new(SqlType::Integer)),
                "{a}",
                InvalidText,
                "invalid input syntax for type integer: \"a\"",
            ),
        ];
        for (sql_type, text, kind, message) in cases {
            let error = round_trip(&sql_type, text).expect_err(text);
            assert_eq!((error.kind(), error.message()), (kind, message), "{sql_type}: {text}");
        }
    }

    #[test]
    fn a_failed_value_leaves_the_column_as_it_was() {
        let sql_type = SqlType::Array(Box::new(SqlType::Integer));
        let mut column = TextColumn::new(&sql_type, 3);
        column.append("{1}").expect("valid");
        assert!(column.append("{2,x}").is_err());
        column.append("{3}").expect("valid");
        let array = column.finish();
        assert_eq!(array.len(), 2);
        assert_eq!(array.as_list::<i32>().values().len(), 2);
    }
}
