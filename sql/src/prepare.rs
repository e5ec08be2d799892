//! Statements, planned: what they return, which parameters they take, and the plan itself.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::logical_expr::{LogicalPlan, TableSource};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, CopySource};
use futures::FutureExt;
use parking_lot::Mutex;
use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::copy::CopyOptions;
use crate::cursor;
use crate::error::from_datafusion;
use crate::graph::lateral;
use crate::graph::relation::{SeenParameters, is_bare, is_lateral};
use crate::graph::table::CypherTable;
use crate::named::Execute;
use crate::operators::reassociate;
use crate::pg_rewrite::rewrite;
use crate::pgq::graph_table::conditions;
use crate::pgvector::Kind as VectorKind;
use crate::planner::columns::{OutputNames, item_names, make_distinct, name_subqueries, output_names};
use crate::planner::names::unqualify_functions;
use crate::planner::short_path::ShortPath;
use crate::planner::{Plan, Planning, binding, fetch, parameters, refused};
use crate::session::Inner;
use crate::settings::{GraphStrategy, show_name};
use crate::statement::{Command, Statement};
use crate::types::ClientType;
use crate::vector::table_function;
use crate::{ddl, dml};

/// A statement that is ready to run, any number of times. Cheap to clone.
#[derive(Clone)]
pub struct Prepared(Arc<State>);

struct State {
    statement: Statement,
    declared: Vec<Option<ClientType>>,
    parameter_types: Vec<ClientType>,
    fields: Option<SchemaRef>,
    /// The plan, where the statement has one. Replaced when the catalog has changed.
    planned: Option<Mutex<Arc<Planned>>>,
}

impl Prepared {
    /// The types of `$1`, `$2`, ...
    pub fn parameter_types(&self) -> &[ClientType] {
        &self.0.parameter_types
    }

    /// The columns of the result; `None` for statements that return no rows.
    pub fn fields(&self) -> Option<&SchemaRef> {
        self.0.fields.as_ref()
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.0.statement
    }

    pub(crate) fn planned(&self) -> Option<Arc<Planned>> {
        self.0.planned.as_ref().map(|planned| Arc::clone(&planned.lock()))
    }

    pub(crate) fn declared(&self) -> &[Option<ClientType>] {
        &self.0.declared
    }

    /// The parameter types with the dimensions that vectors have, where a parameter is a vector of any dimension and the
    /// statement must be planned for the one it has got. NULL has one dimension.
    pub(crate) fn sized(&self, values: &mut [ScalarValue]) -> Result<Option<Vec<Option<ClientType>>>> {
        let any = |sql_type: &SqlType| {
            let kind = VectorKind::of(sql_type).filter(|kind| kind.is_dense());
            kind.filter(|kind| *sql_type == kind.sql_type(0))
        };
        if self.0.parameter_types.iter().all(|client_type| any(client_type.sql_type()).is_none()) {
            return Ok(None);
        }
        let mut sized = Vec::with_capacity(values.len());
        for (client_type, value) in self.0.parameter_types.iter().zip(values) {
            let Some(kind) = any(client_type.sql_type()) else {
                sized.push(Some(client_type.clone()));
                continue;
            };
            let found = SqlType::of_arrow(&value.data_type()).map_or(0, |found| VectorKind::dimension(&found));
            let sql_type = kind.sql_type(found.max(1));
            if found == 0 {
                *value = ScalarValue::try_new_null(&sql_type.arrow_type()).map_err(from_datafusion)?;
            }
            sized.push(Some(ClientType::of(&sql_type)));
        }
        Ok(Some(sized))
    }

    /// Takes a plan made again under a new catalog, if it still returns the same.
    pub(crate) fn replace(&self, planned: &Arc<Planned>) -> Result<()> {
        if planned.fields != self.0.fields || planned.parameter_types != self.0.parameter_types {
            return Err(Error::not_supported("cached plan must not change result type")
                .with_hint("A table has changed since the statement was prepared. Prepare it again."));
        }
        if let Some(place) = &self.0.planned {
            *place.lock() = Arc::clone(planned);
        }
        Ok(())
    }

    /// A statement that is carried out without a plan.
    pub(crate) fn utility(
        statement: &Statement,
        declared: &[Option<ClientType>],
        parameter_types: &[ClientType],
        fields: Option<SchemaRef>,
    ) -> Self {
        Prepared(Arc::new(State {
            statement: statement.clone(),
            declared: declared.to_vec(),
            parameter_types: parameter_types.to_vec(),
            fields,
            planned: None,
        }))
    }

