//! The modes of a transaction (isolation, read only, deferrable) and how settings follow transactions and savepoints.
//!
//! A mode is a setting of the open transaction alone. It begins with the value of its `default_` setting, and may be changed
//! until the first statement that reads or writes; after that only READ WRITE may become READ ONLY.

use slipstream_engine::{Error, ErrorKind, Result};

use super::{Assigned, OpenTransaction, Settings, Values};

const ISOLATION: &str = "transaction_isolation";
const READ_ONLY: &str = "transaction_read_only";
const DEFERRABLE: &str = "transaction_deferrable";

/// Each mode with the setting that gives its first value.
const MODES: [(&str, &str); 3] = [
    (ISOLATION, "default_transaction_isolation"),
    (READ_ONLY, "default_transaction_read_only"),
    (DEFERRABLE, "default_transaction_deferrable"),
];

/// The modes of a transaction, for the one that AND CHAIN begins.
#[derive(Debug, Clone)]
pub(crate) struct Modes(Vec<(&'static str, String)>);

/// Whether a setting is a mode.
pub(super) fn is_mode(name: &str) -> bool {
    default_of(name).is_some()
}

/// The setting that gives a mode its first value; `None` for what is no mode.
pub(super) fn default_of(name: &str) -> Option<&'static str> {
    MODES.iter().find(|(mode, _)| *mode == name).map(|(_, default)| *default)
}

/// Whether a mode may become `value` in the open transaction, as Postgres has it.
pub(super) fn check(values: &Values, mode: &str, value: &str) -> Result<()> {
    let Some(transaction) = &values.transaction else { return Ok(()) };
    let refused = |message: &str| Err(Error::new(ErrorKind::ActiveTransaction, message));
    let changes = values.get(mode) != Some(value);
    let upper = transaction.savepoints.last();
    match mode {
        ISOLATION if changes && transaction.queried => {
            refused("SET TRANSACTION ISOLATION LEVEL must be called before any query")
        }
        ISOLATION if changes && upper.is_some() => {
            refused("SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction")
        }
        READ_ONLY if changes && value == "off" => {
            if upper.is_some_and(|upper| upper.local.get(READ_ONLY).map(String::as_str) == Some("on")) {
                return refused("cannot set transaction read-write mode inside a read-only transaction");
            }
            if transaction.queried {
                return refused("transaction read-write mode must be set before any query");
            }
            Ok(())
        }
        DEFERRABLE if upper.is_some() => {
            refused("SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction")
        }
        DEFERRABLE if transaction.queried => {
            refused("SET TRANSACTION [NOT] DEFERRABLE must be called before any query")
        }
        _ => Ok(()),
    }
}

impl Settings {
    /// Remembers the values that a ROLLBACK brings back, and gives the transaction its modes: these, or the defaults.
    pub(crate) fn begin_transaction(&self, modes: Option<Modes>) {
        let mut values = self.0.lock();
        let modes = modes.unwrap_or_else(|| current(&values));
        let before = values.set.clone();
        values.transaction = Some(OpenTransaction { before, savepoints: Vec::new(), queried: false });
        values.set.local.extend(modes.0.into_iter().map(|(mode, value)| (mode.to_string(), value)));
    }

    /// The modes of the open transaction.
    pub(crate) fn modes(&self) -> Modes {
        current(&self.0.lock())
    }

    /// Notes that the open transaction reads or writes.
    pub(crate) fn note_query(&self) {
        if let Some(transaction) = &mut self.0.lock().transaction {
            transaction.queried = true;
        }
    }

    /// Forgets what SET LOCAL set, and after a ROLLBACK what SET did.
    pub(crate) fn end_transaction(&self, committed: bool) {
        let mut values = self.0.lock();
        values.set.local.clear();
        if let Some(transaction) = values.transaction.take()
            && !committed
        {
            values.set = transaction.before;
        }
    }

    /// Remembers the values that ROLLBACK TO brings back.
    pub(crate) fn savepoint(&self) {
        let mut values = self.0.lock();
        let set = values.set.clone();
        if let Some(transaction) = &mut values.transaction {
            transaction.savepoints.push(set);
        }
    }

    /// Brings back the values of a savepoint, which stays. Savepoints are counted from 0, the oldest.
    pub(crate) fn rollback_to_savepoint(&self, number: usize) {
        let mut values = self.0.lock();
        let Some(transaction) = &mut values.transaction else { return };
        transaction.savepoints.truncate(number + 1);
        if let Some(set) = transaction.savepoints.last().cloned() {
            values.set = set;
        }
    }

    /// Forgets a savepoint and those after it. What was set since stays, but for the mode that only lasts until then.
    pub(crate) fn release_savepoint(&self, number: usize) {
        let mut values = self.0.lock();
        let Some(transaction) = &mut values.transaction else { return };
        let Some(Assigned { local, .. }) = transaction.savepoints.drain(number..).next() else { return };
        if let Some(read_only) = local.get(READ_ONLY).cloned() {
            values.set.local.insert(READ_ONLY.to_string(), read_only);
        }
    }
}

fn current(values: &Values) -> Modes {
    Modes(MODES.map(|(mode, _)| (mode, values.get(mode).unwrap_or_default().to_string())).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Settings {
        let settings = Settings::new([]);
        settings.begin_transaction(None);
        settings
    }

    fn refusal(settings: &Settings, name: &str, value: &str) -> Option<String> {
        settings.assign(name, value, true).err().map(|error| {
            assert_eq!(error.kind(), ErrorKind::ActiveTransaction);
            error.message().to_string()
        })
    }

    #[test]
    fn modes_stand_once_the_transaction_has_read() {
        let settings = begun();
        assert_eq!(refusal(&settings, READ_ONLY, "on"), None);
        assert_eq!(refusal(&settings, READ_ONLY, "off"), None);
        settings.note_query();
        assert_eq!(refusal(&settings, READ_ONLY, "on"), None);
        assert_eq!(
            refusal(&settings, READ_ONLY, "off").as_deref(),
            Some("transaction read-write mode must be set before any query")
        );
        assert_eq!(refusal(&settings, ISOLATION, "read committed"), None);
        assert!(refusal(&settings, ISOLATION, "repeatable read").is_some());
        assert!(refusal(&settings, DEFERRABLE, "off").is_some());
    }

    #[test]
    fn a_savepoint_s_read_only_ends_with_it() {
        let settings = begun();
        settings.savepoint();
        assert_eq!(refusal(&settings, READ_ONLY, "on"), None);
        assert!(settings.is_on(READ_ONLY));
        settings.release_savepoint(0);
        assert!(!settings.is_on(READ_ONLY));
        settings.assign(READ_ONLY, "on", true).expect("allowed");
        settings.savepoint();
        assert_eq!(
            refusal(&settings, READ_ONLY, "off").as_deref(),
            Some("cannot set transaction read-write mode inside a read-only transaction")
        );
    }

    #[test]
    fn modes_begin_with_their_defaults_and_chain() {
        let settings = Settings::new([]);
        settings.assign("default_transaction_read_only", "on", false).expect("settable");
        assert!(settings.is_on(READ_ONLY), "outside a block the default holds");
        settings.begin_transaction(None);
        settings.assign("default_transaction_read_only", "off", false).expect("settable");
        assert!(settings.is_on(READ_ONLY), "the open transaction keeps its own");
        let modes = settings.modes();
        settings.end_transaction(true);
        assert!(!settings.is_on(READ_ONLY));
        settings.begin_transaction(Some(modes));
        assert!(settings.is_on(READ_ONLY));
    }
}
