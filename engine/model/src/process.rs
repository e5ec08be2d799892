//! A process that writes, or wants to: what it remembers, and its graph index, which outlives it.

use super::disk::{Disk, Record};
use super::kernel::creation::RecordStep;
use super::kernel::place::Place;
use super::kernel::steps::{CommitStep, RecoveryStep};
use super::{ROWS, Set, TABLES, Versions};

/// A process and the index beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) phase: Phase,
    pub(crate) index: Index,
}

/// What a graph index says of itself, and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Index {
    pub(crate) standing: Option<Versions>,
    pub(crate) rows: [Set; TABLES],
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    #[default]
    Down,
    Recovering(Recovering),
    Up(Up),
}

/// A recovery on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recovering {
    pub(crate) opening: u8,
    /// The newest record when it began.
    pub(crate) newest: u64,
    /// The place of its own record, once it is there.
    pub(crate) place: Option<Place>,
    pub(crate) at: Stage,
}

/// What recovery does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// A step that is one here.
    Step(RecoveryStep),
    /// A table of [`RecoveryStep::RedoTables`].
    Table(usize),
    /// What was made of it, or found, is synced.
    SyncTable(usize),
    /// The rest of [`RecoveryStep::BringGraphs`] where the index is filled anew.
    FillGraph,
}

impl Stage {
    /// What recovery begins with.
    pub(crate) fn first() -> Stage {
        Stage::start_of(RecoveryStep::ALL[0])
    }

    fn start_of(step: RecoveryStep) -> Stage {
        match step {
            RecoveryStep::RedoTables => Stage::Table(0),
            step => Stage::Step(step),
        }
    }

    /// What comes next; `None` where the writer is open.
    pub(crate) fn next(self) -> Option<Stage> {
        let after = |step: RecoveryStep| {
            let at = RecoveryStep::ALL.iter().position(|other| *other == step)?;
            RecoveryStep::ALL.get(at + 1).copied().map(Stage::start_of)
        };
        match self {
            Stage::Step(step) => after(step),
            Stage::Table(table) | Stage::SyncTable(table) if table + 1 < TABLES => Some(Stage::Table(table + 1)),
            Stage::Table(_) | Stage::SyncTable(_) => after(RecoveryStep::RedoTables),
            Stage::FillGraph => after(RecoveryStep::BringGraphs),
        }
    }
}

/// A writer that is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Up {
    pub(crate) opening: u8,
    pub(crate) head: Place,
    pub(crate) versions: Versions,
    pub(crate) time: u64,
    /// The newest commit that wrote a row, and up to where nothing is known.
    pub(crate) written: [[u64; ROWS]; TABLES],
    pub(crate) horizon: u64,
    /// Tables whose newest version is not synced.
    pub(crate) unsynced: [bool; TABLES],
    pub(crate) waiting: Vec<usize>,
    pub(crate) running: Option<Commit>,
    pub(crate) unfinished: Option<Commit>,
    pub(crate) stopped: Option<Stopped>,
}

/// Why a writer writes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stopped {
    /// Its place in the log was taken.
    Replaced,
    /// It cannot tell whether its record is there.
    Unsure,
}

/// A commit on its way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub(crate) at: At,
    pub(crate) seq: u64,
    pub(crate) record: Record,
    /// Whether its changes wait in the index.
    pub(crate) in_graph: bool,
    /// Whether its record was found by reading the log.
    pub(crate) read_back: bool,
    /// Whether its clients have been told already that something went wrong.
    pub(crate) told: bool,
}

/// What a commit does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// A step that is one here.
    Step(CommitStep),
    /// A part of [`CommitStep::WriteRecord`].
    Record(RecordStep),
    /// The end of it where the creation failed.
    ReadBack,
    /// A table of [`CommitStep::CommitTables`].
    Table(usize),
    /// The rest of [`CommitStep::CommitGraph`] where the index is filled anew.
    FillGraph,
}

impl At {
    /// Where a step begins.
    pub(crate) fn start_of(step: CommitStep) -> At {
        match step {
            CommitStep::WriteRecord => At::Record(RecordStep::ALL[0]),
            CommitStep::CommitTables => At::Table(0),
            step => At::Step(step),
        }
    }

    /// What comes next where nothing goes wrong; `None` at the end.
    pub(crate) fn next(self) -> Option<At> {
        let after = |step: CommitStep| {
            let at = CommitStep::ALL.iter().position(|other| *other == step)?;
            CommitStep::ALL.get(at + 1).copied().map(At::start_of)
        };
        match self {
            At::Step(step) => after(step),
            At::Record(step) => {
                let at = RecordStep::ALL.iter().position(|other| *other == step)?;
                RecordStep::ALL
                    .get(at + 1)
                    .map_or_else(|| after(CommitStep::WriteRecord), |next| Some(At::Record(*next)))
            }
            At::ReadBack => after(CommitStep::WriteRecord),
            At::Table(table) if table + 1 < TABLES => Some(At::Table(table + 1)),
            At::Table(_) => after(CommitStep::CommitTables),
            At::FillGraph => after(CommitStep::CommitGraph),
        }
    }
}

impl Process {
    pub(crate) fn up(&self) -> Option<&Up> {
        match &self.phase {
            Phase::Up(up) => Some(up),
            _ => None,
        }
    }
}

impl Index {
    /// Filled with the rows of `versions`; `None` where they are not all there.
    pub(crate) fn of(disk: &Disk, versions: Versions) -> Option<Index> {
        let mut rows = [0; TABLES];
        for (table, rows) in rows.iter_mut().enumerate() {
            *rows = disk.version(table, versions[table])?.rows;
        }
        Some(Index { standing: Some(versions), rows })
    }
}
