//! Arrow values in the binary format: one typed column per variant, values appended to a buffer.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, LargeBinaryArray, ListArray,
    PrimitiveArray, StringArray,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use bytes::{BufMut, BytesMut};
use slipstream_catalog::pg_catalog::oids::Form;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::{EPOCH_DAYS, EPOCH_MICROSECONDS, Half, JSONB_VERSION};
use super::{numeric, text_search};
use crate::pgvector::{Bits, Dense, Kind};
use crate::types::ClientType;

/// Writes the values of one array in the binary format of a type.
pub struct BinaryEncoder(Values);

/// The array, by how its values are written.
enum Values {
    Boolean(BooleanArray),
    SmallInt(PrimitiveArray<Int16Type>),
    Integer(PrimitiveArray<Int32Type>),
    BigInt(PrimitiveArray<Int64Type>),
    ObjectId(PrimitiveArray<Int64Type>),
    Real(PrimitiveArray<Float32Type>),
    Double(PrimitiveArray<Float64Type>),
    Numeric(PrimitiveArray<Decimal128Type>),
    WideNumeric(PrimitiveArray<Decimal256Type>),
    Text(StringArray),
    Byte(StringArray),
    Jsonb(StringArray),
    TsVector(StringArray),
    TsQuery(StringArray),
    Bytea(BinaryArray),
    Uuid(FixedSizeBinaryArray),
    Date(PrimitiveArray<Date32Type>),
    Time(PrimitiveArray<Time64MicrosecondType>),
    Timestamp(PrimitiveArray<TimestampMicrosecondType>),
    Interval(PrimitiveArray<IntervalMonthDayNanoType>),
    Vector(Dense),
    Sparse(LargeBinaryArray),
    Bits(Bits),
    Array(ArrayValues),
}

/// Arrays: the lists of each dimension, outermost first, and the innermost items.
struct ArrayValues {
    dimensions: Vec<ListArray>,
    item_oid: u32,
    lower_bound: i32,
    items: Box<BinaryEncoder>,
}

/// The one Arrow layout that is written for a SQL type.
fn canonical(sql_type: &SqlType, from: &DataType) -> DataType {
    match (sql_type, from) {
        (_, DataType::Decimal256(_, _)) => from.clone(),
        // Both layouts can be read, whichever the type says.
        (
            SqlType::Vector(_) | SqlType::Halfvec(_) | SqlType::Bit(_) | SqlType::Varbit(_),
            DataType::FixedSizeList(..) | DataType::LargeList(_),
        ) => from.clone(),
        _ => sql_type.arrow_type(),
    }
}

fn normalise(sql_type: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    let target = canonical(sql_type, array.data_type());
    if array.data_type().equals_datatype(&target) {
        return Ok(ArrayRef::clone(array));
    }
    // A value that does not fit is an error: NULL in its place would be a wrong answer.
    cast_with_options(array, &target, &CastOptions { safe: false, ..CastOptions::default() }).map_err(|error| {
        Error::new(ErrorKind::NumericOutOfRange, format!("value out of range for type {sql_type}"))
            .with_detail(error.to_string())
    })
}

impl BinaryEncoder {
    /// Whether arrays of an Arrow type can be written as a type at all.
    pub fn takes(client_type: &ClientType, data_type: &DataType) -> bool {
        can_cast_types(data_type, &canonical(client_type.sql_type(), data_type))
    }

