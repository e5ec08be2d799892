//! Statements that sqlparser has no grammar for, or too narrow a one.
//!
//! Sequences take their options in any order. ALTER of a view, and of a table's schema or of a column's identity, is not
//! known to it at all, and neither is REINDEX. VACUUM and ANALYZE have options that mean nothing here: the store keeps itself in order.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};
use slipstream_engine::catalog::Identity;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::sequence::{self, SequenceOptions};
use super::{index, table, view};
use crate::planner::Planning;
use crate::planner::names::Tables;
use crate::source::SourceText;
use crate::words::Words;

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    CreateSequence {
        name: ObjectName,
        if_not_exists: bool,
        options: SequenceOptions,
    },
    AlterSequence {
        name: ObjectName,
        if_exists: bool,
        change: SequenceChange,
    },
    AlterView {
        name: ObjectName,
        if_exists: bool,
        schema: Option<String>,
        new_name: Option<String>,
    },
    SetTableSchema {
        name: ObjectName,
        if_exists: bool,
        schema: String,
    },
    ChangeIdentity {
        name: ObjectName,
        if_exists: bool,
        column: String,
        changes: Vec<IdentityChange>,
    },
    /// VACUUM of these tables, or of all.
    Vacuum(Vec<ObjectName>),
    /// ANALYZE of these tables, or of all.
    Analyze(Vec<ObjectName>),
    Reindex {
        target: ReindexTarget,
        concurrently: bool,
    },
    /// DROP INDEX CONCURRENTLY.
    DropIndex {
        names: Vec<ObjectName>,
        if_exists: bool,
    },
}

/// Whose indexes REINDEX builds anew.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReindexTarget {
    Index(ObjectName),
    Table(ObjectName),
    Schema(String),
    /// All of them.
    Database,
}

/// What ALTER SEQUENCE does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SequenceChange {
    Options(SequenceOptions),
    Rename(String),
    Schema(String),
    /// OWNER TO the one role.
    Owner(Ident),
}

/// What ALTER COLUMN does to an identity, or to what generates a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum IdentityChange {
    Drop { if_exists: bool },
    Generated(Identity),
    DropExpression { if_exists: bool },
    Restart(Option<i64>),
}

impl Statement {
    /// The name of a statement that changes the catalog; `None` for the others.
    pub(super) fn command_name(&self) -> Option<&'static str> {
        Some(match self {
            Statement::CreateSequence { .. } => "CREATE SEQUENCE",
            Statement::AlterSequence { .. } => "ALTER SEQUENCE",
            Statement::AlterView { .. } => "ALTER VIEW",
            Statement::SetTableSchema { .. } | Statement::ChangeIdentity { .. } => "ALTER TABLE",
            Statement::DropIndex { .. } => "DROP INDEX",
            Statement::Vacuum(_) | Statement::Analyze(_) | Statement::Reindex { .. } => return None,
        })
    }
}

/// What a statement changes.
pub(super) async fn definition(planning: &Planning<'_>, statement: &Statement) -> Result<Definition> {
    match statement {
        Statement::CreateSequence { name, if_not_exists, options } => {
            sequence::create_sequence(planning, name, *if_not_exists, options)
        }
        Statement::AlterSequence { name, if_exists, change } => match change {
            SequenceChange::Options(options) => sequence::alter_sequence(planning, name, *if_exists, options),
            SequenceChange::Rename(to) => sequence::move_sequence(planning, name, *if_exists, None, Some(to)),
            SequenceChange::Schema(to) => sequence::move_sequence(planning, name, *if_exists, Some(to), None),
            SequenceChange::Owner(role) => {
                super::schema::check_owner(role)?;
                sequence::alter_sequence(planning, name, *if_exists, &SequenceOptions::default())
            }
        },
        Statement::AlterView { name, if_exists, schema, new_name } => {
            view::move_view(planning, name, *if_exists, schema.as_deref(), new_name.as_deref())
        }
        Statement::SetTableSchema { name, if_exists, schema } => table::set_schema(planning, name, *if_exists, schema),
        Statement::ChangeIdentity { name, if_exists, column, changes } => {
            table::change_identity(planning, name, *if_exists, column, changes).await
        }
        Statement::DropIndex { names, if_exists } => {
            let definition = index::drop_index(planning, names, *if_exists, false)?;
            Ok(Definition { alone: Some("DROP INDEX CONCURRENTLY"), ..definition })
        }
        Statement::Vacuum(_) | Statement::Analyze(_) | Statement::Reindex { .. } => {
            Err(Error::internal("upkeep is not a definition"))
        }
    }
}

