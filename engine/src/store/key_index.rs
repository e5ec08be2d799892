//! Unique keys in memory: where each key's row is, for the version at the head and the versions shortly before it.
//!
//! A table has one index for its primary key and one for every UNIQUE constraint. A key is known by a 128-bit hash under a
//! secret that is made anew in every process, so that nobody can choose colliding keys; a key with a NULL in it is in no
//! index. An index is derived: it is built by a scan of the key columns when first needed, and kept by every commit after
//! that. What a commit overwrites is remembered for a while, so that a transaction whose snapshot is some commits old finds
//! its keys as quickly as one at the head; a reader at any other version builds an index of its own, and a few of these are
//! kept.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
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
    let columns: Vec<ArrayRef> = columns.iter().map(one_zero).collect();
    let rows = RowConverter::new(fields).and_then(|converter| converter.convert_columns(&columns)).map_err(encode)?;
    Ok(rows.iter().map(|row| KeyHash::of(row.as_ref())).collect())
}

/// Floats with one zero: -0 and 0 are equal, and encoded they would differ.
fn one_zero(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let values: Float64Array = column.as_primitive::<Float64Type>().unary(|value| value + 0.0);
            Arc::new(values)
        }
        DataType::Float32 => {
            let values: Float32Array = column.as_primitive::<Float32Type>().unary(|value| value + 0.0);
            Arc::new(values)
        }
        _ => Arc::clone(column),
    }
}

