//! What becomes of each row that a write is given: from batches of its input to rows that go, rows that come, and rows that
//! are returned.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{Field, Int32Type, Schema, SchemaRef, UInt64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::{AddressSet, Error, ErrorKind, Result};

use super::checks::Checks;
use super::write::{Action, Again, Command, Write};
use crate::error::from_arrow;

/// Rows that a write has affected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) inserted: usize,
    pub(crate) updated: usize,
    pub(crate) deleted: usize,
}

impl Counts {
    /// Counts those of another batch.
    pub(crate) fn add(&mut self, other: Counts) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
    }

    /// All of them.
    pub(crate) fn total(self) -> usize {
        self.inserted + self.updated + self.deleted
    }
}

/// What one batch changes.
pub(crate) struct Changed {
    /// Identities of rows that go.
    pub(crate) removed: Option<RecordBatch>,
    /// Rows that come.
    pub(crate) added: Option<RecordBatch>,
    /// Rows for RETURNING.
    pub(crate) returned: Option<RecordBatch>,
    pub(crate) counts: Counts,
}

/// Decides row by row. It remembers what it must not meet again.
pub(crate) struct Rows {
    write: Arc<Write>,
    checks: Arc<Checks>,
    /// Of the rows that RETURNING sees.
    returned: SchemaRef,
    /// Addresses of the rows that were changed or went.
    touched: AddressSet,
    arbiters: Vec<Arbiter>,
}

impl Rows {
    pub(crate) fn new(write: &Arc<Write>, checks: Arc<Checks>, returned: SchemaRef) -> Result<Self> {
        let arbiters =
            write.arbiters.iter().map(|columns| Arbiter::new(&write.table, columns)).collect::<Result<_>>()?;
        Ok(Rows { write: Arc::clone(write), checks, returned, touched: AddressSet::default(), arbiters })
    }

    /// Bytes of what it remembers, roughly.
    pub(crate) fn memory(&self) -> usize {
        self.touched.bytes() + self.arbiters.iter().map(|arbiter| arbiter.bytes).sum::<usize>()
    }

    /// Takes a batch of the write's input.
    pub(crate) fn change(&mut self, batch: &RecordBatch) -> Result<Changed> {
        let write = Arc::clone(&self.write);
        let row = match write.row.is_empty() {
            true => None,
            false => Some(table_rows(&write.table, &batch.columns()[write.row.clone()], batch.num_rows())?),
        };
        let actions = self.actions(batch, row.as_ref())?;
        let mut counts = Counts::default();
        for action in &actions {
            match action {
                Action::Nothing => {}
                Action::Insert => counts.inserted += 1,
                Action::Update => counts.updated += 1,
                Action::Delete => counts.deleted += 1,
            }
        }
        let of = |wanted: &[Action]| -> BooleanArray {
            actions.iter().map(|action| Some(wanted.contains(action))).collect()
        };
        let removed = match counts.updated + counts.deleted {
            0 => None,
            _ => Some(filtered(&self.identities(batch)?, &of(&[Action::Update, Action::Delete]))?),
        };
        let added = match (counts.inserted + counts.updated, &row) {
            (0, _) => None,
            (_, Some(row)) => Some(filtered(row, &of(&[Action::Insert, Action::Update]))?),
            (_, None) => return Err(Error::internal("a write adds rows that it was not given")),
        };
        if let Some(added) = &added {
            self.checks.check(added)?;
        }
        let returned = match (write.returning && counts.total() > 0, row) {
            (true, Some(row)) => {
                let affected = of(&[Action::Insert, Action::Update, Action::Delete]);
                Some(filtered(&self.returned(batch, &row)?, &affected)?)
            }
            _ => None,
        };
        let added = added.map(|rows| with_schema(rows, &write.table)).transpose()?;
        Ok(Changed { removed, added, returned, counts })
    }

