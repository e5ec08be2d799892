//! A transaction over several statements: one snapshot, its own changes, and one commit at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::checks::{DeclarationChecks, RowChecks};
use super::committer::CommitReceipt;
use crate::catalog::CatalogEdit;
use crate::change::{Changes, PENDING_ROW};
use crate::database::Database;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::index::IndexReader;
use crate::history::Version;
use crate::pending::Pending;
use crate::snapshot::Snapshot;
use crate::store::table::{row_addresses, without_rows};
use crate::view::ReadView;

/// Bytes of memory that the changes of one transaction may take. Their rows are in temporary files when they are many; what
/// counts then is keys and addresses.
const MOST_BYTES: usize = 4 << 30;

/// A transaction. Dropping it rolls it back.
#[derive(Debug)]
pub struct Transaction {
    database: Arc<Database>,
    begun: Option<Begun>,
}

/// A transaction that has taken its snapshot.
#[derive(Debug)]
struct Begun {
    /// What was published when it began.
    base: Arc<Snapshot>,
    /// The indexes that were asked for, with a read transaction where they stand at the base.
    readers: BTreeMap<String, Option<Arc<dyn IndexReader>>>,
    /// What its statements read: the snapshot, with the transaction's own catalog, and its changes.
    view: ReadView,
}

/// A state of a transaction to come back to.
#[derive(Debug, Clone)]
pub struct Savepoint(Option<(Arc<Snapshot>, Arc<Pending>)>);

impl Transaction {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Transaction { database, begun: None }
    }

    /// What the next statement reads. The first call takes the snapshot of the whole transaction.
    ///
    /// Graphs whose index does not stand at that snapshot, or does not show what the transaction has written, have no
    /// reader.
    pub async fn view(&mut self, graphs: &[String]) -> Result<ReadView> {
        let database = Arc::clone(&self.database);
        let begun = self.begin();
        for graph in graphs {
            begun.view.snapshot.catalog.graph(graph)?;
            if !begun.readers.contains_key(graph) {
                let reader = database.reader_at(graph, &begun.base).await?;
                begun.readers.insert(graph.clone(), reader);
            }
        }
        begun.show(Arc::clone(&begun.view.snapshot), Arc::clone(&begun.view.pending));
        Ok(begun.view.clone())
    }

    /// Takes an older version as the snapshot of the whole transaction; `22023` where there is none. False where it has
    /// taken one already.
    pub async fn begin_at(&mut self, version: &Version) -> Result<bool> {
        if self.begun.is_some() {
            return Ok(false);
        }
        let view = self.database.base_at(version).await?;
        self.begun = Some(Begun { base: Arc::clone(&view.snapshot), readers: BTreeMap::new(), view });
        Ok(true)
    }

    /// The number of the commit that the transaction reads, which it takes with this call where it has taken none.
    pub fn seq(&mut self) -> u64 {
        self.begin().base.seq
    }

    fn begin(&mut self) -> &mut Begun {
        self.begun.get_or_insert_with(|| {
            let view = self.database.view_of(self.database.snapshot(), BTreeMap::new());
            Begun { base: Arc::clone(&view.snapshot), readers: BTreeMap::new(), view }
        })
    }

    /// Makes a statement's changes part of the transaction, checked against what the transaction sees. After an error the
    /// transaction is as it was before.
    pub async fn apply(&mut self, changes: Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        if !changes.loads.is_empty() {
            return Err(Error::internal("a bulk load was to be part of a transaction block"));
        }
        let begun = self.begin();
        let Changes { catalog: edits, rows, locked, .. } = changes;
        let before = Arc::clone(&begun.view.snapshot);
        let (snapshot, mut pending) = edited(&before, &begun.view.pending, edits)?;
        for mut lock in locked {
            for batch in &mut lock.rows {
                let own = row_addresses(batch).values().iter().copied().filter(|address| address & PENDING_ROW != 0);
                *batch = without_rows(batch.clone(), &own.collect())?;
            }
            pending.lock(lock);
        }
        let pending = RowChecks::new(&snapshot, &snapshot.catalog, pending).run(rows).await?;
        if !Arc::ptr_eq(&snapshot, &before) {
            let checks = DeclarationChecks {
                snapshot: &snapshot,
                before: &before.catalog,
                catalog: &snapshot.catalog,
                state: &pending,
            };
            checks.run().await?;
        }
        refuse_too_much(&pending)?;
        begun.show(snapshot, Arc::new(pending));
        Ok(())
    }

    /// The state to come back to.
    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.begun.as_ref().map(|begun| (Arc::clone(&begun.view.snapshot), Arc::clone(&begun.view.pending))))
    }

    /// Forgets what was done since a savepoint of this transaction.
    pub fn rollback_to(&mut self, savepoint: &Savepoint) {
        let Some(begun) = &mut self.begun else { return };
        match &savepoint.0 {
            Some((snapshot, pending)) => begun.show(Arc::clone(snapshot), Arc::clone(pending)),
            None => begun.show(Arc::clone(&begun.base), Arc::default()),
        }
    }

    /// Whether there is something to commit.
    pub fn has_changes(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| !begun.view.pending.is_empty())
    }

    /// Commits, or changes nothing. `None` where there was nothing to commit.
    pub async fn commit(self) -> Result<Option<CommitReceipt>> {
        let Some(Begun { base, view, readers }) = self.begun else { return Ok(None) };
        // A commit need not keep the indexes' read transactions open.
        drop(readers);
        if view.pending.concerns_nothing() {
            return Ok(None);
        }
        let nothing_written = view.pending.is_empty();
        let ReadView { pending, pin, .. } = view;
        let receipt = self.database.commit_pending(base, Arc::unwrap_or_clone(pending), pin).await?;
        Ok((!nothing_written).then_some(receipt))
    }
}

