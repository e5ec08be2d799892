//! The transaction block of a session.
//!
//! A block reads one snapshot, taken at its first statement, with its own changes over it. A statement's changes become the
//! block's when the statement ends (`engine::Transaction::apply`), and are committed together. What begins and ends one:
//!
//! * BEGIN opens a block; COMMIT and ROLLBACK end it. An error fails it: it is undone, and only COMMIT (which answers
//!   ROLLBACK), ROLLBACK and ROLLBACK TO are heard (`25P02`).
//! * Several statements in one message of the simple protocol, or before one Sync of the extended protocol, share an
//!   *implicit* block: the wire opens it ([`Session::begin_implicit`]) and commits it ([`Session::end_implicit`]), and an
//!   error ends it. BEGIN makes it an explicit one, with what was done so far; COMMIT and ROLLBACK end it with a warning,
//!   as the client has begun nothing.
//! * A statement alone has no block. It reads the newest snapshot and commits by itself, again when somebody else was first
//!   ([`crate::attempts::Attempts`]), and its rows may stream. `Inner::finish_write` tells the two apart.
//!
//! A savepoint is the engine's state, and the settings, to come back to. ROLLBACK TO works in a failed block too, and
//! mends it. Settings follow: what SET did goes back with the block or to the savepoint ([`crate::settings`]).
//!
//! [`Transaction`] is the state alone and decides; `control` carries out. COMMIT closes the block before the engine is
//! asked, so that no failure leaves it half open. From there the commit runs in the engine's own task and is not interrupted:
//! a client that cancels or goes away hears nothing, but what it committed stays. A session that ends, ends its block.
//!
//! [`Session::begin_implicit`]: crate::Session::begin_implicit
//! [`Session::end_implicit`]: crate::Session::end_implicit

mod command;
mod control;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use slipstream_engine::{Error, ErrorKind, Result, Savepoint as Mark, Transaction as Work};

pub(crate) use command::TransactionCommand;
pub(crate) use control::run;

/// Where a session stands, as ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block that the client has begun.
    Idle,
    /// Inside one.
    Active,
    /// Inside one that has failed.
    Failed,
}

/// The changes of a block; `None` once it has ended, or has failed for good. Held while a statement takes its view or
/// applies its changes.
pub(crate) type SharedWork = Arc<tokio::sync::Mutex<Option<Work>>>;

/// The block of a session.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    block: Option<Block>,
}

/// An open block.
#[derive(Debug)]
struct Block {
    /// What `now()` means in it.
    started: DateTime<Utc>,
    /// Whether no BEGIN has been heard.
    implicit: bool,
    failed: bool,
    savepoints: Vec<Savepoint>,
    work: SharedWork,
}

/// A place to come back to.
#[derive(Debug)]
struct Savepoint {
    name: String,
    mark: Mark,
}

/// A block that has been closed.
pub(crate) struct Ended {
    /// What it did.
    pub(crate) work: Option<SharedWork>,
    /// Whether that is to be kept.
    pub(crate) commit: bool,
    /// What the client is told besides.
    pub(crate) warning: Option<Error>,
}

impl Transaction {
    pub(crate) fn status(&self) -> TransactionStatus {
        match &self.block {
            Some(block) if block.failed => TransactionStatus::Failed,
            Some(block) if !block.implicit => TransactionStatus::Active,
            Some(_) | None => TransactionStatus::Idle,
        }
    }

    /// Whether a block is open, one that the client has not begun included.
    pub(crate) fn in_block(&self) -> bool {
        self.block.is_some()
    }