    /// A statement with a plan.
    pub(crate) fn planned_as(statement: &Statement, declared: &[Option<ClientType>], planned: Arc<Planned>) -> Self {
        Prepared(Arc::new(State {
            statement: statement.clone(),
            declared: declared.to_vec(),
            parameter_types: planned.parameter_types.clone(),
            fields: planned.fields.clone(),
            planned: Some(Mutex::new(planned)),
        }))
    }
}

/// What a statement without a plan returns: SHOW its setting, EXECUTE what the statement does that it runs, FETCH the rows of
/// its cursor.
pub(crate) fn utility_fields(session: &Inner, command: &Command) -> Result<Option<SchemaRef>> {
    let statement = match command {
        Command::Cursor(cursor) => return cursor::fields(session, cursor),
        Command::Empty
        | Command::PropertyGraph(_)
        | Command::Prepare(_)
        | Command::Transaction(_)
        | Command::Definition(_) => return Ok(None),
        Command::Sql(statement) => statement,
    };
    if let Some(execute) = Execute::of(statement) {
        return Ok(session.statements().get(&execute.name)?.fields().cloned());
    }
    if matches!(**statement, ast::Statement::Explain { .. }) {
        return Ok(Some(plan_fields()));
    }
    let ast::Statement::ShowVariable { variable } = &**statement else { return Ok(None) };
    let names = match show_name(variable) {
        Some(name) => vec![name.to_lowercase()],
        None => ["name", "setting", "description"].map(str::to_string).to_vec(),
    };
    let fields = names.iter().map(|name| SqlType::Text.field(name, true));
    Ok(Some(Arc::new(Schema::new(fields.collect::<Vec<_>>()))))
}

/// The column of EXPLAIN's result.
fn plan_fields() -> SchemaRef {
    Arc::new(Schema::new(vec![SqlType::Text.field("QUERY PLAN", true)]))
}

/// A plan and what running it means.
pub(crate) struct Planned {
    /// What it was made under: see [`Tables::basis`].
    ///
    /// [`Tables::basis`]: crate::planner::names::Tables::basis
    pub(crate) basis: String,
    /// Graphs that it reads.
    pub(crate) graphs: Vec<String>,
    pub(crate) parameter_types: Vec<ClientType>,
    pub(crate) fields: Option<SchemaRef>,
    pub(crate) kind: Kind,
    /// The plan without its tables.
    pub(crate) plan: LogicalPlan,
    /// The query of it that writes: one of a graph, which runs before everything else.
    pub(crate) writer: Option<Writer>,
    /// Whether the plan has been optimized, for every run.
    pub(crate) optimized: bool,
    /// A plan for runs in which the index answers, where the statement needs no planner.
    pub(crate) short_path: Option<ShortPath>,
    /// The plan before that, without its tables, where it has graph patterns: for runs in which joins answer one.
    pub(crate) written: Option<LogicalPlan>,
}

impl Planned {
    /// The graphs whose indexes a run may read.
    pub(crate) fn indexes(&self, strategy: GraphStrategy) -> &[String] {
        match strategy {
            GraphStrategy::Auto | GraphStrategy::Index => &self.graphs,
            GraphStrategy::Join => &[],
        }
    }
}

/// What becomes of the rows of a plan.
pub(crate) enum Kind {
    /// They go to the client.
    Query {
        /// Whether rows are locked on the way.
        locks: bool,
    },
    /// They are not made; the plan is shown.
    Explain(Explain),
    /// They are what RETURNING asks for, if it is there: the plan writes.
    Write(dml::Command),
    /// They are the first rows of a table; `None` where the table is there already.
    CreateTableAs(Option<Arc<TableDefinition>>),
    /// They go to the client as COPY data.
    CopyOut {
        /// The form of the data.
        options: CopyOptions,
        /// Its columns.
        schema: SchemaRef,
    },
}

/// A graph query that writes, in a statement.
pub(crate) struct Writer {
    /// The query's table in the plan.
    pub(crate) source: Arc<dyn TableSource>,
    /// Whether it is all of a statement that returns nothing.
    pub(crate) silent: bool,
}

/// How a plan is shown.
pub(crate) struct Explain {
    /// Whether it runs, too.
    pub(crate) analyze: bool,
    /// Whether it is shown in full.
    pub(crate) verbose: bool,
    /// What becomes of its rows, if it runs.
    pub(crate) kind: Box<Kind>,
}

/// Whether a statement is planned, rather than carried out directly.
pub(crate) fn has_plan(statement: &ast::Statement) -> bool {
    match statement {
        ast::Statement::Query(_)
        | ast::Statement::Insert(_)
        | ast::Statement::Update(_)
        | ast::Statement::Delete(_)
        | ast::Statement::Merge(_) => true,
        // The plan that EXECUTE runs is known when it runs.
        ast::Statement::Explain { statement, .. } => !matches!(**statement, ast::Statement::Execute { .. }),
        ast::Statement::CreateTable(create) => create.query.is_some(),
        ast::Statement::Copy { to, .. } => *to,
        _ => false,
    }
}