    /// What happens to each row, rows that were met before taken into account.
    fn actions(&mut self, batch: &RecordBatch, row: Option<&RecordBatch>) -> Result<Vec<Action>> {
        let mut actions = match self.write.has_action {
            false => vec![self.write.default_action(); batch.num_rows()],
            true => stated(batch.column(0))?,
        };
        if self.write.again != Again::Never && !self.write.identity.is_empty() {
            self.meet_addresses(batch, &mut actions)?;
        }
        if let Some(row) = row {
            self.meet_keys(row, &mut actions)?;
        }
        Ok(actions)
    }

    fn meet_addresses(&mut self, batch: &RecordBatch, actions: &mut [Action]) -> Result<()> {
        let addresses = addresses(batch.column(self.write.identity.end - 1))?;
        for (row, action) in actions.iter_mut().enumerate() {
            if *action == Action::Insert || addresses.is_null(row) {
                continue;
            }
            let address = addresses.value(row);
            let known = match action {
                Action::Nothing => self.touched.contains(address),
                _ => !self.touched.insert(address),
            };
            match (known, self.write.again) {
                (true, Again::Error) => return Err(second_time(self.write.command)),
                (true, Again::FirstCounts | Again::Never) => *action = Action::Nothing,
                (false, _) => {}
            }
        }
        Ok(())
    }

    /// Notes the keys of the rows that come. A new row with a key that is known is left out, or an error; it leaves nothing
    /// behind, whichever of its keys was known.
    fn meet_keys(&mut self, rows: &RecordBatch, actions: &mut [Action]) -> Result<()> {
        let keys = self.arbiters.iter().map(|arbiter| arbiter.keys_of(rows)).collect::<Result<Vec<_>>>()?;
        for (row, action) in actions.iter_mut().enumerate() {
            if !matches!(action, Action::Insert | Action::Update) {
                continue;
            }
            let own = keys.iter().map(|keys| keys[row].as_ref());
            let known = self
                .arbiters
                .iter()
                .zip(own.clone())
                .any(|(arbiter, key)| key.is_some_and(|key| arbiter.keys.contains(key)));
            if known && *action == Action::Insert {
                if self.write.again == Again::Error {
                    return Err(second_time(Command::Insert));
                }
                *action = Action::Nothing;
                continue;
            }
            for (arbiter, key) in self.arbiters.iter_mut().zip(own) {
                arbiter.note(key);
            }
        }
        Ok(())
    }

    fn identities(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns()[self.write.identity.clone()].to_vec();
        let names = self.write.identity_columns.iter();
        let fields: Vec<Field> =
            names.zip(&columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(from_arrow)
    }

    fn returned(&self, batch: &RecordBatch, row: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = row.columns().to_vec();
        columns.extend_from_slice(&batch.columns()[self.write.sources.clone()]);
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.returned), columns, &options).map_err(from_arrow)
    }
}

/// `21000`.
fn second_time(command: Command) -> Error {
    match command {
        Command::Merge => Error::new(ErrorKind::Cardinality, "MERGE command cannot affect row a second time")
            .with_hint("Ensure that not more than one source row matches any one target row."),
        Command::Insert | Command::Update | Command::Delete => Error::new(
            ErrorKind::Cardinality,
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        )
        .with_hint(
            "Ensure that no rows proposed for insertion within the same command have duplicate constrained values.",
        ),
    }
}

fn stated(column: &ArrayRef) -> Result<Vec<Action>> {
    let unknown = || Error::internal("a row of a write does not say what happens to it");
    let numbers = column.as_primitive_opt::<Int32Type>().ok_or_else(unknown)?;
    numbers.iter().map(|number| number.and_then(Action::from_number).ok_or_else(unknown)).collect()
}

fn addresses(column: &ArrayRef) -> Result<&UInt64Array> {
    column.as_primitive_opt::<UInt64Type>().ok_or_else(|| Error::internal("a row address is no number"))
}

/// All rows, where nothing is left out.
fn filtered(batch: &RecordBatch, keep: &BooleanArray) -> Result<RecordBatch> {
    if keep.true_count() == keep.len() {
        return Ok(batch.clone());
    }
    filter_record_batch(batch, keep).map_err(from_arrow)
}

