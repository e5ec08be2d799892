//! Views in plans: a view is the plan of its query.
//!
//! The query is planned anew whenever a statement names the view, over the same snapshot, and takes the place of the scan
//! (DataFusion inlines sources that have a plan). Its names mean what they meant when the view was made: relations are found
//! by their object ids, whatever they are called by then, and `*` stands for the columns that there were. Scans of its
//! tables carry the full name, so that [`super::binding`] finds them under any search path.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, TableType};
use datafusion::sql::sqlparser::ast;
use futures::future::BoxFuture;
use slipstream_catalog::search_path::SearchPath;
use slipstream_engine::catalog::{Relation, ViewDefinition, ViewRelation};
use slipstream_engine::{Error, ErrorKind, Result};

use super::columns::output_names;
use super::names::{Found, Names};
use super::planning::{Plan, Planning};
use crate::error::from_datafusion;
use crate::graph::relation::SeenParameters;
use crate::pgq::graph_table::conditions;
use crate::prepare::rewritten;
use crate::statement::{self, Command, Statement};

/// A source that stands for a plan.
#[derive(Debug)]
pub(super) struct Inlined {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl Inlined {
    pub(super) fn source(plan: LogicalPlan) -> Arc<dyn TableSource> {
        let schema = Arc::new(plan.schema().as_arrow().clone());
        Arc::new(Inlined { plan, schema })
    }
}

impl TableSource for Inlined {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

impl Planning<'_> {
    /// The plan of a view's query, with the view's columns.
    pub(super) fn view_plan<'b>(&'b self, view: &'b ViewDefinition) -> BoxFuture<'b, Result<Plan>> {
        Box::pin(self.plan_of_view(view))
    }

    async fn plan_of_view(&self, view: &ViewDefinition) -> Result<Plan> {
        let parsed = parse_query(&view.query)?;
        let Command::Sql(query) = parsed.command() else { return Err(not_a_query(view)) };
        let mut query = query.clone();
        conditions::push(&mut query, &self.view.snapshot.catalog, &self.engine.session)?;
        let statement = rewritten(&query);
        self.tables.note_graphs(self.tables.graphs_of(&statement));
        let planning =
            Planning { source: parsed.source(), parameters: &[], seen: Arc::new(SeenParameters::default()), ..*self };
        let names = planning.names_of_view(&statement, view).await?;
        let plan = planning.plan_with(&statement, &names)?;
        // What `*` stands for is fixed, so columns keep their places.
        let columns = plan.schema().columns();
        if columns.len() != view.columns.len() {
            return Err(Error::internal(format!("view \"{}\" has other columns than its query", view.name)));
        }
        let named = columns.into_iter().zip(&view.columns);
        let output: Vec<Expr> = named.map(|(column, (name, _))| Expr::Column(column).alias(name)).collect();
        let plan = LogicalPlanBuilder::from(plan).project(output).and_then(LogicalPlanBuilder::build);
        Ok(Plan { plan: plan.map_err(from_datafusion)?, tables: names.into_references() })
    }

    async fn names_of_view(&self, statement: &ast::Statement, view: &ViewDefinition) -> Result<Names<'_>> {
        let path = SearchPath::of(&view.search_path);
        let mut names = self.no_names();
        for reference in self.references(statement)? {
            let known = view.relations.iter().find(|relation| relation.name == parts(&reference));
            let relation =
                known.and_then(|known| Some((known, self.view.snapshot.catalog.relation_with_oid(known.oid)?)));
            match relation {
                Some((known, relation)) => {
                    let Plan { plan, tables } = self.read(&relation, known).await?;
                    names.behind_views.extend(tables);
                    names.tables.insert(reference, Inlined::source(plan));
                }
                // What the server shows of itself has no object id in the catalog, and never goes.
                None => {
                    if let Some(Found::Table(table)) = self.tables.find(&reference, &path).await? {
                        names.tables.insert(reference, provider_as_source(table));
                    }
                }
            }
        }
        Ok(names)
    }

    /// The plan of a relation with the columns that a view knows.
    async fn read(&self, relation: &Relation, known: &ViewRelation) -> Result<Plan> {
        let (reference, plan) = match (self.tables.found(relation), relation) {
            (Some(Found::View(view)), _) => (None, self.view_plan(&view).await?),
            (Some(Found::Table(table)), Relation::Table(_) | Relation::Sequence(_)) => {
                let reference = full_name(relation);
                let plan = LogicalPlanBuilder::scan(reference.clone(), provider_as_source(table), None)
                    .and_then(LogicalPlanBuilder::build)
                    .map_err(from_datafusion)?;
                (Some(reference), Plan { plan, tables: HashSet::new() })
            }
            _ => return Err(Error::internal("a view reads what has no rows")),
        };
        let Plan { plan, mut tables } = plan;
        tables.extend(reference);
        let columns: Vec<Expr> = plan
            .schema()
            .columns()
            .into_iter()
            .filter(|column| known.columns.contains(&column.name))
            .map(Expr::Column)
            .collect();
        let plan = LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build);
        Ok(Plan { plan: plan.map_err(from_datafusion)?, tables })
    }
}

/// The columns of a query's plan under the names that Postgres gives them.
pub(crate) fn named_columns(statement: &ast::Statement, plan: &LogicalPlan) -> Result<Vec<(String, Expr)>> {
    let ast::Statement::Query(query) = statement else {
        return Err(Error::internal("a view's text is not a query"));
    };
    let schema = output_names(query).apply(plan.schema().as_arrow());
    let columns = plan.schema().columns().into_iter().map(|column: Column| Expr::Column(column));
    Ok(schema.fields().iter().map(|field| field.name().clone()).zip(columns).collect())
}

/// Parses the text of a view's query.
pub(crate) fn parse_query(text: &str) -> Result<Statement> {
    let mut statements = statement::parse(text)?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(Error::new(ErrorKind::Syntax, "a view is one query")),
    }
}

/// A reference as a list of names.
pub(crate) fn parts(reference: &TableReference) -> Vec<String> {
    reference.schema().into_iter().chain([reference.table()]).map(str::to_string).collect()
}

fn full_name(relation: &Relation) -> TableReference {
    match relation {
        Relation::Table(table) => TableReference::partial(table.schema.clone(), table.name.clone()),
        Relation::View(view) => TableReference::partial(view.schema.clone(), view.name.clone()),
        Relation::Sequence(sequence) => TableReference::partial(sequence.schema.clone(), sequence.name.clone()),
        Relation::Graph(graph) => TableReference::bare(graph.name.clone()),
    }
}

fn not_a_query(view: &ViewDefinition) -> Error {
    Error::internal(format!("the text of view \"{}\" is not a query", view.name))
}
