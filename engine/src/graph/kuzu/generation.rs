//! One generation of an index: its files, its threads, and the pool that readers are taken from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::known::KnownStanding;
use super::threads::{Threads, Worker, closed};
use super::{KuzuOptions, statements};
use crate::error::{Error, Result};
use crate::graph::index::IndexSchema;

const PREFIX: &str = "generation-";
/// The database file; Kuzu puts its log and its temporary files beside it.
const DATABASE_FILE: &str = "index.kuzu";
/// The statements that made the tables. A generation without this file, or with another text in it, is thrown away.
const SHAPE_FILE: &str = "shape.cypher";

/// An open generation.
pub(super) struct Generation {
    directory: PathBuf,
    threads: Threads,
    idle: Mutex<Vec<Worker>>,
    permits: Arc<Semaphore>,
    condemned: AtomicBool,
    discarded: Arc<AtomicBool>,
}

/// The right to use one reader thread; it goes back to the pool, its transaction ended, when this is dropped.
pub(super) struct Lease {
    /// The thread.
    pub(super) worker: Worker,
    generation: Arc<Generation>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.worker.post(|session| session.end_read());
        self.generation.idle.lock().push(self.worker.clone());
    }
}

impl Generation {
    /// Opens the newest generation in `path`, or makes an empty one, and removes all others. Also says which number the next
    /// one has.
    pub(super) async fn open_newest(
        path: &Path,
        schema: &IndexSchema,
        options: &KuzuOptions,
    ) -> Result<(Arc<Generation>, u64)> {
        let mut found = list(path)?;
        let newest = found.pop();
        for number in found {
            remove(&directory(path, number));
        }
        let Some(number) = newest else {
            return Ok((Self::create(path, 0, schema, options).await?, 1));
        };
        match Self::open_existing(&directory(path, number), schema, options).await {
            Ok(generation) => Ok((generation, number + 1)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a graph index is thrown away, to be built again");
                remove(&directory(path, number));
                Ok((Self::create(path, number + 1, schema, options).await?, number + 2))
            }
        }
    }

    async fn open_existing(directory: &Path, schema: &IndexSchema, options: &KuzuOptions) -> Result<Arc<Generation>> {
        if std::fs::read_to_string(directory.join(SHAPE_FILE)).is_ok_and(|made| made == shape(schema)) {
            let generation = Self::start(directory, options).await?;
            let readable = generation.writer().run(|session| {
                session.begin_read()?;
                session.read_standing()?;
                session.commit()
            });
            return match readable.await {
                Ok(()) => Ok(generation),
                Err(error) => {
                    generation.close().await;
                    Err(error)
                }
            };
        }
        Err(Error::storage("its tables are not those of the graph"))
    }

    /// Makes an empty generation.
    pub(super) async fn create(
        path: &Path,
        number: u64,
        schema: &IndexSchema,
        options: &KuzuOptions,
    ) -> Result<Arc<Generation>> {
        let directory = directory(path, number);
        let written = std::fs::create_dir_all(&directory)
            .and_then(|()| std::fs::write(directory.join(SHAPE_FILE), shape(schema)))
            .and_then(|()| sync(&directory.join(SHAPE_FILE)))
            .and_then(|()| sync(&directory))
            .and_then(|()| sync(path));
        written.map_err(|error| cannot("make", path, &error))?;
        let generation = Self::start(&directory, options).await?;
        let tables = statements::create_tables(schema);
        let made = generation.writer().run(move |session| {
            for statement in &tables {
                session.run(statement)?;
            }
            Ok(())
        });
        if let Err(error) = made.await {
            generation.discard();
            return Err(error);
        }
        Ok(generation)
    }

    async fn start(directory: &Path, options: &KuzuOptions) -> Result<Arc<Generation>> {
        let discarded = Arc::new(AtomicBool::new(false));
        let after = {
            let (discarded, directory) = (Arc::clone(&discarded), directory.to_path_buf());
            move || {
                if discarded.load(Ordering::Acquire) {
                    remove(&directory);
                }
            }
        };
        let threads = Threads::start(directory.join(DATABASE_FILE), options, after).await?;
        Ok(Arc::new(Generation {
            directory: directory.to_path_buf(),
            permits: Arc::new(Semaphore::new(threads.readers.len())),
            idle: Mutex::new(threads.readers.clone()),
            condemned: AtomicBool::new(false),
            threads,
            discarded,
        }))
    }

    /// The thread that writes.
    pub(super) fn writer(&self) -> &Worker {
        &self.threads.writer
    }

    /// What readers know of its standing.
    pub(super) fn known(&self) -> &Arc<KnownStanding> {
        &self.threads.known
    }

    /// Takes a reader thread, waiting in line while all are busy.
    pub(super) async fn lease(self: Arc<Self>) -> Result<Lease> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let worker = self.idle.lock().pop().expect("there are as many permits as threads");
        Ok(Lease { worker, generation: self, _permit: permit })
    }

    /// Says durably that the index is not complete. Where Kuzu itself cannot write that any more, the whole generation is
    /// condemned: it answers nobody, and will be thrown away when it is opened again.
    pub(super) async fn mark_behind(&self) {
        if let Err(error) = self.writer().run(|session| session.write_behind()).await {
            tracing::warn!(directory = %self.directory.display(), %error, "a graph index is condemned");
            self.condemned.store(true, Ordering::Release);
            let shape = self.directory.join(SHAPE_FILE);
            if let Err(error) = std::fs::remove_file(&shape).and_then(|()| sync(&self.directory)) {
                tracing::error!(directory = %self.directory.display(), %error, "a broken graph index cannot be marked");
            }
        }
    }

    /// Whether it must not be read.
    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }

    /// Lets its files go when its last user has gone.
    pub(super) fn discard(&self) {
        self.discarded.store(true, Ordering::Release);
    }

    /// Interrupts what runs, stops the threads, closes the files.
    pub(super) async fn close(&self) {
        self.permits.close();
        self.threads.close();
        self.threads.closed().await;
    }
}

/// What a generation's tables must have been made by.
fn shape(schema: &IndexSchema) -> String {
    let mut text = statements::create_tables(schema).join(";\n");
    text.push_str(";\n");
    text
}

fn directory(path: &Path, number: u64) -> PathBuf {
    path.join(format!("{PREFIX}{number}"))
}

/// The numbers of the generations in `path`, in order.
fn list(path: &Path) -> Result<Vec<u64>> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u64> = names.filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

fn remove(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(directory = %directory.display(), %error, "an old graph index cannot be removed");
    }
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::storage(format!("cannot {what} the graph index")).with_detail(format!("{}: {error}.", path.display()))
}