/// Bytes that a key in a set takes beside its own.
const KEY_BYTES: usize = 80;

/// A unique key that rows of one statement must not have in common.
struct Arbiter {
    /// Positions in the table.
    columns: Vec<usize>,
    converter: RowConverter,
    keys: HashSet<OwnedRow>,
    /// What the keys take, roughly.
    bytes: usize,
}

impl Arbiter {
    fn new(table: &TableDefinition, columns: &[usize]) -> Result<Self> {
        let fields = columns.iter().map(|column| SortField::new(table.columns[*column].sql_type.arrow_type()));
        let converter = RowConverter::new(fields.collect()).map_err(from_arrow)?;
        Ok(Arbiter { columns: columns.to_vec(), converter, keys: HashSet::new(), bytes: 0 })
    }

    /// The key of every row; `None` where there is a NULL in it.
    fn keys_of(&self, rows: &RecordBatch) -> Result<Vec<Option<OwnedRow>>> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        let encoded = self.converter.convert_columns(&columns).map_err(from_arrow)?;
        let has_null = |row: usize| columns.iter().any(|column| column.is_null(row));
        Ok((0..rows.num_rows()).map(|row| (!has_null(row)).then(|| encoded.row(row).owned())).collect())
    }

    fn note(&mut self, key: Option<&OwnedRow>) {
        if let Some(key) = key
            && self.keys.insert(key.clone())
        {
            self.bytes += key.as_ref().len() + KEY_BYTES;
        }
    }
}

/// A batch of a table's rows, in the table's own Arrow types; what must not be NULL may still be.
pub(crate) fn table_rows(table: &TableDefinition, columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let schema = nullable(&table.arrow_schema());
    let columns = columns
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast(column, field.data_type()).map_err(from_arrow),
        })
        .collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))
        .map_err(from_arrow)
}

/// The same rows under the table's own schema, once they were checked.
pub(crate) fn with_schema(rows: RecordBatch, table: &TableDefinition) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(table.arrow_schema(), rows.columns().to_vec(), &options).map_err(from_arrow)
}

