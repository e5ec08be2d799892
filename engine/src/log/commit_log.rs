//! The log of commit records below `commits/`.

use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::record::CommitRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, Storage};

const FOLDER: &str = "commits";

/// The log. Names sort the newest first, so that the newest record is the first of a listing.
#[derive(Debug, Clone)]
pub struct CommitLog {
    store: Arc<dyn ObjectStore>,
    /// Whether listings come in the order of names.
    listed_in_order: bool,
}

impl CommitLog {
    /// The log of the database in `store`.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        CommitLog { store, listed_in_order: false }
    }

    /// The log of a database.
    pub(crate) fn of(storage: &Storage) -> Self {
        CommitLog { store: Arc::clone(storage.object_store()), listed_in_order: storage.listed_in_order() }
    }

    /// Creates the record: the commit point. [`ErrorKind::Locked`] where another writer has taken its place in the log.
    pub async fn append(&self, record: &CommitRecord) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        match self.store.put_opts(&path(record.seq), PutPayload::from(record.encode()?), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => self.won(record).await,
            Err(error) => Err(storage::failed("write commit record", &error)),
        }
    }

    /// Whether the record in the place of `record` is `record` itself: a store that repeats a request by itself can meet what
    /// its first try has made.
    async fn won(&self, record: &CommitRecord) -> Result<()> {
        if self.get(record.seq).await?.is_some_and(|there| there.tx_id == record.tx_id) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Locked, "another server has taken over this database")
            .with_detail(format!("Commit {} was made by a newer writer.", record.seq))
            .with_hint("Stop this server; clients reconnect to the other one."))
    }

    /// Makes sure that a record which was found, and not created, survives a power cut.
    pub(crate) async fn sync(&self, storage: &Storage, seq: u64) -> Result<()> {
        storage.sync(vec![path(seq).to_string()]).await
    }

    /// The newest record; `None` in an empty log.
    pub async fn newest(&self) -> Result<Option<CommitRecord>> {
        let newest = match self.listed_in_order {
            true => Box::pin(self.list()).try_next().await?,
            false => self.list().try_fold(None, |newest, seq| std::future::ready(Ok(newest.max(Some(seq))))).await?,
        };
        match newest {
            Some(seq) => self.read(&path(seq)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The sequence numbers of all records, in order.
    pub(crate) async fn sequence_numbers(&self) -> Result<Vec<u64>> {
        let mut numbers: Vec<u64> = self.list().try_collect().await?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn list(&self) -> impl Stream<Item = Result<u64>> {
        let listing = self.store.list(Some(&Path::from(FOLDER)));
        listing
            .map_err(|error| storage::failed("list commits", &error))
            .try_filter_map(|entry| std::future::ready(Ok(sequence_number(&entry.location))))
    }

    /// The record with that sequence number; `None` where there is none.
    pub async fn get(&self, seq: u64) -> Result<Option<CommitRecord>> {
        match self.read(&path(seq)).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == ErrorKind::UndefinedObject => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read(&self, location: &Path) -> Result<CommitRecord> {
        match self.store.get(location).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|error| storage::failed("read commit record", &error))?;
                CommitRecord::decode(location.as_ref(), &bytes)
            }
            Err(object_store::Error::NotFound { .. }) => {
                Err(Error::new(ErrorKind::UndefinedObject, format!("commit record \"{location}\" does not exist")))
            }
            Err(error) => Err(storage::failed("read commit record", &error)),
        }
    }
}

/// Counts down, so that a listing in name order gives the newest first.
fn path(seq: u64) -> Path {
    Path::from(format!("{FOLDER}/{:020}.json", u64::MAX - seq))
}

/// The sequence number that a record's name stands for. Files that a broken put left behind have none.
fn sequence_number(location: &Path) -> Option<u64> {
    let digits = location.filename()?.strip_suffix(".json")?;
    let countdown: u64 = (digits.len() == 20).then(|| digits.parse().ok()).flatten()?;
    Some(u64::MAX - countdown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use object_store::memory::InMemory;
    use uuid::Uuid;

    fn record(seq: u64) -> CommitRecord {
        CommitRecord {
            format: 1,
            seq,
            tx_id: Uuid::now_v7(),
            timestamp: Utc::now(),
            epoch: 1,
            tables: vec![],
            catalog: "c".into(),
            notes: None,
            members: vec![],
            sequences: vec![],
            redo: vec![],
        }
    }

    #[tokio::test]
    async fn one_place_in_the_log_is_taken_once() {
        let log = CommitLog::new(Arc::new(InMemory::new()));
        let first = record(1);
        log.append(&first).await.unwrap();
        assert_eq!(log.append(&record(1)).await.unwrap_err().kind(), ErrorKind::Locked);
        log.append(&first).await.unwrap();
    }

    #[tokio::test]
    async fn the_newest_record_is_found_among_many() {
        let log = CommitLog::new(Arc::new(InMemory::new()));
        let sorted = CommitLog { listed_in_order: true, ..log.clone() };
        assert_eq!(log.newest().await.unwrap(), None);
        assert_eq!(sorted.newest().await.unwrap(), None);
        for seq in 1..=12 {
            log.append(&record(seq)).await.unwrap();
        }
        log.store.put(&Path::from("commits/#half"), "x".into()).await.unwrap();
        assert_eq!(log.newest().await.unwrap().unwrap().seq, 12);
        assert_eq!(sorted.newest().await.unwrap().unwrap().seq, 12);
        assert_eq!(log.sequence_numbers().await.unwrap(), (1..=12).collect::<Vec<_>>());
        assert_eq!(log.get(5).await.unwrap().unwrap().seq, 5);
        assert_eq!(log.get(13).await.unwrap(), None);
    }
}
