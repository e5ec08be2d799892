//! The log of commit records below `commits/`.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::record::CommitRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::storage;

const FOLDER: &str = "commits";

/// The log. Names sort the newest first, so that the newest record is the first of a listing.
#[derive(Debug, Clone)]
pub struct CommitLog {
    store: Arc<dyn ObjectStore>,
}

impl CommitLog {
    /// The log of the database in `store`.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        CommitLog { store }
    }

    /// Creates the record: the commit point. [`ErrorKind::Locked`] where another writer has taken its place in the log.
    pub async fn append(&self, record: &CommitRecord) -> Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..Default::default() };
        match self.store.put_opts(&path(record.seq), PutPayload::from(record.encode()?), options).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                Err(Error::new(ErrorKind::Locked, "another server has taken over this database")
                    .with_detail(format!("Commit {} was made by a newer writer.", record.seq))
                    .with_hint("Stop this server; clients reconnect to the other one."))
            }
            Err(error) => Err(storage::failed("write commit record", &error)),
        }
    }

    /// The newest record; `None` in an empty log.
    pub async fn newest(&self) -> Result<Option<CommitRecord>> {
        let mut newest: Option<Path> = None;
        let mut listing = self.store.list(Some(&Path::from(FOLDER)));
        while let Some(entry) = listing.try_next().await.map_err(|error| storage::failed("list commits", &error))? {
            if is_record(&entry.location) && newest.as_ref().is_none_or(|known| entry.location < *known) {
                newest = Some(entry.location);
            }
        }
        match newest {
            Some(location) => self.read(&location).await.map(Some),
            None => Ok(None),
        }
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

/// Files that a broken put left behind are not records.
fn is_record(location: &Path) -> bool {
    location.filename().is_some_and(|name| name.len() == 25 && name.ends_with(".json"))
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
        log.append(&record(1)).await.unwrap();
        assert_eq!(log.append(&record(1)).await.unwrap_err().kind(), ErrorKind::Locked);
    }

    #[tokio::test]
    async fn the_newest_record_is_found_among_many() {
        let log = CommitLog::new(Arc::new(InMemory::new()));
        assert_eq!(log.newest().await.unwrap(), None);
        for seq in 1..=12 {
            log.append(&record(seq)).await.unwrap();
        }
        assert_eq!(log.newest().await.unwrap().unwrap().seq, 12);
        assert_eq!(log.get(5).await.unwrap().unwrap().seq, 5);
        assert_eq!(log.get(13).await.unwrap(), None);
    }
}
