//! Rows on their way to a commit: the first of them in memory, the others in a temporary file ([`crate::spill`]).
//!
//! They are kept as they came, batch by batch, and read one batch after another, so whoever goes through them needs the memory
//! of one. A clone shares the rows: that is what makes a savepoint cheap.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::spill::{SpillFile, SpillSpace};

/// Batches of rows, in order; none is empty.
#[derive(Debug, Clone, Default)]
pub struct Batches {
    parts: Vec<Part>,
    rows: usize,
    /// Bytes that are in memory.
    memory: usize,
    /// Where rows go that are too many; without it, all are kept in memory.
    space: Option<Arc<SpillSpace>>,
    file: Option<Arc<SpillFile>>,
}

/// One batch.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    stored: Stored,
    /// Which of its rows count; all of them where it does not say.
    chosen: Option<Arc<UInt32Array>>,
}

#[derive(Debug, Clone)]
enum Stored {
    Memory(RecordBatch),
    File { file: Arc<SpillFile>, place: u64, length: usize, rows: usize },
}

impl Batches {
    /// No rows yet; those that become too many go to temporary files of `space`.
    pub(crate) fn new(space: &Arc<SpillSpace>) -> Self {
        Batches { space: Some(Arc::clone(space)), ..Batches::default() }
    }

    /// No rows yet; those that become too many go where these would.
    pub fn beside(&self) -> Self {
        Batches { space: self.space.clone(), ..Batches::default() }
    }

    /// Adds a batch.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.rows += batch.num_rows();
        let bytes = batch.get_array_memory_size();
        let stored = match self.space.clone().filter(|space| self.memory + bytes > space.memory()) {
            None => {
                self.memory += bytes;
                Stored::Memory(batch)
            }
            Some(space) => Stored::written(&batch, self.file(&space)?)?,
        };
        self.parts.push(Part { stored, chosen: None });
        Ok(())
    }

    /// Adds the batches of others. Rows that are in a file stay there.
    pub fn append(&mut self, other: Batches) -> Result<()> {
        if self.space.is_none() {
            self.space.clone_from(&other.space);
        }
        other.parts.into_iter().try_for_each(|part| self.add(part))
    }

    /// Adds a batch of others.
    pub(crate) fn add(&mut self, part: Part) -> Result<()> {
        let bytes = part.memory();
        match &self.space {
            Some(space) if bytes > 0 && self.memory + bytes > space.memory() => self.push(part.read()?),
            _ => {
                self.keep(part);
                Ok(())
            }
        }
    }

    /// Adds rows of others that are kept anyway, in memory or not.
    pub(crate) fn keep(&mut self, part: Part) {
        if part.rows() > 0 {
            self.rows += part.rows();
            self.memory += part.memory();
            self.parts.push(part);
        }
    }

    fn file(&mut self, space: &Arc<SpillSpace>) -> Result<Arc<SpillFile>> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => SpillFile::create(space)?,
        };
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes that are in memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The batches, each where it is kept.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The batches, read one after another.
    pub fn iter(&self) -> impl Iterator<Item = Result<RecordBatch>> {
        self.parts.iter().map(Part::read)
    }

    /// Streams the batches.
    pub fn stream(&self, schema: SchemaRef) -> SendableRecordBatchStream {
        let parts = futures::stream::iter(self.parts.clone());
        let rows = parts.then(|part| async move { part.fetch().await.map_err(Into::into) });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

/// Rows that are few.
impl From<Vec<RecordBatch>> for Batches {
    fn from(batches: Vec<RecordBatch>) -> Self {
        let mut kept = Batches::default();
        for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
            kept.rows += batch.num_rows();
            kept.memory += batch.get_array_memory_size();
            kept.parts.push(Part { stored: Stored::Memory(batch), chosen: None });
        }
        kept
    }
}

