//! A delta: what a transaction has done to the rows of one table, buffered in Arrow.
//!
//! Rows that go are named by their address in the stored table. Rows that come have addresses of their own, with
//! [`PENDING_ROW`] set: batch and row as a Lance address has fragment and offset. So a statement that changes a row need not
//! know whether the row is stored or the transaction's own.
//!
//! It holds no transaction state and refers to no snapshot: whoever keeps one knows at which version its addresses hold.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::{filter_record_batch, interleave_record_batch, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::catalog::{TableDefinition, UniqueConstraint};
use crate::change::{PENDING_ROW, ROW_ADDRESS, RowChanges};
use crate::error::{Error, Result};
use crate::store::key_index::{KeyHash, Map, hash_unique_keys};
use crate::store::table::row_addresses;

/// Row changes of one table.
#[derive(Debug, Clone)]
pub struct Delta {
    table: Arc<TableDefinition>,
    truncated: bool,
    /// Identities of stored rows that go, their addresses last.
    removed: Vec<RecordBatch>,
    removed_addresses: HashSet<u64>,
    added: Vec<RecordBatch>,
    /// Addresses of added rows that went again.
    dead: HashSet<u64>,
    /// Addresses of the living added rows by key, for each of the table's unique keys.
    keys: Vec<UniqueKeys>,
}

#[derive(Debug, Clone)]
struct UniqueKeys {
    constraint: UniqueConstraint,
    addresses: Map<u64>,
}

