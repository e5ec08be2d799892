//! The one committer: runs the steps of a commit, one commit at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use parking_lot::RwLock;
use tokio::sync::{Mutex, watch};
use uuid::Uuid;

use super::checks::{RowChecks, edges_have_end_points, key_columns, removed_keys};
use super::cover_checks::stored_texts_fit;
use super::{CommitObserver, CommitStep, graph_changes};
use crate::catalog::{Catalog, TableId};
use crate::change::{CatalogEdit, Changes, Delta};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::index::{RebuildSource, StagedChanges};
use crate::graph_set::{GraphSet, MAX_ROW_CHANGES, OpenGraph, standing_at};
use crate::log::{CommitLog, CommitRecord, TableEntry, TableRedo};
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::key_index::{KeyHash, hash_keys};
use crate::store::{StagedLoad, StagedWrite, Store, TableVersion};

/// Recent snapshots kept for readers whose graph index stands a little behind or ahead of the head.
const RECENT_SNAPSHOTS: usize = 16;

/// What a commit gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitReceipt {
    /// Sequence number.
    pub seq: u64,
    /// Transaction id.
    pub tx_id: Uuid,
    /// Commit time.
    pub timestamp: DateTime<Utc>,
}

/// Everything a commit touches.
pub(crate) struct Committer {
    pub(crate) storage: Storage,
    pub(crate) store: Arc<Store>,
    pub(crate) log: CommitLog,
    pub(crate) graphs: GraphSet,
    observer: Option<Arc<dyn CommitObserver>>,
    writer: Mutex<Writer>,
    recent: RwLock<VecDeque<Arc<Snapshot>>>,
    head: watch::Sender<u64>,
}

/// State of the one writer, under its lock.
struct Writer {
    epoch: u64,
    /// Published versions whose manifests the next record has to wait for.
    unsynced: Vec<Arc<TableVersion>>,
    /// A commit that is past its commit point and could not be finished.
    unfinished: Option<Prepared>,
    /// Why nothing is written any more.
    stopped: Option<Error>,
}

/// A commit that has passed its checks.
struct Prepared {
    catalog: Arc<Catalog>,
    record: CommitRecord,
    writes: Vec<StagedWrite>,
    key_changes: Vec<KeyChange>,
    deltas: Vec<Delta>,
    loads: Vec<StagedLoad>,
    staged_graphs: Vec<(Arc<OpenGraph>, Box<dyn StagedChanges>)>,
}

/// What a commit does to a table's key index.
struct KeyChange {
    table: TableId,
    removed: Vec<KeyHash>,
    added: Vec<KeyHash>,
}

impl Committer {
    pub(crate) fn new(
        storage: Storage,
        store: Arc<Store>,
        log: CommitLog,
        graphs: GraphSet,
        observer: Option<Arc<dyn CommitObserver>>,
        head: Arc<Snapshot>,
        epoch: u64,
    ) -> Self {
        let sender = watch::Sender::new(head.seq);
        Committer {
            storage,
            store,
            log,
            graphs,
            observer,
            writer: Mutex::new(Writer { epoch, unsynced: Vec::new(), unfinished: None, stopped: None }),
            recent: RwLock::new(VecDeque::from([head])),
            head: sender,
        }
    }

    /// The newest published snapshot.
    pub(crate) fn head(&self) -> Arc<Snapshot> {
        Arc::clone(self.recent.read().front().expect("a database always has a snapshot"))
    }

    /// Recent snapshots, the newest first.
    pub(crate) fn recent(&self) -> Vec<Arc<Snapshot>> {
        self.recent.read().iter().cloned().collect()
    }

    /// Tells of every new head.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// Refuses all later commits and waits for the one that is running.
    pub(crate) async fn stop(&self) {
        let mut writer = self.writer.lock().await;
        writer.stopped.get_or_insert_with(|| Error::new(ErrorKind::ShuttingDown, "the database is closed for writing"));
    }

    /// Brings a graph index that is behind to the head.
    pub(crate) async fn repair(&self, graph: &OpenGraph) -> Result<()> {
        let _writer = self.writer.lock().await;
        graph.bring_forward(&self.head()).await
    }

