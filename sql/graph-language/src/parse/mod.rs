//! Tokens to the syntax tree, by recursive descent.
//!
//! The grammar is openCypher 9's, with what its dialects agree on: expressions over labels, conditions inside an element,
//! `EXISTS { }` and `COUNT { }`. What Cypher has and this database has not is recognised where it starts and refused there
//! by name, so that nobody is told of a syntax error in correct Cypher. What the grammar's own text leaves to words (which
//! clause may follow which, what CREATE can make) is checked here too, as it needs no tables. Patterns and expressions are
//! files of their own because SQL/PGQ's `MATCH` shares them.
//!
//! Where one bracket can begin several things, a look ahead over tokens decides, and nothing is parsed twice: what nests
//! would take time that doubles with every level.

mod atom;
mod clause;
mod collection;
mod expression;
mod label;
mod lookahead;
mod pattern;
#[cfg(test)]
mod tests;
mod write;

use slipstream_engine::{Error, ErrorKind, Result};

use super::lexer::{Span, Token, TokenKind, tokenize};
use super::syntax::{MAX_DEPTH, Name, Query, too_complex};

/// Words that are no variable's name unless quoted: an operand that is missing would otherwise be read as one of them.
const RESERVED: &[&str] = &[
    "AND",
    "AS",
    "ASC",
    "ASCENDING",
    "BY",
    "CALL",
    "CASE",
    "CONTAINS",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCENDING",
    "DETACH",
    "DISTINCT",
    "ELSE",
    "END",
    "ENDS",
    "EXISTS",
    "FALSE",
    "IN",
    "IS",
    "LIMIT",
    "MATCH",
    "MERGE",
    "NOT",
    "NULL",
    "ON",
    "OPTIONAL",
    "OR",
    "ORDER",
    "REMOVE",
    "RETURN",
    "SET",
    "SKIP",
    "STARTS",
    "THEN",
    "TRUE",
    "UNION",
    "UNWIND",
    "WHEN",
    "WHERE",
    "WITH",
    "XOR",
    "YIELD",
];

/// How many clauses a query may have, those of its subqueries among them. Every one is planned over those before it.
pub const MAX_CLAUSES: usize = 500;

/// How many levels of nesting a pattern or subquery inside an expression counts for: there is much more on the stack.
const PATTERN_LEVELS: usize = 4;

/// How many nodes and relationships the patterns of a query may have in all.
pub const MAX_ELEMENTS: usize = 10_000;

/// Parses a query. Errors point into `text`, in characters from 1.
pub fn parse(text: &str) -> Result<Query> {
    let mut parser = Parser {
        characters: text.chars().collect(),
        tokens: tokenize(text)?,
        at: 0,
        nesting: 0,
        bar_ends: false,
        clauses: 0,
        elements: 0,
    };
    parser.whole_query()
}

/// The parameters that `text` names, each once, in order.
pub fn parameters(text: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for token in tokenize(text)? {
        if let TokenKind::Parameter(name) = token.kind
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    Ok(names)
}

struct Parser {
    characters: Vec<char>,
    tokens: Vec<Token>,
    at: usize,
    /// How many expressions are open.
    nesting: usize,
    /// Whether `|` ends the expression that is open: it is in the brackets of a comprehension.
    bar_ends: bool,
    /// How many clauses there were.
    clauses: usize,
    /// How many nodes and relationships there were.
    elements: usize,
}

impl Parser {
    /// Parses a pattern or subquery inside an expression.
    fn in_expression<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.nesting + PATTERN_LEVELS > MAX_DEPTH {
            return Err(too_complex(self.span()));
        }
        self.nesting += PATTERN_LEVELS - 1;
        let parsed = inner(self);
        self.nesting -= PATTERN_LEVELS - 1;
        parsed
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn token_at(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn span(&self) -> Span {
        self.token().span
    }

    /// The stretch from `start` to the end of the last token taken.
    fn span_from(&self, start: Span) -> Span {
        match self.at.checked_sub(1) {
            Some(last) => start.to(self.tokens[last].span),
            None => start,
        }
    }

    /// Goes on to the next token; the end is never passed.
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.token_at_is_symbol(0, symbol)
    }

    fn token_at_is_symbol(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.token_at(ahead).kind, TokenKind::Symbol(other) if other == symbol)
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        self.token_at_is_keyword(0, keyword)
    }

    fn token_at_is_keyword(&self, ahead: usize, keyword: &str) -> bool {
        matches!(&self.token_at(ahead).kind, TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.at_symbol(symbol);
        if found {
            self.advance();
        }
        found
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(format!("\"{symbol}\""))) }
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<()> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// A name, quoted or not.
    fn name(&mut self, what: &str) -> Result<Name> {
        let text = match &self.token().kind {
            TokenKind::Word(word) => word.clone(),
            TokenKind::Quoted(name) => name.clone(),
            _ => return Err(self.expected(what)),
        };
        let span = self.span();
        self.advance();
        Ok(Name { text, span })
    }

    /// The name of a variable: not a reserved word, unless quoted.
    fn variable(&mut self) -> Result<Name> {
        if self.at_reserved() { Err(self.expected("a variable")) } else { self.name("a variable") }
    }

    fn at_reserved(&self) -> bool {
        matches!(&self.token().kind, TokenKind::Word(word) if is_reserved(word))
    }

    fn at_variable(&self) -> bool {
        self.variable_at(0)
    }

    fn variable_at(&self, ahead: usize) -> bool {
        match &self.token_at(ahead).kind {
            TokenKind::Word(word) => !is_reserved(word),
            TokenKind::Quoted(_) => true,
            _ => false,
        }
    }

    /// Counts one more of something that is limited; `54001` where there are too many.
    fn count(&self, so_far: usize, most: usize, what: &str) -> Result<usize> {
        if so_far >= most {
            return Err(Error::new(ErrorKind::TooComplex, format!("query has too many {what}"))
                .with_detail(format!("A query may have {most} {what}."))
                .at(self.span().position()));
        }
        Ok(so_far + 1)
    }

    /// The text of a stretch, as it was written.
    fn text(&self, span: Span) -> String {
        self.characters[span.start..span.end].iter().collect()
    }

    /// The syntax error at the current token.
    fn expected(&self, what: impl AsRef<str>) -> Error {
        let place = match self.token().kind {
            TokenKind::End => "at end of input".to_string(),
            _ => format!("at or near \"{}\"", self.text(self.span())),
        };
        Error::new(ErrorKind::Syntax, format!("syntax error {place}: expected {}", what.as_ref()))
            .at(self.span().position())
    }

    /// The error for something that is correct Cypher and not done here, at the current token.
    fn refused(&self, what: impl AsRef<str>) -> Error {
        Error::not_supported(format!("{} not supported", what.as_ref())).at(self.span().position())
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}
