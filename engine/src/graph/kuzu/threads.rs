//! The threads of one open Kuzu database.
//!
//! A *host* thread owns the [`Database`] and its connections. Beside it run one *writer* and several *readers*, each with a
//! [`Session`] on one of the connections; a connection is used by its own thread only, but for one thing: the host
//! interrupts a running query through it. All of them live in one scope, so that the borrow checker, and not a convention,
//! keeps connections shorter than their database and prepared statements shorter than their connection.
//!
//! Work reaches a worker as a closure over its session, in order. Closing interrupts what runs and stops every worker after
//! the jobs that are already in line; whoever still holds a [`Worker`] then gets an error.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use kuzu::{Connection, Database, SystemConfig};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use super::KuzuOptions;
use super::errors::classify;
use super::known::KnownStanding;
use super::session::{Session, connect};
use crate::error::{Error, ErrorKind, Result};

/// Kuzu's parser and planner recurse.
const STACK_BYTES: usize = 16 << 20;

/// How often an interrupt is repeated until it is heeded: one that comes as the query starts can be lost.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

type Job = Box<dyn for<'s, 'db> FnOnce(&mut Session<'s, 'db>) + Send>;

enum Message {
    Do(Job),
    Stop,
}

enum Control {
    Interrupt(usize, Arc<Ticket>),
    Close,
}

/// A worker thread, from outside.
#[derive(Clone)]
pub(super) struct Worker {
    number: usize,
    jobs: Sender<Message>,
    control: Sender<Control>,
}

impl Worker {
    /// Runs a job on the worker's session and waits for what it returns. If the caller stops waiting, the job still runs and
    /// its value is dropped.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'s, 'db> FnOnce(&mut Session<'s, 'db>) -> Result<T> + Send + 'static,
    {
        self.start(job).await.map_err(|_| closed())?
    }

    /// Starts a job whose value will be in the channel. A worker that has stopped drops the channel.
    pub(super) fn start<T, F>(&self, job: F) -> oneshot::Receiver<Result<T>>
    where
        T: Send + 'static,
        F: for<'s, 'db> FnOnce(&mut Session<'s, 'db>) -> Result<T> + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        self.post(move |session| drop(answer.send(job(session))));
        receiver
    }

    /// Leaves a job that nobody waits for.
    pub(super) fn post(&self, job: impl for<'s, 'db> FnOnce(&mut Session<'s, 'db>) + Send + 'static) {
        // A worker that has stopped has nothing left to do.
        let _ = self.jobs.send(Message::Do(Box::new(job)));
    }

    /// Interrupts the query with this ticket, whether it waits or runs.
    pub(super) fn interrupt(&self, ticket: &Arc<Ticket>) {
        if !ticket.is_done() {
            let _ = self.control.send(Control::Interrupt(self.number, Arc::clone(ticket)));
        }
    }
}

/// The error of an index that has been closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::ShuttingDown, "the graph index is closed")
}

/// A query's state, as its worker and those who may interrupt it see it.
#[derive(Default)]
pub(super) struct Ticket(Mutex<Progress>);

#[derive(Default, PartialEq)]
enum Progress {
    #[default]
    Waiting,
    Running,
    Done,
}

impl Ticket {
    /// Runs a query unless it has been interrupted before it began.
    pub(super) fn carry<T>(&self, query: impl FnOnce() -> Result<T>) -> Result<T> {
        {
            let mut progress = self.0.lock();
            if *progress == Progress::Done {
                return Err(Error::new(ErrorKind::Cancelled, "canceling statement due to user request"));
            }
            *progress = Progress::Running;
        }
        let answer = query();
        *self.0.lock() = Progress::Done;
        answer
    }

    fn is_done(&self) -> bool {
        *self.0.lock() == Progress::Done
    }

    /// Interrupts the query if it runs, forbids it if it has not begun; says whether it has ended. The lock is held, so the
    /// connection's next query cannot be hit by mistake.
    fn interrupt(&self, connection: &Connection<'_>) -> bool {
        let mut progress = self.0.lock();
        match *progress {
            Progress::Done => return true,
            Progress::Waiting => *progress = Progress::Done,
            Progress::Running => {
                if let Err(error) = connection.interrupt() {
                    tracing::warn!(%error, "a graph query could not be interrupted");
                }
            }
        }
        *progress == Progress::Done
    }
}

/// An open database: its workers and the way to close it.
pub(super) struct Threads {
    /// The one that writes.
    pub(super) writer: Worker,
    /// Those that read.
    pub(super) readers: Vec<Worker>,
    /// What readers know of the standing while the writer rests.
    pub(super) known: Arc<KnownStanding>,
    control: Sender<Control>,
    closed: watch::Receiver<()>,
}

