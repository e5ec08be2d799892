//! What names mean in one statement.
//!
//! Tables are those of the statement's snapshot. A name without a schema is looked up in `pg_catalog`, then in `public`,
//! as Postgres's search path has it. The tables that a statement names are opened before planning, because planning itself
//! cannot wait.

use std::collections::HashMap;
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
use slipstream_catalog::keyed_table::KeyedTable;
use slipstream_catalog::pg_catalog::session_info::SessionInfo;
use slipstream_catalog::tables::LanceTable;
use slipstream_catalog::{SnapshotCatalog, pg_catalog};
use slipstream_engine::catalog::{DEFAULT_SCHEMA, TableDefinition, TableId};
use slipstream_engine::{Database, Error, ErrorKind, ReadView, Result};

use crate::error::from_datafusion;
use crate::types::TypeNames;

/// The schema of the tables that UPDATE and DELETE read: those of `public`, with the address of each row as one more
/// column. No statement can name it by accident.
pub(crate) const TARGET_SCHEMA: &str = "?target";

/// The database of the same tables, each with its schema.
pub(crate) const TARGET: &str = TARGET_SCHEMA;

/// The database of tables that are read by their keys.
pub(crate) const LOOKUP: &str = "?lookup";

/// Functions by name.
pub(crate) type Functions = HashMap<String, Arc<ScalarUDF>>;

/// The tables of one view.
pub(crate) struct Tables {
    database: Arc<Database>,
    session: Arc<SessionInfo>,
    view: ReadView,
    /// The schemas of metadata, made when one of them is first asked for.
    metadata: OnceLock<Arc<dyn CatalogProvider>>,
}

impl Tables {
    pub(crate) fn new(database: &Arc<Database>, session: &Arc<SessionInfo>, view: &ReadView) -> Self {
        Tables {
            database: Arc::clone(database),
            session: Arc::clone(session),
            view: view.clone(),
            metadata: OnceLock::new(),
        }
    }

    pub(crate) fn view(&self) -> &ReadView {
        &self.view
    }

    /// The table that a reference means; `None` where there is none.
    pub(crate) async fn get(&self, reference: &TableReference) -> Result<Option<Arc<dyn TableProvider>>> {
        if let (Some(catalog @ (TARGET | LOOKUP)), Some(schema)) = (reference.catalog(), reference.schema()) {
            let table = self.view.snapshot.catalog.get_table_in(schema, reference.table());
            return Ok(table.map(|table| match catalog {
                LOOKUP => Arc::new(KeyedTable::new(&self.view, table)) as _,
                _ => Arc::new(LanceTable::with_row_address(&self.view, table)) as _,
            }));
        }
        if let Some(database) = reference.catalog()
            && database != self.session.database
        {
            return Err(Error::not_supported(format!(
                "cross-database references are not implemented: \"{reference}\""
            )));
        }
        let name = reference.table();
        let schema = match reference.schema() {
            Some(schema) => schema,
            None if pg_catalog::contains(name) => pg_catalog::NAME,
            None => DEFAULT_SCHEMA,
        };
        let snapshot = &self.view.snapshot;
        match schema {
            DEFAULT_SCHEMA => {
                Ok(snapshot.catalog.get_table(name).map(|table| Arc::new(LanceTable::new(&self.view, table)) as _))
            }
            TARGET_SCHEMA => {
                let table = snapshot.catalog.get_table(name);
                Ok(table.map(|table| Arc::new(LanceTable::with_row_address(&self.view, table)) as _))
            }
            metadata => match self.metadata().schema(metadata) {
                Some(schema) => schema.table(name).await.map_err(from_datafusion),
                None => Ok(None),
            },
        }
    }

    /// A table of the view, with its definition.
    pub(crate) fn by_id(&self, id: TableId) -> Result<(Arc<TableDefinition>, Arc<dyn TableProvider>)> {
        let definition = self.view.snapshot.catalog.tables.get(&id);
        let definition =
            definition.ok_or_else(|| Error::internal(format!("table {id} is not in the statement's catalog")))?;
        Ok((Arc::clone(definition), Arc::new(LanceTable::new(&self.view, definition))))
    }

    pub(crate) fn relation(&self, name: &ObjectName) -> Result<Option<slipstream_engine::catalog::Relation>> {
        let name = crate::dml::table_name(name)?;
        Ok(self.view.snapshot.catalog.get_relation(DEFAULT_SCHEMA, &name))
    }

    pub(crate) fn written(&self, name: &ObjectName) -> Result<Arc<TableDefinition>> {
        crate::dml::written_table(&self.view.snapshot.catalog, name)
    }

    fn metadata(&self) -> &Arc<dyn CatalogProvider> {
        self.metadata.get_or_init(|| SnapshotCatalog::new(&self.database, &self.view, &self.session))
    }
}

/// The tables, functions and planners of one statement.
pub(crate) struct Names<'a> {
    pub(super) session: &'a SessionState,
    /// By the reference as the statement writes it.
    pub(super) tables: HashMap<TableReference, Arc<dyn TableSource>>,
    pub(super) functions: &'a Functions,
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
    let name = match reference.schema() {
        Some(schema) => format!("{schema}.{}", reference.table()),
        None => reference.table().to_string(),
    };
    Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")).on_table(reference.table())
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

/// Takes Postgres's own schema off the names of functions: here they have none, and DataFusion would give the columns they
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
        part.as_ident().is_some_and(|schema| schema.value.eq_ignore_ascii_case(pg_catalog::NAME))
    };
    if name.0.len() == 2 && is_catalog(&name.0[0]) {
        name.0.remove(0);
    }
}
