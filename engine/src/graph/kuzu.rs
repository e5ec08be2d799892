//! The Kuzu door: a graph index in a Kuzu database.
//!
//! The graph's directory holds *generations*, `generation-<n>/`, each a Kuzu database file beside the text of the
//! statements that made its tables (`shape.cypher`). The newest is the index. A rebuild fills the next generation while
//! readers finish with the one before, and then takes its place; an interrupted one is thrown away when it is opened again.
//!
//! * [`threads`]: a database, its connections and its threads; [`session`]: what one thread owns
//! * [`generation`]: files, and the pool of reader threads; [`known`]: the standing that readers need not ask for
//! * [`reader`]: read transactions and streams of results; [`stage`]: write transactions; [`load`]: the bulk path
//! * [`statements`]: all Cypher that is ours; [`values`] and [`bridge`]: data across the border; [`errors`]
//!
//! What is believed about an index is its standing in `SystemMetadata`, read inside the transaction that uses it, or inside
//! one before it if nothing was written since. It is
//! written with the changes that lead to it; a bulk load takes it away first and gives it back when a checkpoint has made
//! the rows durable, because Kuzu does not log them.

mod bridge;
mod errors;
mod generation;
mod known;
mod load;
mod reader;
mod session;
mod stage;
mod statements;
#[cfg(test)]
mod tests;
mod threads;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::Result;
use crate::graph::cover;
use crate::graph::index::{
    Change, GraphIndex, IndexFactory, IndexReader, IndexSchema, RebuildSource, StagedChanges, Standing,
};
use generation::Generation;

/// How much an index may use.
#[derive(Debug, Clone)]
pub struct KuzuOptions {
    /// Memory for pages and intermediate results, in bytes.
    pub buffer_pool_bytes: u64,
    /// The largest database, in bytes of reserved address space; rounded up to a power of two.
    pub max_db_bytes: u64,
    /// Reader threads, and so read transactions at one time; more of them wait.
    pub readers: usize,
}

impl Default for KuzuOptions {
    fn default() -> Self {
        KuzuOptions { buffer_pool_bytes: 512 << 20, max_db_bytes: 1 << 38, readers: 16 }
    }
}

/// Opens the index in the directory `path`, or makes an empty one.
///
/// Files that cannot be opened, or whose tables are not those of `schema`, are thrown away: an index is disposable.
pub async fn open(path: &Path, schema: IndexSchema, options: KuzuOptions) -> Result<Arc<dyn GraphIndex>> {
    cover::check_schema(&schema)?;
    let schema = Arc::new(schema);
    let (generation, next) = Generation::open_newest(path, &schema, &options).await?;
    Ok(Arc::new(KuzuIndex {
        path: path.to_path_buf(),
        schema,
        options,
        current: RwLock::new(generation),
        next_generation: AtomicU64::new(next),
        writing: Arc::new(Mutex::new(())),
    }))
}

/// Indexes in Kuzu, with the options that it has by itself.
pub(crate) fn factory() -> IndexFactory {
    Arc::new(|path, schema| Box::pin(async move { open(&path, schema, KuzuOptions::default()).await }))
}

struct KuzuIndex {
    path: PathBuf,
    schema: Arc<IndexSchema>,
    options: KuzuOptions,
    current: RwLock<Arc<Generation>>,
    next_generation: AtomicU64,
    /// Held from the beginning to the end of whatever writes.
    writing: Arc<Mutex<()>>,
}

impl fmt::Debug for KuzuIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KuzuIndex").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KuzuIndex {
    fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read())
    }

    async fn write(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.writing).lock_owned().await
    }
}

#[async_trait::async_trait]
impl GraphIndex for KuzuIndex {
    fn schema(&self) -> &IndexSchema {
        &self.schema
    }

    async fn standing(&self) -> Result<Option<Standing>> {
        // By the writer's thread: whoever commits must not wait for a reader to become free.
        let _writing = self.write().await;
        let generation = self.current();
        match generation.is_condemned() {
            true => Ok(None),
            false => generation.writer().run(|session| session.read_standing()).await,
        }
    }

    async fn stage(&self, changes: Vec<Change>, standing: Standing) -> Result<Box<dyn StagedChanges>> {
        let writing = self.write().await;
        stage::stage(self.current(), writing, Arc::clone(&self.schema), changes, standing).await
    }

    async fn rebuild(&self, source: RebuildSource, standing: Standing) -> Result<()> {
        let _writing = self.write().await;
        let old = self.current();
        old.mark_behind().await;
        let number = self.next_generation.fetch_add(1, Ordering::Relaxed);
        let new = Generation::create(&self.path, number, &self.schema, &self.options).await?;
        if let Err(error) =
            load::fill(new.writer(), &self.schema, self.options.buffer_pool_bytes, source, standing).await
        {
            new.discard();
            return Err(error);
        }
        *self.current.write() = new;
        old.discard();
        Ok(())
    }

    async fn load(&self, source: RebuildSource, standing: Standing) -> Result<()> {
        let _writing = self.write().await;
        let generation = self.current();
        stage::require_complete(generation.writer()).await?;
        generation.mark_behind().await;
        load::fill(generation.writer(), &self.schema, self.options.buffer_pool_bytes, source, standing).await
    }

    async fn begin_read(&self) -> Result<Option<Arc<dyn IndexReader>>> {
        reader::begin(self.current()).await
    }

    async fn mark_behind(&self) -> Result<()> {
        let _writing = self.write().await;
        self.current().mark_behind().await;
        Ok(())
    }

    async fn checkpoint(&self) -> Result<()> {
        let _writing = self.write().await;
        self.current().writer().run(|session| session.run(statements::CHECKPOINT).map(drop)).await
    }

    async fn close(&self) {
        self.current().close().await;
    }
}
