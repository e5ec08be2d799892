//! The past of a database: any version of it, by number, by time or by name.
//!
//! Every commit record has the complete version map and names the catalog in force, so a version is read from its record
//! alone: a [`Snapshot`] like the newest one. Versions that were used lately stay in memory.
//!
//! What can be read: every commit from the catalog's `oldest_kept` on, and before that the commits that have a name. A
//! version that is being read is pinned first and looked up after that, so that clean-up, which raises `oldest_kept` before it
//! looks at the pins, either sees the pin or is seen.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use lru::LruCache;
use parking_lot::Mutex;

use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{CommitLog, CommitRecord};
use crate::snapshot::Snapshot;
use crate::storage::Storage;
use crate::store::Store;

/// Versions that are kept in memory.
const KEPT_SNAPSHOTS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");

/// Catalogs that are kept in memory.
const KEPT_CATALOGS: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// A version of the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The commit of that number.
    Commit(u64),
    /// The newest commit that was not made after that time.
    Time(DateTime<Utc>),
    /// The snapshot of that name.
    Name(String),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Commit(seq) => write!(f, "{seq}"),
            Version::Time(time) => write!(f, "{}", time.format("%Y-%m-%d %H:%M:%S%.6f+00")),
            Version::Name(name) => f.write_str(name),
        }
    }
}

/// Versions that were read lately.
#[derive(Debug)]
pub(crate) struct History {
    snapshots: Mutex<LruCache<u64, Arc<Snapshot>>>,
    catalogs: Mutex<LruCache<String, Arc<Catalog>>>,
}

impl Default for History {
    fn default() -> Self {
        History {
            snapshots: Mutex::new(LruCache::new(KEPT_SNAPSHOTS)),
            catalogs: Mutex::new(LruCache::new(KEPT_CATALOGS)),
        }
    }
}

/// Where the past of a database is read from.
pub(crate) struct Past<'a> {
    pub(crate) storage: &'a Storage,
    pub(crate) store: &'a Arc<Store>,
    pub(crate) log: &'a CommitLog,
    pub(crate) history: &'a History,
    /// What is published now.
    pub(crate) head: Arc<Snapshot>,
}

impl Past<'_> {
    /// The number of the commit that a version is (`22023` where there is none); it may have been cleaned up.
    pub(crate) async fn seq(&self, version: &Version) -> Result<u64> {
        match version {
            Version::Commit(0) => Err(unknown(version)),
            Version::Commit(seq) if *seq > self.head.seq => Err(future(version, &self.head)),
            Version::Commit(seq) => Ok(*seq),
            Version::Name(name) => match self.head.catalog.snapshots.get(name) {
                Some(snapshot) => Ok(snapshot.seq),
                None => Err(Error::new(ErrorKind::InvalidParameter, format!("snapshot \"{name}\" does not exist"))
                    .with_hint("slipstream.snapshots lists them.")),
            },
            Version::Time(time) => self.seq_at(*time, version).await,
        }
    }

    /// The snapshot of a commit. Its reader must have been pinned before.
    pub(crate) async fn snapshot(&self, seq: u64) -> Result<Arc<Snapshot>> {
        self.check_kept(seq)?;
        if seq == self.head.seq {
            return Ok(Arc::clone(&self.head));
        }
        if let Some(known) = self.history.snapshots.lock().get(&seq) {
            return Ok(Arc::clone(known));
        }
        let record = self.record(seq).await?;
        let catalog = self.catalog(&record.catalog).await?;
        let snapshot = Arc::new(Snapshot {
            seq,
            tx_id: record.tx_id,
            timestamp: record.timestamp,
            catalog_record: record.catalog,
            catalog,
            versions: record.tables.iter().map(|entry| (entry.id, entry.version)).collect(),
            store: Arc::clone(self.store),
        });
        self.history.snapshots.lock().put(seq, Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Refuses a commit that has been cleaned up (`22023`).
    fn check_kept(&self, seq: u64) -> Result<()> {
        let catalog = &self.head.catalog;
        if seq >= catalog.oldest_kept || catalog.snapshots.values().any(|named| named.seq == seq) {
            return Ok(());
        }
        Err(cleaned_up(&Version::Commit(seq), catalog.oldest_kept))
    }

    /// The newest commit that was not made after `time`.
    async fn seq_at(&self, time: DateTime<Utc>, version: &Version) -> Result<u64> {
        if time >= shown(self.head.timestamp) {
            return if time <= Utc::now() { Ok(self.head.seq) } else { Err(future(version, &self.head)) };
        }
        let oldest = self.head.catalog.oldest_kept.max(1);
        if shown(self.record(oldest).await?.timestamp) > time {
            return Err(match self.head.catalog.oldest_kept {
                0 | 1 => unknown(version).with_detail("The database was made after that time."),
                kept => cleaned_up(version, kept),
            });
        }
        // The commit at `low` was not made after that time, the one at `high` was.
        let (mut low, mut high) = (oldest, self.head.seq);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match shown(self.record(middle).await?.timestamp) <= time {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    async fn record(&self, seq: u64) -> Result<CommitRecord> {
        let missing = || Error::storage(format!("the record of commit {seq} is missing"));
        self.log.get(seq).await?.ok_or_else(missing)
    }

    async fn catalog(&self, record: &str) -> Result<Arc<Catalog>> {
        if record == self.head.catalog_record {
            return Ok(Arc::clone(&self.head.catalog));
        }
        if let Some(known) = self.history.catalogs.lock().get(record) {
            return Ok(Arc::clone(known));
        }
        let catalog = Arc::new(self.storage.read_catalog(record).await?);
        self.history.catalogs.lock().put(record.to_string(), Arc::clone(&catalog));
        Ok(catalog)
    }
}

impl History {
    /// Forgets versions that have been cleaned up.
    pub(crate) fn forget(&self, is_kept: impl Fn(u64) -> bool) {
        let mut snapshots = self.snapshots.lock();
        let gone: Vec<u64> = snapshots.iter().map(|(seq, _)| *seq).filter(|seq| !is_kept(*seq)).collect();
        for seq in gone {
            snapshots.pop(&seq);
        }
    }
}

/// A commit's time as clients see it, in whole microseconds. No two commits have the same.
fn shown(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

fn unknown(version: &Version) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("version {version} does not exist"))
}

fn future(version: &Version, head: &Snapshot) -> Error {
    let message = format!("version {version} lies in the future");
    let head = format!("The newest version is {} of {}.", head.seq, Version::Time(head.timestamp));
    Error::new(ErrorKind::InvalidParameter, message).with_detail(head)
}

fn cleaned_up(version: &Version, oldest: u64) -> Error {
    Error::new(ErrorKind::InvalidParameter, format!("version {version} has been cleaned up"))
        .with_detail(format!("The oldest version that is kept is {oldest}, beside those that have a name."))
}
