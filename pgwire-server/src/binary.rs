//! Values in the binary format: one typed column per variant, cells appended to a buffer.
//!
//! Layouts are those of each type's `_send` function in Postgres, and of pgvector for `vector`.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray,
    PrimitiveArray, StringArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use bytes::{BufMut, BytesMut};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::{numeric, types};

/// Days from 1970-01-01 to 2000-01-01, where Postgres starts to count.
pub(crate) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(crate) const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
/// Version byte before the text of a `jsonb` value.
pub(crate) const JSONB_VERSION: u8 = 1;

/// A column of one batch, ready to be written in the binary format.
pub(crate) enum BinaryColumn {
    Boolean(BooleanArray),
    SmallInt(PrimitiveArray<Int16Type>),
    Integer(PrimitiveArray<Int32Type>),
    BigInt(PrimitiveArray<Int64Type>),
    Real(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
    Numeric(PrimitiveArray<Decimal128Type>),
    WideNumeric(PrimitiveArray<Decimal256Type>),
    Text(StringArray),
    Jsonb(StringArray),
    Bytea(BinaryArray),
    Uuid(FixedSizeBinaryArray),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time64MicrosecondType>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>),
    Interval(PrimitiveArray<IntervalMonthDayNanoType>),
    Vector(FixedSizeListArray, PrimitiveArray<Float32Type>),
    Array(ArrayColumn),
}

/// A column of arrays: the lists of each dimension, outermost first, and the innermost items.
pub(crate) struct ArrayColumn {
    dimensions: Vec<ListArray>,
    item_oid: u32,
    items: Box<BinaryColumn>,
}

impl BinaryColumn {
    /// Wraps a column whose Arrow type is the canonical one of `sql_type`.
    pub(crate) fn new(sql_type: &SqlType, array: &ArrayRef) -> BinaryColumn {
        match sql_type {
            SqlType::Boolean => BinaryColumn::Boolean(array.as_boolean().clone()),
            SqlType::SmallInt => BinaryColumn::SmallInt(array.as_primitive().clone()),
            SqlType::Integer => BinaryColumn::Integer(array.as_primitive().clone()),
            SqlType::BigInt => BinaryColumn::BigInt(array.as_primitive().clone()),
            SqlType::Real => BinaryColumn::Real(array.as_primitive().clone()),
            SqlType::Double => BinaryColumn::Double(array.as_primitive().clone()),
            SqlType::Numeric { .. } => match array.data_type() {
                DataType::Decimal256(_, _) => BinaryColumn::WideNumeric(array.as_primitive().clone()),
                _ => BinaryColumn::Numeric(array.as_primitive().clone()),
            },
            SqlType::Text | SqlType::Varchar(_) | SqlType::Json => BinaryColumn::Text(array.as_string().clone()),
            SqlType::Jsonb => BinaryColumn::Jsonb(array.as_string().clone()),
            SqlType::Bytea => BinaryColumn::Bytea(array.as_binary().clone()),
            SqlType::Uuid => BinaryColumn::Uuid(array.as_fixed_size_binary().clone()),
            SqlType::Date => BinaryColumn::Date(array.as_primitive().clone()),
            SqlType::Time => BinaryColumn::Time(array.as_primitive().clone()),
            SqlType::Timestamp | SqlType::TimestampTz => BinaryColumn::Timestamp(array.as_primitive().clone()),
            SqlType::Interval => BinaryColumn::Interval(array.as_primitive().clone()),
            SqlType::Vector(_) => {
                let vectors = array.as_fixed_size_list();
                BinaryColumn::Vector(vectors.clone(), vectors.values().as_primitive().clone())
            }
            SqlType::Array(item) => BinaryColumn::Array(ArrayColumn::new(item, array.as_list())),
        }
    }

