//! Statements of Postgres that the parser has no grammar for. They are not syntax errors: they are not supported.

use slipstream_engine::Error;

use crate::words::Words;

/// How these statements begin.
const BEGINNINGS: &[&str] = &[
    "ALTER DEFAULT PRIVILEGES",
    "ALTER LARGE OBJECT",
    "ALTER SYSTEM",
    "ALTER TEXT SEARCH",
    "CHECKPOINT",
    "CLUSTER",
    "CREATE AGGREGATE",
    "CREATE CAST",
    "CREATE COLLATION",
    "CREATE CONVERSION",
    "CREATE EVENT TRIGGER",
    "CREATE FOREIGN TABLE",
    "CREATE LANGUAGE",
    "CREATE PUBLICATION",
    "CREATE RULE",
    "CREATE STATISTICS",
    "CREATE SUBSCRIPTION",
    "CREATE TABLESPACE",
    "CREATE TEXT SEARCH",
    "CREATE TRANSFORM",
    "CREATE UNLOGGED TABLE",
    "DO",
    "DROP OWNED",
    "IMPORT FOREIGN SCHEMA",
    "LISTEN",
    "NOTIFY",
    "REASSIGN OWNED",
    "REFRESH MATERIALIZED VIEW",
    "REINDEX",
    "SECURITY LABEL",
    "UNLISTEN",
];

/// The error for a statement that could not be parsed, where Postgres has one that begins like it.
pub(crate) fn not_supported(words: &Words<'_>) -> Option<Error> {
    let begins = |statement: &&&str| words.clone().words(&statement.split(' ').collect::<Vec<_>>());
    BEGINNINGS.iter().find(begins).map(|statement| Error::not_supported(format!("{statement} is not supported")))
}