    /// Whether the open block is one that the client has not begun.
    pub(crate) fn is_implicit(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.implicit)
    }

    /// When the open block began.
    pub(crate) fn started(&self) -> Option<DateTime<Utc>> {
        self.block.as_ref().map(|block| block.started)
    }

    /// What the statements of the open block read and write, unless there is none.
    pub(crate) fn work(&self) -> Option<SharedWork> {
        self.block.as_ref().map(|block| Arc::clone(&block.work))
    }

    /// Opens a block over `work`.
    pub(crate) fn begin(&mut self, implicit: bool, now: DateTime<Utc>, work: Work) {
        let work = Arc::new(tokio::sync::Mutex::new(Some(work)));
        self.block = Some(Block { started: now, implicit, failed: false, savepoints: Vec::new(), work });
    }

    /// BEGIN where a block is open: an implicit one becomes the client's own; otherwise there is a warning to give.
    pub(crate) fn begin_again(&mut self) -> Option<Error> {
        let block = self.block.as_mut()?;
        if std::mem::take(&mut block.implicit) {
            return None;
        }
        Some(Error::new(ErrorKind::ActiveTransaction, "there is already a transaction in progress"))
    }

    /// Closes the block for COMMIT or ROLLBACK. A failed one is never kept. Without one that the client has begun there is a
    /// warning, or with AND CHAIN an error.
    pub(crate) fn end(&mut self, commit: bool, chain: bool) -> Result<Ended> {
        let begun = self.block.as_ref().is_some_and(|block| !block.implicit);
        if chain && !begun {
            let what = if commit { "COMMIT AND CHAIN" } else { "ROLLBACK AND CHAIN" };
            return Err(outside(what));
        }
        let warning =
            (!begun).then(|| Error::new(ErrorKind::NoActiveTransaction, "there is no transaction in progress"));
        Ok(match self.block.take() {
            Some(block) => Ended { commit: commit && !block.failed, work: Some(block.work), warning },
            None => Ended { commit, work: None, warning },
        })
    }

    /// Closes an implicit block that has come to its end.
    pub(crate) fn end_implicit(&mut self) -> Option<SharedWork> {
        self.block.take_if(|block| block.implicit).map(|block| block.work)
    }

    /// Forgets the block.
    pub(crate) fn abandon(&mut self) {
        self.block = None;
    }

    /// Notes that a statement has failed. Returns whether that has ended the block.
    pub(crate) fn fail(&mut self) -> bool {
        if self.block.take_if(|block| block.implicit).is_some() {
            return true;
        }
        if let Some(block) = &mut self.block {
            block.failed = true;
            if block.savepoints.is_empty()
                && let Ok(mut work) = block.work.try_lock()
            {
                // Nothing can bring it back.
                *work = None;
            }
        }
        false
    }

    /// How many savepoints there are.
    pub(crate) fn savepoints(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.savepoints.len())
    }

    /// Defines a savepoint.
    pub(crate) fn savepoint(&mut self, name: &str, mark: Mark) -> Result<()> {
        self.explicit("SAVEPOINT")?.savepoints.push(Savepoint { name: name.to_string(), mark });
        Ok(())
    }

    /// Goes back to the youngest savepoint of a name, which stays; those after it go. Gives its number, from 0, and the
    /// state to restore.
    pub(crate) fn rollback_to(&mut self, name: &str) -> Result<(usize, Mark)> {
        let block = self.explicit("ROLLBACK TO SAVEPOINT")?;
        let number = block.find(name)?;
        block.savepoints.truncate(number + 1);
        block.failed = false;
        Ok((number, block.savepoints[number].mark.clone()))
    }

    /// Forgets the youngest savepoint of a name and those after it. Gives its number, from 0.
    pub(crate) fn release(&mut self, name: &str) -> Result<usize> {
        let block = self.explicit("RELEASE SAVEPOINT")?;
        let number = block.find(name)?;
        block.savepoints.truncate(number);
        Ok(number)
    }

    /// `25P01` for a statement that makes sense only in a block that the client has begun.
    pub(crate) fn require_block(&mut self, what: &str) -> Result<()> {
        self.explicit(what).map(drop)
    }

    fn explicit(&mut self, what: &str) -> Result<&mut Block> {
        self.block.as_mut().filter(|block| !block.implicit).ok_or_else(|| outside(what))
    }

    /// `25P02` in a failed block.
    pub(crate) fn check_usable(&self) -> Result<()> {
        match self.status() {
            TransactionStatus::Failed => Err(Error::new(
                ErrorKind::FailedTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            TransactionStatus::Idle | TransactionStatus::Active => Ok(()),
        }
    }

    /// `25001` for a statement that cannot be undone.
    pub(crate) fn check_alone(&self, what: &str) -> Result<()> {
        if !self.in_block() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::ActiveTransaction, format!("{what} cannot run inside a transaction block")))
    }
}

impl Block {
    fn find(&self, name: &str) -> Result<usize> {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        found.ok_or_else(|| Error::new(ErrorKind::UndefinedSavepoint, format!("savepoint \"{name}\" does not exist")))
    }
}

fn outside(what: &str) -> Error {
    Error::new(ErrorKind::NoActiveTransaction, format!("{what} can only be used in transaction blocks"))
}