/// Whether a statement looks after tables rather than changing the catalog.
pub(crate) fn is_upkeep(statement: &Statement) -> bool {
    matches!(statement, Statement::Vacuum(_) | Statement::Analyze(_) | Statement::Reindex { .. })
}

/// VACUUM and ANALYZE: the tables must be there. Gives the command tag.
pub(crate) fn upkeep(tables: &Tables, statement: &Statement) -> Result<&'static str> {
    let (names, tag) = match statement {
        Statement::Vacuum(names) => (names, "VACUUM"),
        Statement::Analyze(names) => (names, "ANALYZE"),
        _ => return Err(Error::internal("a definition is not upkeep")),
    };
    names.iter().try_for_each(|name| tables.written(name).map(drop))?;
    Ok(tag)
}

/// Whether a statement is one of these.
pub(crate) fn is_statement(words: &Words<'_>) -> bool {
    let mut words = words.clone();
    ["vacuum", "analyze", "analyse", "reindex"].iter().any(|word| words.word(word)) || begins(&mut words)
}

fn begins(words: &mut Words<'_>) -> bool {
    if words.words(&["create", "sequence"]) || words.words(&["alter", "sequence"]) {
        return true;
    }
    if words.words(&["alter", "view"]) || words.words(&["drop", "index", "concurrently"]) {
        return true;
    }
    if !words.words(&["alter", "table"]) {
        return false;
    }
    words.words(&["if", "exists"]);
    words.word("only");
    if object_name(words).is_err() {
        return false;
    }
    words.words(&["set", "schema"]) || identity_column(words).is_some()
}

/// The column whose identity changes, after ALTER.
fn identity_column(words: &mut Words<'_>) -> Option<String> {
    if !words.word("alter") {
        return None;
    }
    words.word("column");
    let column = words.name().ok()?;
    let mut ahead = words.clone();
    let changes = ahead.words(&["drop", "identity"]) || ahead.words(&["set", "generated"]) || ahead.word("restart");
    let changes = changes || ahead.words(&["drop", "expression"]);
    changes.then_some(column)
}

/// Parses a statement for which [`is_statement`] holds.
pub(crate) fn parse(tokens: &[TokenWithSpan], source: &Arc<SourceText>) -> Result<Statement> {
    let mut words = Words::new(tokens, source);
    let statement = statement(&mut words)?;
    words.end()?;
    Ok(statement)
}

fn statement(words: &mut Words<'_>) -> Result<Statement> {
    if words.word("vacuum") {
        return vacuum(words);
    }
    if words.word("analyze") || words.word("analyse") {
        words.word("verbose");
        skip_parenthesized(words)?;
        return Ok(Statement::Analyze(tables(words)?));
    }
    if words.word("reindex") {
        return reindex(words);
    }
    if words.words(&["drop", "index", "concurrently"]) {
        let if_exists = words.words(&["if", "exists"]);
        let names = tables(words)?;
        words.word("restrict");
        return if names.is_empty() { Err(words.unexpected()) } else { Ok(Statement::DropIndex { names, if_exists }) };
    }
    if words.words(&["create", "sequence"]) {
        let if_not_exists = words.words(&["if", "not", "exists"]);
        let name = object_name(words)?;
        return Ok(Statement::CreateSequence { name, if_not_exists, options: options(words, false)? });
    }
    words.expect("alter")?;
    if words.word("sequence") {
        let if_exists = words.words(&["if", "exists"]);
        let name = object_name(words)?;
        return Ok(Statement::AlterSequence { name, if_exists, change: sequence_change(words)? });
    }
    if words.word("view") {
        return alter_view(words);
    }
    words.expect("table")?;
    let if_exists = words.words(&["if", "exists"]);
    words.word("only");
    let name = object_name(words)?;
    if words.words(&["set", "schema"]) {
        return Ok(Statement::SetTableSchema { name, if_exists, schema: words.name()? });
    }
    let Some(column) = identity_column(words) else { return Err(words.unexpected()) };
    let mut changes = vec![identity_change(words)?];
    while words.peek().is_some() {
        changes.push(identity_change(words)?);
    }
    Ok(Statement::ChangeIdentity { name, if_exists, column, changes })
}

