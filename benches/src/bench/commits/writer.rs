//! Many writers at a time, and what their commits cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::super::Result;

/// One client of a side: it commits one row at a time.
pub(super) trait Writer: Send + 'static {
    /// Commits a row with that key.
    fn commit(&mut self, id: i64) -> impl Future<Output = Result<()>> + Send;
}

/// Writers of one side, with the key that comes next.
pub(super) struct Writers<W> {
    idle: Vec<W>,
    next: Arc<AtomicI64>,
}

/// What some turns came to.
#[derive(Default)]
pub(super) struct Sample {
    pub(super) latencies: Vec<Duration>,
    pub(super) elapsed: Duration,
}

impl Sample {
    pub(super) fn add(&mut self, other: Sample) {
        self.latencies.extend(other.latencies);
        self.elapsed += other.elapsed;
    }

    pub(super) fn commits_per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl<W: Writer> Writers<W> {
    pub(super) fn new(idle: Vec<W>) -> Self {
        Writers { idle, next: Arc::new(AtomicI64::new(1)) }
    }

    /// Lets `clients` of them commit for a while, each as fast as it can.
    pub(super) async fn turn(&mut self, clients: usize, span: Duration) -> Result<Sample> {
        let started = Instant::now();
        let mut running = JoinSet::new();
        for mut writer in self.idle.drain(..clients.min(self.idle.len())) {
            let next = Arc::clone(&self.next);
            running.spawn(async move {
                let mut latencies = Vec::new();
                while started.elapsed() < span {
                    let before = Instant::now();
                    writer.commit(next.fetch_add(1, Ordering::Relaxed)).await?;
                    latencies.push(before.elapsed());
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((writer, latencies))
            });
        }
        let mut latencies = Vec::new();
        while let Some(finished) = running.join_next().await {
            let (writer, its) = finished??;
            self.idle.push(writer);
            latencies.extend(its);
        }
        Ok(Sample { latencies, elapsed: started.elapsed() })
    }
}
