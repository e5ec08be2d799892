//! Lines of COPY data into record batches.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::fields::{invalid_utf8, split_csv, split_text};
use super::lines::Lines;
use super::options::{CopyOptions, Format, Header};
use super::origin::Origin;
use crate::text::{TextColumn, TimeZone};

/// A batch is given out when it has this many rows,
pub(super) const BATCH_ROWS: usize = 8192;
/// or was read from this many bytes.
pub(super) const BATCH_BYTES: usize = 8 << 20;
/// Most of a line that an error shows.
const SHOWN: usize = 100;

/// Reads COPY data in text or CSV, chunk by chunk.
///
/// The batches have the columns named in the statement, in that order, each in the Arrow type of its SQL type.
pub struct LineReader {
    table: String,
    options: CopyOptions,
    names: Vec<String>,
    types: Vec<SqlType>,
    schema: SchemaRef,
    zone: TimeZone,
    lines: Lines,
    columns: Vec<TextColumn>,
    rows: usize,
    bytes: usize,
    total_rows: u64,
    /// The line that was read last.
    line: u64,
    /// Where the rows that have gathered stood, and those of batches that were given out.
    origin: Origin,
    origins: Vec<Origin>,
    ended: bool,
}

impl LineReader {
    /// A reader for the named columns of a table; `zone` is the session's.
    pub fn new(table: &str, columns: &[(String, SqlType)], options: CopyOptions, zone: TimeZone) -> Self {
        let fields = columns.iter().map(|(name, sql_type)| field_ref(name, sql_type, true));
        let mut reader = LineReader {
            table: table.to_string(),
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            types: columns.iter().map(|(_, sql_type)| sql_type.clone()).collect(),
            zone,
            lines: Lines::new(&options),
            options,
            columns: Vec::new(),
            rows: 0,
            bytes: 0,
            total_rows: 0,
            line: 0,
            origin: Origin::default(),
            origins: Vec::new(),
            ended: false,
        };
        reader.columns = reader.empty_columns();
        reader
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.total_rows
    }

    /// Takes a chunk, and gives the batches that it filled.
    pub fn push(&mut self, data: &[u8]) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        if self.ended {
            return Ok(batches);
        }
        self.lines.push(data);
        while let Some(record) = self.lines.next().map_err(|error| self.on_line(error))? {
            self.record(record)?;
            if self.ended {
                break;
            }
            if self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                batches.extend(self.take()?);
            }
        }
        Ok(batches)
    }

    /// Takes the end of the data, and gives the last batch.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if !self.ended
            && let Some(record) = self.lines.last().map_err(|error| self.on_line(error))?
        {
            self.record(record)?;
        }
        self.take()
    }

    /// Where the rows of the batches stood that were given out since the last call.
    pub(super) fn origins(&mut self) -> Vec<Origin> {
        std::mem::take(&mut self.origins)
    }

    fn empty_columns(&self) -> Vec<TextColumn> {
        self.types.iter().map(|sql_type| TextColumn::in_zone(sql_type, BATCH_ROWS, self.zone)).collect()
    }

    /// The rows that have gathered.
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        let empty = self.empty_columns();
        let columns = std::mem::replace(&mut self.columns, empty).into_iter().map(TextColumn::finish).collect();
        self.rows = 0;
        self.bytes = 0;
        self.origins.push(std::mem::take(&mut self.origin));
        RecordBatch::try_new(self.schema(), columns).map(Some).map_err(|error| Error::internal(error.to_string()))
    }

    /// Reads one record: the header, the end marker, or a row.
    fn record(&mut self, record: std::ops::Range<usize>) -> Result<()> {
        let is_first = self.line == 0;
        let bytes = self.lines.bytes(record);
        self.line += 1;
        if self.options.format == Format::Csv {
            // A quoted field can have lines of its own.
            self.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        }
        if bytes == b"\\." {
            self.ended = true;
            return Ok(());
        }
        let length = bytes.len();
        let text = std::str::from_utf8(bytes)
            .map_err(|_| invalid_utf8().with_context(format!("COPY {}, line {}", self.table, self.line)))?;
        if is_first && self.options.header != Header::Absent {
            return check_header(text, &self.options, &self.names)
                .map_err(|error| error.with_context(format!("COPY {}, line 1: \"{}\"", self.table, shorten(text))));
        }
        let row = Row { options: &self.options, names: &self.names, columns: &mut self.columns, next: 0 };
        match row.read(text) {
            Ok(()) => {
                self.rows += 1;
                self.total_rows += 1;
                self.bytes += length;
                self.origin.push(self.line, text);
                Ok(())
            }
            Err(failure) => Err(failure.error(&self.table, self.line, text)),
        }
    }

    fn on_line(&self, error: Error) -> Error {
        error.with_context(format!("COPY {}, line {}", self.table, self.line + 1))
    }
}

