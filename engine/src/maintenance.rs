//! What an administrator asks of a running database: snapshots with names, compaction.

use std::sync::Arc;

use crate::catalog::TableDefinition;
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::history::Version;

/// How often a compaction is begun again because others have changed what it was about.
const COMPACTION_ATTEMPTS: usize = 5;

/// What a compaction has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Fragments that were written again.
    pub before: usize,
    /// Fragments that they became.
    pub after: usize,
}

impl Database {
    /// Gives the newest version a name, under which it stays readable. Gives its number.
    pub async fn create_snapshot(self: &Arc<Self>, name: &str) -> Result<u64> {
        let (committer, name) = (Arc::clone(&self.committer), name.to_string());
        to_its_end(async move { committer.create_snapshot(&name).await }).await
    }

    /// Takes the name of a snapshot away; it is kept for as long as any other version.
    pub async fn drop_snapshot(self: &Arc<Self>, name: &str) -> Result<()> {
        let (committer, name) = (Arc::clone(&self.committer), name.to_string());
        to_its_end(async move { committer.drop_snapshot(&name).await }).await
    }

    /// Commits the rows, the schema and the graphs of a named snapshot as the newest version. Gives its number.
    pub async fn restore_snapshot(self: &Arc<Self>, name: &str) -> Result<u64> {
        let view = self.view_at(&Version::Name(name.to_string())).await?;
        let record = self.committer.log.get(view.snapshot.seq).await?;
        let counted = record.map(|record| record.sequences).unwrap_or_default();
        let (committer, name) = (Arc::clone(&self.committer), name.to_string());
        to_its_end(async move { committer.restore(&name, &view.snapshot, &counted).await }).await
    }

    /// Makes few large fragments of a table's many small ones, while others read and write it.
    pub async fn compact(self: &Arc<Self>, table: &Arc<TableDefinition>) -> Result<CompactionReport> {
        for _ in 0..COMPACTION_ATTEMPTS {
            let view = self.read_view(&[]).await?;
            let Some(definition) = view.snapshot.catalog.tables.get(&table.id) else {
                let message = format!("table \"{}\" was dropped", table.name);
                return Err(Error::new(ErrorKind::UndefinedTable, message).on_table(&table.name));
            };
            let base = view.snapshot.open(definition).await?;
            let compaction = self.committer.store.compact(&base).await?;
            if compaction.is_empty() {
                return Ok(CompactionReport::default());
            }
            let (before, after) = compaction.fragments();
            let committer = Arc::clone(&self.committer);
            if to_its_end(async move { committer.commit_compaction(&compaction).await }).await? {
                return Ok(CompactionReport { before, after });
            }
        }
        let message = format!("could not compact table \"{}\" due to concurrent updates", table.name);
        Err(Error::new(ErrorKind::SerializationFailure, message).with_hint("Run it again.").on_table(&table.name))
    }
}

/// Runs a commit in a task of its own: a caller that goes away ends its waiting, not the commit.
async fn to_its_end<T: Send + 'static>(commit: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(commit).await.map_err(|error| Error::internal(format!("the commit task failed: {error}")))?
}
