//! A session: one client's statements, one at a time.
//!
//! [`Session`] is what the wire talks to. It holds what belongs to one connection: settings, the transaction block, the
//! cancellation of the running statement and the plans it keeps; everything else is the database's. A statement goes
//! through [`Session::parse`], [`Session::prepare`] and [`Session::execute`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use slipstream_catalog::pg_catalog::session_info::SessionInfo;
use slipstream_engine::database::Database;
use slipstream_engine::storage::Durability;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};
use tokio_util::sync::CancellationToken;

use crate::copy_command::{CopyIn, CopyOut};
use crate::cursor::Cursors;
use crate::execute;
use crate::functions::sequences;
use crate::interrupt::{Interrupt, Shield};
use crate::named::NamedStatements;
use crate::plan_cache::{PlanCache, PlanKey};
use crate::planner::Ground;
use crate::planner::names::{Functions, Tables};
use crate::planner::state::Engine;
use crate::prepare::{Planned, Prepared, has_plan, plan, utility_fields};
use crate::settings::Settings;
use crate::statement::{self, Command, Statement};
use crate::text::OutputStyle;
use crate::time_travel::{self, AsOf};
use crate::transaction::{Transaction, TransactionStatus};
use crate::types::ClientType;

/// Who connects, and how.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// The user.
    pub user: String,
    /// The database that the client named.
    pub database: String,
    /// The name that the client gives itself.
    pub application_name: String,
    /// What a cancel request names.
    pub process_id: i32,
}

/// What running a statement gives.
#[expect(clippy::large_enum_variant, reason = "one is made per statement and taken apart at once")]
pub enum Execution {
    /// Rows.
    Rows {
        /// Their columns, with the SQL types in the metadata.
        schema: SchemaRef,
        /// The rows themselves.
        stream: SendableRecordBatchStream,
        /// The command tag; the number of rows is added to that of a command that returns rows.
        tag: &'static str,
    },
    /// The complete command tag.
    Done(String),
    /// The client has to send data.
    CopyIn(CopyIn),
    /// The client gets data.
    CopyOut(CopyOut),
    /// There was nothing to do.
    Empty,
}

/// One client's session.
pub struct Session(Arc<Inner>);

/// What a session is made of; results that outlive the call share it.
pub(crate) struct Inner {
    database: Arc<Database>,
    info: Arc<SessionInfo>,
    settings: Arc<Settings>,
    transaction: Mutex<Transaction>,
    running: Mutex<CancellationToken>,
    shield: Shield,
    /// Whether the running statement commits before others, as it has lost against them too often.
    has_turn: AtomicBool,
    /// When the running statement began.
    statement_started: Mutex<DateTime<Utc>>,
    plans: PlanCache,
    statements: NamedStatements,
    cursors: Cursors,
    engine: Mutex<Option<(String, Arc<Engine>)>>,
    functions: Mutex<Option<(String, Arc<Functions>)>>,
    /// The version that `slipstream.as_of` stands for.
    as_of: AsOf,
    /// The number of the commit that the running statement reads.
    reading: Arc<AtomicU64>,
    /// Values of sequences that the session has drawn.
    given: Arc<sequences::Given>,
    warnings: Mutex<Vec<Error>>,
    notices: Mutex<Vec<String>>,
}

impl Session {
    /// A session of `database`.
    pub fn new(database: Arc<Database>, options: SessionOptions) -> Session {
        let durability = match database.durability() {
            Durability::Full => "full",
            Durability::Relaxed => "relaxed",
        };
        let settings = Arc::new(Settings::new([
            ("application_name", options.application_name),
            ("durability", durability.to_string()),
            ("session_authorization", options.user.clone()),
        ]));
        let info = Arc::new(SessionInfo {
            user: options.user,
            database: options.database,
            process_id: options.process_id,
            settings: Arc::clone(&settings) as _,
        });
        Session(Arc::new(Inner {
            database,
            info,
            settings,
            transaction: Mutex::default(),
            running: Mutex::default(),
            shield: Shield::default(),
            has_turn: AtomicBool::default(),
            statement_started: Mutex::new(Utc::now()),
            plans: PlanCache::default(),
            statements: NamedStatements::default(),
            cursors: Cursors::default(),
            engine: Mutex::default(),
            functions: Mutex::default(),
            as_of: AsOf::default(),
            reading: Arc::default(),
            given: Arc::default(),
            warnings: Mutex::default(),
            notices: Mutex::default(),
        }))
    }

