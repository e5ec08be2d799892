//! How SQL types that Lance lacks are kept in its files.
//!
//! Only `interval` is different on disk: 16 bytes, little endian: months (i32), days (i32), nanoseconds (i64).
//!
//! Every column may hold NULLs as far as the files are concerned. NOT NULL is the catalog's, so that taking it away, or
//! declaring it for rows that comply, rewrites nothing.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, IntervalMonthDayNanoArray, RecordBatch, RecordBatchOptions,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Schema, SchemaRef,
};

use crate::error::{Error, Result};

const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const STORED_INTERVAL: DataType = DataType::FixedSizeBinary(16);

/// The schema on disk.
pub(super) fn stored_schema(schema: &Schema) -> SchemaRef {
    let stored = |field: &Field| match field.data_type() {
        &INTERVAL => field.clone().with_data_type(STORED_INTERVAL).with_nullable(true),
        _ => field.clone().with_nullable(true),
    };
    Arc::new(Schema::new(schema.fields().iter().map(|field| stored(field)).collect::<Vec<_>>()))
}

/// Rows as they are on disk; `schema` is the [`stored_schema`] of their table.
pub(super) fn to_stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| match column.data_type() {
            &INTERVAL => store_intervals(column.as_primitive::<IntervalMonthDayNanoType>()),
            _ => Ok(Arc::clone(column)),
        })
        .collect::<Result<Vec<_>>>()?;
    rebuild(Arc::clone(schema), columns, batch.num_rows())
}

/// Rows from disk, as `schema` says.
pub(super) fn from_stored(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match (field.data_type(), column.data_type()) {
            (&INTERVAL, &STORED_INTERVAL) => Ok(Arc::new(load_intervals(column)) as ArrayRef),
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