    /// Commits, or changes nothing.
    pub(crate) async fn commit(&self, changes: Changes) -> Result<CommitReceipt> {
        let mut writer = self.writer.lock().await;
        if let Some(stopped) = &writer.stopped {
            return Err(stopped.clone());
        }
        if let Some(unfinished) = writer.unfinished.take() {
            self.finish(&mut writer, unfinished).await?;
        }
        let head = self.head();
        let mut prepared = self.prepare(&mut writer, &head, changes).await?;
        if let Err(error) = self.write_record(&mut writer, &prepared).await {
            for (_, staged) in prepared.staged_graphs {
                staged.rollback().await;
            }
            return Err(error);
        }
        let record = &prepared.record;
        let receipt = CommitReceipt { seq: record.seq, tx_id: record.tx_id, timestamp: record.timestamp };
        prepared.record.redo.clear();
        self.finish(&mut writer, prepared).await?;
        Ok(receipt)
    }

    /// Steps 1 to 3: everything that can fail without leaving a trace.
    async fn prepare(&self, writer: &mut Writer, head: &Arc<Snapshot>, changes: Changes) -> Result<Prepared> {
        let Changes { base, catalog: edits, mut deltas, loads } = changes;
        let seq = head.seq + 1;
        let tx_id = Uuid::now_v7();

        self.step(CommitStep::Check)?;
        let mut catalog = edited(&head.catalog, edits)?;
        refuse_missing_tables(&catalog, &deltas, &loads)?;
        RowChecks::new(head, &catalog, &mut deltas, &loads).run(&base).await?;
        for graph in catalog.graphs.values().filter(|graph| !head.catalog.graphs.contains_key(&graph.name)) {
            for edge in &graph.edges {
                edges_have_end_points(head, &catalog, edge).await?;
            }
            stored_texts_fit(head, &catalog, graph).await?;
        }
        self.done(CommitStep::Check)?;

        self.step(CommitStep::StageTables)?;
        let writes = self.stage_tables(head, &catalog, &deltas, &loads).await?;
        let key_changes = key_changes(&deltas, &loads)?;
        self.done(CommitStep::StageTables)?;

        let mut versions = head.versions.clone();
        versions.retain(|table, _| catalog.tables.contains_key(table));
        versions.extend(writes.iter().map(|write| (write.table.id, write.version())));

        self.step(CommitStep::StageGraph)?;
        let staged_graphs = self.stage_graphs(&catalog, &versions, seq, &deltas, &loads).await;
        self.done(CommitStep::StageGraph)?;

        let catalog_record = match catalog == *head.catalog {
            true => head.catalog_record.clone(),
            false => {
                catalog.format = crate::catalog::CATALOG_FORMAT;
                self.storage.write_catalog(seq, tx_id, &catalog).await?
            }
        };
        let record = CommitRecord {
            format: crate::log::record::RECORD_FORMAT,
            seq,
            tx_id,
            timestamp: Utc::now().max(head.timestamp + TimeDelta::microseconds(1)),
            epoch: writer.epoch,
            tables: version_map(&catalog, &versions),
            catalog: catalog_record,
            notes: None,
            redo: writes.iter().map(redo).collect::<Result<_>>()?,
        };
        Ok(Prepared { catalog: Arc::new(catalog), record, writes, key_changes, deltas, loads, staged_graphs })
    }

    async fn stage_tables(
        &self,
        head: &Snapshot,
        catalog: &Catalog,
        deltas: &[Delta],
        loads: &[StagedLoad],
    ) -> Result<Vec<StagedWrite>> {
        let mut writes = Vec::new();
        for delta in deltas.iter().filter(|delta| delta.added_rows() + delta.removed_rows() > 0) {
            let Some(version) = head.versions.get(&delta.table.id) else { continue };
            let base = self.store.open(&delta.table, *version).await?;
            self.store.refuse_foreign_change(&base).await?;
            writes.push(self.store.stage(&base, &delta.removed, &delta.added).await?);
        }
        for load in loads {
            let base = head.versions.get(&load.table.id).copied().unwrap_or(0);
            if base > 0 {
                self.store.refuse_foreign_change(&*self.store.open(&load.table, base).await?).await?;
            }
            writes.push(self.store.staged_from_load(load, base));
        }
        for table in catalog.tables.values().filter(|table| !head.catalog.tables.contains_key(&table.id)) {
            if writes.iter().any(|write| write.table.id == table.id) {
                continue;
            }
            let rows = deltas.iter().find(|delta| delta.table.id == table.id).map(|delta| {
                let rows: Vec<Result<RecordBatch, _>> = delta.added.iter().cloned().map(Ok).collect();
                Box::pin(RecordBatchStreamAdapter::new(table.arrow_schema(), futures::stream::iter(rows))) as _
            });
            writes.push(self.store.stage_new(table, rows).await?);
        }
        Ok(writes)
    }

