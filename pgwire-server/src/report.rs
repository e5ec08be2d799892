//! Errors and notices as the wire reports them, and their fields.

use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use slipstream_engine::Error;
use slipstream_engine::catalog::DEFAULT_SCHEMA;

use crate::sqlstate::sqlstate;

/// What an error does to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The statement fails, the session goes on.
    Error,
    /// The connection ends.
    Fatal,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        }
    }
}

/// The message for an error.
pub(crate) fn error_response(error: &Error, severity: Severity) -> ErrorResponse {
    ErrorResponse::new(fields(error, severity.as_str()))
}

/// The message for a statement that worked, and perhaps did not do what was meant.
pub(crate) fn warning_response(warning: &Error) -> NoticeResponse {
    NoticeResponse::new(fields(warning, "WARNING"))
}

/// The message for something that a statement has to say.
pub(crate) fn notice_response(notice: &str) -> NoticeResponse {
    // 00000 is "successful completion".
    NoticeResponse::new(header("NOTICE", "00000", notice))
}

/// Field codes are those of "Error and Notice Message Fields" in the Postgres manual.
fn fields(error: &Error, severity: &str) -> Vec<(u8, String)> {
    let mut fields = header(severity, sqlstate(error.kind()), error.message());
    let mut add = |code: u8, value: Option<&str>| fields.extend(value.map(|value| (code, without_nul(value))));
    let subject = error.subject();
    add(b'D', error.detail());
    add(b'H', error.hint());
    add(b'W', error.context());
    add(b'P', error.position().map(|position| position.to_string()).as_deref());
    add(b's', subject.table.as_ref().map(|_| DEFAULT_SCHEMA));
    add(b't', subject.table.as_deref());
    add(b'c', subject.column.as_deref());
    add(b'n', subject.constraint.as_deref());
    fields
}

/// The fields that every report has; `V` is the severity that is never translated.
fn header(severity: &str, code: &str, message: &str) -> Vec<(u8, String)> {
    vec![
        (b'S', severity.to_string()),
        (b'V', severity.to_string()),
        (b'C', code.to_string()),
        (b'M', without_nul(message)),
    ]
}

/// Fields are C strings: a NUL from quoted user data would end the field and shift all that follow.
fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use slipstream_engine::ErrorKind;

    use super::*;

    #[test]
    fn every_part_of_an_error_has_its_field() {
        let error = Error::new(ErrorKind::UniqueViolation, "duplicate\0 key")
            .with_detail("Key (id)=(1) already exists.")
            .with_hint("Choose another.")
            .with_context("COPY t, line 3")
            .at(7)
            .on_table("t")
            .on_column("id")
            .on_constraint("t_pkey");
        let fields = error_response(&error, Severity::Error).fields;
        let field = |code: u8| fields.iter().find(|field| field.0 == code).map(|field| field.1.as_str());
        assert_eq!(field(b'S'), Some("ERROR"));
        assert_eq!(field(b'C'), Some("23505"));
        assert_eq!(field(b'M'), Some("duplicate key"));
        assert_eq!(field(b'D'), Some("Key (id)=(1) already exists."));
        assert_eq!(field(b'H'), Some("Choose another."));
        assert_eq!(field(b'W'), Some("COPY t, line 3"));
        assert_eq!(field(b'P'), Some("7"));
        assert_eq!(field(b's'), Some("public"));
        assert_eq!(field(b't'), Some("t"));
        assert_eq!(field(b'c'), Some("id"));
        assert_eq!(field(b'n'), Some("t_pkey"));
    }
}
