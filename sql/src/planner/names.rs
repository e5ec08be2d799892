//! What names mean in one statement.
//!
//! Tables are those of the statement's snapshot. A name without a schema is looked up along the session's search path, with
//! `pg_catalog` first. The tables that a statement names are opened before planning, because planning itself cannot wait.
//! Views are planned then, too ([`super::views`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{CatalogProvider, TableFunctionArgs, TableProvider};
use datafusion::common::{DFSchema, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{self, ObjectName, ObjectNamePart, Statement, TableFactor, VisitMut, VisitorMut};
use parking_lot::Mutex;
use slipstream_catalog::keyed_table::KeyedTable;
use slipstream_catalog::pg_catalog::session_info::SessionInfo;
use slipstream_catalog::search_path::{SearchPath, is_system_schema};
use slipstream_catalog::sequence_table::sequence_table;
use slipstream_catalog::tables::LanceTable;
use slipstream_catalog::version_diff::{Side, VersionDiff};
use slipstream_catalog::{SnapshotCatalog, pg_catalog};
use slipstream_engine::catalog::{Catalog, Relation, TableDefinition, TableId, ViewDefinition};
use slipstream_engine::{Database, Error, ErrorKind, ReadView, Result};

use crate::dml::normalize;
use crate::embed;
use crate::error::from_datafusion;
use crate::graph::{age, relation};
use crate::time_travel::{Key, PATH, Versions, diff};
use crate::types::TypeNames;

/// The database of the tables that UPDATE and DELETE read, each with its schema: with the address of each row as one more
/// column. No statement can name it by accident.
pub(crate) const TARGET: &str = "?target";

/// The database of tables that are read by their keys.
pub(crate) const LOOKUP: &str = "?lookup";

/// Rows that a statement made here reads, as it names them: quoted.
pub(crate) const ROWS: &str = "\"?rows\"";

/// The same name without its quotes.
const ROWS_NAME: &str = "?rows";

/// Functions by name.
pub(crate) type Functions = HashMap<String, Arc<ScalarUDF>>;

/// What a name in FROM can mean.
pub(crate) enum Found {
    /// Rows that can be scanned.
    Table(Arc<dyn TableProvider>),
    /// A query that stands for them.
    View(Arc<ViewDefinition>),
}

/// The tables of one view of the database, as one session finds them.
pub(crate) struct Tables {
    database: Arc<Database>,
    session: Arc<SessionInfo>,
    view: ReadView,
    path: SearchPath,
    /// The schemas of metadata, made when one of them is first asked for.
    metadata: OnceLock<Arc<dyn CatalogProvider>>,
    /// Graphs that the views of the statement read.
    graphs: Mutex<BTreeSet<String>>,
    /// What [`ROWS`] means.
    rows: Option<Arc<dyn TableProvider>>,
    /// The tables of the older versions that the statement names.
    versions: BTreeMap<String, Arc<Tables>>,
}

impl Tables {
    pub(crate) fn new(database: &Arc<Database>, session: &Arc<SessionInfo>, view: &ReadView) -> Self {
        Tables {
            database: Arc::clone(database),
            path: SearchPath::of_session(session),
            session: Arc::clone(session),
            view: view.clone(),
            metadata: OnceLock::new(),
            graphs: Mutex::default(),
            rows: None,
            versions: BTreeMap::new(),
        }
    }

    /// With the older versions that the statement names.
    pub(crate) fn with_versions(mut self, versions: &Versions) -> Self {
        let tables = |view| Arc::new(Tables::new(&self.database, &self.session, view));
        self.versions = versions.iter().map(|(key, view)| (key.clone(), tables(view))).collect();
        self
    }

    /// The tables of an older version that the statement names.
    pub(crate) fn version(&self, database: &str) -> Result<&Tables> {
        let tables = self.versions.get(database).map(Arc::as_ref);
        tables.ok_or_else(|| Error::not_supported("an older version is not supported in this statement"))
    }

    /// The catalogs of the older versions that the statement names.
    pub(crate) fn past_catalogs(&self) -> BTreeMap<String, Arc<Catalog>> {
        let catalog = |tables: &Tables| Arc::clone(&tables.view.snapshot.catalog);
        self.versions.iter().map(|(key, tables)| (key.clone(), catalog(tables))).collect()
    }

    /// A table for a comparison of versions.
    fn side(&self, reference: &TableReference) -> Result<Side> {
        let parts = reference.schema().filter(|schema| *schema != PATH).into_iter().chain([reference.table()]);
        let name = ObjectName::from(parts.map(|part| ast::Ident::with_quote('"', part)).collect::<Vec<_>>());
        if !self.view.pending.is_empty() {
            return Err(Error::not_supported("slipstream.diff inside a transaction that has changed something")
                .with_hint("Name two versions, outside of the transaction."));
        }
        Ok(Side { view: self.view.clone(), table: self.written(&name)? })
    }

    /// A relation at an older version. Views stand for other relations, which the statement does not name.
    async fn find_past(&self, database: &str, reference: &TableReference) -> Result<Option<Found>> {
        let tables = self.version(database)?;
        let name = reference.table();
        let inner = match reference.schema() {
            Some(PATH) | None => TableReference::bare(name),
            Some(schema) => TableReference::partial(schema, name),
        };
        let parts = inner.schema().into_iter().chain([name]);
        let named = ObjectName::from(parts.map(|part| ast::Ident::with_quote('"', part)).collect::<Vec<_>>());
        if let Some(Relation::Sequence(sequence)) = tables.relation(&named)? {
            return Err(Error::not_supported(format!("sequence \"{}\" has no older versions", sequence.name)));
        }
        match Box::pin(tables.find(&inner, &tables.path)).await? {
            Some(Found::View(_)) => {
                Err(Error::not_supported(format!("view \"{name}\" cannot be read at an older version"))
                    .with_hint("SET slipstream.as_of reads everything at an older version, views too."))
            }
            Some(Found::Table(table)) => Ok(Some(Found::Table(table))),
            None => Err(undefined(&inner)),
        }
    }

    /// Says what [`ROWS`] means.
    pub(crate) fn put_rows(&mut self, rows: Arc<dyn TableProvider>) {
        self.rows = Some(rows);
    }

    /// What the statement reads.
    pub(crate) fn view(&self) -> &ReadView {
        &self.view
    }

    /// Where names without a schema are looked up.
    pub(crate) fn path(&self) -> &SearchPath {
        &self.path
    }

    /// What a plan depends on beside the statement: the catalog in force, the search path, the session's graph and
    /// its embedding model.
    pub(crate) fn basis(&self) -> String {
        let path = self.path.schemas().join(",");
        let past = self.versions.iter().map(|(key, tables)| format!(" {key}={}", tables.view.snapshot.catalog_record));
        let past: String = past.collect();
        let model = embed::basis(self.session.settings.as_ref());
        format!("{} {path} {} {model}{past}", self.view.snapshot.catalog_record, self.selected_graph())
    }

    /// The setting `slipstream.graph`: the graph of Cypher statements that name none.
    pub(crate) fn selected_graph(&self) -> String {
        self.session.settings.get("slipstream.graph").unwrap_or_default()
    }

    /// The graphs that a statement names, and the session's where it reads that.
    pub(crate) fn graphs_of(&self, statement: &Statement) -> Vec<String> {
        relation::graphs(statement, &self.view.snapshot.catalog, &self.selected_graph())
    }

    /// Notes graphs that a view reads.
    pub(super) fn note_graphs(&self, graphs: Vec<String>) {
        self.graphs.lock().extend(graphs);
    }

    /// The graphs that the views of the statement read.
    pub(crate) fn graphs(&self) -> Vec<String> {
        self.graphs.lock().iter().cloned().collect()
    }

    /// The rows that a reference means, without those of views; `None` where there is nothing of that name.
    pub(crate) async fn get(&self, reference: &TableReference) -> Result<Option<Arc<dyn TableProvider>>> {
        Ok(match self.find(reference, &self.path).await? {
            Some(Found::Table(table)) => Some(table),
            Some(Found::View(_)) | None => None,
        })
    }

    /// What a reference means along a search path; `None` where there is nothing of that name.
    pub(crate) async fn find(&self, reference: &TableReference, path: &SearchPath) -> Result<Option<Found>> {
        let name = reference.table();
        if let (ROWS_NAME, Some(rows)) = (name, &self.rows) {
            return Ok(Some(Found::Table(Arc::clone(rows))));
        }
        if let Some(target) = self.target(reference) {
            return Ok(target.map(Found::Table));
        }
        if let Some(database) = reference.catalog() {
            if Key::of_database(database).is_some() {
                return self.find_past(database, reference).await;
            }
            if let Some((from, to)) = diff::sides(database) {
                let from = self.version(from)?.side(reference)?;
                let to = to.map_or(Ok(self), |to| self.version(to))?.side(reference)?;
                return Ok(Some(Found::Table(Arc::new(VersionDiff::new(from, to)))));
            }
            self.check_database(database)?;
        }
        if let Some(schema) = reference.schema() {
            return self.find_in(schema, name).await;
        }
        for schema in path.searched() {
            if let Some(found) = self.find_in(schema, name).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn find_in(&self, schema: &str, name: &str) -> Result<Option<Found>> {
        if is_system_schema(schema) {
            let Some(schema) = self.metadata().schema(schema) else { return Ok(None) };
            return Ok(schema.table(name).await.map_err(from_datafusion)?.map(Found::Table));
        }
        let relation = self.view.snapshot.catalog.get_relation(schema, name);
        Ok(relation.and_then(|relation| self.found(&relation)))
    }

    /// What a relation of the catalog gives a query; `None` for a graph, which has no rows of its own.
    pub(super) fn found(&self, relation: &Relation) -> Option<Found> {
        Some(match relation {
            Relation::Table(table) => Found::Table(Arc::new(LanceTable::new(&self.view, table))),
            Relation::View(view) => Found::View(Arc::clone(view)),
            Relation::Sequence(sequence) => Found::Table(sequence_table(&self.database, sequence)),
            Relation::Graph(_) => return None,
        })
    }

    /// The rows of a table that a reference to [`TARGET`] or [`LOOKUP`] means; `None` for other references.
    fn target(&self, reference: &TableReference) -> Option<Option<Arc<dyn TableProvider>>> {
        let (Some(catalog @ (TARGET | LOOKUP)), Some(schema)) = (reference.catalog(), reference.schema()) else {
            return None;
        };
        let table = self.view.snapshot.catalog.get_table_in(schema, reference.table());
        Some(table.map(|table| match catalog {
            LOOKUP => Arc::new(KeyedTable::new(&self.view, table)) as _,
            _ => Arc::new(LanceTable::with_row_address(&self.view, table)) as _,
        }))
    }

    /// A table of the view, with its definition.
    pub(crate) fn by_id(&self, id: TableId) -> Result<(Arc<TableDefinition>, Arc<dyn TableProvider>)> {
        let definition = self.view.snapshot.catalog.tables.get(&id);
        let definition =
            definition.ok_or_else(|| Error::internal(format!("table {id} is not in the statement's catalog")))?;
        Ok((Arc::clone(definition), Arc::new(LanceTable::new(&self.view, definition))))
    }

    fn metadata(&self) -> &Arc<dyn CatalogProvider> {
        self.metadata.get_or_init(|| SnapshotCatalog::new(&self.database, &self.view, &self.session))
    }

    fn check_database(&self, database: &str) -> Result<()> {
        if Key::of_database(database).is_some() {
            return Err(Error::not_supported("only queries read older versions").with_detail(
                "A version clause stands behind the name of a table that a statement would change or define.",
            ));
        }
        if database == self.session.database {
            return Ok(());
        }
        let message = format!("cross-database references are not implemented: \"{database}\"");
        Err(Error::not_supported(message))
    }

    /// The schema, where one is written, and the name of an object.
    pub(crate) fn split(&self, name: &ObjectName) -> Result<(Option<String>, String)> {
        let parts: Vec<String> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(normalize).collect();
        match &parts[..] {
            [name] => Ok((None, name.clone())),
            [schema, name] => Ok((Some(schema.clone()), name.clone())),
            [database, schema, name] => {
                self.check_database(database)?;
                Ok((Some(schema.clone()), name.clone()))
            }
            _ => Err(Error::new(ErrorKind::Syntax, format!("improper qualified name (too many dotted names): {name}"))),
        }
    }

    /// The user's relation of that name, along the search path where it has no schema.
    pub(crate) fn relation(&self, name: &ObjectName) -> Result<Option<Relation>> {
        let (schema, name) = self.split(name)?;
        let catalog = &self.view.snapshot.catalog;
        match schema {
            Some(schema) => Ok(catalog.get_relation(&schema, &name)),
            None => Ok(self.path.schemas().iter().find_map(|schema| catalog.get_relation(schema, &name))),
        }
    }

    /// The table that a write names: one of the user's own.
    pub(crate) fn written(&self, name: &ObjectName) -> Result<Arc<TableDefinition>> {
        let (schema, bare) = self.split(name)?;
        let system = match &schema {
            Some(schema) => is_system_schema(schema),
            None => self.path.searched().next() == Some(pg_catalog::NAME) && pg_catalog::contains(&bare),
        };
        if system {
            let message = format!("permission denied: \"{}\" is a system catalog", display(schema.as_deref(), &bare));
            return Err(Error::new(ErrorKind::InsufficientPrivilege, message));
        }
        match self.relation(name)? {
            Some(Relation::Table(table)) => Ok(table),
            Some(Relation::View(view)) => Err(Error::not_supported(format!("cannot change view \"{}\"", view.name))
                .with_detail("Views are read only.")
                .with_hint("Change the tables that it reads.")),
            Some(Relation::Sequence(sequence)) => {
                let message = format!("cannot change sequence \"{}\"", sequence.name);
                Err(Error::new(ErrorKind::WrongObjectType, message)
                    .with_hint("nextval() and setval() change sequences."))
            }
            Some(Relation::Graph(graph)) => {
                let message = format!("cannot change property graph \"{}\"", graph.name);
                Err(Error::new(ErrorKind::WrongObjectType, message).with_hint("Change the tables that it is over."))
            }
            None => Err(undefined_name(schema.as_deref(), &bare)),
        }
    }
}

/// A name with its schema, where it is written with one.
fn display(schema: Option<&str>, name: &str) -> String {
    match schema {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_string(),
    }
}

/// The tables, functions and planners of one statement.
pub(crate) struct Names<'a> {
    pub(super) session: &'a SessionState,
    /// By the reference as the statement writes it.
    pub(super) tables: HashMap<TableReference, Arc<dyn TableSource>>,
    /// Tables that the views among them read.
    pub(super) behind_views: HashSet<TableReference>,
    pub(super) functions: &'a Functions,
    /// The tables of the session, whose settings say which model `embed` asks; `None` where nothing can wait for one.
    pub(super) embeds: Option<&'a Tables>,
    pub(super) relations: Vec<Arc<dyn RelationPlanner>>,
}

/// DataFusion's table functions take bare 64-bit literals, and functions of ours make others.
fn plain_integer(expr: Expr) -> Expr {
    let value = match &expr {
        Expr::Literal(ScalarValue::Int16(value), _) => value.map(i64::from),
        Expr::Literal(ScalarValue::Int32(value), _) => value.map(i64::from),
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        _ => return expr,
    };
    Expr::Literal(ScalarValue::Int64(value), None)
}

/// `42P01`, as Postgres words it.
pub(crate) fn undefined(reference: &TableReference) -> Error {
    undefined_name(reference.schema(), reference.table())
}

fn undefined_name(schema: Option<&str>, name: &str) -> Error {
    let message = format!("relation \"{}\" does not exist", display(schema, name));
    Error::new(ErrorKind::UndefinedTable, message).on_table(name)
}

impl Names<'_> {
    /// The references of all tables that a plan made with these names can scan.
    pub(super) fn into_references(self) -> HashSet<TableReference> {
        self.tables.into_keys().chain(self.behind_views).collect()
    }
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        self.tables.get(&name).cloned().ok_or_else(|| undefined(&name).into())
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> DataFusionResult<Arc<dyn TableSource>> {
        let function = self.session.table_functions().get(name).ok_or_else(|| {
            Error::new(ErrorKind::UndefinedFunction, format!("function {name} does not exist"))
                .with_hint("No function matches the given name. You might need to add explicit type casts.")
        })?;
        let schema = DFSchema::empty();
        let context = SimplifyContext::builder().with_config_options(Arc::clone(self.session.config_options())).build();
        let simplifier = ExprSimplifier::new(context);
        let args = args
            .into_iter()
            .map(|arg| simplifier.simplify(simplifier.coerce(arg, &schema)?).map(plain_integer))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let table = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.session))?;
        Ok(provider_as_source(table))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> DataFusionResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.session.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(TypeNames))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if name == embed::NAME {
            let tables = self.embeds?;
            return Some(Arc::new(embed::function(embed::Model::of(tables.session.settings.as_ref()))));
        }
        self.functions.get(name).or_else(|| self.session.scalar_functions().get(name)).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.session.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.session.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.session.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.session.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.session.scalar_functions().keys().chain(self.functions.keys()).cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.session.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.session.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.session.window_functions().keys().cloned().collect()
    }
}

/// Takes Postgres's own schema, and Apache AGE's, off the names of functions: here they have none, and DataFusion would give the columns they
/// make another name.
pub(crate) fn unqualify_functions(statement: &mut Statement) {
    struct Functions;
    impl VisitorMut for Functions {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
            if let ast::Expr::Function(function) = expr {
                unqualify(&mut function.name);
            }
            ControlFlow::Continue(())
        }

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
            if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
                unqualify(name);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = statement.visit(&mut Functions);
}

fn unqualify(name: &mut ObjectName) {
    let is_catalog = |part: &ObjectNamePart| {
        let is = |name: &str| part.as_ident().is_some_and(|schema| schema.value.eq_ignore_ascii_case(name));
        is(pg_catalog::NAME) || is(age::SCHEMA)
    };
    if name.0.len() == 2 && is_catalog(&name.0[0]) {
        name.0.remove(0);
    }
}
