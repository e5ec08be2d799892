//! The steps of a commit and of a recovery, as data.

/// The steps of a commit, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitStep {
    /// Conflicts and constraints, against the head.
    Check,
    /// Lance files, written and not yet part of any version.
    StageTables,
    /// Graph changes, in an open write transaction of each index.
    StageGraph,
    /// The commit point: files synced, then the record created.
    WriteRecord,
    /// Each staged write becomes exactly the version that the record names.
    CommitTables,
    /// The indexes commit; one that fails is brought forward from Lance.
    CommitGraph,
    /// The next snapshot that readers get is this one.
    Publish,
    /// The version-map event. Nobody listens yet; the commit log is its outbox.
    Announce,
}

impl CommitStep {
    /// Every step in order.
    pub const ALL: [CommitStep; 8] = [
        CommitStep::Check,
        CommitStep::StageTables,
        CommitStep::StageGraph,
        CommitStep::WriteRecord,
        CommitStep::CommitTables,
        CommitStep::CommitGraph,
        CommitStep::Publish,
        CommitStep::Announce,
    ];
}

/// The steps of recovery, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoveryStep {
    /// The newest record is synced, where a power cut could still take it: nothing that is built on it may outlive it.
    SyncRecord,
    /// Tables below the newest record's versions are redone.
    RedoTables,
    /// A record with a new epoch is created.
    TakeEpoch,
    /// Graph indexes are opened and brought to the snapshot.
    BringGraphs,
}

impl RecoveryStep {
    /// Every step in order.
    pub const ALL: [RecoveryStep; 4] =
        [RecoveryStep::SyncRecord, RecoveryStep::RedoTables, RecoveryStep::TakeEpoch, RecoveryStep::BringGraphs];
}
