//! One writer process per database on this machine.

use std::fs::{File, OpenOptions};
use std::path::Path;

use fs4::fs_std::FileExt;

use crate::error::{Error, ErrorKind, Result};

/// The held `LOCK` file; dropping it lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
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
            Ok(true) => Ok(Lock { _file: file }),
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
}
