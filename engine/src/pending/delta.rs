//! A delta: what a transaction has done to the rows of one table, buffered in Arrow.
//!
//! Rows that go are named by their address in the stored table. Rows that come have addresses of their own, with
//! [`PENDING_ROW`] set: batch and row as a Lance address has fragment and offset. So a statement that changes a row need not
//! know whether the row is stored or the transaction's own.
//!
//! The rows are [`Batches`], which go to a temporary file when they are many. What stays in memory is the addresses of those
//! that went, and, once somebody has asked for one, the keys of those that came.
//!
//! It holds no transaction state and refers to no snapshot: whoever keeps one knows at which version its addresses hold.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::keys::PendingKeys;
use crate::addresses::AddressSet;
use crate::batches::{Batches, Part};
use crate::catalog::TableDefinition;
use crate::change::{PENDING_ROW, ROW_ADDRESS, RowChanges};
use crate::error::{Error, Result};
use crate::store::key_index::KeyHash;
use crate::store::table::row_addresses;

/// Row changes of one table.
#[derive(Debug, Clone)]
pub struct Delta {
    table: Arc<TableDefinition>,
    truncated: bool,
    /// Identities of stored rows that go, their addresses last.
    removed: Batches,
    removed_addresses: AddressSet,
    added: Batches,
    /// Addresses of added rows that went again.
    dead: AddressSet,
    /// The living added rows by key, for each of the table's unique keys.
    keys: Vec<PendingKeys>,
}

impl Delta {
    /// Nothing changed yet.
    pub fn new(table: Arc<TableDefinition>) -> Self {
        let keys = table.unique_keys().into_iter().map(PendingKeys::new).collect();
        Delta {
            table,
            truncated: false,
            removed: Batches::default(),
            removed_addresses: AddressSet::default(),
            added: Batches::default(),
            dead: AddressSet::default(),
            keys,
        }
    }

    /// The changes of one statement over a stored table.
    pub fn of(changes: RowChanges) -> Result<Self> {
        let mut delta = Delta::new(Arc::clone(&changes.table));
        delta.absorb(changes)?;
        Ok(delta)
    }

    /// The table.
    pub fn table(&self) -> &Arc<TableDefinition> {
        &self.table
    }

    /// Whether all stored rows go.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Identities of the stored rows that go, their addresses last; none are named where all go.
    pub fn removed(&self) -> &Batches {
        &self.removed
    }

    /// Addresses of the stored rows that go by name.
    pub fn removed_addresses(&self) -> &AddressSet {
        &self.removed_addresses
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.truncated && self.removed_addresses.is_empty() && self.added_rows() == 0
    }

    /// Rows that come.
    pub fn added_rows(&self) -> usize {
        self.added.rows() - self.dead.len()
    }

    /// Stored rows that go by name.
    pub fn removed_rows(&self) -> usize {
        self.removed.rows()
    }

