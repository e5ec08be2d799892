//! What the operators of one running statement have changed so far.
//!
//! Plans are kept and hold nothing of a run, so a run gives its operators the [`Gathering`] with the task that they run in.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::UInt64Type;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use parking_lot::Mutex;
use slipstream_engine::catalog::{TableDefinition, TableId};
use slipstream_engine::change::{Changes, LockedRows};
use slipstream_engine::{AddressSet, Batches, Error, Result};

use super::rows::Counts;
use super::sink::{Destination, Sink};
use crate::error::{from_arrow, from_datafusion};

/// The changes of a statement that runs.
#[derive(Debug)]
pub(crate) struct Gathering {
    destination: Destination,
    gathered: Mutex<Gathered>,
    /// The memory of what is gathered, until it is committed.
    memory: Mutex<MemoryReservation>,
}

#[derive(Debug, Default)]
struct Gathered {
    changes: Changes,
    /// By table, and whether nobody else may lock the rows.
    locked: HashMap<(TableId, bool), Locked>,
    counts: Counts,
}

#[derive(Debug)]
struct Locked {
    rows: LockedRows,
    addresses: AddressSet,
}

impl Gathering {
    /// Nothing yet.
    pub(crate) fn new(destination: Destination, task: &TaskContext) -> Arc<Self> {
        let memory = MemoryConsumer::new("changes of a statement").register(task.memory_pool());
        Arc::new(Gathering { destination, gathered: Mutex::default(), memory: Mutex::new(memory) })
    }

    /// The gathering of the statement that a task belongs to.
    pub(crate) fn of(task: &TaskContext) -> Option<Arc<Gathering>> {
        task.session_config().get_extension::<Gathering>()
    }

    /// A task like `task` whose operators find this gathering.
    pub(crate) fn task(self: &Arc<Self>, task: &TaskContext) -> Arc<TaskContext> {
        // Functions are looked up when a plan is made, not when it runs.
        Arc::new(TaskContext::new(
            task.task_id(),
            task.session_id(),
            task.session_config().clone().with_extension(Arc::clone(self)),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            task.runtime_env(),
        ))
    }

    /// A sink for rows of a table.
    pub(crate) fn sink(&self, table: &Arc<TableDefinition>) -> Sink {
        Sink::new(&self.destination, table)
    }

    /// Whether many rows may be loaded in bulk.
    pub(crate) fn is_bulk(&self) -> bool {
        self.destination.bulk
    }

    /// A place for rows that the statement has to keep.
    pub(crate) fn batches(&self) -> Batches {
        self.destination.database.batches()
    }

    /// Notes that bytes of memory are used; `53200` where there are no more.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<()> {
        self.memory.lock().try_grow(bytes).map_err(from_datafusion)
    }

    /// Adds what an operator has changed.
    pub(crate) fn add(&self, changes: Changes, counts: Counts) {
        let mut gathered = self.gathered.lock();
        gathered.changes.rows.extend(changes.rows);
        gathered.changes.loads.extend(changes.loads);
        gathered.counts = counts;
    }

    /// Adds rows that are locked; those that are known are passed over. The address is the last column.
    pub(crate) fn lock(&self, table: &Arc<TableDefinition>, exclusive: bool, rows: RecordBatch) -> Result<()> {
        let Some(addresses) = rows.columns().last().and_then(|column| column.as_primitive_opt::<UInt64Type>()) else {
            return Err(Error::internal("locked rows without addresses"));
        };
        let mut gathered = self.gathered.lock();
        let locked = gathered.locked.entry((table.id, exclusive)).or_insert_with(|| Locked {
            rows: LockedRows { table: Arc::clone(table), exclusive, rows: Vec::new() },
            addresses: AddressSet::default(),
        });
        let is_new: BooleanArray = addresses
            .iter()
            .map(|address| Some(address.is_some_and(|address| locked.addresses.insert(address))))
            .collect();
        if is_new.true_count() > 0 {
            let rows = filter_record_batch(&rows, &is_new).map_err(from_arrow)?;
            self.reserve(rows.get_array_memory_size())?;
            locked.rows.rows.push(rows);
        }
        Ok(())
    }

    /// Everything that was gathered, and how many rows were affected.
    pub(crate) fn finish(&self) -> (Changes, Counts) {
        let gathered = std::mem::take(&mut *self.gathered.lock());
        let mut changes = gathered.changes;
        changes
            .locked
            .extend(gathered.locked.into_values().map(|locked| locked.rows).filter(|rows| !rows.rows.is_empty()));
        (changes, gathered.counts)
    }
}
