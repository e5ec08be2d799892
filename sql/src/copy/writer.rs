//! Record batches into lines of COPY data.

use arrow::array::RecordBatch;
use bytes::Bytes;
use slipstream_engine::Result;

use super::options::{CopyOptions, Format, Header};
use crate::text::{OutputStyle, TextEncoder};
use crate::types::ClientType;

/// Writes COPY data in text or CSV.
pub struct LineWriter {
    options: CopyOptions,
    names: Vec<String>,
    types: Vec<ClientType>,
    forced: Vec<bool>,
    style: OutputStyle,
}

impl LineWriter {
    /// A writer for rows of these columns.
    pub fn new(columns: &[(String, ClientType)], options: CopyOptions, style: OutputStyle) -> Self {
        LineWriter {
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            types: columns.iter().map(|(_, client_type)| client_type.clone()).collect(),
            forced: columns.iter().map(|(name, _)| options.force_quote.contains(name)).collect(),
            options,
            style,
        }
    }

    /// The line before the first row, if the statement asks for one.
    pub fn header(&self) -> Option<Bytes> {
        if self.options.header == Header::Absent {
            return None;
        }
        let mut out = String::new();
        for (position, name) in self.names.iter().enumerate() {
            self.separate(&mut out, position);
            let start = out.len();
            out.push_str(name);
            match self.options.format {
                Format::Text | Format::Binary => self.escape_from(&mut out, start),
                Format::Csv => self.quote_from(&mut out, start, false),
            }
        }
        out.push('\n');
        Some(Bytes::from(out))
    }

    /// The rows of a batch, each with its line ending. They share one buffer.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        let encoders = self
            .types
            .iter()
            .zip(batch.columns())
            .map(|(client_type, array)| TextEncoder::for_client(client_type, array, &self.style))
            .collect::<Result<Vec<_>>>()?;
        let mut out = String::with_capacity(batch.num_rows() * encoders.len() * 12);
        let mut ends = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            for (position, encoder) in encoders.iter().enumerate() {
                self.separate(&mut out, position);
                if encoder.is_null(row) {
                    out.push_str(&self.options.null);
                    continue;
                }
                let start = out.len();
                encoder.append(row, &mut out);
                match self.options.format {
                    Format::Text | Format::Binary => self.escape_from(&mut out, start),
                    Format::Csv => self.quote_from(&mut out, start, self.forced[position]),
                }
            }
            out.push('\n');
            ends.push(out.len());
        }
        Ok(cut(Bytes::from(out), ends))
    }

    fn separate(&self, out: &mut String, position: usize) {
        if position > 0 {
            out.push(char::from(self.options.delimiter));
        }
    }

    /// Escapes the field that begins at `start`, if it needs it.
    fn escape_from(&self, out: &mut String, start: usize) {
        let delimiter = char::from(self.options.delimiter);
        let special = |c: char| c == delimiter || matches!(c, '\\' | '\u{8}'..='\r');
        if !out[start..].contains(special) {
            return;
        }
        let plain = out.split_off(start);
        for c in plain.chars() {
            match c {
                '\u{8}' => out.push_str("\\b"),
                '\t' => out.push_str("\\t"),
                '\n' => out.push_str("\\n"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                '\r' => out.push_str("\\r"),
                '\\' => out.push_str("\\\\"),
                c if c == delimiter => out.extend(['\\', c]),
                c => out.push(c),
            }
        }
    }

    /// Quotes the field that begins at `start`, if it could be misread without, or must be.
    fn quote_from(&self, out: &mut String, start: usize, forced: bool) {
        let (delimiter, quote, escape) =
            (char::from(self.options.delimiter), char::from(self.options.quote), char::from(self.options.escape));
        let field = &out[start..];
        let misread = field == self.options.null || field == "\\." || field.contains([delimiter, quote, '\n', '\r']);
        if !forced && !misread {
            return;
        }
        let plain = out.split_off(start);
        out.push(quote);
        for c in plain.chars() {
            if c == quote || c == escape {
                out.push(escape);
            }
            out.push(c);
        }
        out.push(quote);
    }
}

/// Cuts bytes at these places, without copying them.
pub(super) fn cut(mut bytes: Bytes, ends: Vec<usize>) -> Vec<Bytes> {
    let mut start = 0;
    let rows = ends.into_iter().map(|end| {
        let row = bytes.split_to(end - start);
        start = end;
        row
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use slipstream_engine::types::SqlType;

    use super::super::options::Columns;
    use super::*;

    fn written(options: CopyOptions) -> String {
        let columns = [("a", SqlType::Integer), ("b", SqlType::Text)]
            .map(|(name, sql_type)| (name.to_string(), ClientType::of(&sql_type)));
        let a: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
        let b: ArrayRef = Arc::new(StringArray::from(vec![Some("x,\t\"y\"\\"), None, Some("")]));
        let batch = RecordBatch::try_from_iter([("a", a), ("b", b)]).expect("equal lengths");
        let writer = LineWriter::new(&columns, options, OutputStyle::default());
        let mut out = writer.header().map(|bytes| bytes.to_vec()).unwrap_or_default();
        out.extend(writer.encode(&batch).expect("known types").concat());
        String::from_utf8(out).expect("utf8")
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(written(CopyOptions::new(Format::Text)), "1\tx,\\t\"y\"\\\\\n\\N\t\\N\n3\t\n");
    }

    #[test]
    fn csv_is_quoted() {
        let mut options = CopyOptions::new(Format::Csv);
        options.header = Header::Present;
        assert_eq!(written(options.clone()), "a,b\n1,\"x,\t\"\"y\"\"\\\"\n,\n3,\"\"\n");
        options.force_quote = Columns::All;
        assert_eq!(written(options), "a,b\n\"1\",\"x,\t\"\"y\"\"\\\"\n,\n\"3\",\"\"\n");
    }
}
