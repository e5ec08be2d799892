//! Planning one statement over one snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::RelationPlanner;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use slipstream_engine::ReadView;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::names::{Functions, Names, Tables};
use super::parameters;
use super::state::Engine;
use crate::cypher_relation::{CypherRelations, SeenParameters};
use crate::error::from_datafusion_in;
use crate::source::SourceText;
use crate::statement::Statement;

/// What planning stands on, whatever the statement.
pub(crate) struct Ground {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tables: Tables,
    pub(crate) functions: Arc<Functions>,
    pub(crate) now: DateTime<Utc>,
}

impl Ground {
    /// For planning one statement; `parameters` are the types that the client declared.
    pub(crate) fn planning<'a>(&'a self, statement: &'a Statement, parameters: &'a [Option<SqlType>]) -> Planning<'a> {
        Planning {
            engine: &self.engine,
            view: self.tables.view(),
            tables: &self.tables,
            functions: &self.functions,
            now: self.now,
            source: statement.source(),
            parameters,
            seen: Arc::default(),
        }
    }
}

/// Everything that planning a statement needs.
pub(crate) struct Planning<'a> {
    pub(crate) engine: &'a Engine,
    /// What the statement reads.
    pub(crate) view: &'a ReadView,
    /// Its tables.
    pub(crate) tables: &'a Tables,
    /// Functions that know the snapshot's catalog and the session.
    pub(crate) functions: &'a Functions,
    /// What `now()` means.
    pub(crate) now: DateTime<Utc>,
    pub(crate) source: &'a Arc<SourceText>,
    /// Parameter types, as far as they are known.
    pub(crate) parameters: &'a [Option<SqlType>],
    /// Where Cypher texts tell the types of parameters.
    pub(crate) seen: Arc<SeenParameters>,
}

/// A plan, and the tables of the snapshot that are in it.
pub(crate) struct Plan {
    pub(crate) plan: LogicalPlan,
    pub(crate) tables: HashSet<TableReference>,
}

impl Plan {
    /// A plan that reads no table.
    pub(crate) fn of(plan: LogicalPlan) -> Self {
        Plan { plan, tables: HashSet::new() }
    }
}

impl Planning<'_> {
    /// Plans a statement that returns rows.
    pub(crate) async fn statement(&self, statement: &ast::Statement) -> Result<Plan> {
        let names = self.names(statement).await?;
        let plan = SqlToRel::new(&names)
            .sql_statement_to_plan_with_context(statement.clone(), &mut self.context())
            .map_err(|error| self.error(error))?;
        Ok(Plan { plan, tables: names.tables.into_keys().collect() })
    }

    /// Plans a query.
    pub(crate) async fn query(&self, query: &ast::Query) -> Result<Plan> {
        self.statement(&ast::Statement::Query(Box::new(query.clone()))).await
    }

    /// Plans expressions that name no column of their own, such as those of VALUES. Tables in their subqueries are those
    /// that `statement` names.
    pub(crate) async fn expressions(
        &self,
        expressions: Vec<ast::Expr>,
        statement: &ast::Statement,
    ) -> Result<(Vec<Expr>, HashSet<TableReference>)> {
        let names = self.names(statement).await?;
        let planned = self.plan_expressions(expressions, &names)?;
        Ok((planned, names.tables.into_keys().collect()))
    }

    /// Plans an expression that names nothing but functions, such as a DEFAULT.
    pub(crate) fn constant(&self, expression: ast::Expr) -> Result<Expr> {
        let names = Names {
            session: &self.engine.session,
            tables: HashMap::new(),
            functions: self.functions,
            relations: Vec::new(),
        };
        let mut planned = self.plan_expressions(vec![expression], &names)?;
        planned.pop().ok_or_else(|| Error::internal("an expression was not planned"))
    }

    fn plan_expressions(&self, expressions: Vec<ast::Expr>, names: &Names<'_>) -> Result<Vec<Expr>> {
        let planner = SqlToRel::new(names);
        let mut context = self.context();
        let schema = DFSchema::empty();
        expressions
            .into_iter()
            .map(|expr| planner.sql_to_expr(expr, &schema, &mut context).map_err(|error| self.error(error)))
            .collect()
    }

    /// Runs the analyzer and the optimizer.
    pub(crate) fn optimize(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.engine.optimize(plan, self.now).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: DataFusionError) -> Error {
        from_datafusion_in(error, self.source)
    }

    fn context(&self) -> PlannerContext {
        PlannerContext::new().with_prepare_param_data_types(parameters::fields(self.parameters))
    }

    /// Opens the tables that a statement names. Names that mean nothing are left for the planner to report, because they
    /// may turn out to be something else: a common table expression, a function.
    async fn names(&self, statement: &ast::Statement) -> Result<Names<'_>> {
        let parsed = DataFusionStatement::Statement(Box::new(statement.clone()));
        let (references, _) = resolve_table_references(&parsed, true).map_err(|error| self.error(error))?;
        let mut tables = HashMap::with_capacity(references.len());
        for reference in references {
            if let Some(table) = self.tables.get(&reference).await? {
                tables.insert(reference, provider_as_source(table));
            }
        }
        let cypher: Arc<dyn RelationPlanner> =
            Arc::new(CypherRelations::new(&self.view.snapshot.catalog, self.source, self.parameters, &self.seen));
        Ok(Names { session: &self.engine.session, tables, functions: self.functions, relations: vec![cypher] })
    }
}
