//! Rows on the wire: Arrow batches in, `DataRow` messages out.
//!
//! What a column needs is decided once per result ([`RowEncoder::new`]) and once per batch ([`RowEncoder::bind`]): Arrow
//! has many layouts for one SQL type (views, dictionaries, large offsets, unsigned integers), and a batch's column is cast
//! to the canonical one as a whole. Rows are then written straight into the connection's buffer.

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use bytes::{BufMut, BytesMut};
use pgwire::messages::data::{FieldDescription, MESSAGE_TYPE_BYTE_DATA_ROW, RowDescription};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_sql::binary::{BinaryEncoder, with_length};
use slipstream_sql::text::{OutputStyle, TextEncoder};
use slipstream_sql::types::ClientType;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As `psql` shows it.
    Text,
    /// The type's own bytes.
    Binary,
}

impl Format {
    /// Reads a format code of the protocol.
    pub(crate) fn from_code(code: i16) -> Result<Format> {
        match code {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            _ => Err(Error::new(ErrorKind::InvalidParameter, format!("unsupported format code: {code}"))),
        }
    }

    fn code(self) -> i16 {
        match self {
            Format::Text => 0,
            Format::Binary => 1,
        }
    }
}

/// Expands the format codes of a `Bind` message to one per value: none means text, one counts for all.
///
/// Returns `None` where the counts do not fit.
pub(crate) fn expand_formats(codes: &[i16], count: usize) -> Result<Option<Vec<Format>>> {
    Ok(match codes {
        [] => Some(vec![Format::Text; count]),
        [code] => Some(vec![Format::from_code(*code)?; count]),
        codes if codes.len() == count => {
            Some(codes.iter().map(|code| Format::from_code(*code)).collect::<Result<_>>()?)
        }
        _ => None,
    })
}

/// The types of a result's columns, or an error for a type that has no place on the wire.
pub(crate) fn column_types(schema: &Schema) -> Result<Vec<ClientType>> {
    schema.fields().iter().map(|field| column_type(field)).collect()
}

fn column_type(field: &Field) -> Result<ClientType> {
    ClientType::of_field(field).ok_or_else(|| no_wire_type(field))
}

fn no_wire_type(field: &Field) -> Error {
    Error::not_supported(format!("column \"{}\" has a type that cannot be sent to clients", field.name()))
        .with_hint("Cast it to another type.")
}

/// The description of a result's columns.
pub(crate) fn row_description(schema: &Schema, formats: &[Format]) -> Result<RowDescription> {
    let fields = schema.fields().iter().zip(formats).map(|(field, format)| {
        let client_type = column_type(field)?;
        // Columns are not traced back to their tables: table and attribute number are 0, as for any expression.
        Ok(FieldDescription::new(
            field.name().clone(),
            0,
            0,
            client_type.oid(),
            client_type.length(),
            client_type.modifier(),
            format.code(),
        ))
    });
    Ok(RowDescription::new(fields.collect::<Result<_>>()?))
}

/// Writes the rows of one result.
pub(crate) struct RowEncoder {
    columns: Vec<(ClientType, Format)>,
    style: OutputStyle,
    scratch: String,
}

/// A batch whose columns are ready to be written row by row.
pub(crate) struct BoundBatch {
    columns: Vec<BoundColumn>,
    rows: usize,
}

/// A column of a batch with its writer.
enum BoundColumn {
    Text(TextEncoder),
    Binary(BinaryEncoder),
}

impl BoundBatch {
    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }
}

impl RowEncoder {
    /// An encoder for results of `schema`; `formats` has one entry per column.
    pub(crate) fn new(schema: &Schema, formats: &[Format], style: OutputStyle) -> Result<RowEncoder> {
        let columns = schema.fields().iter().zip(formats).map(|(field, format)| {
            let client_type = column_type(field)?;
            match format {
                Format::Binary if !BinaryEncoder::takes(&client_type, field.data_type()) => Err(no_wire_type(field)),
                format => Ok((client_type, *format)),
            }
        });
        Ok(RowEncoder { columns: columns.collect::<Result<_>>()?, style, scratch: String::new() })
    }

    /// Brings a batch's columns into the layouts that the writers take.
    pub(crate) fn bind(&self, batch: &RecordBatch) -> Result<BoundBatch> {
        let (described, found) = (self.columns.len(), batch.num_columns());
        if described != found {
            return Err(Error::internal(format!("a result of {described} columns came with {found}")));
        }
        let columns = self.columns.iter().zip(batch.columns()).map(|((client_type, format), array)| {
            Ok(match format {
                Format::Text => BoundColumn::Text(TextEncoder::for_client(client_type, array, &self.style)?),
                Format::Binary => BoundColumn::Binary(BinaryEncoder::new(client_type, array)?),
            })
        });
        Ok(BoundBatch { columns: columns.collect::<Result<_>>()?, rows: batch.num_rows() })
    }

