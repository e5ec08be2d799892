//! Deleting versions of a table, and tables.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use lance::dataset::cleanup::{CleanupPolicyBuilder, cleanup_old_versions};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Store, failed};
use crate::catalog::TableId;
use crate::error::Result;
use crate::storage::{self, table_path};

impl Store {
    /// Lets go of open versions of a table.
    pub(crate) fn forget_versions(&self, table: TableId, versions: &BTreeSet<u64>) {
        let mut open = self.open.lock();
        for version in versions {
            open.pop(&(table, *version));
        }
    }

    /// Deletes exactly these versions of a table, and the files that no other version has. Versions with a tag stay. Gives how
    /// many there were.
    pub(crate) async fn remove_versions(self: &Arc<Self>, directory: &str, versions: &BTreeSet<u64>) -> Result<usize> {
        let removing = |error: &lance::Error| failed(&format!("remove versions of \"{directory}\""), error);
        let present = self.versions(directory).await?;
        let there: Vec<u64> = present.iter().copied().filter(|version| versions.contains(version)).collect();
        let (Some(latest), false) = (present.last(), there.is_empty()) else { return Ok(0) };
        let dataset = self.dataset(directory).with_version(*latest).load().await.map_err(|error| removing(&error))?;
        let policy = CleanupPolicyBuilder::default()
            .versions(there)
            .map_err(|error| removing(&error))?
            .error_if_tagged_old_versions(false)
            .build();
        let removed = cleanup_old_versions(&dataset, policy).await.map_err(|error| removing(&error))?;
        Ok(removed.old_versions as usize)
    }

    /// Deletes a table with everything it has.
    pub(crate) async fn remove_table(&self, directory: &str) -> Result<()> {
        let store = self.storage.object_store();
        let removing = |error: &object_store::Error| storage::failed(&format!("remove \"{directory}\""), error);
        let folder = Path::from(table_path(directory));
        let files: Vec<_> = store.list(Some(&folder)).try_collect().await.map_err(|error| removing(&error))?;
        for file in files {
            match store.delete(&file.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(removing(&error)),
            }
        }
        if let Some(root) = self.storage.local_root() {
            // Its folders are empty by now, and are no loss if they stay.
            let _ = std::fs::remove_dir_all(root.join(table_path(directory)));
        }
        Ok(())
    }
}
