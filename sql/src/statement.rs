//! Text to statements: one message is tokenised once, split at its semicolons, and each part parsed.
//!
//! Cypher that stands by itself is cut out first, because it has other lexical rules ([`crate::bare_cypher`]).
//!
//! sqlparser does most of the rest. What it has no grammar for is taken first, from the same tokens: the property graph DDL of
//! SQL/PGQ goes to [`crate::pgq`], what begins and ends transactions to [`crate::transaction`], cursors to [`crate::cursor`],
//! PREPARE to [`crate::named`], and `cypher(...) AS (a agtype)` gets the alias that the grammar wants ([`crate::graph::relation`]
//! reads the column list). Positions in errors count characters of the whole message from 1, as Postgres does.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError, Word};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::bare_cypher::Masked;
use crate::cursor;
use crate::dml::syntax;
use crate::named::Prepare;
use crate::pgq::graph_table;
use crate::settings;
use crate::shorthands;
use crate::source::SourceText;
use crate::time_travel;
use crate::transaction::TransactionCommand;
use crate::unparsed;
use crate::words::Words;
use crate::{ddl, pgq};

/// How deep expressions and queries may nest.
const RECURSION_LIMIT: usize = 200;

/// The dialect of every statement.
pub(crate) const DIALECT: PostgreSqlDialect = PostgreSqlDialect {};

/// One parsed statement. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Statement(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    text: String,
    command: Command,
    source: Arc<SourceText>,
    /// The versions that it names, as the databases that stand for them.
    versions: BTreeSet<String>,
}

/// What a statement asks for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Nothing: no text, or only comments.
    Empty,
    /// Anything in sqlparser's grammar.
    Sql(Box<ast::Statement>),
    /// `CREATE PROPERTY GRAPH`, `DROP PROPERTY GRAPH`.
    PropertyGraph(Box<pgq::Statement>),
    /// `BEGIN`, `COMMIT`, `SAVEPOINT`, `SET TRANSACTION` and what else is about transactions.
    Transaction(TransactionCommand),
    /// `DECLARE`, `FETCH`, `MOVE`, `CLOSE`.
    Cursor(Box<cursor::Command>),
    /// `PREPARE`.
    Prepare(Box<Prepare>),
    /// Sequences, and what else sqlparser has no grammar for.
    Definition(Box<ddl::Statement>),
}

impl Statement {
    /// The statement's own text, without the semicolon.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether there is nothing to do: no text, or only comments.
    pub fn is_empty(&self) -> bool {
        matches!(self.0.command, Command::Empty)
    }

    /// Whether the statement ends a transaction block or goes back in it, so that it may run in a failed one.
    pub fn ends_transaction(&self) -> bool {
        match &self.0.command {
            Command::Transaction(command) => command.leaves_failed_block(),
            Command::Sql(_)
            | Command::Empty
            | Command::PropertyGraph(_)
            | Command::Cursor(_)
            | Command::Prepare(_)
            | Command::Definition(_) => false,
        }
    }

    /// No statement, for an expression that stands by itself.
    pub(crate) fn none() -> Statement {
        Statement::new(String::new(), Command::Empty, &Arc::new(SourceText::new("")))
    }

    fn new(text: String, command: Command, source: &Arc<SourceText>) -> Statement {
        let versions = match &command {
            Command::Sql(statement) => time_travel::keys(statement),
            _ => BTreeSet::new(),
        };
        Statement(Arc::new(Parsed { text, command, source: Arc::clone(source), versions }))
    }

    /// The versions that it names, as the databases that stand for them.
    pub(crate) fn versions(&self) -> &BTreeSet<String> {
        &self.0.versions
    }

    /// A statement about this one, whose text gives the places of errors.
    pub(crate) fn with_command(&self, sql: ast::Statement) -> Statement {
        Statement::new(sql.to_string(), Command::Sql(Box::new(sql)), &self.0.source)
    }

    pub(crate) fn command(&self) -> &Command {
        &self.0.command
    }

