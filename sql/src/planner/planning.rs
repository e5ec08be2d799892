//! Planning one statement over one snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::{DFSchema, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr_rewriter::normalize_col_with_schemas_and_ambiguity_check;
use datafusion::logical_expr::planner::RelationPlanner;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, Projection};
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use slipstream_engine::ReadView;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::names::{Found, Functions, Names, Tables};
use super::state::Engine;
use super::views::Inlined;
use super::{parameters, syntax};
use crate::error::from_datafusion_in;
use crate::graph::algorithm::AlgorithmRelations;
use crate::graph::graph_table::GraphTables;
use crate::graph::relation::{CypherRelations, SeenParameters};
use crate::pg_rewrite::rewrite_expression;
use crate::source::SourceText;
use crate::statement::Statement;
use crate::text_search;

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

/// The names of one statement whose parts are planned one by one.
pub(crate) struct Scope<'a> {
    pub(crate) planning: &'a Planning<'a>,
    names: Names<'a>,
    context: PlannerContext,
}

impl Scope<'_> {
    /// Adds a table that the statement's text does not name.
    pub(crate) async fn add_table(&mut self, reference: TableReference) -> Result<()> {
        if let Some(table) = self.planning.tables.get(&reference).await? {
            self.names.tables.insert(reference, provider_as_source(table));
        }
        Ok(())
    }

    fn add_common_table(&mut self, table: &ast::Cte, recursive: bool) -> Result<()> {
        let name = ast::ObjectName::from(vec![table.alias.name.clone()]);
        let with = ast::With {
            with_token: ast::helpers::attached_token::AttachedToken::empty(),
            recursive,
            cte_tables: vec![table.clone()],
        };
        let mut query = syntax::select(vec![syntax::wildcard()], vec![syntax::table(name, None)], None);
        query.with = Some(with);
        let plan = self.query(query)?;
        let name = match table.alias.name.quote_style {
            Some(_) => table.alias.name.value.clone(),
            None => table.alias.name.value.to_lowercase(),
        };
        self.context.insert_cte(name, plan);
        Ok(())
    }

    /// Plans a query.
    pub(crate) fn query(&mut self, mut query: ast::Query) -> Result<LogicalPlan> {
        text_search::rewrite_query(&mut query, &self.planning.view.snapshot.catalog)?;
        SqlToRel::new(&self.names)
            .sql_statement_to_plan_with_context(ast::Statement::Query(Box::new(query)), &mut self.context)
            .map_err(|error| self.planning.error(error))
    }

    /// Plans what a FROM and a WHERE say.
    pub(crate) fn relation(
        &mut self,
        from: Vec<ast::TableWithJoins>,
        selection: Option<ast::Expr>,
    ) -> Result<LogicalPlan> {
        let one = ast::SelectItem::UnnamedExpr(syntax::number(1));
        match self.query(syntax::select(vec![one], from, selection))? {
            LogicalPlan::Projection(projection) => Ok(Arc::unwrap_or_clone(projection.input)),
            _ => Err(Error::internal("a query was not planned as a projection")),
        }
    }

    /// Plans an expression over the columns of `input`.
    pub(crate) fn expression(&mut self, expression: ast::Expr, input: &LogicalPlan) -> Result<Expr> {
        let schema = input.schema();
        SqlToRel::new(&self.names)
            .sql_to_expr(expression, schema, &mut self.context)
            .and_then(|expr| {
                normalize_col_with_schemas_and_ambiguity_check(expr, &[&[schema]], &input.using_columns()?)
            })
            .map_err(|error| self.planning.error(error))
    }

    /// Plans an expression that names no column.
    pub(crate) fn constant(&mut self, expression: ast::Expr) -> Result<Expr> {
        SqlToRel::new(&self.names)
            .sql_to_expr(expression, &DFSchema::empty(), &mut self.context)
            .map_err(|error| self.planning.error(error))
    }

    /// A plan, with the tables that the statement's parts read.
    pub(crate) fn finish(self, plan: LogicalPlan) -> Plan {
        Plan { plan, tables: self.names.into_references() }
    }
}

/// A plan, and the tables of the snapshot that are in it.
pub(crate) struct Plan {
    pub(crate) plan: LogicalPlan,
    pub(crate) tables: HashSet<TableReference>,
}

