//! COPY FROM STDIN and COPY TO STDOUT, as statements and as streams; the forms of the data are [`crate::copy`]'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::sql::sqlparser::ast::{
    CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident, Query, Select, SelectItem, SetExpr, Statement,
};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use slipstream_engine::catalog::{Relation, TableDefinition};
use slipstream_engine::change::Changes;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, ReadView, Result};
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::copy::{CopyOptions, CopyReader, CopyWriter, Origin, RowLines, shorten};
use crate::dml::checks::Checks;
use crate::dml::generated::Completion;
use crate::dml::normalize;
use crate::dml::rows::{table_rows, with_schema};
use crate::dml::sink::{Destination, Sink};
use crate::error::from_datafusion;
use crate::interrupt::Interrupt;
use crate::planner::names::Tables;
use crate::session::Inner;
use crate::text::OutputStyle;
use crate::types::ClientType;

/// Reading a chunk of data of this many bytes takes longer than handing a thread's other tasks on.
const LARGE_CHUNK: usize = 32 * 1024;

/// The options of a COPY whose data goes over the wire; the server's own files are out of reach.
pub(crate) fn options(target: &CopyTarget, options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<CopyOptions> {
    match target {
        CopyTarget::Stdin | CopyTarget::Stdout => CopyOptions::from_ast(options, legacy),
        CopyTarget::File { .. } | CopyTarget::Program { .. } => {
            Err(Error::new(ErrorKind::InsufficientPrivilege, "permission denied to COPY to or from a file or program")
                .with_hint("COPY FROM STDIN and TO STDOUT go to the client; psql's \\copy reads and writes its files."))
        }
    }
}

/// The query whose rows COPY TO sends. A table's generated columns are not among them.
pub(crate) fn query(source: &CopySource, tables: &Tables) -> Result<Query> {
    match source {
        CopySource::Query(query) => Ok(query.as_ref().clone()),
        CopySource::Table { table_name, columns } => {
            let mut statements = crate::statement::parse(&format!("SELECT * FROM {table_name}"))?;
            let statement = statements.pop().ok_or_else(|| Error::internal("a query was not parsed"))?;
            let mut query = match statement.command() {
                crate::statement::Command::Sql(statement) => match &**statement {
                    Statement::Query(query) => query.as_ref().clone(),
                    _ => return Err(Error::internal("a query was not parsed as one")),
                },
                _ => return Err(Error::internal("a query was not parsed as one")),
            };
            let table = match tables.relation(table_name).ok().flatten() {
                Some(Relation::Table(table)) => Some(table),
                _ => None,
            };
            let generated = table.filter(|table| table.columns.iter().any(|column| column.generated.is_some()));
            let columns = match generated {
                Some(table) => {
                    let positions = positions(&table, columns)?.into_iter();
                    positions.map(|position| Ident::with_quote('"', &table.columns[position].name)).collect()
                }
                None => columns.clone(),
            };
            if let SetExpr::Select(select) = query.body.as_mut() {
                project(select, &columns);
            }
            Ok(query)
        }
    }
}

fn project(select: &mut Select, columns: &[Ident]) {
    if !columns.is_empty() {
        select.projection = columns
            .iter()
            .map(|column| SelectItem::UnnamedExpr(datafusion::sql::sqlparser::ast::Expr::Identifier(column.clone())))
            .collect();
    }
}

/// The positions in the table of the columns that COPY names; those of all that are not generated where it names none.
pub(crate) fn positions(table: &TableDefinition, columns: &[Ident]) -> Result<Vec<usize>> {
    if columns.is_empty() {
        return Ok((0..table.columns.len()).filter(|position| table.columns[*position].generated.is_none()).collect());
    }
    let mut positions = Vec::with_capacity(columns.len());
    for column in columns {
        let name = normalize(column);
        table.column(&name)?;
        let position = table.columns.iter().position(|column| column.name == name).expect("the column was found");
        if table.columns[position].generated.is_some() {
            let message = format!("column \"{name}\" is a generated column");
            return Err(Error::new(ErrorKind::InvalidColumnReference, message)
                .with_detail("Generated columns cannot be used in COPY.")
                .on_column(name));
        }
        if positions.contains(&position) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(name));
        }
        positions.push(position);
    }
    Ok(positions)
}