    pub(crate) fn source(&self) -> &Arc<SourceText> {
        &self.0.source
    }
}

/// Splits and parses a statement list. There is always at least one statement, if only an empty one.
pub(crate) fn parse(sql: &str) -> Result<Vec<Statement>> {
    let source = Arc::new(SourceText::new(sql));
    let masked = Masked::new(sql);
    let tokens = Tokenizer::new(&DIALECT, &masked.text)
        .tokenize_with_location()
        .map_err(|error| lexical_error(error, &source))?;
    let tokens = whole_operators(masked.expand(tokens));
    let mut statements = Vec::new();
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        if significant(part).is_some() {
            statements.push(one(sql, part, &source)?);
        }
    }
    if statements.is_empty() {
        statements.push(Statement::new(String::new(), Command::Empty, &source));
    }
    Ok(statements)
}

/// The statement that some of a text's tokens are: all up to a semicolon, or those after `PREPARE name AS`.
pub(crate) fn one(sql: &str, tokens: &[TokenWithSpan], source: &Arc<SourceText>) -> Result<Statement> {
    let text = significant(tokens).map(|span| slice(sql, source, span)).unwrap_or_default();
    Ok(Statement::new(text, command(sql, tokens, source)?, source))
}

/// Puts `<+>` together, which sqlparser takes apart after its first character.
fn whole_operators(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut whole: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let ([.., less, plus], Token::Gt) = (whole.as_slice(), &token.token)
            && (&less.token, &plus.token) == (&Token::Lt, &Token::Plus)
            && less.span.end == plus.span.start
            && plus.span.end == token.span.start
        {
            let span = Span::new(less.span.start, token.span.end);
            whole.truncate(whole.len() - 2);
            whole.push(TokenWithSpan::new(Token::CustomBinaryOperator("<+>".to_string()), span));
        } else {
            whole.push(token);
        }
    }
    whole
}

/// Parses the text of an expression, for a column default out of the catalog.
pub(crate) fn parse_expression(text: &str) -> Result<ast::Expr> {
    let source = SourceText::new(text);
    let tokens =
        Tokenizer::new(&DIALECT, text).tokenize_with_location().map_err(|error| lexical_error(error, &source))?;
    let tokens = whole_operators(tokens);
    let tokens = shorthands::expand(&tokens);
    parser(tokens.clone()).parse_expr().map_err(|error| syntax_error(error, &tokens, &source))
}

pub(crate) fn parser(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(RECURSION_LIMIT).with_tokens_with_locations(tokens)
}

fn command(sql: &str, tokens: &[TokenWithSpan], source: &Arc<SourceText>) -> Result<Command> {
    if pgq::is_statement(tokens) {
        return pgq::parse(sql, tokens).map(|statement| Command::PropertyGraph(Box::new(statement)));
    }
    let words = Words::new(tokens, source);
    if let Some(command) = TransactionCommand::parse(words.clone())? {
        return Ok(Command::Transaction(command));
    }
    if ddl::is_statement(&words) {
        return ddl::parse(tokens, source).map(|statement| Command::Definition(Box::new(statement)));
    }
    if let Some(reset) = settings::parse_reset(words.clone())? {
        return Ok(Command::Sql(Box::new(reset)));
    }
    if let Some(cursor) = cursor::parse(sql, words.clone())? {
        return Ok(Command::Cursor(Box::new(cursor)));
    }
    if let Some(prepare) = Prepare::parse(sql, words.clone())? {
        return Ok(Command::Prepare(Box::new(prepare)));
    }
    let (tokens, with_data) = without_data_clause(tokens);
    let tokens = graph_table::expand(sql, name_cypher_relations(&shorthands::expand(tokens)), source)?;
    let tokens = time_travel::expand(tokens, source)?;
    let (tokens, marks) = syntax::rewrite(&ddl::order_identity_options(tokens));
    let mut parser = parser(tokens.clone());
    let unparsed = |error| unparsed::not_supported(&words).unwrap_or_else(|| syntax_error(error, &tokens, source));
    let mut statement = parser.parse_statement().map_err(unparsed)?;
    if let (ast::Statement::CreateTable(ast::CreateTable { query: Some(query), .. }), false) =
        (&mut statement, with_data)
    {
        take_no_rows(query);
    }
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        return Err(near(&rest, source));
    }
    marks.attach(&mut statement);
    time_travel::diff::expand(&mut statement)?;
    Ok(Command::Sql(Box::new(statement)))
}

