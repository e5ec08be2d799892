//! May these rows be changed? Constraints, for a statement in its transaction and for a transaction at the head.
//!
//! The same checks run in both places: what they need is the state before (stored rows and what is pending over them) and
//! the rows that change. They give the state after, cascaded changes included:
//!
//! 1. each table's rows: NOT NULL, what a graph index can keep, unique keys;
//! 2. rows that others refer to and that go: their edges and referencing rows go too or lose the reference, as declared;
//! 3. what must not be referred to any more is not;
//! 4. everything that the new rows refer to is there.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{cast, filter};

use super::cover_checks::texts_fit;
use super::messages::{duplicate, null_value};
use super::references::Reference;
use crate::addresses::AddressSet;
use crate::batches::Batches;
use crate::catalog::{Catalog, ReferentialAction, TableDefinition, TableId, UniqueConstraint};
use crate::change::RowChanges;
use crate::error::{Error, ErrorKind, Result};
use crate::pending::delta::columns;
use crate::pending::{Pending, TableState};
use crate::snapshot::Snapshot;
use crate::store::ScanRequest;
use crate::store::key_index::{KeySet, hash_unique_keys};
use crate::store::table::row_addresses;
use crate::stream;

/// Checks of row changes over one state.
pub(crate) struct RowChecks<'a> {
    snapshot: &'a Snapshot,
    /// The catalog that holds when the changes are made.
    catalog: &'a Catalog,
    state: Pending,
    /// Changes made so far: those asked for, then those that follow from them.
    made: Vec<RowChanges>,
}

impl<'a> RowChecks<'a> {
    /// Checks over the stored rows of `snapshot` with `before` pending.
    pub(crate) fn new(snapshot: &'a Snapshot, catalog: &'a Catalog, before: Pending) -> Self {
        RowChecks { snapshot, catalog, state: before, made: Vec::new() }
    }

    /// Makes the changes, or says why they cannot be made. Gives the state after them.
    pub(crate) async fn run(mut self, rows: Vec<RowChanges>) -> Result<Pending> {
        for changes in rows {
            self.make(changes).await?;
        }
        self.follow_deletions().await?;
        for changes in &self.made {
            self.nothing_needs(changes).await?;
        }
        for changes in &self.made {
            self.references_exist(changes).await?;
        }
        Ok(self.state)
    }

    async fn table(&self, definition: &Arc<TableDefinition>) -> Result<TableState> {
        self.snapshot.table_state(definition, &self.state).await
    }

    /// Checks the rows of one table by themselves and makes them part of the state.
    async fn make(&mut self, changes: RowChanges) -> Result<()> {
        self.fit(&changes).await?;
        self.state.absorb_rows(changes.clone())?;
        self.made.push(changes);
        Ok(())
    }

    /// NOT NULL, what a graph index can keep, unique keys.
    async fn fit(&self, changes: &RowChanges) -> Result<()> {
        if changes.added.is_empty() {
            return Ok(());
        }
        let before = self.table(&changes.table).await?;
        let mut keys: Vec<UniqueCheck> = changes.table.unique_keys().into_iter().map(UniqueCheck::new).collect();
        let mut removed = AddressSet::default();
        if !keys.is_empty() {
            for batch in changes.removed.iter() {
                removed.extend(row_addresses(&batch?).values().iter().copied());
            }
        }
        let mut rows = 0;
        for part in changes.added.parts() {
            let batch = part.fetch().await?;
            let fits = self.batch_fits(changes, &before, &removed, &mut keys, &batch).await;
            fits.map_err(|error| error.after_rows(rows))?;
            rows += batch.num_rows();
        }
        Ok(())
    }

    async fn batch_fits(
        &self,
        changes: &RowChanges,
        before: &TableState,
        removed: &AddressSet,
        keys: &mut [UniqueCheck],
        batch: &RecordBatch,
    ) -> Result<()> {
        not_null(&changes.table, batch)?;
        texts_fit(self.catalog, &changes.table, batch)?;
        for key in keys {
            key.check(changes, before, removed, batch).await?;
        }
        Ok(())
    }

