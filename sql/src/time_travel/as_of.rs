//! One version for a whole session or transaction: `SET slipstream.as_of`, and snapshots that one transaction gives another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use parking_lot::Mutex;
use slipstream_engine::{Error, ErrorKind, ReadView, Result, Version};

use super::key::Key;
use super::versions::version_of;
use crate::session::Inner;
use crate::statement::Statement;

/// The setting whose version everything is read at.
pub(crate) const SETTING: &str = "slipstream.as_of";

/// The version that a session's setting stands for. It is held for as long as the setting stands.
#[derive(Debug, Default)]
pub(crate) struct AsOf(Mutex<Option<(String, ReadView)>>);

impl Inner {
    /// What is read instead of the newest version, where the session says so.
    pub(crate) async fn as_of(&self) -> Result<Option<ReadView>> {
        let text = self.settings().show(SETTING)?;
        if text.is_empty() {
            self.as_of_held().0.lock().take();
            return Ok(None);
        }
        let known = self.as_of_held().0.lock().clone();
        if let Some((_, view)) = known.filter(|(known, _)| *known == text) {
            return Ok(Some(view));
        }
        let view = self.view_of_setting(&text).await?;
        *self.as_of_held().0.lock() = Some((text, view.clone()));
        Ok(Some(view))
    }

    /// The version that a value of the setting names.
    pub(crate) async fn view_of_setting(&self, text: &str) -> Result<ReadView> {
        let version = self.version_of_setting(text).await?;
        self.database().view_at(&version).await
    }

    /// Makes the version of an exported snapshot, or any other, that of the open transaction.
    pub(crate) async fn import_snapshot(&self, text: &str) -> Result<()> {
        if !self.in_block() {
            self.warn_outside_block("SET TRANSACTION");
            return Ok(());
        }
        let late =
            || Error::new(ErrorKind::ActiveTransaction, "SET TRANSACTION SNAPSHOT must be called before any query");
        if !["repeatable read", "serializable"].contains(&self.settings().show("transaction_isolation")?.as_str()) {
            let message = "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ";
            return Err(Error::not_supported(message));
        }
        let version = match seq_of(text) {
            Some(seq) => Version::Commit(seq),
            None => self.version_of_setting(text).await?,
        };
        let work = self.transaction().lock().work().ok_or_else(late)?;
        let taken = match work.lock().await.as_mut() {
            Some(transaction) => transaction.begin_at(&version).await?,
            None => false,
        };
        if taken { Ok(()) } else { Err(late()) }
    }

    async fn version_of_setting(&self, text: &str) -> Result<Version> {
        let key = Key::setting(text)?;
        if let Key::Version(version) = key {
            return Ok(version);
        }
        // A time is read in the session's zone, and depends on nothing else.
        let view = self.database().read_view(&[]).await?;
        version_of(self, &Statement::none(), &view, &key).await
    }
}

/// The identifier of a snapshot, in the form that Postgres's have.
pub(crate) fn exported(seq: u64) -> String {
    format!("{:08X}-{:08X}-1", seq >> 32, seq & 0xffff_ffff)
}

fn seq_of(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [high, low, "1"] = parts[..] else { return None };
    let number = |digits: &str| (digits.len() == 8).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    Some(number(high)? << 32 | number(low)?)
}

/// `pg_export_snapshot()`: the version that the statement reads, which the session notes in `reading`.
pub(crate) fn export_function(reading: &Arc<AtomicU64>) -> ScalarUDF {
    ScalarUDF::from(Export {
        reading: Arc::clone(reading),
        signature: Signature::exact(Vec::new(), Volatility::Volatile),
    })
}

#[derive(Debug)]
struct Export {
    reading: Arc<AtomicU64>,
    signature: Signature,
}

impl PartialEq for Export {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.reading, &other.reading)
    }
}

impl Eq for Export {}

impl std::hash::Hash for Export {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl ScalarUDFImpl for Export {
    fn name(&self) -> &str {
        "pg_export_snapshot"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(exported(self.reading.load(Ordering::Relaxed))))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exported_snapshot_is_found_again() {
        for seq in [1, 77, u64::from(u32::MAX) + 5] {
            assert_eq!(seq_of(&exported(seq)), Some(seq));
        }
        assert_eq!(seq_of("2026-01-1"), None);
    }
}
