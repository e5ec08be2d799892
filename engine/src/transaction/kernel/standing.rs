//! Where a graph index stands. Only what it says of itself counts: the version of each of its tables, or nothing at all.

use std::collections::BTreeMap;

/// How an index gets to a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bringing {
    /// It stands there.
    Nothing,
    /// By what has changed since where it stands, where that can be told and is not too much; else as [`Bringing::Rebuild`].
    Forward,
    /// From nothing.
    Rebuild,
}

/// How an index that stands at `standing` gets to `goal`, both the versions of its tables.
pub(crate) fn bringing<V: PartialEq>(standing: Option<&V>, goal: &V) -> Bringing {
    match standing {
        Some(standing) if standing == goal => Bringing::Nothing,
        Some(_) => Bringing::Forward,
        None => Bringing::Rebuild,
    }
}

/// Whether an index takes a commit's changes along with the commit: only from exactly where the commit starts.
pub(crate) fn takes_changes<V: PartialEq>(standing: Option<&V>, head: &V) -> bool {
    standing == Some(head)
}

/// Whether an index that stands at `standing` gives the answers of a snapshot with the versions `snapshot`.
pub(crate) fn shows<T: Ord, V: PartialEq>(standing: &BTreeMap<T, V>, snapshot: &BTreeMap<T, V>) -> bool {
    standing.iter().all(|(table, version)| snapshot.get(table) == Some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_without_a_standing_is_never_believed() {
        assert_eq!(bringing(None, &1), Bringing::Rebuild);
        assert_eq!(bringing(Some(&1), &1), Bringing::Nothing);
        assert_eq!(bringing(Some(&2), &1), Bringing::Forward);
        assert!(!takes_changes(None, &1));
        assert!(!takes_changes(Some(&2), &1));
    }

    #[test]
    fn an_index_shows_a_snapshot_whose_other_tables_have_moved() {
        let standing = BTreeMap::from([("a", 1), ("b", 2)]);
        assert!(shows(&standing, &BTreeMap::from([("a", 1), ("b", 2), ("c", 9)])));
        assert!(!shows(&standing, &BTreeMap::from([("a", 1), ("b", 3)])));
        assert!(!shows(&standing, &BTreeMap::from([("a", 1)])));
    }
}
