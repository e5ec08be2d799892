//! A database, open for reading and writing in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::batches::Batches;
use crate::catalog::{CatalogEdit, SequenceDefinition, TableDefinition, TableId};
use crate::change::Changes;
use crate::error::{Error, Result};
use crate::graph::index::{IndexFactory, IndexReader, Standing};
use crate::graph_set::{GraphSet, OpenGraph, READ_PATIENCE};
use crate::history::{History, Past, Version};
use crate::index_builds::{Builder, IndexBuilds};
use crate::lock::Lock;
use crate::log::{CommitLog, CommitRecord};
use crate::pending::Pending;
use crate::sequences::{Next, Sequences};
use crate::snapshot::Snapshot;
use crate::spill::{SpillLimits, SpillSpace};
use crate::storage::{Durability, FormatFile, Storage};
use crate::store::{StagedLoad, Store};
use crate::transaction::block::{Transaction, edited};
use crate::transaction::committer::Committer;
use crate::transaction::conflicts::Pin;
use crate::transaction::index_upkeep::{BuiltIndexes, IndexUpkeep};
use crate::transaction::kernel::standing::shows;
use crate::transaction::load_checks::LoadChecks;
use crate::transaction::recovery::{Recovered, RecoveryReport, recover};
use crate::transaction::{CommitObserver, RecoveryStep};
use crate::view::ReadView;

pub use crate::transaction::committer::CommitReceipt;

/// How a database is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// The data directory; made where it is missing. Where `storage` says otherwise it holds what is local only: the lock
    /// file and the graph indexes.
    pub directory: PathBuf,
    /// The root of the database, where it is not `directory`.
    pub storage: Option<Storage>,
    /// What survives a power cut.
    pub durability: Durability,
    /// Where changed rows are kept until they commit.
    pub spill: SpillLimits,
    /// What keeps the graph indexes.
    pub index: IndexFactory,
    /// Watches commit steps, in tests.
    pub observer: Option<Arc<dyn CommitObserver>>,
}

impl OpenOptions {
    /// A directory with full durability and Kuzu as graph index.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        OpenOptions {
            directory: directory.into(),
            storage: None,
            durability: Durability::Full,
            spill: SpillLimits::default(),
            index: crate::graph::kuzu::factory(),
            observer: None,
        }
    }
}

/// How long a commit waits at most for the one that has the turn.
const TURN_PATIENCE: Duration = Duration::from_secs(1);

/// The right to commit before others, for a transaction that has lost against them too often. One has it at a time.
pub type Turn = OwnedMutexGuard<()>;

/// How long a transaction waits for a reader of a graph index before it does without.
const READER_PATIENCE: Duration = Duration::from_millis(20);

/// An open database. There is one per data directory and process.
pub struct Database {
    format: FormatFile,
    durability: Durability,
    pub(crate) committer: Arc<Committer>,
    recovery: RecoveryReport,
    turn: Arc<Mutex<()>>,
    /// Whether a task is bringing graph indexes forward.
    repairing: Arc<AtomicBool>,
    spill: Arc<SpillSpace>,
    pub(crate) history: History,
    /// Held by what must not run twice at a time.
    pub(crate) upkeep: Mutex<()>,
    _upkeep: IndexUpkeep,
    _lock: Lock,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("id", &self.format.database_id).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens a database for writing: takes the lock, recovers, opens the graph indexes.
    pub async fn open(options: OpenOptions) -> Result<Arc<Database>> {
        let started = Instant::now();
        let storage = match options.storage {
            Some(storage) => storage,
            None => Storage::local(&options.directory, options.durability)?,
        };
        // Before the first file of ours is made.
        storage.refuse_what_is_no_database().await?;
        let local = storage.local_directory(&options.directory)?;
        let lock = Lock::take(&local)?;
        let spill = SpillSpace::new(&local, options.spill);
        let format = storage.identify().await?;
        let store = Store::new(storage.clone(), options.durability);
        let log = CommitLog::of(&storage);
        let Recovered { snapshot: head, epoch, sequences, report: recovery } =
            recover(&storage, &store, &log, options.observer.as_deref()).await?;
        let graphs = GraphSet::new(&local, options.index);
        graphs.remove_strays(&head.catalog);
        for graph in graphs.follow(&head.catalog).await? {
            graph.bring_forward(&head).await?;
        }
        if let Some(observer) = &options.observer {
            observer.recovered(RecoveryStep::BringGraphs)?;
        }
        tracing::info!(
            database = %format.database_id,
            found_seq = recovery.found_seq,
            seq = head.seq,
            epoch,
            redone = ?recovery.redone,
            foreign = ?recovery.foreign,
            took = ?started.elapsed(),
            "database open"
        );
        let committer = Committer::new(
            storage,
            store,
            log,
            graphs,
            options.observer,
            head,
            epoch,
            Sequences::recovered(&sequences),
        );
        committer.settle_tags().await?;
        let committer = Arc::new(committer);
        Ok(Arc::new(Database {
            format,
            durability: options.durability,
            _upkeep: IndexUpkeep::start(&committer),
            committer,
            recovery,
            turn: Arc::default(),
            repairing: Arc::default(),
            spill,
            history: History::default(),
            upkeep: Mutex::default(),
            _lock: lock,
        }))
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.committer.head()
    }

