//! Beginning, ending and going back: what the statements about transactions do to a session.

use std::sync::Arc;

use chrono::Utc;
use slipstream_engine::change::Changes;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};

use super::command::Mode;
use super::{Ended, SharedWork, TransactionCommand};
use crate::session::{Execution, Inner};
use crate::settings::Modes;

/// Carries out a statement about transactions.
pub(crate) async fn run(session: &Inner, command: &TransactionCommand) -> Result<Execution> {
    let tag = match command {
        TransactionCommand::Begin(modes, tag) => {
            session.begin(modes)?;
            *tag
        }
        TransactionCommand::Commit { chain } => session.end(true, *chain).await?,
        TransactionCommand::Rollback { chain } => session.end(false, *chain).await?,
        TransactionCommand::Savepoint(name) => {
            session.savepoint(name).await?;
            "SAVEPOINT"
        }
        TransactionCommand::RollbackTo(name) => {
            session.rollback_to(name).await?;
            "ROLLBACK"
        }
        TransactionCommand::Release(name) => {
            let number = session.transaction().lock().release(name)?;
            session.settings().release_savepoint(number);
            session.cursors().release_savepoint(number);
            "RELEASE"
        }
        TransactionCommand::Set(modes) => {
            session.warn_outside_block("SET TRANSACTION");
            session.set_modes("transaction", modes)?;
            "SET"
        }
        TransactionCommand::SetDefault(modes) => {
            session.set_modes("default_transaction", modes)?;
            "SET"
        }
        TransactionCommand::SetSnapshot(snapshot) => {
            session.import_snapshot(snapshot).await?;
            "SET"
        }
        TransactionCommand::SetConstraints(None) => {
            session.warn_outside_block("SET CONSTRAINTS");
            // All are checked at the end of each statement, and none is one that could be checked later.
            "SET CONSTRAINTS"
        }
        TransactionCommand::SetConstraints(Some(name)) => {
            let message = format!("constraint \"{name}\" is not deferrable");
            return Err(Error::new(ErrorKind::WrongObjectType, message));
        }
        TransactionCommand::Prepare => session.prepare_transaction().await?,
        TransactionCommand::Prepared(what) => {
            session.transaction().lock().check_alone(what)?;
            return Err(Error::not_supported(format!("{what} is not supported yet")));
        }
    };
    Ok(Execution::Done(tag.to_string()))
}

impl Inner {
    /// Opens a block that the client has not begun, unless one is open.
    pub(crate) fn begin_implicit(&self) {
        if !self.in_block() {
            self.open_block(true, None);
        }
    }

    /// Commits the block that the client has not begun, if one is open.
    pub(crate) async fn end_implicit(&self) -> Result<()> {
        let work = self.transaction().lock().end_implicit();
        match work {
            Some(work) => self.close(Ended { work: Some(work), commit: true, warning: None }).await,
            None => Ok(()),
        }
    }

    /// Whether statements belong to a block. One that does not is a transaction by itself.
    pub(crate) fn in_block(&self) -> bool {
        self.transaction().lock().in_block()
    }

