//! The classification of Kuzu's errors.
//!
//! Kuzu's errors are strings that begin with the name of their class, and may end with a place in its source. They are
//! classified here and nowhere else; a client sees the class and, where it helps, a cleaned first line. The raw text goes
//! to the log.

use crate::error::{Error, ErrorKind};

/// What an error says it is, by its first words.
const CLASSES: [(&str, ErrorKind, &str); 9] = [
    ("Interrupted", ErrorKind::Cancelled, "canceling statement due to user request"),
    ("Buffer manager exception", ErrorKind::OutOfMemory, "the graph index has no memory left for this statement"),
    ("Overflow exception", ErrorKind::NumericOutOfRange, "value out of range"),
    ("Runtime exception: Divide by zero", ErrorKind::DivisionByZero, "division by zero"),
    ("Runtime exception: Modulo by zero", ErrorKind::DivisionByZero, "division by zero"),
    ("Conversion exception", ErrorKind::InvalidText, "a value cannot be converted in the graph index"),
    ("Parser exception", ErrorKind::NotSupported, "the graph index cannot plan this pattern"),
    ("Binder exception", ErrorKind::NotSupported, "the graph index cannot plan this pattern"),
    ("Catalog exception", ErrorKind::NotSupported, "the graph index cannot plan this pattern"),
];

/// The error for what Kuzu said while doing `what` ("opening it", "applying changes").
pub(super) fn classify(what: &str, error: &kuzu::Error) -> Error {
    let raw = match error {
        kuzu::Error::FailedQuery(text) | kuzu::Error::FailedPreparedStatement(text) => text.clone(),
        other => other.to_string(),
    };
    tracing::debug!(what, error = %raw, "kuzu refused");
    let class = CLASSES.iter().find(|(words, ..)| raw.starts_with(words));
    let (kind, message) = match class {
        Some((_, kind, message)) => (*kind, (*message).to_string()),
        None => (ErrorKind::Storage, format!("the graph index failed while {what}")),
    };
    let error = Error::new(kind, message);
    match kind {
        ErrorKind::Cancelled | ErrorKind::DivisionByZero => error,
        _ => match presentable(&raw) {
            Some(line) => error.with_detail(format!("Kuzu: {line}.")),
            None => error,
        },
    }
}

/// The first line of an error text, if it names no file and no line of source.
fn presentable(raw: &str) -> Option<String> {
    let line = raw.lines().next()?.trim().trim_end_matches('.');
    let line = line.split_once(" exception: ").map_or(line, |(_, rest)| rest);
    let names_source = [".cpp", ".h:", "/"].iter().any(|mark| line.contains(mark));
    (!names_source && !line.is_empty() && line.len() <= 300).then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(text: &str) -> Error {
        classify("answering", &kuzu::Error::FailedQuery(text.to_string()))
    }

    #[test]
    fn errors_are_classified_by_their_first_words() {
        assert_eq!(classified("Interrupted.").kind(), ErrorKind::Cancelled);
        assert_eq!(classified("Runtime exception: Divide by zero.").kind(), ErrorKind::DivisionByZero);
        assert_eq!(classified("Binder exception: Table X does not exist.").kind(), ErrorKind::NotSupported);
        assert_eq!(classified("IO exception: disk full").kind(), ErrorKind::Storage);
    }

    #[test]
    fn no_place_in_foreign_source_is_shown() {
        let error = classified("Runtime exception: assertion failed in /tmp/build/src/storage/wal.cpp:12");
        assert_eq!(error.detail(), None);
        assert!(!error.to_string().contains("wal.cpp"));
    }
}
