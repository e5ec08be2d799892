//! The one committer: runs the steps of a commit, one group of transactions at a time.
//!
//! Transactions wait in a queue. Whoever gets the writer's lock first leads: it takes what waits, admits each against the
//! head plus those before it (`members`), writes what the admitted ones change together (`prepare`), decides once, and
//! answers all of them. Those that edit the catalog, bring a bulk load or the data
//! of an index commit alone.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::RwLock;
use tokio::sync::{Mutex, oneshot, watch};
use uuid::Uuid;

use super::conflicts::{Pin, Pins, RecentWrites, Written};
use super::graph_step::{ElementChanges, StagedGraph};
use super::kernel::creation::{Creation, InPlace, RecordStep, Verdict, verdict, verdict_of_the_log};
use super::kernel::place::{Place, time};
use super::kernel::turn::{Turn, group_size, turn};
use super::members::Group;
use super::prepare::{KeyChange, forgotten_keys, key_changes, redo, version_map};
use super::upkeep::Upkeep;
use super::{CommitObserver, CommitStep};
use crate::catalog::{Catalog, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::graph_set::{GraphSet, OpenGraph};
use crate::index_builds::IndexBuilds;
use crate::log::{Ahead, CommitLog, CommitRecord, SequenceEntry};
use crate::pending::Pending;
use crate::sequences::Sequences;
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::{Attempt, StagedWrite, Store, TableVersion};

/// Recent snapshots kept for readers whose graph index stands a little behind or ahead of the head.
const RECENT_SNAPSHOTS: usize = 16;

/// Transactions that commit together at the most.
const LARGEST_GROUP: usize = 128;

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
    pub(crate) sequences: Sequences,
    pub(crate) pins: Arc<Pins>,
    /// Builds of indexes that are running.
    pub(super) builds: Arc<IndexBuilds>,
    /// Held while data of indexes is brought forward, so that nobody does the same twice.
    pub(super) tending: Mutex<()>,
    observer: Option<Arc<dyn CommitObserver>>,
    waiting: parking_lot::Mutex<VecDeque<Request>>,
    pub(super) writer: Mutex<Writer>,
    recent: RwLock<VecDeque<Arc<Snapshot>>>,
    head: watch::Sender<u64>,
}

/// A transaction that wants to commit.
struct Request {
    base: Arc<Snapshot>,
    pending: Pending,
    /// Keeps the memory of what others wrote since the base.
    _pin: Option<Arc<Pin>>,
    answer: oneshot::Sender<Result<CommitReceipt>>,
}

/// State of the one writer, under its lock.
pub(super) struct Writer {
    epoch: u64,
    /// What recent commits have written.
    writes: RecentWrites,
    /// Published versions whose manifests the next record has to wait for.
    unsynced: Vec<Arc<TableVersion>>,
    /// What was written ahead of the last record. It goes when there is something to wait for anyway.
    ahead: Option<Ahead>,
    /// A commit that is past its commit point and could not be finished.
    unfinished: Option<Prepared>,
    /// Why nothing is written any more.
    stopped: Option<Error>,
}

/// A commit that has passed its checks.
pub(super) struct Prepared {
    catalog: Arc<Catalog>,
    record: CommitRecord,
    writes: Vec<StagedWrite>,
    key_changes: Vec<KeyChange>,
    forgotten_keys: BTreeSet<TableId>,
    written: Vec<(TableId, Written)>,
    elements: ElementChanges,
    staged_graphs: Vec<StagedGraph>,
}

impl Prepared {
    /// The number of the commit.
    pub(super) fn seq(&self) -> u64 {
        self.record.seq
    }
}

impl Request {
    /// Whether it cannot share a commit.
    fn is_alone(&self) -> bool {
        let Request { pending, .. } = self;
        let edits = !pending.edits().is_empty() || !pending.replaced().is_empty();
        edits || !pending.loads().is_empty() || !pending.indexes().is_empty()
    }
}

