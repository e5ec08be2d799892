//! json is checked and kept as given; jsonb is kept in one normal form, written as Postgres writes jsonb.
//!
//! Normal form: one blank after `:` and `,`, keys ordered by length and then by bytes, the last of equal keys wins, escapes
//! only where they are needed, numbers without exponent and with the digits they came with.

use slipstream_engine::{Error, ErrorKind, Result};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 512;
/// Most digits that a number's exponent may add.
const MAX_EXPONENT: i64 = 16_384;

/// Checks that text is JSON.
pub(super) fn validate(text: &str) -> Result<()> {
    Parser::new(text, "json").document(&mut None)
}

/// The jsonb form of a JSON text.
pub(crate) fn normalize(text: &str) -> Result<String> {
    let mut out = Some(String::with_capacity(text.len() + text.len() / 8));
    Parser::new(text, "jsonb").document(&mut out)?;
    Ok(out.unwrap_or_default())
}

/// Where the normal form goes; `None` when the text is only checked.
type Out = Option<String>;

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    type_name: &'static str,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, type_name: &'static str) -> Self {
        Parser { text, at: 0, depth: 0, type_name }
    }

    fn document(&mut self, out: &mut Out) -> Result<()> {
        self.value(out)?;
        self.blanks();
        if self.at < self.text.len() { Err(self.unexpected()) } else { Ok(()) }
    }

    /// Calls `member` with the name and the text of each member of an object.
    pub(super) fn members(&mut self, mut member: impl FnMut(&str, &'a str)) -> Result<()> {
        self.blanks();
        self.at += 1;
        self.blanks();
        while !self.take(b'}') {
            self.blanks();
            let name = self.string(true)?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.unexpected());
            }
            member(&name, self.part()?);
        }
        Ok(())
    }

    /// Calls `element` with the text of each element of an array.
    pub(super) fn elements(&mut self, mut element: impl FnMut(&'a str)) -> Result<()> {
        self.blanks();
        self.at += 1;
        self.blanks();
        while !self.take(b']') {
            element(self.part()?);
        }
        Ok(())
    }

    /// The string that the whole text is, decoded.
    pub(super) fn decoded(&mut self) -> Result<String> {
        self.string(true)
    }

    /// The text of the next value, and the comma after it.
    fn part(&mut self) -> Result<&'a str> {
        self.blanks();
        let start = self.at;
        self.value(&mut None)?;
        let text: &'a str = self.text;
        let part = &text[start..self.at];
        self.blanks();
        let _ = self.take(b',');
        Ok(part)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn error(&self, detail: impl Into<String>) -> Error {
        Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type {}", self.type_name))
            .with_detail(detail)
    }

    fn unexpected(&self) -> Error {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return self.error("The input string ended unexpectedly.");
        }
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').filter(|end| *end > 0);
        let end = word.unwrap_or_else(|| {
            if rest.starts_with(char::is_alphanumeric) {
                rest.len()
            } else {
                rest.chars().next().map_or(0, char::len_utf8)
            }
        });
        self.error(format!("Token \"{}\" is invalid.", &rest[..end]))
    }

    fn value(&mut self, out: &mut Out) -> Result<()> {
        self.blanks();
        match self.peek() {
            Some(b'{') => self.nested(out, Self::object),
            Some(b'[') => self.nested(out, Self::array),
            Some(b'"') => {
                let string = self.string(out.is_some())?;
                if let Some(out) = out {
                    append_string(out, &string);
                }
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(out),
            _ => self.word(out),
        }
    }

    fn nested(&mut self, out: &mut Out, parse: fn(&mut Self, &mut Out) -> Result<()>) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::TooComplex, "JSON value is nested too deeply"));
        }
        self.at += 1;
        parse(self, out)?;
        self.depth -= 1;
        Ok(())
    }

    fn word(&mut self, out: &mut Out) -> Result<()> {
        let rest = &self.text[self.at..];
        let Some(word) = ["true", "false", "null"].into_iter().find(|word| {
            rest.strip_prefix(word).is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        }) else {
            return Err(self.unexpected());
        };
        self.at += word.len();
        if let Some(out) = out {
            out.push_str(word);
        }
        Ok(())
    }

    fn array(&mut self, out: &mut Out) -> Result<()> {
        let put = |out: &mut Out, text: &str| out.as_mut().map_or((), |out| out.push_str(text));
        put(out, "[");
        self.blanks();
        if !self.take(b']') {
            loop {
                self.value(out)?;
                self.blanks();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected());
                }
                put(out, ", ");
            }
        }
        put(out, "]");
        Ok(())
    }

    fn object(&mut self, out: &mut Out) -> Result<()> {
        let mut members: Vec<(String, String)> = Vec::new();
        self.blanks();
        if !self.take(b'}') {
            loop {
                self.blanks();
                if self.peek() != Some(b'"') {
                    return Err(self.unexpected());
                }
                let key = self.string(out.is_some())?;
                self.blanks();
                if !self.take(b':') {
                    return Err(self.unexpected());
                }
                let mut value = out.as_ref().map(|_| String::new());
                self.value(&mut value)?;
                if let Some(value) = value {
                    members.push((key, value));
                }
                self.blanks();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.unexpected());
                }
            }
        }
        if let Some(out) = out {
            append_object(out, members);
        }
        Ok(())
    }

    /// A string, decoded if `wanted`.
    fn string(&mut self, wanted: bool) -> Result<String> {
        self.at += 1;
        let mut decoded = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(stop) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) else {
                return Err(self.error("The input string ended unexpectedly."));
            };
            if wanted {
                decoded.push_str(&rest[..stop]);
            }
            self.at += stop + 1;
            match rest.as_bytes()[stop] {
                b'"' => return Ok(decoded),
                b'\\' => decoded.push(self.escape(wanted)?),
                control => return Err(self.error(format!("Character with value 0x{control:02x} must be escaped."))),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, wanted: bool) -> Result<char> {
        let Some(kind) = self.peek() else { return Err(self.unexpected()) };
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape(wanted)?,
            _ => {
                self.at -= 1;
                let sequence = self.text[self.at..].chars().next().unwrap_or_default();
                return Err(self.error(format!("Escape sequence \"\\{sequence}\" is invalid.")));
            }
        })
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(digits) = digits else {
            return Err(self.error("\"\\u\" must be followed by four hexadecimal digits."));
        };
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("\"\\u\" must be followed by four hexadecimal digits."))
    }

    fn unicode_escape(&mut self, wanted: bool) -> Result<char> {
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !(self.take(b'\\') && self.take(b'u')) {
                    return Err(self.error("Unicode low surrogate must follow a high surrogate."));
                }
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error("Unicode low surrogate must follow a high surrogate."));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        if code == 0 && wanted {
            return Err(Error::new(ErrorKind::InvalidText, "unsupported Unicode escape sequence")
                .with_detail("\\u0000 cannot be converted to text."));
        }
        char::from_u32(code).ok_or_else(|| self.error("Unicode low surrogate must follow a high surrogate."))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self, out: &mut Out) -> Result<()> {
        let start = self.at;
        let negative = self.take(b'-');
        let whole = self.at;
        let whole_digits = self.digits();
        let leading_zero = whole_digits > 1 && self.text.as_bytes()[whole] == b'0';
        let mut valid = whole_digits > 0 && !leading_zero;
        let whole = &self.text[whole..self.at];
        let mut fraction = "";
        if self.take(b'.') {
            let from = self.at;
            valid &= self.digits() > 0;
            fraction = &self.text[from..self.at];
        }
        let mut exponent = 0;
        if self.take(b'e') || self.take(b'E') {
            let from = self.at;
            let _sign = self.take(b'+') || self.take(b'-');
            valid &= self.digits() > 0;
            exponent = self.text[from..self.at].parse().unwrap_or(i64::MAX);
        }
        let glued = self.text[self.at..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
        if !valid || glued {
            self.at = start;
            let end = self.text[start..].find([' ', ',', '}', ']', '\n']).map_or(self.text.len(), |end| start + end);
            return Err(self.error(format!("Token \"{}\" is invalid.", &self.text[start..end])));
        }
        match out {
            Some(out) => append_number(out, negative, whole, fraction, exponent),
            None => Ok(()),
        }
    }
}

