//! The name of a version in a statement.

use slipstream_engine::{Error, ErrorKind, Result, Version};

/// What the databases begin with that stand for versions.
const PREFIX: &str = "?as of ";

/// The schema of tables that are looked up along the search path.
pub(crate) const PATH: &str = "?path";

/// Which version a clause asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A version that is named by number or by name.
    Version(Version),
    /// The version at the time that an expression stands for.
    Time(String),
}

impl Key {
    /// The version of a number's text; `22023` where there can be none.
    pub(crate) fn number(text: &str) -> Result<Key> {
        let missing = || Error::new(ErrorKind::InvalidParameter, format!("version {text} does not exist"));
        text.parse().map(|seq| Key::Version(Version::Commit(seq))).map_err(|_| missing())
    }

    /// What a text names: digits are a number, anything else is a name.
    pub(crate) fn text(text: &str) -> Result<Key> {
        match is_number(text) {
            true => Key::number(text),
            false => Ok(Key::Version(Version::Name(text.to_string()))),
        }
    }

    /// What a setting names: a number, a name or a time.
    pub(crate) fn setting(text: &str) -> Result<Key> {
        let text = text.trim();
        match text.starts_with(|first: char| first.is_ascii_digit()) && !is_number(text) {
            true => Ok(Key::Time(format!("'{}'", text.replace('\'', "''")))),
            false => Key::text(text),
        }
    }

    /// The database that stands for it.
    pub(crate) fn database(&self) -> String {
        match self {
            Key::Version(Version::Commit(seq)) => format!("{PREFIX}#{seq}"),
            Key::Version(Version::Name(name)) => format!("{PREFIX}'{name}"),
            Key::Version(Version::Time(time)) => format!("{PREFIX}@'{}'", time.to_rfc3339()),
            Key::Time(expression) => format!("{PREFIX}@{expression}"),
        }
    }

    /// The key that a database stands for; `None` for every other database.
    pub(crate) fn of_database(database: &str) -> Option<Key> {
        let text = database.strip_prefix(PREFIX)?;
        let rest = text.get(1..)?;
        match text.as_bytes().first()? {
            b'#' => rest.parse().ok().map(|seq| Key::Version(Version::Commit(seq))),
            b'\'' => Some(Key::Version(Version::Name(rest.to_string()))),
            b'@' => Some(Key::Time(rest.to_string())),
            _ => None,
        }
    }

    /// As a statement writes it.
    pub(crate) fn clause(&self) -> String {
        match self {
            Key::Version(Version::Commit(seq)) => format!("VERSION AS OF {seq}"),
            Key::Version(Version::Name(name)) => format!("VERSION AS OF '{name}'"),
            Key::Version(Version::Time(time)) => format!("FOR SYSTEM_TIME AS OF '{}'", time.to_rfc3339()),
            Key::Time(expression) => format!("FOR SYSTEM_TIME AS OF {expression}"),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_leads_back_to_its_key() {
        for key in [Key::text("5").unwrap(), Key::text("a.b").unwrap(), Key::Time("now() - '1 s'::interval".into())] {
            assert_eq!(Key::of_database(&key.database()), Some(key));
        }
        assert_eq!(Key::of_database("postgres"), None);
    }

    #[test]
    fn a_setting_is_a_number_a_time_or_a_name() {
        assert_eq!(Key::setting(" 12 ").unwrap(), Key::Version(Version::Commit(12)));
        assert_eq!(Key::setting("2026-01-01 00:00").unwrap(), Key::Time("'2026-01-01 00:00'".into()));
        assert_eq!(Key::setting("v12").unwrap(), Key::Version(Version::Name("v12".into())));
        assert_eq!(Key::number("99999999999999999999").unwrap_err().kind(), ErrorKind::InvalidParameter);
    }
}