fn vacuum(words: &mut Words<'_>) -> Result<Statement> {
    skip_parenthesized(words)?;
    while ["full", "freeze", "verbose", "analyze", "analyse"].iter().any(|word| words.word(word)) {}
    Ok(Statement::Vacuum(tables(words)?))
}

fn reindex(words: &mut Words<'_>) -> Result<Statement> {
    // VERBOSE, CONCURRENTLY and TABLESPACE in parentheses: nothing waits for a build anyway.
    skip_parenthesized(words)?;
    let what = words.name()?;
    let concurrently = words.word("concurrently");
    let target = match what.as_str() {
        "index" => ReindexTarget::Index(object_name(words)?),
        "table" => ReindexTarget::Table(object_name(words)?),
        "schema" => ReindexTarget::Schema(words.name()?),
        "database" | "system" => {
            if words.peek().is_some() {
                words.name()?;
            }
            ReindexTarget::Database
        }
        _ => return Err(Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{what}\""))),
    };
    Ok(Statement::Reindex { target, concurrently })
}

/// Options in parentheses, or columns after a table.
fn skip_parenthesized(words: &mut Words<'_>) -> Result<()> {
    if !words.symbol(&Token::LParen) {
        return Ok(());
    }
    while !words.symbol(&Token::RParen) {
        if words.take().is_none() {
            return Err(words.unexpected());
        }
    }
    Ok(())
}

fn tables(words: &mut Words<'_>) -> Result<Vec<ObjectName>> {
    let mut tables = Vec::new();
    while words.peek().is_some() {
        tables.push(object_name(words)?);
        skip_parenthesized(words)?;
        if !words.symbol(&Token::Comma) {
            break;
        }
    }
    Ok(tables)
}

fn alter_view(words: &mut Words<'_>) -> Result<Statement> {
    let if_exists = words.words(&["if", "exists"]);
    let name = object_name(words)?;
    if words.words(&["rename", "to"]) {
        let new_name = Some(words.name()?);
        return Ok(Statement::AlterView { name, if_exists, schema: None, new_name });
    }
    if words.words(&["set", "schema"]) {
        let schema = Some(words.name()?);
        return Ok(Statement::AlterView { name, if_exists, schema, new_name: None });
    }
    Err(Error::not_supported("this form of ALTER VIEW is not supported yet"))
}

fn identity_change(words: &mut Words<'_>) -> Result<IdentityChange> {
    if words.words(&["drop", "identity"]) {
        return Ok(IdentityChange::Drop { if_exists: words.words(&["if", "exists"]) });
    }
    if words.words(&["drop", "expression"]) {
        return Ok(IdentityChange::DropExpression { if_exists: words.words(&["if", "exists"]) });
    }
    if words.words(&["set", "generated"]) {
        if words.word("always") {
            return Ok(IdentityChange::Generated(Identity::Always));
        }
        words.expect("by")?;
        words.expect("default")?;
        return Ok(IdentityChange::Generated(Identity::ByDefault));
    }
    words.expect("restart")?;
    Ok(IdentityChange::Restart(restart(words)?))
}

