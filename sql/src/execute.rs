//! Running a prepared statement.
//!
//! A statement with a plan is bound to the snapshot that it reads, made physical, and its rows go where its [`Kind`] says. What
//! a write gathered goes to the transaction (`Inner::finish_write`). Outside a block it is committed there, and when somebody
//! else changed the same rows first the statement runs again on the new snapshot. Everything else is [`crate::utility`]'s.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, stream};
use slipstream_engine::catalog::{CatalogEdit, TableDefinition};
use slipstream_engine::change::{Changes, RowChanges};
use slipstream_engine::{Error, ErrorKind, ReadView, Result};

use crate::attempts::Attempts;
use crate::copy_command::CopyOut;
use crate::cursor;
use crate::ddl;
use crate::dml::sink::{Sink, removed_rows, table_rows};
use crate::error::from_datafusion;
use crate::explain;
use crate::functions::at_statement;
use crate::interrupt::{Interrupt, Rows};
use crate::planner::binding::{self, Bound, Patterns};
use crate::planner::state::Engine;
use crate::prepare::{Kind, Planned, Prepared};
use crate::session::{Execution, Inner};
use crate::statement::Command;
use crate::utility::utility;

/// Runs a prepared statement.
pub(crate) async fn execute(
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
            let view = session.view(planned.indexes(session.settings().graph_strategy())).await?;
            if view.snapshot.catalog_record == planned.catalog_record {
                return Ok(Run { session, engine, view, planned, parameters });
            }
            planned = session.planned(prepared.statement(), prepared.declared()).await?;
            prepared.replace(&planned)?;
        }
    }

    /// The plan, and what EXPLAIN says beside it.
    async fn physical(&self) -> Result<(Arc<dyn ExecutionPlan>, Vec<String>)> {
        let tables = self.session.tables(&self.view);
        let strategy = self.session.settings().graph_strategy();
        let patterns = Patterns { strategy, functions: &self.engine.session };
        let Bound { plan, optimized, notes } =
            binding::bind(&self.planned, &tables, self.parameters, &patterns).await?;
        let plan = match optimized {
            true => plan,
            false => at_statement(plan, self.session.statement_started())
                .and_then(|plan| self.engine.optimize(plan, self.session.now()))
                .map_err(from_datafusion)?,
        };
        Ok((self.engine.physical(&plan).await?, notes))
    }

    async fn rows(&self) -> Result<SendableRecordBatchStream> {
        let (plan, _) = self.physical().await?;
        execute_stream(plan, Arc::clone(&self.engine.task)).map_err(from_datafusion)
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
        return write(session, prepared, planned, &parameters).await.map(Execution::Done);
    }
    let run = Run::begin(session, prepared, planned, &parameters).await?;
    match &run.planned.kind {
        Kind::Explain(explain) => {
            let (plan, notes) = run.physical().await?;
            let mut lines = explain::lines(plan, Arc::clone(&run.engine.task), explain).await?;
            lines.extend(notes);
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

pub(crate) fn one_batch(batch: RecordBatch, tag: &'static str) -> Execution {
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
    let mut attempts = Attempts::new(session);
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
    let mut changes = Changes::default();
    let tag = gather(&run, &mut changes).await?;
    session.finish_write(&run.view, changes).await?;
    Ok(tag)
}

/// Turns the rows of a plan into changes, and gives the command tag.
async fn gather(run: &Run<'_>, changes: &mut Changes) -> Result<String> {
    match &run.planned.kind {
        Kind::Insert(table) => Ok(format!("INSERT 0 {}", fill(run, table, changes).await?)),
        Kind::Update(table) => {
            let identity = identity_width(run, table);
            let mut delta = RowChanges::new(Arc::clone(table));
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
            let mut delta = RowChanges::new(Arc::clone(table));
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
    let mut sink = Sink::new(run.session, table, &run.view);
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

fn push(delta: RowChanges, changes: &mut Changes) -> usize {
    let rows = delta.removed_rows();
    if rows > 0 {
        changes.rows.push(delta);
    }
    rows
}
