//! Running a prepared statement.
//!
//! A statement with a plan is bound to the snapshot that it reads, made physical, and its rows go where its [`Kind`] says. A
//! write commits what it gathered; when somebody else changed the same rows first it runs again on the new snapshot, which
//! is what a statement outside a transaction block may do. Everything else is carried out from its syntax.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, CopySource, DiscardObject, ObjectType, Reset};
use futures::{StreamExt, stream};
use slipstream_catalog::pg_catalog::session_info::SettingsSource;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::change::{CatalogEdit, Changes, Delta};
use slipstream_engine::database::ReadView;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::copy_command::{self, CopyIn, CopyOut, Filling};
use crate::ddl::{self, Definition};
use crate::dml::sink::{Sink, removed_rows, table_rows};
use crate::dml::{self, table_name, written_table};
use crate::error::{from_arrow, from_datafusion};
use crate::explain;
use crate::interrupt::{Interrupt, Rows};
use crate::planner::binding;
use crate::planner::state::Engine;
use crate::prepare::{Kind, Planned, Prepared};
use crate::session::{Execution, Inner};
use crate::settings;
use crate::statement::{Command, Statement};

/// How often a write runs when others keep changing the same rows.
const ATTEMPTS: u32 = 12;

/// The wait before the second attempt; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(1);

/// Runs a prepared statement.
pub(crate) async fn execute(
    session: &Arc<Inner>,
    prepared: &Prepared,
    parameters: Vec<ScalarValue>,
    interrupt: Interrupt,
) -> Result<Execution> {
    let statement = prepared.statement();
    if !statement.ends_transaction() && !statement.is_empty() {
        session.transaction().lock().check_usable()?;
    }
    check_parameters(prepared, &parameters)?;
    match prepared.planned() {
        Some(planned) => run(session, prepared, planned, parameters, interrupt).await,
        None => utility(session, statement, interrupt).await,
    }
}

fn check_parameters(prepared: &Prepared, parameters: &[ScalarValue]) -> Result<()> {
    let wanted = prepared.parameter_types().len();
    if parameters.len() == wanted {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ProtocolViolation,
        format!("{} parameters were given, the statement takes {wanted}", parameters.len()),
    ))
}

/// A plan on its way to the snapshot that it reads.
struct Run<'a> {
    session: &'a Arc<Inner>,
    engine: Arc<Engine>,
    view: ReadView,
    planned: Arc<Planned>,
    parameters: &'a [ScalarValue],
}

impl<'a> Run<'a> {
    /// Takes the snapshot. A plan made under another catalog is made again.
    async fn begin(
        session: &'a Arc<Inner>,
        prepared: &Prepared,
        mut planned: Arc<Planned>,
        parameters: &'a [ScalarValue],
    ) -> Result<Self> {
        let engine = session.engine()?;
        loop {
            let view = session.view(&planned.graphs).await?;
            if view.snapshot.catalog_record == planned.catalog_record {
                return Ok(Run { session, engine, view, planned, parameters });
            }
            planned = session.planned(prepared.statement(), prepared.declared()).await?;
            prepared.replace(&planned)?;
        }
    }

    async fn physical(&self) -> Result<Arc<dyn ExecutionPlan>> {
        let tables = self.session.tables(&self.view);
        let plan = binding::bind(self.planned.plan.clone(), &tables, self.parameters).await?;
        let plan = match self.planned.optimized {
            true => plan,
            false => self.engine.optimize(plan, self.session.now()).map_err(from_datafusion)?,
        };
        self.engine.physical(&plan).await
    }

    async fn rows(&self) -> Result<SendableRecordBatchStream> {
        let plan = self.physical().await?;
        execute_stream(plan, Arc::clone(&self.engine.task)).map_err(from_datafusion)
    }

    /// The rows as the client sees them.
    async fn guarded(&self, schema: &SchemaRef, interrupt: Interrupt) -> Result<SendableRecordBatchStream> {
        let session = Arc::clone(self.session);
        Ok(Rows::new(self.rows().await?, Arc::clone(schema), interrupt, Box::new(move || session.fail())))
    }
}

