//! `tsvector`: the lexemes of a text, sorted, each with the places where it stands.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::config::{LONGEST_LEXEME, Lexer};
use crate::error::{Error, ErrorKind, Result};

/// Positions end here; what stands later stands here.
pub const LAST_POSITION: u16 = 16_383;
/// A lexeme keeps this many positions, the first ones.
const MOST_POSITIONS: usize = 255;
/// A vector's lexemes and positions take no more bytes than this.
const MOST_BYTES: usize = 1 << 20;

/// What a position weighs, as a label: `A` the most, `D` the least and by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Weight {
    /// `D`
    #[default]
    D,
    /// `C`
    C,
    /// `B`
    B,
    /// `A`
    A,
}

impl Weight {
    /// The label of a letter.
    pub fn of(letter: char) -> Option<Weight> {
        Some(match letter.to_ascii_uppercase() {
            'A' => Weight::A,
            'B' => Weight::B,
            'C' => Weight::C,
            'D' => Weight::D,
            _ => return None,
        })
    }

    /// The letter, but for `D`, which is not written.
    fn letter(self) -> &'static str {
        match self {
            Weight::A => "A",
            Weight::B => "B",
            Weight::C => "C",
            Weight::D => "",
        }
    }
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The word's number, from 1.
    pub place: u16,
    /// What it weighs.
    pub weight: Weight,
}

/// The lexemes of a text. Equal vectors have equal text forms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TsVector {
    lexemes: BTreeMap<String, Vec<Position>>,
}

impl TsVector {
    /// The lexemes of a text.
    pub fn of_text(lexer: &mut Lexer, text: &str) -> Result<TsVector> {
        let mut vector = TsVector::default();
        for lexeme in lexer.lexemes(text) {
            let place = u16::try_from(lexeme.position).unwrap_or(LAST_POSITION).min(LAST_POSITION);
            vector.add(lexeme.text, Some(Position { place, weight: Weight::D }));
        }
        vector.checked()
    }

    /// Lexemes without positions.
    pub fn of_lexemes(lexemes: impl IntoIterator<Item = String>) -> Result<TsVector> {
        let mut vector = TsVector::default();
        for lexeme in lexemes {
            if lexeme.is_empty() {
                return Err(Error::new(ErrorKind::InvalidParameter, "lexeme array may not contain empty strings"));
            }
            vector.add(lexeme, None);
        }
        vector.checked()
    }

    /// Lexemes with their positions, in any order.
    pub fn of_positions(lexemes: impl IntoIterator<Item = (String, Vec<Position>)>) -> Result<TsVector> {
        let mut vector = TsVector::default();
        for (lexeme, positions) in lexemes {
            if lexeme.is_empty() || lexeme.len() > LONGEST_LEXEME {
                return Err(Error::new(ErrorKind::Syntax, "invalid tsvector: invalid lexeme"));
            }
            vector.lexemes.entry(lexeme.clone()).or_default();
            for position in positions {
                if position.place == 0 || position.place > LAST_POSITION {
                    return Err(Error::new(ErrorKind::Syntax, "position information is misordered"));
                }
                vector.add(lexeme.clone(), Some(position));
            }
        }
        vector.checked()
    }

    /// Reads the text form: `'fat':2A,4 'cat' rat:3`.
    pub fn parse(text: &str) -> Result<TsVector> {
        let mut vector = TsVector::default();
        let mut reader = Reader { text, at: 0 };
        while let Some(lexeme) = reader.lexeme()? {
            if lexeme.len() > LONGEST_LEXEME {
                let message = format!("word is too long ({} bytes, max {LONGEST_LEXEME} bytes)", lexeme.len());
                return Err(Error::new(ErrorKind::TooLong, message));
            }
            vector.lexemes.entry(lexeme.clone()).or_default();
            for position in reader.positions()? {
                vector.add(lexeme.clone(), Some(position));
            }
        }
        vector.checked()
    }