impl Committer {
    #[expect(clippy::too_many_arguments, reason = "called once, when a database is opened")]
    pub(crate) fn new(
        storage: Storage,
        store: Arc<Store>,
        log: CommitLog,
        graphs: GraphSet,
        observer: Option<Arc<dyn CommitObserver>>,
        head: Arc<Snapshot>,
        epoch: u64,
        sequences: Sequences,
    ) -> Self {
        let sender = watch::Sender::new(head.seq);
        let writes = RecentWrites::since(head.seq);
        Committer {
            storage,
            store,
            log,
            graphs,
            sequences,
            pins: Arc::default(),
            builds: Arc::default(),
            tending: Mutex::default(),
            observer,
            waiting: parking_lot::Mutex::default(),
            writer: Mutex::new(Writer {
                epoch,
                writes,
                unsynced: Vec::new(),
                ahead: None,
                unfinished: None,
                stopped: None,
            }),
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

    /// Refuses all later commits and waits for the one that is running. The log says last how far the sequences have
    /// really counted.
    pub(crate) async fn stop(&self) {
        let mut writer = self.writer.lock().await;
        let exact = self.sequences.reservations(&self.head().catalog, true);
        if writer.stopped.is_none()
            && !exact.is_empty()
            && let Err(error) = self.commit_sequences(&mut writer, exact).await
        {
            tracing::warn!(%error, "sequences will skip values");
        }
        self.log.remove_ahead(writer.ahead.take().as_ref()).await;
        writer.stopped.get_or_insert_with(|| Error::new(ErrorKind::ShuttingDown, "the database is closed for writing"));
    }

    /// Brings a graph index that is behind to the head.
    pub(crate) async fn repair(&self, graph: &OpenGraph) -> Result<()> {
        let _writer = self.writer.lock().await;
        graph.bring_forward(&self.head()).await
    }

    /// Commits, or changes nothing.
    pub(crate) async fn commit(
        &self,
        base: Arc<Snapshot>,
        pending: Pending,
        pin: Option<Arc<Pin>>,
    ) -> Result<CommitReceipt> {
        let (answer, mut answered) = oneshot::channel();
        self.waiting.lock().push_back(Request { base, pending, _pin: pin, answer });
        let mut writer = self.writer.lock().await;
        loop {
            // An earlier leader may have taken this one along.
            match answered.try_recv() {
                Ok(outcome) => return outcome,
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(Error::internal("a commit was dropped without an answer"));
                }
            }
            let group = self.next_group();
            self.commit_group(&mut writer, group).await;
        }
    }

    /// Makes sure that the log has room for the next value of every sequence.
    pub(crate) async fn reserve_sequences(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        let entries = self.sequences.reservations(&self.head().catalog, false);
        self.commit_sequences(&mut writer, entries).await
    }

    /// A commit that changes nothing but how far sequences may count.
    async fn commit_sequences(&self, writer: &mut Writer, entries: Vec<SequenceEntry>) -> Result<()> {
        self.ready(writer).await?;
        let group = Group::new(&self.head());
        let mut prepared = self.prepare(writer, group, vec![Uuid::now_v7()], Upkeep::default()).await?;
        prepared.record.sequences = entries;
        self.decide(writer, prepared).await
    }

    /// Transactions that wait behind the commit that is running.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.lock().len()
    }

    /// The next transactions that commit together: at least one, if any waits.
    fn next_group(&self) -> Vec<Request> {
        let mut waiting = self.waiting.lock();
        let size = group_size(waiting.iter().map(Request::is_alone), LARGEST_GROUP);
        waiting.drain(..size).collect()
    }

    /// Whether the writer may write; finishes what an earlier commit has left.
    pub(super) async fn ready(&self, writer: &mut Writer) -> Result<()> {
        match turn(writer.stopped.as_ref(), &mut writer.unfinished) {
            Turn::Stopped(why) => Err(why.clone()),
            Turn::FinishFirst(unfinished) => self.finish(writer, unfinished, Attempt::Again).await,
            Turn::Write => Ok(()),
        }
    }

    /// Commits what can be committed of a group, and answers every member.
    async fn commit_group(&self, writer: &mut Writer, requests: Vec<Request>) {
        let mut group = Group::new(&self.head());
        let mut members: Vec<(Uuid, oneshot::Sender<Result<CommitReceipt>>)> = Vec::new();
        let ready = match self.ready(writer).await {
            Ok(()) => {
                // What an unfinished commit has left was finished, so the head may be another one.
                group = Group::new(&self.head());
                self.step(CommitStep::Check)
            }
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            return requests.into_iter().for_each(|request| tell(request.answer, Err(error.clone())));
        }
        for request in requests {
            if request.pending.is_empty() {
                // It only wants to know that the rows it has locked are as it read them.
                let outcome = group.admit(&request.base, &request.pending, &writer.writes).await;
                let head = self.head();
                let receipt = CommitReceipt { seq: head.seq, tx_id: head.tx_id, timestamp: head.timestamp };
                tell(request.answer, outcome.map(|()| receipt));
                continue;
            }
            match group.admit(&request.base, &request.pending, &writer.writes).await {
                Ok(()) => members.push((Uuid::now_v7(), request.answer)),
                Err(error) => tell(request.answer, Err(error)),
            }
        }
        if members.is_empty() {
            return;
        }
        let ids: Vec<Uuid> = members.iter().map(|(id, _)| *id).collect();
        let outcome = match self.done(CommitStep::Check) {
            Ok(()) => self.prepare(writer, group, ids, Upkeep::default()).await,
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Ok(prepared) => {
                let (seq, timestamp) = (prepared.record.seq, prepared.record.timestamp);
                self.decide(writer, prepared).await.map(|()| (seq, timestamp))
            }
            Err(error) => Err(error),
        };
        for (tx_id, answer) in members {
            tell(answer, outcome.clone().map(|(seq, timestamp)| CommitReceipt { seq, tx_id, timestamp }));
        }
    }

