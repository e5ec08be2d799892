//! The grammar of cursors; sqlparser has some of it, without BINARY, MOVE and the directions that clients use.

use datafusion::sql::sqlparser::tokenizer::Token;
use slipstream_engine::{Error, Result};

use crate::statement::{self, Statement};
use crate::words::Words;

/// What a statement asks of a cursor.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// `DECLARE name CURSOR FOR query`
    Declare(Declare),
    /// `FETCH` and, where the rows are not wanted, `MOVE`.
    Fetch(Fetch),
    /// `CLOSE name`, or `CLOSE ALL`.
    Close(Option<String>),
}

impl Command {
    /// The query that a command declares a cursor for.
    pub(crate) fn query(&self) -> Option<&Statement> {
        match self {
            Command::Declare(declare) => Some(&declare.query),
            Command::Fetch(_) | Command::Close(_) => None,
        }
    }
}

/// `DECLARE name [NO SCROLL] CURSOR [WITH HOLD] FOR query`
#[derive(Debug, Clone)]
pub(crate) struct Declare {
    pub(crate) name: String,
    /// Whether it outlives its transaction.
    pub(crate) hold: bool,
    pub(crate) query: Statement,
}

/// `FETCH count FROM name`
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) name: String,
    /// How many rows; `None` is all.
    pub(crate) count: Option<usize>,
    /// Whether the rows are passed over.
    pub(crate) moving: bool,
}

/// The command that a statement is; `None` where it has nothing to do with cursors.
pub(crate) fn parse(sql: &str, mut words: Words<'_>) -> Result<Option<Command>> {
    if words.word("DECLARE") {
        return declare(sql, words).map(|declare| Some(Command::Declare(declare)));
    }
    if words.word("FETCH") {
        return fetch(words, false).map(|fetch| Some(Command::Fetch(fetch)));
    }
    if words.word("MOVE") {
        return fetch(words, true).map(|fetch| Some(Command::Fetch(fetch)));
    }
    if words.word("CLOSE") {
        let name = if words.word("ALL") { None } else { Some(words.name()?) };
        words.end()?;
        return Ok(Some(Command::Close(name)));
    }
    Ok(None)
}

fn declare(sql: &str, mut words: Words<'_>) -> Result<Declare> {
    let name = words.name()?;
    loop {
        if words.word("BINARY") {
            return Err(Error::not_supported("BINARY cursors are not supported")
                .with_hint("The extended protocol gives the rows of any cursor in binary."));
        } else if words.word("NO") {
            words.expect("SCROLL")?;
        } else if words.word("SCROLL") {
            return Err(Error::not_supported("SCROLL cursors are not supported"));
        } else if !words.word("INSENSITIVE") && !words.word("ASENSITIVE") {
            break;
        }
    }
    words.expect("CURSOR")?;
    let hold = words.word("WITH");
    if hold || words.word("WITHOUT") {
        words.expect("HOLD")?;
    }
    words.expect("FOR")?;
    if words.rest().is_empty() {
        return Err(words.unexpected());
    }
    Ok(Declare { name, hold, query: statement::one(sql, words.rest(), words.source)? })
}

fn fetch(mut words: Words<'_>, moving: bool) -> Result<Fetch> {
    let count = count(&mut words)?;
    let _ = words.word("FROM") || words.word("IN");
    let name = words.name()?;
    words.end()?;
    Ok(Fetch { name, count, moving })
}

/// How many rows forward.
fn count(words: &mut Words<'_>) -> Result<Option<usize>> {
    if words.word("NEXT") {
        return Ok(Some(1));
    }
    if words.word("ALL") {
        return Ok(None);
    }
    for backward in ["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"] {
        if words.word(backward) {
            return Err(only_forward());
        }
    }
    let forward = words.word("FORWARD");
    if forward && words.word("ALL") {
        return Ok(None);
    }
    match words.peek() {
        Some(Token::Number(digits, _)) => {
            let count = digits.parse().map_err(|_| words.unexpected())?;
            words.take();
            // `FETCH 0` is the row that was fetched last, once more.
            if count == 0 { Err(only_forward()) } else { Ok(Some(count)) }
        }
        Some(Token::Minus) => Err(only_forward()),
        _ => Ok(Some(1)),
    }
}

fn only_forward() -> Error {
    Error::not_supported("cursor can only scan forward")
        .with_hint("FETCH and MOVE take FORWARD, a count, NEXT and ALL.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement;

    fn fetch(sql: &str) -> (String, Option<usize>, bool) {
        let statements = statement::parse(sql).expect(sql);
        let statement::Command::Cursor(command) = statements[0].command() else { panic!("{sql}") };
        let Command::Fetch(fetch) = command.as_ref() else { panic!("{sql}") };
        (fetch.name.clone(), fetch.count, fetch.moving)
    }

    #[test]
    fn directions_are_counts() {
        for (sql, count) in [
            ("FETCH c", Some(1)),
            ("FETCH FROM c", Some(1)),
            ("fetch next in c", Some(1)),
            ("FETCH 10 FROM c", Some(10)),
            ("FETCH FORWARD 10 FROM c", Some(10)),
            ("FETCH FORWARD FROM c", Some(1)),
            ("FETCH ALL c", None),
            ("FETCH FORWARD ALL FROM c", None),
        ] {
            assert_eq!(fetch(sql), ("c".to_string(), count, false), "{sql}");
        }
        assert_eq!(fetch("MOVE ALL IN \"C\""), ("C".to_string(), None, true));
    }

    #[test]
    fn a_declaration_has_a_query_of_its_own() {
        let sql = "DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1 ";
        let statements = statement::parse(sql).expect(sql);
        let statement::Command::Cursor(command) = statements[0].command() else { panic!("{sql}") };
        let Command::Declare(declare) = command.as_ref() else { panic!("{sql}") };
        assert_eq!((declare.name.as_str(), declare.hold, declare.query.text()), ("c", true, "SELECT 1"));
        assert_eq!(statement::parse("DECLARE c CURSOR FOR SELECT 1 FORM t").expect_err("no").position(), Some(36));
    }

    #[test]
    fn what_is_not_done_is_refused() {
        for sql in ["FETCH BACKWARD 1 FROM c", "FETCH -1 FROM c", "DECLARE c SCROLL CURSOR FOR SELECT 1"] {
            let error = statement::parse(sql).expect_err(sql);
            assert_eq!(error.kind(), slipstream_engine::ErrorKind::NotSupported, "{sql}");
        }
    }
}
