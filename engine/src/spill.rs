//! Temporary files for changed rows that are too many for memory.
//!
//! A file has no name: it is unlinked while it is open, so a rollback, a client that vanishes and a crash leave nothing behind.
//! (Where the file system cannot make a file without a name, one may be left by a crash; opening the database removes it.)
//! Files are written at their end only, so whoever shares one needs no lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// The folder of temporary files, below the local directory.
const FOLDER: &str = "temp";

/// How much of what transactions change is kept where until they commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillLimits {
    /// Bytes of rows that one statement, and one table in a transaction block, keeps in memory; what comes after them goes to
    /// a temporary file.
    pub memory: usize,
    /// Bytes of all temporary files together.
    pub disk: u64,
}

impl Default for SpillLimits {
    fn default() -> Self {
        SpillLimits { memory: 64 << 20, disk: u64::MAX }
    }
}

/// Where the temporary files of a database are.
#[derive(Debug)]
pub(crate) struct SpillSpace {
    directory: PathBuf,
    limits: SpillLimits,
    used: AtomicU64,
}

impl SpillSpace {
    /// Temporary files below `local`, which nobody else uses. Removes what a crash may have left there.
    pub(crate) fn new(local: &Path, limits: SpillLimits) -> Arc<Self> {
        let directory = local.join(FOLDER);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %directory.display(), %error, "cannot remove old temporary files");
            }
            _ => {}
        }
        Arc::new(SpillSpace { directory, limits, used: AtomicU64::new(0) })
    }

    /// Bytes that stay in memory.
    pub(crate) fn memory(&self) -> usize {
        self.limits.memory
    }

    /// Bytes in temporary files.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let within = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limits.disk);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::ConfigurationLimit,
                format!("temporary file size exceeds temp_file_limit ({}kB)", self.limits.disk >> 10),
            )
            .with_detail("The rows that open transactions have changed are kept in temporary files until they commit.")
            .with_hint("Change fewer rows at a time, or start the server with a higher --temp-file-limit.")),
        }
    }
}

/// A temporary file, gone when the last of its holders is.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
    end: AtomicU64,
    space: Arc<SpillSpace>,
}

impl SpillFile {
    /// An empty file.
    pub(crate) fn create(space: &Arc<SpillSpace>) -> Result<Arc<Self>> {
        let made = std::fs::create_dir_all(&space.directory).and_then(|()| tempfile::tempfile_in(&space.directory));
        let file = made.map_err(|error| failed("create", &error))?;
        Ok(Arc::new(SpillFile { file, end: AtomicU64::new(0), space: Arc::clone(space) }))
    }

    /// Writes bytes and says where they are.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<u64> {
        self.space.reserve(bytes.len() as u64)?;
        let place = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, place).map_err(|error| failed("write to", &error))?;
        Ok(place)
    }

    /// Reads bytes that were written.
    pub(crate) fn read(&self, place: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, place).map_err(|error| failed("read from", &error))?;
        Ok(bytes)
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.end.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

fn failed(action: &str, error: &io::Error) -> Error {
    let message = format!("could not {action} a temporary file");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(ErrorKind::DiskFull, format!("{message}: no space left on device"))
                .with_hint("Free disk space, or change fewer rows at a time.")
        }
        _ => Error::storage(message).with_detail(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(directory: &tempfile::TempDir, disk: u64) -> Arc<SpillSpace> {
        SpillSpace::new(directory.path(), SpillLimits { memory: 0, disk })
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        std::fs::read_dir(directory.path().join(FOLDER)).unwrap().count()
    }

    #[test]
    fn a_file_has_no_name_and_gives_its_room_back() {
        let directory = tempfile::tempdir().unwrap();
        let space = space(&directory, 10);
        let file = SpillFile::create(&space).unwrap();
        assert_eq!((file.append(b"abc").unwrap(), file.append(b"defg").unwrap()), (0, 3));
        assert_eq!(file.read(3, 4).unwrap(), b"defg");
        assert_eq!((files(&directory), space.used()), (0, 7));
        drop(file);
        assert_eq!(space.used(), 0);
    }

    #[test]
    fn the_limit_is_that_of_all_files() {
        let directory = tempfile::tempdir().unwrap();
        let space = space(&directory, 10);
        let (one, other) = (SpillFile::create(&space).unwrap(), SpillFile::create(&space).unwrap());
        one.append(b"1234567").unwrap();
        assert_eq!(other.append(b"1234").unwrap_err().kind(), ErrorKind::ConfigurationLimit);
        drop(one);
        other.append(b"1234").unwrap();
    }

    #[test]
    fn a_full_disk_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::options().write(true).open("/dev/full").unwrap();
        let file = SpillFile { file, end: AtomicU64::new(0), space: space(&directory, 10) };
        assert_eq!(file.append(b"abc").unwrap_err().kind(), ErrorKind::DiskFull);
    }

    #[test]
    fn what_a_crash_has_left_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(FOLDER)).unwrap();
        std::fs::write(directory.path().join(FOLDER).join("left"), "rows").unwrap();
        space(&directory, 10);
        assert!(!directory.path().join(FOLDER).exists());
    }
}