    /// Bytes that the changes take in memory, roughly.
    pub fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(PendingKeys::bytes).sum();
        self.added.memory() + self.removed.memory() + keys + self.removed_addresses.bytes() + self.dead.bytes()
    }

    /// Adds what a statement did that saw this delta.
    pub fn absorb(&mut self, changes: RowChanges) -> Result<()> {
        if changes.truncated {
            *self = Delta { truncated: true, ..Delta::new(Arc::clone(&changes.table)) };
        }
        self.remove(changes.removed)?;
        self.added.append(changes.added)
    }

    /// Adds the changes of a transaction that commits together with this one and has nothing in common with it.
    pub(crate) fn join(&mut self, other: &Delta) -> Result<()> {
        self.absorb(other.as_changes())
    }

    /// The same changes for a statement's checks: as if one statement had made them over the stored table.
    pub(crate) fn as_changes(&self) -> RowChanges {
        RowChanges {
            table: Arc::clone(&self.table),
            truncated: self.truncated,
            removed: self.removed.clone(),
            added: self.live(),
        }
    }

    fn remove(&mut self, removed: Batches) -> Result<()> {
        let mut stored = removed.beside();
        for part in removed.parts() {
            let batch = part.read()?;
            let addresses = row_addresses(&batch).values();
            let own = addresses.iter().filter(|address| **address & PENDING_ROW != 0).count();
            if own == 0 {
                self.removed_addresses.extend(addresses.iter().copied());
                stored.add(part.clone())?;
                continue;
            }
            for address in addresses {
                match address & PENDING_ROW {
                    0 => self.removed_addresses.insert(*address),
                    _ => self.dead.insert(*address),
                };
            }
            let is_stored = |row: &u32| addresses[*row as usize] & PENDING_ROW == 0;
            stored.add(part.choose((0..addresses.len() as u32).filter(is_stored)))?;
        }
        self.removed.append(stored)
    }

    /// The addresses of added rows by key; `None` where there is none.
    pub fn addresses(&self, columns: &[String], hashes: &[Option<KeyHash>]) -> Result<Vec<Option<u64>>> {
        let keys = self.keys.iter().find(|keys| keys.columns() == columns).ok_or_else(|| {
            Error::internal(format!("({}) is no unique key of table \"{}\"", columns.join(", "), self.table.name))
        })?;
        keys.addresses(&self.added, &self.dead, hashes)
    }

    /// The rows that come.
    pub fn live(&self) -> Batches {
        let mut live = self.added.beside();
        for number in 0..self.added.parts().len() {
            live.keep(self.living(number));
        }
        live
    }

    /// Batches that came. Some of their rows may have gone again.
    pub(crate) fn parts(&self) -> usize {
        self.added.parts().len()
    }

    /// The rows of a batch that are still there.
    fn living(&self, number: usize) -> Part {
        let part = &self.added.parts()[number];
        match self.dead_rows(number) {
            None => part.clone(),
            Some(dead) => part.choose((0..part.rows() as u32).filter(|row| !dead.contains(*row))),
        }
    }

    fn dead_rows(&self, number: usize) -> Option<&roaring::RoaringBitmap> {
        self.dead.get((address(number, 0) >> 32) as u32)
    }

    /// The rows of a batch that are still there, with [`ROW_ADDRESS`] as their last column.
    pub(crate) async fn fetch_with_address(&self, number: usize) -> Result<RecordBatch> {
        let rows = self.living(number).fetch().await?;
        let all = 0..self.added.parts()[number].rows();
        let addresses: UInt64Array = match self.dead_rows(number) {
            None => all.map(|row| address(number, row)).collect(),
            Some(dead) => all.filter(|row| !dead.contains(*row as u32)).map(|row| address(number, row)).collect(),
        };
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns.push(Arc::new(addresses));
        RecordBatch::try_new(with_address(&self.table.arrow_schema()), columns).map_err(internal)
    }

    /// Added rows by address, in the order of `addresses`.
    pub async fn take(&self, addresses: &[u64]) -> Result<RecordBatch> {
        let schema = self.table.arrow_schema();
        let mut order: Vec<u32> = (0..addresses.len() as u32).collect();
        order.sort_unstable_by_key(|position| addresses[*position as usize]);
        let mut found = Vec::new();
        for group in order.chunk_by(|one, other| batch_of(addresses, *one) == batch_of(addresses, *other)) {
            let Some(part) = group.first().and_then(|first| self.added.parts().get(batch_of(addresses, *first))) else {
                return Err(Error::internal("a row of the transaction's own is missing"));
            };
            let rows: UInt32Array = group.iter().map(|position| addresses[*position as usize] as u32).collect();
            found.push(take_record_batch(&part.fetch().await?, &rows).map_err(internal)?);
        }
        let rows = concat_batches(&schema, &found).map_err(internal)?;
        let mut places = vec![0; addresses.len()];
        (0..).zip(&order).for_each(|(place, position)| places[*position as usize] = place);
        take_record_batch(&rows, &UInt32Array::from(places)).map_err(internal)
    }

    /// The same changes without the rows that come: what is left of the stored ones.
    pub(crate) fn without_added(&self) -> Self {
        Delta {
            truncated: self.truncated,
            removed: self.removed.clone(),
            removed_addresses: self.removed_addresses.clone(),
            ..Delta::new(Arc::clone(&self.table))
        }
    }

    /// The same changes of a table whose definition has changed. `reshape` makes rows of the new definition out of old ones.
    pub(crate) fn redefined(
        &self,
        table: &Arc<TableDefinition>,
        reshape: impl Fn(&RecordBatch) -> Result<RecordBatch>,
    ) -> Result<Self> {
        let mut added = self.added.beside();
        for batch in self.live().iter() {
            added.push(reshape(&batch?)?)?;
        }
        let rest = self.without_added();
        Ok(Delta {
            truncated: rest.truncated,
            removed: rest.removed,
            removed_addresses: rest.removed_addresses,
            added,
            ..Delta::new(Arc::clone(table))
        })
    }
}

/// A schema with [`ROW_ADDRESS`] as one more column.
pub(crate) fn with_address(schema: &SchemaRef) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(ROW_ADDRESS, DataType::UInt64, false)));
    Arc::new(Schema::new(fields))
}

/// Columns of a batch by name.
pub(crate) fn columns(batch: &RecordBatch, names: &[String]) -> Result<Vec<ArrayRef>> {
    names
        .iter()
        .map(|name| {
            batch.column_by_name(name).cloned().ok_or_else(|| Error::internal(format!("rows lack column \"{name}\"")))
        })
        .collect()
}

pub(super) fn address(batch: usize, row: usize) -> u64 {
    PENDING_ROW | (batch as u64) << 32 | row as u64
}

