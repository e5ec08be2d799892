//! The commit point: whether a record is there after its creation was tried.

/// What has to happen, in this order, for a record to be created: everything that it stands on first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RecordStep {
    /// What it stands on is synced, in any order: what it refers to, and what the record before has published, since from
    /// here on the redo of that one is no longer read.
    Sync,
    /// The record itself.
    Create,
}

impl RecordStep {
    /// Every step in order.
    pub(crate) const ALL: [RecordStep; 2] = [RecordStep::Sync, RecordStep::Create];
}

/// How a creation ended, as far as its writer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Creation {
    /// It succeeded, and is durable.
    Created,
    /// Another record has that place.
    Taken,
    /// It failed, and may have happened all the same.
    Uncertain,
}

/// What the log has in that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum InPlace<Id> {
    /// The record of this transaction.
    Record(Id),
    /// No record.
    Nothing,
    /// The log cannot be read.
    Unreadable,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// The transaction is committed: only forward from here.
    Committed,
    /// It is committed as soon as its record, which is there, has been synced. Where that fails the writer stops.
    CommittedOnceSynced,
    /// It is not, and the writer goes on.
    NotCommitted,
    /// Nobody can say, or another writer has taken over: this one writes no more.
    Stop,
}

/// What follows from a creation. `None`: only the log can tell, see [`verdict_of_the_log`].
pub(crate) fn verdict(creation: Creation) -> Option<Verdict> {
    match creation {
        Creation::Created => Some(Verdict::Committed),
        Creation::Taken => Some(Verdict::Stop),
        Creation::Uncertain => None,
    }
}

/// What follows for transaction `own` from what was read in its place.
pub(crate) fn verdict_of_the_log<Id: PartialEq>(own: &Id, found: &InPlace<Id>) -> Verdict {
    match found {
        // Seen is not synced: the failure may have been the sync's.
        InPlace::Record(there) if there == own => Verdict::CommittedOnceSynced,
        InPlace::Nothing => Verdict::NotCommitted,
        InPlace::Record(_) | InPlace::Unreadable => Verdict::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_settles_an_uncertain_creation() {
        assert_eq!(verdict(Creation::Uncertain), None);
        assert_eq!(verdict_of_the_log(&1, &InPlace::Record(1)), Verdict::CommittedOnceSynced);
        assert_eq!(verdict_of_the_log(&1, &InPlace::Nothing), Verdict::NotCommitted);
        assert_eq!(verdict_of_the_log(&1, &InPlace::Record(2)), Verdict::Stop);
        assert_eq!(verdict_of_the_log(&1, &InPlace::Unreadable), Verdict::Stop);
    }
}
