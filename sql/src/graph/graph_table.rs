//! The pattern of a GRAPH_TABLE as a relation of its subquery ([`crate::pgq::graph_table`]): a column for each property that the subquery
//! names, qualified with the variable that has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, TableFactor};
use slipstream_engine::catalog::{Catalog, GraphDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::arguments::Arguments;
use super::relation::{SeenParameters, known_parameters, string_argument};
use super::table::CypherTable;
use crate::pgq::graph_table::{FUNCTION, GraphTable, conditions};
use crate::source::SourceText;
use slipstream_graph_language::bound::BoundClause;
use slipstream_graph_language::syntax::Expression;
use slipstream_graph_language::{self as language, CypherParameter, GraphQuery};

/// The graph that a relation reads, if it is the pattern of a GRAPH_TABLE.
pub(super) fn graph_of(factor: &TableFactor) -> Option<String> {
    let (text, _) = conditions::arguments(factor)?.first().and_then(string_argument)?;
    // No index stands at an older version.
    GraphTable::parse(text).ok().filter(|table| table.version.is_none()).map(|table| table.graph.text)
}

/// The older version of a graph that a relation reads, as the database that stands for it.
pub(crate) fn version_of(factor: &TableFactor) -> Option<String> {
    let (text, _) = conditions::arguments(factor)?.first().and_then(string_argument)?;
    GraphTable::parse(text).ok()?.version
}

/// The named elements of a pattern that are one row each, with the tables that they may be from.
#[derive(Debug, Default)]
pub(crate) struct Elements {
    single: HashMap<String, Vec<Arc<TableDefinition>>>,
    /// Those that are several edges in a row.
    rows: HashMap<String, Vec<Arc<TableDefinition>>>,
}

impl Elements {
    /// The elements of a planned pattern.
    fn of(query: &GraphQuery, catalog: &Catalog, graph: &GraphDefinition) -> Self {
        let mut elements = Elements::default();
        let table = |name: &String| {
            let vertex = graph.get_vertex(name).map(|vertex| vertex.table);
            let table = vertex.or_else(|| graph.get_edge(name).map(|edge| edge.table))?;
            catalog.tables.get(&table).cloned()
        };
        let mut note = |written: &Option<String>, names: &[String], in_a_row: bool| {
            let place = if in_a_row { &mut elements.rows } else { &mut elements.single };
            if let Some(written) = written {
                place.insert(written.clone(), names.iter().filter_map(table).collect());
            }
        };
        for clause in &query.bound.clauses {
            let BoundClause::Match(pattern) = clause else { continue };
            for path in &pattern.paths {
                note(&path.start.written, &path.start.tables, false);
                for (relationship, node) in &path.steps {
                    note(&relationship.written, &relationship.tables, relationship.length.is_some());
                    note(&node.written, &node.tables, false);
                }
            }
        }
        elements
    }

    /// The type of a property, where all tables that have it agree.
    pub(crate) fn property(&self, element: &str, name: &str) -> Option<SqlType> {
        let tables = self.single.get(element).or_else(|| self.rows.get(element))?;
        let mut types = tables.iter().filter_map(|table| Some(&table.get_column(name)?.sql_type));
        let first = types.next()?;
        types.all(|other| other == first).then(|| first.clone())
    }

    /// The properties of an element.
    pub(crate) fn properties(&self, element: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for column in self.single.get(element).into_iter().flatten().flat_map(|table| &table.columns) {
            if !names.contains(&column.name) {
                names.push(column.name.clone());
            }
        }
        names
    }
}

/// The pattern of a GRAPH_TABLE, with the conditions that have become part of it.
pub(crate) struct GraphTablePattern<'a> {
    table: GraphTable,
    catalog: &'a Catalog,
    graph: &'a Arc<GraphDefinition>,
    elements: Elements,
    conditions: Vec<&'a ast::Expr>,
}

impl<'a> GraphTablePattern<'a> {
    /// The pattern that the arguments of the function are. Errors point into its text.
    pub(crate) fn of(arguments: &'a [FunctionArg], catalog: &'a Catalog) -> Result<Self> {
        Self::at_versions(arguments, catalog, &NO_VERSIONS)
    }

