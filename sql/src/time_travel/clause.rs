//! The version clause, which sqlparser either does not know or reads and drops: taken out of the tokens before it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Value, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use slipstream_engine::{Error, Result};

use super::key::{Key, PATH};
use crate::source::SourceText;
use crate::statement::{near, parser, syntax_error};

/// Words that can stand before the name of a table, and are no name in front of an alias.
const BEFORE_A_TABLE: [Keyword; 11] = [
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::INTO,
    Keyword::UPDATE,
    Keyword::TABLE,
    Keyword::ONLY,
    Keyword::USING,
    Keyword::LATERAL,
    Keyword::COPY,
    Keyword::MERGE,
    Keyword::DELETE,
];

/// A version clause among tokens.
struct Clause {
    key: Key,
    /// The place behind its last token.
    end: usize,
}

/// Takes the version clauses out of a statement's tokens and puts them into the names of the tables.
pub(crate) fn expand(tokens: Vec<TokenWithSpan>, source: &SourceText) -> Result<Vec<TokenWithSpan>> {
    let begins = |token: &TokenWithSpan| is_word(&token.token, "VERSION") || is_word(&token.token, "SYSTEM_TIME");
    if !tokens.iter().any(begins) {
        return Ok(tokens);
    }
    let mut expanded: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut at = 0;
    while at < tokens.len() {
        match Clause::at(&tokens, at, source)? {
            Some(clause) => {
                let named = put_into_name(&mut expanded, &clause.key).ok_or_else(|| near(&tokens[at], source))?;
                at = clause.end;
                if let Some(name) = named
                    && !alias_follows(&tokens[at..])
                {
                    let word = |token: Token| TokenWithSpan::new(token, name.span);
                    let blank = Token::Whitespace(datafusion::sql::sqlparser::tokenizer::Whitespace::Space);
                    expanded.extend([word(blank.clone()), word(Token::make_keyword("AS")), word(blank), name]);
                }
            }
            None => {
                expanded.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    Ok(expanded)
}

/// The version clause behind the name of a graph, and the place behind it. `place` is that of the token after the name.
pub(crate) fn behind_name(tokens: &[TokenWithSpan], place: usize, source: &SourceText) -> Result<Option<(Key, usize)>> {
    Ok(Clause::at(tokens, place, source)?.map(|clause| (clause.key, clause.end)))
}

impl Clause {
    /// The clause that begins with a token.
    fn at(tokens: &[TokenWithSpan], at: usize, source: &SourceText) -> Result<Option<Self>> {
        let Some(after) = words(tokens, at, &["VERSION", "AS", "OF"]) else {
            return Self::system_time(tokens, at, source);
        };
        let Some(value) = next(tokens, after) else { return Ok(None) };
        let key = match &tokens[value].token {
            Token::Number(number, _) => Key::number(number),
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => Key::text(text),
            Token::Placeholder(_) => Err(no_parameters()),
            _ => return Ok(None),
        };
        let place = tokens[value].span.start;
        let key = key.map_err(|error| source.point(error, place.line, place.column))?;
        Ok(Some(Clause { key, end: value + 1 }))
    }

    fn system_time(tokens: &[TokenWithSpan], at: usize, source: &SourceText) -> Result<Option<Self>> {
        let Some(after) = words(tokens, at, &["FOR", "SYSTEM_TIME", "AS", "OF"]) else { return Ok(None) };
        let rest = &tokens[after..];
        let mut parser = parser(rest.to_vec());
        let expression = parser.parse_expr().map_err(|error| syntax_error(error, tokens, source))?;
        let place = tokens[at].span.start;
        if has_parameters(&expression) {
            return Err(source.point(no_parameters(), place.line, place.column));
        }
        // What the parser has not read begins with the token that it shows next.
        let unread = parser.peek_token();
        let read = rest.iter().position(|token| token.span == unread.span && token.token == unread.token);
        let end = after + read.filter(|_| unread.token != Token::EOF).unwrap_or(rest.len());
        Ok(Some(Clause { key: Key::Time(expression.to_string()), end }))
    }
}

/// Gives the table name at the end of some tokens, in front of an alias or not, the database of a key. Gives the name where it has
/// no alias; `None` where there is no table name.
fn put_into_name(tokens: &mut Vec<TokenWithSpan>, key: &Key) -> Option<Option<TokenWithSpan>> {
    let last = previous(tokens, tokens.len())?;
    let mut name = name_that_ends(tokens, last)?;
    let mut aliased = false;
    if name.start == last
        && let Some(before) = previous(tokens, last)
    {
        let before = match tokens[before].token {
            Token::Word(ref word) if word.quote_style.is_none() && word.keyword == Keyword::AS => {
                previous(tokens, before)
            }
            _ => Some(before),
        };
        if let Some(before) = before
            && is_name(&tokens[before].token)
        {
            (name, aliased) = (name_that_ends(tokens, before)?, true);
        } else if before.is_none_or(|before| before + 1 < last && is_as(tokens, before, last)) {
            return None;
        }
    }
    if name.parts > 2 {
        return None;
    }
    let span = tokens[name.start].span;
    let mut words = vec![key.database()];
    words.extend((name.parts == 1).then(|| PATH.to_string()));
    let words = words.into_iter().flat_map(|word| [Token::make_word(&word, Some('"')), Token::Period]);
    let table = tokens[name.end].clone();
    tokens.splice(name.start..name.start, words.map(|token| TokenWithSpan::new(token, span)));
    Some((!aliased).then_some(table))
}

/// Whether AS stands between two tokens.
fn is_as(tokens: &[TokenWithSpan], from: usize, to: usize) -> bool {
    tokens[from + 1..to].iter().any(|token| is_word(&token.token, "AS"))
}

/// A dotted name among tokens.
struct Name {
    start: usize,
    end: usize,
    parts: usize,
}

fn name_that_ends(tokens: &[TokenWithSpan], end: usize) -> Option<Name> {
    let Token::Word(_) = tokens[end].token else { return None };
    let (mut start, mut parts) = (end, 1);
    while let Some(dot) = previous(tokens, start)
        && tokens[dot].token == Token::Period
    {
        start = previous(tokens, dot).filter(|before| matches!(tokens[*before].token, Token::Word(_)))?;
        parts += 1;
    }
    Some(Name { start, end, parts })
}

/// Whether a token is the name of a table, or the end of one, rather than a word of the grammar.
fn is_name(token: &Token) -> bool {
    let is_grammar =
        |word: &Word| BEFORE_A_TABLE.contains(&word.keyword) || RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword);
    matches!(token, Token::Word(word) if word.quote_style.is_some() || !is_grammar(word))
}

fn alias_follows(tokens: &[TokenWithSpan]) -> bool {
    next(tokens, 0).is_some_and(|at| is_word(&tokens[at].token, "AS") || is_name(&tokens[at].token))
}

/// The place behind some words, if they come next.
fn words(tokens: &[TokenWithSpan], at: usize, wanted: &[&str]) -> Option<usize> {
    let mut place = at;
    for (number, word) in wanted.iter().enumerate() {
        let found = if number == 0 { Some(place) } else { next(tokens, place) };
        let found = found.filter(|found| tokens.get(*found).is_some_and(|token| is_word(&token.token, word)))?;
        place = found + 1;
    }
    Some(place)
}

fn is_word(token: &Token, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

fn is_blank(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

fn next(tokens: &[TokenWithSpan], from: usize) -> Option<usize> {
    (from..tokens.len()).find(|at| !is_blank(&tokens[*at]))
}

fn previous(tokens: &[TokenWithSpan], before: usize) -> Option<usize> {
    (0..before).rev().find(|at| !is_blank(&tokens[*at]))
}

fn has_parameters(expression: &Expr) -> bool {
    struct Parameters;
    impl Visitor for Parameters {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expression.visit(&mut Parameters).is_break()
}

fn no_parameters() -> Error {
    Error::not_supported("a parameter in a version clause is not supported")
        .with_detail("A table may have had other columns, so the version must be known when the statement is planned.")
        .with_hint("Write the version into the statement, or SET slipstream.as_of.")
}

#[cfg(test)]
mod tests {
    use crate::statement::{Command, parse};

    fn written(sql: &str) -> String {
        match parse(sql).expect(sql)[0].command() {
            Command::Sql(statement) => statement.to_string(),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn the_clause_stands_before_or_behind_the_alias() {
        for (sql, expected) in [
            ("select * from t version as of 5", "SELECT * FROM \"?as of #5\".\"?path\".t AS t"),
            ("select * from t version as of 5 a", "SELECT * FROM \"?as of #5\".\"?path\".t a"),
            ("select * from t a version as of 5", "SELECT * FROM \"?as of #5\".\"?path\".t a"),
            ("select * from s.t as a version as of 'x' where true", "SELECT * FROM \"?as of 'x\".s.t AS a WHERE true"),
            (
                "select * from a, b version as of 7 join c on true",
                "SELECT * FROM a, \"?as of #7\".\"?path\".b AS b JOIN c ON true",
            ),
            ("select (select 1 from t version as of 5)", "SELECT (SELECT 1 FROM \"?as of #5\".\"?path\".t AS t)"),
            ("table t version as of 5", "SELECT * FROM \"?as of #5\".\"?path\".t AS t"),
            (
                "select * from t for system_time as of now() - '1 h'::interval as u for update",
                "SELECT * FROM \"?as of @now() - '1 h'::INTERVAL\".\"?path\".t AS u FOR UPDATE",
            ),
            ("select version as of from t", "SELECT version AS of FROM t"),
            ("select * from t version", "SELECT * FROM t version"),
        ] {
            assert_eq!(written(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_clause_that_nothing_takes_is_an_error() {
        for sql in [
            "select * from (select 1) version as of 5",
            "select * from generate_series(1, 2) version as of 5",
            "select * from t version as of 5 version as of 6",
            "select * from t version as of now()",
            "select * from t version as of -1",
            "select * from t version as of $1",
            "select * from t for system_time as of $1",
            "select * from t for system_time as of",
            "select * from a.b.c version as of 5",
            "select 1 version as of 5",
        ] {
            parse(sql).expect_err(sql);
        }
    }
}
