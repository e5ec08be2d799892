//! The memory that queries may use, shared by every session of the process.
//!
//! Operators that can spill share one pool fairly; a query that would take more than the pool has left fails alone, with
//! `53200`, and the server goes on.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use slipstream_engine::{Error, Result};

/// The pool where the machine does not tell its memory.
const FALLBACK_BYTES: usize = 2 << 30;

/// Consumers that a failing query names.
const NAMED_CONSUMERS: usize = 3;

static RUNTIME: OnceLock<Arc<RuntimeEnv>> = OnceLock::new();

/// Sets how many bytes queries may use in all. To be called before the first session; later calls have no effect and say so.
pub fn limit_memory(bytes: usize) -> Result<()> {
    RUNTIME
        .set(build(bytes)?)
        .map_err(|_| Error::internal("the memory limit was set after the first session had begun"))
}

/// The runtime that all sessions share.
pub(crate) fn shared() -> Result<Arc<RuntimeEnv>> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(Arc::clone(runtime));
    }
    let runtime = build(physical_memory().map_or(FALLBACK_BYTES, |bytes| bytes / 2))?;
    Ok(Arc::clone(RUNTIME.get_or_init(|| runtime)))
}

fn build(bytes: usize) -> Result<Arc<RuntimeEnv>> {
    let consumers = NonZeroUsize::new(NAMED_CONSUMERS).expect("not zero");
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), consumers)))
        .build_arc()
        .map_err(crate::error::from_datafusion)
}

/// What Linux says the machine has.
fn physical_memory() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