impl Threads {
    /// Opens the database file and starts its threads. `after` runs when everything is closed again.
    pub(super) async fn start(
        file: PathBuf,
        options: &KuzuOptions,
        after: impl FnOnce() + Send + 'static,
    ) -> Result<Threads> {
        let (control, commands) = channel();
        let (ready, opened) = oneshot::channel();
        let (closing, closed) = watch::channel(());
        after_those_before(&file, &closed).await;
        let config = SystemConfig::default()
            .auto_checkpoint(false)
            .throw_on_wal_replay_failure(false)
            .buffer_pool_size(options.buffer_pool_bytes)
            .max_db_size(options.max_db_bytes.next_power_of_two());
        let readers = options.readers.max(1);
        let worker_control = control.clone();
        let known = Arc::new(KnownStanding::default());
        let writing = Arc::clone(&known);
        let host = move || {
            host(&file, config, readers, &writing, &worker_control, &commands, ready);
            after();
            drop(closing);
        };
        thread::Builder::new()
            .name("kuzu-host".to_string())
            .stack_size(STACK_BYTES)
            .spawn(host)
            .map_err(|error| Error::internal(format!("no thread for the graph index: {error}")))?;
        let mut workers = opened.await.map_err(|_| Error::storage("the graph index could not be opened"))??;
        let writer = workers.remove(0);
        Ok(Threads { writer, readers: workers, known, control, closed })
    }

    /// Begins to close: running queries are interrupted, no later job begins.
    pub(super) fn close(&self) {
        let _ = self.control.send(Control::Close);
    }

    /// Waits until the threads have stopped and the files are closed.
    pub(super) async fn closed(&self) {
        // The sender sends nothing; it goes when the host thread ends.
        let _ = self.closed.clone().changed().await;
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

/// The files that this process has opened, with what says that they are closed again.
static OPENED: Mutex<BTreeMap<PathBuf, watch::Receiver<()>>> = Mutex::new(BTreeMap::new());

/// How long an opening waits for whoever had the file open before.
const CLOSING_PATIENCE: Duration = Duration::from_secs(10);

/// Waits until this process has closed a file that it had open before. A database that is dropped closes its files by and by,
/// the last of it a checkpoint, and Kuzu's own lock is between processes only.
async fn after_those_before(file: &std::path::Path, closed: &watch::Receiver<()>) {
    let before = {
        let mut opened = OPENED.lock();
        opened.retain(|_, closed| closed.has_changed().is_ok());
        opened.insert(file.to_path_buf(), closed.clone())
    };
    if let Some(mut before) = before
        && tokio::time::timeout(CLOSING_PATIENCE, before.changed()).await.is_err()
    {
        tracing::warn!(file = %file.display(), "a graph index is opened that this process has still open");
    }
}

/// The life of the host thread.
fn host(
    file: &std::path::Path,
    config: SystemConfig,
    readers: usize,
    known: &KnownStanding,
    control: &Sender<Control>,
    commands: &Receiver<Control>,
    ready: oneshot::Sender<Result<Vec<Worker>>>,
) {
    let opened = Database::new(file, config).map_err(|error| classify("opening its files", &error));
    let database = match opened {
        Ok(database) => database,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let connections: Result<Vec<_>, _> = (0..=readers).map(|_| connect(&database)).collect();
    let connections = match connections {
        Ok(connections) => connections,
        Err(error) => return drop(ready.send(Err(classify("connecting", &error)))),
    };
    thread::scope(|scope| {
        let mut workers = Vec::with_capacity(connections.len());
        for (number, connection) in connections.iter().enumerate() {
            let (jobs, inbox) = channel();
            let name = if number == 0 { "kuzu-writer".to_string() } else { format!("kuzu-reader-{number}") };
            let database = &database;
            let known = (number == 0).then_some(known);
            let spawned = thread::Builder::new()
                .name(name)
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, move || work(&mut Session::new(database, connection), &inbox, known));
            match spawned {
                Ok(_) => workers.push(Worker { number, jobs, control: control.clone() }),
                Err(error) => {
                    let error = Error::internal(format!("no thread for the graph index: {error}"));
                    return drop(ready.send(Err(error)));
                }
            }
        }
        let inboxes: Vec<_> = workers.iter().map(|worker| worker.jobs.clone()).collect();
        if ready.send(Ok(workers)).is_ok() {
            attend(commands, &connections);
        }
        for inbox in inboxes {
            let _ = inbox.send(Message::Stop);
        }
        for connection in &connections {
            let _ = connection.interrupt();
        }
    });
}

/// The life of a worker thread; `known` is what the writer's work changes.
fn work(session: &mut Session<'_, '_>, inbox: &Receiver<Message>, known: Option<&KnownStanding>) {
    while let Ok(Message::Do(job)) = inbox.recv() {
        let _working = known.map(KnownStanding::work);
        // A panic may come from the crate's own conversions; it must cost one statement and not the index.
        if catch_unwind(AssertUnwindSafe(|| job(session))).is_err() {
            tracing::error!("a job of the graph index panicked");
            session.rollback();
        }
    }
    session.rollback();
}

/// Passes interrupts on until it is told to close.
fn attend(commands: &Receiver<Control>, connections: &[Connection<'_>]) {
    let mut pending: Vec<(usize, Arc<Ticket>)> = Vec::new();
    loop {
        pending.retain(|(number, ticket)| !ticket.interrupt(&connections[*number]));
        let command = if pending.is_empty() {
            commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            commands.recv_timeout(INTERRUPT_AGAIN)
        };
        match command {
            Ok(Control::Interrupt(number, ticket)) => pending.push((number, ticket)),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Control::Close) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
