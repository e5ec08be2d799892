//! What a server answers to one step, and when two answers are the same.

use std::collections::BTreeMap;
use std::fmt;

use slipstream_tests::Message;

use super::{Alike, Step};

/// An answer, up to `ReadyForQuery`.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    results: Vec<Result>,
    /// SQLSTATEs of warnings.
    warnings: Vec<String>,
    pub(super) error: Option<Failure>,
    /// Transaction status; none when the server did not answer to the end.
    pub(super) status: Option<char>,
}

/// What one statement gives.
#[derive(Debug, Clone, Default, PartialEq)]
struct Result {
    /// Name and type of each column.
    columns: Vec<(String, u32)>,
    rows: Vec<String>,
    tag: String,
}

/// What an error says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) code: String,
    message: String,
    detail: String,
    table: String,
    constraint: String,
}

impl Outcome {
    pub(super) fn read(messages: &[Message]) -> Outcome {
        let mut outcome = Outcome::default();
        let mut result = Result::default();
        for message in messages {
            match message.kind {
                b'T' => result.columns = message.columns().into_iter().map(|column| (column.0, column.1)).collect(),
                b'D' => result.rows.push(line(message)),
                b'd' => result.rows.push(String::from_utf8_lossy(&message.body).trim_end().to_string()),
                b'C' => {
                    result.tag = message.strings().remove(0);
                    outcome.results.push(std::mem::take(&mut result));
                }
                b'E' => outcome.error = Some(Failure::read(message)),
                b'N' if message.field('S').is_some_and(|severity| severity == "WARNING") => {
                    outcome.warnings.extend(message.field('C'));
                }
                b'Z' => outcome.status = Some(message.status()),
                _ => {}
            }
        }
        outcome
    }

    /// Whether a client could not tell the two apart.
    pub(super) fn agrees(&self, expected: &Outcome, step: &Step) -> bool {
        let same_error = match (&self.error, &expected.error) {
            (None, None) => true,
            (Some(found), Some(expected)) => found.agrees(expected, step),
            _ => false,
        };
        let same_results = self.results.len() == expected.results.len()
            && self.results.iter().zip(&expected.results).all(|(found, expected)| found.agrees(expected, step));
        same_error && same_results && self.warnings == expected.warnings && self.status == expected.status
    }
}

impl Result {
    fn agrees(&self, expected: &Result, step: &Step) -> bool {
        let (mut found, mut expected) = (self.clone(), expected.clone());
        if !step.ordered {
            found.rows.sort_unstable();
            expected.rows.sort_unstable();
        }
        found == expected
    }
}

impl Failure {
    fn read(message: &Message) -> Failure {
        let field = |letter| message.field(letter).unwrap_or_default();
        Failure { code: field('C'), message: field('M'), detail: field('D'), table: field('t'), constraint: field('n') }
    }

    fn agrees(&self, expected: &Failure, step: &Step) -> bool {
        let is_constraint = |failure: &Failure| failure.code.starts_with("23");
        // Two rows of one statement over the same key: found by the row that comes second, or before any is written.
        let is_twice = |failure: &Failure| failure.code == "21000";
        // A line of COPY that cannot be read is found before the rows of the lines above it are checked.
        let is_line = |failure: &Failure| step.input.is_some() && failure.code.starts_with("22P0");
        let either = |failure: &Failure| is_constraint(failure) || is_twice(failure) || is_line(failure);
        match step.errors {
            Alike::Class if either(self) && either(expected) => true,
            Alike::Details if is_constraint(expected) => self == expected,
            _ => self.code == expected.code,
        }
    }
}

/// A row as text.
fn line(message: &Message) -> String {
    let values = message.row();
    let shown = values.iter().map(|value| match value {
        None => "NULL".to_string(),
        Some(value) => format!("{:?}", String::from_utf8_lossy(value)),
    });
    shown.collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.results {
            let columns: Vec<String> = result.columns.iter().map(|(name, oid)| format!("{name}:{oid}")).collect();
            writeln!(f, "{} [{}]", result.tag, columns.join(", "))?;
            result.rows.iter().try_for_each(|row| writeln!(f, "  {row}"))?;
        }
        self.warnings.iter().try_for_each(|code| writeln!(f, "warning {code}"))?;
        if let Some(Failure { code, message, detail, table, constraint }) = &self.error {
            writeln!(f, "{code}: {message} | {detail} | table {table:?} constraint {constraint:?}")?;
        }
        match self.status {
            Some(status) => write!(f, "ready: {status}"),
            None => f.write_str("no answer"),
        }
    }
}

/// What was compared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) statements: usize,
    rows: usize,
    tags: BTreeMap<String, usize>,
    errors: BTreeMap<String, usize>,
}

impl Tally {
    pub(super) fn count(&mut self, outcome: &Outcome) {
        for result in &outcome.results {
            let verb: Vec<&str> = result.tag.split(' ').filter(|word| word.parse::<u64>().is_err()).collect();
            *self.tags.entry(verb.join(" ")).or_default() += 1;
            self.rows += result.rows.len();
        }
        if let Some(failure) = &outcome.error {
            *self.errors.entry(failure.code.clone()).or_default() += 1;
        }
        self.statements += outcome.results.len() + usize::from(outcome.error.is_some());
    }

    /// A generator whose statements mostly fail, or find nothing, proves nothing.
    pub(super) fn assert_worth_it(&self) {
        let failed: usize = self.errors.values().sum();
        assert!(failed * 2 < self.statements, "most statements fail:\n{self}");
        assert!(self.rows > self.statements / 2, "hardly a row was compared:\n{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} statements, {} rows", self.statements, self.rows)?;
        writeln!(f, "  {:?}", self.tags)?;
        write!(f, "  {:?}", self.errors)
    }
}
