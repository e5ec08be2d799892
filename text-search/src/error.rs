//! What can be wrong with a text.

use std::fmt;

/// The result of reading a text.
pub type Result<T> = std::result::Result<T, Error>;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text cannot be read as what it should be.
    Syntax,
    /// It is longer than the type holds.
    TooLong,
    /// An option or a parameter has a value that it cannot have.
    InvalidParameter,
    /// A search names a field that is not searched.
    UndefinedField,
    /// A configuration does not exist.
    UndefinedConfig,
}

/// A failure, worded as Postgres words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Its kind.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
}

impl Error {
    /// A failure of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// `syntax error in tsquery: "a & & b"`
    pub(crate) fn syntax(what: &str, text: &str) -> Self {
        Error::new(ErrorKind::Syntax, format!("syntax error in {what}: \"{text}\""))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
