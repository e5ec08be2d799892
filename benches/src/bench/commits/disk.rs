//! What the disk itself needs for one sync, measured beside the commits.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::Result;

/// Bytes that are appended before a sync, as much as a page of PostgreSQL's log.
const APPENDED: usize = 8192;
/// Syncs of one turn.
const SYNCS: usize = 50;

/// A file that is appended to and synced.
pub(super) struct Disk {
    path: PathBuf,
    pub(super) times: Vec<Duration>,
}

impl Disk {
    pub(super) fn new(folder: &Path) -> Disk {
        Disk { path: folder.join("probe"), times: Vec::new() }
    }

    /// Some more syncs.
    pub(super) async fn probe(&mut self) -> Result<()> {
        let path = self.path.clone();
        let times = tokio::task::spawn_blocking(move || appends(&path)).await??;
        self.times.extend(times);
        Ok(())
    }
}

fn appends(path: &Path) -> std::io::Result<Vec<Duration>> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let append = |_| {
        let started = Instant::now();
        file.write_all(&[7; APPENDED])?;
        file.sync_all()?;
        Ok(started.elapsed())
    };
    (0..SYNCS).map(append).collect()
}
