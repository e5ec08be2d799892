//! Cypher text to tokens.
//!
//! Words are not sorted into keywords and names here: Cypher reserves little, so the parser decides by position. Arrows
//! are not tokens either, because `a<-1` is a comparison and `(a)<-[r]-(b)` a pattern: `<`, `-` and `>` come singly.

use slipstream_engine::{Error, ErrorKind, Result};

/// A stretch of the text, in characters from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First character.
    pub start: usize,
    /// One after the last.
    pub end: usize,
}

impl Span {
    /// The stretch from here to the end of `other`.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start, end: other.end.max(self.end) }
    }

    /// Where an error about this stretch points: its first character, counted from 1.
    pub fn position(self) -> usize {
        self.start + 1
    }
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenKind {
    /// A keyword or a name.
    Word(String),
    /// A name in backticks.
    Quoted(String),
    /// A whole number.
    Integer(i64),
    /// One more than the largest whole number: an operand of unary minus only.
    IntegerBound,
    /// A number with a fraction or an exponent.
    Float(f64),
    /// A string, its escapes read.
    String(String),
    /// `$name` or `$1`, without the sign.
    Parameter(String),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// Longer symbols first, so that `<=` is not read as `<`.
const SYMBOLS: &[&str] = &[
    "<>", "!=", "<=", ">=", "=~", "..", "+=", "(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "|", "+", "-", "*",
    "/", "%", "^", "=", "<", ">", "&", "!",
];

/// All tokens of `text`, an [`TokenKind::End`] last.
pub fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer { characters: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks()?;
        let start = lexer.at;
        let kind = lexer.token()?;
        let done = kind == TokenKind::End;
        tokens.push(Token { kind, span: Span { start, end: lexer.at } });
        if done {
            return Ok(tokens);
        }
    }
}

struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.characters.get(self.at + ahead).copied()
    }

    fn starts_with(&self, symbol: &str) -> bool {
        symbol.chars().enumerate().all(|(ahead, character)| self.peek_at(ahead) == Some(character))
    }

    /// Reads characters while they are wanted.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.characters[start..self.at].iter().collect()
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.take_while(char::is_whitespace);
            if self.starts_with("//") {
                self.take_while(|character| character != '\n');
            } else if self.starts_with("/*") {
                self.skip_block_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    fn skip_block_comment(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 2;
        while !self.starts_with("*/") {
            if self.peek().is_none() {
                return Err(error_at(start, "unterminated /* comment"));
            }
            self.at += 1;
        }
        self.at += 2;
        Ok(())
    }

    fn token(&mut self) -> Result<TokenKind> {
        let Some(first) = self.peek() else { return Ok(TokenKind::End) };
        match first {
            '\'' | '"' => self.string(first),
            '`' => self.quoted_name(),
            '$' => self.parameter(),
            _ if first.is_ascii_digit() => self.number(),
            '.' if self.peek_at(1).is_some_and(|next| next.is_ascii_digit()) => self.number(),
            _ if first.is_alphabetic() || first == '_' => Ok(TokenKind::Word(self.take_while(is_name_part))),
            _ => self.symbol(first),
        }
    }

    fn symbol(&mut self, first: char) -> Result<TokenKind> {
        let Some(symbol) = SYMBOLS.iter().copied().find(|symbol| self.starts_with(symbol)) else {
            return Err(error_at(self.at, format!("syntax error at or near \"{first}\"")));
        };
        self.at += symbol.len();
        Ok(TokenKind::Symbol(symbol))
    }

    fn quoted_name(&mut self) -> Result<TokenKind> {
        let start = self.at;
        self.at += 1;
        let mut name = String::new();
        loop {
            name.push_str(&self.take_while(|character| character != '`'));
            if self.peek().is_none() {
                return Err(error_at(start, "unterminated quoted name"));
            }
            self.at += 1;
            if self.peek() != Some('`') {
                break;
            }
            name.push('`');
            self.at += 1;
        }
        if name.is_empty() {
            return Err(error_at(start, "zero-length quoted name"));
        }
        Ok(TokenKind::Quoted(name))
    }

    fn parameter(&mut self) -> Result<TokenKind> {
        let start = self.at;
        self.at += 1;
        if self.peek() == Some('`') {
            return Ok(match self.quoted_name()? {
                TokenKind::Quoted(name) => TokenKind::Parameter(name),
                other => other,
            });
        }
        let name = self.take_while(is_name_part);
        let digits = name.bytes().all(|byte| byte.is_ascii_digit());
        if name.is_empty() || (!digits && name.starts_with(|first: char| first.is_numeric())) {
            return Err(error_at(start, "syntax error at or near \"$\": expected the name of a parameter"));
        }
        Ok(TokenKind::Parameter(name))
    }

    fn number(&mut self) -> Result<TokenKind> {
        let start = self.at;
        let kind = match (self.peek(), self.peek_at(1)) {
            (Some('0'), Some('x' | 'X')) => self.radix(16)?,
            (Some('0'), Some('o' | 'O')) => self.radix(8)?,
            _ => self.decimal()?,
        };
        if self.peek().is_some_and(is_name_part) {
            return Err(error_at(start, "trailing junk after numeric literal"));
        }
        Ok(kind)
    }

    fn radix(&mut self, radix: u32) -> Result<TokenKind> {
        let start = self.at;
        self.at += 2;
        let digits = self.take_while(|character| character.is_ascii_alphanumeric());
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return Err(error_at(start, "invalid numeric literal"));
        }
        whole(u64::from_str_radix(&digits, radix).ok(), start)
    }

    fn decimal(&mut self) -> Result<TokenKind> {
        let start = self.at;
        let digit = |character: char| character.is_ascii_digit();
        self.take_while(digit);
        let mut whole = true;
        if self.peek() == Some('.') && self.peek_at(1).is_some_and(digit) {
            whole = false;
            self.at += 1;
            self.take_while(digit);
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek_at(1), Some('-' | '+')));
            if self.peek_at(1 + sign).is_some_and(digit) {
                whole = false;
                self.at += 1 + sign;
                self.take_while(digit);
            }
        }
        let text: String = self.characters[start..self.at].iter().collect();
        if whole {
            return self::whole(text.parse().ok(), start);
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(TokenKind::Float(value)),
            _ => Err(out_of_range(start)),
        }
    }

    fn string(&mut self, quote: char) -> Result<TokenKind> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            value.push_str(&self.take_while(|character| character != quote && character != '\\'));
            match self.peek() {
                None => return Err(error_at(start, "unterminated quoted string")),
                Some('\\') => value.push(self.escape()?),
                Some(_) => {
                    self.at += 1;
                    return Ok(TokenKind::String(value));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let start = self.at;
        self.at += 1;
        let Some(code) = self.peek() else { return Err(error_at(start, "unterminated quoted string")) };
        self.at += 1;
        Ok(match code {
            '\\' | '\'' | '"' | '`' => code,
            'b' | 'B' => '\u{8}',
            'f' | 'F' => '\u{c}',
            'n' | 'N' => '\n',
            'r' | 'R' => '\r',
            't' | 'T' => '\t',
            'u' => self.code_point(start, 4)?,
            'U' => self.code_point(start, 8)?,
            _ => return Err(error_at(start, format!("invalid escape \"\\{code}\" in a string"))),
        })
    }

    fn code_point(&mut self, start: usize, digits: usize) -> Result<char> {
        let text: String = self.characters[self.at..].iter().take(digits).collect();
        let point = (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok()).flatten();
        self.at += digits.min(text.chars().count());
        match point.and_then(char::from_u32) {
            Some('\0') | None => {
                Err(Error::new(ErrorKind::InvalidEncoding, "invalid Unicode escape in a string").at(start + 1))
            }
            Some(character) => Ok(character),
        }
    }
}

