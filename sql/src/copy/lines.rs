//! Cutting a stream of bytes into records.

use std::ops::Range;

use slipstream_engine::{Error, ErrorKind, Result};

use super::options::{CopyOptions, Format};

/// Bytes that have come, and where the next record begins in them.
pub(super) struct Lines {
    format: Format,
    quote: u8,
    escape: u8,
    buffer: Vec<u8>,
    /// Start of the record being looked for.
    start: usize,
    /// Everything before this has been searched for the record's end.
    searched: usize,
    /// Whether `searched` is inside quotes.
    quoted: bool,
    ending: Option<Ending>,
}

/// How lines end; the first one decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Newline,
    CarriageReturnNewline,
}

impl Lines {
    pub(super) fn new(options: &CopyOptions) -> Self {
        Lines {
            format: options.format,
            quote: options.quote,
            escape: options.escape,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            quoted: false,
            ending: None,
        }
    }

    /// Adds bytes; what has been cut off already is dropped.
    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(data);
    }

    /// The bytes of a record.
    pub(super) fn bytes(&self, record: Range<usize>) -> &[u8] {
        &self.buffer[record]
    }

    /// The next whole record, without its line ending.
    pub(super) fn next(&mut self) -> Result<Option<Range<usize>>> {
        let end = match self.format {
            Format::Text | Format::Binary => self.text_end(),
            Format::Csv => self.csv_end(),
        };
        let Some(newline) = end else { return Ok(None) };
        let record = self.start..newline;
        self.start = newline + 1;
        self.searched = self.start;
        self.without_return(record).map(Some)
    }

    /// The last record, which has no line ending.
    pub(super) fn last(&mut self) -> Result<Option<Range<usize>>> {
        if self.quoted {
            return Err(Error::new(ErrorKind::BadCopyFormat, "unterminated CSV quoted field"));
        }
        if self.start == self.buffer.len() {
            return Ok(None);
        }
        let record = self.start..self.buffer.len();
        self.start = self.buffer.len();
        self.searched = self.start;
        self.without_return(record).map(Some)
    }

    /// A newline that no backslash stands before.
    fn text_end(&mut self) -> Option<usize> {
        while let Some(offset) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let newline = self.searched + offset;
            let before = &self.buffer[self.start..newline];
            let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            if backslashes % 2 == 0 {
                return Some(newline);
            }
            self.searched = newline + 1;
        }
        self.searched = self.buffer.len();
        None
    }

    /// A newline outside quotes.
    fn csv_end(&mut self) -> Option<usize> {
        loop {
            let rest = &self.buffer[self.searched..];
            let found = if !self.quoted {
                memchr::memchr2(b'\n', self.quote, rest)
            } else if self.escape == self.quote {
                memchr::memchr(self.quote, rest)
            } else {
                memchr::memchr2(self.quote, self.escape, rest)
            };
            let Some(offset) = found else {
                self.searched = self.buffer.len();
                return None;
            };
            let at = self.searched + offset;
            if self.quoted && self.escape != self.quote && self.buffer[at] == self.escape {
                // What is escaped may not have come yet.
                let escaped = *self.buffer.get(at + 1)?;
                let skip = if escaped == self.quote || escaped == self.escape { 2 } else { 1 };
                self.searched = at + skip;
            } else if self.buffer[at] == self.quote {
                self.quoted = !self.quoted;
                self.searched = at + 1;
            } else {
                return Some(at);
            }
        }
    }

    /// Drops the carriage return of a CRLF ending, and refuses any other, as Postgres does.
    fn without_return(&mut self, record: Range<usize>) -> Result<Range<usize>> {
        let returned = self.buffer[record.clone()].last() == Some(&b'\r');
        let ending = *self.ending.get_or_insert(match returned {
            true => Ending::CarriageReturnNewline,
            false => Ending::Newline,
        });
        match (ending, returned) {
            (Ending::CarriageReturnNewline, true) => Ok(record.start..record.end - 1),
            (Ending::Newline, true) if self.format == Format::Csv => {
                Err(Error::new(ErrorKind::BadCopyFormat, "unquoted carriage return found in data")
                    .with_hint("Use quoted CSV field to represent carriage return."))
            }
            (Ending::Newline, true) => {
                Err(Error::new(ErrorKind::BadCopyFormat, "literal carriage return found in data")
                    .with_hint("Use \"\\r\" to represent carriage return."))
            }
            (_, false) => Ok(record),
        }
    }
}
