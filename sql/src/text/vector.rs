//! pgvector's text forms: `[1,2.5,-3]` of `vector` and `halfvec`, `{1:2.5,3:-3}/5` of `sparsevec`.

use slipstream_engine::{Error, ErrorKind, Result};

use super::number::append_float;
use crate::pgvector::{Kind, MAX_DIMENSIONS, Sparse};

/// Most elements that the text of a sparse vector can name.
const MAX_SPARSE_ELEMENTS: usize = 16_000;

/// Appends `[1,2,3]`.
pub(super) fn append_vector(out: &mut String, values: &[f32]) {
    out.push('[');
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        append_float(out, *value);
    }
    out.push(']');
}

/// Appends `{1:2.5,3:-3}/5`. Places count from 1.
pub(super) fn append_sparse(out: &mut String, vector: &Sparse) {
    out.push('{');
    for (position, (place, value)) in vector.elements().iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(&format!("{}:", place + 1));
        append_float(out, *value);
    }
    out.push_str(&format!("}}/{}", vector.dimension()));
}

/// What is left of a text that is read from its start.
struct Scanner<'a> {
    kind: Kind,
    text: &'a str,
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn new(kind: Kind, text: &'a str) -> Self {
        Scanner { kind, text, rest: text }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    }

    /// Takes a sign after blanks, if it comes next.
    fn take(&mut self, sign: char) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: char) -> Result<()> {
        if self.take(sign) { Ok(()) } else { Err(self.malformed()) }
    }

    /// The characters up to a blank or a sign.
    fn word(&mut self) -> &'a str {
        self.skip_blanks();
        let ends = |c: char| matches!(c, ',' | ']' | '}' | ':' | '/' | '{' | '[') || c.is_ascii_whitespace();
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    /// An element.
    fn element(&mut self) -> Result<f32> {
        let word = self.word();
        let value: f32 = word.parse().map_err(|_| self.malformed())?;
        let is_finite = word.contains(|c: char| c.is_ascii_digit());
        if value.is_infinite() && is_finite {
            return Err(self.kind.out_of_range(word));
        }
        self.kind.check_element(value)?;
        self.kind.element(value, || word.to_string())
    }

    /// A whole number; what is too large for one is as large as can be.
    fn integer(&mut self) -> Result<i64> {
        let word = self.word();
        let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
        if digits.is_empty() || digits.contains(|c: char| !c.is_ascii_digit()) {
            return Err(self.malformed());
        }
        Ok(word.parse().unwrap_or(if word.starts_with('-') { i64::MIN } else { i64::MAX }))
    }

    fn end(&mut self, detail: &str) -> Result<()> {
        self.skip_blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed().with_detail(detail)) }
    }

    fn malformed(&self) -> Error {
        let message = format!("invalid input syntax for type {}: \"{}\"", self.kind.name(), self.text);
        Error::new(ErrorKind::InvalidText, message)
    }
}

/// The elements of a `vector` or `halfvec`. Another dimension than `expected` is an error, unless that is 0.
pub(super) fn parse_vector(kind: Kind, text: &str, expected: u32) -> Result<Vec<f32>> {
    let mut scanner = Scanner::new(kind, text);
    if !scanner.take('[') {
        return Err(scanner.malformed().with_detail("Vector contents must start with \"[\"."));
    }
    if scanner.take(']') {
        return Err(kind.no_dimension());
    }
    let mut values = Vec::with_capacity(expected as usize);
    loop {
        if values.len() == MAX_DIMENSIONS as usize {
            return Err(kind.too_many_dimensions());
        }
        values.push(scanner.element()?);
        if !scanner.take(',') {
            break;
        }
    }
    scanner.expect(']')?;
    scanner.end("Junk after closing right brace.")?;
    Kind::check_expected(expected, values.len())?;
    Ok(values)
}

/// A `sparsevec`. Another dimension than `expected` is an error, unless that is 0.
pub(super) fn parse_sparse(text: &str, expected: u32) -> Result<Sparse> {
    let mut scanner = Scanner::new(Kind::Sparsevec, text);
    if text.matches(',').count() >= MAX_SPARSE_ELEMENTS {
        let message = format!("sparsevec cannot have more than {MAX_SPARSE_ELEMENTS} non-zero elements");
        return Err(Error::new(ErrorKind::ProgramLimit, message));
    }
    if !scanner.take('{') {
        return Err(scanner.malformed().with_detail("Vector contents must start with \"{\"."));
    }
    let mut elements = Vec::new();
    if !scanner.take('}') {
        loop {
            let place = scanner.integer()?;
            scanner.expect(':')?;
            elements.push((place.saturating_sub(1), scanner.element()?));
            if !scanner.take(',') {
                break;
            }
        }
        scanner.expect('}')?;
    }
    if !scanner.take('/') {
        return Err(scanner.malformed().with_detail("Unexpected end of input."));
    }
    let dimension = sparse_dimension(&mut scanner)?;
    scanner.end("Junk after closing.")?;
    let vector = Sparse::new(dimension, elements)?;
    Kind::check_expected(expected, vector.dimension())?;
    Ok(vector)
}

/// The digits behind the slash; what follows them is for others to look at.
fn sparse_dimension(scanner: &mut Scanner<'_>) -> Result<i64> {
    scanner.skip_blanks();
    let signed = scanner.rest.strip_prefix(['-', '+']).unwrap_or(scanner.rest);
    let digits = signed.find(|c: char| !c.is_ascii_digit()).unwrap_or(signed.len());
    if digits == 0 {
        return Err(scanner.malformed());
    }
    let (number, rest) = scanner.rest.split_at(scanner.rest.len() - signed.len() + digits);
    scanner.rest = rest;
    Ok(number.parse().unwrap_or(i64::MAX))
}