/// Writes the members of an object in their order, the last of equal keys.
fn append_object(out: &mut String, mut members: Vec<(String, String)>) {
    members.reverse();
    members.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    members.dedup_by(|later, kept| later.0 == kept.0);
    out.push('{');
    for (position, (key, value)) in members.iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        append_string(out, key);
        out.push_str(": ");
        out.push_str(value);
    }
    out.push('}');
}

/// Writes a string with the escapes it needs.
pub(crate) fn append_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Writes `whole.fraction * 10^exponent` without an exponent.
fn append_number(out: &mut String, negative: bool, whole: &str, fraction: &str, exponent: i64) -> Result<()> {
    if exponent.abs() > MAX_EXPONENT {
        return Err(Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format"));
    }
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + exponent;
    let (whole, fraction) = if point <= 0 {
        (String::new(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else if point as usize >= digits.len() {
        (format!("{digits}{}", "0".repeat(point as usize - digits.len())), String::new())
    } else {
        (digits[..point as usize].to_string(), digits[point as usize..].to_string())
    };
    let whole = whole.trim_start_matches('0');
    if negative && digits.bytes().any(|digit| digit != b'0') {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(&fraction);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jsonb_is_in_normal_form() {
        for (text, expected) in [
            ("{\"b\":1,\"a\":2}", "{\"a\": 2, \"b\": 1}"),
            ("{\"bb\":1, \"c\":2}", "{\"c\": 2, \"bb\": 1}"),
            ("{\"a\":1,\"a\":2}", "{\"a\": 2}"),
            (" [1, 2.50 ,\"x\\u0041\\n\"] ", "[1, 2.50, \"xA\\n\"]"),
            ("1e2", "100"),
            ("-1.5E-2", "-0.015"),
            ("-0", "0"),
            ("{}", "{}"),
            ("[]", "[]"),
            ("null", "null"),
            ("\"\\ud83d\\ude00\"", "\"😀\""),
            ("{\"a\":{\"b\":[true,false]}}", "{\"a\": {\"b\": [true, false]}}"),
        ] {
            assert_eq!(normalize(text).expect(text), expected);
            validate(text).expect(text);
        }
    }

    #[test]
    fn broken_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\"}",
            "[1,]",
            "01",
            "1.",
            "tru",
            "\"a",
            "\"\u{1}\"",
            "1 2",
            "{a:1}",
            "\"\\x\"",
            "\"\\ud800\"",
            "'a'",
        ] {
            assert_eq!(validate(text).expect_err(text).kind(), ErrorKind::InvalidText, "{text}");
            assert!(normalize(text).is_err(), "{text}");
        }
        assert_eq!(validate(&"[".repeat(100_000)).expect_err("deep").kind(), ErrorKind::TooComplex);
    }
}
