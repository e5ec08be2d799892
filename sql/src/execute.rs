//! Running a prepared statement.
//!
//! A statement with a plan is bound to the snapshot that it reads, made physical, and its rows go where its [`Kind`] says. What
//! a write gathered goes to the transaction (`Inner::finish_write`). Outside a block it is committed there, and when somebody
//! else changed the same rows first the statement runs again on the new snapshot. Everything else is [`crate::utility`]'s.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::scalar::ScalarValue;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use slipstream_catalog::text_search;
use slipstream_catalog::vector_search::{self, with_effort};
use slipstream_engine::catalog::{CatalogEdit, TableDefinition};
use slipstream_engine::change::Changes;
use slipstream_engine::snapshot::Snapshot;
use slipstream_engine::{Batches, Error, ErrorKind, ReadView, Result, Version};

use crate::attempts::Attempts;
use crate::copy_command::CopyOut;
use crate::cursor;
use crate::ddl;
use crate::dml::gathering::Gathering;
use crate::dml::rows::{Counts, table_rows, with_schema};
use crate::dml::sink::Destination;
use crate::dml::{self, WriteExec, find_write};
use crate::embed::with_constants;
use crate::error::from_datafusion;
use crate::explain::{self, Analyzed};
use crate::functions::at_statement;
use crate::graph::write;
use crate::interrupt::{Interrupt, Rows};
use crate::planner::binding::{self, Bound, Patterns};
use crate::planner::state::Engine;
use crate::prepare::{Explain, Kind, Planned, Prepared};
use crate::session::{Execution, Inner};
use crate::statement::Command;
use crate::time_travel::{self, Key, Versions};
use crate::utility::utility;

/// Runs a prepared statement. EXECUTE runs another one, so the future has a type that does not hold itself.
pub(crate) fn execute<'a>(
    session: &'a Arc<Inner>,
    prepared: &'a Prepared,
    parameters: Vec<ScalarValue>,
    interrupt: Interrupt,
) -> BoxFuture<'a, Result<Execution>> {
    start(session, prepared, parameters, interrupt).boxed()
}

async fn start(
    session: &Arc<Inner>,
    prepared: &Prepared,
    mut parameters: Vec<ScalarValue>,
    interrupt: Interrupt,
) -> Result<Execution> {
    let statement = prepared.statement();
    if !statement.ends_transaction() && !statement.is_empty() {
        session.transaction().lock().check_usable()?;
    }
    check_parameters(prepared, &parameters)?;
    let sized = match prepared.sized(&mut parameters)? {
        Some(sized) => Some(session.prepare(statement, &sized).await?),
        None => None,
    };
    let prepared = sized.as_ref().unwrap_or(prepared);
    match prepared.planned() {
        Some(planned) => run(session, prepared, planned, parameters, interrupt).await,
        None => match statement.command() {
            Command::Cursor(cursor) => cursor::run(session, cursor, prepared.declared(), &parameters, interrupt).await,
            _ => utility(session, statement, interrupt).await,
        },
    }
}

