//! Named snapshots: versions of the whole database that stay readable until the name is dropped.
//!
//! The catalog has the names. Each table of the version has a Lance tag besides, so that other programs find it and leave
//! it alone; the tag's name is [`NamedSnapshot::tag`].

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What the tags of named snapshots begin with.
pub(crate) const TAG_PREFIX: &str = "slipstream-";

/// The longest name.
const LONGEST_NAME: usize = 63;

/// A version of the database with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedSnapshot {
    /// The commit that it is.
    pub seq: u64,
    /// The time of that commit.
    pub timestamp: DateTime<Utc>,
    /// When it was given the name.
    pub created: DateTime<Utc>,
}

impl NamedSnapshot {
    /// The Lance tag that holds every table of the snapshot of that name.
    pub fn tag(name: &str) -> String {
        format!("{TAG_PREFIX}{name}")
    }

    /// Refuses a name that could not be a tag, or would be taken for a number or a time (`22023`).
    pub fn check_name(name: &str) -> Result<()> {
        let first = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        let rest = name.chars().all(|letter| letter.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&letter));
        let is_tag = !name.ends_with('.') && !name.ends_with(".lock") && !name.contains("..");
        if first && rest && is_tag && name.len() <= LONGEST_NAME {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidParameter, format!("invalid snapshot name: \"{name}\"")).with_hint(format!(
            "A name begins with a letter or an underscore, goes on with letters, digits, \"_\", \"-\" and \".\", and has \
             {LONGEST_NAME} characters at the most."
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_tags_and_neither_numbers_nor_times() {
        for name in ["a", "_x", "before-import.2", "A9"] {
            NamedSnapshot::check_name(name).expect(name);
        }
        for name in ["", "9", "2026-01-01", "a b", "ä", "a/b", "a.", "a..b", "a.lock", &"a".repeat(64)] {
            let error = NamedSnapshot::check_name(name).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidParameter);
        }
    }
}
