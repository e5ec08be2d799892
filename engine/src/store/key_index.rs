//! Primary keys in memory: where each key's row is, for the version at the head.
//!
//! A key is known by a 128-bit hash under a secret that is made anew in every process, so that nobody can choose colliding
//! keys. The index answers only for the version it stands at; a reader at another version looks keys up by a scan. It is
//! derived: it is built by a scan of the key columns when first needed, and kept by every commit after that.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use arrow::array::ArrayRef;
use arrow::row::{RowConverter, SortField};
use parking_lot::{Mutex, RwLock};

use crate::catalog::TableId;
use crate::error::{Error, Result};

/// The hash of a key's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(u128);

static SECRETS: LazyLock<(RandomState, RandomState)> = LazyLock::new(|| (RandomState::new(), RandomState::new()));

impl KeyHash {
    /// The hash of one encoded key.
    fn of(bytes: &[u8]) -> Self {
        let (high, low) = &*SECRETS;
        KeyHash(u128::from(high.hash_one(bytes)) << 64 | u128::from(low.hash_one(bytes)))
    }
}

/// Hashes every row of key columns. Columns of equal SQL type give equal hashes, whatever table they stand in.
pub fn hash_keys(columns: &[ArrayRef]) -> Result<Vec<KeyHash>> {
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let encode = |error: arrow::error::ArrowError| Error::internal(format!("cannot encode key columns: {error}"));
    let rows = RowConverter::new(fields).and_then(|converter| converter.convert_columns(columns)).map_err(encode)?;
    Ok(rows.iter().map(|row| KeyHash::of(row.as_ref())).collect())
}

/// The hash is the hash: no second hashing in the map.
#[derive(Default)]
pub(crate) struct Passthrough(u64);

impl Hasher for Passthrough {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u128 keys are hashed")
    }
    fn write_u128(&mut self, value: u128) {
        self.0 = value as u64;
    }
}

pub(crate) type Map<V> = HashMap<KeyHash, V, BuildHasherDefault<Passthrough>>;

/// A set of keys, for checks inside one transaction.
pub(crate) type KeySet = Map<()>;

/// Row addresses by key at one table version.
#[derive(Debug, Default)]
pub struct KeyIndex {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    addresses: Map<u64>,
}

impl KeyIndex {
    /// An index of `(key, row address)` pairs at `version`.
    pub fn new(version: u64, pairs: impl IntoIterator<Item = (KeyHash, u64)>) -> Self {
        KeyIndex { state: RwLock::new(State { version, addresses: pairs.into_iter().collect() }) }
    }

    /// Addresses of `keys` (`None`: no such row), or `None` where the index stands at another version.
    pub fn addresses(&self, version: u64, keys: &[KeyHash]) -> Option<Vec<Option<u64>>> {
        let state = self.state.read();
        (state.version == version).then(|| keys.iter().map(|key| state.addresses.get(key).copied()).collect())
    }

    /// Moves the index on by one commit.
    fn advance(
        &self,
        from: u64,
        to: u64,
        removed: &[KeyHash],
        added: impl IntoIterator<Item = (KeyHash, u64)>,
    ) -> bool {
        let mut state = self.state.write();
        if state.version != from {
            return false;
        }
        for key in removed {
            state.addresses.remove(key);
        }
        state.addresses.extend(added);
        state.version = to;
        true
    }
}

/// The key indexes of all tables, each built when first needed.
#[derive(Debug, Default)]
pub struct KeyIndexes {
    indexes: Mutex<HashMap<TableId, Arc<KeyIndex>>>,
}

impl KeyIndexes {
    /// The index of a table, where it has been built.
    pub fn get(&self, table: TableId) -> Option<Arc<KeyIndex>> {
        self.indexes.lock().get(&table).cloned()
    }

    /// Keeps an index; where another was built meanwhile and stands at a newer version, that one stays.
    pub fn put(&self, table: TableId, index: KeyIndex) -> Arc<KeyIndex> {
        let mut indexes = self.indexes.lock();
        if let Some(present) = indexes.get(&table)
            && present.state.read().version >= index.state.read().version
        {
            return Arc::clone(present);
        }
        let index = Arc::new(index);
        indexes.insert(table, Arc::clone(&index));
        index
    }

    /// Moves a table's index on by one commit; an index that does not stand at `from` is forgotten.
    pub fn advance(
        &self,
        table: TableId,
        from: u64,
        to: u64,
        removed: &[KeyHash],
        added: impl IntoIterator<Item = (KeyHash, u64)>,
    ) {
        let Some(index) = self.get(table) else { return };
        if !index.advance(from, to, removed, added) {
            self.forget(table);
        }
    }

    /// Drops a table's index; it is built again when needed.
    pub fn forget(&self, table: TableId) {
        self.indexes.lock().remove(&table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};

    fn hashes(values: &[i64]) -> Vec<KeyHash> {
        hash_keys(&[Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    #[test]
    fn an_index_answers_for_its_version_only() {
        let keys = hashes(&[1, 2]);
        let index = KeyIndex::new(4, [(keys[0], 10)]);
        assert_eq!(index.addresses(4, &keys), Some(vec![Some(10), None]));
        assert_eq!(index.addresses(5, &keys), None);
    }

    #[test]
    fn a_commit_moves_it_on_and_a_gap_is_refused() {
        let keys = hashes(&[1, 2, 3]);
        let indexes = KeyIndexes::default();
        let table = TableId(uuid::Uuid::nil());
        indexes.put(table, KeyIndex::new(1, [(keys[0], 10), (keys[1], 11)]));
        indexes.advance(table, 1, 2, &keys[..1], [(keys[2], 12)]);
        assert_eq!(indexes.get(table).unwrap().addresses(2, &keys), Some(vec![None, Some(11), Some(12)]));
        indexes.advance(table, 7, 8, &[], []);
        assert!(indexes.get(table).is_none());
    }

    #[test]
    fn composite_keys_do_not_run_together() {
        let columns: [ArrayRef; 2] =
            [Arc::new(StringArray::from(vec!["a", "ab"])), Arc::new(StringArray::from(vec!["bc", "c"]))];
        let hashes = hash_keys(&columns).unwrap();
        assert_ne!(hashes[0], hashes[1]);
    }
}