/// Plans a statement. Types of parameters that the client did not declare are found by planning once without them.
pub(crate) async fn plan(
    planning: Planning<'_>,
    statement: &ast::Statement,
    declared: &[Option<ClientType>],
) -> Result<Planned> {
    let names = names(statement);
    let mut statement = statement.clone();
    let locks = dml::rewrite_locks(&planning, &mut statement)?;
    conditions::push(&mut statement, &planning.view.snapshot.catalog, &planning.engine.session)?;
    table_function::expand(&mut statement, planning.tables)?;
    let statement = &rewritten(&statement);
    refused::check(statement)?;
    let mut types = planning.parameters.to_vec();
    let first = plan_kind(&planning, statement, &locks).await?;
    let named = parameters::infer(&first.1.plan, &mut types)?;
    for (index, sql_type) in planning.seen.take() {
        parameters::note(&mut types, index, Some(sql_type));
    }
    let parameter_types = parameters::settle(&types, declared, &named);
    if parameter_types.is_empty() {
        return finish(&planning, statement, &names, first, parameter_types);
    }
    let settled: Vec<_> = parameter_types.iter().map(|settled| Some(settled.sql_type().clone())).collect();
    let again = Planning { parameters: &settled, seen: Arc::new(SeenParameters::default()), ..planning };
    let second = plan_kind(&again, statement, &locks).await?;
    finish(&again, statement, &names, second, parameter_types)
}

/// The last steps: names and types of the result, the optimizer, letting go of the snapshot.
fn finish(
    planning: &Planning<'_>,
    statement: &ast::Statement,
    names: &OutputNames,
    (kind, Plan { plan, tables }): (Kind, Plan),
    parameter_types: Vec<ClientType>,
) -> Result<Planned> {
    let optimized = planning.optimize(plan.clone())?;
    let schema = optimized.schema().as_arrow();
    let (kind, fields) = match kind {
        Kind::Query { locks } => {
            let fields = names.apply(schema);
            check_types(&fields)?;
            (Kind::Query { locks }, Some(fields))
        }
        Kind::Write(command) if dml::returning_of(statement).is_some() => {
            let fields = names.apply(schema);
            check_types(&fields)?;
            (Kind::Write(command), Some(fields))
        }
        Kind::CreateTableAs(_) => {
            let ast::Statement::CreateTable(create) = statement else {
                return Err(Error::internal("CREATE TABLE AS from another statement"));
            };
            let schema = names.apply(schema);
            let table = ddl::table_from_query(planning, create, &schema)?.map(Arc::new);
            (Kind::CreateTableAs(table), None)
        }
        Kind::Explain(explain) => (Kind::Explain(explain), Some(plan_fields())),
        Kind::CopyOut { options, .. } => {
            let schema = names.apply(schema);
            check_types(&schema)?;
            (Kind::CopyOut { options, schema }, None)
        }
        other => (other, None),
    };
    let writer = writer(&plan, statement, &kind)?;
    let fields = fields.filter(|_| !writer.as_ref().is_some_and(|writer| writer.silent));
    let keep = !binding::depends_on_time(&plan).map_err(|error| planning.error(error))?;
    let graphs = read_graphs(planning, statement);
    let (kept, written) = match keep {
        true => (optimized, (!graphs.is_empty()).then_some(plan)),
        false => (plan, None),
    };
    let release = |plan| binding::release(plan, &tables).map_err(|error| planning.error(error));
    Ok(Planned {
        basis: planning.tables.basis(),
        graphs,
        parameter_types,
        fields,
        kind,
        short_path: (keep && writer.is_none()).then(|| ShortPath::of(&kept)).flatten(),
        writer,
        plan: release(kept)?,
        optimized: keep,
        written: written.map(release).transpose()?,
    })
}

/// The graph query of a plan that writes, if there is one. A statement has one at most, and nothing but a query has it.
fn writer(plan: &LogicalPlan, statement: &ast::Statement, kind: &Kind) -> Result<Option<Writer>> {
    let mut sources = binding::writing(plan).map_err(from_datafusion)?;
    let Some(source) = sources.pop() else { return Ok(None) };
    if !sources.is_empty() {
        return Err(Error::not_supported("more than one Cypher query that writes in a statement is not supported"));
    }
    match kind {
        Kind::Query { locks: false } => {
            let returns = binding::cypher_table(&source).is_some_and(CypherTable::returns);
            Ok(Some(Writer { silent: !returns && is_bare(statement), source }))
        }
        Kind::Explain(explain) if !explain.analyze => Ok(Some(Writer { source, silent: false })),
        Kind::Explain(_) => Err(Error::not_supported("EXPLAIN ANALYZE of Cypher that writes is not supported")),
        Kind::Query { locks: true } | Kind::Write(_) | Kind::CreateTableAs(_) | Kind::CopyOut { .. } => {
            Err(Error::not_supported("Cypher that writes is only supported in a query by itself"))
        }
    }
}