/// The batch of the address at a position.
fn batch_of(addresses: &[u64], position: u32) -> usize {
    ((addresses[position as usize] & !PENDING_ROW) >> 32) as usize
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ColumnDefinition;
    use crate::store::key_index::hash_unique_keys;
    use crate::types::SqlType;
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;

    fn table() -> Arc<TableDefinition> {
        let id = ColumnDefinition {
            name: "id".into(),
            sql_type: SqlType::BigInt,
            not_null: true,
            default: None,
            identity: None,
            generated: None,
        };
        Arc::new(TableDefinition::new("t", vec![id], vec!["id".into()]))
    }

    fn rows(table: &TableDefinition, ids: &[i64]) -> RecordBatch {
        RecordBatch::try_new(table.arrow_schema(), vec![Arc::new(Int64Array::from(ids.to_vec()))]).unwrap()
    }

    fn identities(table: &TableDefinition, rows: &[(i64, u64)]) -> RecordBatch {
        let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
        let addresses = UInt64Array::from_iter_values(rows.iter().map(|row| row.1));
        RecordBatch::try_new(with_address(&table.arrow_schema()), vec![Arc::new(ids), Arc::new(addresses)]).unwrap()
    }

    fn ids(batches: &Batches) -> Vec<i64> {
        batches
            .iter()
            .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    fn hash(id: i64) -> Vec<Option<KeyHash>> {
        hash_unique_keys(&[Arc::new(Int64Array::from(vec![id]))]).unwrap()
    }

    #[tokio::test]
    async fn a_row_of_its_own_is_changed_like_a_stored_one() {
        let table = table();
        let mut delta = Delta::new(Arc::clone(&table));
        delta
            .absorb(RowChanges { added: vec![rows(&table, &[1, 2, 3])].into(), ..RowChanges::new(Arc::clone(&table)) })
            .unwrap();
        let two = delta.addresses(&["id".into()], &hash(2)).unwrap()[0].unwrap();
        assert_ne!(two & PENDING_ROW, 0);
        let update = RowChanges {
            removed: vec![identities(&table, &[(2, two), (9, 77)])].into(),
            added: vec![rows(&table, &[20, 90])].into(),
            ..RowChanges::new(Arc::clone(&table))
        };
        delta.absorb(update).unwrap();
        assert_eq!(ids(&delta.live()), [1, 3, 20, 90]);
        assert_eq!(delta.removed_addresses(), &AddressSet::from_iter([77]));
        assert_eq!(delta.addresses(&["id".into()], &hash(2)).unwrap(), [None]);
        let twenty = delta.addresses(&["id".into()], &hash(20)).unwrap()[0].unwrap();
        let ninety = delta.addresses(&["id".into()], &hash(90)).unwrap()[0].unwrap();
        let three = delta.addresses(&["id".into()], &hash(3)).unwrap()[0].unwrap();
        let taken = delta.take(&[ninety, three, twenty, three]).await.unwrap();
        assert_eq!(ids(&vec![taken].into()), [90, 3, 20, 3]);
    }

    #[test]
    fn truncation_forgets_what_came_before_it() {
        let table = table();
        let mut delta = Delta::new(Arc::clone(&table));
        delta
            .absorb(RowChanges { added: vec![rows(&table, &[1])].into(), ..RowChanges::new(Arc::clone(&table)) })
            .unwrap();
        let truncation = RowChanges {
            truncated: true,
            added: vec![rows(&table, &[5])].into(),
            ..RowChanges::new(Arc::clone(&table))
        };
        delta.absorb(truncation).unwrap();
        assert!(delta.truncated());
        assert_eq!(ids(&delta.live()), [5]);
    }

    /// What a delta says of keys, against a list of which it is told.
    #[test]
    fn keys_that_come_and_go_many_times_are_found_where_they_are() {
        let table = table();
        let key = ["id".to_string()];
        let mut delta = Delta::new(Arc::clone(&table));
        let mut there = [false; 8];
        let mut seed = 1_u64;
        for round in 0..300 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let chosen: Vec<usize> = (0..8).filter(|id| seed >> (40 + id) & 1 == 1).collect();
            let (gone, come): (Vec<usize>, Vec<usize>) = chosen.iter().partition(|id| there[**id] && round % 3 > 0);
            let come: Vec<i64> = come.into_iter().filter(|id| !there[*id]).map(|id| id as i64).collect();
            let address = |id: &usize| delta.addresses(&key, &hash(*id as i64)).unwrap()[0].unwrap();
            let removed: Vec<(i64, u64)> = gone.iter().map(|id| (*id as i64, address(id))).collect();
            gone.iter().for_each(|id| there[*id] = false);
            come.iter().for_each(|id| there[*id as usize] = true);
            let removed = vec![identities(&table, &removed)].into();
            let changes =
                RowChanges { removed, added: vec![rows(&table, &come)].into(), ..RowChanges::new(Arc::clone(&table)) };
            let earlier = delta.clone();
            delta.absorb(changes).unwrap();
            drop(earlier);
            let known: Vec<i64> = (0..8).filter(|id| there[*id as usize]).collect();
            let mut live = ids(&delta.live());
            live.sort_unstable();
            assert_eq!(live, known);
            if round % 2 == 0 {
                for id in 0..8 {
                    assert_eq!(delta.addresses(&key, &hash(id)).unwrap()[0].is_some(), there[id as usize]);
                }
            }
        }
        let layers = delta.keys[0].layers();
        assert!(layers < 12, "{layers} layers");
    }
}
