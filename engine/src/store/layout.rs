//! How SQL types that Lance lacks are kept in its files.
//!
//! Two are different on disk:
//!
//! * `interval`, alone and in an array: 16 bytes, little endian: months (i32), days (i32), nanoseconds (i64);
//! * `bit(n)`: a list of ⌈n/8⌉ bytes, the first bit the highest of the first byte, the last byte filled up with zeros. That is
//!   what Lance measures Hamming distances of.
//!
//! Every column may hold NULLs as far as the files are concerned. NOT NULL is the catalog's, so that taking it away, or
//! declaring it for rows that comply, rewrites nothing.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryBuilder, FixedSizeListArray, IntervalMonthDayNanoArray,
    ListArray, RecordBatch, RecordBatchOptions, UInt8Array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, FieldRef, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef, UInt8Type,
};

use crate::error::{Error, Result};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const STORED_INTERVAL: DataType = DataType::FixedSizeBinary(16);

/// The schema on disk.
pub(super) fn stored_schema(schema: &Schema) -> SchemaRef {
    let stored = |field: &FieldRef| {
        let stored = field.as_ref().clone().with_nullable(true);
        match stored_type(field.data_type()) {
            Some(data_type) => stored.with_data_type(data_type),
            None => stored,
        }
    };
    Arc::new(Schema::new(schema.fields().iter().map(stored).collect::<Vec<_>>()))
}

/// The type on disk; `None` where it is the same.
fn stored_type(data_type: &DataType) -> Option<DataType> {
    match data_type {
        &INTERVAL => Some(STORED_INTERVAL),
        DataType::List(item) => {
            let stored = stored_type(item.data_type())?;
            Some(DataType::List(Arc::new(item.as_ref().clone().with_data_type(stored))))
        }
        DataType::FixedSizeList(item, bits) if item.data_type() == &DataType::Boolean => {
            let byte = Arc::new(item.as_ref().clone().with_data_type(DataType::UInt8));
            Some(DataType::FixedSizeList(byte, (*bits + 7) / 8))
        }
        _ => None,
    }
}

/// Rows as they are on disk; `schema` is the [`stored_schema`] of their table.
pub(super) fn to_stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| store(column, field.data_type()))
        .collect::<Result<Vec<_>>>()?;
    rebuild(Arc::clone(schema), columns, batch.num_rows())
}

fn store(column: &ArrayRef, stored: &DataType) -> Result<ArrayRef> {
    match (column.data_type(), stored) {
        (&INTERVAL, _) => store_intervals(column.as_primitive::<IntervalMonthDayNanoType>()),
        (DataType::List(item), DataType::List(stored_item)) if stored_type(item.data_type()).is_some() => {
            let list = column.as_list::<i32>();
            with_items(list, stored_item, store(list.values(), stored_item.data_type())?)
        }
        (DataType::FixedSizeList(item, _), DataType::FixedSizeList(byte, _))
            if item.data_type() == &DataType::Boolean =>
        {
            store_bits(column.as_fixed_size_list(), byte)
        }
        _ => Ok(Arc::clone(column)),
    }
}

/// Rows from disk, as `schema` says.
pub(super) fn from_stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match (field.data_type(), column.data_type()) {
            (&INTERVAL, &STORED_INTERVAL) => Ok(Arc::new(load_intervals(column)) as ArrayRef),
            (DataType::List(item), DataType::List(stored))
                if item.data_type() == &INTERVAL && stored.data_type() == &STORED_INTERVAL =>
            {
                let list = column.as_list::<i32>();
                with_items(list, item, Arc::new(load_intervals(list.values())))
            }
            (DataType::FixedSizeList(item, bits), DataType::FixedSizeList(byte, _))
                if item.data_type() == &DataType::Boolean && byte.data_type() == &DataType::UInt8 =>
            {
                load_bits(column.as_fixed_size_list(), item, *bits)
            }
            (expected, found) if expected == found => Ok(Arc::clone(column)),
            // The same values under another spelling of the type: the name of a list's item, for example.
            (expected, _) => cast(column, expected).map_err(|error| {
                Error::storage(format!("column \"{}\" has an unexpected type", field.name()))
                    .with_detail(error.to_string())
            }),
        })
        .collect::<Result<Vec<_>>>()?;
    rebuild(Arc::clone(schema), columns, batch.num_rows())
}

/// A list with other items in the same places.
fn with_items(list: &ListArray, item: &FieldRef, items: ArrayRef) -> Result<ArrayRef> {
    let list = ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned());
    list.map(|list| Arc::new(list) as ArrayRef).map_err(|error| Error::internal(format!("items do not fit: {error}")))
}

fn rebuild(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .map_err(|error| Error::internal(format!("rows do not fit: {error}")))
}