/// A whole number, where it is one.
fn whole(value: Option<u64>, start: usize) -> Result<TokenKind> {
    match value {
        Some(value) if value == i64::MIN.unsigned_abs() => Ok(TokenKind::IntegerBound),
        Some(value) => i64::try_from(value).map(TokenKind::Integer).map_err(|_| out_of_range(start)),
        None => Err(out_of_range(start)),
    }
}

fn is_name_part(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn error_at(at: usize, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Syntax, message).at(at + 1)
}

fn out_of_range(at: usize) -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "number out of range").at(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let mut kinds: Vec<_> = tokenize(text).unwrap().into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    #[test]
    fn ranges_are_not_read_as_fractions() {
        use TokenKind::{Float, Integer, Symbol};
        assert_eq!(kinds("*1..3"), [Symbol("*"), Integer(1), Symbol(".."), Integer(3)]);
        assert_eq!(kinds("1.5 .5 2e3 0x1F 0o17"), [Float(1.5), Float(0.5), Float(2000.0), Integer(31), Integer(15)]);
    }

    #[test]
    fn strings_read_their_escapes() {
        assert_eq!(
            kinds(r#" 'a\'b\u00e9\n' "x'y" "#),
            [TokenKind::String("a'bé\n".to_string()), TokenKind::String("x'y".to_string())]
        );
    }

    #[test]
    fn names_parameters_and_comments() {
        assert_eq!(
            kinds("näme /* x */ `a``b` // end\n $x $1"),
            [
                TokenKind::Word("näme".to_string()),
                TokenKind::Quoted("a`b".to_string()),
                TokenKind::Parameter("x".to_string()),
                TokenKind::Parameter("1".to_string()),
            ]
        );
    }

    #[test]
    fn broken_tokens_are_errors_that_point_at_them() {
        for (text, position, kind) in [
            ("a 'x", 3, ErrorKind::Syntax),
            ("a ` ", 3, ErrorKind::Syntax),
            ("/* ", 1, ErrorKind::Syntax),
            ("é ~", 3, ErrorKind::Syntax),
            ("$ a", 1, ErrorKind::Syntax),
            ("12ab", 1, ErrorKind::Syntax),
            (r"'\q'", 2, ErrorKind::Syntax),
            (r"'\u00'", 2, ErrorKind::InvalidEncoding),
            (r"'\u0000'", 2, ErrorKind::InvalidEncoding),
            ("9223372036854775809", 1, ErrorKind::NumericOutOfRange),
            ("1e999", 1, ErrorKind::NumericOutOfRange),
        ] {
            let error = tokenize(text).unwrap_err();
            assert_eq!((error.kind(), error.position()), (kind, Some(position)), "{text}: {error}");
        }
    }
}