    /// What recovery did when the database was opened.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// What survives a power cut.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// A place for rows that are to be changed: when they become too many they go to a temporary file.
    pub fn batches(&self) -> Batches {
        Batches::new(&self.spill)
    }

    /// Bytes in temporary files.
    pub fn spilled_bytes(&self) -> u64 {
        self.spill.used()
    }

    /// The database's identity.
    pub fn format(&self) -> &FormatFile {
        &self.format
    }

    /// A snapshot, not older than the newest at the time of the call, together with read transactions of those indexes of
    /// `graphs` that stand exactly at it.
    ///
    /// A statement never waits for a commit: where an index is one commit ahead of or behind the head, the snapshot that
    /// it stands at is used. An index that is further behind, or being rebuilt, has no reader in the view, and is brought
    /// forward in the background.
    pub async fn read_view(&self, graphs: &[String]) -> Result<ReadView> {
        let newest = self.committer.head();
        if graphs.is_empty() {
            return Ok(self.view_of(newest, BTreeMap::new()));
        }
        for graph in graphs {
            newest.catalog.graph(graph)?;
        }
        let deadline = Instant::now() + READ_PATIENCE;
        let mut heads = self.committer.subscribe();
        while Instant::now() < deadline {
            if let Some(view) = self.try_read_view(graphs, newest.seq).await? {
                return Ok(view);
            }
            // A commit may be on its way that brings the index along, or the head to it. If not, the next look is the last.
            let _ = tokio::time::timeout(READ_PATIENCE, heads.changed()).await;
        }
        self.view_of_what_stands(graphs).await
    }

    /// The newest snapshot with the indexes that stand at it.
    async fn view_of_what_stands(&self, graphs: &[String]) -> Result<ReadView> {
        let snapshot = self.committer.head();
        let mut readers = BTreeMap::new();
        let mut behind = Vec::new();
        for name in graphs {
            let Some(graph) = self.committer.graphs.get(name) else { continue };
            let goal = graph.standing_at(&snapshot)?;
            match graph.index.begin_read().await? {
                Some(reader) if reader.standing().versions == goal.versions => {
                    readers.insert(name.clone(), reader);
                }
                _ => behind.push(graph),
            }
        }
        self.bring_forward(behind);
        Ok(self.view_of(snapshot, readers))
    }

    /// Brings indexes to the head in the background, unless that is being done.
    fn bring_forward(&self, behind: Vec<Arc<OpenGraph>>) {
        if behind.is_empty() || self.repairing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (committer, repairing) = (Arc::clone(&self.committer), Arc::clone(&self.repairing));
        tokio::spawn(async move {
            for graph in behind {
                if let Err(error) = committer.repair(&graph).await {
                    tracing::warn!(graph = graph.definition.name, %error, "a graph index stays behind");
                }
            }
            repairing.store(false, Ordering::Release);
        });
    }

    async fn try_read_view(&self, graphs: &[String], oldest: u64) -> Result<Option<ReadView>> {
        let mut readers = BTreeMap::new();
        let mut open = Vec::with_capacity(graphs.len());
        for name in graphs {
            let Some(graph) = self.committer.graphs.get(name) else { return Ok(None) };
            let Some(reader) = graph.index.begin_read().await? else { return Ok(None) };
            open.push((graph, Arc::clone(&reader)));
            readers.insert(name.clone(), reader);
        }
        let fits = |snapshot: &Snapshot| {
            open.iter().all(|(graph, reader)| {
                snapshot.catalog.graphs.get(&graph.definition.name).is_some_and(|there| there.id == graph.definition.id)
                    && shows(&reader.standing().versions, &snapshot.versions)
            })
        };
        let snapshot = self.committer.recent().into_iter().find(|snapshot| snapshot.seq >= oldest && fits(snapshot));
        Ok(snapshot.map(|snapshot| self.view_of(snapshot, readers)))
    }