    /// Applies the changes to every index they concern. An index that fails, or is not at the head, or has too much to
    /// take row by row, is left out: it is brought forward after the commit.
    async fn stage_graphs(
        &self,
        catalog: &Catalog,
        versions: &BTreeMap<TableId, u64>,
        seq: u64,
        deltas: &[Delta],
        loads: &[StagedLoad],
    ) -> Vec<(Arc<OpenGraph>, Box<dyn StagedChanges>)> {
        let mut staged = Vec::new();
        for definition in catalog.graphs.values() {
            let Some(graph) = self.graphs.get(&definition.name) else { continue };
            let concerned = |table: TableId| definition.tables().any(|member| member == table);
            let bulk = loads.iter().any(|load| concerned(load.table.id));
            let touched = deltas.iter().any(|delta| concerned(delta.table.id));
            if bulk || !touched {
                continue;
            }
            match self.stage_graph(&graph, versions, seq, deltas).await {
                Ok(Some(changes)) => staged.push((graph, changes)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(graph = definition.name, %error, "graph index refused a change, it will be brought forward");
                }
            }
        }
        staged
    }

    async fn stage_graph(
        &self,
        graph: &OpenGraph,
        versions: &BTreeMap<TableId, u64>,
        seq: u64,
        deltas: &[Delta],
    ) -> Result<Option<Box<dyn StagedChanges>>> {
        let changes = graph_changes::changes(&graph.definition, deltas)?;
        let rows: usize = changes.iter().map(|change| change.rows()).sum();
        let before = graph.standing_at(&self.head())?;
        let current = graph.index.standing().await?;
        if rows > MAX_ROW_CHANGES || current.is_none_or(|standing| standing.versions != before.versions) {
            return Ok(None);
        }
        graph.index.stage(changes, standing_at(&graph.definition, versions, seq)?).await.map(Some)
    }