/// The span from the first to the last token that is not white space.
fn significant(tokens: &[TokenWithSpan]) -> Option<Span> {
    let mut words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF));
    let first = words.next()?;
    let last = words.next_back().unwrap_or(first);
    Some(Span::new(first.span.start, last.span.end))
}

fn slice(sql: &str, source: &SourceText, span: Span) -> String {
    let start = source.position(span.start.line, span.start.column).map_or(0, |position| position - 1);
    let end = source.position(span.end.line, span.end.column).map_or(usize::MAX, |position| position - 1);
    sql.chars().take(end).skip(start).collect()
}

/// Takes `WITH [NO] DATA` off the end of `CREATE TABLE ... AS ...`; sqlparser has no grammar for it. Says whether the table is
/// to be filled.
fn without_data_clause(tokens: &[TokenWithSpan]) -> (&[TokenWithSpan], bool) {
    let words: Vec<(usize, &Word)> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|(at, token)| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => (at, word),
            _ => (at, &NO_WORD),
        })
        .collect();
    let keyword = |position: usize| words[position].1.keyword;
    let creates = words.first().is_some_and(|(_, first)| first.keyword == Keyword::CREATE);
    let last = words.len();
    if !creates || last < 4 || keyword(last - 1) != Keyword::DATA {
        return (tokens, true);
    }
    match (keyword(last - 3), keyword(last - 2)) {
        (_, Keyword::WITH) => (&tokens[..words[last - 2].0], true),
        (Keyword::WITH, Keyword::NO) => (&tokens[..words[last - 3].0], false),
        _ => (tokens, true),
    }
}

/// Stands for a token that is no word.
static NO_WORD: Word = Word { value: String::new(), quote_style: None, keyword: Keyword::NoKeyword };

/// Limits a query to no rows, whatever it was limited to.
fn take_no_rows(query: &mut ast::Query) {
    let zero = ast::Expr::Value(ast::Value::Number("0".to_string(), false).with_empty_span());
    query.fetch = None;
    query.limit_clause = Some(ast::LimitClause::LimitOffset { limit: Some(zero), offset: None, limit_by: Vec::new() });
}

/// Gives `cypher(...) AS (...)` an alias, so that the grammar takes the column list.
fn name_cypher_relations(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut named = Vec::with_capacity(tokens.len() + 1);
    // For every open parenthesis, whether it holds the arguments of cypher().
    let mut open = Vec::new();
    // The last tokens that are not white space: is the latest `)` one of cypher()'s, has AS followed it?
    let (mut last_word_is_cypher, mut closed_cypher, mut wants_name) = (false, false, false);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => {}
            Token::LParen => {
                if wants_name {
                    named.push(TokenWithSpan::new(Token::Word(cypher_alias()), token.span));
                }
                open.push(last_word_is_cypher);
                (last_word_is_cypher, closed_cypher, wants_name) = (false, false, false);
            }
            Token::RParen => {
                closed_cypher = open.pop().unwrap_or(false);
                (last_word_is_cypher, wants_name) = (false, false);
            }
            Token::Word(word) => {
                wants_name = closed_cypher && word.keyword == Keyword::AS;
                closed_cypher = false;
                last_word_is_cypher = word.quote_style.is_none() && word.value.eq_ignore_ascii_case("cypher");
            }
            _ => (last_word_is_cypher, closed_cypher, wants_name) = (false, false, false),
        }
        named.push(token.clone());
    }
    named
}