/// A COPY FROM STDIN that takes data. Nothing is in the table until [`CopyIn::finish`].
pub struct CopyIn {
    session: Arc<Inner>,
    view: ReadView,
    table: Arc<TableDefinition>,
    reader: CopyReader,
    filling: Filling,
    completion: Option<Completion>,
    checks: Checks,
    sink: Sink,
    /// Where the rows that were read stood in the data.
    lines: RowLines,
    interrupt: Interrupt,
}

/// How the table's columns come from those of the data.
pub(crate) struct Filling {
    /// For every column of the table, its position in the data, or its default.
    columns: Vec<Result<usize, Arc<dyn PhysicalExpr>>>,
}

impl Filling {
    /// `positions` are the table's columns that the data has; the others get `defaults`, one per column of the table.
    pub(crate) fn new(positions: &[usize], defaults: Vec<Arc<dyn PhysicalExpr>>) -> Self {
        let columns = defaults
            .into_iter()
            .enumerate()
            .map(|(column, default)| positions.iter().position(|position| *position == column).ok_or(default));
        Filling { columns: columns.collect() }
    }

    fn apply(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.columns
            .iter()
            .map(|column| match column {
                Ok(position) => Ok(Arc::clone(batch.column(*position))),
                Err(default) => default
                    .evaluate(batch)
                    .and_then(|value| value.into_array(batch.num_rows()))
                    .map_err(from_datafusion),
            })
            .collect()
    }
}

impl CopyIn {
    pub(crate) fn new(
        session: &Arc<Inner>,
        view: &ReadView,
        checks: Checks,
        positions: &[usize],
        options: CopyOptions,
        (filling, completion): (Filling, Option<Completion>),
        interrupt: Interrupt,
    ) -> Self {
        let table = checks.table();
        let columns: Vec<(String, SqlType)> = positions
            .iter()
            .map(|position| &table.columns[*position])
            .map(|column| (column.name.clone(), column.sql_type.clone()))
            .collect();
        CopyIn {
            reader: CopyReader::new(&table.name, &columns, options, session.settings().time_zone()),
            sink: Sink::new(
                &Destination {
                    database: Arc::clone(session.database()),
                    view: view.clone(),
                    bulk: !session.in_block(),
                },
                table,
            ),
            session: Arc::clone(session),
            view: view.clone(),
            table: Arc::clone(table),
            checks,
            filling,
            completion,
            lines: RowLines::default(),
            interrupt,
        }
    }

    /// Columns that the data has.
    pub fn columns(&self) -> usize {
        self.reader.schema().fields().len()
    }

    /// Whether the data is binary.
    pub fn binary(&self) -> bool {
        self.reader.is_binary()
    }

    /// Takes a chunk of data, which may end anywhere.
    pub async fn write(&mut self, data: Bytes) -> Result<()> {
        let interrupt = self.interrupt.clone();
        let written = interrupt
            .limit(async {
                let batches = self.read(&data)?;
                let origins = self.reader.origins();
                for (batch, origin) in batches.iter().zip(origins) {
                    self.take(batch, &origin).await?;
                }
                Ok(())
            })
            .await;
        self.session.noting_failure(written)
    }

    /// Takes the end of the data, commits, and gives the command tag.
    pub async fn finish(mut self) -> Result<String> {
        let session = Arc::clone(&self.session);
        let interrupt = self.interrupt.clone();
        let finished = interrupt.limit(async move {
            if let Some(batch) = self.reader.finish()? {
                let origin = self.reader.origins().pop().unwrap_or_default();
                self.take(&batch, &origin).await?;
            }
            let mut changes = Changes::default();
            let located = |error| located(error, &self.table.name, &self.lines);
            let rows = self.sink.finish(&mut changes).await.map_err(located)?;
            self.session.finish_write(&self.view, changes).await.map_err(located)?;
            Ok(format!("COPY {rows}"))
        });
        session.noting_failure(finished.await)
    }