fn sequence_change(words: &mut Words<'_>) -> Result<SequenceChange> {
    if words.words(&["rename", "to"]) {
        return Ok(SequenceChange::Rename(words.name()?));
    }
    if words.words(&["set", "schema"]) {
        return Ok(SequenceChange::Schema(words.name()?));
    }
    if words.words(&["owner", "to"]) {
        return Ok(SequenceChange::Owner(Ident::with_quote('"', words.name()?)));
    }
    if words.peek().is_none() {
        return Err(words.unexpected());
    }
    Ok(SequenceChange::Options(options(words, true)?))
}

fn options(words: &mut Words<'_>, alter: bool) -> Result<SequenceOptions> {
    let mut options = SequenceOptions::default();
    while words.peek().is_some() {
        let again = if words.word("as") {
            options.sql_type.replace(sequence_type(words)?).is_some()
        } else if words.word("increment") {
            words.word("by");
            options.increment.replace(number(words)?).is_some()
        } else if words.words(&["no", "minvalue"]) {
            options.min.replace(None).is_some()
        } else if words.word("minvalue") {
            options.min.replace(Some(number(words)?)).is_some()
        } else if words.words(&["no", "maxvalue"]) {
            options.max.replace(None).is_some()
        } else if words.word("maxvalue") {
            options.max.replace(Some(number(words)?)).is_some()
        } else if words.word("start") {
            words.word("with");
            options.start.replace(number(words)?).is_some()
        } else if words.word("cache") {
            // Values are reserved in runs, whatever the size of the cache.
            number(words)?;
            false
        } else if words.words(&["no", "cycle"]) {
            options.cycle.replace(false).is_some()
        } else if words.word("cycle") {
            options.cycle.replace(true).is_some()
        } else if alter && words.word("restart") {
            options.restart.replace(restart(words)?).is_some()
        } else if words.words(&["owned", "by"]) {
            let owner = if words.word("none") { None } else { Some(object_name(words)?) };
            options.owned_by.replace(owner).is_some()
        } else {
            return Err(words.unexpected());
        };
        if again {
            return Err(Error::new(ErrorKind::Syntax, "conflicting or redundant options"));
        }
    }
    Ok(options)
}

fn restart(words: &mut Words<'_>) -> Result<Option<i64>> {
    let with = words.word("with");
    let is_number = matches!(words.peek(), Some(Token::Number(..) | Token::Minus | Token::Plus));
    if with || is_number { number(words).map(Some) } else { Ok(None) }
}

fn sequence_type(words: &mut Words<'_>) -> Result<SqlType> {
    match words.name()?.as_str() {
        "smallint" | "int2" => Ok(SqlType::SmallInt),
        "integer" | "int" | "int4" => Ok(SqlType::Integer),
        "bigint" | "int8" => Ok(SqlType::BigInt),
        _ => Err(Error::new(ErrorKind::InvalidParameter, "sequence type must be smallint, integer, or bigint")),
    }
}

fn number(words: &mut Words<'_>) -> Result<i64> {
    let negative = words.symbol(&Token::Minus);
    if !negative {
        words.symbol(&Token::Plus);
    }
    let Some(Token::Number(digits, _)) = words.peek() else { return Err(words.unexpected()) };
    words.take();
    let text = if negative { format!("-{digits}") } else { digits.clone() };
    text.parse().map_err(|_| {
        Error::new(ErrorKind::NumericOutOfRange, format!("value \"{text}\" is out of range for type bigint"))
    })
}

/// A name with or without its schema.
fn object_name(words: &mut Words<'_>) -> Result<ObjectName> {
    let mut parts = vec![Ident::with_quote('"', words.name()?)];
    while words.symbol(&Token::Period) {
        parts.push(Ident::with_quote('"', words.name()?));
    }
    Ok(ObjectName::from(parts))
}