/// One row being read into the columns.
struct Row<'a> {
    options: &'a CopyOptions,
    names: &'a [String],
    columns: &'a mut [TextColumn],
    next: usize,
}

/// What is wrong with a row, and with which field of it.
struct Failure {
    error: Error,
    field: Option<(String, String)>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, field: None }
    }
}

impl Failure {
    /// The error with Postgres's context line.
    fn error(self, table: &str, line: u64, text: &str) -> Error {
        self.error.with_context(match &self.field {
            Some((column, value)) => format!("COPY {table}, line {line}, column {column}: \"{}\"", shorten(value)),
            None => format!("COPY {table}, line {line}: \"{}\"", shorten(text)),
        })
    }
}

impl Row<'_> {
    fn read(mut self, text: &str) -> Result<(), Failure> {
        let options = self.options;
        let mut failed: Option<(String, String)> = None;
        let result = match options.format {
            Format::Text | Format::Binary => {
                split_text(text, options, |field| self.append(field.as_deref(), &mut failed))
            }
            Format::Csv => split_csv(text, options, |field, quoted| {
                let null = self.is_csv_null(&field, quoted);
                self.append((!null).then_some(&*field), &mut failed)
            }),
        };
        result.map_err(|error| Failure { error, field: failed })?;
        match self.names.get(self.next) {
            Some(missing) => {
                let message = format!("missing data for column \"{missing}\"");
                Err(Error::new(ErrorKind::BadCopyFormat, message).into())
            }
            None => Ok(()),
        }
    }

    /// Whether a CSV field is NULL: the null string, unquoted, unless the statement says otherwise for the column.
    fn is_csv_null(&self, field: &str, quoted: bool) -> bool {
        if field != self.options.null {
            return false;
        }
        let Some(name) = self.names.get(self.next) else { return false };
        match quoted {
            true => self.options.force_null.contains(name),
            false => !self.options.force_not_null.contains(name),
        }
    }

    fn append(&mut self, value: Option<&str>, failed: &mut Option<(String, String)>) -> Result<()> {
        let Some(column) = self.columns.get_mut(self.next) else {
            return Err(Error::new(ErrorKind::BadCopyFormat, "extra data after last expected column"));
        };
        match value {
            Some(text) => column.append(text).inspect_err(|_| {
                *failed = Some((self.names[self.next].clone(), text.to_string()));
            })?,
            None => column.append_null(),
        }
        self.next += 1;
        Ok(())
    }
}

/// Checks that a header line names the columns, if it must.
fn check_header(text: &str, options: &CopyOptions, names: &[String]) -> Result<()> {
    if options.header != Header::Match {
        return Ok(());
    }
    let mut found = Vec::new();
    match options.format {
        Format::Text | Format::Binary => split_text(text, options, |field| {
            found.push(field.map(String::from).unwrap_or_default());
            Ok(())
        })?,
        Format::Csv => split_csv(text, options, |field, _| {
            found.push(field.into_owned());
            Ok(())
        })?,
    }
    if found.len() != names.len() {
        let message = format!("wrong number of fields in header line: got {}, expected {}", found.len(), names.len());
        return Err(Error::new(ErrorKind::BadCopyFormat, message));
    }
    match found.iter().zip(names).position(|(found, name)| found != name) {
        Some(at) => Err(Error::new(
            ErrorKind::BadCopyFormat,
            format!(
                "column name mismatch in header line field {}: got \"{}\", expected \"{}\"",
                at + 1,
                found[at],
                names[at]
            ),
        )),
        None => Ok(()),
    }
}