    /// A read transaction of a graph's index, if it stands at `snapshot` and is to be had at once: a transaction may be held
    /// open for long, so it takes none of the last readers from statements that are not.
    pub(crate) async fn reader_at(&self, graph: &str, snapshot: &Snapshot) -> Result<Option<Arc<dyn IndexReader>>> {
        let Some(graph) = self.committer.graphs.get(graph) else { return Ok(None) };
        let Ok(reader) = tokio::time::timeout(READER_PATIENCE, graph.index.begin_read()).await else { return Ok(None) };
        let Some(reader) = reader? else { return Ok(None) };
        let fits = snapshot.catalog.graphs.get(&graph.definition.name) == Some(&graph.definition)
            && reader.standing().versions == graph.standing_at(snapshot)?.versions;
        Ok(fits.then_some(reader))
    }

    pub(crate) fn view_of(&self, snapshot: Arc<Snapshot>, readers: BTreeMap<String, Arc<dyn IndexReader>>) -> ReadView {
        let pin = self.committer.pins.pin(snapshot.seq);
        ReadView { snapshot, readers, pending: Arc::default(), pin }
    }

    /// Begins a transaction. It takes its snapshot when it first reads.
    pub fn begin(self: &Arc<Self>) -> Transaction {
        Transaction::new(Arc::clone(self))
    }

    /// An older version, for reading; `22023` where there is none, or none any more. No graph index stands there.
    pub async fn view_at(&self, version: &Version) -> Result<ReadView> {
        let seq = self.past().seq(version).await?;
        let pin = self.committer.pins.pin_past(seq);
        let snapshot = self.past().snapshot(seq).await?;
        Ok(ReadView { snapshot, readers: BTreeMap::new(), pending: Arc::default(), pin })
    }

    /// As [`Database::view_at`], for a transaction that may commit what it has read.
    pub(crate) async fn base_at(&self, version: &Version) -> Result<ReadView> {
        let seq = self.past().seq(version).await?;
        let pin = self.committer.pins.pin(seq);
        let snapshot = self.past().snapshot(seq).await?;
        Ok(ReadView { snapshot, readers: BTreeMap::new(), pending: Arc::default(), pin })
    }

