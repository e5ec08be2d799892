//! One writer process per database on this machine, or any number that look at the local files while no writer runs.

use std::fs::{File, OpenOptions};
use std::path::Path;

use fs4::fs_std::FileExt;

use crate::error::{Error, ErrorKind, Result};

/// The held `LOCK` file; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes the lock; [`ErrorKind::Locked`] where another process has it.
    pub(crate) fn take(local: &Path) -> Result<Self> {
        let path = local.join("LOCK");
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|error| {
            Error::storage(format!("cannot open lock file \"{}\"", path.display())).with_detail(error.to_string())
        })?;
        match file.try_lock_exclusive() {
            Ok(true) => Ok(Lock { _file: Some(file) }),
            Ok(false) => Err(Error::new(
                ErrorKind::Locked,
                format!("database \"{}\" is in use by another server", local.display()),
            )
            .with_hint("Stop that server first, or connect to it.")),
            Err(error) => {
                Err(Error::storage(format!("cannot lock \"{}\"", path.display())).with_detail(error.to_string()))
            }
        }
    }

    /// Keeps writers away while the local files are looked at; `None` where one has the lock. Makes no file: where there is
    /// none, no writer has run here, and none is kept away.
    pub(crate) fn share(local: &Path) -> Result<Option<Self>> {
        let path = local.join("LOCK");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Lock { _file: None })),
            Err(error) => {
                return Err(Error::storage(format!("cannot open lock file \"{}\"", path.display()))
                    .with_detail(error.to_string()));
            }
        };
        match FileExt::try_lock_shared(&file) {
            Ok(held) => Ok(held.then_some(Lock { _file: Some(file) })),
            Err(error) => {
                Err(Error::storage(format!("cannot lock \"{}\"", path.display())).with_detail(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookers_keep_writers_away_and_not_each_other() {
        let directory = tempfile::tempdir().unwrap();
        drop(Lock::take(directory.path()).unwrap());
        let first = Lock::share(directory.path()).unwrap().unwrap();
        let second = Lock::share(directory.path()).unwrap().unwrap();
        assert_eq!(Lock::take(directory.path()).unwrap_err().kind(), ErrorKind::Locked);
        drop((first, second));
        let _writer = Lock::take(directory.path()).unwrap();
        assert!(Lock::share(directory.path()).unwrap().is_none());
    }

    #[test]
    fn looking_makes_no_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Lock::share(directory.path()).unwrap().is_some());
        assert!(!directory.path().join("LOCK").exists());
    }
}