    /// Splits and parses a statement list. Positions in errors count the characters of `sql` from 1.
    pub fn parse(&self, sql: &str) -> Result<Vec<Statement>> {
        self.0.noting_failure(statement::parse(sql))
    }

    /// Finds out what a statement returns and which parameters it takes; `declared` are their types as far as the client
    /// says them.
    pub async fn prepare(&self, statement: &Statement, declared: &[Option<ClientType>]) -> Result<Prepared> {
        let interrupt = self.0.interrupt();
        let prepared = interrupt.limit(self.0.prepare(statement, declared)).await;
        self.0.noting_failure(prepared)
    }

    /// Runs a statement. `parameters` have the types that [`Prepared::parameter_types`] says.
    pub async fn execute(&self, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Execution> {
        let interrupt = self.0.interrupt();
        let executed = interrupt.limit(execute::execute(&self.0, prepared, parameters, interrupt.clone())).await;
        self.0.noting_failure(executed)
    }

    /// Keeps a prepared statement under a name, which EXECUTE finds too. The empty name is the unnamed statement, which
    /// gives way; any other that is taken is `42P05`.
    pub fn keep_statement(&self, name: &str, prepared: Prepared) -> Result<()> {
        self.0.statements.check_free(name)?;
        self.0.statements.put(name, prepared);
        Ok(())
    }

    /// The prepared statement of a name, or `26000`.
    pub fn statement(&self, name: &str) -> Result<Prepared> {
        self.0.statements.get(name)
    }

    /// Forgets the prepared statement of a name, if there is one.
    pub fn forget_statement(&self, name: &str) {
        self.0.statements.remove(name);
    }

    /// The columns of the cursor of a name, if DECLARE has made one.
    pub fn cursor_fields(&self, name: &str) -> Option<SchemaRef> {
        self.0.cursors.schema(name)
    }

    /// Closes the cursor of a name, if there is one.
    pub fn close_cursor(&self, name: &str) {
        self.0.cursors.close(name);
    }

    /// Makes the statements that follow one transaction, unless they belong to one already. It ends with an error, with a
    /// statement that ends transactions, or with [`Session::end_implicit`]. The wire calls this before each statement that
    /// is not alone in its message, or before its Sync.
    pub fn begin_implicit(&self) {
        self.0.begin_implicit();
    }

    /// Commits what [`Session::begin_implicit`] began, unless BEGIN has made it the client's.
    pub async fn end_implicit(&self) -> Result<()> {
        self.0.end_implicit().await
    }

    /// Notes that a statement has failed where the session did not see it: its transaction block has failed, too.
    pub fn fail(&self) {
        self.0.fail();
    }

    /// The value of a setting that the wire reports to the client.
    pub fn parameter_status(&self, name: &str) -> Option<String> {
        self.0.settings.show(name).ok()
    }

    /// Sets a setting as the startup message asks for it.
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        self.0.settings.assign(name, value, false).map(drop)
    }

    /// The database.
    pub fn database(&self) -> &Arc<Database> {
        &self.0.database
    }

