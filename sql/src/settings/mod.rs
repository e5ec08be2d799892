//! A session's settings: what SET, SHOW, RESET and `set_config` read and write.
//!
//! Every setting is declared once, in [`parameters`], with its default, its allowed values and a sentence of documentation
//! (which `SHOW ALL` and `pg_settings` show). A value that this server would not honour is refused (`0A000`), never kept
//! silently. A name with a dot that nobody declared is a client's own variable, as in Postgres.

mod commands;
mod parameters;

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use slipstream_catalog::pg_catalog::session_info::{Setting, SettingsSource};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::text::{OutputStyle, TimeZone};
pub(crate) use commands::{apply, reset, set, show_name, transaction_mode};
pub(crate) use parameters::duration;
use parameters::{Allowed, PARAMETERS, Parameter};

/// The settings of one session.
#[derive(Debug)]
pub(crate) struct Settings(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    /// Values that the session began with, where they differ from the declared defaults.
    startup: BTreeMap<String, String>,
    /// Values set for the session.
    session: BTreeMap<String, String>,
    /// Values set for the open transaction.
    local: BTreeMap<String, String>,
    /// The session's values as they were when the open transaction began; ROLLBACK brings them back.
    before: Option<BTreeMap<String, String>>,
}

impl Settings {
    /// The declared defaults, with these in their place.
    pub(crate) fn new(startup: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let startup = startup.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        Settings(Mutex::new(Values { startup, ..Values::default() }))
    }

    /// The value of a setting, or `42704`.
    pub(crate) fn show(&self, name: &str) -> Result<String> {
        SettingsSource::get(self, name).ok_or_else(|| unknown(name))
    }

    /// Sets a setting and gives its value as it is shown.
    pub(crate) fn assign(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let (key, value) = match find(name) {
            Some(parameter) => (parameter.name.to_string(), parameter.check(value)?),
            None if is_custom(name) => (name.to_ascii_lowercase(), value.to_string()),
            None => return Err(unknown(name)),
        };
        let mut values = self.0.lock();
        if local {
            // Outside a transaction block it would last for no statement at all.
            if values.before.is_some() {
                values.local.insert(key, value.clone());
            }
        } else {
            values.local.remove(&key);
            values.session.insert(key, value.clone());
        }
        Ok(value)
    }

    /// Brings back the value that the session began with.
    pub(crate) fn reset(&self, name: &str) -> Result<()> {
        let key = match find(name) {
            Some(parameter) => {
                parameter.check_settable()?;
                parameter.name.to_string()
            }
            None if is_custom(name) => name.to_ascii_lowercase(),
            None => return Err(unknown(name)),
        };
        let mut values = self.0.lock();
        values.local.remove(&key);
        values.session.remove(&key);
        Ok(())
    }

    /// Brings back every value that the session began with.
    pub(crate) fn reset_all(&self) {
        let mut values = self.0.lock();
        values.local.clear();
        values.session.clear();
    }

    /// Remembers the values that a ROLLBACK brings back.
    pub(crate) fn begin_transaction(&self) {
        let mut values = self.0.lock();
        values.before = Some(values.session.clone());
    }

    /// Forgets what SET LOCAL set, and after a ROLLBACK what SET did.
    pub(crate) fn end_transaction(&self, committed: bool) {
        let mut values = self.0.lock();
        values.local.clear();
        if let Some(before) = values.before.take()
            && !committed
        {
            values.session = before;
        }
    }

    /// How values are written as text.
    pub(crate) fn output_style(&self) -> OutputStyle {
        OutputStyle { time_zone: self.time_zone() }
    }

    /// The session's time zone.
    pub(crate) fn time_zone(&self) -> TimeZone {
        self.get("TimeZone").and_then(|name| TimeZone::named(&name).ok()).unwrap_or(TimeZone::UTC)
    }

    /// How long a statement may run; `None` for as long as it takes.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        let limit = duration(&self.get("statement_timeout")?).ok()?;
        (!limit.is_zero()).then_some(limit)
    }

    /// Whether a boolean setting is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).as_deref() == Some("on")
    }
}

impl Values {
    fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        let set = self.local.get(name).or_else(|| self.session.get(name)).or_else(|| self.startup.get(name));
        set.map(String::as_str)
    }
}

impl SettingsSource for Settings {
    fn get(&self, name: &str) -> Option<String> {
        let values = self.0.lock();
        match find(name) {
            Some(parameter) => Some(values.get(parameter.name).unwrap_or(parameter.default).to_string()),
            None => values.get(&name.to_ascii_lowercase()).map(str::to_string),
        }
    }

    fn set(&self, name: &str, value: &str, local: bool) -> Result<String> {
        self.assign(name, value, local)
    }

    fn all(&self) -> Vec<Setting> {
        let values = self.0.lock();
        PARAMETERS
            .iter()
            .map(|parameter| Setting {
                name: parameter.name.to_string(),
                value: values.get(parameter.name).unwrap_or(parameter.default).to_string(),
                reset_value: values
                    .startup
                    .get(parameter.name)
                    .map_or_else(|| parameter.default.to_string(), Clone::clone),
                description: parameter.description.to_string(),
                kind: parameter.kind(),
                settable: !matches!(parameter.allowed, Allowed::Fixed),
            })
            .collect()
    }
}

fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(name))
}

/// Names with a dot are free for clients, but for this server's own prefix.
fn is_custom(name: &str) -> bool {
    name.contains('.') && !name.to_ascii_lowercase().starts_with("slipstream.")
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new([("application_name", "test".to_string())])
    }

    #[test]
    fn local_values_last_until_the_transaction_ends() {
        let settings = settings();
        settings.begin_transaction();
        settings.assign("Application_Name", "local", true).expect("settable");
        assert_eq!(settings.show("application_name").expect("known"), "local");
        settings.end_transaction(true);
        assert_eq!(settings.show("application_name").expect("known"), "test");
    }

    #[test]
    fn what_would_not_be_honoured_is_refused() {
        let settings = settings();
        let kind = |name, value| settings.assign(name, value, false).expect_err(name).kind();
        assert_eq!(kind("client_encoding", "latin1"), ErrorKind::NotSupported);
        assert_eq!(kind("bytea_output", "escape"), ErrorKind::NotSupported);
        assert_eq!(kind("no_such_thing", "1"), ErrorKind::UndefinedObject);
        assert_eq!(kind("server_version", "1"), ErrorKind::InvalidParameter);
        assert_eq!(kind("statement_timeout", "soon"), ErrorKind::InvalidParameter);
        settings.assign("my.variable", "1", false).expect("custom");
    }

    #[test]
    fn timeouts_read_units() {
        let settings = settings();
        assert_eq!(settings.statement_timeout(), None);
        settings.assign("statement_timeout", "2min", false).expect("settable");
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(120)));
        assert_eq!(settings.show("statement_timeout").expect("known"), "2min");
        settings.assign("statement_timeout", "1500", false).expect("settable");
        assert_eq!(settings.show("statement_timeout").expect("known"), "1500ms");
    }
}
