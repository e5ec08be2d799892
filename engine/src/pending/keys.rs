//! Rows of a delta by key.
//!
//! Most bulk changes are never asked for a key, so the keys are read when somebody first asks, and then those of the rows that
//! came since. Each reading gives a map of its own, which clones of the delta share; maps of about the same size become one, so
//! there are few of them. A row that has gone stays in its map: the delta knows that it has gone.

use std::sync::Arc;

use parking_lot::RwLock;

use super::delta::{address, columns};
use crate::addresses::AddressSet;
use crate::batches::Batches;
use crate::catalog::UniqueConstraint;
use crate::error::Result;
use crate::store::key_index::{KeyHash, Map, hash_unique_keys};

/// Bytes of a key in a map, roughly.
const KEY_BYTES: usize = 48;

/// Addresses of the rows that come, by one unique key of their table.
#[derive(Debug)]
pub(super) struct PendingKeys {
    constraint: UniqueConstraint,
    layers: RwLock<Layers>,
}

#[derive(Debug, Clone, Default)]
struct Layers {
    /// Batches whose keys are known.
    known: usize,
    /// The newest last.
    maps: Vec<Arc<Map<u64>>>,
}

impl Clone for PendingKeys {
    fn clone(&self) -> Self {
        PendingKeys { constraint: self.constraint.clone(), layers: RwLock::new(self.layers.read().clone()) }
    }
}

impl PendingKeys {
    pub(super) fn new(constraint: UniqueConstraint) -> Self {
        PendingKeys { constraint, layers: RwLock::default() }
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.constraint.columns
    }

    /// Bytes that the maps take in memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.layers.read().maps.iter().map(|map| map.len() * KEY_BYTES).sum()
    }

    /// The addresses of rows of `added` by key, but for those at `dead`; `None` where there is none.
    pub(super) fn addresses(
        &self,
        added: &Batches,
        dead: &AddressSet,
        hashes: &[Option<KeyHash>],
    ) -> Result<Vec<Option<u64>>> {
        if added.is_empty() {
            return Ok(vec![None; hashes.len()]);
        }
        self.read(added)?;
        let layers = self.layers.read();
        // A key that has come again has gone before, so at most one of its rows is alive.
        let living = |hash: &KeyHash| {
            let found = layers.maps.iter().rev().filter_map(|map| map.get(hash).copied());
            found.into_iter().find(|address| !dead.contains(*address))
        };
        Ok(hashes.iter().map(|hash| living(&(*hash)?)).collect())
    }

    /// Maps that a look-up goes through.
    #[cfg(test)]
    pub(super) fn layers(&self) -> usize {
        self.layers.read().maps.len()
    }

    /// Reads the keys of rows that are not known yet.
    fn read(&self, added: &Batches) -> Result<()> {
        if self.layers.read().known == added.parts().len() {
            return Ok(());
        }
        let mut layers = self.layers.write();
        let mut newest = Map::default();
        for (number, part) in added.parts().iter().enumerate().skip(layers.known) {
            let hashes = hash_unique_keys(&columns(&part.read()?, &self.constraint.columns)?)?;
            let found = hashes.into_iter().enumerate();
            newest.extend(found.filter_map(|(row, hash)| Some((hash?, address(number, row)))));
        }
        layers.known = added.parts().len();
        while let Some(below) = layers.maps.pop_if(|below| below.len() <= 2 * newest.len()) {
            let mut merged = Arc::unwrap_or_clone(below);
            merged.extend(newest);
            newest = merged;
        }
        layers.maps.push(Arc::new(newest));
        Ok(())
    }
}