    /// Steps 2 and 3: everything that can fail without leaving a trace.
    pub(super) async fn prepare(
        &self,
        writer: &Writer,
        group: Group,
        ids: Vec<Uuid>,
        upkeep: Upkeep,
    ) -> Result<Prepared> {
        let head = self.head();
        let (edited, pending, written) = group.into_parts();
        let Place { seq, epoch } = Place { seq: head.seq, epoch: writer.epoch }.next();
        let tx_id = ids.first().copied().unwrap_or_else(Uuid::now_v7);

        self.step(CommitStep::StageTables)?;
        let writes = self.stage_tables(&edited, &pending, upkeep.writes).await?;
        let key_changes = key_changes(&pending)?;
        self.done(CommitStep::StageTables)?;

        let catalog = Arc::clone(&edited.catalog);
        let mut versions = edited.versions.clone();
        versions.retain(|table, _| catalog.tables.contains_key(table));
        versions.extend(writes.iter().map(|write| (write.table.id, write.version())));
        let mut elements = ElementChanges::of(&pending);
        elements.replaced.extend(&upkeep.replaced);
        elements.moved = upkeep.moved;

        self.step(CommitStep::StageGraph)?;
        let staged_graphs = self.stage_graphs(&catalog, &versions, seq, &elements).await;
        self.done(CommitStep::StageGraph)?;

        let catalog_record = match *catalog == *head.catalog {
            true => head.catalog_record.clone(),
            false => self.storage.write_catalog(seq, tx_id, &catalog).await?,
        };
        let record = CommitRecord {
            format: crate::log::record::RECORD_FORMAT,
            seq,
            tx_id,
            timestamp: time(Utc::now(), Some(head.timestamp), TimeDelta::microseconds(1)),
            epoch,
            tables: version_map(&catalog, &versions),
            catalog: catalog_record,
            notes: upkeep.notes,
            members: if ids.len() > 1 { ids } else { Vec::new() },
            sequences: self.sequences.reservations(&catalog, false),
            redo: writes.iter().map(redo).collect::<Result<_>>()?,
        };
        let mut forgotten_keys = forgotten_keys(&pending);
        forgotten_keys.extend(upkeep.replaced);
        Ok(Prepared { catalog, record, writes, key_changes, forgotten_keys, written, elements, staged_graphs })
    }

    /// Step 4 and what follows from it.
    pub(super) async fn decide(&self, writer: &mut Writer, mut prepared: Prepared) -> Result<()> {
        if let Err(error) = self.write_record(writer, &prepared).await {
            for (_, staged) in prepared.staged_graphs {
                staged.rollback().await;
            }
            return Err(error);
        }
        prepared.record.redo.clear();
        self.sequences.reserved(&prepared.record.sequences);
        self.finish(writer, prepared, Attempt::First).await
    }

    /// Step 4: the commit point.
    async fn write_record(&self, writer: &mut Writer, prepared: &Prepared) -> Result<()> {
        self.step(CommitStep::WriteRecord)?;
        let ahead = self.log.write_ahead(&prepared.record).await?;
        let used = std::mem::replace(&mut writer.ahead, ahead);
        for step in RecordStep::ALL {
            match step {
                RecordStep::Sync => {
                    let ahead = writer.ahead.as_ref();
                    let sync = self.store.sync_before_record(&writer.unsynced, &prepared.writes, ahead);
                    let (synced, ()) = futures::join!(sync, self.log.remove_ahead(used.as_ref()));
                    synced?;
                    writer.unsynced.clear();
                }
                RecordStep::Create => self.create_record(writer, &prepared.record).await?,
            }
        }
        Ok(())
    }

