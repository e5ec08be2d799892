//! The scenarios that pass, by name: a file that may only grow.

use std::collections::BTreeSet;
use std::path::Path;

/// Reads a scoreboard; one that is not there is empty.
pub(crate) fn read(file: &Path) -> std::io::Result<BTreeSet<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let names = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            Ok(names.map(str::to_string).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

/// Writes a scoreboard.
pub(crate) fn write(file: &Path, passed: &BTreeSet<String>) -> std::io::Result<()> {
    let mut text =
        "# Scenarios of the openCypher TCK that pass: `make tck` runs them, and `make tck UPDATE=1` adds new ones.\n"
            .to_string();
    for name in passed {
        text.push_str(name);
        text.push('\n');
    }
    std::fs::write(file, text)
}