fn cypher_alias() -> Word {
    Word { value: "cypher".to_string(), quote_style: None, keyword: Keyword::NoKeyword }
}

fn lexical_error(error: TokenizerError, source: &SourceText) -> Error {
    let message = error.message.trim_end_matches('.');
    let mut rest = message.chars();
    let message = rest.next().map(|first| first.to_lowercase().chain(rest).collect::<String>()).unwrap_or_default();
    source.point(Error::new(ErrorKind::Syntax, message), error.location.line, error.location.column)
}

/// sqlparser appends the place to its message; the token there is what Postgres names.
pub(crate) fn syntax_error(error: ParserError, tokens: &[TokenWithSpan], source: &SourceText) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::new(ErrorKind::TooComplex, "statement is too deeply nested")
                .with_detail(format!("Expressions and queries may nest {RECURSION_LIMIT} deep."));
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, location) = split_location(&message);
    let Some(location) = location else {
        if message.contains("found: EOF") {
            return at_end(tokens, source, Some(message));
        }
        return Error::new(ErrorKind::Syntax, message);
    };
    let token = tokens.iter().find(|token| token.span.start == location && token.token != Token::EOF);
    match token {
        Some(token) => near(token, source).with_detail(detail(message)),
        None => at_end(tokens, source, Some(message)),
    }
}

pub(crate) fn near(token: &TokenWithSpan, source: &SourceText) -> Error {
    let error = Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{}\"", token.token));
    source.point(error, token.span.start.line, token.span.start.column)
}

fn at_end(tokens: &[TokenWithSpan], source: &SourceText, message: Option<&str>) -> Error {
    let mut error = Error::new(ErrorKind::Syntax, "syntax error at end of input");
    if let Some(message) = message {
        error = error.with_detail(detail(message));
    }
    match significant(tokens) {
        Some(span) => source.point(error, span.end.line, span.end.column),
        None => error,
    }
}

fn detail(message: &str) -> String {
    format!("{}.", message.trim_end_matches('.'))
}

/// Takes `... at Line: 1, Column: 8` apart.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let location = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? }));
    (text, location)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sql: &str) -> (String, Option<usize>) {
        let error = parse(sql).expect_err(sql);
        (error.message().to_string(), error.position())
    }

    #[test]
    fn a_list_is_split_outside_of_quotes() {
        let statements = parse("select ';' ; -- nothing\n; select $$;$$ as \"a;b\" ;").expect("parses");
        let texts: Vec<_> = statements.iter().map(Statement::text).collect();
        assert_eq!(texts, ["select ';'", "select $$;$$ as \"a;b\""]);
    }

    #[test]
    fn comments_alone_are_one_empty_statement() {
        let statements = parse("  -- nothing\n ; ").expect("parses");
        assert!(matches!(&statements[..], [only] if only.is_empty()));
    }

    #[test]
    fn syntax_errors_point_at_the_token() {
        assert_eq!(error("select 1; selekt 2"), ("syntax error at or near \"selekt\"".into(), Some(11)));
        assert_eq!(error("select * form t"), ("syntax error at or near \"t\"".into(), Some(15)));
        assert_eq!(error("select 1 +"), ("syntax error at end of input".into(), Some(11)));
    }

    #[test]
    fn cypher_takes_a_column_list_without_an_alias() {
        for sql in [
            "select * from cypher('g', $$ match (a) return a $$) as (a agtype, b int)",
            "select * from ag_catalog.cypher('g', $$ x $$) as r(a agtype)",
            "with cypher as (select 1) select * from cypher",
        ] {
            parse(sql).expect(sql);
        }
    }

    #[test]
    fn vector_operators_parse() {
        for operator in ["<->", "<=>", "<#>", "<+>", "<~>", "<%>"] {
            let sql = format!("select * from t order by e {operator} '[1,2]' limit 3");
            parse(&sql).expect(&sql);
        }
    }
}