fn nullable(schema: &Schema) -> SchemaRef {
    Arc::new(Schema::new(
        schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>(),
    ))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use slipstream_engine::catalog::ColumnDefinition;
    use slipstream_engine::change::ROW_ADDRESS;
    use slipstream_engine::types::SqlType;

    use super::*;

    /// A write of `t (id bigint PRIMARY KEY, n bigint)` whose input is: action, id and address of the old row, new row.
    fn write(command: Command, again: Again, arbiters: Vec<Vec<usize>>) -> Rows {
        let column = |name: &str| ColumnDefinition {
            name: name.into(),
            sql_type: SqlType::BigInt,
            not_null: false,
            default: None,
            identity: None,
            generated: None,
        };
        let table = Arc::new(TableDefinition::new("t", vec![column("id"), column("n")], vec!["id".into()]));
        let write = Write {
            command,
            table: Arc::clone(&table),
            has_action: true,
            identity: 1..3,
            identity_columns: vec!["id".into(), ROW_ADDRESS.into()],
            row: 3..5,
            sources: 5..5,
            again,
            arbiters,
            arbiter_names: Vec::new(),
            checks: Vec::new(),
            returning: true,
        };
        let returned = nullable(&table.arrow_schema());
        Rows::new(&Arc::new(write), Arc::new(Checks::not_null(&table)), returned).unwrap()
    }

    type Row = (Action, Option<(i64, u64)>, i64, i64);

    fn batch(rows: &[Row]) -> RecordBatch {
        let actions: arrow::array::Int32Array = rows.iter().map(|row| Some(row.0 as i32)).collect();
        let ids: Int64Array = rows.iter().map(|row| row.1.map(|old| old.0)).collect();
        let addresses: UInt64Array = rows.iter().map(|row| row.1.map(|old| old.1)).collect();
        let new: Int64Array = rows.iter().map(|row| Some(row.2)).collect();
        let n: Int64Array = rows.iter().map(|row| Some(row.3)).collect();
        RecordBatch::try_from_iter([
            ("?action", Arc::new(actions) as ArrayRef),
            ("?identity0", Arc::new(ids) as _),
            ("?identity1", Arc::new(addresses) as _),
            ("?0", Arc::new(new) as _),
            ("?1", Arc::new(n) as _),
        ])
        .unwrap()
    }

    fn ids(rows: &Option<RecordBatch>) -> Vec<i64> {
        let Some(rows) = rows else { return Vec::new() };
        rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec()
    }

    #[test]
    fn every_action_goes_its_way() {
        let mut rows = write(Command::Merge, Again::Error, Vec::new());
        let changed = rows
            .change(&batch(&[
                (Action::Insert, None, 1, 10),
                (Action::Update, Some((2, 20)), 22, 11),
                (Action::Nothing, Some((3, 30)), 3, 0),
                (Action::Delete, Some((4, 40)), 4, 0),
            ]))
            .unwrap();
        assert_eq!(changed.counts, Counts { inserted: 1, updated: 1, deleted: 1 });
        assert_eq!((ids(&changed.removed), ids(&changed.added)), (vec![2, 4], vec![1, 22]));
        assert_eq!(ids(&changed.returned), [1, 22, 4]);
        let removed = changed.removed.unwrap();
        assert_eq!(removed.schema().field(1).name(), ROW_ADDRESS);
        assert_eq!(removed.column(1).as_primitive::<UInt64Type>().values(), &[20, 40]);
    }

    #[test]
    fn only_the_first_match_of_a_row_counts_across_batches() {
        let mut rows = write(Command::Update, Again::FirstCounts, Vec::new());
        let first = rows.change(&batch(&[(Action::Update, Some((1, 7)), 1, 1), (Action::Update, Some((1, 7)), 1, 2)]));
        assert_eq!(first.unwrap().counts.updated, 1);
        let second = rows.change(&batch(&[(Action::Update, Some((1, 7)), 1, 3), (Action::Update, Some((2, 8)), 2, 3)]));
        assert_eq!(ids(&second.unwrap().added), [2]);
    }

    #[test]
    fn a_row_met_twice_is_an_error_for_merge_and_do_update() {
        for command in [Command::Merge, Command::Insert] {
            let mut rows = write(command, Again::Error, Vec::new());
            let twice = batch(&[(Action::Update, Some((1, 7)), 1, 1), (Action::Nothing, Some((1, 7)), 1, 2)]);
            let error = rows.change(&twice).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cardinality);
            assert!(error.message().starts_with(match command {
                Command::Merge => "MERGE",
                _ => "ON CONFLICT DO UPDATE",
            }));
        }
    }

    #[test]
    fn a_row_that_is_left_out_leaves_no_key_behind() {
        let mut rows = write(Command::Insert, Again::Never, vec![vec![0], vec![1]]);
        let batch = batch(&[(Action::Insert, None, 1, 1), (Action::Insert, None, 2, 1), (Action::Insert, None, 2, 2)]);
        assert_eq!(ids(&rows.change(&batch).unwrap().added), [1, 2]);
    }

    #[test]
    fn new_rows_with_the_same_key_are_left_out_or_an_error() {
        let twice = batch(&[(Action::Insert, None, 1, 1), (Action::Insert, None, 1, 2), (Action::Insert, None, 2, 2)]);
        let mut rows = write(Command::Insert, Again::Never, vec![vec![0]]);
        assert_eq!(ids(&rows.change(&twice).unwrap().added), [1, 2]);
        let mut rows = write(Command::Insert, Again::Error, vec![vec![0]]);
        assert_eq!(rows.change(&twice).map(|_| ()).unwrap_err().kind(), ErrorKind::Cardinality);
    }
}
