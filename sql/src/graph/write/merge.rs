//! MERGE: what is there, and what has to be made.
//!
//! A row for which the pattern is not found makes it, and rows after it find what it has made. So rows that miss the same thing,
//! by the values of its properties and the nodes that it hangs on, are one group, of which the first makes it. After
//! that all of them are looked up again. A pattern without direction may be found by rows of another group; then one group is
//! made at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Int32Type};
use arrow::row::{RowConverter, SortField};
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::bound::{BoundItem, BoundMerge, BoundSet, Made, Value};
use slipstream_graph_language::syntax::Direction;

use super::Writer;
use crate::error::from_arrow;

/// The number of a row while a MERGE looks for it.
const NUMBER: &str = "?number";

impl Writer<'_> {
    pub(super) async fn merge(&mut self, at: usize, merge: &BoundMerge) -> Result<()> {
        self.read_to(at).await?;
        let rows = self.rows.take().ok_or_else(|| Error::internal("a MERGE without rows"))?;
        let values: Vec<&Value> = merge.values.iter().filter_map(value_of).collect();
        self.rows = Some(rows);
        let (rows, computed) = self.read(at, &values).await?;
        for (column, item) in computed.iter().zip(&merge.values) {
            if column.null_count() > 0 && value_of(item).is_some() {
                return Err(Error::new(ErrorKind::NotNullViolation, "MERGE cannot use null for a property"));
            }
        }
        let made_values: Vec<&Value> = merge.made.iter().flat_map(Made::values).collect();
        let rows = numbered(&rows)?;
        let mut found = self.found(at, &rows).await?;
        let mut created = HashSet::new();
        let undirected = merge
            .pattern
            .paths
            .iter()
            .flat_map(|path| &path.steps)
            .any(|(relationship, _)| relationship.direction == Direction::Either);
        loop {
            let missing = missing(&rows, &found)?;
            if missing.is_empty() {
                break;
            }
            let left = take_record_batch(&rows, &missing).map_err(from_arrow)?;
            let groups = self.groups(at, merge, &made_values, &left).await?;
            let groups = if undirected { groups.into_iter().take(1).collect() } else { groups };
            self.make(at, merge, &left, &groups).await?;
            for first in &groups {
                created.insert(number_at(&left, *first as usize)?);
            }
            let again = self.found(at, &left).await?;
            if again.num_rows() == 0 {
                return Err(Error::new(
                    ErrorKind::NotNullViolation,
                    "MERGE does not find what it has made: a property is null, or has been changed by the table",
                ));
            }
            found = concat_batches(&again.schema(), [&conformed(&found, &again)?, &again]).map_err(from_arrow)?;
        }
        self.settle(at, merge, &found, &created).await
    }

    /// The rows for which the pattern is found.
    async fn found(&mut self, at: usize, rows: &RecordBatch) -> Result<RecordBatch> {
        let (before, done) = (self.rows.replace(rows.clone()), self.done);
        self.done = at;
        let found = self.read(at + 1, &[]).await;
        (self.rows, self.done) = (before, done);
        Ok(found?.0)
    }

    /// The first row of each group among rows that miss something.
    async fn groups(
        &mut self,
        at: usize,
        merge: &BoundMerge,
        values: &[&Value],
        left: &RecordBatch,
    ) -> Result<Vec<u32>> {
        let rows = with_values(left, merge, self, at).await?;
        let (before, done) = (self.rows.replace(rows), self.done);
        self.done = at;
        let computed = self.read(at, values).await;
        (self.rows, self.done) = (before, done);
        let (rows, mut columns) = computed?;
        for variable in known_ends(merge) {
            columns.push(element_key(&rows, &variable)?);
        }
        if columns.is_empty() {
            return Ok(vec![0]);
        }
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let converted =
            RowConverter::new(fields).and_then(|converter| converter.convert_columns(&columns)).map_err(from_arrow)?;
        let mut seen = HashSet::new();
        let mut firsts = Vec::new();
        for row in 0..left.num_rows() {
            if seen.insert(converted.row(row).owned()) {
                firsts.push(u32::try_from(row).map_err(|_| Error::internal("too many rows"))?);
            }
        }
        Ok(firsts)
    }

    /// Makes the pattern for the first row of each group.
    async fn make(&mut self, at: usize, merge: &BoundMerge, left: &RecordBatch, firsts: &[u32]) -> Result<()> {
        let rows = take_record_batch(left, &UInt32Array::from(firsts.to_vec())).map_err(from_arrow)?;
        let rows = with_values(&rows, merge, self, at).await?;
        let at_once = with_on_create(merge);
        let values: Vec<&Value> = at_once.iter().flat_map(Made::values).collect();
        let (before, done) = (self.rows.replace(rows), self.done);
        self.done = at;
        let computed = self.read(at, &values).await;
        (self.rows, self.done) = (before, done);
        let (rows, columns) = computed?;
        self.insert_all(&at_once, rows, columns).await.map(drop)
    }

    /// The rows after the clause, with what ON CREATE and ON MATCH set.
    async fn settle(
        &mut self,
        at: usize,
        merge: &BoundMerge,
        found: &RecordBatch,
        created: &HashSet<i32>,
    ) -> Result<()> {
        let numbers = numbers(found)?;
        let mut order: Vec<usize> = (0..found.num_rows()).collect();
        order.sort_by_key(|row| numbers.value(*row));
        let order = UInt32Array::from_iter_values(order.into_iter().map(|row| row as u32));
        let rows = take_record_batch(found, &order).map_err(from_arrow)?;
        let (mut made, mut matched) = (Vec::new(), Vec::new());
        for row in 0..rows.num_rows() {
            let is_made = created.contains(&number_at(&rows, row)?);
            if is_made { &mut made } else { &mut matched }.push(row as u32);
        }
        let kept: Vec<usize> =
            (0..rows.num_columns()).filter(|column| rows.schema().field(*column).name() != NUMBER).collect();
        self.rows = Some(rows.project(&kept).map_err(from_arrow)?);
        self.done = at + 1;
        let rest = left_of_on_create(merge);
        for (sets, chosen) in [(&rest, &made), (&merge.on_match, &matched)] {
            for set in sets.iter().filter(|_| !chosen.is_empty()) {
                self.set_one(set, Some(chosen)).await?;
            }
        }
        Ok(())
    }
}

