//! A GRAPH_TABLE among the tokens of a statement becomes the subquery that it stands for.

use datafusion::sql::sqlparser::ast::DollarQuotedString;
use datafusion::sql::sqlparser::keywords::RESERVED_FOR_TABLE_ALIAS;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};
use slipstream_engine::{Error, Result};
use slipstream_graph_language::lexer;

use super::{FUNCTION, GraphTable, LENGTH, is_word};
use crate::source::SourceText;
use crate::statement;
use crate::time_travel;

/// The tokens of a statement with a subquery in the place of every GRAPH_TABLE. `sql` is the text that they are from.
pub(crate) fn expand(sql: &str, tokens: Vec<TokenWithSpan>, source: &SourceText) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|token| is_word(&token.token, "GRAPH_TABLE")) {
        return Ok(tokens);
    }
    let mut expanded = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        match Call::at(&tokens, at, source)? {
            Some(call) => {
                expanded.extend(call.subquery(sql, source)?);
                at = call.close + 1;
            }
            None => {
                expanded.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    Ok(expanded)
}

/// `GRAPH_TABLE (...)`
struct Call<'t> {
    tokens: &'t [TokenWithSpan],
    /// The places of the word and of both parentheses.
    word: usize,
    open: usize,
    close: usize,
}

impl<'t> Call<'t> {
    /// The call that begins with a token.
    fn at(tokens: &'t [TokenWithSpan], word: usize, source: &SourceText) -> Result<Option<Self>> {
        let Some(after_name) = Self::after_name(tokens, word) else { return Ok(None) };
        let keyword = match time_travel::behind_name(tokens, after_name, source)? {
            Some((_, end)) => next(tokens, end),
            None => Some(after_name),
        };
        Ok(keyword.and_then(|keyword| Self::before(tokens, word, keyword)))
    }

    /// The token behind the name of the graph.
    fn after_name(tokens: &[TokenWithSpan], word: usize) -> Option<usize> {
        if !is_word(&tokens[word].token, "GRAPH_TABLE") {
            return None;
        }
        let open = next(tokens, word + 1).filter(|open| tokens[*open].token == Token::LParen)?;
        let graph = next(tokens, open + 1)?;
        let dot = next(tokens, graph + 1)?;
        match tokens[dot].token {
            Token::Period => next(tokens, next(tokens, dot + 1)? + 1),
            _ => Some(dot),
        }
    }

