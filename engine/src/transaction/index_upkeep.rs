//! Data of indexes on its way into commits: with the statement that makes an index, and later, when rows have come that no
//! data covers, when ALTER TABLE has written a table anew, or when a transaction block has made an index.
//!
//! Nothing waits for it. A build reads a snapshot, and only its commit takes part in the queue, alone in its group. Whoever
//! reads meanwhile gets the same rows, later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::block::edited;
use super::committer::{CommitReceipt, Committer};
use crate::catalog::{CatalogEdit, IndexDefinition, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::index_builds::{Builder, IndexBuilds};
use crate::pending::Pending;
use crate::snapshot::Snapshot;
use crate::store::index_build::{FEWEST_ROWS, Need};
use crate::store::index_recipe::can_have_data;
use crate::store::{StagedIndex, TableVersion};

/// How long commits may go on before upkeep looks what they have left.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a commit is tried again over a newer catalog, before the index is built again.
const TRIES: usize = 8;

/// What a statement's indexes hold, written and not committed.
#[derive(Debug, Default)]
pub struct BuiltIndexes(Vec<(Arc<TableDefinition>, StagedIndex)>);

/// Upkeep of indexes in the background. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct IndexUpkeep(JoinHandle<()>);

impl Drop for IndexUpkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl IndexUpkeep {
    /// Looks after the indexes of a database from now on.
    pub(crate) fn start(committer: &Arc<Committer>) -> Self {
        IndexUpkeep(tokio::spawn(look_after(Arc::clone(committer))))
    }
}

async fn look_after(committer: Arc<Committer>) {
    let mut heads = committer.subscribe();
    heads.mark_changed();
    let mut seen: BTreeMap<TableId, (u64, usize)> = BTreeMap::new();
    while heads.changed().await.is_ok() {
        tokio::time::sleep(PAUSE).await;
        let head = committer.head();
        for table in head.catalog.tables.values().filter(|table| !table.indexes.is_empty()) {
            let Some(version) = head.versions.get(&table.id).copied() else { continue };
            let state = (version, table.indexes.len());
            if seen.insert(table.id, state) == Some(state) {
                continue;
            }
            if let Err(error) = committer.tend_indexes(table.id, None, false, Builder::UPKEEP).await {
                tracing::warn!(table = table.name, %error, "indexes are not brought forward");
            }
        }
        seen.retain(|table, _| head.catalog.tables.contains_key(table));
    }
}

impl Committer {
    /// Builds what `edits` make over `base`.
    pub(crate) async fn build_indexes(
        &self,
        base: &Arc<Snapshot>,
        edits: &[CatalogEdit],
        builder: Builder,
    ) -> Result<BuiltIndexes> {
        let mut staged = Vec::new();
        for edit in edits {
            let CatalogEdit::CreateIndex { table, index } = edit else { continue };
            let Some(table) = base.catalog.tables.get(table) else { continue };
            let version = base.open(table).await?;
            if version.row_count() >= FEWEST_ROWS && can_have_data(table, index) {
                staged
                    .extend(self.build(&version, index, true, builder).await?.map(|index| (Arc::clone(table), index)));
            }
        }
        Ok(BuiltIndexes(staged))
    }

    /// Commits edits over `base` with what was built for them. A commit that comes second to another of the catalog goes on
    /// over that one.
    pub(crate) async fn commit_built(
        self: &Arc<Self>,
        base: &Arc<Snapshot>,
        edits: Vec<CatalogEdit>,
        built: BuiltIndexes,
    ) -> Result<CommitReceipt> {
        let mut tries = 0;
        loop {
            let head = if tries == 0 { Arc::clone(base) } else { self.head() };
            let (_, mut pending) = edited(&head, &Pending::default(), edits.clone())?;
            for (built_for, index) in &built.0 {
                let table =
                    head.catalog.tables.get(&built_for.id).filter(|table| table.says_the_same_of_rows(built_for));
                table.ok_or_else(|| altered(built_for))?;
                pending.index(index.clone());
            }
            match self.commit_in_its_own_task(head, pending).await {
                Err(error) if error.kind() == ErrorKind::SerializationFailure && tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    /// Brings the data of a table's indexes (of one, or of all) to what the catalog says; `anew` builds what is good, too.
    pub(crate) async fn tend_indexes(
        self: &Arc<Self>,
        table: TableId,
        only: Option<u32>,
        anew: bool,
        builder: Builder,
    ) -> Result<()> {
        let _alone = self.tending.lock().await;
        let head = self.head();
        let Some(table) = head.catalog.tables.get(&table) else { return Ok(()) };
        let version = head.open(table).await?;
        let is_known = |oid: &u32| table.indexes.iter().any(|index| index.oid == *oid);
        for left in version.owners_of_data().await?.into_iter().filter(|oid| !is_known(oid)) {
            self.commit_index(StagedIndex::removal(table.id, left)).await?;
        }
        for index in table.indexes.iter().filter(|index| only.is_none_or(|only| only == index.oid)) {
            let whole = match version.need(index).await? {
                _ if anew => true,
                Need::Nothing => continue,
                Need::Whole => true,
                Need::Rest => false,
            };
            if let Some(staged) = self.build(&version, index, whole, builder).await? {
                self.commit_index(staged).await?;
            }
        }
        Ok(())
    }

    async fn build(
        &self,
        version: &TableVersion,
        index: &IndexDefinition,
        whole: bool,
        builder: Builder,
    ) -> Result<Option<StagedIndex>> {
        let entry = self.builds.begin(builder, version.definition(), index, version.row_count());
        version.build_index(index, whole, entry).await
    }

    async fn commit_index(self: &Arc<Self>, index: StagedIndex) -> Result<()> {
        let mut pending = Pending::default();
        pending.index(index);
        self.commit_in_its_own_task(self.head(), pending).await.map(drop)
    }

    async fn commit_in_its_own_task(self: &Arc<Self>, base: Arc<Snapshot>, pending: Pending) -> Result<CommitReceipt> {
        let committer = Arc::clone(self);
        let pin = self.pins.pin(base.seq);
        tokio::spawn(async move { committer.commit(base, pending, Some(pin)).await })
            .await
            .map_err(|error| Error::internal(format!("the commit task failed: {error}")))?
    }

    /// The builds of indexes that are running.
    pub(crate) fn builds(&self) -> &Arc<IndexBuilds> {
        &self.builds
    }
}

fn altered(table: &TableDefinition) -> Error {
    let message = format!("table \"{}\" was altered while an index of it was built", table.name);
    Error::new(ErrorKind::SerializationFailure, message).with_hint("Run the statement again.").on_table(&table.name)
}