async fn run(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: Arc<Planned>,
    parameters: Vec<ScalarValue>,
    interrupt: Interrupt,
) -> Result<Execution> {
    if let Some(what) = writes(&planned.kind) {
        session.check_writable(what)?;
        return write(session, prepared, planned, &parameters).await.map(Execution::Done);
    }
    let run = Run::begin(session, prepared, planned, &parameters).await?;
    match &run.planned.kind {
        Kind::Explain(explain) => {
            let lines = explain::lines(run.physical().await?, Arc::clone(&run.engine.task), explain).await?;
            let schema = schema_of(prepared)?;
            Ok(one_batch(explain::batch(schema, lines)?, "EXPLAIN"))
        }
        Kind::CopyOut { options, schema } => {
            let rows = run.guarded(schema, interrupt).await?;
            let style = session.settings().output_style();
            Ok(Execution::CopyOut(CopyOut::new(rows, schema, options.clone(), style)?))
        }
        Kind::Query | Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) | Kind::CreateTableAs(_) => {
            let schema = schema_of(prepared)?;
            let stream = run.guarded(&schema, interrupt).await?;
            Ok(Execution::Rows { schema, stream, tag: "SELECT" })
        }
    }
}

fn schema_of(prepared: &Prepared) -> Result<SchemaRef> {
    prepared.fields().cloned().ok_or_else(|| Error::internal("a statement with rows was not described"))
}

fn one_batch(batch: RecordBatch, tag: &'static str) -> Execution {
    let schema = batch.schema();
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter([Ok(batch)]));
    Execution::Rows { schema, stream: Box::pin(stream), tag }
}

/// The command that a plan writes for; `None` for those that read.
fn writes(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Insert(_) => Some("INSERT"),
        Kind::Update(_) => Some("UPDATE"),
        Kind::Delete(_) => Some("DELETE"),
        Kind::CreateTableAs(_) => Some("CREATE TABLE AS"),
        Kind::Query | Kind::Explain(_) | Kind::CopyOut { .. } => None,
    }
}

/// Runs a write and commits it; again, when somebody else was first.
async fn write(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: Arc<Planned>,
    parameters: &[ScalarValue],
) -> Result<String> {
    let mut attempts = Attempts::new();
    loop {
        match write_once(session, prepared, &planned, parameters).await {
            Err(error) if attempts.again(&error).await => {}
            done => return done,
        }
    }
}

async fn write_once(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: &Arc<Planned>,
    parameters: &[ScalarValue],
) -> Result<String> {
    let run = Run::begin(session, prepared, Arc::clone(planned), parameters).await?;
    let mut changes = Changes::new(Arc::clone(&run.view.snapshot));
    let tag = gather(&run, &mut changes).await?;
    commit(session, changes).await?;
    Ok(tag)
}

/// How often and when a statement that came second is tried again.
struct Attempts {
    left: u32,
    wait: Duration,
}

impl Attempts {
    fn new() -> Self {
        Attempts { left: ATTEMPTS, wait: FIRST_WAIT }
    }

    /// Whether the statement that failed so is to be run again; returns when it is time.
    async fn again(&mut self, error: &Error) -> bool {
        self.left -= 1;
        if self.left == 0 || error.kind() != ErrorKind::SerializationFailure {
            return false;
        }
        tokio::time::sleep(self.wait).await;
        self.wait *= 2;
        true
    }
}

async fn commit(session: &Inner, changes: Changes) -> Result<()> {
    if changes.catalog.is_empty() && changes.deltas.is_empty() && changes.loads.is_empty() {
        return Ok(());
    }
    session.database().commit(changes).await.map(drop)
}

/// Turns the rows of a plan into changes, and gives the command tag.
async fn gather(run: &Run<'_>, changes: &mut Changes) -> Result<String> {
    match &run.planned.kind {
        Kind::Insert(table) => Ok(format!("INSERT 0 {}", fill(run, table, changes).await?)),
        Kind::Update(table) => {
            let identity = identity_width(run, table);
            let mut delta = Delta { table: Arc::clone(table), removed: Vec::new(), added: Vec::new() };
            let mut rows = run.rows().await?;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(from_datafusion)?;
                delta.removed.push(removed_rows(&batch, identity)?);
                delta.added.push(table_rows(table, &batch.columns()[identity..], batch.num_rows())?);
            }
            Ok(format!("UPDATE {}", push(delta, changes)))
        }
        Kind::Delete(table) => {
            let identity = identity_width(run, table);
            let mut delta = Delta { table: Arc::clone(table), removed: Vec::new(), added: Vec::new() };
            let mut rows = run.rows().await?;
            while let Some(batch) = rows.next().await {
                delta.removed.push(removed_rows(&batch.map_err(from_datafusion)?, identity)?);
            }
            Ok(format!("DELETE {}", push(delta, changes)))
        }
        Kind::CreateTableAs(None) => Ok("CREATE TABLE AS".to_string()),
        Kind::CreateTableAs(Some(table)) => {
            // Each attempt makes a table of its own, so that nothing of a failed one is taken for this one's.
            let table = Arc::new(ddl::identify(table.as_ref().clone()));
            changes.catalog.push(CatalogEdit::CreateTable(table.as_ref().clone()));
            Ok(format!("SELECT {}", fill(run, &table, changes).await?))
        }
        Kind::Query | Kind::Explain(_) | Kind::CopyOut { .. } => Err(Error::internal("a read was run as a write")),
    }
}

