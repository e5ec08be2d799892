//! The binary format of COPY: a signature, then for each row the number of its fields and each field with its length.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::origin::Origin;
use super::reader::{BATCH_BYTES, BATCH_ROWS};
use super::writer::cut;
use crate::binary::{BinaryColumn, BinaryEncoder, with_length};
use crate::types::ClientType;

/// How the data begins: text that any conversion of line ends or loss of high bits would break.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// The signature, 32 bits of flags, the length of an extension.
const HEADER_LENGTH: usize = SIGNATURE.len() + 8;
/// Flags that a reader must not pass over.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// The number of fields that stands for the end.
const END: i16 = -1;

/// Reads COPY data in binary, chunk by chunk.
pub struct BinaryReader {
    table: String,
    names: Vec<String>,
    types: Vec<ClientType>,
    schema: SchemaRef,
    /// What has come and is not read yet.
    buffer: BytesMut,
    /// How much of the header's extension is still to be passed over; `None` before the header.
    skip: Option<usize>,
    columns: Vec<BinaryColumn>,
    rows: usize,
    bytes: usize,
    row: u64,
    /// Where the rows that have gathered stood, and those of batches that were given out.
    origin: Origin,
    origins: Vec<Origin>,
    ended: bool,
}

impl BinaryReader {
    /// A reader for the named columns of a table.
    pub fn new(table: &str, columns: &[(String, SqlType)]) -> Self {
        let fields = columns.iter().map(|(name, sql_type)| field_ref(name, sql_type, true));
        let types: Vec<_> = columns.iter().map(|(_, sql_type)| ClientType::of(sql_type)).collect();
        BinaryReader {
            table: table.to_string(),
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            columns: empty(&types),
            types,
            buffer: BytesMut::new(),
            skip: None,
            rows: 0,
            bytes: 0,
            row: 0,
            origin: Origin::default(),
            origins: Vec::new(),
            ended: false,
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Takes a chunk, and gives the batches that it filled.
    pub fn push(&mut self, data: &[u8]) -> Result<Vec<RecordBatch>> {
        self.buffer.extend_from_slice(data);
        let mut batches = Vec::new();
        if !self.header()? {
            return Ok(batches);
        }
        while self.next_row()? {
            if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                batches.extend(self.take()?);
            }
        }
        Ok(batches)
    }

    /// Takes the end of the data, and gives the last batch.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        match (self.skip, self.ended) {
            (None, _) => Err(broken("COPY file signature not recognized")),
            (Some(_), false) if !self.buffer.is_empty() => Err(self.in_next_row(broken("unexpected EOF in COPY data"))),
            (Some(_), _) => self.take(),
        }
    }

    /// Where the rows of the batches stood that were given out since the last call.
    pub(super) fn origins(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.origins)
    }

    /// Reads the header, if it is there. Says whether rows may come.
    fn header(&mut self) -> Result<bool> {
        if self.skip.is_none() {
            let begin = &self.buffer[..self.buffer.len().min(SIGNATURE.len())];
            if !SIGNATURE.starts_with(begin) {
                return Err(broken("COPY file signature not recognized"));
            }
            if self.buffer.len() < HEADER_LENGTH {
                return Ok(false);
            }
            self.buffer.advance(SIGNATURE.len());
            if self.buffer.get_u32() & CRITICAL_FLAGS != 0 {
                return Err(broken("unrecognized critical flags in COPY file header"));
            }
            let length = usize::try_from(self.buffer.get_i32());
            self.skip = Some(length.map_err(|_| broken("invalid COPY file header (wrong length)"))?);
        }
        let skipped = self.skip.unwrap_or(0).min(self.buffer.len());
        self.buffer.advance(skipped);
        self.skip = self.skip.map(|skip| skip - skipped);
        Ok(self.skip == Some(0))
    }

    /// Reads a row, if all of it is there.
    fn next_row(&mut self) -> Result<bool> {
        if self.ended {
            if self.buffer.is_empty() {
                return Ok(false);
            }
            return Err(self.in_row(broken("received copy data after EOF marker")));
        }
        let Some(length) = self.row_length()? else { return Ok(false) };
        let mut row = self.buffer.split_to(length).freeze();
        self.row += 1;
        if row.get_i16() == END {
            self.ended = true;
            return Ok(!self.buffer.is_empty());
        }
        for position in 0..self.columns.len() {
            match usize::try_from(row.get_i32()) {
                Err(_) => self.columns[position].append_null(),
                Ok(length) => {
                    let value = row.split_to(length);
                    self.columns[position].append(&value).map_err(|error| self.in_column(error, position))?;
                }
            }
        }
        self.rows += 1;
        self.bytes += length;
        self.origin.push_without_text(self.row);
        Ok(true)
    }

    /// How long the next row is, if all of it is there. What it says of itself is checked here.
    fn row_length(&self) -> Result<Option<usize>> {
        let mut rest = &self.buffer[..];
        if rest.remaining() < 2 {
            return Ok(None);
        }
        let fields = rest.get_i16();
        if fields == END {
            return Ok(Some(2));
        }
        if fields != self.columns.len() as i16 {
            let message = format!("row field count is {fields}, expected {}", self.columns.len());
            return Err(self.in_next_row(broken(message)));
        }
        for _ in 0..fields {
            if rest.remaining() < 4 {
                return Ok(None);
            }
            let length = match rest.get_i32() {
                -1 => 0,
                length => usize::try_from(length).map_err(|_| self.in_next_row(broken("invalid field size")))?,
            };
            if rest.remaining() < length {
                return Ok(None);
            }
            rest.advance(length);
        }
        Ok(Some(self.buffer.len() - rest.len()))
    }

    /// The rows that have gathered.
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let columns = std::mem::replace(&mut self.columns, empty(&self.types));
        let columns = columns.into_iter().map(BinaryColumn::finish).collect();
        self.rows = 0;
        self.bytes = 0;
        self.origins.push(std::mem::take(&mut self.origin));
        RecordBatch::try_new(self.schema(), columns).map(Some).map_err(|error| Error::internal(error.to_string()))
    }

    fn in_row(&self, error: Error) -> Error {
        error.with_context(format!("COPY {}, line {}", self.table, self.row))
    }

    fn in_next_row(&self, error: Error) -> Error {
        error.with_context(format!("COPY {}, line {}", self.table, self.row + 1))
    }

    fn in_column(&self, error: Error, position: usize) -> Error {
        let column = self.names.get(position).map_or("", String::as_str);
        error.with_context(format!("COPY {}, line {}, column {column}", self.table, self.row))
    }
}

