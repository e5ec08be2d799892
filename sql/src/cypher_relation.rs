//! `cypher('graph', $$ MATCH ... RETURN ... $$)` in FROM.
//!
//! 1. Before planning, [`graphs`] finds which graphs a statement reads, so that its snapshot and those indexes stand at the
//!    same commit.
//! 2. While planning, [`CypherRelations`] plans the Cypher text ([`crate::cypher::plan`]) and gives DataFusion a
//!    [`CypherTable`]: names and types, no data. AGE's column list (`AS (a agtype, b int)`) names the columns, and casts
//!    those whose type is not agtype.
//! 3. Before running, [`CypherTable::bind`] makes the scan of the statement's own read transaction on the index, with the
//!    values of the Cypher text's parameters ([`crate::cypher_arguments`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, col};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, Ident, ObjectName, TableAlias, TableFactor, Value, ValueWithSpan, Visit,
    Visitor,
};
use parking_lot::Mutex;
use slipstream_catalog::graph_scan::GraphScan;
use slipstream_engine::ReadView;
use slipstream_engine::catalog::{Catalog, GraphDefinition};
use slipstream_engine::graph::index::IndexQuery;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::cypher::{self, CypherParameter, GraphQuery};
use crate::cypher_arguments::Arguments;
use crate::source::SourceText;
use crate::types::sql_type;

/// The types that Cypher texts give the statement's parameters, by number from 0.
#[derive(Debug, Default)]
pub(crate) struct SeenParameters(Mutex<Vec<(usize, SqlType)>>);

impl SeenParameters {
    pub(crate) fn take(&self) -> Vec<(usize, SqlType)> {
        std::mem::take(&mut self.0.lock())
    }
}

/// The graphs that a statement reads.
pub(crate) fn graphs(statement: &ast::Statement) -> Vec<String> {
    struct Graphs(BTreeSet<String>);
    impl Visitor for Graphs {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let Some(Ok(call)) = Call::of(factor) {
                self.0.insert(call.graph.to_string());
            }
            ControlFlow::Continue(())
        }
    }
    let mut graphs = Graphs(BTreeSet::new());
    let _ = statement.visit(&mut graphs);
    graphs.0.into_iter().collect()
}

/// A call of `cypher` in FROM.
struct Call<'a> {
    graph: &'a str,
    text: &'a str,
    literal: &'a ValueWithSpan,
    arguments: Arguments,
}

impl<'a> Call<'a> {
    /// The call that a table factor is; an error where its arguments are not what they should be.
    fn of(factor: &'a TableFactor) -> Option<Result<Self>> {
        let (name, args) = match factor {
            TableFactor::Table { name, args: Some(args), .. } => (name, &args.args),
            TableFactor::Function { name, args, .. } => (name, args),
            _ => return None,
        };
        is_cypher(name).then(|| Self::arguments(args))
    }

    fn arguments(args: &'a [FunctionArg]) -> Result<Self> {
        let literals: Vec<_> = args.iter().map(string_argument).collect();
        match literals[..] {
            [Some((graph, _)), Some((text, literal))] => {
                Ok(Call { graph, text, literal, arguments: Arguments::Statement })
            }
            [Some((graph, _)), Some((text, literal)), _] => {
                Ok(Call { graph, text, literal, arguments: Arguments::third(&args[2])? })
            }
            _ => Err(Error::new(
                ErrorKind::UndefinedFunction,
                "cypher() takes the name of a graph and a query text, both as constants",
            )
            .with_hint("For example: cypher('social', $$ MATCH (a:person) RETURN a.name $$).")),
        }
    }
}

fn is_cypher(name: &ObjectName) -> bool {
    let parts: Vec<_> =
        name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.to_lowercase()).collect();
    matches!(parts.iter().map(String::as_str).collect::<Vec<_>>()[..], ["cypher"] | ["ag_catalog", "cypher"])
}

fn string_argument(arg: &FunctionArg) -> Option<(&str, &ValueWithSpan)> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(literal))) = arg else { return None };
    match &literal.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some((text, literal)),
        Value::DollarQuotedString(text) => Some((&text.value, literal)),
        _ => None,
    }
}

/// Plans `cypher(...)` for one statement.
#[derive(Debug)]
pub(crate) struct CypherRelations {
    catalog: Arc<Catalog>,
    source: Arc<SourceText>,
    parameters: Vec<CypherParameter>,
    seen: Arc<SeenParameters>,
}

impl CypherRelations {
    pub(crate) fn new(
        catalog: &Arc<Catalog>,
        source: &Arc<SourceText>,
        types: &[Option<SqlType>],
        seen: &Arc<SeenParameters>,
    ) -> Self {
        let known = |(index, sql_type): (usize, &Option<SqlType>)| {
            let sql_type = sql_type.clone()?;
            Some(CypherParameter { name: (index + 1).to_string(), sql_type })
        };
        CypherRelations {
            catalog: Arc::clone(catalog),
            source: Arc::clone(source),
            parameters: types.iter().enumerate().filter_map(known).collect(),
            seen: Arc::clone(seen),
        }
    }