/// Adds all rows of the plan to a table.
async fn fill(run: &Run<'_>, table: &Arc<TableDefinition>, changes: &mut Changes) -> Result<usize> {
    let mut sink = Sink::new(run.session.database(), table, &run.view.snapshot);
    let mut rows = run.rows().await?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(from_datafusion)?;
        sink.push(batch.columns(), batch.num_rows()).await?;
    }
    sink.finish(changes).await
}

/// Columns in front of the new values: the identity, and the address.
fn identity_width(run: &Run<'_>, table: &TableDefinition) -> usize {
    run.view.snapshot.catalog.identity_columns(table).len() + 1
}

fn push(delta: Delta, changes: &mut Changes) -> usize {
    let rows = delta.removed_rows();
    if rows > 0 {
        changes.deltas.push(delta);
    }
    rows
}

/// Carries out a statement that has no plan.
async fn utility(session: &Arc<Inner>, statement: &Statement, interrupt: Interrupt) -> Result<Execution> {
    match statement.command() {
        Command::Empty => Ok(Execution::Empty),
        Command::PropertyGraph(graph) => {
            session.check_writable("PROPERTY GRAPH DDL")?;
            define(session, |view: &ReadView| ddl::property_graph(graph, &view.snapshot.catalog)).await
        }
        Command::Sql(sql) => match &**sql {
            ast::Statement::CreateTable(create) => {
                session.check_writable("CREATE TABLE")?;
                let engine = session.engine()?;
                define(session, |view: &ReadView| {
                    let ground = session.ground(Arc::clone(&engine), &view);
                    ddl::create_table(&ground.planning(statement, &[]), create)
                })
                .await
            }
            ast::Statement::Drop {
                object_type: ObjectType::Table,
                if_exists,
                names,
                cascade,
                temporary: false,
                ..
            } => {
                session.check_writable("DROP TABLE")?;
                let names = names.iter().map(table_name).collect::<Result<Vec<_>>>()?;
                define(session, |view: &ReadView| {
                    ddl::drop_tables(&view.snapshot.catalog, &names, *if_exists, *cascade)
                })
                .await
            }
            ast::Statement::CreateExtension(create) => create_extension(create),
            ast::Statement::Copy { source, to: false, target, options, legacy_options, .. } => {
                let options = copy_command::options(target, options, legacy_options)?;
                copy_in(session, statement, source, options, interrupt).await.map(Execution::CopyIn)
            }
            sql => session_statement(session, sql),
        },
    }
}

/// Commits catalog edits; again, when the catalog has changed in between.
async fn define(
    session: &Arc<Inner>,
    mut definition: impl FnMut(&ReadView) -> Result<Definition>,
) -> Result<Execution> {
    let mut attempts = Attempts::new();
    loop {
        let view = session.database().read_view(&[]).await?;
        let Definition { edits, tag, notices } = definition(&view)?;
        let mut changes = Changes::new(view.snapshot);
        changes.catalog = edits;
        match commit(session, changes).await {
            Err(error) if attempts.again(&error).await => {}
            Err(error) => return Err(error),
            Ok(()) => {
                session.notice(notices);
                return Ok(Execution::Done(tag.to_string()));
            }
        }
    }
}

/// What pgvector's clients run first; the type is built in.
fn create_extension(create: &ast::CreateExtension) -> Result<Execution> {
    match create.name.value.to_lowercase().as_str() {
        "vector" => Ok(Execution::Done("CREATE EXTENSION".to_string())),
        other => {
            Err(Error::not_supported(format!("extension \"{other}\" is not available"))
                .with_hint("vector is built in."))
        }
    }
}

async fn copy_in(
    session: &Arc<Inner>,
    statement: &Statement,
    source: &CopySource,
    options: crate::copy::CopyOptions,
    interrupt: Interrupt,
) -> Result<CopyIn> {
    session.check_writable("COPY FROM")?;
    let CopySource::Table { table_name, columns } = source else {
        return Err(Error::new(ErrorKind::Syntax, "COPY FROM takes the name of a table"));
    };
    let engine = session.engine()?;
    let view = session.database().read_view(&[]).await?;
    let table = written_table(&view.snapshot.catalog, table_name)?;
    let positions = copy_command::positions(&table, columns)?;
    let ground = session.ground(Arc::clone(&engine), &view);
    let schema = DFSchema::empty();
    let defaults = dml::defaults(&ground.planning(statement, &[]), &table)?
        .into_iter()
        .map(|default| engine.session.create_physical_expr(default, &schema).map_err(from_datafusion))
        .collect::<Result<Vec<_>>>()?;
    let filling = Filling::new(&positions, defaults);
    Ok(CopyIn::new(session, &view.snapshot, &table, &positions, options, filling, interrupt))
}