fn value_of(item: &BoundItem) -> Option<&Value> {
    match item {
        BoundItem::Value { value, .. } => Some(value),
        BoundItem::Variable(_) => None,
    }
}

/// The rows with the values of the pattern's properties, under their variables.
async fn with_values(
    rows: &RecordBatch,
    merge: &BoundMerge,
    writer: &mut Writer<'_>,
    at: usize,
) -> Result<RecordBatch> {
    let (before, done) = (writer.rows.replace(rows.clone()), writer.done);
    writer.done = at;
    let values: Vec<&Value> = merge.values.iter().filter_map(value_of).collect();
    let computed = writer.read(at, &values).await;
    (writer.rows, writer.done) = (before, done);
    let (mut rows, columns) = computed?;
    for (item, column) in merge.values.iter().zip(columns) {
        let field = Field::new(item.variable(), column.data_type().clone(), true);
        rows = super::with_column(&rows, (field, column))?;
    }
    Ok(rows)
}

/// The nodes of the pattern that were there before it.
fn known_ends(merge: &BoundMerge) -> Vec<String> {
    let made: HashSet<&str> = merge.made.iter().map(|made| made.variable.as_str()).collect();
    let mut known = Vec::new();
    for path in &merge.pattern.paths {
        for node in std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node)) {
            if !made.contains(node.variable.as_str()) && !known.contains(&node.variable) {
                known.push(node.variable.clone());
            }
        }
    }
    known
}

fn element_key(rows: &RecordBatch, variable: &str) -> Result<ArrayRef> {
    let prefix = format!("{variable}.");
    let schema = rows.schema();
    let at = schema.fields().iter().position(|field| field.name().starts_with(&prefix));
    let at = at.ok_or_else(|| Error::internal(format!("rows do not hold the key of {variable}")))?;
    Ok(Arc::clone(rows.column(at)))
}

/// Whether ON CREATE can be part of making the element: it sees nothing that is made.
fn is_immediate(set: &BoundSet, merge: &BoundMerge) -> bool {
    let made: HashSet<&str> = merge.made.iter().map(|made| made.variable.as_str()).collect();
    made.contains(set.target.variable.as_str())
        && set.assignments.iter().all(|(_, value)| value.variables().iter().all(|variable| !made.contains(variable)))
}

/// What is made, with what ON CREATE sets at once, as its columns may not be NULL.
fn with_on_create(merge: &BoundMerge) -> Vec<Made> {
    let mut made = merge.made.clone();
    for set in merge.on_create.iter().take_while(|set| is_immediate(set, merge)) {
        let Some(element) = made.iter_mut().find(|made| made.variable == set.target.variable) else { continue };
        for (column, value) in &set.assignments {
            element.properties.retain(|(other, _)| other != column);
            element.properties.push((column.clone(), value.clone()));
        }
    }
    made
}

/// What ON CREATE sets afterwards.
fn left_of_on_create(merge: &BoundMerge) -> Vec<BoundSet> {
    merge.on_create.iter().skip_while(|set| is_immediate(set, merge)).cloned().collect()
}

/// The rows, each with its number.
fn numbered(rows: &RecordBatch) -> Result<RecordBatch> {
    let count = i32::try_from(rows.num_rows()).map_err(|_| Error::internal("too many rows"))?;
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..count));
    super::with_column(rows, (Field::new(NUMBER, numbers.data_type().clone(), true), numbers))
}

fn numbers(rows: &RecordBatch) -> Result<Int32Array> {
    let column = rows.column_by_name(NUMBER).and_then(|column| column.as_primitive_opt::<Int32Type>());
    column.cloned().ok_or_else(|| Error::internal("rows have lost their numbers"))
}

fn number_at(rows: &RecordBatch, row: usize) -> Result<i32> {
    Ok(numbers(rows)?.value(row))
}

/// The rows that are not among those that were found.
fn missing(rows: &RecordBatch, found: &RecordBatch) -> Result<UInt32Array> {
    let there: HashSet<i32> = numbers(found)?.values().iter().copied().collect();
    let numbers = numbers(rows)?;
    Ok((0..rows.num_rows()).filter(|row| !there.contains(&numbers.value(*row))).map(|row| row as u32).collect())
}

/// Rows with the columns of others, in their order.
fn conformed(rows: &RecordBatch, like: &RecordBatch) -> Result<RecordBatch> {
    let by_name: BTreeMap<String, usize> =
        rows.schema().fields().iter().enumerate().map(|(at, field)| (field.name().clone(), at)).collect();
    let columns: HashMap<String, ArrayRef> =
        by_name.into_iter().map(|(name, at)| (name, Arc::clone(rows.column(at)))).collect();
    let schema = like.schema();
    let ordered = schema.fields().iter().map(|field| {
        columns.get(field.name()).cloned().ok_or_else(|| Error::internal("rows of a MERGE differ in their columns"))
    });
    let ordered = ordered.collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(&schema), ordered).map_err(from_arrow)
}
