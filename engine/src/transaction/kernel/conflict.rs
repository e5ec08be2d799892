//! First committer wins.

/// What is known of a table's commits, with the sequence numbers they had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known {
    /// Nothing is known of commits up to this one.
    pub(crate) horizon: u64,
    /// The newest that replaced all of it.
    pub(crate) replaced: u64,
}

/// Whether a transaction that read `base` has lost: `written` are the newest commits that wrote the rows it needs unchanged.
pub(crate) fn is_lost(base: u64, known: Known, written: impl IntoIterator<Item = u64>) -> bool {
    base < known.horizon || known.replaced > base || written.into_iter().any(|seq| seq > base)
}

/// Whether a table may have been written at all since a transaction read it.
pub(crate) fn has_moved(read: Option<u64>, head: Option<u64>) -> bool {
    read != head
}

/// Whether nobody can ask any more what was written up to commit `seq`.
pub(crate) fn may_be_forgotten(seq: u64, oldest_reader: Option<u64>) -> bool {
    oldest_reader.is_none_or(|oldest| oldest >= seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_commits_count_and_what_is_not_known_counts_as_one() {
        let known = Known { horizon: 3, replaced: 0 };
        assert!(!is_lost(5, known, [4, 5]));
        assert!(is_lost(5, known, [6]));
        assert!(is_lost(2, known, []));
        assert!(is_lost(5, Known { replaced: 6, ..known }, []));
    }

    #[test]
    fn nothing_is_forgotten_that_a_reader_may_ask_for() {
        assert!(may_be_forgotten(5, None));
        assert!(may_be_forgotten(5, Some(5)));
        assert!(!may_be_forgotten(5, Some(4)));
    }
}