fn empty(types: &[ClientType]) -> Vec<BinaryColumn> {
    types.iter().map(|client_type| BinaryColumn::new(client_type, BATCH_ROWS)).collect()
}

fn broken(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadCopyFormat, message)
}

/// Writes COPY data in binary.
pub struct BinaryWriter {
    types: Vec<ClientType>,
    /// What comes before the first row, until that is written.
    header: BytesMut,
}

impl BinaryWriter {
    /// A writer for rows of these columns.
    pub fn new(columns: &[(String, ClientType)]) -> Self {
        let mut header = BytesMut::with_capacity(HEADER_LENGTH);
        header.put_slice(SIGNATURE);
        header.put_u64(0);
        BinaryWriter { types: columns.iter().map(|(_, client_type)| client_type.clone()).collect(), header }
    }

    /// The rows of a batch. They share one buffer.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        let columns = self.types.iter().zip(batch.columns());
        let encoders =
            columns.map(|(client_type, array)| BinaryEncoder::new(client_type, array)).collect::<Result<Vec<_>>>()?;
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let mut out = std::mem::take(&mut self.header);
        let mut ends = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            out.put_i16(encoders.len() as i16);
            for encoder in &encoders {
                match encoder.is_null(row) {
                    true => out.put_i32(-1),
                    false => with_length(&mut out, |out| encoder.append(out, row))?,
                }
            }
            ends.push(out.len());
        }
        Ok(cut(out.freeze(), ends))
    }

    /// What ends the data.
    pub fn trailer(&mut self) -> Bytes {
        let mut out = std::mem::take(&mut self.header);
        out.put_i16(END);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use arrow::compute::concat_batches;

    use super::*;

    fn columns() -> [(String, SqlType); 2] {
        [("a".to_string(), SqlType::Integer), ("b".to_string(), SqlType::Text)]
    }

    fn batch() -> RecordBatch {
        let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]));
        let b: ArrayRef = Arc::new(StringArray::from(vec![Some("one"), None, Some("")]));
        let schema = BinaryReader::new("t", &columns()).schema();
        RecordBatch::try_new(schema, vec![a, b]).expect("equal lengths")
    }

    fn written() -> Vec<u8> {
        let columns = columns().map(|(name, sql_type)| (name, ClientType::of(&sql_type)));
        let mut writer = BinaryWriter::new(&columns);
        let mut out = writer.encode(&batch()).expect("known types").concat();
        out.extend(writer.trailer());
        out
    }

    fn read(data: &[u8], chunk: usize) -> Result<RecordBatch> {
        let mut reader = BinaryReader::new("t", &columns());
        let mut batches = Vec::new();
        for chunk in data.chunks(chunk) {
            batches.extend(reader.push(chunk)?);
        }
        batches.extend(reader.finish()?);
        Ok(concat_batches(&reader.schema(), &batches).expect("one schema"))
    }

    #[test]
    fn rows_survive_both_ways_whatever_the_chunks() {
        let data = written();
        for chunk in 1..=data.len() {
            assert_eq!(read(&data, chunk).expect("whole"), batch());
        }
        // Postgres takes data without the mark of its end.
        assert_eq!(read(&data[..data.len() - 2], 7).expect("whole"), batch());
    }

    #[test]
    fn the_header_comes_with_the_first_row_or_with_the_end() {
        let columns = columns().map(|(name, sql_type)| (name, ClientType::of(&sql_type)));
        let mut writer = BinaryWriter::new(&columns);
        assert_eq!(writer.encode(&batch().slice(0, 0)).expect("nothing"), Vec::<Bytes>::new());
        assert_eq!(writer.trailer()[..], [&SIGNATURE[..], &[0; 8], &[0xff, 0xff]].concat());
    }

    #[test]
    fn broken_data_says_where_it_is() {
        let data = written();
        let with = |at: usize, byte: u8| {
            let mut data = data.clone();
            data[at] = byte;
            data
        };
        let short = [&data[..19], &[0, 2, 0, 0, 0, 2, 7, 7, 0xff, 0xff, 0xff, 0xff]].concat();
        let cases = [
            (b"1\tone\n".to_vec(), "COPY file signature not recognized", None),
            (with(11, 1), "unrecognized critical flags in COPY file header", None),
            (with(20, 3), "row field count is 3, expected 2", Some("COPY t, line 1")),
            (short, "incorrect binary data format", Some("COPY t, line 1, column a")),
            ([&data[..], b"x"].concat(), "received copy data after EOF marker", Some("COPY t, line 4")),
            (data[..30].to_vec(), "unexpected EOF in COPY data", Some("COPY t, line 1")),
        ];
        for (data, message, context) in cases {
            let error = read(&data, 1000).expect_err(message);
            assert_eq!((error.message(), error.context()), (message, context));
        }
    }
}