/// Hashes every row of the columns of a unique key; `None` where one of them is NULL, since no two such rows are equal.
pub(crate) fn hash_unique_keys(columns: &[ArrayRef]) -> Result<Vec<Option<KeyHash>>> {
    let hashes = hash_keys(columns)?;
    let nulls: Vec<_> = columns.iter().filter_map(|column| column.logical_nulls()).collect();
    let is_null = |row: usize| nulls.iter().any(|nulls| nulls.is_null(row));
    Ok(hashes.into_iter().enumerate().map(|(row, hash)| (!is_null(row)).then_some(hash)).collect())
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

/// Versions before its own that an index answers for, at the most.
const RECENT_VERSIONS: usize = 256;

/// Overwritten addresses that an index remembers, over all commits.
const REMEMBERED_ADDRESSES: usize = 200_000;

/// Keys in the indexes of older versions that are kept, over all tables: about 80 MB.
const KEPT_PAST_KEYS: usize = 2_000_000;

/// Row addresses by key: at one table version, and at those before it that are still remembered.
#[derive(Debug, Default)]
pub struct KeyIndex {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    addresses: Map<u64>,
    /// What commits overwrote, the newest last; each leads from its version to the next entry's, the last to `version`.
    past: VecDeque<Overwritten>,
    remembered: usize,
}

/// What the keys that a commit touched were before it.
#[derive(Debug)]
struct Overwritten {
    version: u64,
    addresses: Map<Option<u64>>,
}

impl KeyIndex {
    /// An index of row addresses by key at `version`.
    pub(crate) fn new(version: u64, addresses: Map<u64>) -> Self {
        KeyIndex { state: RwLock::new(State { version, addresses, ..State::default() }) }
    }

    /// Addresses of `keys` (`None`: no such row), or `None` where the index does not know that version.
    pub fn addresses(&self, version: u64, keys: &[KeyHash]) -> Option<Vec<Option<u64>>> {
        let state = self.state.read();
        if state.version == version {
            return Some(keys.iter().map(|key| state.addresses.get(key).copied()).collect());
        }
        let from = state.past.iter().position(|past| past.version == version)?;
        // The first commit after that version that touched a key knows what it was.
        let at_version = |key: &KeyHash| match state.past.range(from..).find_map(|past| past.addresses.get(key)) {
            Some(before) => *before,
            None => state.addresses.get(key).copied(),
        };
        Some(keys.iter().map(at_version).collect())
    }

    fn version(&self) -> u64 {
        self.state.read().version
    }

    fn len(&self) -> usize {
        self.state.read().addresses.len()
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
        let added = added.into_iter();
        state.addresses.reserve(added.size_hint().1.unwrap_or_default());
        let mut before = Overwritten { version: from, addresses: Map::default() };
        for key in removed {
            let known = state.addresses.remove(key);
            before.note(*key, known);
        }
        for (key, address) in added {
            let known = state.addresses.insert(key, address);
            before.note(key, known);
        }
        state.version = to;
        state.remember(before);
        true
    }
}

impl Overwritten {
    /// Notes what a key was before the commit. A commit too large to be remembered is noted in part only, and then dropped.
    fn note(&mut self, key: KeyHash, address: Option<u64>) {
        if self.addresses.len() <= REMEMBERED_ADDRESSES {
            self.addresses.entry(key).or_insert(address);
        }
    }
}

impl State {
    fn remember(&mut self, overwritten: Overwritten) {
        self.remembered += overwritten.addresses.len();
        self.past.push_back(overwritten);
        while self.remembered > REMEMBERED_ADDRESSES || self.past.len() > RECENT_VERSIONS {
            let Some(oldest) = self.past.pop_front() else { break };
            self.remembered -= oldest.addresses.len();
        }
    }
}

/// Which key of which table.
type KeyName = (TableId, Vec<String>);

/// The key indexes of all tables, each built when first needed.
#[derive(Debug, Default)]
pub struct KeyIndexes {
    indexes: Mutex<HashMap<KeyName, Arc<KeyIndex>>>,
    /// Of older versions, the one that was built last first.
    past: Mutex<VecDeque<(KeyName, Arc<KeyIndex>)>>,
}

impl KeyIndexes {
    /// The index of a table's key, where it has been built.
    pub fn get(&self, table: TableId, columns: &[String]) -> Option<Arc<KeyIndex>> {
        self.indexes.lock().get(&(table, columns.to_vec())).cloned()
    }

    /// The index of a table's key that stands at an older version, where it is kept.
    pub(crate) fn past(&self, table: TableId, columns: &[String], version: u64) -> Option<Arc<KeyIndex>> {
        let past = self.past.lock();
        let found = past
            .iter()
            .find(|((known, key), index)| *known == table && key.as_slice() == columns && index.version() == version);
        found.map(|(_, index)| Arc::clone(index))
    }

    /// Keeps an index, unless there is one at the same or a newer version: then it is one of the past.
    pub fn put(&self, table: TableId, columns: &[String], index: &Arc<KeyIndex>) {
        let mut indexes = self.indexes.lock();
        let key = (table, columns.to_vec());
        if indexes.get(&key).is_none_or(|present| present.version() < index.version()) {
            indexes.insert(key, Arc::clone(index));
        } else {
            self.put_past(key, index);
        }
    }

    fn put_past(&self, key: KeyName, index: &Arc<KeyIndex>) {
        let mut past = self.past.lock();
        past.push_front((key, Arc::clone(index)));
        let mut keys = 0;
        past.retain(|(_, index)| {
            keys += index.len();
            keys <= KEPT_PAST_KEYS
        });
    }

    /// Moves the index of a table's key on by one commit; one that does not stand at `from` is forgotten.
    pub fn advance(
        &self,
        table: TableId,
        columns: &[String],
        from: u64,
        to: u64,
        removed: &[KeyHash],
        added: impl IntoIterator<Item = (KeyHash, u64)>,
    ) {
        let Some(index) = self.get(table, columns) else { return };
        if !index.advance(from, to, removed, added) {
            self.indexes.lock().remove(&(table, columns.to_vec()));
        }
    }

    /// Drops all indexes of a table; they are built again when needed.
    pub fn forget(&self, table: TableId) {
        self.indexes.lock().retain(|(known, _), _| *known != table);
        self.past.lock().retain(|((known, _), _)| *known != table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};

    fn hashes(values: &[i64]) -> Vec<KeyHash> {
        hash_keys(&[Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    fn id() -> Vec<String> {
        vec!["id".into()]
    }

    #[test]
    fn an_index_answers_for_versions_it_knows_only() {
        let keys = hashes(&[1, 2]);
        let index = KeyIndex::new(4, Map::from_iter([(keys[0], 10)]));
        assert_eq!(index.addresses(4, &keys), Some(vec![Some(10), None]));
        assert_eq!(index.addresses(3, &keys), None);
        assert_eq!(index.addresses(5, &keys), None);
    }

    #[test]
    fn a_commit_moves_it_on_and_a_gap_is_refused() {
        let keys = hashes(&[1, 2, 3]);
        let indexes = KeyIndexes::default();
        let table = TableId(uuid::Uuid::nil());
        indexes.put(table, &id(), &Arc::new(KeyIndex::new(1, Map::from_iter([(keys[0], 10), (keys[1], 11)]))));
        indexes.advance(table, &id(), 1, 2, &keys[..1], [(keys[2], 12)]);
        assert_eq!(indexes.get(table, &id()).unwrap().addresses(2, &keys), Some(vec![None, Some(11), Some(12)]));
        indexes.advance(table, &id(), 7, 8, &[], []);
        assert!(indexes.get(table, &id()).is_none());
    }

    #[test]
    fn versions_shortly_before_the_head_are_remembered() {
        let keys = hashes(&[1, 2, 3]);
        let index = KeyIndex::new(1, Map::from_iter([(keys[0], 10), (keys[1], 11)]));
        assert!(index.advance(1, 2, &keys[..1], [(keys[2], 12)]));
        assert!(index.advance(2, 3, &keys[1..2], [(keys[1], 20), (keys[0], 21)]));
        assert_eq!(index.addresses(1, &keys), Some(vec![Some(10), Some(11), None]));
        assert_eq!(index.addresses(2, &keys), Some(vec![None, Some(11), Some(12)]));
        assert_eq!(index.addresses(3, &keys), Some(vec![Some(21), Some(20), Some(12)]));
        for version in 3..3 + RECENT_VERSIONS as u64 {
            assert!(index.advance(version, version + 1, &[], []));
        }
        assert_eq!(index.addresses(2, &keys), None);
        assert_eq!(index.addresses(3, &keys), Some(vec![Some(21), Some(20), Some(12)]));
    }

    #[test]
    fn an_index_of_an_older_version_is_kept_beside_the_newest() {
        let (keys, indexes, table) = (hashes(&[1]), KeyIndexes::default(), TableId(uuid::Uuid::nil()));
        indexes.put(table, &id(), &Arc::new(KeyIndex::new(5, Map::from_iter([(keys[0], 50)]))));
        indexes.put(table, &id(), &Arc::new(KeyIndex::new(3, Map::from_iter([(keys[0], 30)]))));
        assert_eq!(indexes.get(table, &id()).unwrap().addresses(5, &keys), Some(vec![Some(50)]));
        assert_eq!(indexes.past(table, &id(), 3).unwrap().addresses(3, &keys), Some(vec![Some(30)]));
        assert!(indexes.past(table, &id(), 4).is_none());
        indexes.forget(table);
        assert!(indexes.past(table, &id(), 3).is_none());
    }

    #[test]
    fn each_key_of_a_table_has_its_own_index() {
        let keys = hashes(&[1]);
        let (indexes, table, other) = (KeyIndexes::default(), TableId(uuid::Uuid::nil()), vec!["mail".to_string()]);
        indexes.put(table, &id(), &Arc::new(KeyIndex::new(1, Map::from_iter([(keys[0], 10)]))));
        assert!(indexes.get(table, &other).is_none());
        indexes.put(table, &other, &Arc::new(KeyIndex::new(1, Map::default())));
        assert_eq!(indexes.get(table, &other).unwrap().addresses(1, &keys), Some(vec![None]));
        indexes.forget(table);
        assert!(indexes.get(table, &id()).is_none() && indexes.get(table, &other).is_none());
    }

    #[test]
    fn a_key_with_a_null_has_no_hash() {
        let columns: [ArrayRef; 2] = [
            Arc::new(Int64Array::from(vec![Some(1), None, Some(1)])),
            Arc::new(StringArray::from(vec![Some("a"), Some("a"), None])),
        ];
        let hashes = hash_unique_keys(&columns).unwrap();
        assert!(hashes[0].is_some());
        assert_eq!(hashes[1..], [None, None]);
    }

    #[test]
    fn composite_keys_do_not_run_together() {
        let columns: [ArrayRef; 2] =
            [Arc::new(StringArray::from(vec!["a", "ab"])), Arc::new(StringArray::from(vec!["bc", "c"]))];
        let hashes = hash_keys(&columns).unwrap();
        assert_ne!(hashes[0], hashes[1]);
    }
}
