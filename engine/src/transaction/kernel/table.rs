//! A table and the version that a commit record names.

/// What recovery does with a table of the newest record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Recovery {
    /// It is there, and was synced before the record was made.
    Nothing,
    /// The record's redo makes the version.
    Redo,
    /// The version is there: make sure that it is this commit's, and synced.
    Confirm,
    /// Neither the version is there nor what would make it.
    FilesMissing,
}

/// What recovery does with a table that the newest record has at version `recorded`, with a redo or not, and whose newest
/// version is `newest`; 0 where there is none.
pub(crate) fn recovery(recorded: u64, newest: u64, has_redo: bool) -> Recovery {
    match (has_redo, newest >= recorded) {
        (true, true) => Recovery::Confirm,
        (false, true) => Recovery::Nothing,
        (true, false) if newest + 1 == recorded => Recovery::Redo,
        (_, false) => Recovery::FilesMissing,
    }
}

/// Whether somebody else has written to a table since the newest record.
pub(crate) fn is_foreign(recorded: u64, newest: u64) -> bool {
    newest > recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_step_is_redone() {
        assert_eq!(recovery(5, 4, true), Recovery::Redo);
        assert_eq!(recovery(5, 5, true), Recovery::Confirm);
        assert_eq!(recovery(5, 5, false), Recovery::Nothing);
        assert_eq!(recovery(5, 3, true), Recovery::FilesMissing);
        assert_eq!(recovery(5, 4, false), Recovery::FilesMissing);
    }
}