    fn table(&self, call: &Call<'_>) -> Result<CypherTable> {
        let graph = Arc::clone(self.catalog.graph(call.graph)?);
        let arguments = call.arguments.clone();
        let known = match arguments {
            Arguments::Statement => self.parameters.clone(),
            Arguments::Constant(_) | Arguments::Parameter(_) => arguments.types()?,
        };
        let query = cypher::plan(call.text, self.offset(call.literal), &self.catalog, &graph, &known)?;
        for parameter in &query.parameters {
            self.seen.0.lock().extend(arguments.source(parameter)?);
        }
        if let Arguments::Parameter(index) = arguments {
            self.seen.0.lock().push((index, SqlType::Jsonb));
        }
        Ok(CypherTable { graph, query, arguments })
    }

    /// Where the text of a string literal begins in the statement, in characters from 1.
    fn offset(&self, literal: &ValueWithSpan) -> usize {
        let quote = match &literal.value {
            Value::DollarQuotedString(text) => 2 + text.tag.as_ref().map_or(0, |tag| tag.chars().count()),
            Value::EscapedStringLiteral(_) => 2,
            _ => 1,
        };
        let start = literal.span.start;
        self.source.position(start.line, start.column).map_or(1, |position| position + quote)
    }
}

impl RelationPlanner for CypherRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let table = match Call::of(&relation) {
            None => return Ok(RelationPlanning::Original(Box::new(relation))),
            Some(call) => self.table(&call?)?,
        };
        let (TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. }) = relation else {
            unreachable!("calls are tables or functions");
        };
        let plan = LogicalPlanBuilder::scan("cypher", provider_as_source(Arc::new(table)), None)?.build()?;
        let mut alias = alias.unwrap_or_else(default_alias);
        let columns = std::mem::take(&mut alias.columns);
        let plan = name_columns(plan, columns, context)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

fn default_alias() -> TableAlias {
    TableAlias { explicit: false, name: Ident::new("cypher"), columns: Vec::new(), at: None }
}

/// Applies a column list: names, and types where they are not agtype.
fn name_columns(
    plan: LogicalPlan,
    columns: Vec<ast::TableAliasColumnDef>,
    context: &dyn RelationPlannerContext,
) -> DataFusionResult<LogicalPlan> {
    if columns.is_empty() {
        return Ok(plan);
    }
    let fields = plan.schema().fields().clone();
    if fields.len() != columns.len() {
        let error = Error::new(ErrorKind::DatatypeMismatch, "return row and column definition list do not match")
            .with_detail(format!("RETURN has {} columns, the list has {}.", fields.len(), columns.len()));
        return Err(error.into());
    }
    let expressions = fields
        .iter()
        .zip(columns)
        .map(|(field, column)| {
            let value = col(datafusion::common::Column::new(Some("cypher"), field.name()));
            let value = match column.data_type {
                Some(data_type) if !is_agtype(&data_type) => cast(value, sql_type(&data_type)?.arrow_type()),
                _ => value,
            };
            Ok(value.alias(context.normalize_ident(column.name)))
        })
        .collect::<DataFusionResult<Vec<Expr>>>()?;
    LogicalPlanBuilder::from(plan).project(expressions)?.build()
}

fn is_agtype(data_type: &ast::DataType) -> bool {
    matches!(data_type, ast::DataType::Custom(name, arguments) if arguments.is_empty()
        && name.0.last().and_then(|part| part.as_ident()).is_some_and(|ident| ident.value.eq_ignore_ascii_case("agtype")))
}

/// A planned Cypher query that is not yet tied to a read transaction.
#[derive(Debug)]
pub(crate) struct CypherTable {
    graph: Arc<GraphDefinition>,
    query: GraphQuery,
    arguments: Arguments,
}

impl CypherTable {
    /// The scan of this query in a statement's view, with the values of the statement's parameters.
    pub(crate) fn bind(&self, view: &ReadView, values: &[ScalarValue]) -> Result<Arc<dyn TableProvider>> {
        let reader = view.readers.get(&self.graph.name).ok_or_else(|| {
            Error::internal(format!("graph \"{}\" was not opened for the statement", self.graph.name))
        })?;
        let parameters = self.parameters(values)?;
        let query =
            IndexQuery { cypher: self.query.cypher.clone(), parameters, schema: Arc::clone(&self.query.schema) };
        let scan = GraphScan::new(&self.graph.name, &self.query.description, query, Arc::clone(reader));
        Ok(Arc::new(scan))
    }
}

impl CypherTable {
    /// The values of the query's parameters, in its types.
    fn parameters(&self, values: &[ScalarValue]) -> Result<Vec<(String, ScalarValue)>> {
        let parameters = self.query.parameters.iter();
        parameters.map(|parameter| Ok((parameter.name.clone(), self.arguments.value(parameter, values)?))).collect()
    }
}

#[async_trait]
impl TableProvider for CypherTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.query.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Err(Error::internal("a graph query ran before it was bound to a snapshot").into())
    }
}
