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

/// What making a version comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Publishing {
    /// It has to be made.
    Make,
    /// This very write has made it, before a crash or an error.
    Made,
    /// Somebody else has made a version of that number. It is never built upon.
    Foreign,
}

/// What becomes of the write of transaction `own`, where its version was made by `maker` already; `maker` is unknown where the
/// version does not say.
pub(crate) fn publishing<Id: PartialEq>(own: Id, made: Option<Option<Id>>) -> Publishing {
    match made {
        None => Publishing::Make,
        Some(Some(maker)) if maker == own => Publishing::Made,
        Some(_) => Publishing::Foreign,
    }
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

    #[test]
    fn a_version_counts_only_with_the_name_of_its_transaction() {
        assert_eq!(publishing("a", None), Publishing::Make);
        assert_eq!(publishing("a", Some(Some("a"))), Publishing::Made);
        assert_eq!(publishing("a", Some(Some("b"))), Publishing::Foreign);
        assert_eq!(publishing("a", Some(None)), Publishing::Foreign);
    }
}