    /// Resolves the array's type. The array need not be in the SQL type's own Arrow type: plans come with other layouts of
    /// strings, other widths of integers, dictionaries.
    pub fn new(client_type: &ClientType, array: &ArrayRef) -> Result<Self> {
        let array = &normalise(client_type.sql_type(), array)?;
        Ok(BinaryEncoder(match (client_type.sql_type(), client_type.form()) {
            (SqlType::Boolean, _) => Values::Boolean(array.as_boolean().clone()),
            (SqlType::SmallInt, _) => Values::SmallInt(array.as_primitive().clone()),
            (SqlType::Integer, _) => Values::Integer(array.as_primitive().clone()),
            (SqlType::BigInt, Form::ObjectId) => Values::ObjectId(array.as_primitive().clone()),
            (SqlType::BigInt, _) => Values::BigInt(array.as_primitive().clone()),
            (SqlType::Real, _) => Values::Real(array.as_primitive().clone()),
            (SqlType::Double, _) => Values::Double(array.as_primitive().clone()),
            (SqlType::Numeric { .. }, _) => match array.data_type() {
                DataType::Decimal256(_, _) => Values::WideNumeric(array.as_primitive().clone()),
                _ => Values::Numeric(array.as_primitive().clone()),
            },
            (SqlType::Text, Form::Byte) => Values::Byte(array.as_string().clone()),
            (SqlType::Text | SqlType::Varchar(_) | SqlType::Json, _) => Values::Text(array.as_string().clone()),
            (SqlType::Jsonb, _) => Values::Jsonb(array.as_string().clone()),
            (SqlType::TsVector, _) => Values::TsVector(array.as_string().clone()),
            (SqlType::TsQuery, _) => Values::TsQuery(array.as_string().clone()),
            (SqlType::Bytea, _) => Values::Bytea(array.as_binary().clone()),
            (SqlType::Uuid, _) => Values::Uuid(array.as_fixed_size_binary().clone()),
            (SqlType::Date, _) => Values::Date(array.as_primitive().clone()),
            (SqlType::Time, _) => Values::Time(array.as_primitive().clone()),
            (SqlType::Timestamp | SqlType::TimestampTz, _) => Values::Timestamp(array.as_primitive().clone()),
            (SqlType::Interval, _) => Values::Interval(array.as_primitive().clone()),
            (SqlType::Vector(_) | SqlType::Halfvec(_), _) => Values::Vector(Dense::new(array)?),
            (SqlType::Sparsevec(_), _) => Values::Sparse(array.as_binary().clone()),
            (SqlType::Bit(_) | SqlType::Varbit(_), _) => Values::Bits(Bits::new(array)?),
            (SqlType::Array(_), _) => Values::Array(ArrayValues::new(client_type, array.as_list())?),
        }))
    }

