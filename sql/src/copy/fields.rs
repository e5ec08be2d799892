//! Cutting a record into fields.

use std::borrow::Cow;

use slipstream_engine::{Error, ErrorKind, Result};

use super::options::CopyOptions;

/// A field's text, or NULL.
pub(super) type Field<'a> = Option<Cow<'a, str>>;

/// Cuts a line of text format: fields end at delimiters, backslashes escape. Calls `field` with each.
pub(super) fn split_text<'a>(
    line: &'a str,
    options: &CopyOptions,
    mut field: impl FnMut(Field<'a>) -> Result<()>,
) -> Result<()> {
    let bytes = line.as_bytes();
    let mut start = 0;
    let mut at = 0;
    let mut escaped = false;
    loop {
        let found = memchr::memchr2(options.delimiter, b'\\', &bytes[at..]).map(|offset| at + offset);
        match found {
            Some(backslash) if bytes[backslash] == b'\\' => {
                escaped = true;
                // Whatever follows is part of the field, a delimiter too.
                at = (backslash + 2).min(bytes.len());
                continue;
            }
            _ => {}
        }
        let raw = &line[start..found.unwrap_or(bytes.len())];
        if raw == options.null {
            field(None)?;
        } else if escaped {
            field(Some(Cow::Owned(unescape(raw)?)))?;
        } else {
            field(Some(Cow::Borrowed(raw)))?;
        }
        let Some(delimiter) = found else { return Ok(()) };
        start = delimiter + 1;
        at = start;
        escaped = false;
    }
}

/// Resolves the backslash sequences of text format.
fn unescape(raw: &str) -> Result<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            out.push(first);
            continue;
        }
        let Some((&kind, tail)) = rest.split_first() else {
            out.push(b'\\');
            break;
        };
        rest = tail;
        match kind {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(0x0b),
            b'0'..=b'7' => out.push(code(kind, &mut rest, 8, 2)),
            b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => out.push(code(b'0', &mut rest, 16, 2)),
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|_| invalid_utf8())
}

/// A byte from its digits: `first`, and at most `more` that follow.
fn code(first: u8, rest: &mut &[u8], radix: u32, more: usize) -> u8 {
    let mut value = u32::from(first - b'0');
    for _ in 0..more {
        let Some(digit) = rest.first().and_then(|byte| char::from(*byte).to_digit(radix)) else { break };
        value = value * radix + digit;
        *rest = &rest[1..];
    }
    value as u8
}

pub(super) fn invalid_utf8() -> Error {
    Error::new(ErrorKind::InvalidEncoding, "invalid byte sequence for encoding \"UTF8\"")
}

/// Cuts a CSV record: fields end at delimiters outside quotes. Calls `field` with each, and whether it was quoted.
pub(super) fn split_csv<'a>(
    record: &'a str,
    options: &CopyOptions,
    mut field: impl FnMut(Cow<'a, str>, bool) -> Result<()>,
) -> Result<()> {
    let bytes = record.as_bytes();
    let mut start = 0;
    loop {
        match memchr::memchr2(options.delimiter, options.quote, &bytes[start..]).map(|offset| start + offset) {
            Some(quote) if bytes[quote] == options.quote => {
                let (text, end) = unquote(record, start, options);
                field(Cow::Owned(text), true)?;
                match end {
                    Some(delimiter) => start = delimiter + 1,
                    None => return Ok(()),
                }
            }
            Some(delimiter) => {
                field(Cow::Borrowed(&record[start..delimiter]), false)?;
                start = delimiter + 1;
            }
            None => return field(Cow::Borrowed(&record[start..]), false),
        }
    }
}

/// A field with quotes in it, from `start`; and the delimiter after it, if there is one.
fn unquote(record: &str, start: usize, options: &CopyOptions) -> (String, Option<usize>) {
    let bytes = record.as_bytes();
    let mut text = String::new();
    let mut quoted = false;
    let mut from = start;
    let mut at = start;
    while at < bytes.len() {
        let byte = bytes[at];
        let escapes = quoted
            && byte == options.escape
            && bytes.get(at + 1).is_some_and(|next| *next == options.quote || *next == options.escape);
        if escapes {
            text.push_str(&record[from..at]);
            from = at + 1;
            at += 2;
        } else if byte == options.quote {
            text.push_str(&record[from..at]);
            quoted = !quoted;
            from = at + 1;
            at += 1;
        } else if byte == options.delimiter && !quoted {
            text.push_str(&record[from..at]);
            return (text, Some(at));
        } else {
            at += 1;
        }
    }
    text.push_str(&record[from..]);
    (text, None)
}