    /// As [`GraphTablePattern::of`], where the pattern may be of a graph at one of these versions.
    fn at_versions(
        arguments: &'a [FunctionArg],
        catalog: &'a Catalog,
        versions: &'a BTreeMap<String, Arc<Catalog>>,
    ) -> Result<Self> {
        let Some(((text, _), conditions)) =
            arguments.split_first().and_then(|(text, conditions)| Some((string_argument(text)?, conditions)))
        else {
            return Err(Error::internal("a GRAPH_TABLE without its text"));
        };
        let table = GraphTable::parse(text)?;
        let catalog = match &table.version {
            None => catalog,
            Some(version) => versions.get(version).ok_or_else(|| {
                Error::not_supported("an older version of a graph is not supported in this statement")
            })?,
        };
        let graph = catalog.graph(&table.graph.text).map_err(|error| error.at(table.graph.span.position()))?;
        let (bare, _) = table.query(None, Vec::new())?;
        let elements = Elements::of(&language::plan_query(&bare, 1, catalog, graph, &[])?, catalog, graph);
        let conditions = conditions.iter().filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(condition)) => Some(condition),
            _ => None,
        });
        Ok(GraphTablePattern { table, catalog, graph, elements, conditions: conditions.collect() })
    }

    /// Whether a condition could be part of the pattern.
    pub(crate) fn takes(&self, condition: &ast::Expr) -> bool {
        self.expression(condition).is_some()
    }

    /// Whether the pattern can be planned with its conditions.
    pub(crate) fn binds(&self) -> bool {
        self.plan(1, &[]).is_ok()
    }

    fn expression(&self, condition: &ast::Expr) -> Option<Expression> {
        conditions::expression(condition, &self.elements, self.table.graph.span)
    }

    /// The planned pattern, and what its columns are: properties of variables.
    fn plan(&self, offset: usize, parameters: &[CypherParameter]) -> Result<(GraphQuery, Vec<(String, String)>)> {
        let conditions = self.conditions.iter().map(|condition| {
            self.expression(condition).ok_or_else(|| Error::internal("a condition of a GRAPH_TABLE that is none"))
        });
        let (query, columns) = self.table.query(Some(&self.elements), conditions.collect::<Result<_>>()?)?;
        Ok((language::plan_query(&query, offset, self.catalog, self.graph, parameters)?, columns))
    }
}

/// Where no older version is known.
static NO_VERSIONS: BTreeMap<String, Arc<Catalog>> = BTreeMap::new();

/// Plans the patterns of GRAPH_TABLEs for one statement.
#[derive(Debug)]
pub(crate) struct GraphTables {
    catalog: Arc<Catalog>,
    /// The catalogs of the older versions that the statement names.
    versions: BTreeMap<String, Arc<Catalog>>,
    source: Arc<SourceText>,
    parameters: Vec<CypherParameter>,
    seen: Arc<SeenParameters>,
}

impl GraphTables {
    pub(crate) fn new(
        catalog: &Arc<Catalog>,
        versions: BTreeMap<String, Arc<Catalog>>,
        source: &Arc<SourceText>,
        types: &[Option<SqlType>],
        seen: &Arc<SeenParameters>,
    ) -> Self {
        GraphTables {
            catalog: Arc::clone(catalog),
            versions,
            source: Arc::clone(source),
            parameters: known_parameters(types),
            seen: Arc::clone(seen),
        }
    }

    fn plan(&self, arguments: &[FunctionArg]) -> Result<LogicalPlan> {
        let offset = self.offset(arguments);
        let shifted = |error: Error| match error.position() {
            Some(position) => error.at(position + offset - 1),
            None => error.at(offset),
        };
        let pattern = GraphTablePattern::at_versions(arguments, &self.catalog, &self.versions).map_err(shifted)?;
        let (query, columns) = pattern.plan(offset, &self.parameters)?;
        for parameter in &query.parameters {
            self.seen.extend(Arguments::Statement.source(parameter)?);
        }
        let version = pattern.table.version.clone();
        let (graph, arguments) = (Arc::clone(pattern.graph), Arguments::Statement);
        let table = CypherTable { graph, version, query, arguments, batch: None };
        let scan = LogicalPlanBuilder::scan(FUNCTION, provider_as_source(Arc::new(table)), None);
        let named = columns.into_iter().map(|(variable, property)| {
            let column = Column::new(Some(FUNCTION), format!("{variable}.{property}"));
            Expr::Column(column).alias_qualified(Some(TableReference::bare(variable)), property)
        });
        let named: Vec<Expr> = named.collect();
        let scan = scan.map_err(crate::error::from_datafusion)?;
        let plan = if named.is_empty() { scan.build() } else { scan.project(named).and_then(|plan| plan.build()) };
        plan.map_err(crate::error::from_datafusion)
    }

    /// Where the text of the GRAPH_TABLE begins in the statement, in characters from 1.
    fn offset(&self, arguments: &[FunctionArg]) -> usize {
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(text)))) = arguments.first() else {
            return 1;
        };
        let start = text.span.start;
        self.source.position(start.line, start.column).unwrap_or(1)
    }
}

impl RelationPlanner for GraphTables {
    fn plan_relation(
        &self,
        relation: TableFactor,
        _: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let planned = conditions::arguments(&relation).map(|arguments| self.plan(arguments)).transpose()?;
        Ok(match planned {
            None => RelationPlanning::Original(Box::new(relation)),
            Some(plan) => RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))),
        })
    }
}
