//! First committer wins: which keys recent commits have written, so that a transaction that read an older snapshot notices.
//!
//! A row of a table with a primary key is known by its key, whatever address it has; of a table without one, by its address,
//! and by the fragment that folding has moved it out of. What is remembered is bounded: when it grows too large, or nobody is
//! left who could ask, it is forgotten, and a transaction that is older than that counts as in conflict. So what is
//! remembered decides how often a transaction is refused without need, never whether it is right.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::kernel::conflict::{Known, is_lost, may_be_forgotten};
use crate::catalog::{TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::store::key_index::{KeyHash, Map};

/// Keys that are remembered at the most, over all tables: about 100 MB.
const MOST_KEYS: usize = 4_000_000;

/// What one commit has written of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    /// Primary keys of rows that went or came.
    pub(crate) keys: Vec<KeyHash>,
    /// Addresses of rows that went, for a table without a primary key.
    pub(crate) addresses: Vec<u64>,
    /// Fragments whose rows have moved.
    pub(crate) fragments: Vec<u64>,
    /// Whether all of it has been replaced, or its definition.
    pub(crate) everything: bool,
    /// Whether rows were locked and not changed, so that the table may have the version that it had before.
    pub(crate) locked: bool,
}

/// What commits have written since some moment.
#[derive(Debug, Default)]
pub(crate) struct RecentWrites {
    tables: HashMap<TableId, TableWrites>,
    remembered: usize,
    /// The newest commit with locked rows of those that are forgotten.
    locked: u64,
    /// Of commits up to this one nothing is known.
    horizon: u64,
}

#[derive(Debug, Default)]
struct TableWrites {
    keys: Map<u64>,
    addresses: HashMap<u64, u64>,
    fragments: HashMap<u64, u64>,
    everything: u64,
    locked: u64,
}

impl RecentWrites {
    /// Nothing is known of commits up to `seq`.
    pub(crate) fn since(seq: u64) -> Self {
        RecentWrites { horizon: seq, ..RecentWrites::default() }
    }

    /// Notes what commit `seq` has written.
    pub(crate) fn note(&mut self, seq: u64, table: TableId, written: Written) {
        let writes = self.tables.entry(table).or_default();
        let before = writes.remembered();
        writes.keys.extend(written.keys.into_iter().map(|key| (key, seq)));
        writes.addresses.extend(written.addresses.into_iter().map(|address| (address, seq)));
        writes.fragments.extend(written.fragments.into_iter().map(|fragment| (fragment, seq)));
        if written.everything {
            writes.everything = seq;
        }
        if written.locked {
            writes.locked = seq;
        }
        self.remembered += writes.remembered() - before;
        if self.remembered > MOST_KEYS {
            self.forget(seq);
        }
    }

    /// Forgets everything up to `seq` when nobody reads an older snapshot.
    pub(crate) fn forget_unless_read(&mut self, seq: u64, pins: &Pins) {
        if may_be_forgotten(seq, pins.oldest()) {
            self.forget(seq);
        }
    }

    fn forget(&mut self, seq: u64) {
        let locked = self.tables.values().map(|writes| writes.locked);
        self.locked = locked.chain([self.locked]).max().unwrap_or(0);
        self.tables.clear();
        self.remembered = 0;
        self.horizon = seq;
    }

    /// Refuses a transaction over snapshot `base` that writes rows, or wants to find them unchanged, which somebody else has
    /// written since.
    pub(crate) fn check(&self, table: &TableDefinition, base: u64, keys: &[KeyHash], addresses: &[u64]) -> Result<()> {
        let writes = self.tables.get(&table.id);
        let known = Known { horizon: self.horizon, replaced: writes.map_or(0, |writes| writes.everything) };
        let written = writes.into_iter().flat_map(|writes| {
            let addresses = addresses.iter();
            let moved = addresses.clone().filter_map(|address| writes.fragments.get(&(address >> 32)));
            let keys = keys.iter().filter_map(|key| writes.keys.get(key));
            keys.chain(addresses.filter_map(|address| writes.addresses.get(address))).chain(moved).copied()
        });
        if is_lost(base, known, written) { Err(conflict(table)) } else { Ok(()) }
    }

    /// Whether rows of a table may have been locked since snapshot `base`: then its version does not say that nobody has
    /// touched it.
    pub(crate) fn has_locked_since(&self, table: TableId, base: u64) -> bool {
        self.locked > base || self.tables.get(&table).is_some_and(|writes| writes.locked > base)
    }

    /// Whether anything of a table was written.
    pub(crate) fn has_written(&self, table: TableId) -> bool {
        self.tables.contains_key(&table)
    }
}

impl TableWrites {
    fn remembered(&self) -> usize {
        self.keys.len() + self.addresses.len() + self.fragments.len()
    }
}