    /// The call whose pattern begins with a token.
    fn before(tokens: &'t [TokenWithSpan], word: usize, keyword: usize) -> Option<Self> {
        let open = next(tokens, word + 1)?;
        let mut depth = 0_usize;
        let close = tokens[open..].iter().position(|token| {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        is_word(&tokens[keyword].token, "MATCH").then_some(Call { tokens, word, open, close: open + close })
    }

    fn subquery(&self, sql: &str, source: &SourceText) -> Result<Vec<TokenWithSpan>> {
        let place = |location: Location| source.position(location.line, location.column).map_or(0, |place| place - 1);
        let (begins, ends) = (self.tokens[self.open].span.end, self.tokens[self.close].span.start);
        let start = place(begins);
        let text: String = sql.chars().take(place(ends)).skip(start).collect();
        let table = GraphTable::parse(&text).map_err(|error| shifted(error, start))?;
        // The user's own tokens of a stretch, which may have a GRAPH_TABLE in them.
        let stretch = |span: lexer::Span| {
            let within = |span: lexer::Span, token: &TokenWithSpan| {
                (start + span.start..start + span.end).contains(&place(token.span.start))
            };
            let mut own = Vec::new();
            for token in self.tokens[self.open + 1..self.close].iter().filter(|token| within(span, token)) {
                match table.lengths.iter().find(|(_, call)| within(*call, token)) {
                    None => own.push(token.clone()),
                    // The call becomes a column of the pattern.
                    Some((path, call)) if place(token.span.start) == start + call.start => {
                        let names =
                            [Token::make_word(path, Some('"')), Token::Period, Token::make_word(LENGTH, Some('"'))];
                        own.extend(names.into_iter().map(|name| TokenWithSpan::new(name, token.span)));
                    }
                    Some(_) => {}
                }
            }
            expand(sql, own, source)
        };
        let mut words = Words { at: self.tokens[self.word].span.start, tokens: Vec::new() };
        if table.lateral {
            words.keyword("LATERAL");
        }
        words.push(Token::LParen);
        words.keyword("SELECT");
        for (at, column) in table.columns.iter().enumerate() {
            if at > 0 {
                words.push(Token::Comma);
            }
            let own = stretch(column.span)?;
            self.check(&own, self.after(start + column.span.end, &place), source, |parser| {
                parser.parse_select_item().map(drop)
            })?;
            words.tokens.extend(own);
            if let Some(name) = &column.name {
                words.keyword("AS");
                words.push(Token::make_word(name, Some('"')));
            }
        }
        words.keyword("FROM");
        words.push(Token::make_word(FUNCTION, Some('"')));
        words.push(Token::LParen);
        words.tokens.push(TokenWithSpan::new(literal(text), Span::new(begins, begins)));
        words.push(Token::RParen);
        for (at, condition) in table.conditions.iter().enumerate() {
            words.keyword(if at == 0 { "WHERE" } else { "AND" });
            words.push(Token::LParen);
            let own = stretch(*condition)?;
            self.check(&own, self.after(start + condition.end, &place), source, |parser| {
                parser.parse_expr().map(drop)
            })?;
            words.tokens.extend(own);
            words.push(Token::RParen);
        }
        words.tokens.push(self.tokens[self.close].clone());
        if !self.has_alias() {
            // Columns of two of them may have one name.
            words.at = self.tokens[self.close].span.end;
            words.keyword("AS");
            words.push(Token::make_word(&format!("{FUNCTION} {start}"), Some('"')));
        }
        Ok(words.tokens)
    }

    /// The token that follows a stretch.
    fn after(&self, end: usize, place: &impl Fn(Location) -> usize) -> &'t TokenWithSpan {
        let rest = &self.tokens[self.open + 1..self.close];
        let next = rest.iter().find(|token| !is_blank(token) && place(token.span.start) >= end);
        next.unwrap_or(&self.tokens[self.close])
    }

    /// Refuses what does not parse. In a subquery in FROM the parser would not say where the error is.
    fn check(
        &self,
        own: &[TokenWithSpan],
        after: &TokenWithSpan,
        source: &SourceText,
        parse: fn(&mut Parser<'static>) -> std::result::Result<(), ParserError>,
    ) -> Result<()> {
        let mut tokens = own.to_vec();
        // Whatever it is, nothing may go on with it.
        tokens.push(TokenWithSpan::new(Token::RParen, after.span));
        let mut parser = statement::parser(tokens.clone());
        let parsed = parse(&mut parser);
        tokens.pop();
        tokens.push(after.clone());
        parsed.map_err(|error| statement::syntax_error(error, &tokens, source))?;
        let rest = parser.next_token();
        if rest.span.start == after.span.start { Ok(()) } else { Err(statement::near(&rest, source)) }
    }

    /// Whether the user has given it a name.
    fn has_alias(&self) -> bool {
        match next(self.tokens, self.close + 1).map(|at| &self.tokens[at].token) {
            Some(Token::Word(word)) => word.quote_style.is_some() || !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword),
            _ => false,
        }
    }
}

/// A string that is written as it is: a view keeps the text of its query.
fn literal(value: String) -> Token {
    let mut tag = "graph".to_string();
    while value.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    Token::DollarQuotedString(DollarQuotedString { value, tag: Some(tag) })
}

/// Tokens that all stand in one place.
struct Words {
    at: Location,
    tokens: Vec<TokenWithSpan>,
}

impl Words {
    fn push(&mut self, token: Token) {
        self.tokens.push(TokenWithSpan::new(token, Span::new(self.at, self.at)));
    }

    fn keyword(&mut self, keyword: &str) {
        self.push(Token::make_keyword(keyword));
    }
}

/// The place of the next token that is not white space.
fn next(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    let found = tokens.get(from..)?.iter().position(|token| !is_blank(token));
    found.map(|found| from + found)
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

/// Moves the place of an error from the text to the message around it.
fn shifted(error: Error, start: usize) -> Error {
    match error.position() {
        Some(position) => error.at(position + start),
        None => error.at(start + 1),
    }
}