/// The graphs that a statement reads, those of its views among them.
fn read_graphs(planning: &Planning<'_>, statement: &ast::Statement) -> Vec<String> {
    let mut graphs = planning.tables.graphs_of(statement);
    graphs.extend(planning.tables.graphs());
    graphs.sort();
    graphs.dedup();
    graphs
}

/// Every column of a result must have a SQL type.
fn check_types(schema: &Schema) -> Result<()> {
    match schema.fields().iter().find(|field| SqlType::of_field(field).is_none()) {
        Some(field) => Err(Error::new(
            ErrorKind::DatatypeMismatch,
            format!("column \"{}\" has no SQL type: {}", field.name(), field.data_type()),
        )),
        None => Ok(()),
    }
}

/// The names of the result, from the statement as it was written.
fn names(statement: &ast::Statement) -> OutputNames {
    if let Some(items) = dml::returning_of(statement) {
        return item_names(items);
    }
    match statement {
        ast::Statement::Query(query) | ast::Statement::Copy { source: CopySource::Query(query), .. } => {
            output_names(query)
        }
        ast::Statement::CreateTable(create) => create.query.as_deref().map(output_names).unwrap_or_default(),
        _ => OutputNames::default(),
    }
}

/// The statement in the words that DataFusion understands.
pub(crate) fn rewritten(statement: &ast::Statement) -> ast::Statement {
    let mut statement = statement.clone();
    dml::set::split_rows(&mut statement);
    name_subqueries(&mut statement);
    reassociate(&mut statement);
    fetch::as_limit(&mut statement);
    rewrite(&mut statement);
    unqualify_functions(&mut statement);
    make_distinct(&mut statement);
    lateral::gather(&mut statement, is_lateral);
    statement
}

async fn plan_kind(planning: &Planning<'_>, statement: &ast::Statement, locks: &dml::Locks) -> Result<(Kind, Plan)> {
    let (kind, mut plan) = plan_statement(planning, statement, locks).await?;
    if !matches!(kind, Kind::Explain(_)) {
        plan.plan = dml::wrap_locks(plan.plan, locks)?;
    }
    Ok((kind, plan))
}

async fn plan_statement(
    planning: &Planning<'_>,
    statement: &ast::Statement,
    locks: &dml::Locks,
) -> Result<(Kind, Plan)> {
    if dml::write_of(statement).is_some() {
        let (command, plan) = dml::plan(planning, statement).boxed().await?;
        return Ok((Kind::Write(command), plan));
    }
    match statement {
        ast::Statement::Query(_) => {
            Ok((Kind::Query { locks: !locks.is_empty() }, planning.statement(statement).await?))
        }
        ast::Statement::CreateTable(create) => {
            let Some(query) = &create.query else { return Err(Error::internal("CREATE TABLE without a query")) };
            Ok((Kind::CreateTableAs(None), planning.query(query).await?))
        }
        ast::Statement::Copy { source, options, legacy_options, target, .. } => {
            if !locks.is_empty() {
                return Err(Error::not_supported("COPY of SELECT FOR UPDATE or FOR SHARE is not supported yet"));
            }
            let options = crate::copy_command::options(target, options, legacy_options)?;
            let query = crate::copy_command::query(source, planning.tables)?;
            Ok((Kind::CopyOut { options, schema: Arc::new(Schema::empty()) }, planning.query(&query).await?))
        }
        ast::Statement::Explain { .. } => {
            let (explain, inner) = crate::explain::parse(statement)?;
            let (kind, plan) = Box::pin(plan_kind(planning, inner, locks)).await?;
            match &kind {
                Kind::Query { .. } | Kind::Write(_) => {}
                Kind::CreateTableAs(_) if !explain.analyze => {}
                Kind::CreateTableAs(_) => {
                    return Err(Error::not_supported("EXPLAIN ANALYZE of CREATE TABLE AS is not supported yet"));
                }
                Kind::Explain(_) | Kind::CopyOut { .. } => {
                    return Err(Error::new(ErrorKind::Syntax, "EXPLAIN takes a query or a statement that writes rows"));
                }
            }
            Ok((Kind::Explain(Explain { kind: Box::new(kind), ..explain }), plan))
        }
        other => Err(ddl::refused(other)),
    }
}
