//! The statements about transactions: what they say, and their grammar.
//!
//! sqlparser has most of them, without ABORT, DEFERRABLE and two-phase commit, and takes words of other databases that
//! Postgres does not know. All are read here, from the same tokens.

use datafusion::sql::sqlparser::tokenizer::Token;
use slipstream_engine::Result;

use crate::words::Words;

/// A statement about transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransactionCommand {
    /// `BEGIN`, `START TRANSACTION`, with the tag that it answers.
    Begin(Vec<Mode>, &'static str),
    /// `COMMIT`, `END`
    Commit {
        /// Whether another transaction with the same modes begins at once.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`
    Rollback {
        /// Whether another transaction with the same modes begins at once.
        chain: bool,
    },
    /// `SAVEPOINT name`
    Savepoint(String),
    /// `ROLLBACK TO name`
    RollbackTo(String),
    /// `RELEASE name`
    Release(String),
    /// `SET TRANSACTION`
    Set(Vec<Mode>),
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`
    SetDefault(Vec<Mode>),
    /// `SET TRANSACTION SNAPSHOT`, with the snapshot.
    SetSnapshot(String),
    /// `SET CONSTRAINTS`, with the first name that it has; `None` for ALL.
    SetConstraints(Option<String>),
    /// `PREPARE TRANSACTION`
    Prepare,
    /// `COMMIT PREPARED`, `ROLLBACK PREPARED`, by name.
    Prepared(&'static str),
}

/// A mode of a transaction: the setting that keeps it, without its prefix, and its value.
pub(crate) type Mode = (&'static str, &'static str);

impl TransactionCommand {
    /// Whether it is heard in a block that has failed.
    pub(crate) fn leaves_failed_block(&self) -> bool {
        match self {
            TransactionCommand::Commit { .. }
            | TransactionCommand::Rollback { .. }
            | TransactionCommand::RollbackTo(_)
            | TransactionCommand::Prepare => true,
            TransactionCommand::Begin(..)
            | TransactionCommand::Savepoint(_)
            | TransactionCommand::Release(_)
            | TransactionCommand::Set(_)
            | TransactionCommand::SetDefault(_)
            | TransactionCommand::SetSnapshot(_)
            | TransactionCommand::SetConstraints(_)
            | TransactionCommand::Prepared(_) => false,
        }
    }

    /// Reads a statement; `None` where it is about something else.
    pub(crate) fn parse(mut words: Words<'_>) -> Result<Option<Self>> {
        let Some(command) = Self::read(&mut words)? else { return Ok(None) };
        words.end()?;
        Ok(Some(command))
    }

    fn read(words: &mut Words<'_>) -> Result<Option<Self>> {
        let command = if words.word("begin") {
            transaction_or_work(words);
            TransactionCommand::Begin(modes(words)?, "BEGIN")
        } else if words.word("start") {
            words.expect("transaction")?;
            TransactionCommand::Begin(modes(words)?, "START TRANSACTION")
        } else if words.word("commit") {
            ending(words, "COMMIT PREPARED", |chain| TransactionCommand::Commit { chain })?
        } else if words.word("end") {
            TransactionCommand::Commit { chain: chain(words)? }
        } else if words.word("rollback") {
            rollback(words)?
        } else if words.word("abort") {
            TransactionCommand::Rollback { chain: chain(words)? }
        } else if words.word("savepoint") {
            TransactionCommand::Savepoint(words.name()?)
        } else if words.word("release") {
            words.word("savepoint");
            TransactionCommand::Release(words.name()?)
        } else if words.words(&["prepare", "transaction"]) {
            words.string()?;
            TransactionCommand::Prepare
        } else {
            return set(words);
        };
        Ok(Some(command))
    }
}

fn rollback(words: &mut Words<'_>) -> Result<TransactionCommand> {
    let mut after = words.clone();
    transaction_or_work(&mut after);
    if !after.word("to") {
        return ending(words, "ROLLBACK PREPARED", |chain| TransactionCommand::Rollback { chain });
    }
    *words = after;
    words.word("savepoint");
    Ok(TransactionCommand::RollbackTo(words.name()?))
}

/// What follows COMMIT and ROLLBACK; the other half of a two-phase commit has its name.
fn ending(
    words: &mut Words<'_>,
    prepared: &'static str,
    command: impl FnOnce(bool) -> TransactionCommand,
) -> Result<TransactionCommand> {
    if words.word("prepared") {
        words.string()?;
        return Ok(TransactionCommand::Prepared(prepared));
    }
    Ok(command(chain(words)?))
}

fn chain(words: &mut Words<'_>) -> Result<bool> {
    transaction_or_work(words);
    if !words.word("and") {
        return Ok(false);
    }
    let no = words.word("no");
    words.expect("chain")?;
    Ok(!no)
}

fn transaction_or_work(words: &mut Words<'_>) {
    let _ = words.word("transaction") || words.word("work");
}

fn set(words: &mut Words<'_>) -> Result<Option<TransactionCommand>> {
    if !words.word("set") {
        return Ok(None);
    }
    if words.words(&["session", "characteristics", "as", "transaction"]) {
        return required(words).map(TransactionCommand::SetDefault).map(Some);
    }
    if words.word("constraints") {
        return constraints(words).map(TransactionCommand::SetConstraints).map(Some);
    }
    let _ = words.word("local") || words.word("session");
    if !words.word("transaction") {
        return Ok(None);
    }
    if words.word("snapshot") {
        return words.string().map(TransactionCommand::SetSnapshot).map(Some);
    }
    required(words).map(TransactionCommand::Set).map(Some)
}

/// `ALL | name [, ...]`, then DEFERRED or IMMEDIATE; the first name.
fn constraints(words: &mut Words<'_>) -> Result<Option<String>> {
    let mut first = None;
    if !words.word("all") {
        loop {
            let mut name = words.name()?;
            while words.symbol(&Token::Period) {
                name = words.name()?;
            }
            first.get_or_insert(name);
            if !words.symbol(&Token::Comma) {
                break;
            }
        }
    }
    if !words.word("deferred") {
        words.expect("immediate")?;
    }
    Ok(first)
}

fn required(words: &mut Words<'_>) -> Result<Vec<Mode>> {
    let modes = modes(words)?;
    if modes.is_empty() { Err(words.unexpected()) } else { Ok(modes) }
}

/// Modes, with or without commas between them.
fn modes(words: &mut Words<'_>) -> Result<Vec<Mode>> {
    let mut modes = Vec::new();
    // A comma promises another one.
    let mut promised = false;
    loop {
        match mode(words)? {
            Some(mode) => modes.push(mode),
            None if promised => return Err(words.unexpected()),
            None => return Ok(modes),
        }
        promised = words.symbol(&Token::Comma);
    }
}

fn mode(words: &mut Words<'_>) -> Result<Option<Mode>> {
    let mode = if words.words(&["isolation", "level"]) {
        ("isolation", isolation(words)?)
    } else if words.words(&["read", "only"]) {
        ("read_only", "on")
    } else if words.words(&["read", "write"]) {
        ("read_only", "off")
    } else if words.word("deferrable") {
        ("deferrable", "on")
    } else if words.words(&["not", "deferrable"]) {
        ("deferrable", "off")
    } else {
        return Ok(None);
    };
    Ok(Some(mode))
}

fn isolation(words: &mut Words<'_>) -> Result<&'static str> {
    if words.words(&["read", "uncommitted"]) {
        Ok("read uncommitted")
    } else if words.words(&["read", "committed"]) {
        Ok("read committed")
    } else if words.words(&["repeatable", "read"]) {
        Ok("repeatable read")
    } else if words.word("serializable") {
        Ok("serializable")
    } else {
        Err(words.unexpected())
    }
}

#[cfg(test)]
mod tests {
    use slipstream_engine::ErrorKind;

    use super::TransactionCommand::*;
    use super::*;
    use crate::statement::{self, Command};

    fn parsed(sql: &str) -> TransactionCommand {
        match statement::parse(sql).expect(sql)[0].command() {
            Command::Transaction(command) => command.clone(),
            other => panic!("{sql}: {other:?}"),
        }
    }

    #[test]
    fn every_spelling_is_read() {
        for (sql, command) in [
            ("begin", Begin(vec![], "BEGIN")),
            ("BEGIN WORK", Begin(vec![], "BEGIN")),
            ("start transaction read only", Begin(vec![("read_only", "on")], "START TRANSACTION")),
            (
                "begin isolation level repeatable read, read write not deferrable",
                Begin(vec![("isolation", "repeatable read"), ("read_only", "off"), ("deferrable", "off")], "BEGIN"),
            ),
            ("commit", Commit { chain: false }),
            ("end transaction and chain", Commit { chain: true }),
            ("commit work and no chain", Commit { chain: false }),
            ("commit prepared 'x'", Prepared("COMMIT PREPARED")),
            ("abort", Rollback { chain: false }),
            ("rollback and chain", Rollback { chain: true }),
            ("rollback prepared 'x'", Prepared("ROLLBACK PREPARED")),
            ("rollback work to savepoint \"A\"", RollbackTo("A".to_string())),
            ("rollback to A", RollbackTo("a".to_string())),
            ("savepoint savepoint", Savepoint("savepoint".to_string())),
            ("release b", Release("b".to_string())),
            ("release savepoint b", Release("b".to_string())),
            ("prepare transaction 'x'", Prepare),
            ("set transaction read only, deferrable", Set(vec![("read_only", "on"), ("deferrable", "on")])),
            ("set local transaction isolation level read committed", Set(vec![("isolation", "read committed")])),
            (
                "set session characteristics as transaction isolation level serializable",
                SetDefault(vec![("isolation", "serializable")]),
            ),
            ("set transaction snapshot 'x'", SetSnapshot("x".to_string())),
            ("set constraints all deferred", SetConstraints(None)),
            ("set constraints public.a, b immediate", SetConstraints(Some("a".to_string()))),
        ] {
            assert_eq!(parsed(sql), command, "{sql}");
        }
    }

    #[test]
    fn what_is_left_over_is_a_syntax_error() {
        for (sql, message, position) in [
            ("begin tran", "syntax error at or near \"tran\"", 7),
            ("begin read only,", "syntax error at end of input", 17),
            ("begin read", "syntax error at or near \"read\"", 7),
            ("commit and", "syntax error at end of input", 11),
            ("start", "syntax error at end of input", 6),
            ("set transaction", "syntax error at end of input", 16),
            ("savepoint 'a'", "syntax error at or near \"'a'\"", 11),
            ("rollback to a b", "syntax error at or near \"b\"", 15),
        ] {
            let error = statement::parse(sql).expect_err(sql);
            assert_eq!(error.kind(), ErrorKind::Syntax, "{sql}");
            assert_eq!((error.message(), error.position()), (message, Some(position)), "{sql}");
        }
    }
}
