//! The transactions that the model commits, and what their clients know.

use super::TABLES;

/// A transaction that changes one row of some tables.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) writes: [bool; TABLES],
    pub(crate) row: usize,
    /// Whether it cannot share a commit.
    pub(crate) alone: bool,
}

/// The first two want the same row of the first table; the third goes with either of them; the last must be alone.
pub(crate) const TRANSACTIONS: [Transaction; 4] = [
    Transaction { writes: [true, true], row: 0, alone: false },
    Transaction { writes: [true, false], row: 0, alone: false },
    Transaction { writes: [false, true], row: 1, alone: false },
    Transaction { writes: [true, false], row: 1, alone: true },
];

impl Transaction {
    pub(crate) fn tables(&self) -> impl Iterator<Item = usize> {
        (0..TABLES).filter(|table| self.writes[*table])
    }

    pub(crate) fn conflicts_with(&self, other: &Transaction) -> bool {
        self.row == other.row && self.tables().any(|table| other.writes[table])
    }
}

/// What a client knows of its transaction. `base` is the snapshot that it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// It has asked for nothing yet.
    Idle,
    /// It waits for an answer of the process of that opening.
    Waiting { base: u64, opening: u8 },
    /// It was told that the transaction is committed, as the record with that number and epoch.
    Acknowledged { base: u64, place: (u64, u64) },
    /// It was told that the transaction is not committed.
    Refused { base: u64 },
    /// It was told of an error that leaves it open, or nothing at all.
    Unknown { base: u64 },
}

impl Client {
    pub(crate) fn base(self) -> Option<u64> {
        match self {
            Client::Idle => None,
            Client::Waiting { base, .. }
            | Client::Acknowledged { base, .. }
            | Client::Refused { base }
            | Client::Unknown { base } => Some(base),
        }
    }
}