    /// Appends the value of a row that is not NULL, without its length.
    pub fn append(&self, out: &mut BytesMut, row: usize) -> Result<()> {
        match &self.0 {
            Values::Boolean(array) => out.put_u8(u8::from(array.value(row))),
            Values::SmallInt(array) => out.put_i16(array.value(row)),
            Values::Integer(array) => out.put_i32(array.value(row)),
            Values::BigInt(array) => out.put_i64(array.value(row)),
            // Ids are kept in 64 bits because they have no sign in 32.
            Values::ObjectId(array) => out.put_u32(array.value(row) as u32),
            Values::Real(array) => out.put_f32(array.value(row)),
            Values::Double(array) => out.put_f64(array.value(row)),
            Values::Numeric(array) => numeric::append(out, &array.value(row).to_string(), array.scale()),
            Values::WideNumeric(array) => numeric::append(out, &array.value(row).to_string(), array.scale()),
            Values::Text(array) => out.put_slice(array.value(row).as_bytes()),
            Values::Byte(array) => out.put_u8(array.value(row).bytes().next().unwrap_or(0)),
            Values::Jsonb(array) => {
                out.put_u8(JSONB_VERSION);
                out.put_slice(array.value(row).as_bytes());
            }
            Values::TsVector(array) => text_search::append_vector(out, array.value(row))?,
            Values::TsQuery(array) => text_search::append_query(out, array.value(row))?,
            Values::Bytea(array) => out.put_slice(array.value(row)),
            Values::Uuid(array) => out.put_slice(array.value(row)),
            Values::Date(array) => out.put_i32(array.value(row).saturating_sub(EPOCH_DAYS)),
            Values::Time(array) => out.put_i64(array.value(row)),
            Values::Timestamp(array) => out.put_i64(array.value(row).saturating_sub(EPOCH_MICROSECONDS)),
            Values::Interval(array) => {
                let interval = array.value(row);
                out.put_i64(interval.nanoseconds / 1_000);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            Values::Vector(vectors) => append_vector(out, vectors.kind(), vectors.row(row)),
            Values::Sparse(array) => out.put_slice(array.value(row)),
            Values::Bits(array) => append_bits(out, &array.row(row)),
            Values::Array(arrays) => arrays.append(out, row)?,
        }
        Ok(())
    }
}

/// pgvector's `vector_send` and `halfvec_send`: dimension, 16 unused bits, the floats.
fn append_vector(out: &mut BytesMut, kind: Kind, elements: &[f32]) {
    out.put_u16(elements.len() as u16);
    out.put_u16(0);
    for element in elements {
        match kind {
            Kind::Halfvec => out.put_u16(Half::from_f32(*element).to_bits()),
            _ => out.put_f32(*element),
        }
    }
}

/// `bit_send`: how many bits, then the bits, the first the highest of the first byte.
fn append_bits(out: &mut BytesMut, bits: &BooleanBuffer) {
    out.put_i32(bits.len() as i32);
    for first in (0..bits.len()).step_by(8) {
        let set = (first..bits.len().min(first + 8)).filter(|bit| bits.value(*bit));
        out.put_u8(set.fold(0, |byte, bit| byte | 0x80 >> (bit - first)));
    }
}

impl ArrayValues {
    fn new(client_type: &ClientType, array: &ListArray) -> Result<ArrayValues> {
        let mut dimensions = vec![array.clone()];
        let mut item = client_type.item();
        let mut values = array.values().clone();
        while let Some(inner) = item.as_ref().and_then(ClientType::item) {
            let list = values.as_list().clone();
            values = list.values().clone();
            dimensions.push(list);
            item = Some(inner);
        }
        let item = item.ok_or_else(|| Error::internal("an array without a type of its items"))?;
        let lower_bound = if client_type.form() == Form::Vector { 0 } else { 1 };
        let items = Box::new(BinaryEncoder::new(&item, &values)?);
        Ok(ArrayValues { dimensions, item_oid: item.oid(), lower_bound, items })
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
            out.put_i32(self.lower_bound);
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

impl BinaryEncoder {
    /// Whether the value of a row is NULL, which has no bytes.
    pub fn is_null(&self, row: usize) -> bool {
        match &self.0 {
            Values::Boolean(array) => array.is_null(row),
            Values::SmallInt(array) => array.is_null(row),
            Values::Integer(array) => array.is_null(row),
            Values::BigInt(array) | Values::ObjectId(array) => array.is_null(row),
            Values::Real(array) => array.is_null(row),
            Values::Double(array) => array.is_null(row),
            Values::Numeric(array) => array.is_null(row),
            Values::WideNumeric(array) => array.is_null(row),
            Values::Text(array)
            | Values::Byte(array)
            | Values::Jsonb(array)
            | Values::TsVector(array)
            | Values::TsQuery(array) => array.is_null(row),
            Values::Bytea(array) => array.is_null(row),
            Values::Uuid(array) => array.is_null(row),
            Values::Date(array) => array.is_null(row),
            Values::Time(array) => array.is_null(row),
            Values::Timestamp(array) => array.is_null(row),
            Values::Interval(array) => array.is_null(row),
            Values::Vector(array) => array.is_null(row),
            Values::Sparse(array) => array.is_null(row),
            Values::Bits(array) => array.is_null(row),
            Values::Array(array) => array.dimensions[0].is_null(row),
        }
    }
}

/// Writes a value with its 32-bit length in front.
pub fn with_length(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
    let start = out.len();
    out.put_i32(0);
    write(out)?;
    let length = i32::try_from(out.len() - start - 4)
        .map_err(|_| Error::new(ErrorKind::TooComplex, "a value is too large for the wire protocol"))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::UInt64Array;

    use super::*;

    #[test]
    fn a_number_that_does_not_fit_is_an_error_and_never_null() {
        let wide: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(normalise(&SqlType::BigInt, &wide).unwrap_err().kind(), ErrorKind::NumericOutOfRange);
    }
}
