//! The tokens of a GRAPH_TABLE, with its symbols taken apart: SQL's tokenizer sees operators where a pattern has arrows.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::lexer::Span;
use slipstream_graph_language::syntax::Name;

use super::{Property, is_word, name_of};
use crate::source::SourceText;
use crate::time_travel::{self, Key};

/// The characters that patterns are drawn with.
const SYMBOLS: &str = "()[]{}<>-~*+?|&!%,:=./";

/// What a piece is.
#[derive(Debug, Clone)]
enum Kind<'t> {
    /// One character.
    Symbol(char),
    /// Anything else.
    Token(&'t Token),
}

/// A piece and where it stands, in characters from 0.
#[derive(Debug, Clone)]
struct Piece<'t> {
    kind: Kind<'t>,
    span: Span,
}

/// How a column is called.
pub(super) enum ColumnName {
    /// As it says behind AS.
    Given(String),
    /// Like the property that it is.
    Property(String),
    /// Like the properties that `*` stands for.
    All,
    /// It is an expression without a name.
    Missing,
}

/// The pieces of a text, and how far they have been read.
pub(super) struct Pieces<'t> {
    pieces: Vec<Piece<'t>>,
    at: usize,
    end: usize,
}

impl<'t> Pieces<'t> {
    pub(super) fn new(tokens: &'t [TokenWithSpan], source: &SourceText, end: usize) -> Self {
        let place = |line, column| source.position(line, column).map_or(end, |position| position - 1);
        let mut pieces = Vec::with_capacity(tokens.len());
        for token in tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)) {
            let start = place(token.span.start.line, token.span.start.column);
            let span = Span { start, end: place(token.span.end.line, token.span.end.column) };
            match symbols(&token.token) {
                Some(text) => pieces.extend(text.chars().enumerate().map(|(ahead, symbol)| Piece {
                    kind: Kind::Symbol(symbol),
                    span: Span { start: start + ahead, end: start + ahead + 1 },
                })),
                None => pieces.push(Piece { kind: Kind::Token(&token.token), span }),
            }
        }
        Pieces { pieces, at: 0, end }
    }

    fn peek(&self, ahead: usize) -> Option<&Piece<'t>> {
        self.pieces.get(self.at + ahead)
    }

    /// Takes a version clause, if one comes next.
    pub(super) fn version(&mut self, tokens: &[TokenWithSpan], source: &SourceText) -> Result<Option<Key>> {
        let begins = |token: &TokenWithSpan| {
            source.position(token.span.start.line, token.span.start.column) == Some(self.span().start + 1)
        };
        let Some(at) = tokens.iter().position(begins) else { return Ok(None) };
        let Some((key, end)) = time_travel::behind_name(tokens, at, source)? else { return Ok(None) };
        let read = tokens[at..end].iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
        self.at += read.map(|token| symbols(&token.token).map_or(1, |text| text.chars().count())).sum::<usize>();
        Ok(Some(key))
    }

    /// Where the next piece stands.
    pub(super) fn span(&self) -> Span {
        self.peek(0).map_or(Span { start: self.end, end: self.end }, |piece| piece.span)
    }

    /// The stretch from `start` to the end of the last piece taken.
    pub(super) fn span_from(&self, start: Span) -> Span {
        self.at.checked_sub(1).map_or(start, |last| start.to(self.pieces[last].span))
    }

    pub(super) fn at_symbol(&self, symbol: char) -> bool {
        self.symbol_ahead(0) == Some(symbol)
    }

    /// Whether the piece after some others is this symbol.
    pub(super) fn is_symbol_ahead(&self, ahead: usize, symbol: char) -> bool {
        self.symbol_ahead(ahead) == Some(symbol)
    }

    /// The symbol that comes after some others.
    pub(super) fn symbol_ahead(&self, ahead: usize) -> Option<char> {
        match self.peek(ahead)?.kind {
            Kind::Symbol(symbol) => Some(symbol),
            Kind::Token(_) => None,
        }
    }

    /// Takes the next piece if it is this symbol.
    pub(super) fn symbol(&mut self, symbol: char) -> bool {
        let found = self.at_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes the next pieces if they are these symbols, with nothing between them.
    pub(super) fn symbols(&mut self, symbols: &str) -> bool {
        let wanted = || symbols.chars().enumerate();
        let adjacent = |ahead: usize| {
            ahead == 0
                || matches!((self.peek(ahead - 1), self.peek(ahead)), (Some(a), Some(b)) if a.span.end == b.span.start)
        };
        let found = wanted().all(|(ahead, symbol)| self.symbol_ahead(ahead) == Some(symbol) && adjacent(ahead));
        self.at += if found { symbols.len() } else { 0 };
        found
    }

    fn word_ahead(&self, ahead: usize) -> Option<&'t Word> {
        match self.peek(ahead)?.kind {
            Kind::Token(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// Whether the piece after some others is this word, without quotes.
    pub(super) fn is_word_ahead(&self, ahead: usize, wanted: &str) -> bool {
        self.word_ahead(ahead).is_some_and(|word| word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    }

    pub(super) fn at_word(&self, word: &str) -> bool {
        self.is_word_ahead(0, word)
    }

    /// Takes the next piece if it is this word.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    /// Takes the next piece if it is one of these words.
    pub(super) fn any_word(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(word))
    }

    /// Takes the word that must come next.
    pub(super) fn expect(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.expected(word)) }
    }

    /// Takes the symbol that must come next.
    pub(super) fn expect_symbol(&mut self, symbol: char) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("\"{symbol}\""))) }
    }

    /// Takes the name that must come next, folded unless it is quoted.
    pub(super) fn name(&mut self, what: &str) -> Result<Name> {
        let Some(word) = self.word_ahead(0) else { return Err(self.expected(what)) };
        let name = Name { text: folded(word), span: self.span() };
        self.at += 1;
        Ok(name)
    }

    /// Whether a name comes next, and it is none of these words.
    pub(super) fn at_name(&self, but: &[&str]) -> bool {
        self.word_ahead(0).is_some() && !but.iter().any(|word| self.at_word(word))
    }

    /// Takes a whole number.
    pub(super) fn number(&mut self) -> Result<Option<u32>> {
        let Some(Piece { kind: Kind::Token(Token::Number(digits, _)), .. }) = self.peek(0) else { return Ok(None) };
        let number = digits.parse().map_err(|_| self.expected("a whole number"))?;
        self.at += 1;
        Ok(Some(number))
    }

    /// Takes everything up to one of these words, or the parenthesis that closes what is around it.
    pub(super) fn until(&mut self, words: &[&str], what: &str) -> Result<Span> {
        let property = |pieces: &Self| pieces.at > 0 && is_symbol(&pieces.pieces[pieces.at - 1], '.');
        self.stretch(what, |pieces| words.iter().any(|word| pieces.at_word(word)) && !property(pieces))
    }

    /// Takes everything up to a comma, or the parenthesis that closes what is around it.
    pub(super) fn item(&mut self, what: &str) -> Result<Span> {
        self.stretch(what, |pieces| pieces.at_symbol(','))
    }

    fn stretch(&mut self, what: &str, ends: impl Fn(&Self) -> bool) -> Result<Span> {
        let start = self.span();
        let first = self.at;
        let mut open = 0_usize;
        while self.peek(0).is_some() {
            match self.symbol_ahead(0) {
                Some('(' | '[' | '{') => open += 1,
                Some(')' | ']' | '}') if open == 0 => break,
                Some(')' | ']' | '}') => open -= 1,
                _ if open == 0 && ends(self) => break,
                _ => {}
            }
            self.at += 1;
        }
        if self.at == first { Err(self.expected(what)) } else { Ok(self.span_from(start)) }
    }

    /// Insists that there is nothing more.
    pub(super) fn end(&self) -> Result<()> {
        if self.peek(0).is_none() { Ok(()) } else { Err(self.expected("\")\"")) }
    }

    /// The syntax error at the next piece.
    pub(super) fn expected(&self, what: &str) -> Error {
        let place = match self.peek(0).map(|piece| &piece.kind) {
            Some(Kind::Symbol(symbol)) => format!("at or near \"{symbol}\""),
            Some(Kind::Token(token)) => format!("at or near \"{token}\""),
            None => "at or near \")\"".to_string(),
        };
        Error::new(ErrorKind::Syntax, format!("syntax error {place}: expected {what}")).at(self.span().position())
    }

    /// The error for something of the standard that is not done, at the next piece.
    pub(super) fn refused(&self, what: &str) -> Error {
        Error::not_supported(format!("{what} not supported")).at(self.span().position())
    }

    fn within(&self, span: Span) -> &[Piece<'t>] {
        let from = self.pieces.partition_point(|piece| piece.span.start < span.start);
        let to = self.pieces.partition_point(|piece| piece.span.start < span.end);
        &self.pieces[from..to]
    }

    /// The name of a column.
    pub(super) fn column_name(&self, column: Span) -> ColumnName {
        match self.within(column) {
            [owner, dot, property] if is_name(owner) && is_symbol(dot, '.') => match &property.kind {
                Kind::Symbol('*') => ColumnName::All,
                Kind::Token(token) => name_of(token).map_or(ColumnName::Missing, ColumnName::Property),
                Kind::Symbol(_) => ColumnName::Missing,
            },
            [.., word, name] if matches!(word.kind, Kind::Token(token) if is_word(token, "AS")) => match &name.kind {
                Kind::Token(token) => name_of(token).map_or(ColumnName::Missing, ColumnName::Given),
                Kind::Symbol(_) => ColumnName::Missing,
            },
            _ => ColumnName::Missing,
        }
    }

    /// Whether there is a subquery in a stretch.
    pub(super) fn has_subquery(&self, span: Span) -> bool {
        self.within(span).iter().any(|piece| match piece.kind {
            Kind::Token(token) => is_word(token, "SELECT") || is_word(token, "GRAPH_TABLE"),
            Kind::Symbol(_) => false,
        })
    }

    /// The calls `PATH_LENGTH(path)` in a stretch: the name of the path, and where the call stands.
    pub(super) fn path_lengths(&self, span: Span) -> Vec<(String, Span)> {
        let calls = self.within(span).windows(4).filter_map(|call| match call {
            [function, open, path, close]
                if is_symbol(open, '(')
                    && is_symbol(close, ')')
                    && matches!(function.kind, Kind::Token(token) if is_word(token, "PATH_LENGTH")) =>
            {
                match path.kind {
                    Kind::Token(token) => Some((name_of(token)?, function.span.to(close.span))),
                    Kind::Symbol(_) => None,
                }
            }
            _ => None,
        });
        calls.collect()
    }

    /// Where a stretch says `owner.property`, or `owner.*`.
    pub(super) fn properties(&self, span: Span) -> Vec<Property> {
        let pieces = self.within(span);
        let mut found = Vec::new();
        for at in 0..pieces.len().saturating_sub(2) {
            let [owner, dot, property] = &pieces[at..at + 3] else { continue };
            let begins = at == 0 || !is_symbol(&pieces[at - 1], '.');
            let calls = pieces.get(at + 3).is_some_and(|next| is_symbol(next, '('));
            if !begins || calls || !is_symbol(dot, '.') {
                continue;
            }
            let Kind::Token(owner) = owner.kind else { continue };
            let name = match property.kind {
                Kind::Token(name) => name_of(name),
                Kind::Symbol('*') => None,
                Kind::Symbol(_) => continue,
            };
            found.extend(name_of(owner).map(|variable| Property { variable, name, span: property.span }));
        }
        found
    }
}

/// The characters of a token that is nothing but symbols.
fn symbols(token: &Token) -> Option<String> {
    match token {
        Token::Word(_)
        | Token::Number(..)
        | Token::Char(_)
        | Token::SingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::Placeholder(_) => None,
        other => {
            let text = other.to_string();
            text.chars().all(|character| SYMBOLS.contains(character)).then_some(text)
        }
    }
}

fn is_name(piece: &Piece<'_>) -> bool {
    matches!(piece.kind, Kind::Token(Token::Word(_)))
}

fn is_symbol(piece: &Piece<'_>, symbol: char) -> bool {
    matches!(piece.kind, Kind::Symbol(other) if other == symbol)
}

/// A name as SQL reads it.
pub(super) fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}