impl Part {
    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        match (&self.chosen, &self.stored) {
            (Some(chosen), _) => chosen.len(),
            (None, Stored::Memory(batch)) => batch.num_rows(),
            (None, Stored::File { rows, .. }) => *rows,
        }
    }

    fn memory(&self) -> usize {
        match &self.stored {
            Stored::Memory(batch) => batch.get_array_memory_size(),
            Stored::File { .. } => 0,
        }
    }

    /// Some of its rows, by number.
    pub(crate) fn choose(&self, rows: impl Iterator<Item = u32>) -> Self {
        let chosen = match &self.chosen {
            None => rows.collect(),
            Some(known) => rows.map(|row| known.value(row as usize)).collect(),
        };
        Part { stored: self.stored.clone(), chosen: Some(Arc::new(chosen)) }
    }

    /// The rows. Waits for the disk where they are in a file.
    pub(crate) fn read(&self) -> Result<RecordBatch> {
        let batch = match &self.stored {
            Stored::Memory(batch) => batch.clone(),
            Stored::File { file, place, length, .. } => {
                let bytes = file.read(*place, *length)?;
                let mut batches = StreamReader::try_new(Cursor::new(bytes), None).map_err(internal)?;
                let batch = batches.next().transpose().map_err(internal)?;
                batch.ok_or_else(|| Error::internal("a temporary file lacks its rows"))?
            }
        };
        match &self.chosen {
            None => Ok(batch),
            Some(chosen) => take_record_batch(&batch, chosen.as_ref()).map_err(internal),
        }
    }

    /// The rows, read by a thread that may wait.
    pub(crate) async fn fetch(&self) -> Result<RecordBatch> {
        if let Stored::Memory(_) = &self.stored {
            return self.read();
        }
        let part = self.clone();
        tokio::task::spawn_blocking(move || part.read())
            .await
            .map_err(|error| Error::internal(format!("rows were not read: {error}")))?
    }
}

impl Stored {
    fn written(batch: &RecordBatch, file: Arc<SpillFile>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref()).map_err(internal)?;
        writer.write(batch).and_then(|()| writer.finish()).map_err(internal)?;
        drop(writer);
        let place = file.append(&bytes)?;
        Ok(Stored::File { file, place, length: bytes.len(), rows: batch.num_rows() })
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::SpillLimits;
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;

    fn batch(ids: std::ops::Range<i64>) -> RecordBatch {
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter(ids.clone().map(|id| (id % 3 > 0).then(|| id.to_string()))));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(ids));
        RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("text", texts, true)]).unwrap()
    }

    fn ids(batches: &Batches) -> Vec<i64> {
        batches
            .iter()
            .flat_map(|batch| batch.unwrap().column(0).as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    fn space(directory: &tempfile::TempDir) -> Arc<SpillSpace> {
        SpillSpace::new(directory.path(), SpillLimits { memory: 4000, ..SpillLimits::default() })
    }

    #[tokio::test]
    async fn rows_beyond_the_limit_come_back_from_the_file_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let space = space(&directory);
        let mut batches = Batches::new(&space);
        for start in (0..5000).step_by(50) {
            batches.push(batch(start..start + 50)).unwrap();
        }
        assert_eq!(ids(&batches), (0..5000).collect::<Vec<i64>>());
        assert!(batches.memory() <= 4000 && space.used() > 50_000, "{} in memory, {}", batches.memory(), space.used());
        let last = batches.parts().last().unwrap();
        assert_eq!(last.read().unwrap(), batch(4950..5000));
        assert_eq!(last.fetch().await.unwrap(), batch(4950..5000));
        drop(batches);
        assert_eq!(space.used(), 0);
    }

    #[test]
    fn a_clone_and_what_was_taken_over_share_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let space = space(&directory);
        let mut first = Batches::new(&space);
        (0..20).for_each(|number| first.push(batch(number * 100..number * 100 + 100)).unwrap());
        let used = space.used();
        let savepoint = first.clone();
        let mut all = Batches::default();
        all.append(first).unwrap();
        assert_eq!((space.used(), all.memory() <= 4000), (used, true));
        all.append(Batches::from(vec![batch(2000..2100)])).unwrap();
        assert_eq!(ids(&all), (0..2100).collect::<Vec<i64>>());
        drop(all);
        assert_eq!(ids(&savepoint), (0..2000).collect::<Vec<i64>>());
        drop(savepoint);
        assert_eq!(space.used(), 0);
    }

    #[test]
    fn some_rows_of_some_rows_are_chosen() {
        let rows = Batches::from(vec![batch(0..10)]);
        let chosen = rows.parts()[0].choose([1, 3, 5, 7].into_iter()).choose([0, 3].into_iter());
        assert_eq!(chosen.read().unwrap().column(0).as_primitive::<Int64Type>().values(), &[1, 7]);
    }
}
