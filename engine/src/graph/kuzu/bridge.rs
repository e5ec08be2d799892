//! Arrow across the border: the Kuzu crate speaks an older major version of the `arrow` crate than the rest of the program.
//!
//! Both versions implement the Arrow C data interface, whose structures are fixed by a specification and not by the crate
//! (<https://arrow.apache.org/docs/format/CDataInterface.html>). A batch crosses as such a structure, without a copy.

#![allow(unsafe_code)] // the one place: C structures change hands between two versions of a crate

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, FixedSizeBinaryBuilder, ListArray, RecordBatch, RecordBatchOptions,
    StringArray, StructArray,
};
use arrow::compute::{CastOptions, cast_with_options, concat};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::util::display::FormatOptions;
use arrow_kuzu::array::{Array as _, RecordBatch as KuzuBatch, StructArray as KuzuStructArray};
use arrow_kuzu::ffi as kuzu_ffi;
use uuid::Uuid;

use crate::error::{Error, Result};

/// Width of a uuid, in Arrow's terms.
const UUID_BYTES: i32 = 16;

/// Brings a batch of Kuzu's results over, and into the types that `schema` wants.
pub(super) fn import(batch: KuzuBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = columns_of(batch)?;
    if columns.len() != schema.fields().len() {
        return Err(Error::internal(format!(
            "the graph index answered {} columns where {} were expected",
            columns.len(),
            schema.fields().len()
        )));
    }
    let columns = columns.iter().zip(schema.fields()).map(|(column, field)| conform(column, field.data_type()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options).map_err(broken)
}

fn columns_of(batch: KuzuBatch) -> Result<Vec<ArrayRef>> {
    let data = KuzuStructArray::from(batch).into_data();
    let (array, schema) = kuzu_ffi::to_ffi(&data).map_err(|error| Error::internal(error.to_string()))?;
    // SAFETY: both versions declare the structures as the specification lays them out (`repr(C)`, no other fields), the
    // values are moved, so each release callback still runs once, and the schema is the one made with this array.
    let data = unsafe {
        let array = std::mem::transmute::<kuzu_ffi::FFI_ArrowArray, FFI_ArrowArray>(array);
        let schema = std::mem::transmute::<kuzu_ffi::FFI_ArrowSchema, FFI_ArrowSchema>(schema);
        arrow::ffi::from_ffi(array, &schema)
    };
    Ok(StructArray::from(data.map_err(broken)?).columns().to_vec())
}

/// Hands a batch to Kuzu.
pub(super) fn export(batch: &RecordBatch) -> Result<KuzuBatch> {
    let schema = FFI_ArrowSchema::try_from(batch.schema().as_ref()).map_err(broken)?;
    let array = FFI_ArrowArray::new(&StructArray::from(batch.clone()).into_data());
    // SAFETY: as in `columns_of`, the other way round.
    let data = unsafe {
        let array = std::mem::transmute::<FFI_ArrowArray, kuzu_ffi::FFI_ArrowArray>(array);
        let schema = std::mem::transmute::<FFI_ArrowSchema, kuzu_ffi::FFI_ArrowSchema>(schema);
        let fields = arrow_kuzu::datatypes::Schema::try_from(&schema);
        fields.and_then(|fields| Ok((kuzu_ffi::from_ffi(array, &schema)?, fields)))
    };
    let (data, fields) = data.map_err(|error| Error::internal(error.to_string()))?;
    let columns = KuzuStructArray::from(data).columns().to_vec();
    KuzuBatch::try_new(Arc::new(fields), columns).map_err(|error| Error::internal(error.to_string()))
}

/// A batch as Kuzu's bulk path takes it: columns named `c0`, `c1`, ... in this order, in types that it reads exactly, and
/// in memory of their own, so that nobody on the other side has to understand the offsets of a slice.
pub(super) fn staging(columns: &[ArrayRef]) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (position, column) in columns.iter().enumerate() {
        let field = Field::new(staging_column(position), staging_type(column.data_type()), true);
        arrays.push(whole(conform(column, field.data_type())?)?);
        fields.push(field);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(broken)
}

/// A slice, copied to the beginning of memory of its own.
fn whole(array: ArrayRef) -> Result<ArrayRef> {
    if array.offset() == 0 {
        return Ok(array);
    }
    concat(&[&array, &array.slice(0, 0)]).map_err(broken)
}

/// The name of a staging column.
pub(super) fn staging_column(position: usize) -> String {
    format!("c{position}")
}

fn staging_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 | DataType::FixedSizeBinary(UUID_BYTES) => DataType::Utf8,
        DataType::Timestamp(_, _) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Dictionary(_, value) => staging_type(value),
        other => other.clone(),
    }
}

/// The column in another type; a value that does not fit is an error, never NULL.
fn conform(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    match (column.data_type(), data_type) {
        (DataType::FixedSizeBinary(UUID_BYTES), DataType::Utf8) => Ok(text_of_uuids(column.as_fixed_size_binary())),
        (DataType::Utf8, DataType::FixedSizeBinary(UUID_BYTES)) => uuids_of_text(column.as_string()),
        (DataType::List(_), DataType::List(item)) => {
            let (_, offsets, values, nulls) = column.as_list::<i32>().clone().into_parts();
            let values = conform(&values, item.data_type())?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), offsets, values, nulls).map_err(broken)?))
        }
        _ => {
            let options = CastOptions { safe: false, format_options: FormatOptions::default() };
            cast_with_options(column, data_type, &options).map_err(broken)
        }
    }
}

/// Uuids as the index keeps them. Their text orders as their bytes do.
fn text_of_uuids(uuids: &FixedSizeBinaryArray) -> ArrayRef {
    let texts = uuids.iter().map(|uuid| Some(Uuid::from_slice(uuid?).ok()?.hyphenated().to_string()));
    Arc::new(texts.collect::<StringArray>())
}

fn uuids_of_text(texts: &StringArray) -> Result<ArrayRef> {
    let mut uuids = FixedSizeBinaryBuilder::with_capacity(texts.len(), UUID_BYTES);
    for text in texts {
        match text {
            Some(text) => {
                let uuid = Uuid::parse_str(text).map_err(|error| Error::internal(error.to_string()))?;
                uuids.append_value(uuid.as_bytes()).map_err(broken)?;
            }
            None => uuids.append_null(),
        }
    }
    Ok(Arc::new(uuids.finish()))
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::internal(format!("rows cannot cross to the graph index: {error}"))
}
