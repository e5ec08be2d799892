//! COPY in text, CSV and binary: [`CopyReader`] turns bytes into record batches, [`CopyWriter`] turns record batches into bytes.
//!
//! Reading is incremental: [`CopyReader::push`] takes chunks that end anywhere, and batches come out as they fill, so that
//! memory stays bounded. In text and CSV a record is found first ([`lines`]), then cut into fields ([`fields`]), and each field
//! goes to the text form of its column ([`crate::text`]). A field without quotes or escapes is never copied on its way. In
//! binary every field says its length, and goes to the binary form of its column ([`crate::binary`]).
//!
//! The CSV scanner is written here because the csv crates cannot say whether a field was quoted, which is how Postgres
//! tells an empty string from NULL, and because quotes may begin in the middle of a field.

mod binary;
mod fields;
mod lines;
mod options;
mod origin;
mod reader;
mod writer;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use slipstream_engine::Result;
use slipstream_engine::types::SqlType;

use self::binary::{BinaryReader, BinaryWriter};
pub use self::options::{Columns, CopyOptions, Format, Header};
pub(crate) use self::origin::{Origin, RowLines};
use self::reader::LineReader;
pub(crate) use self::reader::shorten;
use self::writer::LineWriter;
use crate::text::{OutputStyle, TimeZone};
use crate::types::ClientType;

/// Reads COPY data, chunk by chunk.
///
/// The batches have the columns named in the statement, in that order, each in the Arrow type of its SQL type.
pub enum CopyReader {
    /// Text or CSV.
    Lines(LineReader),
    /// Binary.
    Binary(BinaryReader),
}

impl CopyReader {
    /// A reader for the named columns of a table; `zone` is the session's.
    pub fn new(table: &str, columns: &[(String, SqlType)], options: CopyOptions, zone: TimeZone) -> Self {
        match options.format {
            Format::Binary => CopyReader::Binary(BinaryReader::new(table, columns)),
            Format::Text | Format::Csv => CopyReader::Lines(LineReader::new(table, columns, options, zone)),
        }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        match self {
            CopyReader::Lines(reader) => reader.schema(),
            CopyReader::Binary(reader) => reader.schema(),
        }
    }

    /// Whether the data is binary.
    pub fn is_binary(&self) -> bool {
        matches!(self, CopyReader::Binary(_))
    }

    /// Takes a chunk, and gives the batches that it filled.
    pub fn push(&mut self, data: &[u8]) -> Result<Vec<RecordBatch>> {
        match self {
            CopyReader::Lines(reader) => reader.push(data),
            CopyReader::Binary(reader) => reader.push(data),
        }
    }

    /// Takes the end of the data, and gives the last batch.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            CopyReader::Lines(reader) => reader.finish(),
            CopyReader::Binary(reader) => reader.finish(),
        }
    }

    /// Where the rows of the batches stood that were given out since the last call, a batch each.
    pub(crate) fn origins(&mut self) -> Vec<Origin> {
        match self {
            CopyReader::Lines(reader) => reader.origins(),
            CopyReader::Binary(reader) => reader.origins(),
        }
    }
}

/// Writes COPY data.
pub enum CopyWriter {
    /// Text or CSV.
    Lines(LineWriter),
    /// Binary.
    Binary(BinaryWriter),
}

impl CopyWriter {
    /// A writer for rows of these columns.
    pub fn new(columns: &[(String, ClientType)], options: CopyOptions, style: OutputStyle) -> Self {
        match options.format {
            Format::Binary => CopyWriter::Binary(BinaryWriter::new(columns)),
            Format::Text | Format::Csv => CopyWriter::Lines(LineWriter::new(columns, options, style)),
        }
    }

    /// Whether the data is binary.
    pub fn is_binary(&self) -> bool {
        matches!(self, CopyWriter::Binary(_))
    }

    /// The rows of a batch, as bytes of their own. What comes before the first row is a line by itself in CSV, and at the
    /// beginning of the first row in binary, as clients expect it.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        match self {
            CopyWriter::Lines(writer) => writer.encode(batch),
            CopyWriter::Binary(writer) => writer.encode(batch),
        }
    }

    /// The line before the first row, if the statement asks for one.
    pub fn header(&self) -> Option<Bytes> {
        match self {
            CopyWriter::Lines(writer) => writer.header(),
            CopyWriter::Binary(_) => None,
        }
    }

    /// What comes after the last row.
    pub fn trailer(&mut self) -> Option<Bytes> {
        match self {
            CopyWriter::Lines(_) => None,
            CopyWriter::Binary(writer) => Some(writer.trailer()),
        }
    }
}
