//! Slipstream measured: against the libraries it is made of, and against PostgreSQL 17.
//!
//! Every suite runs all its sides in one go on the same disk and lets them take turns, so that whatever else the machine does
//! falls on all of them. The one client for all servers is `tokio-postgres` over loopback.
//!
//! * [`reading`]: the same questions to Slipstream and to bare Lance and Kuzu in this process.
//! * [`patterns`]: nine questions about a social network, by the index, by joins, and to bare Kuzu.
//! * [`commits`]: one-row commits by one client and by many, with the disk's own sync beside them.
//! * [`copying`]: rows a second of `COPY FROM STDIN`.
//! * [`vectors`]: nearest vectors by an index, with and without conditions, beside pgvector.
//! * [`texts`]: the best texts by BM25, beside pg_search.
//!
//! [`servers`] starts what is measured, [`wire`] and [`asking`] talk to it, [`report`] prints what came out.

mod asking;
pub mod commits;
pub mod copying;
pub mod patterns;
mod random;
pub mod reading;
mod report;
mod servers;
pub mod texts;
pub mod vectors;
mod wire;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

/// A result of a benchmark; its reader is a person.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What every suite has to know.
pub struct Place {
    /// Slipstream's program.
    pub server: PathBuf,
    /// PostgreSQL's installation, with `bin/` in it; without one it is left out.
    pub postgres: Option<PathBuf>,
    /// Everything that is stored goes into temporary folders below this one: the disk that is measured.
    pub folder: PathBuf,
}

impl Place {
    fn temporary_folder(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::tempdir_in(&self.folder)?)
    }
}

/// The time that a share of `times` stays below; sorts them.
fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    times.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}