impl Delta {
    /// Nothing changed yet.
    pub fn new(table: Arc<TableDefinition>) -> Self {
        let keys = table.unique_keys().into_iter();
        let keys = keys.map(|constraint| UniqueKeys { constraint, addresses: Map::default() }).collect();
        Delta {
            table,
            truncated: false,
            removed: Vec::new(),
            removed_addresses: HashSet::new(),
            added: Vec::new(),
            dead: HashSet::new(),
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
    pub fn removed(&self) -> &[RecordBatch] {
        &self.removed
    }

    /// Addresses of the stored rows that go by name.
    pub fn removed_addresses(&self) -> &HashSet<u64> {
        &self.removed_addresses
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        !self.truncated && self.removed_addresses.is_empty() && self.added_rows() == 0
    }

    /// Rows that come.
    pub fn added_rows(&self) -> usize {
        self.added.iter().map(RecordBatch::num_rows).sum::<usize>() - self.dead.len()
    }

    /// Stored rows that go by name.
    pub fn removed_rows(&self) -> usize {
        self.removed_addresses.len()
    }

    /// Bytes that the changes take in memory, roughly.
    pub fn bytes(&self) -> usize {
        let batches = self.added.iter().chain(&self.removed).map(RecordBatch::get_array_memory_size).sum::<usize>();
        let keys: usize = self.keys.iter().map(|keys| keys.addresses.len() * 40).sum();
        batches + keys + (self.removed_addresses.len() + self.dead.len()) * 16
    }

    /// Adds what a statement did that saw this delta.
    pub fn absorb(&mut self, changes: RowChanges) -> Result<()> {
        if changes.truncated {
            *self = Delta { truncated: true, ..Delta::new(Arc::clone(&changes.table)) };
        }
        for batch in changes.removed {
            self.remove(batch)?;
        }
        for batch in changes.added {
            self.add(batch)?;
        }
        Ok(())
    }

    /// Adds the changes of a transaction that commits together with this one and has nothing in common with it.
    pub(crate) fn join(&mut self, other: &Delta) -> Result<()> {
        if other.truncated {
            *self = Delta { truncated: true, ..Delta::new(Arc::clone(&other.table)) };
        }
        for batch in &other.removed {
            self.remove(batch.clone())?;
        }
        for batch in other.live()? {
            self.add(batch)?;
        }
        Ok(())
    }

    /// The same changes for a statement's checks: as if one statement had made them over the stored table.
    pub(crate) fn as_changes(&self) -> Result<RowChanges> {
        Ok(RowChanges {
            table: Arc::clone(&self.table),
            truncated: self.truncated,
            removed: self.removed.clone(),
            added: self.live()?,
        })
    }

    fn remove(&mut self, batch: RecordBatch) -> Result<()> {
        let addresses = row_addresses(&batch);
        let pending: Vec<u64> =
            addresses.values().iter().copied().filter(|address| address & PENDING_ROW != 0).collect();
        if !pending.is_empty() {
            self.forget_keys(&pending)?;
            self.dead.extend(&pending);
        }
        let stored = match pending.is_empty() {
            true => batch,
            false => {
                let keep = addresses.iter().map(|address| address.map(|address| address & PENDING_ROW == 0)).collect();
                filter_record_batch(&batch, &keep).map_err(internal)?
            }
        };
        if stored.num_rows() > 0 {
            self.removed_addresses.extend(row_addresses(&stored).values());
            self.removed.push(stored);
        }
        Ok(())
    }

    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let number = self.added.len();
        for keys in &mut self.keys {
            let hashes = hash_unique_keys(&columns(&batch, &keys.constraint.columns)?)?;
            let found = hashes.into_iter().enumerate();
            keys.addresses.extend(found.filter_map(|(row, hash)| Some((hash?, address(number, row)))));
        }
        self.added.push(batch);
        Ok(())
    }

    fn forget_keys(&mut self, pending: &[u64]) -> Result<()> {
        let rows = self.take(pending)?;
        for keys in &mut self.keys {
            for (hash, address) in
                hash_unique_keys(&columns(&rows, &keys.constraint.columns)?)?.into_iter().zip(pending)
            {
                if let Some(hash) = hash
                    && keys.addresses.get(&hash) == Some(address)
                {
                    keys.addresses.remove(&hash);
                }
            }
        }
        Ok(())
    }

    /// The addresses of added rows by key; `None` where there is none.
    pub fn addresses(&self, columns: &[String], hashes: &[Option<KeyHash>]) -> Result<Vec<Option<u64>>> {
        let keys = self.keys.iter().find(|keys| keys.constraint.columns == columns).ok_or_else(|| {
            Error::internal(format!("({}) is no unique key of table \"{}\"", columns.join(", "), self.table.name))
        })?;
        Ok(hashes.iter().map(|hash| keys.addresses.get(&(*hash)?).copied()).collect())
    }

    /// The rows that come.
    pub fn live(&self) -> Result<Vec<RecordBatch>> {
        if self.dead.is_empty() {
            return Ok(self.added.clone());
        }
        let batches = self.added.iter().enumerate().map(|(number, batch)| {
            let alive = (0..batch.num_rows()).map(|row| Some(!self.dead.contains(&address(number, row)))).collect();
            filter_record_batch(batch, &alive).map_err(internal)
        });
        let batches: Vec<RecordBatch> = batches.collect::<Result<_>>()?;
        Ok(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
    }

    /// The rows that come, with [`ROW_ADDRESS`] as their last column.
    pub fn live_with_address(&self) -> Result<Vec<RecordBatch>> {
        let schema = with_address(&self.table.arrow_schema());
        let batches = self.added.iter().enumerate().map(|(number, batch)| {
            let rows: Vec<u32> = (0..batch.num_rows())
                .filter(|row| !self.dead.contains(&address(number, *row)))
                .map(|row| row as u32)
                .collect();
            let addresses: UInt64Array = rows.iter().map(|row| address(number, *row as usize)).collect();
            let rows = take_record_batch(batch, &UInt32Array::from(rows)).map_err(internal)?;
            let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
            columns.push(Arc::new(addresses));
            RecordBatch::try_new(Arc::clone(&schema), columns).map_err(internal)
        });
        let batches: Vec<RecordBatch> = batches.collect::<Result<_>>()?;
        Ok(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
    }

    /// Added rows by address, in the order of `addresses`.
    pub fn take(&self, addresses: &[u64]) -> Result<RecordBatch> {
        let batches: Vec<&RecordBatch> = self.added.iter().collect();
        if batches.is_empty() {
            return Ok(RecordBatch::new_empty(self.table.arrow_schema()));
        }
        let places: Vec<(usize, usize)> = addresses.iter().map(|address| place(*address)).collect();
        interleave_record_batch(&batches, &places).map_err(internal)
    }

    /// The same changes of a table whose definition has changed. `reshape` makes rows of the new definition out of old ones.
    pub(crate) fn redefined(
        &self,
        table: &Arc<TableDefinition>,
        reshape: impl Fn(&RecordBatch) -> Result<RecordBatch>,
    ) -> Result<Self> {
        let mut delta = Delta::new(Arc::clone(table));
        delta.truncated = self.truncated;
        delta.removed = self.removed.clone();
        delta.removed_addresses = self.removed_addresses.clone();
        for batch in self.live()? {
            delta.add(reshape(&batch)?)?;
        }
        Ok(delta)
    }

    /// The same changes with the addresses of the rows that go looked up anew.
    pub(crate) fn readdressed(mut self, addresses: &[Vec<u64>]) -> Result<Self> {
        let removed = std::mem::take(&mut self.removed);
        self.removed_addresses.clear();
        for (batch, addresses) in removed.iter().zip(addresses) {
            let mut columns = batch.columns().to_vec();
            columns.pop();
            columns.push(Arc::new(UInt64Array::from(addresses.clone())));
            let batch = RecordBatch::try_new(batch.schema(), columns).map_err(internal)?;
            self.removed_addresses.extend(addresses);
            self.removed.push(batch);
        }
        Ok(self)
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

fn address(batch: usize, row: usize) -> u64 {
    PENDING_ROW | (batch as u64) << 32 | row as u64
}

fn place(address: u64) -> (usize, usize) {
    (((address & !PENDING_ROW) >> 32) as usize, address as u32 as usize)
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ColumnDefinition;
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

    fn ids(batches: &[RecordBatch]) -> Vec<i64> {
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    fn hash(id: i64) -> Vec<Option<KeyHash>> {
        hash_unique_keys(&[Arc::new(Int64Array::from(vec![id]))]).unwrap()
    }

    #[test]
    fn a_row_of_its_own_is_changed_like_a_stored_one() {
        let table = table();
        let mut delta = Delta::new(Arc::clone(&table));
        delta
            .absorb(RowChanges { added: vec![rows(&table, &[1, 2, 3])], ..RowChanges::new(Arc::clone(&table)) })
            .unwrap();
        let two = delta.addresses(&["id".into()], &hash(2)).unwrap()[0].unwrap();
        assert_ne!(two & PENDING_ROW, 0);
        let update = RowChanges {
            removed: vec![identities(&table, &[(2, two), (9, 77)])],
            added: vec![rows(&table, &[20, 90])],
            ..RowChanges::new(Arc::clone(&table))
        };
        delta.absorb(update).unwrap();
        assert_eq!(ids(&delta.live().unwrap()), [1, 3, 20, 90]);
        assert_eq!(delta.removed_addresses(), &HashSet::from([77]));
        assert_eq!(delta.addresses(&["id".into()], &hash(2)).unwrap(), [None]);
        let twenty = delta.addresses(&["id".into()], &hash(20)).unwrap()[0].unwrap();
        assert_eq!(ids(&[delta.take(&[twenty]).unwrap()]), [20]);
    }

    #[test]
    fn truncation_forgets_what_came_before_it() {
        let table = table();
        let mut delta = Delta::new(Arc::clone(&table));
        delta.absorb(RowChanges { added: vec![rows(&table, &[1])], ..RowChanges::new(Arc::clone(&table)) }).unwrap();
        let truncation =
            RowChanges { truncated: true, added: vec![rows(&table, &[5])], ..RowChanges::new(Arc::clone(&table)) };
        delta.absorb(truncation).unwrap();
        assert!(delta.truncated());
        assert_eq!(ids(&delta.live().unwrap()), [5]);
    }
}
