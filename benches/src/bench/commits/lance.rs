//! Bare Lance: one append and one Lance commit for each row. It syncs nothing.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use lance::Dataset;
use lance::dataset::{CommitBuilder, InsertBuilder, WriteMode, WriteParams};

use super::super::Result;
use super::writer::{Writer, Writers};
use super::{Work, ends};

/// One of those who append to a dataset.
pub(super) struct Appender {
    dataset: Arc<Dataset>,
    work: Work,
}

impl Writer for Appender {
    async fn commit(&mut self, id: i64) -> Result<()> {
        let parameters = WriteParams { mode: WriteMode::Append, ..WriteParams::default() };
        let rows = vec![row(self.work, id)?];
        let append = InsertBuilder::new(Arc::clone(&self.dataset));
        let written = append.with_params(&parameters).execute_uncommitted(rows).await?;
        self.dataset = Arc::new(CommitBuilder::new(Arc::clone(&self.dataset)).execute(written).await?);
        Ok(())
    }
}

/// Makes a dataset with one row, and those who append to it.
pub(super) async fn writers(folder: &Path, work: Work, clients: usize) -> Result<Writers<Appender>> {
    let uri = folder.join(format!("{}.lance", work.name())).to_string_lossy().into_owned();
    let dataset = Arc::new(InsertBuilder::new(&*uri).execute(vec![row(work, 0)?]).await?);
    let appender = |_| Appender { dataset: Arc::clone(&dataset), work };
    Ok(Writers::new((0..clients).map(appender).collect()))
}

fn row(work: Work, id: i64) -> Result<RecordBatch> {
    let number = |number: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![number])) };
    let note: ArrayRef = Arc::new(StringArray::from(vec!["a note of some length"]));
    let (source, destination) = ends(id);
    Ok(match work {
        Work::Row => RecordBatch::try_from_iter([("id", number(id)), ("note", note), ("amount", number(id % 1000))])?,
        Work::Edge => {
            RecordBatch::try_from_iter([("id", number(id)), ("src", number(source)), ("dst", number(destination))])?
        }
    })
}