    async fn create_record(&self, writer: &mut Writer, record: &CommitRecord) -> Result<()> {
        let (creation, error) = match self.log.create(record, writer.ahead.as_ref()).await {
            Ok(()) => (Creation::Created, None),
            Err(error) if error.kind() == ErrorKind::Locked => (Creation::Taken, Some(error)),
            Err(error) => (Creation::Uncertain, Some(error)),
        };
        let verdict = match verdict(creation) {
            Some(verdict) => verdict,
            None => verdict_of_the_log(&record.tx_id, &self.in_place_of(record).await),
        };
        let committed = match verdict {
            Verdict::Committed => true,
            Verdict::CommittedOnceSynced => self.log.sync(&self.storage, record.seq).await.is_ok(),
            Verdict::NotCommitted | Verdict::Stop => false,
        };
        let Some(error) = error.filter(|_| !committed) else { return Ok(()) };
        if verdict != Verdict::NotCommitted {
            writer.stopped = Some(match creation {
                Creation::Taken => error.clone(),
                _ => error.clone().with_hint("Restart the server: it reads its log anew."),
            });
        }
        Err(error)
    }

    async fn in_place_of(&self, record: &CommitRecord) -> InPlace<Uuid> {
        match self.log.get(record.seq).await {
            Ok(Some(found)) => InPlace::Record(found.tx_id),
            Ok(None) => InPlace::Nothing,
            Err(_) => InPlace::Unreadable,
        }
    }

    /// Steps 5 to 8: forward only. What fails is kept and finished before the next commit.
    async fn finish(&self, writer: &mut Writer, mut prepared: Prepared, attempt: Attempt) -> Result<()> {
        let tables = match self.commit_tables(&prepared, attempt).await {
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
        self.note_writes(writer, &mut prepared);
        let staged_graphs = std::mem::take(&mut prepared.staged_graphs);
        self.commit_graphs(&snapshot, staged_graphs, &prepared.elements).await;
        self.publish(snapshot);
        self.announce();
        Ok(())
    }

    async fn commit_tables(&self, prepared: &Prepared, attempt: Attempt) -> Result<Vec<Arc<TableVersion>>> {
        self.done(CommitStep::WriteRecord)?;
        self.step(CommitStep::CommitTables)?;
        let mut tables = Vec::new();
        for write in &prepared.writes {
            tables.push(self.store.publish(write, attempt).await?);
        }
        self.done(CommitStep::CommitTables)?;
        Ok(tables)
    }

    /// Tells the key indexes of every table that was written what has changed.
    fn advance_keys(&self, prepared: &Prepared, tables: &[Arc<TableVersion>]) {
        for table in &prepared.forgotten_keys {
            self.store.keys().forget(*table);
        }
        for (write, table) in prepared.writes.iter().zip(tables) {
            if prepared.forgotten_keys.contains(&write.table.id) {
                continue;
            }
            let addresses = table.newest_addresses(&write.new_fragment_rows());
            for key in write.table.unique_keys() {
                let is_its = |change: &&KeyChange| change.table == write.table.id && change.columns == key.columns;
                let change = prepared.key_changes.iter().find(is_its);
                let folded = write.folded_keys.iter().find(|(columns, _)| columns == &key.columns);
                let hashes = folded.iter().flat_map(|(_, hashes)| hashes);
                let hashes = hashes.chain(change.iter().flat_map(|change| &change.added));
                let added = hashes.zip(&addresses).filter_map(|(hash, address)| Some(((*hash)?, *address)));
                let removed = change.map(|change| change.removed.as_slice()).unwrap_or_default();
                self.store.keys().advance(write.table.id, &key.columns, write.base, write.version(), removed, added);
            }
        }
    }

    /// Remembers what was written, for transactions that have read an older snapshot.
    fn note_writes(&self, writer: &mut Writer, prepared: &mut Prepared) {
        let seq = prepared.record.seq;
        for (table, mut written) in std::mem::take(&mut prepared.written) {
            if let Some(write) = prepared.writes.iter().find(|write| write.table.id == table) {
                written.fragments.clone_from(&write.folded_fragments);
            }
            writer.writes.note(seq, table, written);
        }
        writer.writes.forget_unless_read(seq, &self.pins);
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

    pub(super) fn step(&self, step: CommitStep) -> Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.before(step))
    }

    pub(super) fn done(&self, step: CommitStep) -> Result<()> {
        self.observer.as_ref().map_or(Ok(()), |observer| observer.after(step))
    }
}

/// A client that has gone away does not hear how its commit went.
fn tell(answer: oneshot::Sender<Result<CommitReceipt>>, outcome: Result<CommitReceipt>) {
    let _ = answer.send(outcome);
}