    /// Ends the statement because the client says so; nothing is kept.
    pub async fn fail(self, reason: &str) -> Error {
        let error =
            Error::new(ErrorKind::Cancelled, format!("COPY from stdin failed: {reason}")).on_table(&self.table.name);
        self.session.fail();
        error
    }

    /// Reads a chunk. Reading much takes this thread from the runtime meanwhile: the task that writes the rows before was
    /// woken from here, and would wait for its turn on the same thread.
    fn read(&mut self, data: &[u8]) -> Result<Vec<RecordBatch>> {
        let has_others = || Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        if data.len() >= LARGE_CHUNK && has_others() {
            tokio::task::block_in_place(|| self.reader.push(data))
        } else {
            self.reader.push(data)
        }
    }

    async fn take(&mut self, batch: &RecordBatch, origin: &Origin) -> Result<()> {
        self.lines.extend(origin.lines());
        let columns = self.filling.apply(batch)?;
        let rows = table_rows(&self.table, &columns, batch.num_rows())?;
        let rows = match &self.completion {
            Some(completion) => completion.complete(rows).await?,
            None => rows,
        };
        self.checks.check(&rows).map_err(|error| in_row(error, &self.table.name, origin))?;
        let pushed = self.sink.push(with_schema(rows, &self.table)?).await;
        pushed.map_err(|error| located(error, &self.table.name, &self.lines))
    }
}

/// Shows the row of a batch that an error is about.
fn in_row(error: Error, table: &str, origin: &Origin) -> Error {
    let place = error.row().and_then(|row| Some((row, origin.lines().line(row as u64)?)));
    match place {
        Some((row, line)) => error.with_context(match origin.text(row) {
            Some(text) => format!("COPY {table}, line {line}: \"{}\"", shorten(text)),
            None => format!("COPY {table}, line {line}"),
        }),
        None => error,
    }
}

/// Says in which line of the data the row was that an error is about.
fn located(error: Error, table: &str, lines: &RowLines) -> Error {
    match error.row().and_then(|row| lines.line(row as u64)) {
        Some(line) => error.with_context(format!("COPY {table}, line {line}")),
        None => error,
    }
}

/// A COPY TO STDOUT that gives data.
pub struct CopyOut {
    rows: SendableRecordBatchStream,
    writer: CopyWriter,
    columns: usize,
    sent: Arc<AtomicU64>,
}

impl CopyOut {
    pub(crate) fn new(
        rows: SendableRecordBatchStream,
        schema: &SchemaRef,
        options: CopyOptions,
        style: OutputStyle,
    ) -> Result<Self> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let client_type = ClientType::of_field(field)
                    .ok_or_else(|| Error::internal(format!("column \"{}\" has no SQL type", field.name())))?;
                Ok((field.name().clone(), client_type))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(CopyOut {
            columns: columns.len(),
            writer: CopyWriter::new(&columns, options, style),
            rows,
            sent: Arc::default(),
        })
    }

    /// Columns that the data has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the data is binary.
    pub fn binary(&self) -> bool {
        self.writer.is_binary()
    }

    /// Rows sent so far, for the command tag `COPY n` at the end.
    pub fn rows_sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// The data, some rows at a time; each row is bytes of its own, because clients count on a message per row.
    pub fn stream(self) -> BoxStream<'static, Result<Vec<Bytes>>> {
        let CopyOut { rows, writer, sent, .. } = self;
        let header = stream::iter(writer.header().map(|header| Ok(vec![header])));
        let writer = Arc::new(Mutex::new(writer));
        let last = Arc::clone(&writer);
        let rows = rows.map(move |batch| {
            let batch = batch.map_err(from_datafusion)?;
            let rows = writer.lock().encode(&batch)?;
            sent.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            Ok(rows)
        });
        let trailer = stream::once(async move { Ok(last.lock().trailer().into_iter().collect()) });
        header.chain(rows).chain(trailer).boxed()
    }
}
