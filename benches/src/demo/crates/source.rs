//! What the sources of a package say beside its manifest: the readme's text and the size.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::metadata::Package;
use crate::demo::{Error, Result};

/// The text of the package's readme, if it names one that is there.
pub(super) fn readme(package: &Package) -> Result<Option<String>> {
    let (Some(folder), Some(readme)) = (package.manifest_path.parent(), &package.readme) else { return Ok(None) };
    let path = folder.join(readme);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        // A manifest may name a readme that its package leaves out.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(&path)(error)),
    }
}

/// The bytes of all files of the package.
pub(super) fn size(package: &Package) -> Result<u64> {
    package.manifest_path.parent().map_or(Ok(0), folder_size)
}

fn folder_size(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder).map_err(Error::read(folder))? {
        let entry = entry.map_err(Error::read(folder))?;
        // Does not follow symbolic links.
        let metadata = entry.metadata().map_err(Error::read(&entry.path()))?;
        if metadata.is_dir() {
            total += folder_size(&entry.path())?;
        } else if metadata.is_file() {
            total += metadata.len();
        }
    }
    Ok(total)
}