    /// Step 4: the commit point.
    async fn write_record(&self, writer: &mut Writer, prepared: &Prepared) -> Result<()> {
        self.step(CommitStep::WriteRecord)?;
        for table in &writer.unsynced {
            self.store.sync_published(table).await?;
        }
        writer.unsynced.clear();
        self.store.sync_staged(&prepared.writes).await?;
        if let Err(error) = self.log.append(&prepared.record).await {
            if error.kind() == ErrorKind::Locked {
                writer.stopped = Some(error.clone());
                return Err(error);
            }
            // A create that failed may have happened all the same; only the log knows.
            match self.log.get(prepared.record.seq).await {
                Ok(Some(record)) if record.tx_id == prepared.record.tx_id => {}
                Ok(None) => return Err(error),
                Ok(Some(_)) | Err(_) => {
                    writer.stopped = Some(error.clone().with_hint("Restart the server: it reads its log anew."));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Steps 5 to 8: forward only. What fails is kept and finished before the next commit.
    async fn finish(&self, writer: &mut Writer, mut prepared: Prepared) -> Result<()> {
        let tables = match self.commit_tables(&prepared).await {
            Ok(tables) => tables,
            Err(error) => {
                tracing::error!(seq = prepared.record.seq, %error, "a commit waits to be finished");
                writer.unfinished = Some(prepared);
                return Err(error.with_hint("The commit is recorded and will be finished before the next one."));
            }
        };
        let snapshot = Arc::new(Snapshot {
            seq: prepared.record.seq,
            tx_id: prepared.record.tx_id,
            timestamp: prepared.record.timestamp,
            catalog_record: prepared.record.catalog.clone(),
            catalog: Arc::clone(&prepared.catalog),
            versions: prepared.record.tables.iter().map(|entry| (entry.id, entry.version)).collect(),
            store: Arc::clone(&self.store),
        });
        self.advance_keys(&prepared, &tables);
        writer.unsynced.extend(tables);
        let staged_graphs = std::mem::take(&mut prepared.staged_graphs);
        self.commit_graphs(&snapshot, staged_graphs, &prepared.loads, &prepared.deltas).await;
        self.publish(snapshot);
        self.announce();
        Ok(())
    }

    async fn commit_tables(&self, prepared: &Prepared) -> Result<Vec<Arc<TableVersion>>> {
        self.done(CommitStep::WriteRecord)?;
        self.step(CommitStep::CommitTables)?;
        let mut tables = Vec::new();
        for write in &prepared.writes {
            tables.push(self.store.publish(write).await?);
        }
        self.done(CommitStep::CommitTables)?;
        Ok(tables)
    }

    fn advance_keys(&self, prepared: &Prepared, tables: &[Arc<TableVersion>]) {
        for change in &prepared.key_changes {
            let Some(write) = prepared.writes.iter().find(|write| write.table.id == change.table) else { continue };
            let Some(table) = tables.iter().find(|table| table.definition().id == change.table) else { continue };
            let keys = write.folded_keys.iter().chain(&change.added).copied();
            let added = keys.zip(table.newest_addresses(&write.new_fragment_rows()));
            self.store.keys().advance(change.table, write.base, write.version(), &change.removed, added);
        }
    }

    async fn commit_graphs(
        &self,
        snapshot: &Arc<Snapshot>,
        staged: Vec<(Arc<OpenGraph>, Box<dyn StagedChanges>)>,
        loads: &[StagedLoad],
        deltas: &[Delta],
    ) {
        if let Err(error) = self.step(CommitStep::CommitGraph) {
            tracing::warn!(%error, "graph indexes are left behind");
            return;
        }
        let mut at_the_snapshot = Vec::new();
        for (graph, changes) in staged {
            match changes.commit().await {
                Ok(()) => at_the_snapshot.push(graph.definition.id),
                Err(error) => {
                    tracing::warn!(graph = graph.definition.name, %error, "graph index could not commit, bringing it forward");
                }
            }
        }
        if let Err(error) = self.graphs.follow(&snapshot.catalog).await {
            tracing::error!(%error, "a graph index could not be opened");
        }
        let head = self.head();
        for definition in snapshot.catalog.graphs.values() {
            let unchanged = standing_at(definition, &snapshot.versions, 0).ok()
                == standing_at(definition, &head.versions, 0).ok()
                && head.catalog.graphs.contains_key(&definition.name);
            if unchanged || at_the_snapshot.contains(&definition.id) {
                continue;
            }
            if let Some(graph) = self.graphs.get(&definition.name) {
                self.catch_up(&graph, snapshot, loads, deltas).await;
            }
        }
        if let Err(error) = self.done(CommitStep::CommitGraph) {
            tracing::warn!(%error, "stopped after the graph step");
        }
    }

    /// Brings an index to the snapshot that did not get there with the commit itself.
    async fn catch_up(&self, graph: &OpenGraph, snapshot: &Snapshot, loads: &[StagedLoad], deltas: &[Delta]) {
        let name = &graph.definition.name;
        let outcome = match self.load_graph(graph, snapshot, loads, deltas).await {
            Ok(true) => Ok(()),
            Ok(false) => graph.bring_forward(snapshot).await,
            Err(error) => {
                tracing::warn!(graph = name, %error, "graph index could not load, bringing it forward");
                graph.bring_forward(snapshot).await
            }
        };
        if let Err(error) = outcome {
            tracing::error!(graph = name, %error, "graph index stays behind");
        }
    }

    /// Hands appended rows to the index's bulk path, where the commit did nothing else to the graph.
    async fn load_graph(
        &self,
        graph: &OpenGraph,
        snapshot: &Snapshot,
        loads: &[StagedLoad],
        deltas: &[Delta],
    ) -> Result<bool> {
        let concerned = |table: TableId| graph.definition.tables().any(|member| member == table);
        let loads: Vec<&StagedLoad> = loads.iter().filter(|load| concerned(load.table.id)).collect();
        let current = graph.index.standing().await?;
        let before = graph.standing_at(&self.head())?;
        if loads.is_empty()
            || deltas.iter().any(|delta| concerned(delta.table.id))
            || current.is_none_or(|standing| standing.versions != before.versions)
        {
            return Ok(false);
        }
        let mut source = RebuildSource { nodes: Vec::new(), relationships: Vec::new() };
        for load in loads {
            let table = snapshot.open(&load.table).await?;
            for vertex in graph.vertices_of(load.table.id) {
                let rows = table.read_newest(load.fragments(), graph_changes::node_columns(vertex)).await?;
                source.nodes.push((vertex.label.clone(), rows));
            }
            for edge in graph.edges_of(load.table.id) {
                let rows = table.read_newest(load.fragments(), graph_changes::relationship_columns(edge)).await?;
                source.relationships.push((edge.label.clone(), rows));
            }
        }
        graph.index.load(source, graph.standing_at(snapshot)?).await?;
        Ok(true)
    }

    fn publish(&self, snapshot: Arc<Snapshot>) {
        if let Err(error) = self.step(CommitStep::Publish) {
            tracing::warn!(%error, "stopped before publishing");
        }
        let seq = snapshot.seq;
        {
            let mut recent = self.recent.write();
            recent.push_front(snapshot);
            recent.truncate(RECENT_SNAPSHOTS);
        }
        self.head.send_replace(seq);
        if let Err(error) = self.done(CommitStep::Publish) {
            tracing::warn!(%error, "stopped after publishing");
        }
    }

    /// Nobody listens to version-map events yet: whoever will reads the log from where it stopped.
    fn announce(&self) {
        for outcome in [self.step(CommitStep::Announce), self.done(CommitStep::Announce)] {
            if let Err(error) = outcome {
                tracing::warn!(%error, "stopped at the announcement");
            }
        }
    }

    fn step(&self, step: CommitStep) -> Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.before(step))
    }

    fn done(&self, step: CommitStep) -> Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.after(step))
    }
}