    /// Where the session stands.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.0.transaction.lock().status()
    }

    /// Whether statements belong to a transaction block, one of [`Session::begin_implicit`] included.
    pub fn in_block(&self) -> bool {
        self.0.in_block()
    }

    /// How long the client may say nothing, and the error that ends the session then. `None` for as long as it likes.
    pub fn idle_limit(&self) -> Option<(Duration, Error)> {
        let (setting, kind, message) = match self.transaction_status() {
            TransactionStatus::Idle => {
                ("idle_session_timeout", ErrorKind::IdleSession, "terminating connection due to idle-session timeout")
            }
            TransactionStatus::Active | TransactionStatus::Failed => (
                "idle_in_transaction_session_timeout",
                ErrorKind::IdleInTransaction,
                "terminating connection due to idle-in-transaction timeout",
            ),
        };
        Some((self.0.settings.timeout(setting)?, Error::new(kind, message)))
    }

    /// How values are written as text in this session.
    pub fn output_style(&self) -> OutputStyle {
        self.0.settings.output_style()
    }

    /// Warnings since the last call: statements that worked, and perhaps did not do what was meant.
    pub fn take_warnings(&self) -> Vec<Error> {
        std::mem::take(&mut self.0.warnings.lock())
    }

    /// Notices since the last call, such as that IF EXISTS found nothing.
    pub fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.0.notices.lock())
    }

    /// The token that cancels the running statement. Each statement has its own.
    pub fn cancel_token(&self) -> CancellationToken {
        self.0.running.lock().clone()
    }

    /// Cancels the running statement, if there is one.
    pub fn cancel(&self) {
        self.0.running.lock().cancel();
    }
}

impl Inner {
    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn transaction(&self) -> &Mutex<Transaction> {
        &self.transaction
    }

    /// What `pg_backend_pid` answers.
    pub(crate) fn process_id(&self) -> i32 {
        self.info.process_id
    }

    pub(crate) fn given(&self) -> &sequences::Given {
        &self.given
    }

    pub(crate) fn as_of_held(&self) -> &AsOf {
        &self.as_of
    }

    /// Notes what the running statement reads.
    pub(crate) fn note_reading(&self, view: &ReadView) {
        self.reading.store(view.snapshot.seq, Ordering::Relaxed);
    }

    pub(crate) fn plans(&self) -> &PlanCache {
        &self.plans
    }

    pub(crate) fn statements(&self) -> &NamedStatements {
        &self.statements
    }

    pub(crate) fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    pub(crate) fn warn(&self, warning: Option<Error>) {
        self.warnings.lock().extend(warning);
    }

    pub(crate) fn notice(&self, notices: Vec<String>) {
        self.notices.lock().extend(notices);
    }

    /// Notes that a statement has failed, for the transaction block.
    pub(crate) fn fail(&self) {
        let ended = self.transaction.lock().fail();
        if ended {
            self.end_transaction(false);
        }
    }

