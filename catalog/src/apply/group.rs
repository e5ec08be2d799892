//! Rows that are asked for together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::error::Result as PlanResult;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::scalar::ScalarValue;
use futures::{Stream, TryStreamExt};
use slipstream_engine::Error;

use super::operator::Apply;

/// Rows of the first group: enough to be worth it, and few where each has many answers.
const FIRST: usize = 32;
/// Rows of a group at most.
const MOST: usize = 2048;
/// Answers that a group should have, about.
const ANSWERS: usize = 65_536;
/// Rows of a batch that leaves.
const BATCH_ROWS: usize = 8192;

/// How many rows are asked for at once, by what the last ones had for answers.
#[derive(Debug)]
pub(super) struct Pace(usize);

impl Pace {
    pub(super) fn new() -> Self {
        Pace(FIRST)
    }

    /// How many rows come next.
    pub(super) fn rows(&self) -> usize {
        self.0
    }

    /// Learns how many answers some rows had.
    pub(super) fn learn(&mut self, rows: usize, answers: usize) {
        let fitting = ANSWERS.saturating_mul(rows) / answers.max(1);
        self.0 = fitting.clamp(1, MOST).min(self.0 * 8);
    }
}

/// The answers for a group of rows.
pub(super) struct Answered {
    rows: RecordBatch,
    answers: RecordBatch,
    /// For each row of the result, which of the rows it is and which of the answers; none where a row has none.
    pairs: Vec<(u64, Option<u64>)>,
    schema: SchemaRef,
    /// The memory of the answers.
    _memory: MemoryReservation,
}

/// Asks for some rows.
pub(super) async fn ask(
    rows: RecordBatch,
    apply: &Apply,
    schema: &SchemaRef,
    memory: MemoryReservation,
) -> PlanResult<Answered> {
    let arguments = apply.argument.evaluate(&rows)?.into_array(rows.num_rows())?;
    let mut found = Found::new(rows.num_rows());
    let mut answers = apply.answer.answer_many(&arguments).await?;
    while let Some(batch) = answers.try_next().await? {
        memory.try_grow(batch.get_array_memory_size())?;
        found.add_many(&batch)?;
    }
    if apply.answer.many().is_some_and(|many| many.asks_again) {
        for at in found.missing() {
            let mut answers = apply.answer.answer(ScalarValue::try_from_array(&arguments, at)?).await?;
            while let Some(batch) = answers.try_next().await? {
                memory.try_grow(batch.get_array_memory_size())?;
                found.add(at, batch);
            }
        }
    }
    found.beside(rows, apply.outer, schema, memory)
}

/// What has come back.
struct Found {
    batches: Vec<RecordBatch>,
    /// The row that each of the answers is for.
    places: Vec<usize>,
    /// How many answers each row has.
    counts: Vec<usize>,
}

impl Found {
    fn new(rows: usize) -> Self {
        Found { batches: Vec::new(), places: Vec::new(), counts: vec![0; rows] }
    }

    /// Adds answers whose last column says which row they are for.
    fn add_many(&mut self, batch: &RecordBatch) -> PlanResult<()> {
        let last = batch.num_columns().saturating_sub(1);
        let numbers = batch.column(last).as_primitive_opt::<Int64Type>().filter(|numbers| numbers.null_count() == 0);
        let numbers = numbers.ok_or_else(|| Error::internal("answers that do not say which row they are for"))?;
        for number in numbers.values() {
            let place = usize::try_from(*number - 1).ok().filter(|place| *place < self.counts.len());
            let place = place.ok_or_else(|| Error::internal("an answer for no row"))?;
            self.places.push(place);
            self.counts[place] += 1;
        }
        self.batches.push(batch.project(&(0..last).collect::<Vec<_>>())?);
        Ok(())
    }

    /// Adds answers for one row.
    fn add(&mut self, place: usize, batch: RecordBatch) {
        self.places.extend(std::iter::repeat_n(place, batch.num_rows()));
        self.counts[place] += batch.num_rows();
        self.batches.push(batch);
    }

    fn missing(&self) -> Vec<usize> {
        (0..self.counts.len()).filter(|place| self.counts[*place] == 0).collect()
    }

    /// The rows, each beside its answers.
    fn beside(
        self,
        rows: RecordBatch,
        outer: bool,
        schema: &SchemaRef,
        memory: MemoryReservation,
    ) -> PlanResult<Answered> {
        let mut next = Vec::with_capacity(self.counts.len());
        let mut pairs = Vec::new();
        for (row, count) in self.counts.iter().enumerate() {
            next.push(pairs.len());
            let times = if *count == 0 && outer { 1 } else { *count };
            pairs.extend(std::iter::repeat_n((row as u64, None), times));
        }
        for (answer, place) in self.places.iter().enumerate() {
            pairs[next[*place]].1 = Some(answer as u64);
            next[*place] += 1;
        }
        let added = Arc::new(schema.project(&(rows.num_columns()..schema.fields().len()).collect::<Vec<_>>())?);
        let typed = self.batches.iter().map(|batch| RecordBatch::try_new(Arc::clone(&added), batch.columns().to_vec()));
        let answers = concat_batches(&added, &typed.collect::<Result<Vec<_>, _>>()?)?;
        Ok(Answered { rows, answers, pairs, schema: Arc::clone(schema), _memory: memory })
    }
}

impl Answered {
    /// How many answers there are.
    pub(super) fn answers(&self) -> usize {
        self.answers.num_rows()
    }

    /// The rows beside their answers, batch by batch.
    pub(super) fn batches(self) -> impl Stream<Item = PlanResult<RecordBatch>> {
        let starts = (0..self.pairs.len()).step_by(BATCH_ROWS);
        futures::stream::iter(starts.map(move |start| self.batch(start)))
    }

    fn batch(&self, start: usize) -> PlanResult<RecordBatch> {
        let pairs = &self.pairs[start..self.pairs.len().min(start + BATCH_ROWS)];
        let rows: UInt64Array = pairs.iter().map(|(row, _)| Some(*row)).collect();
        let answers: UInt64Array = pairs.iter().map(|(_, answer)| *answer).collect();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for column in self.rows.columns() {
            columns.push(take(column, &rows, None)?);
        }
        for column in self.answers.columns() {
            columns.push(take(column, &answers, None)?);
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_while_answers_are_few_and_shrink_where_they_are_many() {
        let mut pace = Pace::new();
        assert_eq!(pace.rows(), FIRST);
        pace.learn(FIRST, 0);
        assert_eq!(pace.rows(), FIRST * 8);
        pace.learn(FIRST * 8, 100);
        assert_eq!(pace.rows(), MOST);
        pace.learn(MOST, MOST * 1000);
        assert_eq!(pace.rows(), ANSWERS / 1000);
        pace.learn(1, 10 * ANSWERS);
        assert_eq!(pace.rows(), 1);
    }
}
