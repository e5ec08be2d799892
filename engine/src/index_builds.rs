//! Builds of indexes that are running, for those who want to know how far they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::{IndexDefinition, TableDefinition};
use crate::store::BuildProgress;

/// The builds that are running.
#[derive(Debug, Default)]
pub struct IndexBuilds(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    next: u64,
    running: BTreeMap<u64, IndexBuild>,
}

/// Who builds an index, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builder {
    /// The session's process id; 0 for the database itself.
    pub pid: i32,
    /// The command.
    pub command: &'static str,
}

/// A build that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexBuild {
    /// Who builds.
    pub builder: Builder,
    /// Object id of the table.
    pub table: u32,
    /// Object id of the index.
    pub index: u32,
    /// What is being done.
    pub phase: String,
    /// Units of work of the phase, where that is known.
    pub total: u64,
    /// Units that are done.
    pub done: u64,
    /// Rows of the table.
    pub rows: u64,
}

/// The entry of one build; it goes with it.
#[derive(Debug)]
pub(crate) struct Entry {
    builds: Arc<IndexBuilds>,
    number: u64,
}

impl Builder {
    /// The database, which looks after its indexes.
    pub(crate) const UPKEEP: Builder = Builder { pid: 0, command: "REINDEX CONCURRENTLY" };
}

impl IndexBuilds {
    /// The builds that are running, in the order in which they began.
    pub fn running(&self) -> Vec<IndexBuild> {
        self.0.lock().running.values().cloned().collect()
    }

    /// Notes a build for as long as the entry lives.
    pub(crate) fn begin(
        self: &Arc<Self>,
        builder: Builder,
        table: &TableDefinition,
        index: &IndexDefinition,
        rows: usize,
    ) -> Arc<Entry> {
        let mut known = self.0.lock();
        let number = known.next;
        known.next += 1;
        let (table, index, phase) = (table.oid, index.oid, "initializing".to_string());
        let build = IndexBuild { builder, table, index, phase, total: 0, done: 0, rows: rows as u64 };
        known.running.insert(number, build);
        Arc::new(Entry { builds: Arc::clone(self), number })
    }
}

impl Entry {
    fn change(&self, change: impl FnOnce(&mut IndexBuild)) {
        if let Some(build) = self.builds.0.lock().running.get_mut(&self.number) {
            change(build);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.builds.0.lock().running.remove(&self.number);
    }
}

impl BuildProgress for Entry {
    fn phase(&self, name: &str, total: Option<u64>) {
        self.change(|build| {
            build.phase = format!("building index: {}", name.replace('_', " "));
            build.total = total.unwrap_or(0);
            build.done = 0;
        });
    }

    fn done(&self, completed: u64) {
        self.change(|build| build.done = completed);
    }
}