impl Begun {
    /// Lets later statements see a state. Indexes that do not show it are not read.
    fn show(&mut self, snapshot: Arc<Snapshot>, pending: Arc<Pending>) {
        let shows = |name: &String| match (self.base.catalog.graphs.get(name), snapshot.catalog.graphs.get(name)) {
            (Some(before), Some(graph)) => before == graph && !pending.touches_graph(graph),
            _ => false,
        };
        let usable = self.readers.iter().filter(|(name, _)| shows(name));
        self.view.readers =
            usable.filter_map(|(name, reader)| Some((name.clone(), Arc::clone(reader.as_ref()?)))).collect();
        self.view.snapshot = snapshot;
        self.view.pending = pending;
    }
}

/// A snapshot and pending changes with more catalog edits. The snapshot is the same one where there are none.
pub(crate) fn edited(
    before: &Arc<Snapshot>,
    pending: &Pending,
    edits: Vec<CatalogEdit>,
) -> Result<(Arc<Snapshot>, Pending)> {
    let mut pending = pending.clone();
    if edits.is_empty() {
        return Ok((Arc::clone(before), pending));
    }
    let mut catalog = before.catalog.as_ref().clone();
    for edit in edits {
        pending.absorb_edit(edit.clone(), &catalog)?;
        catalog.apply(edit)?;
    }
    let snapshot = Snapshot {
        catalog: Arc::new(catalog),
        catalog_record: format!("own-{}", Uuid::now_v7().simple()),
        versions: before.versions.clone(),
        store: Arc::clone(&before.store),
        ..Snapshot::clone(before)
    };
    Ok((Arc::new(snapshot), pending))
}

fn refuse_too_much(pending: &Pending) -> Result<()> {
    if pending.bytes() <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::new(ErrorKind::OutOfMemory, "the transaction holds too many changes")
        .with_detail(format!("Keys and addresses of changed rows take more than {} MB.", MOST_BYTES >> 20))
        .with_hint("Load large amounts of data outside of a transaction block: a single COPY or INSERT streams them."))
}