    fn add(&mut self, lexeme: String, position: Option<Position>) {
        let positions = self.lexemes.entry(lexeme).or_default();
        let Some(position) = position else { return };
        match positions.binary_search_by_key(&position.place, |known| known.place) {
            // The heavier of two labels of one place stays.
            Ok(known) => positions[known].weight = positions[known].weight.max(position.weight),
            Err(at) if positions.len() < MOST_POSITIONS => positions.insert(at, position),
            Err(_) => {}
        }
    }

    /// The vector, unless it is too large.
    fn checked(self) -> Result<TsVector> {
        let bytes: usize = self.lexemes.iter().map(|(lexeme, positions)| lexeme.len() + 2 * positions.len()).sum();
        if bytes < MOST_BYTES {
            return Ok(self);
        }
        let message = format!("string is too long for tsvector ({bytes} bytes, max {} bytes)", MOST_BYTES - 1);
        Err(Error::new(ErrorKind::TooLong, message))
    }

    /// The number of different lexemes.
    pub fn len(&self) -> usize {
        self.lexemes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lexemes.is_empty()
    }

    /// The lexemes in their order, with their positions, which are sorted too and may be missing.
    pub fn lexemes(&self) -> impl Iterator<Item = (&str, &[Position])> {
        self.lexemes.iter().map(|(lexeme, positions)| (lexeme.as_str(), positions.as_slice()))
    }

    /// The positions of a lexeme.
    pub fn positions(&self, lexeme: &str) -> Option<&[Position]> {
        self.lexemes.get(lexeme).map(Vec::as_slice)
    }

    /// The lexemes that begin with a text.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [Position])> {
        self.lexemes
            .range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded))
            .take_while(move |(lexeme, _)| lexeme.starts_with(prefix))
            .map(|(lexeme, positions)| (lexeme.as_str(), positions.as_slice()))
    }

    /// `strip`: the lexemes alone.
    #[must_use]
    pub fn strip(mut self) -> TsVector {
        self.lexemes.values_mut().for_each(Vec::clear);
        self
    }

    /// `setweight`: the label of all positions, or of those of some lexemes.
    #[must_use]
    pub fn set_weight(mut self, weight: Weight, of: Option<&[String]>) -> TsVector {
        for (lexeme, positions) in &mut self.lexemes {
            if of.is_none_or(|chosen| chosen.contains(lexeme)) {
                positions.iter_mut().for_each(|position| position.weight = weight);
            }
        }
        self
    }

    /// `ts_filter`: only the positions with one of some labels, and only lexemes that have such.
    #[must_use]
    pub fn filter(mut self, weights: &[Weight]) -> TsVector {
        self.lexemes.retain(|_, positions| {
            positions.retain(|position| weights.contains(&position.weight));
            !positions.is_empty()
        });
        self
    }

    /// `ts_delete`: without some lexemes.
    #[must_use]
    pub fn delete(mut self, lexemes: &[String]) -> TsVector {
        lexemes.iter().for_each(|lexeme| {
            self.lexemes.remove(lexeme);
        });
        self
    }

    /// `a || b`: the positions of `b` follow those of `a`.
    pub fn concatenate(mut self, other: &TsVector) -> Result<TsVector> {
        let last = self.lexemes.values().flatten().map(|position| position.place).max().unwrap_or(0);
        for (lexeme, positions) in &other.lexemes {
            self.lexemes.entry(lexeme.clone()).or_default();
            for position in positions {
                let place = position.place.saturating_add(last).min(LAST_POSITION);
                self.add(lexeme.clone(), Some(Position { place, weight: position.weight }));
            }
        }
        self.checked()
    }
}

impl fmt::Display for TsVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (lexeme, positions)) in self.lexemes.iter().enumerate() {
            if at > 0 {
                f.write_char(' ')?;
            }
            write_quoted(f, lexeme)?;
            for (at, position) in positions.iter().enumerate() {
                f.write_char(if at == 0 { ':' } else { ',' })?;
                write!(f, "{}{}", position.place, position.weight.letter())?;
            }
        }
        Ok(())
    }
}

