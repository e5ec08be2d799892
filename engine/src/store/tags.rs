//! Lance tags: names for versions of one table, which other programs see and leave alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Store, failed};
use crate::catalog::named_snapshot::TAG_PREFIX;
use crate::error::Result;
use crate::storage::{self, table_path};

impl Store {
    /// Names a version of a table, whatever had that name before.
    pub(crate) async fn tag(self: &Arc<Self>, directory: &str, tag: &str, version: u64) -> Result<()> {
        let tagging = |error: &lance::Error| failed(&format!("tag \"{directory}\""), error);
        let dataset = self.dataset(directory).with_version(version).load().await.map_err(|error| tagging(&error))?;
        let tags = dataset.tags();
        match tags.create(tag, version).await {
            Err(lance::Error::RefConflict { .. }) => tags.update(tag, version).await.map_err(|error| tagging(&error)),
            other => other.map_err(|error| tagging(&error)),
        }
    }

    /// Takes a tag away, if it is there.
    pub(crate) async fn untag(&self, directory: &str, tag: &str) -> Result<()> {
        let path = Path::from(format!("{}/{tag}.json", folder(directory)));
        match self.storage.object_store().delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage::failed("remove a tag", &error)),
        }
    }

    /// The tags of a table that belong to named snapshots.
    pub(crate) async fn tags(&self, directory: &str) -> Result<BTreeSet<String>> {
        let folder = Path::from(folder(directory));
        let files: Vec<_> = self
            .storage
            .object_store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|error| storage::failed("list tags", &error))?;
        let names = files.iter().filter_map(|file| file.location.filename()?.strip_suffix(".json"));
        Ok(names.filter(|name| name.starts_with(TAG_PREFIX)).map(str::to_string).collect())
    }
}

fn folder(directory: &str) -> String {
    format!("{}/_refs/tags", table_path(directory))
}