/// `40001`.
pub(crate) fn conflict(table: &TableDefinition) -> Error {
    Error::new(ErrorKind::SerializationFailure, "could not serialize access due to concurrent update")
        .with_detail(format!("Rows of table \"{}\" were changed by another transaction.", table.name))
        .with_hint("Run the transaction again.")
        .on_table(&table.name)
}

/// The snapshots that are being read.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// By those who may commit what they have read.
    current: Mutex<BTreeMap<u64, usize>>,
    /// By those who only look back.
    past: Mutex<BTreeMap<u64, usize>>,
}

impl Pins {
    /// Notes a reader of snapshot `seq` who may commit, until the pin is dropped.
    pub(crate) fn pin(self: &Arc<Self>, seq: u64) -> Arc<Pin> {
        self.pinned(seq, false)
    }

    /// Notes a reader of snapshot `seq` who cannot commit: nobody has to remember what was written since.
    pub(crate) fn pin_past(self: &Arc<Self>, seq: u64) -> Arc<Pin> {
        self.pinned(seq, true)
    }

    fn pinned(self: &Arc<Self>, seq: u64, past: bool) -> Arc<Pin> {
        let pin = Pin { seq, past, pins: Arc::clone(self) };
        *pin.readers().lock().entry(seq).or_default() += 1;
        Arc::new(pin)
    }

    /// The oldest snapshot that is being read by somebody who may commit.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.current.lock().keys().next().copied()
    }

    /// All snapshots that are being read.
    pub(crate) fn all(&self) -> BTreeSet<u64> {
        let current: Vec<u64> = self.current.lock().keys().copied().collect();
        self.past.lock().keys().copied().chain(current).collect()
    }
}

/// Somebody reads a snapshot.
#[derive(Debug)]
pub(crate) struct Pin {
    seq: u64,
    past: bool,
    pins: Arc<Pins>,
}

impl Pin {
    fn readers(&self) -> &Mutex<BTreeMap<u64, usize>> {
        if self.past { &self.pins.past } else { &self.pins.current }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.readers().lock();
        if let Some(readers) = pins.get_mut(&self.seq) {
            *readers -= 1;
            if *readers == 0 {
                pins.remove(&self.seq);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key_index::hash_keys;
    use arrow::array::Int64Array;

    fn key(id: i64) -> KeyHash {
        hash_keys(&[Arc::new(Int64Array::from(vec![id]))]).unwrap()[0]
    }

    fn lost(writes: &RecentWrites, table: &TableDefinition, base: u64, id: i64) -> bool {
        writes.check(table, base, &[key(id)], &[]).is_err()
    }

    #[test]
    fn only_the_same_key_and_only_later_is_a_conflict() {
        let table = TableDefinition::new("t", Vec::new(), Vec::new());
        let mut writes = RecentWrites::since(3);
        writes.note(5, table.id, Written { keys: vec![key(1)], ..Written::default() });
        assert!(lost(&writes, &table, 4, 1));
        assert!(!lost(&writes, &table, 4, 2));
        assert!(!lost(&writes, &table, 5, 1));
    }

    #[test]
    fn what_was_forgotten_counts_as_a_conflict() {
        let table = TableDefinition::new("t", Vec::new(), Vec::new());
        let pins = Arc::new(Pins::default());
        let mut writes = RecentWrites::since(3);
        assert!(lost(&writes, &table, 2, 7));
        let reader = pins.pin(4);
        writes.forget_unless_read(6, &pins);
        assert!(!lost(&writes, &table, 4, 7));
        drop(reader);
        writes.forget_unless_read(6, &pins);
        assert!(lost(&writes, &table, 4, 7));
    }

    #[test]
    fn locked_rows_are_not_forgotten_with_their_keys() {
        let table = TableDefinition::new("t", Vec::new(), Vec::new());
        let other = TableDefinition::new("other", Vec::new(), Vec::new());
        let mut writes = RecentWrites::since(0);
        writes.note(5, table.id, Written { keys: vec![key(1)], locked: true, ..Written::default() });
        assert!(writes.has_locked_since(table.id, 4));
        assert!(!writes.has_locked_since(table.id, 5));
        assert!(!writes.has_locked_since(other.id, 4));
        writes.forget_unless_read(6, &Pins::default());
        assert!(writes.has_locked_since(table.id, 4), "its version does not say it");
        assert!(lost(&writes, &table, 4, 2));
    }

    #[test]
    fn rows_without_a_key_conflict_by_address_and_by_the_fragment_they_left() {
        let table = TableDefinition::new("t", Vec::new(), Vec::new());
        let mut writes = RecentWrites::since(0);
        writes.note(5, table.id, Written { addresses: vec![7], fragments: vec![2], ..Written::default() });
        let check = |address: u64| writes.check(&table, 4, &[], &[address]).is_err();
        assert_eq!((check(7), check(8), check(2 << 32 | 1), check(3 << 32)), (true, false, true, false));
    }
}