/// The catalog with edits applied, each checked again against what is at the head.
fn edited(head: &Catalog, edits: Vec<CatalogEdit>) -> Result<Catalog> {
    let mut catalog = head.clone();
    for edit in edits {
        catalog.apply(edit)?;
    }
    Ok(catalog)
}

/// A table that was dropped while this transaction ran.
fn refuse_missing_tables(catalog: &Catalog, deltas: &[Delta], loads: &[StagedLoad]) -> Result<()> {
    let tables = deltas.iter().map(|delta| &delta.table).chain(loads.iter().map(|load| &load.table));
    for table in tables {
        if !catalog.tables.contains_key(&table.id) {
            return Err(Error::new(ErrorKind::SerializationFailure, format!("table \"{}\" was dropped", table.name))
                .with_hint("Run the transaction again.")
                .on_table(&table.name));
        }
    }
    Ok(())
}

fn key_changes(deltas: &[Delta], loads: &[StagedLoad]) -> Result<Vec<KeyChange>> {
    let mut changes = Vec::new();
    for delta in deltas.iter().filter(|delta| !delta.table.primary_key.is_empty()) {
        let mut added = Vec::with_capacity(delta.added_rows());
        for batch in delta.added.iter().filter(|batch| batch.num_rows() > 0) {
            added.extend(hash_keys(&key_columns(&delta.table, batch)?)?);
        }
        changes.push(KeyChange { table: delta.table.id, removed: removed_keys(delta)?.into_keys().collect(), added });
    }
    for load in loads.iter().filter(|load| !load.table.primary_key.is_empty()) {
        changes.push(KeyChange { table: load.table.id, removed: Vec::new(), added: load.keys.clone() });
    }
    Ok(changes)
}

pub(crate) fn version_map(catalog: &Catalog, versions: &BTreeMap<TableId, u64>) -> Vec<TableEntry> {
    catalog
        .tables
        .values()
        .filter_map(|table| {
            let version = *versions.get(&table.id)?;
            Some(TableEntry { table: table.name.clone(), id: table.id, version })
        })
        .collect()
}

fn redo(write: &StagedWrite) -> Result<TableRedo> {
    Ok(TableRedo {
        id: write.table.id,
        directory: write.table.directory.clone(),
        version: write.version(),
        transaction: super::recovery::to_hex(&write.encode()?),
    })
}