    /// Appends the value of a row that is not NULL, without its length.
    pub(crate) fn append(&self, out: &mut BytesMut, row: usize) -> Result<()> {
        match self {
            BinaryColumn::Boolean(array) => out.put_u8(u8::from(array.value(row))),
            BinaryColumn::SmallInt(array) => out.put_i16(array.value(row)),
            BinaryColumn::Integer(array) => out.put_i32(array.value(row)),
            BinaryColumn::BigInt(array) => out.put_i64(array.value(row)),
            BinaryColumn::Real(array) => out.put_f32(array.value(row)),
            BinaryColumn::Double(array) => out.put_f64(array.value(row)),
            BinaryColumn::Numeric(array) => numeric::append(out, &array.value(row).to_string(), array.scale()),
            BinaryColumn::WideNumeric(array) => numeric::append(out, &array.value(row).to_string(), array.scale()),
            BinaryColumn::Text(array) => out.put_slice(array.value(row).as_bytes()),
            BinaryColumn::Jsonb(array) => {
                out.put_u8(JSONB_VERSION);
                out.put_slice(array.value(row).as_bytes());
            }
            BinaryColumn::Bytea(array) => out.put_slice(array.value(row)),
            BinaryColumn::Uuid(array) => out.put_slice(array.value(row)),
            BinaryColumn::Date(array) => out.put_i32(array.value(row).saturating_sub(EPOCH_DAYS)),
            BinaryColumn::Time(array) => out.put_i64(array.value(row)),
            BinaryColumn::Timestamp(array) => out.put_i64(array.value(row).saturating_sub(EPOCH_MICROSECONDS)),
            BinaryColumn::Interval(array) => {
                let interval = array.value(row);
                out.put_i64(interval.nanoseconds / 1_000);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            BinaryColumn::Vector(vectors, values) => append_vector(out, vectors, values, row),
            BinaryColumn::Array(arrays) => arrays.append(out, row)?,
        }
        Ok(())
    }
}

/// pgvector's `vector_send`: dimension, 16 unused bits, the floats.
fn append_vector(out: &mut BytesMut, vectors: &FixedSizeListArray, values: &PrimitiveArray<Float32Type>, row: usize) {
    let dimension = vectors.value_length() as usize;
    let start = vectors.value_offset(row) as usize;
    out.put_u16(dimension as u16);
    out.put_u16(0);
    for value in &values.values()[start..start + dimension] {
        out.put_f32(*value);
    }
}

impl ArrayColumn {
    fn new(item: &SqlType, array: &ListArray) -> ArrayColumn {
        let mut dimensions = vec![array.clone()];
        let mut item = item;
        let mut values = array.values().clone();
        while let SqlType::Array(inner) = item {
            let list = values.as_list().clone();
            values = list.values().clone();
            dimensions.push(list);
            item = inner;
        }
        let items = Box::new(BinaryColumn::new(item, &values));
        ArrayColumn { dimensions, item_oid: types::oid(item), items }
    }

    /// `array_send`: dimension count, whether there are NULLs, item type, each dimension's length and lower bound, items.
    fn append(&self, out: &mut BytesMut, row: usize) -> Result<()> {
        let (lengths, items) = self.shape(row)?;
        if items.is_empty() {
            out.put_i32(0);
            out.put_i32(0);
            out.put_u32(self.item_oid);
            return Ok(());
        }
        out.put_i32(lengths.len() as i32);
        let has_nulls = items.clone().any(|item| self.items.is_null(item));
        out.put_i32(i32::from(has_nulls));
        out.put_u32(self.item_oid);
        for length in lengths {
            out.put_i32(length as i32);
            out.put_i32(1);
        }
        for item in items {
            if self.items.is_null(item) {
                out.put_i32(-1);
            } else {
                with_length(out, |out| self.items.append(out, item))?;
            }
        }
        Ok(())
    }

    /// The length of each dimension and the range of innermost items of a row. Rows of a dimension must agree, because the
    /// wire format is a box.
    fn shape(&self, row: usize) -> Result<(Vec<usize>, std::ops::Range<usize>)> {
        let ragged = || {
            Error::new(
                ErrorKind::ArraySubscript,
                "multidimensional arrays must have array expressions with matching dimensions",
            )
        };
        let mut range = row..row + 1;
        let mut lengths = Vec::with_capacity(self.dimensions.len());
        for list in &self.dimensions {
            let length = list.value_length(range.start) as usize;
            if range.clone().any(|row| list.is_null(row) || list.value_length(row) as usize != length) {
                return Err(ragged());
            }
            let offsets = list.value_offsets();
            range = offsets[range.start] as usize..offsets[range.end] as usize;
            lengths.push(length);
            if range.is_empty() {
                break;
            }
        }
        Ok((lengths, range))
    }
}

impl BinaryColumn {
    /// Whether a row is NULL.
    pub(crate) fn is_null(&self, row: usize) -> bool {
        match self {
            BinaryColumn::Boolean(array) => array.is_null(row),
            BinaryColumn::SmallInt(array) => array.is_null(row),
            BinaryColumn::Integer(array) => array.is_null(row),
            BinaryColumn::BigInt(array) => array.is_null(row),
            BinaryColumn::Real(array) => array.is_null(row),
            BinaryColumn::Double(array) => array.is_null(row),
            BinaryColumn::Numeric(array) => array.is_null(row),
            BinaryColumn::WideNumeric(array) => array.is_null(row),
            BinaryColumn::Text(array) | BinaryColumn::Jsonb(array) => array.is_null(row),
            BinaryColumn::Bytea(array) => array.is_null(row),
            BinaryColumn::Uuid(array) => array.is_null(row),
            BinaryColumn::Date(array) => array.is_null(row),
            BinaryColumn::Time(array) => array.is_null(row),
            BinaryColumn::Timestamp(array) => array.is_null(row),
            BinaryColumn::Interval(array) => array.is_null(row),
            BinaryColumn::Vector(array, _) => array.is_null(row),
            BinaryColumn::Array(array) => array.dimensions[0].is_null(row),
        }
    }
}

/// Writes a value with its 32-bit length in front.
pub(crate) fn with_length(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
    let start = out.len();
    out.put_i32(0);
    write(out)?;
    let length = i32::try_from(out.len() - start - 4)
        .map_err(|_| Error::new(ErrorKind::TooComplex, "a value is too large for the wire protocol"))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
