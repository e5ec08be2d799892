//! `ParameterStatus`: the settings that clients are told about at the start and whenever they change.

use pgwire::messages::startup::ParameterStatus;
use slipstream_sql::Session;

/// The version that drivers read: Postgres's, whose behaviour this server follows, and then our own.
pub(crate) const SERVER_VERSION: &str = concat!("16.6 (Slipstream ", env!("CARGO_PKG_VERSION"), ")");

/// The settings that Postgres reports, with what holds where the session keeps no value of its own.
const REPORTED: [(&str, &str); 13] = [
    ("server_version", SERVER_VERSION),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("application_name", ""),
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "off"),
    ("is_superuser", "on"),
    ("session_authorization", "postgres"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
];

/// What a client was told last.
#[derive(Default)]
pub(crate) struct ReportedParameters {
    values: [Option<String>; REPORTED.len()],
}

impl ReportedParameters {
    /// The settings whose values the client does not know yet.
    pub(crate) fn changes(&mut self, session: &Session) -> Vec<ParameterStatus> {
        let mut changes = Vec::new();
        for ((name, default), told) in REPORTED.iter().zip(&mut self.values) {
            let value = session.parameter_status(name).unwrap_or_else(|| default.to_string());
            if told.as_ref() != Some(&value) {
                changes.push(ParameterStatus::new(name.to_string(), value.clone()));
                *told = Some(value);
            }
        }
        changes
    }
}
