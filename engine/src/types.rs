//! The SQL types of the database and how each is kept in Arrow (and so in Lance).
//!
//! The SQL type of a column is in the catalog record; in a running plan it travels as field metadata under
//! [`SQL_TYPE_KEY`], because several SQL types share one Arrow type (text, varchar, json).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use serde::{Deserialize, Serialize};

/// Field metadata key that carries the SQL type's name in Arrow schemas.
pub const SQL_TYPE_KEY: &str = "slipstream.type";

/// Precision and scale of `numeric` without arguments.
pub const DEFAULT_NUMERIC: (u8, i8) = (38, 10);

/// A SQL type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SqlType {
    /// `boolean`
    Boolean,
    /// `smallint`
    SmallInt,
    /// `integer`
    Integer,
    /// `bigint`
    BigInt,
    /// `real`
    Real,
    /// `double precision`
    Double,
    /// `numeric(precision, scale)`
    Numeric {
        /// Decimal digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point.
        scale: i8,
    },
    /// `text`
    Text,
    /// `varchar(n)`, at most `n` characters
    Varchar(u32),
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `date`
    Date,
    /// `time`, microseconds
    Time,
    /// `timestamp`, microseconds
    Timestamp,
    /// `timestamptz`, microseconds UTC
    TimestampTz,
    /// `interval`: months, days, nanoseconds
    Interval,
    /// `json`, the text as given
    Json,
    /// `jsonb`, normalised text
    Jsonb,
    /// `tsvector`: lexemes and their positions, as text
    TsVector,
    /// `tsquery`: a condition on lexemes, as text
    TsQuery,
    /// `vector(n)`: n 32-bit floats; 0 for a `vector` of any dimension
    Vector(u32),
    /// `halfvec(n)`: n 16-bit floats; 0 for any dimension
    Halfvec(u32),
    /// `sparsevec(n)`: the elements of a vector that are not zero; 0 for any dimension
    Sparsevec(u32),
    /// `bit(n)`: exactly n bits; 0 for a `bit` of any length, which no column can be
    Bit(u32),
    /// `bit varying(n)`: at most n bits; 0 for any number
    Varbit(u32),
    /// An array of another type
    Array(Box<SqlType>),
}