impl Planning<'_> {
    /// Plans a statement that returns rows.
    pub(crate) async fn statement(&self, statement: &ast::Statement) -> Result<Plan> {
        let names = self.names(statement).await?;
        let plan = self.plan_with(statement, &names)?;
        Ok(Plan { plan, tables: names.into_references() })
    }

    /// Plans a query.
    pub(crate) async fn query(&self, query: &ast::Query) -> Result<Plan> {
        self.statement(&ast::Statement::Query(Box::new(query.clone()))).await
    }

    /// The names of a statement whose parts are planned one by one. Its queries are those of `statement`, and `with` are the
    /// common table expressions in front of it.
    pub(crate) async fn scope(&self, statement: &ast::Statement, with: Option<&ast::With>) -> Result<Scope<'_>> {
        let names = self.names(statement).await?;
        let mut scope = Scope { planning: self, names, context: self.context() };
        for table in with.iter().flat_map(|with| &with.cte_tables) {
            scope.add_common_table(table, with.is_some_and(|with| with.recursive))?;
        }
        Ok(scope)
    }

    /// Plans an expression that names nothing but functions, such as a DEFAULT.
    pub(crate) fn constant(&self, expression: ast::Expr) -> Result<Expr> {
        self.row_expression(expression, &DFSchema::empty())
    }

    /// Plans an expression over the columns of a row, such as a CHECK. It may not name tables.
    pub(crate) fn row_expression(&self, expression: ast::Expr, schema: &DFSchema) -> Result<Expr> {
        self.row_expression_with(expression, schema, None)
    }

    /// The same, and it may call `embed`: who runs it waits for the model.
    pub(crate) fn generation_expression(&self, expression: ast::Expr, schema: &DFSchema) -> Result<Expr> {
        self.row_expression_with(expression, schema, Some(self.tables))
    }

    /// An expression over the columns of a row after the analyzer, which settles types.
    pub(crate) fn analyzed_expression(&self, value: Expr, schema: &DFSchema) -> Result<Expr> {
        let rows =
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema.clone()) });
        let plan = LogicalPlanBuilder::from(rows).project([value.alias("value")]).and_then(LogicalPlanBuilder::build);
        match self.analyze(plan.map_err(|error| self.error(error))?)? {
            LogicalPlan::Projection(Projection { expr, .. }) => {
                expr.into_iter().next().map(Expr::unalias).ok_or_else(|| Error::internal("an expression went missing"))
            }
            _ => Err(Error::internal("an expression was not planned as a projection")),
        }
    }

    fn row_expression_with(
        &self,
        mut expression: ast::Expr,
        schema: &DFSchema,
        embeds: Option<&Tables>,
    ) -> Result<Expr> {
        rewrite_expression(&mut expression);
        let names = Names {
            session: &self.engine.session,
            tables: HashMap::new(),
            behind_views: HashSet::new(),
            functions: self.functions,
            embeds,
            relations: Vec::new(),
        };
        SqlToRel::new(&names).sql_to_expr(expression, schema, &mut self.context()).map_err(|error| self.error(error))
    }

    /// Runs the analyzer and the optimizer.
    pub(crate) fn optimize(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.engine.optimize(plan, self.now).map_err(|error| self.error(error))
    }

    /// Runs the analyzer alone.
    pub(crate) fn analyze(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        self.engine.analyze(plan).map_err(|error| self.error(error))
    }

    pub(crate) fn error(&self, error: DataFusionError) -> Error {
        from_datafusion_in(error, self.source)
    }

    fn context(&self) -> PlannerContext {
        PlannerContext::new().with_prepare_param_data_types(parameters::fields(self.parameters))
    }

    /// Opens the tables that a statement names, and plans the views. Names that mean nothing are left for the planner to
    /// report, because they may turn out to be something else: a common table expression, a function.
    pub(super) async fn names(&self, statement: &ast::Statement) -> Result<Names<'_>> {
        let mut names = self.no_names();
        for reference in self.references(statement)? {
            match self.tables.find(&reference, self.tables.path()).await? {
                Some(Found::Table(table)) => {
                    names.tables.insert(reference, provider_as_source(table));
                }
                Some(Found::View(view)) => {
                    let Plan { plan, tables } = self.view_plan(&view).await?;
                    names.behind_views.extend(tables);
                    names.tables.insert(reference, Inlined::source(plan));
                }
                None => {}
            }
        }
        Ok(names)
    }

    /// The tables that a statement names.
    pub(crate) fn references(&self, statement: &ast::Statement) -> Result<Vec<TableReference>> {
        let parsed = DataFusionStatement::Statement(Box::new(self.searches(statement)?));
        let (references, _) = resolve_table_references(&parsed, true).map_err(|error| self.error(error))?;
        Ok(references)
    }

    /// A statement with its searches in words that can be planned.
    fn searches(&self, statement: &ast::Statement) -> Result<ast::Statement> {
        let mut statement = statement.clone();
        text_search::rewrite(&mut statement, &self.view.snapshot.catalog)?;
        Ok(statement)
    }

    /// Functions and graphs, and no tables so far.
    pub(super) fn no_names(&self) -> Names<'_> {
        let cypher: Arc<dyn RelationPlanner> = Arc::new(CypherRelations::new(
            &self.view.snapshot.catalog,
            self.tables.selected_graph(),
            self.source,
            self.parameters,
            &self.seen,
        ));
        let algorithms: Arc<dyn RelationPlanner> =
            Arc::new(AlgorithmRelations::new(&self.view.snapshot.catalog, self.source, &self.seen));
        let graph_tables: Arc<dyn RelationPlanner> = Arc::new(GraphTables::new(
            &self.view.snapshot.catalog,
            self.tables.past_catalogs(),
            self.source,
            self.parameters,
            &self.seen,
        ));
        Names {
            session: &self.engine.session,
            tables: HashMap::new(),
            behind_views: HashSet::new(),
            functions: self.functions,
            embeds: Some(self.tables),
            relations: vec![cypher, graph_tables, algorithms],
        }
    }

    /// Plans a statement with names that are known already.
    pub(super) fn plan_with(&self, statement: &ast::Statement, names: &Names<'_>) -> Result<LogicalPlan> {
        SqlToRel::new(names)
            .sql_statement_to_plan_with_context(self.searches(statement)?, &mut self.context())
            .map_err(|error| self.error(error))
    }
}