/// Writes a lexeme in quotes.
pub(crate) fn write_quoted(out: &mut impl Write, lexeme: &str) -> fmt::Result {
    out.write_char('\'')?;
    for character in lexeme.chars() {
        if matches!(character, '\'' | '\\') {
            out.write_char(character)?;
        }
        out.write_char(character)?;
    }
    out.write_char('\'')
}

/// Reads the text form.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn error(&self) -> Error {
        Error::syntax("tsvector", self.text)
    }

    /// The next lexeme, in quotes or without; `None` at the end.
    fn lexeme(&mut self) -> Result<Option<String>> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
        let mut lexeme = String::new();
        match self.peek() {
            None => return Ok(None),
            Some('\'') => {
                self.next();
                loop {
                    match self.next().ok_or_else(|| self.error())? {
                        '\'' if self.peek() == Some('\'') => lexeme.extend(self.next()),
                        '\'' => break,
                        '\\' => lexeme.push(self.next().ok_or_else(|| self.error())?),
                        character => lexeme.push(character),
                    }
                }
            }
            Some(':') => return Err(self.error()),
            Some(_) => {
                while let Some(character) = self.peek() {
                    match character {
                        ':' => break,
                        '\\' => {
                            self.next();
                            lexeme.push(self.next().ok_or_else(|| self.error())?);
                        }
                        character if character.is_whitespace() => break,
                        // A quote inside of a bare word is a part of it.
                        character => {
                            lexeme.push(character);
                            self.next();
                        }
                    }
                }
            }
        }
        if lexeme.is_empty() { Err(self.error()) } else { Ok(Some(lexeme)) }
    }

    /// The positions behind a lexeme: `:2A,4`.
    fn positions(&mut self) -> Result<Vec<Position>> {
        let mut positions = Vec::new();
        if self.peek() != Some(':') {
            return Ok(positions);
        }
        loop {
            self.next();
            let rest = &self.text[self.at..];
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Err(self.error());
            }
            let place = rest[..digits].parse::<u64>().unwrap_or(u64::MAX).min(LAST_POSITION.into()) as u16;
            if place == 0 {
                let message = format!("wrong position info in tsvector: \"{}\"", self.text);
                return Err(Error::new(ErrorKind::Syntax, message));
            }
            self.at += digits;
            let weight = self.peek().and_then(Weight::of);
            if weight.is_some() {
                self.next();
            }
            positions.push(Position { place, weight: weight.unwrap_or_default() });
            match self.peek() {
                Some(',') => {}
                None => return Ok(positions),
                Some(character) if character.is_whitespace() => return Ok(positions),
                Some(_) => return Err(self.error()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_read_back() {
        for (text, expected) in [
            ("a fat cat", "'a' 'cat' 'fat'"),
            ("fat:4,2A,2C 'it''s':1b x\\:y", "'fat':2A,4 'it''s':1B 'x:y'"),
            ("", ""),
            ("a:99999", "'a':16383"),
            ("'a\\\\b'", "'a\\\\b'"),
            ("a:1 a:2 a", "'a':1,2"),
            ("a'b", "'a''b'"),
        ] {
            let vector = TsVector::parse(text).expect(text);
            assert_eq!(vector.to_string(), expected, "{text}");
            assert_eq!(TsVector::parse(expected).as_ref(), Ok(&vector));
        }
        for text in ["'a", "''", ":1", "a:", "a:x", "a:0", "a:1,", "a\\"] {
            assert_eq!(TsVector::parse(text).expect_err(text).kind, ErrorKind::Syntax, "{text}");
        }
    }

    #[test]
    fn vectors_are_joined_one_behind_the_other() {
        let [a, b] = ["a:1 b:2A", "b:1 c:3"].map(|text| TsVector::parse(text).expect(text));
        assert_eq!(a.concatenate(&b).expect("short").to_string(), "'a':1 'b':2A,3 'c':5");
    }
}
