//! A session's settings: what SET, SHOW, RESET and `set_config` read and write.
//!
//! Every setting is declared once, in [`parameters`], with its default, its allowed values and a sentence of documentation
//! (which `SHOW ALL` and `pg_settings` show). A value that this server would not honour is refused (`0A000`), never kept
//! silently. A name with a dot that nobody declared is a client's own variable, as in Postgres.

mod commands;
mod modes;
mod parameters;

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use slipstream_catalog::pg_catalog::session_info::{Setting, SettingsSource};
use slipstream_engine::store::SearchEffort;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::text::{OutputStyle, TimeZone};
pub(crate) use commands::{apply, parse_reset, reset, set, show_name};
pub(crate) use modes::Modes;
pub(crate) use parameters::duration;
use parameters::{Allowed, PARAMETERS, Parameter};

/// The settings of one session.
#[derive(Debug)]
pub(crate) struct Settings(Mutex<Values>);

#[derive(Debug, Default)]
struct Values {
    /// Values that the session began with, where they differ from the declared defaults.
    startup: BTreeMap<String, String>,
    /// What has been set.
    set: Assigned,
    /// The open transaction, if there is one.
    transaction: Option<OpenTransaction>,
}

/// Values that have been set.
#[derive(Debug, Default, Clone)]
struct Assigned {
    /// For the session.
    session: BTreeMap<String, String>,
    /// For the open transaction; its modes are among them.
    local: BTreeMap<String, String>,
}

/// What an open transaction remembers.
#[derive(Debug)]
struct OpenTransaction {
    /// What was set when it began; ROLLBACK brings it back.
    before: Assigned,
    /// What was set at each of its savepoints.
    savepoints: Vec<Assigned>,
    /// Whether it has read or written yet. After that its modes stand.
    queried: bool,
}

impl Settings {
    /// The declared defaults, with these in their place.
    pub(crate) fn new(startup: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let startup = startup.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        Settings(Mutex::new(Values { startup, ..Values::default() }))
    }

    /// The value of a setting as it is shown, or `42704`.
    pub(crate) fn show(&self, name: &str) -> Result<String> {
        SettingsSource::get(self, name).ok_or_else(|| unknown(name))
    }

    /// Sets a setting and gives its value as it is shown.
    pub(crate) fn assign(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let parameter = find(name);
        let (key, value) = match parameter {
            Some(parameter) => (parameter.name.to_string(), parameter.check(value)?),
            None if is_custom(name) => (name.to_ascii_lowercase(), value.to_string()),
            None => return Err(unknown(name)),
        };
        let mut values = self.0.lock();
        if modes::is_mode(&key) {
            modes::check(&values, &key, &value)?;
        }
        if !local && !modes::is_mode(&key) {
            values.set.local.remove(&key);
            values.set.session.insert(key, value.clone());
        } else if values.transaction.is_some() {
            // Outside a transaction block it would last for no statement at all.
            values.set.local.insert(key, value.clone());
        }
        Ok(parameter.map_or(value.clone(), |parameter| parameter.shown(&value).to_string()))
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
        if modes::is_mode(&key) {
            return Err(Error::not_supported(format!("parameter \"{key}\" cannot be reset")));
        }
        let mut values = self.0.lock();
        values.set.local.remove(&key);
        values.set.session.remove(&key);
        Ok(())
    }

    /// Brings back every value that the session began with. The modes of the open transaction stand.
    pub(crate) fn reset_all(&self) {
        let mut values = self.0.lock();
        values.set.local.retain(|name, _| modes::is_mode(name));
        values.set.session.clear();
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
        self.timeout("statement_timeout")
    }

    /// A time that is a setting; `None` where it is 0, which is no limit.
    pub(crate) fn timeout(&self, name: &str) -> Option<Duration> {
        let limit = duration(&self.get(name)?).ok()?;
        (!limit.is_zero()).then_some(limit)
    }