/// Puts the options in `AS IDENTITY (...)` into the order that sqlparser wants.
pub(crate) fn order_identity_options(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut ordered = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter();
    while let Some(token) = rest.next() {
        let is_identity =
            matches!(&token.token, Token::Word(Word { keyword: Keyword::IDENTITY, quote_style: None, .. }));
        ordered.push(token);
        if !is_identity {
            continue;
        }
        let mut inside = false;
        let mut options = Vec::new();
        for token in rest.by_ref() {
            match &token.token {
                Token::Whitespace(_) if !inside => ordered.push(token),
                Token::LParen if !inside => {
                    inside = true;
                    ordered.push(token);
                }
                Token::RParen if inside => {
                    ordered.extend(in_order(std::mem::take(&mut options)));
                    ordered.push(token);
                    break;
                }
                _ if inside => options.push(token),
                _ => {
                    ordered.push(token);
                    break;
                }
            }
        }
        ordered.extend(options);
    }
    ordered
}

fn in_order(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut options: Vec<(usize, Vec<TokenWithSpan>)> = vec![(0, Vec::new())];
    let mut negated = false;
    for token in tokens {
        if let Token::Word(word) = &token.token {
            let rank = ["increment", "minvalue", "maxvalue", "start", "cache", "cycle"]
                .iter()
                .position(|option| word.value.eq_ignore_ascii_case(option));
            let is_no = word.value.eq_ignore_ascii_case("no");
            match (rank, negated, options.last_mut()) {
                // NO has begun the option already.
                (Some(rank), true, Some(last)) => last.0 = rank + 1,
                (Some(rank), _, _) => options.push((rank + 1, Vec::new())),
                (None, _, _) if is_no => options.push((0, Vec::new())),
                _ => {}
            }
            negated = is_no;
        }
        if let Some((_, option)) = options.last_mut() {
            option.push(token);
        }
    }
    options.sort_by_key(|(rank, _)| *rank);
    options.into_iter().flat_map(|(_, option)| option).collect()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;
    use crate::statement::DIALECT;

    fn parsed(sql: &str) -> Result<Statement> {
        let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().expect(sql);
        let source = Arc::new(SourceText::new(sql));
        assert!(is_statement(&Words::new(&tokens, &source)), "{sql}");
        parse(&tokens, &source)
    }

    #[test]
    fn options_of_a_sequence_come_in_any_order() {
        let Ok(Statement::CreateSequence { options, .. }) = parsed(
            "create sequence if not exists s.\"S\" start 5 cache 3 increment -2 no maxvalue cycle owned by none",
        ) else {
            panic!("not a sequence");
        };
        assert_eq!((options.start, options.increment, options.max), (Some(5), Some(-2), Some(None)));
        assert_eq!((options.cycle, options.owned_by), (Some(true), Some(None)));
    }

    #[test]
    fn what_is_said_twice_or_is_no_option_is_an_error() {
        for sql in ["create sequence s start 1 start 2", "create sequence s sideways", "alter sequence s", "vacuum t u"]
        {
            assert_eq!(parsed(sql).expect_err(sql).kind(), ErrorKind::Syntax, "{sql}");
        }
    }

    #[test]
    fn tables_keep_their_own_grammar() {
        for sql in ["alter table t add column a int", "alter table t alter column a set not null"] {
            let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().expect(sql);
            let source = Arc::new(SourceText::new(sql));
            assert!(!is_statement(&Words::new(&tokens, &source)), "{sql}");
        }
        parsed("alter table if exists only s.t set schema u").expect("a schema");
        parsed("alter table t alter a set generated by default restart with 7").expect("an identity");
        parsed("vacuum (analyze, verbose) t, s.u (a)").expect("upkeep");
    }

    #[test]
    fn identity_options_are_put_in_order() {
        let sql = "generated always as identity (start with 5 no maxvalue increment by 2), b int";
        let tokens = Tokenizer::new(&DIALECT, sql).tokenize_with_location().expect(sql);
        let text: String = order_identity_options(tokens).iter().map(|token| token.token.to_string()).collect();
        assert_eq!(text, "generated always as identity (increment by 2no maxvalue start with 5 ), b int");
    }
}