impl SqlType {
    /// The Arrow type of a column of this type, in plans and in Lance.
    ///
    /// Intervals are `Interval(MonthDayNano)` in plans; the store keeps them as 16 bytes.
    pub fn arrow_type(&self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::SmallInt => DataType::Int16,
            SqlType::Integer => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Real => DataType::Float32,
            SqlType::Double => DataType::Float64,
            SqlType::Numeric { precision, scale } => DataType::Decimal128(*precision, *scale),
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Json
            | SqlType::Jsonb
            | SqlType::TsVector
            | SqlType::TsQuery => DataType::Utf8,
            SqlType::Bytea => DataType::Binary,
            SqlType::Uuid => DataType::FixedSizeBinary(16),
            SqlType::Date => DataType::Date32,
            SqlType::Time => DataType::Time64(TimeUnit::Microsecond),
            SqlType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            SqlType::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            // Each of these has an Arrow type that nothing else has, so that they are known where metadata gets lost.
            SqlType::Vector(dimension) => list_of(DataType::Float32, *dimension),
            SqlType::Halfvec(dimension) => list_of(DataType::Float16, *dimension),
            SqlType::Sparsevec(_) => DataType::LargeBinary,
            SqlType::Bit(length) => list_of(DataType::Boolean, *length),
            SqlType::Varbit(_) => list_of(DataType::Boolean, 0),
            // The item's SQL type is in the name that the column's own metadata carries.
            SqlType::Array(item) => DataType::List(Arc::new(Field::new("item", item.arrow_type(), true))),
        }
    }

    /// An Arrow field of this type, with the SQL type in its metadata.
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        Field::new(name, self.arrow_type(), nullable)
            .with_metadata(HashMap::from([(SQL_TYPE_KEY.to_string(), self.to_string())]))
    }

    /// The SQL type of a plan's column: from its metadata where there is one, else the natural type of its Arrow type.
    ///
    /// `None` for Arrow types that no SQL type stands for.
    pub fn of_field(field: &Field) -> Option<SqlType> {
        if let Some(name) = field.metadata().get(SQL_TYPE_KEY)
            && let Ok(sql_type) = name.parse::<SqlType>()
            && same_storage(&sql_type.arrow_type(), field.data_type())
        {
            return Some(sql_type);
        }
        Self::of_arrow(field.data_type())
    }

    /// The natural SQL type of an Arrow type.
    pub fn of_arrow(data_type: &DataType) -> Option<SqlType> {
        Some(match data_type {
            DataType::Boolean => SqlType::Boolean,
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => SqlType::SmallInt,
            DataType::Int32 | DataType::UInt16 => SqlType::Integer,
            // DataFusion counts in UInt64 what Postgres counts in bigint.
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => SqlType::BigInt,
            DataType::Float16 | DataType::Float32 => SqlType::Real,
            DataType::Float64 => SqlType::Double,
            DataType::Decimal32(precision, scale)
            | DataType::Decimal64(precision, scale)
            | DataType::Decimal128(precision, scale)
            | DataType::Decimal256(precision, scale) => SqlType::Numeric { precision: *precision, scale: *scale },
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => SqlType::Text,
            DataType::Binary | DataType::BinaryView => SqlType::Bytea,
            DataType::LargeBinary => SqlType::Sparsevec(0),
            DataType::FixedSizeBinary(16) => SqlType::Uuid,
            DataType::FixedSizeBinary(_) => SqlType::Bytea,
            DataType::Date32 | DataType::Date64 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time,
            DataType::Timestamp(_, None) => SqlType::Timestamp,
            DataType::Timestamp(_, Some(_)) => SqlType::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => SqlType::Interval,
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) if is_element(item.data_type()) => {
                let length = if let DataType::FixedSizeList(_, length) = data_type { *length as u32 } else { 0 };
                match item.data_type() {
                    DataType::Float32 => SqlType::Vector(length),
                    DataType::Float16 => SqlType::Halfvec(length),
                    _ if length == 0 => SqlType::Varbit(0),
                    _ => SqlType::Bit(length),
                }
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                SqlType::Array(Box::new(Self::of_field(item)?))
            }
            DataType::Dictionary(_, value) => Self::of_arrow(value)?,
            DataType::Struct(_) | DataType::Map(_, _) => SqlType::Jsonb,
            _ => return None,
        })
    }
}

/// Elements of one type: a fixed number of them, or any number where `length` is 0.
fn list_of(element: DataType, length: u32) -> DataType {
    let item = Arc::new(Field::new("item", element, true));
    match length {
        0 => DataType::LargeList(item),
        length => DataType::FixedSizeList(item, length as i32),
    }
}

/// What vectors and bit strings are made of.
fn is_element(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Float32 | DataType::Float16 | DataType::Boolean)
}

/// Whether two Arrow types hold the same SQL values (plans may widen Utf8 to Utf8View and the like).
fn same_storage(a: &DataType, b: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeUtf8, List, Utf8, Utf8View};
    matches!((a, b), (Utf8, Utf8 | LargeUtf8 | Utf8View) | (Binary, Binary | BinaryView) | (List(_), List(_)))
        || a.equals_datatype(b)
}

/// `vector(3)`, or `vector` where the number is 0.
fn with_length(f: &mut fmt::Formatter<'_>, name: &str, length: u32) -> fmt::Result {
    match length {
        0 => f.write_str(name),
        length => write!(f, "{name}({length})"),
    }
}

