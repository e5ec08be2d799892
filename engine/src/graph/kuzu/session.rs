//! One Kuzu connection, its prepared statements and its open results: what a thread of the index owns.
//!
//! Neither a prepared statement nor a result may move to another thread, so work comes to the session (see
//! [`threads`](super::threads)) and only Arrow batches leave it.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use kuzu::{Connection, Database, PreparedStatement, QueryResult, Value};

use super::errors::classify;
use super::{bridge, statements};
use crate::catalog::TableId;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::index::{LONGEST_PATH, Standing};

/// Prepared statements kept; one more, and all are dropped.
const MAX_STATEMENTS: usize = 512;

/// What is in the text of a statement that holds memory for as long as it is kept: tables for groups, for sorting, for the
/// paths of a search. It comes from the buffer pool, a megabyte or more for each, and is given back with the statement only.
const HOLDING_MEMORY: [&str; 11] = [
    "UNWIND ",
    "DISTINCT ",
    "ORDER BY ",
    "* TRAIL ",
    "SHORTEST ",
    "count(",
    "sum(",
    "avg(",
    "min(",
    "max(",
    "collect(",
];

/// The table name of the row that says whether the index is complete: its `lance_version` is [`COMPLETE`] or [`BEHIND`].
const STATE: &str = "";
const COMPLETE: i64 = 1;
const BEHIND: i64 = 0;

/// A connection that finds paths as long as there are; from the start Kuzu refuses to look for more than 30 hops.
pub(super) fn connect(database: &Database) -> Result<Connection<'_>, kuzu::Error> {
    let connection = Connection::new(database)?;
    connection.query(&format!("CALL var_length_extend_max_depth={LONGEST_PATH}"))?;
    Ok(connection)
}

/// A connection and what lives on it.
pub(super) struct Session<'s, 'db> {
    database: &'db Database,
    connection: &'s Connection<'db>,
    statements: HashMap<String, PreparedStatement>,
    results: HashMap<u64, QueryResult<'db>>,
    next_result: u64,
    in_transaction: bool,
}

/// A piece of a result.
pub(super) struct Piece {
    /// Rows; `None` where the result is empty.
    pub(super) batch: Option<RecordBatch>,
    /// The result that has more of them.
    pub(super) more: Option<u64>,
}

impl<'s, 'db> Session<'s, 'db> {
    /// A session on a connection to `database`.
    pub(super) fn new(database: &'db Database, connection: &'s Connection<'db>) -> Self {
        Session {
            database,
            connection,
            statements: HashMap::new(),
            results: HashMap::new(),
            next_result: 0,
            in_transaction: false,
        }
    }