/// The rows of a query as they come, for whoever asks for them and for how long it takes.
pub(crate) async fn open(
    session: &Arc<Inner>,
    prepared: &Prepared,
    parameters: &[ScalarValue],
) -> Result<SendableRecordBatchStream> {
    let planned = prepared.planned().ok_or_else(|| Error::internal("a statement without a plan has no rows"))?;
    if planned.writer.is_some() {
        return Err(Error::not_supported("a cursor over Cypher that writes is not supported"));
    }
    Run::begin(session, prepared, planned, parameters).await?.rows().await
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
    /// The older versions that the statement names.
    versions: Versions,
    planned: Arc<Planned>,
    parameters: &'a [ScalarValue],
    /// The rows of its query that writes, which has run.
    written: Option<Arc<dyn TableProvider>>,
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
            let view = session.view(planned.indexes(session.settings().graph_strategy())).await?;
            let versions = session.versions(prepared.statement(), &view).await?;
            if session.tables(&view).with_versions(&versions).basis() == planned.basis {
                return Ok(Run { session, engine, view, versions, planned, parameters, written: None });
            }
            planned = session.planned(prepared.statement(), prepared.declared()).await?;
            prepared.replace(&planned)?;
        }
    }

    /// The plan, and what EXPLAIN says beside it.
    async fn physical(&self) -> Result<(Arc<dyn ExecutionPlan>, Vec<String>)> {
        let strategy = self.session.settings().graph_strategy();
        if let Some(path) = &self.planned.short_path
            && let Some((plan, note)) = path.plan(&self.view, strategy, self.parameters)?
        {
            return Ok((plan, vec![note]));
        }
        let tables = self.session.tables(&self.view).with_versions(&self.versions);
        let written = self.written.clone();
        let patterns = Patterns { strategy, engine: &self.engine, now: self.session.now(), written };
        let Bound { plan, optimized, mut notes } =
            binding::bind(&self.planned, &tables, self.parameters, &patterns).await?;
        let plan = match optimized {
            true => plan,
            false => at_statement(plan, self.session.statement_started())
                .and_then(|plan| self.engine.optimize(plan, self.session.now()))
                .map_err(from_datafusion)?,
        };
        notes.extend(self.explain_versions());
        let plan = with_constants(plan, &self.engine.session).await?;
        let plan = self.engine.physical(&plan).await?;
        Ok((with_effort(plan, self.session.settings().search_effort()).map_err(from_datafusion)?, notes))
    }

    /// What EXPLAIN says of older versions.
    fn explain_versions(&self) -> Vec<String> {
        let line = |what: &str, view: &ReadView| {
            let Snapshot { seq, timestamp, .. } = &*view.snapshot;
            format!("Version: {what}, commit {seq} of {}", Version::Time(*timestamp))
        };
        let mut lines = Vec::new();
        if let Ok(as_of) = self.session.settings().show(time_travel::SETTING)
            && !as_of.is_empty()
        {
            lines.push(line(&format!("{} = '{as_of}'", time_travel::SETTING), &self.view));
        }
        let keys = self.versions.iter().filter_map(|(database, view)| Some((Key::of_database(database)?, view)));
        lines.extend(keys.map(|(key, view)| line(&key.clause(), view)));
        lines
    }

    /// The rows, for which the versions that they are from are held.
    async fn rows(&self) -> Result<SendableRecordBatchStream> {
        let (plan, _) = self.physical().await?;
        let rows = execute_stream(plan, Arc::clone(&self.engine.task)).map_err(from_datafusion)?;
        let held: Vec<_> = self.versions.values().chain([&self.view]).map(ReadView::hold).collect();
        let schema = rows.schema();
        let rows = rows.inspect(move |_| {
            let _ = &held;
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
    }

    /// Rows that are there already, as the client sees them.
    fn buffered(
        &self,
        prepared: &Prepared,
        rows: &Batches,
        interrupt: &Interrupt,
        tag: &'static str,
    ) -> Result<Execution> {
        let schema = schema_of(prepared)?;
        let session = Arc::clone(self.session);
        let failed = Box::new(move || session.fail());
        let stream = Rows::stream(rows.stream(Arc::clone(&schema)), Arc::clone(&schema), interrupt.clone(), failed);
        Ok(Execution::Rows { schema, stream, tag })
    }

    /// The rows as the client sees them.
    async fn guarded(&self, schema: &SchemaRef, interrupt: Interrupt) -> Result<SendableRecordBatchStream> {
        let session = Arc::clone(self.session);
        Ok(Rows::stream(self.rows().await?, Arc::clone(schema), interrupt, Box::new(move || session.fail())))
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
    }
    if planned.writer.is_some() && !matches!(planned.kind, Kind::Explain(_)) {
        session.check_writable("Cypher that writes")?;
        return write_graph(session, prepared, planned, &parameters, interrupt).await;
    }
    if gathers(&planned.kind, session.in_block()) {
        return write(session, prepared, planned, &parameters, interrupt).await;
    }
    let run = Run::begin(session, prepared, planned, &parameters).await?;
    match &run.planned.kind {
        Kind::Explain(explain) => {
            let (plan, notes) = run.physical().await?;
            vector_search::describe(&plan).await.map_err(from_datafusion)?;
            text_search::describe(&plan).await.map_err(from_datafusion)?;
            let analyzed = match explain.analyze {
                true => Some(analyze(&plan, &run.engine.task).await?),
                false => None,
            };
            explained(prepared, &plan, explain, analyzed, notes)
        }
        Kind::CopyOut { options, schema } => {
            let rows = run.guarded(schema, interrupt).await?;
            let style = session.settings().output_style();
            Ok(Execution::CopyOut(CopyOut::new(rows, schema, options.clone(), style)?))
        }
        Kind::Query { .. } | Kind::Write(_) | Kind::CreateTableAs(_) => {
            let schema = schema_of(prepared)?;
            let stream = run.guarded(&schema, interrupt).await?;
            Ok(Execution::Rows { schema, stream, tag: "SELECT" })
        }
    }
}

/// Runs a plan for EXPLAIN ANALYZE.
async fn analyze(plan: &Arc<dyn ExecutionPlan>, task: &Arc<TaskContext>) -> Result<Analyzed> {
    let started = Instant::now();
    let rows = explain::run(plan, task).await?;
    Ok(Analyzed { rows, time: started.elapsed() })
}

fn explained(
    prepared: &Prepared,
    plan: &Arc<dyn ExecutionPlan>,
    explain: &Explain,
    analyzed: Option<Analyzed>,
    notes: Vec<String>,
) -> Result<Execution> {
    let mut lines = explain::lines(plan, explain, analyzed.as_ref());
    lines.extend(notes);
    Ok(one_batch(explain::batch(schema_of(prepared)?, lines)?, "EXPLAIN"))
}

fn schema_of(prepared: &Prepared) -> Result<SchemaRef> {
    prepared.fields().cloned().ok_or_else(|| Error::internal("a statement with rows was not described"))
}

pub(crate) fn one_batch(batch: RecordBatch, tag: &'static str) -> Execution {
    let schema = batch.schema();
    let stream = RecordBatchStreamAdapter::new(Arc::clone(&schema), stream::iter([Ok(batch)]));
    Execution::Rows { schema, stream: Box::pin(stream), tag }
}

/// The command that a plan writes for; `None` for those that read.
fn writes(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Write(command) => Some(command.keyword()),
        Kind::CreateTableAs(_) => Some("CREATE TABLE AS"),
        Kind::Query { locks: true } => Some("SELECT FOR UPDATE"),
        Kind::Explain(explain) if explain.analyze => writes(&explain.kind),
        Kind::Query { locks: false } | Kind::Explain(_) | Kind::CopyOut { .. } => None,
    }
}

