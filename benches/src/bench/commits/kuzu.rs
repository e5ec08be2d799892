//! Bare Kuzu: one transaction for each node or relationship. It has one writer at a time, so its clients wait in line, and it
//! syncs its log at every commit.

use std::fs;
use std::path::Path;

use kuzu::{Connection, Database, SystemConfig, Value};
use tokio::sync::{mpsc, oneshot};

use super::super::Result;
use super::writer::{Writer, Writers};
use super::{VERTICES, Work, ends};

/// Memory for Kuzu's pages, in bytes.
const BUFFER_POOL: u64 = 256 << 20;

/// Reserved address space for Kuzu's files, in bytes.
const MAX_DATABASE: u64 = 1 << 34;

type Answer = oneshot::Sender<Result<()>>;

/// One of those who wait for the writing thread.
pub(super) struct Caller {
    thread: mpsc::UnboundedSender<(i64, Answer)>,
}

impl Writer for Caller {
    async fn commit(&mut self, id: i64) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.thread.send((id, answer))?;
        answered.await?
    }
}

/// Makes a database with the vertices in it, and those who write to it.
pub(super) fn writers(folder: &Path, work: Work, clients: usize) -> Result<Writers<Caller>> {
    fs::create_dir_all(folder)?;
    let accounts: String = (1..=VERTICES).map(|id| format!("{id},owner {id}\n")).collect();
    let csv = folder.join("account.csv");
    fs::write(&csv, accounts)?;
    let (thread, calls) = mpsc::unbounded_channel();
    let (file, csv) = (folder.join(format!("{}.kuzu", work.name())), csv.to_string_lossy().into_owned());
    std::thread::spawn(move || {
        if let Err(error) = serve(&file, &csv, work, calls) {
            eprintln!("bare Kuzu stopped: {error}");
        }
    });
    Ok(Writers::new((0..clients).map(|_| Caller { thread: thread.clone() }).collect()))
}

/// The thread that owns the connection.
fn serve(file: &Path, csv: &str, work: Work, mut calls: mpsc::UnboundedReceiver<(i64, Answer)>) -> Result<()> {
    let config = SystemConfig::default().buffer_pool_size(BUFFER_POOL).max_db_size(MAX_DATABASE);
    let database = Database::new(file, config)?;
    let connection = Connection::new(&database)?;
    connection.query("CREATE NODE TABLE entry(id INT64, note STRING, amount INT64, PRIMARY KEY(id))")?;
    connection.query("CREATE NODE TABLE account(id INT64, owner STRING, PRIMARY KEY(id))")?;
    connection.query("CREATE REL TABLE transfer(FROM account TO account, id INT64)")?;
    connection.query(&format!("COPY account FROM '{csv}'"))?;
    let mut insert = connection.prepare(match work {
        Work::Row => "CREATE (:entry {id: $id, note: 'a note of some length', amount: $amount})",
        Work::Edge => {
            "MATCH (a:account {id: $source}), (b:account {id: $destination}) CREATE (a)-[:transfer {id: $id}]->(b)"
        }
    })?;
    while let Some((id, answer)) = calls.blocking_recv() {
        let (source, destination) = ends(id);
        let parameters = match work {
            Work::Row => vec![("id", Value::Int64(id)), ("amount", Value::Int64(id % 1000))],
            Work::Edge => vec![
                ("id", Value::Int64(id)),
                ("source", Value::Int64(source)),
                ("destination", Value::Int64(destination)),
            ],
        };
        let outcome = connection.execute(&mut insert, parameters).map(drop).map_err(Into::into);
        // A caller that has gone away does not mind.
        let _ = answer.send(outcome);
    }
    Ok(())
}