    /// Runs a prepared statement. After an error no transaction is open.
    pub(super) fn execute(&mut self, text: &str, parameters: Vec<(&str, Value)>) -> Result<QueryResult<'db>> {
        let answer = match HOLDING_MEMORY.iter().any(|words| text.contains(words)) {
            true => {
                let connection = self.connection;
                connection.prepare(text).and_then(|mut statement| connection.execute(&mut statement, parameters))
            }
            false => self.prepared(text).and_then(|(connection, statement)| connection.execute(statement, parameters)),
        };
        answer.map_err(|error| self.failed(&error))
    }

    /// Runs a statement that is not worth keeping.
    pub(super) fn run(&mut self, text: &str) -> Result<QueryResult<'db>> {
        self.connection.query(text).map_err(|error| self.failed(&error))
    }

    /// The connection, for calls that are not statements.
    pub(super) fn connection(&self) -> &'s Connection<'db> {
        self.connection
    }

    fn prepared(&mut self, text: &str) -> Result<(&'s Connection<'db>, &mut PreparedStatement), kuzu::Error> {
        if !self.statements.contains_key(text) {
            if self.statements.len() >= MAX_STATEMENTS {
                self.statements.clear();
            }
            self.statements.insert(text.to_string(), self.connection.prepare(text)?);
        }
        Ok((self.connection, self.statements.get_mut(text).expect("it has just been put there")))
    }

    /// Kuzu rolls a transaction back at most errors, and then lets the next statement commit by itself. So that there is one
    /// rule, every error ends the transaction.
    fn failed(&mut self, error: &kuzu::Error) -> Error {
        self.rollback();
        classify("running a statement", error)
    }

    /// Begins a write transaction.
    pub(super) fn begin_write(&mut self) -> Result<()> {
        self.begin(statements::BEGIN_WRITE)
    }

    /// Begins a read transaction.
    pub(super) fn begin_read(&mut self) -> Result<()> {
        self.begin(statements::BEGIN_READ)
    }

    fn begin(&mut self, statement: &str) -> Result<()> {
        self.rollback();
        self.execute(statement, Vec::new())?;
        self.in_transaction = true;
        Ok(())
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Commits the open transaction.
    pub(super) fn commit(&mut self) -> Result<()> {
        if !self.in_transaction {
            return Err(Error::storage("the transaction of the graph index has ended"));
        }
        self.execute(statements::COMMIT, Vec::new())?;
        self.in_transaction = false;
        Ok(())
    }

    /// Rolls back the open transaction, if there is one.
    pub(super) fn rollback(&mut self) {
        if std::mem::take(&mut self.in_transaction)
            && let Err(error) = self.connection.query(statements::ROLLBACK)
        {
            tracing::debug!(%error, "the transaction had already ended");
        }
    }

    /// Ends a read transaction and closes its results.
    pub(super) fn end_read(&mut self) {
        self.results.clear();
        if self.in_transaction && self.commit().is_err() {
            tracing::debug!("a read transaction had already ended");
        }
    }

    /// Whether `text` can be planned. A connection of its own keeps a failure away from the open transaction.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        let checked = connect(self.database).and_then(|connection| connection.prepare(text).map(drop));
        checked.map_err(|error| classify("planning a statement", &error))
    }

    /// Takes the first `rows` rows of a result, or all if they are fewer, and keeps the rest.
    pub(super) fn first_piece(
        &mut self,
        mut result: QueryResult<'db>,
        schema: &SchemaRef,
        rows: usize,
    ) -> Result<Piece> {
        let total = usize::try_from(result.get_num_tuples()).unwrap_or(usize::MAX);
        if total == 0 {
            return Ok(Piece { batch: None, more: None });
        }
        let batch = next_rows(&mut result, schema, rows.min(total))?;
        if total <= rows {
            return Ok(Piece { batch, more: None });
        }
        self.next_result += 1;
        self.results.insert(self.next_result, result);
        Ok(Piece { batch, more: Some(self.next_result) })
    }

    /// Takes the next rows of a kept result.
    pub(super) fn next_piece(&mut self, id: u64, schema: &SchemaRef, rows: usize) -> Result<Piece> {
        let Some(result) = self.results.get_mut(&id) else {
            return Err(Error::new(ErrorKind::Cancelled, "the read transaction of the graph index has ended"));
        };
        let batch = next_rows(result, schema, rows)?;
        let more = batch.is_some().then_some(id);
        if more.is_none() {
            self.results.remove(&id);
        }
        Ok(Piece { batch, more })
    }

    /// Closes a kept result.
    pub(super) fn forget_result(&mut self, id: u64) {
        self.results.remove(&id);
    }

    /// Reads where the index stands in the open transaction; `None` where it is not complete.
    pub(super) fn read_standing(&mut self) -> Result<Option<Standing>> {
        let rows: Vec<_> = self.execute(&statements::read_standing(), Vec::new())?.collect();
        let mut rows_of_tables = Vec::new();
        let mut state = None;
        for row in rows {
            let [Value::String(table), Value::Int64(version), Value::Int64(seq)] = row.as_slice() else {
                return Err(Error::storage("the standing of the graph index is damaged"));
            };
            match table.as_str() {
                STATE => state = Some((*version, *seq)),
                table => rows_of_tables.push((parse_table(table)?, *version, *seq)),
            }
        }
        let Some((COMPLETE, seq)) = state else { return Ok(None) };
        // Rows of an older commit belong to tables that the graph no longer has.
        let versions = rows_of_tables.into_iter().filter(|(_, _, at)| *at == seq);
        Ok(Some(Standing {
            seq: seq as u64,
            versions: versions.map(|(table, version, _)| (table, version as u64)).collect(),
        }))
    }

    /// Writes where the index stands, in the open transaction.
    pub(super) fn write_standing(&mut self, standing: &Standing) -> Result<()> {
        for (table, version) in &standing.versions {
            self.write_standing_row(&table.to_string(), *version as i64, standing.seq as i64)?;
        }
        self.write_standing_row(STATE, COMPLETE, standing.seq as i64)
    }

    /// Says that the index is not complete, in a transaction of its own.
    pub(super) fn write_behind(&mut self) -> Result<()> {
        self.begin_write()?;
        self.write_standing_row(STATE, BEHIND, 0)?;
        self.commit()
    }

    fn write_standing_row(&mut self, table: &str, version: i64, seq: i64) -> Result<()> {
        let parameters =
            vec![("p0", Value::String(table.to_string())), ("p1", Value::Int64(version)), ("p2", Value::Int64(seq))];
        self.execute(&statements::write_standing(), parameters).map(drop)
    }
}

fn next_rows(result: &mut QueryResult<'_>, schema: &SchemaRef, rows: usize) -> Result<Option<RecordBatch>> {
    let mut batches = result.iter_arrow(rows).map_err(|error| classify("reading a result", &error))?;
    batches.next().map(|batch| bridge::import(batch, schema)).transpose()
}

fn parse_table(text: &str) -> Result<TableId> {
    uuid::Uuid::parse_str(text).map(TableId).map_err(|_| Error::storage("the standing of the graph index is damaged"))
}