/// Statements about the session itself.
fn session_statement(session: &Arc<Inner>, statement: &ast::Statement) -> Result<Execution> {
    let done = |tag: &str| Ok(Execution::Done(tag.to_string()));
    match statement {
        ast::Statement::Set(set) => {
            settings::apply(session.settings(), &settings::set(set)?)?;
            done("SET")
        }
        ast::Statement::Reset(reset) => {
            let name = match &reset.reset {
                Reset::ALL => None,
                Reset::ConfigurationParameter(name) => Some(name),
            };
            settings::reset(session.settings(), name)?;
            done("RESET")
        }
        ast::Statement::ShowVariable { variable } => show(session, variable),
        ast::Statement::StartTransaction { modes, begin, statements, exception: None, modifier: None, .. }
            if statements.is_empty() =>
        {
            start_transaction(session, modes)?;
            done(if *begin { "BEGIN" } else { "START TRANSACTION" })
        }
        ast::Statement::Commit { chain: false, .. } => done(end_transaction(session, true)),
        ast::Statement::Rollback { chain: false, savepoint: None } => done(end_transaction(session, false)),
        ast::Statement::Discard { object_type: DiscardObject::ALL } => {
            if session.transaction().lock().status() != crate::transaction::TransactionStatus::Idle {
                return Err(Error::new(
                    ErrorKind::ActiveTransaction,
                    "DISCARD ALL cannot run inside a transaction block",
                ));
            }
            session.settings().reset_all();
            session.plans().clear();
            done("DISCARD ALL")
        }
        ast::Statement::Discard { object_type: DiscardObject::PLANS } => {
            session.plans().clear();
            done("DISCARD PLANS")
        }
        ast::Statement::Discard { object_type: DiscardObject::SEQUENCES } => done("DISCARD SEQUENCES"),
        ast::Statement::Discard { object_type: DiscardObject::TEMP } => done("DISCARD TEMP"),
        // Prepared statements live in the wire's own table, which takes these before they come here.
        ast::Statement::Deallocate { name, .. } if name.value.eq_ignore_ascii_case("all") => done("DEALLOCATE ALL"),
        ast::Statement::Deallocate { name, .. } => Err(Error::new(
            ErrorKind::UndefinedStatement,
            format!("prepared statement \"{}\" does not exist", name.value),
        )),
        other => Err(ddl::refused(other)),
    }
}

fn start_transaction(session: &Inner, modes: &[ast::TransactionMode]) -> Result<()> {
    let modes =
        modes.iter().map(|mode| settings::transaction_mode("transaction", mode, true)).collect::<Result<Vec<_>>>()?;
    let warning = session.transaction().lock().begin(chrono::Utc::now());
    if warning.is_none() {
        session.settings().begin_transaction();
        settings::apply(session.settings(), &modes)?;
    }
    session.warn(warning);
    Ok(())
}

fn end_transaction(session: &Inner, commit: bool) -> &'static str {
    let (tag, warning) = session.transaction().lock().end(commit);
    session.settings().end_transaction(tag == "COMMIT");
    session.warn(warning);
    tag
}

fn show(session: &Inner, variable: &[ast::Ident]) -> Result<Execution> {
    let columns: Vec<(String, Vec<String>)> = match settings::show_name(variable) {
        Some(name) => {
            let value = session.settings().show(&name)?;
            vec![(name.to_lowercase(), vec![value])]
        }
        None => {
            let all = session.settings().all();
            vec![
                ("name".to_string(), all.iter().map(|setting| setting.name.clone()).collect()),
                ("setting".to_string(), all.iter().map(|setting| setting.value.clone()).collect()),
                ("description".to_string(), all.iter().map(|setting| setting.description.clone()).collect()),
            ]
        }
    };
    let fields = columns.iter().map(|(name, _)| slipstream_engine::types::SqlType::Text.field(name, true));
    let schema = Arc::new(arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, values)| Arc::new(StringArray::from(values)) as _).collect();
    Ok(one_batch(RecordBatch::try_new(schema, arrays).map_err(from_arrow)?, "SHOW"))
}