    /// Where a finished statement's changes go: into the open block, or else they are committed at once. Errors leave
    /// nothing of them behind; `40001` outside a block means that the statement may run again.
    ///
    /// A commit that has begun is waited for, whoever cancels the statement.
    pub(crate) async fn finish_write(&self, view: &ReadView, changes: Changes) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let work = self.transaction().lock().work();
        let Some(work) = work else {
            if !self.has_turn() {
                self.database().let_others_finish().await;
            }
            return self.uninterrupted(self.database().commit(view, changes)).await.map(drop);
        };
        match work.lock().await.as_mut() {
            Some(transaction) => transaction.apply(changes).await,
            None => Err(gone()),
        }
    }

    /// The work of a statement by itself that runs in parts.
    pub(crate) fn own_work(&self) -> SharedWork {
        Arc::new(tokio::sync::Mutex::new(Some(self.database().begin())))
    }

    /// Commits such work.
    pub(crate) async fn finish_own(&self, work: SharedWork) -> Result<()> {
        let Some(transaction) = work.lock().await.take() else { return Err(gone()) };
        if !self.has_turn() {
            self.database().let_others_finish().await;
        }
        self.uninterrupted(transaction.commit()).await.map(drop)
    }

    /// What a statement reads: in a block, its snapshot and its own changes.
    pub(crate) async fn view(&self, graphs: &[String]) -> Result<ReadView> {
        let view = self.taken_view(graphs).await?;
        self.note_reading(&view);
        Ok(view)
    }

    async fn taken_view(&self, graphs: &[String]) -> Result<ReadView> {
        if let Some(past) = self.as_of().await? {
            self.settings().note_query();
            return Ok(past);
        }
        let work = self.transaction().lock().work();
        let Some(work) = work else { return self.database().read_view(graphs).await };
        self.settings().note_query();
        match work.lock().await.as_mut() {
            Some(transaction) => transaction.view(graphs).await,
            None => Err(gone()),
        }
    }

    /// The warning for a statement that has no effect outside a block.
    pub(crate) fn warn_outside_block(&self, what: &str) {
        if !self.in_block() {
            let message = format!("{what} can only be used in transaction blocks");
            self.warn(Some(Error::new(ErrorKind::NoActiveTransaction, message)));
        }
    }

    /// BEGIN. Where its modes are refused, no block is left open that it would have begun.
    fn begin(&self, modes: &[Mode]) -> Result<()> {
        let begins = {
            let transaction = self.transaction().lock();
            !transaction.in_block() || transaction.is_implicit()
        };
        if self.in_block() {
            let warning = self.transaction().lock().begin_again();
            self.warn(warning);
        } else {
            self.open_block(false, None);
        }
        let set = self.set_modes("transaction", modes);
        if begins && set.is_err() {
            self.transaction().lock().abandon();
            self.end_transaction(false);
        }
        set
    }

    fn open_block(&self, implicit: bool, modes: Option<Modes>) {
        self.settings().begin_transaction(modes);
        self.transaction().lock().begin(implicit, Utc::now(), self.database().begin());
    }

    fn set_modes(&self, prefix: &str, modes: &[Mode]) -> Result<()> {
        modes
            .iter()
            .try_for_each(|(mode, value)| self.settings().assign(&format!("{prefix}_{mode}"), value, false).map(drop))
    }

    /// COMMIT or ROLLBACK; gives the tag.
    async fn end(&self, commit: bool, chain: bool) -> Result<&'static str> {
        let mut ended = self.transaction().lock().end(commit, chain)?;
        self.warn(ended.warning.take());
        let tag = if ended.commit { "COMMIT" } else { "ROLLBACK" };
        let modes = chain.then(|| self.settings().modes());
        self.close(ended).await?;
        if let Some(modes) = modes {
            self.open_block(false, Some(modes));
        }
        Ok(tag)
    }

    /// PREPARE TRANSACTION, which ends the block as Postgres does where it has none of these: with an error, or in a failed
    /// block as ROLLBACK would.
    async fn prepare_transaction(&self) -> Result<&'static str> {
        if self.transaction().lock().check_usable().is_err() {
            return self.end(false, false).await;
        }
        self.transaction().lock().abandon();
        self.end_transaction(false);
        Err(Error::not_supported("PREPARE TRANSACTION is not supported yet"))
    }

    /// Commits or forgets what a closed block did.
    async fn close(&self, ended: Ended) -> Result<()> {
        let work = match &ended.work {
            Some(work) => work.lock().await.take(),
            None => None,
        };
        let outcome = match work {
            Some(transaction) if ended.commit => self.uninterrupted(transaction.commit()).await.map(drop),
            Some(_) | None => Ok(()),
        };
        self.end_transaction(ended.commit && outcome.is_ok());
        outcome
    }

    /// What ends with a transaction besides its changes.
    pub(crate) fn end_transaction(&self, committed: bool) {
        self.settings().end_transaction(committed);
        self.cursors().end_transaction(committed);
    }

    async fn savepoint(&self, name: &str) -> Result<()> {
        self.transaction().lock().require_block("SAVEPOINT")?;
        let work = self.transaction().lock().work();
        let mark = match &work {
            Some(work) => work.lock().await.as_ref().map(|transaction| transaction.savepoint()),
            None => None,
        };
        self.transaction().lock().savepoint(name, mark.ok_or_else(gone)?)?;
        self.settings().savepoint();
        Ok(())
    }

    async fn rollback_to(&self, name: &str) -> Result<()> {
        let (work, (number, mark)) = {
            let mut transaction = self.transaction().lock();
            let back = transaction.rollback_to(name)?;
            (transaction.work(), back)
        };
        if let Some(work) = work
            && let Some(transaction) = work.lock().await.as_mut()
        {
            transaction.rollback_to(&mark);
        }
        self.settings().rollback_to_savepoint(number);
        self.cursors().rollback_to_savepoint(number);
        Ok(())
    }
}

/// A block whose work is gone takes no statements, so this is never seen.
fn gone() -> Error {
    Error::internal("a statement ran in a transaction block that has ended")
}