    /// Does to referencing rows what their constraints say, and to those that refer to these.
    async fn follow_deletions(&mut self) -> Result<()> {
        let mut open: VecDeque<usize> = (0..self.made.len()).collect();
        while let Some(position) = open.pop_front() {
            let changes = self.made[position].clone();
            for reference in self.catalog.references_to(changes.table.id)? {
                let follow = match reference.on_delete {
                    ReferentialAction::NoAction => continue,
                    ReferentialAction::Cascade => self.cascaded(&reference, &changes).await?,
                    ReferentialAction::SetNull => self.set_to_null(&reference, &changes).await?,
                };
                if let Some(follow) = follow {
                    open.push_back(self.made.len());
                    self.make(follow).await?;
                }
            }
        }
        Ok(())
    }

    async fn cascaded(&self, reference: &Reference, changes: &RowChanges) -> Result<Option<RowChanges>> {
        let identity = self.catalog.identity_columns(&reference.from);
        let removed = self.referencing(reference, changes, &identity).await?;
        Ok((!removed.is_empty()).then(|| RowChanges { removed, ..RowChanges::new(Arc::clone(&reference.from)) }))
    }

    async fn set_to_null(&self, reference: &Reference, changes: &RowChanges) -> Result<Option<RowChanges>> {
        let all: Vec<String> = reference.from.columns.iter().map(|column| column.name.clone()).collect();
        let rows = self.referencing(reference, changes, &all).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut identity = self.catalog.identity_columns(&reference.from);
        identity.push(crate::change::ROW_ADDRESS.to_string());
        let mut follow =
            RowChanges { removed: rows.beside(), added: rows.beside(), ..RowChanges::new(Arc::clone(&reference.from)) };
        for batch in rows.iter() {
            let batch = batch?;
            follow.removed.push(picked(&batch, &identity)?)?;
            let values = reference.from.columns.iter().zip(batch.columns()).map(|(column, values)| {
                match reference.columns.contains(&column.name) {
                    true => new_null_array(values.data_type(), values.len()),
                    false => Arc::clone(values),
                }
            });
            let values: Vec<ArrayRef> = values.collect();
            if let Some(column) = reference.columns.iter().find(|name| is_not_null(&reference.from, name)) {
                return Err(null_value(&reference.from, column));
            }
            let rows = RecordBatch::try_new(reference.from.arrow_schema(), values).map_err(internal)?;
            follow.added.push(rows)?;
        }
        Ok(Some(follow))
    }

    /// Rows that refer to rows of `changes` that are gone, with `output` columns and their addresses.
    async fn referencing(&self, reference: &Reference, changes: &RowChanges, output: &[String]) -> Result<Batches> {
        let mut found = changes.removed.beside();
        if changes.removed.is_empty() {
            return Ok(found);
        }
        let (from, after) = (self.table(&reference.from).await?, self.table(&changes.table).await?);
        for part in changes.removed.parts() {
            let keys = gone_keys(reference, &after, &part.fetch().await?).await?;
            if keys.first().is_some_and(|keys| !keys.is_empty()) {
                let keys = as_types_of(&keys, &reference.from, &reference.columns)?;
                for batch in from.rows_where_in(&reference.columns, &keys, output).await? {
                    found.push(batch)?;
                }
            }
        }
        Ok(found)
    }

    /// Refuses to remove what is still referred to at the end.
    async fn nothing_needs(&self, changes: &RowChanges) -> Result<()> {
        if changes.removed.is_empty() && !changes.truncated {
            return Ok(());
        }
        for reference in self.catalog.references_to(changes.table.id)? {
            if changes.truncated {
                self.refuse_truncation(&reference).await?;
                continue;
            }
            let rows = self.referencing(&reference, changes, &reference.columns).await?;
            if let Some(first) = rows.iter().next() {
                return Err(reference.still_needed(&columns(&first?, &reference.columns)?));
            }
        }
        Ok(())
    }

    /// A truncated table may be referred to by tables that are empty afterwards only.
    async fn refuse_truncation(&self, reference: &Reference) -> Result<()> {
        if reference.from.id == reference.to.id {
            return Ok(());
        }
        let request = ScanRequest { columns: Some(reference.columns.clone()), limit: Some(1), ..Default::default() };
        let mut rows = self.table(&reference.from).await?.read(&request).await?;
        if stream::next(&mut rows).await?.is_none() {
            return Ok(());
        }
        let detail = format!("Table \"{}\" references \"{}\".", reference.from.name, reference.to.name);
        Err(Error::not_supported("cannot truncate a table referenced in a foreign key constraint")
            .with_detail(detail)
            .with_hint(format!(
                "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                reference.from.name
            )))
    }

