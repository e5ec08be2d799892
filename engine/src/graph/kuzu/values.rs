//! Parameter values: from Arrow and DataFusion to Kuzu.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::scalar::ScalarValue;
use kuzu::{LogicalType, Value};
use time::{Date, Duration, OffsetDateTime};

use crate::error::{Error, ErrorKind, Result};

/// A query's parameter. The types of a statement's parameters should not change from one run to the next: Kuzu plans again.
pub(super) fn of_scalar(value: &ScalarValue) -> Result<Value> {
    let array = value.to_array().map_err(|error| Error::internal(error.to_string()))?;
    of_cell(array.as_ref(), 0)
}

/// One cell of a column.
pub(super) fn of_cell(array: &dyn Array, row: usize) -> Result<Value> {
    if array.is_null(row) {
        return logical_type(array.data_type()).map(Value::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => Value::Int8(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Value::Int16(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Value::Int32(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::Int64(array.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => Value::UInt8(array.as_primitive::<UInt8Type>().value(row)),
        DataType::UInt16 => Value::UInt16(array.as_primitive::<UInt16Type>().value(row)),
        DataType::UInt32 => Value::UInt32(array.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => Value::UInt64(array.as_primitive::<UInt64Type>().value(row)),
        DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_string()),
        DataType::LargeUtf8 => Value::String(array.as_string::<i64>().value(row).to_string()),
        DataType::Utf8View => Value::String(array.as_string_view().value(row).to_string()),
        DataType::Date32 => Value::Date(date(array.as_primitive::<Date32Type>().value(row))?),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Value::Timestamp(timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row))?)
        }
        DataType::FixedSizeBinary(16) => {
            let bytes = array.as_fixed_size_binary().value(row);
            let uuid = uuid::Uuid::from_slice(bytes).map_err(|error| Error::internal(error.to_string()))?;
            Value::String(uuid.hyphenated().to_string())
        }
        DataType::List(item) => list(&array.as_list::<i32>().value(row), item.data_type())?,
        DataType::LargeList(item) => list(&array.as_list::<i64>().value(row), item.data_type())?,
        other => return Err(no_such_type(other)),
    })
}

fn list(items: &dyn Array, item_type: &DataType) -> Result<Value> {
    let values = (0..items.len()).map(|row| of_cell(items, row)).collect::<Result<_>>()?;
    Ok(Value::List(logical_type(item_type)?, values))
}

/// The Kuzu type of an Arrow type.
fn logical_type(data_type: &DataType) -> Result<LogicalType> {
    Ok(match data_type {
        DataType::Null => LogicalType::Any,
        DataType::Boolean => LogicalType::Bool,
        DataType::Int8 => LogicalType::Int8,
        DataType::Int16 => LogicalType::Int16,
        DataType::Int32 => LogicalType::Int32,
        DataType::Int64 => LogicalType::Int64,
        DataType::UInt8 => LogicalType::UInt8,
        DataType::UInt16 => LogicalType::UInt16,
        DataType::UInt32 => LogicalType::UInt32,
        DataType::UInt64 => LogicalType::UInt64,
        DataType::Float32 => LogicalType::Float,
        DataType::Float64 => LogicalType::Double,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::FixedSizeBinary(16) => {
            LogicalType::String
        }
        DataType::Date32 => LogicalType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, _) => LogicalType::Timestamp,
        DataType::List(item) | DataType::LargeList(item) => {
            LogicalType::List { child_type: Box::new(logical_type(item.data_type())?) }
        }
        other => return Err(no_such_type(other)),
    })
}

fn no_such_type(data_type: &DataType) -> Error {
    Error::not_supported(format!("a value of type {data_type} cannot be given to the graph index"))
}

/// Dates and timestamps cross as calendar values, which end with the year 9999. Rows beyond it reach the index by its bulk
/// path only.
fn date(days: i32) -> Result<Date> {
    OffsetDateTime::UNIX_EPOCH.date().checked_add(Duration::days(i64::from(days))).ok_or_else(out_of_calendar)
}

fn timestamp(microseconds: i64) -> Result<OffsetDateTime> {
    OffsetDateTime::UNIX_EPOCH.checked_add(Duration::microseconds(microseconds)).ok_or_else(out_of_calendar)
}

fn out_of_calendar() -> Error {
    Error::new(ErrorKind::DatetimeOverflow, "date out of range for the graph index")
}