/// Whether running a plan changes the transaction. Locks do only in a block, which keeps them.
fn gathers(kind: &Kind, in_block: bool) -> bool {
    match kind {
        Kind::Write(_) | Kind::CreateTableAs(_) => true,
        Kind::Query { locks } => *locks && in_block,
        Kind::Explain(explain) => explain.analyze && gathers(&explain.kind, in_block),
        Kind::CopyOut { .. } => false,
    }
}

/// Runs a write and gives what it gathered to the transaction; again, when somebody else was first.
async fn write(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: Arc<Planned>,
    parameters: &[ScalarValue],
    interrupt: Interrupt,
) -> Result<Execution> {
    let mut attempts = Attempts::new(session);
    loop {
        let mut base = None;
        match Box::pin(write_once(session, prepared, &planned, parameters, &interrupt, &mut base)).await {
            Err(error) => {
                let came_second = base.is_some_and(|base| came_second(session, &planned, &error, base));
                if !attempts.again_after(&error, came_second).await {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

/// Whether a duplicate key is somebody else's row, which the statement would see if it ran again: ON CONFLICT and MERGE say
/// what is to become of a row that is there.
fn came_second(session: &Inner, planned: &Planned, error: &Error, base: u64) -> bool {
    if error.kind() != ErrorKind::UniqueViolation || session.database().snapshot().seq == base {
        return false;
    }
    let Some(write) = find_write(&planned.plan) else { return false };
    write.command == dml::Command::Merge
        || error.subject().constraint.as_ref().is_some_and(|constraint| write.arbiter_names.contains(constraint))
}

/// Runs a query with Cypher that writes; again, when somebody else was first.
async fn write_graph(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: Arc<Planned>,
    parameters: &[ScalarValue],
    interrupt: Interrupt,
) -> Result<Execution> {
    let mut attempts = Attempts::new(session);
    loop {
        let before = session.database().snapshot().seq;
        match Box::pin(write_graph_once(session, prepared, &planned, parameters, &interrupt)).await {
            Err(error) => {
                // What MERGE did not find may have come since.
                let came_second =
                    error.kind() == ErrorKind::UniqueViolation && session.database().snapshot().seq != before;
                if !attempts.again_after(&error, came_second).await {
                    return Err(error);
                }
            }
            done => return done,
        }
    }
}

async fn write_graph_once(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: &Arc<Planned>,
    parameters: &[ScalarValue],
    interrupt: &Interrupt,
) -> Result<Execution> {
    let engine = session.engine()?;
    let mut planned = Arc::clone(planned);
    let (alone, work) = loop {
        let block = session.transaction().lock().work();
        let (alone, work) = (block.is_none(), block.unwrap_or_else(|| session.own_work()));
        let view = write::view(&work).await?;
        if session.tables(&view).basis() == planned.basis {
            break (alone, work);
        }
        planned = session.planned(prepared.statement(), prepared.declared()).await?;
        prepared.replace(&planned)?;
    };
    let writer = planned.writer.as_ref().ok_or_else(|| Error::internal("a query that writes has become another"))?;
    let table = binding::cypher_table(&writer.source).ok_or_else(|| Error::internal("a graph query that is none"))?;
    let (silent, tag) = (writer.silent, table.tag());
    let outcome = write::run(session, &engine, table, parameters, &work).await?;
    let view = write::view(&work).await?;
    let written: Option<Arc<dyn TableProvider>> = Some(Arc::new(outcome.rows));
    let run = Run { session, engine, view, versions: Versions::new(), planned, parameters, written };
    let mut rows = session.database().batches();
    let mut stream = run.rows().await?;
    while let Some(batch) = stream.next().await {
        rows.push(batch.map_err(from_datafusion)?)?;
    }
    drop(stream);
    if alone {
        session.finish_own(work).await?;
    }
    if silent {
        return Ok(Execution::Done(format!("{tag} {}", outcome.counts.total())));
    }
    run.buffered(prepared, &rows, interrupt, "SELECT")
}

/// `base` becomes the commit that the statement has read.
async fn write_once(
    session: &Arc<Inner>,
    prepared: &Prepared,
    planned: &Arc<Planned>,
    parameters: &[ScalarValue],
    interrupt: &Interrupt,
    base: &mut Option<u64>,
) -> Result<Execution> {
    let run = Run::begin(session, prepared, Arc::clone(planned), parameters).await?;
    *base = Some(run.view.snapshot.seq);
    let bulk = !session.in_block();
    let destination = Destination { database: Arc::clone(session.database()), view: run.view.clone(), bulk };
    let gathering = Gathering::new(destination, &run.engine.task);
    let written = run_write(&run, &gathering).await?;
    let (mut changes, counts) = gathering.finish();
    changes.catalog.extend(written.created.map(CatalogEdit::CreateTable));
    session.finish_write(&run.view, changes).await?;
    match &run.planned.kind {
        Kind::CreateTableAs(None) => Ok(Execution::Done("CREATE TABLE AS".to_string())),
        Kind::CreateTableAs(Some(_)) => Ok(Execution::Done(format!("SELECT {}", counts.inserted))),
        Kind::Write(command) if prepared.fields().is_none() => {
            Ok(Execution::Done(format!("{} {}", command.tag(), counts.total())))
        }
        Kind::Write(command) => run.buffered(prepared, &written.rows, interrupt, command.tag()),
        Kind::Explain(explain) => {
            let plan = written.plan.ok_or_else(|| Error::internal("a plan was explained and not made"))?;
            let analyzed =
                written.analyzed.map(|analyzed| Analyzed { rows: analyzed.rows.max(counts.total()), ..analyzed });
            explained(prepared, &plan, explain, analyzed, written.notes)
        }
        Kind::Query { .. } | Kind::CopyOut { .. } => run.buffered(prepared, &written.rows, interrupt, "SELECT"),
    }
}

/// What running a write gives beside its changes.
#[derive(Default)]
struct Written {
    rows: Batches,
    plan: Option<Arc<dyn ExecutionPlan>>,
    notes: Vec<String>,
    analyzed: Option<Analyzed>,
    created: Option<TableDefinition>,
}

async fn run_write(run: &Run<'_>, gathering: &Arc<Gathering>) -> Result<Written> {
    let task = gathering.task(&run.engine.task);
    let created = match &run.planned.kind {
        Kind::CreateTableAs(None) => return Ok(Written::default()),
        // Each attempt makes a table of its own, so that nothing of a failed one is taken for this one's.
        Kind::CreateTableAs(Some(table)) => Some(ddl::identify(&run.view.snapshot.catalog, table.as_ref().clone())),
        _ => None,
    };
    let (plan, notes) = run.physical().await?;
    if let Some(table) = created {
        fill(&plan, &task, &Arc::new(table.clone()), gathering).await?;
        return Ok(Written { created: Some(table), ..Written::default() });
    }
    let started = Instant::now();
    if let Kind::Explain(_) = &run.planned.kind {
        let rows = explain::run(&plan, &task).await?;
        WriteExec::finish(&plan, &task).await?;
        let analyzed = Some(Analyzed { rows, time: started.elapsed() });
        return Ok(Written { plan: Some(plan), notes, analyzed, ..Written::default() });
    }
    let mut rows = gathering.batches();
    let mut stream = execute_stream(Arc::clone(&plan), Arc::clone(&task)).map_err(from_datafusion)?;
    while let Some(batch) = stream.next().await {
        rows.push(batch.map_err(from_datafusion)?)?;
    }
    WriteExec::finish(&plan, &task).await?;
    Ok(Written { rows, ..Written::default() })
}

/// Adds all rows of a plan to a table that the statement makes.
async fn fill(
    plan: &Arc<dyn ExecutionPlan>,
    task: &Arc<TaskContext>,
    table: &Arc<TableDefinition>,
    gathering: &Gathering,
) -> Result<()> {
    let mut sink = gathering.sink(table);
    let mut rows = execute_stream(Arc::clone(plan), Arc::clone(task)).map_err(from_datafusion)?;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(from_datafusion)?;
        sink.push(with_schema(table_rows(table, batch.columns(), batch.num_rows())?, table)?).await?;
    }
    let mut changes = Changes::default();
    let inserted = sink.finish(&mut changes).await?;
    gathering.add(changes, Counts { inserted, ..Counts::default() });
    Ok(())
}