    pub(crate) fn noting_failure<T>(&self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.fail();
        }
        result
    }

    /// The limits of a statement that begins; a cancel meant for the one before it is forgotten.
    fn interrupt(&self) -> Interrupt {
        let token = CancellationToken::new();
        *self.running.lock() = token.clone();
        *self.statement_started.lock() = Utc::now();
        Interrupt::new(token, self.settings.statement_timeout(), self.shield.clone())
    }

    /// Whether the running statement commits before others.
    pub(crate) fn has_turn(&self) -> bool {
        self.has_turn.load(Ordering::Relaxed)
    }

    /// Says whether the running statement commits before others.
    pub(crate) fn set_turn(&self, has_turn: bool) {
        self.has_turn.store(has_turn, Ordering::Relaxed);
    }

    /// Runs a commit to its end, whoever wants to stop the statement.
    pub(crate) async fn uninterrupted<T>(&self, commit: impl Future<Output = T>) -> T {
        self.shield.over(commit).await
    }

    /// The planner in the session's time zone.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>> {
        let zone = self.settings.show("TimeZone")?;
        let mut engine = self.engine.lock();
        match &*engine {
            Some((of, engine)) if *of == zone => Ok(Arc::clone(engine)),
            _ => {
                let fresh = Engine::in_zone(&zone)?;
                *engine = Some((zone, Arc::clone(&fresh)));
                // Constants may have been folded in another zone.
                self.plans.clear();
                Ok(fresh)
            }
        }
    }

    /// Functions that know a snapshot's catalog.
    fn functions(&self, view: &ReadView) -> Arc<Functions> {
        let record = &view.snapshot.catalog_record;
        let mut functions = self.functions.lock();
        match &*functions {
            Some((of, functions)) if of == record => Arc::clone(functions),
            _ => {
                let fresh = slipstream_catalog::pg_catalog::functions::functions(&view.snapshot.catalog, &self.info)
                    .into_iter()
                    .map(|function| (function.name().to_string(), function));
                let catalog = &view.snapshot.catalog;
                let sequences = sequences::functions(&self.database, catalog, &self.info, &self.given)
                    .into_iter()
                    .map(|function| (function.name().to_string(), function));
                let export = Arc::new(time_travel::export_function(&self.reading));
                let export = std::iter::once((export.name().to_string(), export));
                let fresh: Arc<Functions> = Arc::new(fresh.chain(sequences).chain(export).collect());
                *functions = Some((record.clone(), Arc::clone(&fresh)));
                fresh
            }
        }
    }

    /// The tables of a view.
    pub(crate) fn tables(&self, view: &ReadView) -> Tables {
        Tables::new(&self.database, &self.info, view)
    }

    pub(crate) async fn prepare(&self, statement: &Statement, declared: &[Option<ClientType>]) -> Result<Prepared> {
        if !statement.ends_transaction() {
            self.transaction.lock().check_usable()?;
        }
        match statement.command() {
            Command::Sql(sql) if has_plan(sql) => {
                let planned = self.planned(statement, declared).await?;
                Ok(Prepared::planned_as(statement, declared, planned))
            }
            command => {
                // The parameters of DECLARE are those of its query.
                let query = match command {
                    Command::Cursor(cursor) => cursor.query(),
                    _ => None,
                };
                let query = match query {
                    Some(query) => Some(Box::pin(self.prepare(query, declared)).await?),
                    None => None,
                };
                let parameters = query.as_ref().map_or(&[][..], Prepared::parameter_types);
                Ok(Prepared::utility(statement, declared, parameters, utility_fields(self, command)?))
            }
        }
    }

    /// The plan of a statement under the catalog in force: a kept one, or one made here.
    pub(crate) async fn planned(&self, statement: &Statement, declared: &[Option<ClientType>]) -> Result<Arc<Planned>> {
        let engine = self.engine()?;
        let view = self.view(&[]).await?;
        let versions = self.versions(statement, &view).await?;
        let key = PlanKey { text: statement.text().to_string(), declared: declared.to_vec() };
        if let Some(planned) = self.plans.get(&key, &self.tables(&view).with_versions(&versions).basis()) {
            return Ok(planned);
        }
        let Command::Sql(sql) = statement.command() else {
            return Err(Error::internal("a statement without a plan was to be planned"));
        };
        let mut ground = self.ground(engine, &view);
        ground.tables = ground.tables.with_versions(&versions);
        let types: Vec<_> = declared.iter().map(|known| known.as_ref().map(|known| known.sql_type().clone())).collect();
        let planned = Arc::new(plan(ground.planning(statement, &types), sql, declared).await?);
        self.plans.put(key, Arc::clone(&planned));
        Ok(planned)
    }

    /// What planning over a view stands on.
    pub(crate) fn ground(&self, engine: Arc<Engine>, view: &ReadView) -> Ground {
        Ground { engine, tables: self.tables(view), functions: self.functions(view), now: self.now() }
    }

    /// What `now()` means: the beginning of the transaction.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.transaction.lock().started().unwrap_or_else(|| self.statement_started())
    }

    /// What `statement_timestamp()` means.
    pub(crate) fn statement_started(&self) -> DateTime<Utc> {
        *self.statement_started.lock()
    }

    /// Refuses a write where the transaction is for reading.
    pub(crate) fn check_writable(&self, what: &str) -> Result<()> {
        let refused = || Error::new(ErrorKind::ReadOnly, format!("cannot execute {what} in a read-only transaction"));
        if self.settings.is_on("transaction_read_only") {
            return Err(refused());
        }
        if !self.settings.show(time_travel::SETTING)?.is_empty() {
            return Err(refused()
                .with_detail("An older version is being read: slipstream.as_of is set.")
                .with_hint("RESET slipstream.as_of."));
        }
        Ok(())
    }
}