    /// Appends one `DataRow` message. On an error nothing of the row is left in `out`.
    pub(crate) fn append(&mut self, out: &mut BytesMut, batch: &BoundBatch, row: usize) -> Result<()> {
        let start = out.len();
        out.put_u8(MESSAGE_TYPE_BYTE_DATA_ROW);
        out.put_i32(0);
        out.put_i16(batch.columns.len() as i16);
        let written = batch.columns.iter().try_for_each(|column| self.append_cell(out, column, row));
        let length = written.and_then(|()| {
            i32::try_from(out.len() - start - 1)
                .map_err(|_| Error::new(ErrorKind::TooComplex, "a row is too large for the wire protocol"))
        });
        match length {
            Ok(length) => {
                out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    fn append_cell(&mut self, out: &mut BytesMut, column: &BoundColumn, row: usize) -> Result<()> {
        match column {
            BoundColumn::Text(values) if values.is_null(row) => out.put_i32(-1),
            BoundColumn::Binary(values) if values.is_null(row) => out.put_i32(-1),
            BoundColumn::Text(values) => {
                self.scratch.clear();
                values.append(row, &mut self.scratch);
                with_length(out, |out| {
                    out.put_slice(self.scratch.as_bytes());
                    Ok(())
                })?;
            }
            BoundColumn::Binary(values) => with_length(out, |out| values.append(out, row))?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, ListArray, StringViewArray, UInt64Array};
    use arrow::datatypes::{Int8Type, Int32Type};

    use super::*;

    fn rows(batch: &RecordBatch, format: Format) -> Vec<Vec<Option<Vec<u8>>>> {
        let formats = vec![format; batch.num_columns()];
        let mut encoder = RowEncoder::new(&batch.schema(), &formats, OutputStyle::default()).unwrap();
        let bound = encoder.bind(batch).unwrap();
        (0..bound.rows())
            .map(|row| {
                let mut out = BytesMut::new();
                encoder.append(&mut out, &bound, row).unwrap();
                cells(&out)
            })
            .collect()
    }

    fn cells(message: &[u8]) -> Vec<Option<Vec<u8>>> {
        assert_eq!(message[0], b'D');
        assert_eq!(i32::from_be_bytes(message[1..5].try_into().unwrap()) as usize, message.len() - 1);
        let mut rest = &message[7..];
        let mut cells = Vec::new();
        while !rest.is_empty() {
            let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
            rest = &rest[4..];
            cells.push((length >= 0).then(|| {
                let (cell, tail) = rest.split_at(length as usize);
                rest = tail;
                cell.to_vec()
            }));
        }
        cells
    }

    #[test]
    fn layouts_of_one_type_are_written_alike() {
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("a"), None]));
        let batch = RecordBatch::try_from_iter_with_nullable([("v", view, true), ("d", dictionary, true)]).unwrap();
        for format in [Format::Text, Format::Binary] {
            assert_eq!(
                rows(&batch, format),
                [[Some(b"a".to_vec()), Some(b"a".to_vec())], [None, None]].map(|row| row.to_vec())
            );
        }
    }

    #[test]
    fn numbers_are_big_endian_in_binary_and_digits_in_text() {
        let small: ArrayRef = Arc::new(Int32Array::from(vec![-2]));
        let wide: ArrayRef = Arc::new(UInt64Array::from(vec![i64::MAX as u64]));
        let batch = RecordBatch::try_from_iter([("i", small), ("u", wide)]).unwrap();
        assert_eq!(rows(&batch, Format::Binary)[0][0], Some(vec![0xff, 0xff, 0xff, 0xfe]));
        assert_eq!(rows(&batch, Format::Text)[0][0], Some(b"-2".to_vec()));
        assert_eq!(rows(&batch, Format::Text)[0][1], Some(b"9223372036854775807".to_vec()));
    }

    #[test]
    fn an_array_names_its_item_type_and_its_nulls() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None])]);
        let batch = RecordBatch::try_from_iter([("l", Arc::new(list) as ArrayRef)]).unwrap();
        let expected: Vec<u8> = [1i32, 1, 23, 2, 1, 4, 1, -1].iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(rows(&batch, Format::Binary)[0][0], Some(expected));
    }
}