    /// How graph patterns are answered.
    pub(crate) fn graph_strategy(&self) -> GraphStrategy {
        match self.get("slipstream.graph_strategy").as_deref() {
            Some("index") => GraphStrategy::Index,
            Some("join") => GraphStrategy::Join,
            _ => GraphStrategy::Auto,
        }
    }

    /// How hard searches of vector indexes try.
    pub(crate) fn search_effort(&self) -> SearchEffort {
        let number = |name: &str| self.get(name).and_then(|value| value.parse::<usize>().ok());
        let default = SearchEffort::default();
        SearchEffort {
            ef_search: number("hnsw.ef_search").unwrap_or(default.ef_search),
            probes: number("ivfflat.probes").filter(|probes| *probes > 1),
        }
    }

    /// Whether a boolean setting is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).as_deref() == Some("on")
    }
}

/// How a session wants its graph patterns answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GraphStrategy {
    /// By the index where it can, else by joins.
    Auto,
    /// By the index, or not at all.
    Index,
    /// By joins.
    Join,
}

impl Values {
    /// The value of a declared setting, or of a client's own variable.
    fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        let set = self.set.local.get(name).or_else(|| self.set.session.get(name)).or_else(|| self.startup.get(name));
        if let Some(value) = set {
            return Some(value);
        }
        // Outside a transaction block a statement has the modes that a block would begin with.
        match modes::default_of(name) {
            Some(default) => self.get(default),
            None => find(name).map(|parameter| parameter.default),
        }
    }
}

impl SettingsSource for Settings {
    fn get(&self, name: &str) -> Option<String> {
        let value = self.unmasked(name)?;
        Some(find(name).map_or(value.clone(), |parameter| parameter.shown(&value).to_string()))
    }

    fn unmasked(&self, name: &str) -> Option<String> {
        let values = self.0.lock();
        let name = find(name).map_or_else(|| name.to_ascii_lowercase(), |parameter| parameter.name.to_string());
        values.get(&name).map(str::to_string)
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
                value: parameter.shown(values.get(parameter.name).unwrap_or(parameter.default)).to_string(),
                reset_value: values.startup.get(parameter.name).map_or(parameter.default, String::as_str).to_string(),
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
        settings.begin_transaction(None);
        settings.assign("Application_Name", "local", true).expect("settable");
        assert_eq!(settings.show("application_name").expect("known"), "local");
        settings.end_transaction(true);
        assert_eq!(settings.show("application_name").expect("known"), "test");
    }

    #[test]
    fn values_go_back_with_their_transaction_and_savepoint() {
        let settings = settings();
        let set = |value| drop(settings.assign("application_name", value, false).expect("settable"));
        let shown = || settings.show("application_name").expect("known");
        settings.begin_transaction(None);
        set("a");
        settings.savepoint();
        set("b");
        settings.savepoint();
        settings.assign("application_name", "c", true).expect("settable");
        settings.release_savepoint(1);
        assert_eq!(shown(), "c");
        settings.rollback_to_savepoint(0);
        assert_eq!(shown(), "a");
        settings.rollback_to_savepoint(0);
        settings.end_transaction(false);
        assert_eq!(shown(), "test");
        settings.begin_transaction(None);
        set("d");
        settings.end_transaction(true);
        assert_eq!(shown(), "d");
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
    fn a_secret_is_kept_and_not_shown() {
        let settings = settings();
        assert_eq!(settings.show("slipstream.embed_key").expect("known"), "");
        assert_eq!(settings.assign("slipstream.embed_key", "abc", false).expect("settable"), "********");
        assert_eq!(settings.show("Slipstream.Embed_Key").expect("known"), "********");
        let all = settings.all();
        let listed = all.iter().find(|setting| setting.name == "slipstream.embed_key").expect("listed");
        assert_eq!((listed.value.as_str(), listed.reset_value.as_str()), ("********", ""));
        assert_eq!(settings.unmasked("slipstream.embed_key").expect("known"), "abc");
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