    async fn references_exist(&self, changes: &RowChanges) -> Result<()> {
        if changes.added.is_empty() {
            return Ok(());
        }
        for reference in self.catalog.references_from(changes.table.id)? {
            let to = self.table(&reference.to).await?;
            for part in changes.added.parts() {
                partners_exist(&reference, &to, &part.fetch().await?).await?;
            }
        }
        Ok(())
    }
}

/// Whether the rows that come differ in one key, from each other and from those that stay.
struct UniqueCheck {
    constraint: UniqueConstraint,
    /// Keys that were not there before.
    new: KeySet,
    /// Where keys of rows that go were, once they have come back.
    returned: AddressSet,
}

impl UniqueCheck {
    fn new(constraint: UniqueConstraint) -> Self {
        UniqueCheck { constraint, new: KeySet::default(), returned: AddressSet::default() }
    }

    async fn check(
        &mut self,
        changes: &RowChanges,
        before: &TableState,
        removed: &AddressSet,
        batch: &RecordBatch,
    ) -> Result<()> {
        let UniqueConstraint { name, columns: names } = &self.constraint;
        let values = columns(batch, names)?;
        let hashes = hash_unique_keys(&values)?;
        let present = match changes.truncated {
            true => vec![None; hashes.len()],
            false => before.addresses(names, &hashes).await?,
        };
        for (row, (hash, address)) in hashes.iter().zip(present).enumerate() {
            let Some(hash) = hash else { continue };
            let is_free = match address {
                None => self.new.insert(*hash, ()).is_none(),
                Some(address) => removed.contains(address) && self.returned.insert(address),
            };
            if !is_free {
                return Err(duplicate(&changes.table, name, names, &values, row));
            }
        }
        Ok(())
    }
}

/// Refuses rows whose partner is not in `to`.
pub(crate) async fn partners_exist(reference: &Reference, to: &TableState, rows: &RecordBatch) -> Result<()> {
    let keys = columns(rows, &reference.columns)?;
    reference.refuse_null_end(&keys)?;
    let hashes = hash_unique_keys(&as_types_of(&keys, &reference.to, &reference.referenced)?)?;
    let present = to.addresses(&reference.referenced, &hashes).await?;
    match hashes.iter().zip(&present).position(|(hash, present)| hash.is_some() && present.is_none()) {
        Some(row) => Err(reference.missing(&keys, row)),
        None => Ok(()),
    }
}

/// Keys of rows of a referenced table that have gone, and are not in it `after` that either.
async fn gone_keys(reference: &Reference, after: &TableState, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let keys = columns(rows, &reference.referenced)?;
    let hashes = hash_unique_keys(&keys)?;
    let present = after.addresses(&reference.referenced, &hashes).await?;
    let is_gone = hashes.iter().zip(present).map(|(hash, present)| Some(hash.is_some() && present.is_none()));
    let is_gone = is_gone.collect();
    keys.iter().map(|keys| filter(keys, &is_gone).map_err(internal)).collect()
}

/// Key values in the types of the columns that they are compared with.
pub(crate) fn as_types_of(keys: &[ArrayRef], table: &TableDefinition, names: &[String]) -> Result<Vec<ArrayRef>> {
    keys.iter()
        .zip(names)
        .map(|(values, name)| {
            let wanted = table.column(name)?.sql_type.arrow_type();
            if values.data_type() == &wanted { Ok(Arc::clone(values)) } else { cast(values, &wanted).map_err(internal) }
        })
        .collect()
}

/// Refuses NULL where there must be none.
pub(crate) fn not_null(table: &TableDefinition, added: &RecordBatch) -> Result<()> {
    for (definition, column) in table.columns.iter().zip(added.columns()) {
        if is_not_null(table, &definition.name) && column.logical_null_count() > 0 {
            return Err(null_value(table, &definition.name));
        }
    }
    Ok(())
}

fn is_not_null(table: &TableDefinition, column: &str) -> bool {
    table.get_column(column).is_some_and(|column| column.not_null) || table.primary_key.iter().any(|key| key == column)
}

/// Checks over the rows that a table has already, for constraints that a transaction declares.
pub(crate) struct DeclarationChecks<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) before: &'a Catalog,
    pub(crate) catalog: &'a Catalog,
    pub(crate) state: &'a Pending,
}