fn store_intervals(intervals: &IntervalMonthDayNanoArray) -> Result<ArrayRef> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(intervals.len(), 16);
    for interval in intervals {
        match interval {
            None => builder.append_null(),
            Some(interval) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&interval.months.to_le_bytes());
                bytes[4..8].copy_from_slice(&interval.days.to_le_bytes());
                bytes[8..].copy_from_slice(&interval.nanoseconds.to_le_bytes());
                builder.append_value(bytes).map_err(|error| Error::internal(error.to_string()))?;
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn load_intervals(stored: &ArrayRef) -> IntervalMonthDayNanoArray {
    stored
        .as_fixed_size_binary()
        .iter()
        .map(|bytes| {
            let bytes: [u8; 16] = bytes?.try_into().ok()?;
            let part = |range: std::ops::Range<usize>| bytes[range].try_into().unwrap_or([0; 4]);
            let mut nanoseconds = [0; 8];
            nanoseconds.copy_from_slice(&bytes[8..]);
            Some(IntervalMonthDayNano::new(
                i32::from_le_bytes(part(0..4)),
                i32::from_le_bytes(part(4..8)),
                i64::from_le_bytes(nanoseconds),
            ))
        })
        .collect()
}

/// The elements of one vector as they are on disk.
pub(super) fn stored_elements(elements: &ArrayRef) -> ArrayRef {
    match elements.as_boolean_opt() {
        Some(bits) => Arc::new(UInt8Array::from(bytes_of(bits, 0, bits.len()))),
        None => Arc::clone(elements),
    }
}

/// Some bits as bytes, the first one highest.
fn bytes_of(values: &BooleanArray, start: usize, bits: usize) -> Vec<u8> {
    let byte_from = |first: usize| {
        let set = (first..bits.min(first + 8)).filter(|bit| values.value(start + bit));
        set.fold(0_u8, |byte, bit| byte | 0x80 >> (bit - first))
    };
    (0..bits).step_by(8).map(byte_from).collect()
}

/// Bits as bytes, the first one highest.
fn store_bits(lists: &FixedSizeListArray, byte: &FieldRef) -> Result<ArrayRef> {
    let bits = lists.value_length() as usize;
    let values = lists.values().as_boolean();
    let bytes: Vec<u8> = (0..lists.len()).flat_map(|row| bytes_of(values, row * bits, bits)).collect();
    fixed_size_list(byte, bits.div_ceil(8) as i32, Arc::new(UInt8Array::from(bytes)), lists)
}

fn load_bits(lists: &FixedSizeListArray, item: &FieldRef, bits: i32) -> Result<ArrayRef> {
    let (width, bits) = (lists.value_length() as usize, bits as usize);
    let bytes = lists.values().as_primitive::<UInt8Type>().values();
    let values = BooleanBuffer::collect_bool(lists.len() * bits, |at| {
        let (row, bit) = (at / bits, at % bits);
        bytes[row * width + bit / 8] & (0x80 >> (bit % 8)) != 0
    });
    fixed_size_list(item, bits as i32, Arc::new(BooleanArray::new(values, None)), lists)
}

/// Lists of other items that are NULL where `lists` are.
fn fixed_size_list(item: &FieldRef, length: i32, items: ArrayRef, lists: &FixedSizeListArray) -> Result<ArrayRef> {
    FixedSizeListArray::try_new_with_length(Arc::clone(item), length, items, lists.nulls().cloned(), lists.len())
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| Error::internal(format!("items do not fit: {error}")))
}

#[cfg(test)]
mod tests {
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn bits_come_back() {
        let item = Arc::new(Field::new("item", DataType::Boolean, true));
        let values: Vec<bool> = (0..33).map(|bit| bit % 3 == 0).collect();
        let nulls = NullBuffer::from(vec![true, false, true]);
        let bits = FixedSizeListArray::new(Arc::clone(&item), 11, Arc::new(BooleanArray::from(values)), Some(nulls));
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("b", bits.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(bits)]).unwrap();
        let stored = to_stored(&batch, &stored_schema(&schema)).unwrap();
        let bytes = stored.column(0).as_fixed_size_list();
        assert_eq!(bytes.value_length(), 2);
        assert_eq!(bytes.values().as_primitive::<UInt8Type>().value(0), 0b1001_0010);
        assert_eq!(from_stored(&stored, &schema).unwrap(), batch);
        let some = from_stored(&stored.slice(2, 1), &schema).unwrap();
        assert_eq!(some, batch.slice(2, 1));
    }

    #[test]
    fn intervals_survive_the_disk() {
        let schema = Arc::new(Schema::new(vec![Field::new("i", INTERVAL, true)]));
        let intervals = IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::new(-14, 3, 1_000)),
            None,
            Some(IntervalMonthDayNano::new(i32::MAX, i32::MIN, i64::MIN)),
        ]);
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(intervals)]).unwrap();
        let stored = to_stored(&batch, &stored_schema(&schema)).unwrap();
        assert_eq!(stored.column(0).data_type(), &STORED_INTERVAL);
        assert_eq!(from_stored(&stored, &schema).unwrap(), batch);
    }

    #[test]
    fn arrays_of_intervals_survive_the_disk() {
        let item = Arc::new(Field::new("item", INTERVAL, true));
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::List(Arc::clone(&item)), true)]));
        let intervals = IntervalMonthDayNanoArray::from(vec![Some(IntervalMonthDayNano::new(1, -2, 3)), None]);
        let offsets = OffsetBuffer::new(vec![0, 2, 2, 2].into());
        let nulls = NullBuffer::from(vec![true, false, true]);
        let lists = ListArray::new(item, offsets, Arc::new(intervals), Some(nulls));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(lists)]).unwrap();
        let stored = to_stored(&batch, &stored_schema(&schema)).unwrap();
        assert_eq!(stored.column(0).as_list::<i32>().values().data_type(), &STORED_INTERVAL);
        assert_eq!(from_stored(&stored, &schema).unwrap(), batch);
    }
}
