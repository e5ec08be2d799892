//! What metadata and its functions need to know of the session that asks.

use std::fmt;
use std::sync::Arc;

use slipstream_engine::Result;

/// A session, as far as metadata shows it.
pub struct SessionInfo {
    /// The user.
    pub user: String,
    /// The database that the client named.
    pub database: String,
    /// What `pg_backend_pid` answers and a cancel request names.
    pub process_id: i32,
    /// The session's settings.
    pub settings: Arc<dyn SettingsSource>,
}

/// Settings as `current_setting`, `set_config` and `pg_settings` see them.
pub trait SettingsSource: Send + Sync {
    /// The value of a setting as text; `None` for an unknown one. Names are matched without regard to case. A secret is masked.
    fn get(&self, name: &str) -> Option<String>;

    /// The value of a setting for those who need it, not to be shown: a secret is what it is.
    fn unmasked(&self, name: &str) -> Option<String> {
        self.get(name)
    }

    /// Sets a setting, for the transaction only where `local`, and gives its value as it is shown.
    fn set(&self, name: &str, value: &str, local: bool) -> Result<String>;

    /// All settings, by name.
    fn all(&self) -> Vec<Setting>;
}

/// A setting as `pg_settings` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// Value that RESET brings back.
    pub reset_value: String,
    /// What it does, in a sentence.
    pub description: String,
    /// `bool`, `integer`, `real`, `string` or `enum`.
    pub kind: &'static str,
    /// Whether a session may change it.
    pub settable: bool,
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("user", &self.user)
            .field("database", &self.database)
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}