impl DeclarationChecks<'_> {
    /// Checks every table and graph whose definition differs from that before.
    pub(crate) async fn run(&self) -> Result<()> {
        for table in self.catalog.tables.values() {
            if let Some(before) = self.before.tables.get(&table.id)
                && before != table
            {
                self.table(before, table).await?;
            }
        }
        for graph in self.catalog.graphs.values() {
            if self.before.graphs.get(&graph.name) == Some(graph) {
                continue;
            }
            for table in graph.edges.iter().map(|edge| edge.table).collect::<std::collections::BTreeSet<TableId>>() {
                for reference in
                    self.catalog.references_from(table)?.iter().filter(|reference| reference.edge.is_some())
                {
                    self.all_partners_exist(reference).await?;
                }
            }
            super::cover_checks::stored_texts_fit(self.snapshot, self.state, self.catalog, graph).await?;
        }
        Ok(())
    }

    async fn table(&self, before: &TableDefinition, table: &Arc<TableDefinition>) -> Result<()> {
        let state = self.snapshot.table_state(table, self.state).await?;
        let type_of =
            |table: &TableDefinition, name: &str| table.get_column(name).map(|column| column.sql_type.clone());
        let is_retyped = |name: &String| type_of(before, name) != type_of(table, name);
        for column in &table.columns {
            let was =
                before.get_column(&column.name).is_some_and(|column| column.not_null) && !is_retyped(&column.name);
            if is_not_null(table, &column.name) && !was {
                let mut rows =
                    state.read(&ScanRequest { columns: Some(vec![column.name.clone()]), ..Default::default() }).await?;
                while let Some(batch) = stream::next(&mut rows).await? {
                    if batch.column(0).logical_null_count() > 0 {
                        let message =
                            format!("column \"{}\" of relation \"{}\" contains null values", column.name, table.name);
                        return Err(Error::new(ErrorKind::NotNullViolation, message)
                            .on_table(&table.name)
                            .on_column(&column.name));
                    }
                }
            }
        }
        let known = before.unique_keys();
        let is_known = |columns: &Vec<String>| {
            known.iter().any(|known| known.columns == *columns) && !columns.iter().any(is_retyped)
        };
        for key in table.unique_keys().iter().filter(|key| !is_known(&key.columns)) {
            if let Some(row) = state.first_duplicate(&key.columns).await? {
                let message = format!("could not create unique index \"{}\"", key.name);
                let detail = format!(
                    "Key ({})=({}) is duplicated.",
                    super::messages::quoted(&key.columns),
                    super::messages::key_text(row.columns(), 0)
                );
                return Err(Error::new(ErrorKind::UniqueViolation, message)
                    .with_detail(detail)
                    .on_table(&table.name)
                    .on_constraint(&key.name));
            }
        }
        for reference in self.catalog.references_from(table.id)? {
            let is_known =
                before.foreign_keys.iter().any(|key| key.name == reference.name && key.columns == reference.columns)
                    && !reference.columns.iter().any(is_retyped);
            if reference.edge.is_none() && !is_known {
                self.all_partners_exist(&reference).await?;
            }
        }
        Ok(())
    }

    async fn all_partners_exist(&self, reference: &Reference) -> Result<()> {
        let to = self.snapshot.table_state(&reference.to, self.state).await?;
        let from = self.snapshot.table_state(&reference.from, self.state).await?;
        let mut rows =
            from.read(&ScanRequest { columns: Some(distinct(&reference.columns)), ..Default::default() }).await?;
        while let Some(batch) = stream::next(&mut rows).await? {
            partners_exist(reference, &to, &batch).await?;
        }
        Ok(())
    }
}

fn distinct(names: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    distinct.extend(
        names.iter().enumerate().filter(|(at, name)| !names[..*at].contains(name)).map(|(_, name)| name.clone()),
    );
    distinct
}

fn picked(batch: &RecordBatch, names: &[String]) -> Result<RecordBatch> {
    let positions: Vec<usize> =
        names.iter().map(|name| batch.schema_ref().index_of(name).map_err(internal)).collect::<Result<_>>()?;
    batch.project(&positions).map_err(internal)
}

fn internal(error: arrow::error::ArrowError) -> Error {
    Error::internal(error.to_string())
}
