//! `slipstream check`: does everything that is stored agree?
//!
//! [`check`] reads, and changes nothing, so it may run beside a server; what a server works on meanwhile is only left out.
//!
//! 1. The layout file, and every commit record: they decode, follow each other without a gap, and name catalogs that decode
//!    (`log`).
//! 2. Every table at the version of the newest record: its files are read whole, with the schema that the catalog says;
//!    NOT NULL, unique keys and references hold; older versions are there; nobody else made newer ones (`tables`).
//! 3. Every named snapshot: its commit, and the table versions that it holds (`snapshots`).
//! 4. Every graph's index, if it stands at the newest record: it holds what the tables hold, row by row (`graphs`). It is
//!    read from a copy, because the index engine writes even where one only reads.
//!
//! [`adopt()`] takes in table versions that another program made with LanceDB, if everything of the above holds for them.
//!
//! What an expression means is the SQL layer's, so CHECK constraints are not looked at.

mod adopt;
mod graphs;
mod log;
mod overtaken;
mod snapshots;
mod tables;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use adopt::adopt;

use crate::catalog::TableDefinition;
use crate::error::{Error, Result};
use crate::graph::index::IndexFactory;
use crate::graph::kuzu;
use crate::lock::Lock;
use crate::log::CommitLog;
use crate::snapshot::Snapshot;
use crate::storage::{Durability, Storage};
use crate::store::Store;

/// What is checked.
#[derive(Clone)]
pub struct CheckOptions {
    /// The root of the database.
    pub storage: Storage,
    /// Where its graph indexes and its lock file are.
    pub local: PathBuf,
    /// What keeps the graph indexes.
    pub index: IndexFactory,
}

impl CheckOptions {
    /// A database with its local files in `local`, and Kuzu as graph index.
    pub fn new(storage: Storage, local: impl Into<PathBuf>) -> Self {
        CheckOptions { storage, local: local.into(), index: kuzu::factory() }
    }
}

/// What was found, object by object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// In the order in which objects were looked at.
    pub findings: Vec<Finding>,
}

/// What was found of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub verdict: Verdict,
    /// Kind and name.
    pub object: String,
    /// What there is to say.
    pub text: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing, and no damage.
    Note,
    /// Something is wrong.
    Bad,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict != Verdict::Bad)
    }

    fn add(&mut self, verdict: Verdict, object: impl Into<String>, text: impl Into<String>) {
        self.findings.push(Finding { verdict, object: object.into(), text: text.into() });
    }

    fn good(&mut self, object: impl Into<String>, text: impl Into<String>) {
        self.add(Verdict::Good, object, text);
    }

    fn note(&mut self, object: impl Into<String>, text: impl Into<String>) {
        self.add(Verdict::Note, object, text);
    }

    fn bad(&mut self, object: impl Into<String>, text: impl Into<String>) {
        self.add(Verdict::Bad, object, text);
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "BAD",
        };
        write!(f, "{verdict:<5}{}: {}", self.object, self.text)
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))
    }
}

/// Reads everything of a database and says whether it agrees. An error is something that kept it from looking.
pub async fn check(options: &CheckOptions) -> Result<CheckReport> {
    // Before anything is read: what is committed later is not looked at.
    let quiet = Lock::share(&options.local)?;
    refuse_nothing(&options.storage).await?;
    let mut report = CheckReport::default();
    let log = CommitLog::of(&options.storage);
    let Some(head) = log::check(&options.storage, &log, &mut report).await? else { return Ok(report) };
    let store = Store::new(options.storage.clone(), Durability::Relaxed);
    let snapshot = Snapshot {
        seq: head.newest.seq,
        tx_id: head.newest.tx_id,
        timestamp: head.newest.timestamp,
        catalog_record: head.newest.catalog.clone(),
        catalog: Arc::clone(&head.catalog),
        versions: head.versions(),
        store: Arc::clone(&store),
    };
    tables::check(&snapshot, &head, &mut report).await;
    snapshots::check(&options.storage, &log, &snapshot, &mut report).await;
    match quiet {
        Some(_quiet) => graphs::check(options, &snapshot, &mut report).await,
        None => skip_graphs(&snapshot, &mut report),
    }
    store.close();
    Ok(report)
}

fn skip_graphs(snapshot: &Snapshot, report: &mut CheckReport) {
    for graph in snapshot.catalog.graphs.values() {
        report.note(format!("graph {}", graph.name), "a server works with its index, which was not looked at");
    }
}

/// Without a layout file there is no database.
async fn refuse_nothing(storage: &Storage) -> Result<()> {
    match storage.format().await? {
        Some(_) => Ok(()),
        None => Err(Error::storage(format!("there is no database at \"{}\"", storage.uri()))
            .with_hint("Name the directory that the server was given as --data.")),
    }
}

/// A table's name as people write it.
fn name_of(table: &TableDefinition) -> String {
    match table.schema == crate::catalog::DEFAULT_SCHEMA {
        true => format!("table {}", table.name),
        false => format!("table {}.{}", table.schema, table.name),
    }
}

/// An error in one line.
fn text_of(error: &Error) -> String {
    error.to_string()
}

/// `1 row`, `2 rows`.
fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}
