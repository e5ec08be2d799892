//! The transaction block of a session.
//!
//! BEGIN opens a block that reads one snapshot, taken at its first statement: every statement of it sees the same tables and
//! graphs. Writing inside a block is not there yet: it is `0A000`, and like every error it fails the block, after which only
//! COMMIT and ROLLBACK are heard (`25P02`). Outside a block each statement is a transaction of its own, those of a statement
//! list among them.

use chrono::{DateTime, Utc};
use slipstream_engine::ReadView;
use slipstream_engine::{Error, ErrorKind, Result};

/// Where a session stands, as ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// Inside one.
    Active,
    /// Inside one that has failed.
    Failed,
}

/// The block of a session.
#[derive(Debug, Default)]
pub(crate) enum Transaction {
    /// None is open.
    #[default]
    Idle,
    /// One is open.
    Active(Block),
    /// One is open and has failed.
    Failed,
}

/// An open block.
#[derive(Debug)]
pub(crate) struct Block {
    /// What `now()` means in it.
    started: DateTime<Utc>,
    /// What it reads, from its first statement on.
    view: Option<ReadView>,
}

impl Transaction {
    pub(crate) fn status(&self) -> TransactionStatus {
        match self {
            Transaction::Idle => TransactionStatus::Idle,
            Transaction::Active(_) => TransactionStatus::Active,
            Transaction::Failed => TransactionStatus::Failed,
        }
    }

    /// When the open block began.
    pub(crate) fn started(&self) -> Option<DateTime<Utc>> {
        match self {
            Transaction::Active(block) => Some(block.started),
            Transaction::Idle | Transaction::Failed => None,
        }
    }

    /// What the open block reads, once its first statement has taken it.
    pub(crate) fn view(&self) -> Option<ReadView> {
        match self {
            Transaction::Active(block) => block.view.clone(),
            Transaction::Idle | Transaction::Failed => None,
        }
    }

    /// Keeps what the first statement of the open block reads, for the others.
    pub(crate) fn keep_view(&mut self, view: &ReadView) {
        if let Transaction::Active(block) = self {
            block.view = Some(view.clone());
        }
    }

    /// Opens a block. Where one is open already nothing changes, and the warning is given back.
    pub(crate) fn begin(&mut self, now: DateTime<Utc>) -> Option<Error> {
        match self {
            Transaction::Idle => {
                *self = Transaction::Active(Block { started: now, view: None });
                None
            }
            Transaction::Active(_) | Transaction::Failed => {
                Some(Error::new(ErrorKind::ActiveTransaction, "there is already a transaction in progress"))
            }
        }
    }

    /// Ends the block and gives the tag: COMMIT of a failed block answers ROLLBACK. Without a block there is a warning.
    pub(crate) fn end(&mut self, commit: bool) -> (&'static str, Option<Error>) {
        let tag = match (&self, commit) {
            (Transaction::Failed, _) | (_, false) => "ROLLBACK",
            (Transaction::Idle | Transaction::Active(_), true) => "COMMIT",
        };
        let warning = matches!(self, Transaction::Idle)
            .then(|| Error::new(ErrorKind::NoActiveTransaction, "there is no transaction in progress"));
        *self = Transaction::Idle;
        (tag, warning)
    }

    /// Notes that a statement has failed.
    pub(crate) fn fail(&mut self) {
        if let Transaction::Active(_) = self {
            *self = Transaction::Failed;
        }
    }

    /// `25P02` in a failed block.
    pub(crate) fn check_usable(&self) -> Result<()> {
        match self {
            Transaction::Failed => Err(Error::new(
                ErrorKind::FailedTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            Transaction::Idle | Transaction::Active(_) => Ok(()),
        }
    }

    /// `0A000` inside a block.
    pub(crate) fn check_writable(&self) -> Result<()> {
        match self {
            Transaction::Idle => Ok(()),
            Transaction::Active(_) | Transaction::Failed => {
                Err(Error::not_supported("writing inside a transaction block is not supported yet")
                    .with_hint("Outside a block, every statement is a transaction of its own."))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commit_of_a_failed_block_answers_rollback() {
        let mut transaction = Transaction::default();
        assert!(transaction.begin(Utc::now()).is_none());
        transaction.check_writable().expect_err("reads only");
        transaction.fail();
        assert_eq!(transaction.status(), TransactionStatus::Failed);
        transaction.check_usable().expect_err("failed");
        assert_eq!(transaction.end(true).0, "ROLLBACK");
        assert_eq!(transaction.status(), TransactionStatus::Idle);
    }

    #[test]
    fn commit_without_a_block_warns() {
        let (tag, warning) = Transaction::default().end(true);
        assert_eq!((tag, warning.map(|error| error.kind())), ("COMMIT", Some(ErrorKind::NoActiveTransaction)));
    }
}
