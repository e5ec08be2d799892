//! Casts between pgvector's types, arrays of numbers, bit strings and integers.

use std::sync::Arc;

use arrow::array::Float32Builder;
use arrow::array::{Array, ArrayRef, AsArray, Int32Builder, Int64Builder, LargeBinaryBuilder, ListBuilder};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::cast::CastContext;
use crate::pgvector::{Bits, BitsBuilder, Dense, DenseBuilder, Kind, Sparse};
use crate::text::append_float;

pub(super) fn is_bits(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Bit(_) | SqlType::Varbit(_))
}

/// Vectors of any kind, or arrays of numbers.
enum Source<'a> {
    Dense(Dense),
    Sparse(&'a arrow::array::LargeBinaryArray),
    /// The numbers as doubles.
    Array(arrow::array::ListArray),
}

impl<'a> Source<'a> {
    fn new(array: &'a ArrayRef) -> Result<Source<'a>> {
        if let Some(dense) = Dense::get(array) {
            return Ok(Source::Dense(dense));
        }
        if let Some(sparse) = array.as_binary_opt::<i64>() {
            return Ok(Source::Sparse(sparse));
        }
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        let doubles = arrow_cast(array, &DataType::List(item)).map_err(|error| Error::internal(error.to_string()))?;
        Ok(Source::Array(doubles.as_list::<i32>().clone()))
    }

    /// The elements of a row, as `kind` takes them.
    fn row(&self, row: usize, kind: Kind) -> Result<Vec<f32>> {
        match self {
            Source::Dense(dense) => Ok(dense.row(row).to_vec()),
            Source::Sparse(sparse) => {
                let vector = Sparse::stored(sparse.value(row))?;
                kind.check_dimension(vector.dimension())?;
                Ok(vector.to_dense())
            }
            Source::Array(arrays) => {
                let numbers = arrays.value(row);
                if numbers.null_count() > 0 {
                    return Err(Error::new(ErrorKind::NullNotAllowed, "array must not contain nulls"));
                }
                kind.check_dimension(numbers.len())?;
                let numbers = numbers.as_primitive::<Float64Type>().values().iter().map(|number| *number as f32);
                numbers.map(|number| kind.check_element(number).map(|()| number)).collect()
            }
        }
    }
}

/// Vectors, or arrays of numbers, as vectors of a type.
pub(super) fn convert(to: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    let kind = Kind::of(to).ok_or_else(|| Error::internal(format!("{to} is no type of vectors")))?;
    let expected = Kind::dimension(to);
    let source = Source::new(array)?;
    if kind == Kind::Sparsevec {
        let mut out = LargeBinaryBuilder::new();
        for row in 0..array.len() {
            match (array.is_null(row), &source) {
                (true, _) => out.append_null(),
                (false, Source::Sparse(sparse)) => {
                    Kind::check_expected(expected, Sparse::stored(sparse.value(row))?.dimension())?;
                    out.append_value(sparse.value(row));
                }
                (false, source) => {
                    let vector = Sparse::of_dense(&source.row(row, kind)?)?;
                    Kind::check_expected(expected, vector.dimension())?;
                    out.append_value(vector.to_bytes());
                }
            }
        }
        return Ok(Arc::new(out.finish()));
    }
    let mut out = DenseBuilder::new(to, array.len());
    for row in 0..array.len() {
        if array.is_null(row) {
            out.push_null();
            continue;
        }
        let elements = source.row(row, kind)?;
        Kind::check_expected(expected, elements.len())?;
        let kept = elements.into_iter().map(|element| kind.element(element, || shown(element)));
        out.push(kept.collect::<Result<Vec<_>>>()?)?;
    }
    out.finish()
}

fn shown(element: f32) -> String {
    let mut out = String::new();
    append_float(&mut out, element);
    out
}

/// Vectors as arrays of `real`.
pub(super) fn to_array(array: &ArrayRef) -> Result<ArrayRef> {
    let vectors = Dense::new(array)?;
    let mut out = ListBuilder::new(Float32Builder::new());
    for row in 0..vectors.len() {
        if !vectors.is_null(row) {
            out.values().append_slice(vectors.row(row));
        }
        out.append(!vectors.is_null(row));
    }
    Ok(Arc::new(out.finish()))
}

/// Between bit strings, or a bit string and an integer.
pub(super) fn bits(from: &SqlType, to: &SqlType, array: &ArrayRef, context: CastContext) -> Result<ArrayRef> {
    if !is_bits(from) {
        return integers_to_bits(from, to, array);
    }
    let strings = Bits::new(array)?;
    if !is_bits(to) {
        return bits_to_integers(to, &strings);
    }
    let mut out = BitsBuilder::new(to, strings.len());
    for row in 0..strings.len() {
        if strings.is_null(row) {
            out.push_null();
            continue;
        }
        let bits: Vec<bool> = strings.row(row).iter().collect();
        match context {
            CastContext::Explicit => out.push_resized(bits)?,
            CastContext::Assignment => out.push(&bits)?,
        }
    }
    out.finish()
}

/// The lowest bits of an integer, and its sign before them where there are too few.
fn integers_to_bits(from: &SqlType, to: &SqlType, array: &ArrayRef) -> Result<ArrayRef> {
    let SqlType::Bit(length) = *to else { return Err(Error::internal(format!("{from} as {to}"))) };
    let integers = arrow_cast(array, &DataType::Int64).map_err(|error| Error::internal(error.to_string()))?;
    let mut out = BitsBuilder::new(to, array.len());
    for integer in integers.as_primitive::<Int64Type>() {
        match integer {
            None => out.push_null(),
            Some(integer) => {
                let bits = (0..length.max(1)).rev().map(|bit| integer >> bit.min(63) & 1 == 1);
                out.push(&bits.collect::<Vec<_>>())?;
            }
        }
    }
    out.finish()
}

fn bits_to_integers(to: &SqlType, strings: &Bits) -> Result<ArrayRef> {
    let width = if *to == SqlType::Integer { 32 } else { 64 };
    let value = |row: usize| -> Result<Option<u64>> {
        if strings.is_null(row) {
            return Ok(None);
        }
        let bits = strings.row(row);
        if bits.len() > width {
            return Err(Error::new(ErrorKind::NumericOutOfRange, format!("{to} out of range")));
        }
        Ok(Some(bits.iter().fold(0, |value, bit| value << 1 | u64::from(bit))))
    };
    if width == 32 {
        let mut out = Int32Builder::with_capacity(strings.len());
        for row in 0..strings.len() {
            out.append_option(value(row)?.map(|value| value as u32 as i32));
        }
        return Ok(Arc::new(out.finish()));
    }
    let mut out = Int64Builder::with_capacity(strings.len());
    for row in 0..strings.len() {
        out.append_option(value(row)?.map(|value| value as i64));
    }
    Ok(Arc::new(out.finish()))
}
