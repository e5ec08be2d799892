//! A cursor over sqlparser's tokens, for the statements whose grammar is our own.

use std::sync::Arc;

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::source::SourceText;

/// The tokens of a statement without its white space, and how far they have been read.
#[derive(Clone)]
pub(crate) struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
    pub(crate) source: &'a Arc<SourceText>,
}

impl<'a> Words<'a> {
    /// A cursor before the first token; `source` is the text that the tokens' places are in.
    pub(crate) fn new(tokens: &'a [TokenWithSpan], source: &'a Arc<SourceText>) -> Self {
        Words { tokens, at: 0, source }
    }

    /// The next token, which is not taken.
    pub(crate) fn peek(&self) -> Option<&'a Token> {
        self.rest().first().map(|token| &token.token)
    }

    /// Everything from the next token on.
    pub(crate) fn rest(&self) -> &'a [TokenWithSpan] {
        let blanks = self.tokens[self.at..].iter().take_while(|token| is_blank(token)).count();
        &self.tokens[self.at + blanks..]
    }

    /// Takes the next token.
    pub(crate) fn take(&mut self) -> Option<&'a Token> {
        let rest = self.rest();
        self.at = self.tokens.len() - rest.len() + usize::from(!rest.is_empty());
        rest.first().map(|token| &token.token)
    }

    /// Takes the next token if it is this word. Quoted names are not words.
    pub(crate) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(next))
            if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word));
        if found {
            self.take();
        }
        found
    }

    /// Takes the next tokens if they are these words.
    pub(crate) fn words(&mut self, words: &[&str]) -> bool {
        let start = self.at;
        let found = words.iter().all(|word| self.word(word));
        if !found {
            self.at = start;
        }
        found
    }

    /// Takes the next token if it is this symbol.
    pub(crate) fn symbol(&mut self, symbol: &Token) -> bool {
        let found = self.peek() == Some(symbol);
        if found {
            self.take();
        }
        found
    }

    /// Takes the word that must come next.
    pub(crate) fn expect(&mut self, word: &str) -> Result<()> {
        if self.word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes the name that must come next, folded to lower case unless it is quoted.
    pub(crate) fn name(&mut self) -> Result<String> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected()) };
        self.take();
        Ok(if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() })
    }

    /// Takes the string that must come next.
    pub(crate) fn string(&mut self) -> Result<String> {
        let Some(Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text)) = self.peek() else {
            return Err(self.unexpected());
        };
        self.take();
        Ok(text.clone())
    }

    /// Insists that there is nothing more.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for a token that cannot come next.
    pub(crate) fn unexpected(&self) -> Error {
        let (message, place) = match self.rest().first() {
            Some(next) => (format!("syntax error at or near \"{}\"", next.token), Some(next.span.start)),
            None => {
                let last = self.tokens.iter().rev().find(|token| !is_blank(token));
                ("syntax error at end of input".to_string(), last.map(|token| token.span.end))
            }
        };
        let error = Error::new(ErrorKind::Syntax, message);
        match place {
            Some(place) => self.source.point(error, place.line, place.column),
            None => error,
        }
    }
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}
