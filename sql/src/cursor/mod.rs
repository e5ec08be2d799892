//! Cursors: queries whose rows are asked for some at a time.
//!
//! DECLARE plans its query and starts it on the snapshot that the transaction reads; FETCH takes the next rows of the stream,
//! which waits in between. So a cursor costs what its plan holds, however long its result. It goes forward only.
//!
//! A cursor ends with its transaction unless it is declared WITH HOLD. One that is held goes on reading the snapshot that it
//! began with; Postgres copies its rows at COMMIT instead, which comes to the same.

mod parse;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use parking_lot::Mutex;
use slipstream_engine::{Error, ErrorKind, Result};

pub(crate) use parse::{Command, parse};

use self::parse::{Declare, Fetch};
use self::rows::{FetchedRows, State};
use crate::error::from_datafusion;
use crate::execute;
use crate::interrupt::{Interrupt, Rows};
use crate::prepare::Kind;
use crate::session::{Execution, Inner};
use crate::types::ClientType;

/// The cursors of a session, by name.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<HashMap<String, Arc<Cursor>>>);

/// A query on its way.
pub(crate) struct Cursor {
    schema: SchemaRef,
    hold: bool,
    /// Whether the transaction that declared it is still open.
    fresh: AtomicBool,
    /// How many savepoints of that transaction it came after.
    savepoints: AtomicUsize,
    state: Mutex<State>,
}

impl Cursors {
    /// The columns of a cursor, if there is one of that name.
    pub(crate) fn schema(&self, name: &str) -> Option<SchemaRef> {
        self.0.lock().get(name).map(|cursor| Arc::clone(&cursor.schema))
    }

    /// Closes the cursors that do not outlive a transaction that ends.
    pub(crate) fn end_transaction(&self, committed: bool) {
        self.0.lock().retain(|_, cursor| {
            let fresh = cursor.fresh.swap(false, Ordering::Relaxed);
            cursor.savepoints.store(0, Ordering::Relaxed);
            cursor.hold && (committed || !fresh)
        });
    }

    /// Closes the cursors that were declared after a savepoint. Savepoints are counted from 0, the oldest.
    pub(crate) fn rollback_to_savepoint(&self, number: usize) {
        self.0.lock().retain(|_, cursor| cursor.savepoints.load(Ordering::Relaxed) <= number);
    }

    /// Leaves the cursors that were declared after a savepoint to what is around it.
    pub(crate) fn release_savepoint(&self, number: usize) {
        for cursor in self.0.lock().values() {
            cursor.savepoints.fetch_min(number, Ordering::Relaxed);
        }
    }

    /// Closes a cursor. Says whether there was one.
    pub(crate) fn close(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }

    /// Closes all cursors.
    pub(crate) fn close_all(&self) {
        self.0.lock().clear();
    }

    fn get(&self, name: &str) -> Result<Arc<Cursor>> {
        self.0.lock().get(name).cloned().ok_or_else(|| undefined(name))
    }

    fn check_free(&self, name: &str) -> Result<()> {
        match self.0.lock().contains_key(name) {
            true => Err(Error::new(ErrorKind::DuplicateCursor, format!("cursor \"{name}\" already exists"))),
            false => Ok(()),
        }
    }
}

/// `34000`
pub(crate) fn undefined(name: &str) -> Error {
    Error::new(ErrorKind::UndefinedCursor, format!("cursor \"{name}\" does not exist"))
}

/// The columns that a command returns; `None` for one that returns no rows.
pub(crate) fn fields(session: &Inner, command: &Command) -> Result<Option<SchemaRef>> {
    match command {
        Command::Fetch(Fetch { name, moving: false, .. }) => {
            session.cursors().schema(name).map(Some).ok_or_else(|| undefined(name))
        }
        Command::Fetch(_) | Command::Declare(_) | Command::Close(_) => Ok(None),
    }
}

/// Carries out a command.
pub(crate) async fn run(
    session: &Arc<Inner>,
    command: &Command,
    declared: &[Option<ClientType>],
    parameters: &[ScalarValue],
    interrupt: Interrupt,
) -> Result<Execution> {
    match command {
        Command::Declare(declare) => self::declare(session, declare, declared, parameters).await,
        Command::Fetch(fetch) => self::fetch(session, fetch, interrupt).await,
        Command::Close(None) => {
            session.cursors().close_all();
            Ok(Execution::Done("CLOSE CURSOR ALL".to_string()))
        }
        Command::Close(Some(name)) => match session.cursors().close(name) {
            true => Ok(Execution::Done("CLOSE CURSOR".to_string())),
            false => Err(undefined(name)),
        },
    }
}

async fn declare(
    session: &Arc<Inner>,
    declare: &Declare,
    declared: &[Option<ClientType>],
    parameters: &[ScalarValue],
) -> Result<Execution> {
    let in_block = session.in_block();
    if !declare.hold && !in_block {
        let message = "DECLARE CURSOR can only be used in transaction blocks";
        return Err(Error::new(ErrorKind::NoActiveTransaction, message));
    }
    session.cursors().check_free(&declare.name)?;
    let prepared = session.prepare(&declare.query, declared).await?;
    let query = prepared.planned().filter(|planned| matches!(planned.kind, Kind::Query { .. }));
    if query.as_ref().is_some_and(|planned| matches!(planned.kind, Kind::Query { locks: true })) {
        return Err(Error::not_supported("a cursor over SELECT FOR UPDATE or FOR SHARE is not supported yet"));
    }
    let (Some(_), Some(schema)) = (query, prepared.fields().cloned()) else {
        return Err(Error::new(ErrorKind::Syntax, "DECLARE CURSOR takes a query"));
    };
    let state = State::at_start(execute::open(session, &prepared, parameters).await?);
    let cursor = Cursor {
        schema,
        hold: declare.hold,
        fresh: AtomicBool::new(in_block),
        savepoints: AtomicUsize::new(session.transaction().lock().savepoints()),
        state: Mutex::new(state),
    };
    session.cursors().0.lock().insert(declare.name.clone(), Arc::new(cursor));
    Ok(Execution::Done("DECLARE CURSOR".to_string()))
}

async fn fetch(session: &Arc<Inner>, fetch: &Fetch, interrupt: Interrupt) -> Result<Execution> {
    let cursor = session.cursors().get(&fetch.name)?;
    let schema = Arc::clone(&cursor.schema);
    let rows = FetchedRows::take(cursor, fetch.count).ok_or_else(|| {
        Error::new(ErrorKind::Locked, format!("cursor \"{}\" is being used, or has failed", fetch.name))
    })?;
    let failing = Arc::clone(session);
    let mut rows = Rows::stream(Box::pin(rows), Arc::clone(&schema), interrupt, Box::new(move || failing.fail()));
    if !fetch.moving {
        return Ok(Execution::Rows { schema, stream: rows, tag: "FETCH" });
    }
    let mut passed = 0;
    while let Some(batch) = rows.next().await {
        passed += batch.map_err(from_datafusion)?.num_rows();
    }
    Ok(Execution::Done(format!("MOVE {passed}")))
}
