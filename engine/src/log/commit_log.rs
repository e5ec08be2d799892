//! The log of commit records below `commits/`.

use std::path::PathBuf;
use std::sync::Arc;

use futures::{Stream, TryStreamExt};
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::record::CommitRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::{self, Storage};

const FOLDER: &str = "commits";

/// What names of records that are written ahead begin with.
const AHEAD: &str = "ahead-";

/// The log. Names sort the newest first, so that the newest record is the first of a listing.
#[derive(Debug, Clone)]
pub struct CommitLog {
    store: Arc<dyn ObjectStore>,
    /// Whether listings come in the order of names.
    listed_in_order: bool,
    /// The root where it is a local directory.
    root: Option<PathBuf>,
}

/// A record in a directory, complete, under a name that is none of the log's: its creation only has to name it. So its
/// contents are synced together with what it refers to, and not after that.
#[derive(Debug)]
pub(crate) struct Ahead(Path);

impl Ahead {
    /// The file, below the root; it has to be synced before the record is created from it.
    pub(crate) fn file(&self) -> String {
        self.0.to_string()
    }
}

impl CommitLog {
    /// The log of the database in `store`.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        CommitLog { store, listed_in_order: false, root: None }
    }

    /// The log of a database.
    pub(crate) fn of(storage: &Storage) -> Self {
        CommitLog {
            store: Arc::clone(storage.object_store()),
            listed_in_order: storage.listed_in_order(),
            root: storage.local_root().map(PathBuf::from),
        }
    }

    /// Writes a record where it is not in the log yet; `None` where that would gain nothing, as in an object store.
    pub(crate) async fn write_ahead(&self, record: &CommitRecord) -> Result<Option<Ahead>> {
        let Some(root) = &self.root else { return Ok(None) };
        let ahead = Ahead(Path::from(format!("{FOLDER}/{AHEAD}{}", record.tx_id.simple())));
        match tokio::fs::write(root.join(ahead.file()), record.encode()?).await {
            Ok(()) => Ok(Some(ahead)),
            Err(error) => {
                self.remove_ahead(Some(&ahead)).await;
                Err(Error::storage("cannot write commit record").with_detail(error.to_string()))
            }
        }
    }

    /// Forgets a record that was written ahead, whatever has become of it.
    pub(crate) async fn remove_ahead(&self, ahead: Option<&Ahead>) {
        let Some(ahead) = ahead else { return };
        if let Err(error) = self.store.delete(&ahead.0).await {
            tracing::debug!(%error, file = %ahead.0, "left behind");
        }
    }

    /// Forgets all of them: those of writers that did not come to an end.
    pub(crate) async fn remove_all_ahead(&self) -> Result<()> {
        if self.root.is_none() {
            return Ok(());
        }
        let listing = self.store.list(Some(&Path::from(FOLDER)));
        let files: Vec<Path> = listing
            .map_err(|error| storage::failed("list commits", &error))
            .try_filter_map(|entry| {
                let is_ahead = entry.location.filename().is_some_and(|name| name.starts_with(AHEAD));
                std::future::ready(Ok(is_ahead.then_some(entry.location)))
            })
            .try_collect()
            .await?;
        for file in files {
            self.remove_ahead(Some(&Ahead(file))).await;
        }
        Ok(())
    }

    /// Creates the record: the commit point. [`ErrorKind::Locked`] where another writer has taken its place in the log.
    pub async fn append(&self, record: &CommitRecord) -> Result<()> {
        self.create(record, None).await
    }

    /// As [`CommitLog::append`]; a record that was written `ahead`, and synced, only gets its name.
    pub(crate) async fn create(&self, record: &CommitRecord, ahead: Option<&Ahead>) -> Result<()> {
        let path = path(record.seq);
        let created = match ahead {
            Some(ahead) => {
                let options = CopyOptions { mode: CopyMode::Create, ..Default::default() };
                self.store.copy_opts(&ahead.0, &path, options).await
            }
            None => {
                let options = PutOptions { mode: PutMode::Create, ..Default::default() };
                self.store.put_opts(&path, PutPayload::from(record.encode()?), options).await.map(drop)
            }
        };
        match created {
            Ok(()) => Ok(()),
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

    /// Deletes a record that is no longer wanted.
    pub(crate) async fn remove(&self, seq: u64) -> Result<()> {
        match self.store.delete(&path(seq)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(storage::failed("remove a commit record", &error)),
        }
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