/// An Arrow field reference for a column of `sql_type`.
pub fn field_ref(name: &str, sql_type: &SqlType, nullable: bool) -> FieldRef {
    Arc::new(sql_type.field(name, nullable))
}

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Boolean => f.write_str("boolean"),
            SqlType::SmallInt => f.write_str("smallint"),
            SqlType::Integer => f.write_str("integer"),
            SqlType::BigInt => f.write_str("bigint"),
            SqlType::Real => f.write_str("real"),
            SqlType::Double => f.write_str("double precision"),
            SqlType::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            SqlType::Text => f.write_str("text"),
            SqlType::Varchar(length) => write!(f, "character varying({length})"),
            SqlType::Bytea => f.write_str("bytea"),
            SqlType::Uuid => f.write_str("uuid"),
            SqlType::Date => f.write_str("date"),
            SqlType::Time => f.write_str("time without time zone"),
            SqlType::Timestamp => f.write_str("timestamp without time zone"),
            SqlType::TimestampTz => f.write_str("timestamp with time zone"),
            SqlType::Interval => f.write_str("interval"),
            SqlType::Json => f.write_str("json"),
            SqlType::Jsonb => f.write_str("jsonb"),
            SqlType::TsVector => f.write_str("tsvector"),
            SqlType::TsQuery => f.write_str("tsquery"),
            SqlType::Vector(dimension) => with_length(f, "vector", *dimension),
            SqlType::Halfvec(dimension) => with_length(f, "halfvec", *dimension),
            SqlType::Sparsevec(dimension) => with_length(f, "sparsevec", *dimension),
            SqlType::Bit(length) => with_length(f, "bit", *length),
            SqlType::Varbit(length) => with_length(f, "bit varying", *length),
            SqlType::Array(item) => write!(f, "{item}[]"),
        }
    }
}

impl std::str::FromStr for SqlType {
    type Err = ();

    /// Reads the names that [`fmt::Display`] writes.
    fn from_str(name: &str) -> Result<Self, ()> {
        if let Some(item) = name.strip_suffix("[]") {
            return Ok(SqlType::Array(Box::new(item.parse()?)));
        }
        let (base, arguments) = match name.split_once('(') {
            Some((base, rest)) => (base, rest.strip_suffix(')').ok_or(())?),
            None => (name, ""),
        };
        let length = || if arguments.is_empty() { Ok(0) } else { arguments.parse().map_err(drop) };
        Ok(match base {
            "boolean" => SqlType::Boolean,
            "smallint" => SqlType::SmallInt,
            "integer" => SqlType::Integer,
            "bigint" => SqlType::BigInt,
            "real" => SqlType::Real,
            "double precision" => SqlType::Double,
            "numeric" => {
                let (precision, scale) = arguments.split_once(',').ok_or(())?;
                SqlType::Numeric { precision: precision.parse().map_err(drop)?, scale: scale.parse().map_err(drop)? }
            }
            "text" => SqlType::Text,
            "character varying" => SqlType::Varchar(arguments.parse().map_err(drop)?),
            "bytea" => SqlType::Bytea,
            "uuid" => SqlType::Uuid,
            "date" => SqlType::Date,
            "time without time zone" => SqlType::Time,
            "timestamp without time zone" => SqlType::Timestamp,
            "timestamp with time zone" => SqlType::TimestampTz,
            "interval" => SqlType::Interval,
            "json" => SqlType::Json,
            "jsonb" => SqlType::Jsonb,
            "tsvector" => SqlType::TsVector,
            "tsquery" => SqlType::TsQuery,
            "vector" => SqlType::Vector(length()?),
            "halfvec" => SqlType::Halfvec(length()?),
            "sparsevec" => SqlType::Sparsevec(length()?),
            "bit" => SqlType::Bit(length()?),
            "bit varying" => SqlType::Varbit(length()?),
            _ => return Err(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_name_reads_back() {
        let types = [
            SqlType::Boolean,
            SqlType::SmallInt,
            SqlType::Integer,
            SqlType::BigInt,
            SqlType::Real,
            SqlType::Double,
            SqlType::Numeric { precision: 12, scale: 3 },
            SqlType::Text,
            SqlType::Varchar(9),
            SqlType::Bytea,
            SqlType::Uuid,
            SqlType::Date,
            SqlType::Time,
            SqlType::Timestamp,
            SqlType::TimestampTz,
            SqlType::Interval,
            SqlType::Json,
            SqlType::Jsonb,
            SqlType::TsVector,
            SqlType::TsQuery,
            SqlType::Vector(3),
            SqlType::Vector(0),
            SqlType::Halfvec(3),
            SqlType::Halfvec(0),
            SqlType::Sparsevec(3),
            SqlType::Sparsevec(0),
            SqlType::Bit(3),
            SqlType::Bit(0),
            SqlType::Varbit(3),
            SqlType::Varbit(0),
            SqlType::Array(Box::new(SqlType::Varchar(5))),
        ];
        for sql_type in types {
            assert_eq!(sql_type.to_string().parse(), Ok(sql_type.clone()));
            assert_eq!(SqlType::of_field(&sql_type.field("c", true)), Some(sql_type));
        }
    }
}