/// The beginning of a text that may be long.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int32Type;

    use super::super::options::Columns;
    use super::*;

    fn reader(options: CopyOptions) -> LineReader {
        let columns = [("a".to_string(), SqlType::Integer), ("b".to_string(), SqlType::Text)];
        LineReader::new("t", &columns, options, TimeZone::UTC)
    }

    /// Reads `data` in chunks of every size, and gives the rows, which must not depend on the size.
    fn rows(options: &CopyOptions, data: &str) -> Result<Vec<(Option<i32>, Option<String>)>> {
        let mut expected = None;
        for size in 1..=data.len().max(1) {
            let rows = rows_in_chunks(options, data, size)?;
            assert_eq!(*expected.get_or_insert_with(|| rows.clone()), rows);
        }
        Ok(expected.unwrap_or_default())
    }

    fn rows_in_chunks(options: &CopyOptions, data: &str, size: usize) -> Result<Vec<(Option<i32>, Option<String>)>> {
        let mut reader = reader(options.clone());
        let mut batches = Vec::new();
        for chunk in data.as_bytes().chunks(size) {
            batches.extend(reader.push(chunk)?);
        }
        batches.extend(reader.finish()?);
        let batch = concat_batches(&reader.schema(), &batches).expect("one schema");
        assert_eq!(reader.rows(), batch.num_rows() as u64);
        let (a, b) = (batch.column(0).as_primitive::<Int32Type>(), batch.column(1).as_string::<i32>());
        Ok(a.iter().zip(b.iter().map(|text| text.map(str::to_string))).collect())
    }

    fn row(a: i32, b: &str) -> (Option<i32>, Option<String>) {
        (Some(a), Some(b.to_string()))
    }

    #[test]
    fn text_format_is_read_whatever_the_chunks() {
        let options = CopyOptions::new(Format::Text);
        let data = "1\tone\n2\ta\\tb\\n\\\\c\\x41\\101\n\\N\t\\N\n3\t\n4\tline\\\nbreak\n\\.\njunk";
        let expected = [row(1, "one"), row(2, "a\tb\n\\cAA"), (None, None), row(3, ""), row(4, "line\nbreak")];
        assert_eq!(rows(&options, data).expect("valid"), expected);
        assert_eq!(rows(&options, "1\ta\r\n2\tb\r\n").expect("valid"), [row(1, "a"), row(2, "b")]);
        assert_eq!(rows(&options, "1\tno newline").expect("valid"), [row(1, "no newline")]);
    }

    #[test]
    fn csv_format_tells_null_from_empty() {
        let mut options = CopyOptions::new(Format::Csv);
        let data = "1,one\n2,\"a,\"\"b\"\"\nc\"\n3,\n4,\"\"\n5,x\"y,z\"w\n";
        let expected = [row(1, "one"), row(2, "a,\"b\"\nc"), (Some(3), None), row(4, ""), row(5, "xy,zw")];
        assert_eq!(rows(&options, data).expect("valid"), expected);
        options.force_null = Columns::Named(vec!["b".to_string()]);
        options.force_not_null = Columns::All;
        assert_eq!(rows(&options, "1,\n2,\"\"\n").expect("valid"), [row(1, ""), (Some(2), None)]);
    }

    #[test]
    fn csv_takes_another_escape_and_a_header() {
        let mut options = CopyOptions::new(Format::Csv);
        options.escape = b'\\';
        options.header = Header::Match;
        let data = "a,b\n1,\"x\\\"y\\\\z\\n\"\n";
        assert_eq!(rows(&options, data).expect("valid"), [row(1, "x\"y\\z\\n")]);
        let error = rows(&options, "a,c\n").expect_err("header");
        assert_eq!(error.message(), "column name mismatch in header line field 2: got \"c\", expected \"b\"");
    }

    #[test]
    fn broken_rows_say_where_they_are() {
        let text = CopyOptions::new(Format::Text);
        let csv = CopyOptions::new(Format::Csv);
        let cases = [
            (&text, "1\n", "missing data for column \"b\"", "COPY t, line 1: \"1\""),
            (&text, "1\ta\n2\tb\tc\n", "extra data after last expected column", "COPY t, line 2: \"2\tb\tc\""),
            (&text, "x\ty\n", "invalid input syntax for type integer: \"x\"", "COPY t, line 1, column a: \"x\""),
            (&csv, "1,\"a\n", "unterminated CSV quoted field", "COPY t, line 1"),
        ];
        for (options, data, message, context) in cases {
            let error = rows(options, data).expect_err(data);
            assert_eq!((error.message(), error.context()), (message, Some(context)));
        }
        assert_eq!(rows(&text, "1\n").expect_err("missing").kind(), ErrorKind::BadCopyFormat);
    }
}