    pub(crate) fn past(&self) -> Past<'_> {
        let Committer { storage, store, log, .. } = &*self.committer;
        Past { storage, store, log, history: &self.history, head: self.committer.head() }
    }

    /// What the sequences have given out.
    pub fn sequences(&self) -> &Sequences {
        &self.committer.sequences
    }

    /// The next value of a sequence. It is not taken back, whatever becomes of the transaction.
    pub async fn next_value(&self, sequence: &SequenceDefinition) -> Result<i64> {
        if !self.snapshot().catalog.sequences.contains_key(&sequence.id) {
            return self.committer.sequences.next_of_unknown(sequence);
        }
        loop {
            match self.committer.sequences.next(sequence)? {
                Next::Given(value) => return Ok(value),
                Next::Reserve => self.committer.reserve_sequences().await?,
            }
        }
    }

    /// Sets the last value of a sequence, or the next where it is not `called`.
    pub async fn set_value(&self, sequence: &SequenceDefinition, value: i64, called: bool) -> Result<()> {
        self.committer.sequences.set(sequence, value, called)?;
        match self.snapshot().catalog.sequences.contains_key(&sequence.id) {
            true => self.committer.reserve_sequences().await,
            false => Ok(()),
        }
    }

    /// Writes the rows of a bulk load ahead of its commit, checking keys and end points as they stream by. `table` may be
    /// one that the same commit makes.
    pub async fn stage_load(
        &self,
        table: &Arc<TableDefinition>,
        view: &ReadView,
        rows: SendableRecordBatchStream,
    ) -> Result<StagedLoad> {
        let checks = Arc::new(Mutex::new(LoadChecks::new(table, view).await?));
        // Lance tells an error of its row source as one of its own; the real one is kept here.
        let refused = Arc::new(parking_lot::Mutex::new(None));
        let schema = rows.schema();
        let checked = rows.then({
            let (checks, refused) = (Arc::clone(&checks), Arc::clone(&refused));
            move |batch| {
                let (checks, refused) = (Arc::clone(&checks), Arc::clone(&refused));
                async move {
                    let checked = match batch {
                        Ok(batch) => checks.lock().await.check(&batch).await.map(|()| batch),
                        Err(error) => Err(crate::stream::error(error)),
                    };
                    checked.map_err(|error| refused.lock().insert(error).clone().into())
                }
            }
        });
        let checked = Box::pin(RecordBatchStreamAdapter::new(schema, checked));
        let target = match view.snapshot.versions.contains_key(&table.id) {
            true => Some(view.snapshot.open(table).await?),
            false => None,
        };
        let written = self.committer.store.write_load(table, target.as_deref(), checked).await;
        let mut load = written.map_err(|error| refused.lock().take().unwrap_or(error))?;
        let checks =
            Arc::into_inner(checks).ok_or_else(|| Error::internal("a finished load is still being checked"))?;
        checks.into_inner().finish(&mut load)?;
        Ok(load)
    }

    /// Commits the changes of a single statement over what it read, or changes nothing.
    pub async fn commit(&self, view: &ReadView, changes: Changes) -> Result<CommitReceipt> {
        let Changes { catalog: edits, rows, loads, locked } = changes;
        let (_, mut pending) = edited(&view.snapshot, &view.pending, edits)?;
        for rows in rows {
            pending.absorb_rows(rows)?;
        }
        loads.into_iter().for_each(|load| pending.load(load));
        locked.into_iter().for_each(|rows| pending.lock(rows));
        self.commit_pending(Arc::clone(&view.snapshot), pending, Arc::clone(&view.pin)).await
    }

    /// Builds what the indexes hold that a single statement makes, from what it has read. Others write meanwhile.
    pub async fn build_indexes(
        &self,
        view: &ReadView,
        edits: &[CatalogEdit],
        builder: Builder,
    ) -> Result<BuiltIndexes> {
        self.committer.build_indexes(&view.snapshot, edits, builder).await
    }

    /// Commits the catalog edits of that statement with what was built for them.
    pub async fn commit_indexes(
        &self,
        view: &ReadView,
        edits: Vec<CatalogEdit>,
        built: BuiltIndexes,
    ) -> Result<CommitReceipt> {
        self.committer.commit_built(&view.snapshot, edits, built).await
    }

    /// Builds what an index of a table holds anew; that of all of them where none is named.
    pub async fn reindex(&self, table: TableId, index: Option<u32>, builder: Builder) -> Result<()> {
        self.committer.tend_indexes(table, index, true, builder).await
    }

    /// The builds of indexes that are running.
    pub fn index_builds(&self) -> &Arc<IndexBuilds> {
        self.committer.builds()
    }

    /// Commits in a task of its own: a caller that goes away ends its waiting, not the commit.
    pub(crate) async fn commit_pending(
        &self,
        base: Arc<Snapshot>,
        pending: Pending,
        pin: Arc<Pin>,
    ) -> Result<CommitReceipt> {
        let committer = Arc::clone(&self.committer);
        tokio::spawn(async move { committer.commit(base, pending, Some(pin)).await })
            .await
            .map_err(|error| Error::internal(format!("the commit task failed: {error}")))?
    }

    /// Transactions that wait behind the commit that is running.
    #[cfg(test)]
    pub(crate) fn waiting_commits(&self) -> usize {
        self.committer.waiting()
    }

    /// Waits for the turn to commit before others.
    pub async fn take_turn(&self) -> Turn {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Lets the transaction that has the turn commit first, unless it takes long.
    pub async fn let_others_finish(&self) {
        if self.turn.try_lock().is_err() {
            // Whether it has finished or takes too long, it is time to go on.
            let _ = tokio::time::timeout(TURN_PATIENCE, self.turn.lock()).await;
        }
    }

    /// Commit records, the newest first, at most `limit`.
    pub async fn commits(&self, limit: usize) -> Result<Vec<CommitRecord>> {
        let mut records = Vec::new();
        let mut seq = self.snapshot().seq;
        let oldest = self.snapshot().catalog.oldest_kept.max(1);
        while seq >= oldest && records.len() < limit {
            match self.committer.log.get(seq).await? {
                Some(record) => records.push(record),
                None => break,
            }
            seq -= 1;
        }
        // What is older than what is kept is there because it has a name.
        let catalog = &self.snapshot().catalog;
        let named: BTreeSet<u64> =
            catalog.snapshots.values().map(|named| named.seq).filter(|named| *named < seq).collect();
        for seq in named.into_iter().rev().take(limit.saturating_sub(records.len())) {
            records.extend(self.committer.log.get(seq).await?);
        }
        Ok(records)
    }

    /// Where the index of a graph stands; `None` where it is being rebuilt.
    pub async fn graph_standing(&self, graph: &str) -> Result<Option<Standing>> {
        match self.committer.graphs.get(graph) {
            Some(graph) => graph.index.standing().await,
            None => Ok(None),
        }
    }

    /// Finishes the running commit, refuses others, and closes the graph indexes.
    pub async fn close(&self) {
        self.committer.stop().await;
        self.committer.graphs.close().await;
        self.committer.store.close();
    }
}
