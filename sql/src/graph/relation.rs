//! `cypher('graph', $$ MATCH ... RETURN ... $$)` in FROM, and a Cypher statement by itself, which is the same over the session's
//! graph ([`crate::bare_cypher`]).
//!
//! 1. Before planning, [`graphs`] finds which graphs a statement reads, so that its snapshot and those indexes stand at the
//!    same commit.
//! 2. While planning, [`CypherRelations`] plans the Cypher text ([`language::plan`]) and gives DataFusion a
//!    [`CypherTable`]: names and types, no data. AGE's column list (`AS (a agtype, b int)`) names the columns, and casts
//!    those whose type is not agtype.
//! 3. Before running, when it is known what the statement reads, the table says how it is answered ([`super::route`]) and
//!    by what plan ([`super::table`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, Ident, TableAlias, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};
use parking_lot::Mutex;
use slipstream_engine::catalog::{Catalog, GraphDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::age::{self, is_agtype};
use super::arguments::Arguments;
use super::graph_table;
use super::lateral::{self, Apart, Lateral};
use super::table::CypherTable;
use crate::bare_cypher;
use crate::source::SourceText;
use crate::types::{CastContext, cast, sql_type};
use slipstream_graph_language::{self as language, CypherParameter};

/// The types that Cypher texts give the statement's parameters, by number from 0.
#[derive(Debug, Default)]
pub(crate) struct SeenParameters(Mutex<Vec<(usize, SqlType)>>);

impl SeenParameters {
    pub(super) fn extend(&self, seen: Option<(usize, SqlType)>) {
        self.0.lock().extend(seen);
    }

    pub(crate) fn take(&self) -> Vec<(usize, SqlType)> {
        std::mem::take(&mut self.0.lock())
    }

    /// Notes the type of a parameter.
    pub(crate) fn note(&self, index: usize, sql_type: SqlType) {
        self.0.lock().push((index, sql_type));
    }
}

/// The graphs that a statement reads, in a session that has selected `selected`.
pub(crate) fn graphs(statement: &ast::Statement, catalog: &Catalog, selected: &str) -> Vec<String> {
    struct Graphs<'a>(BTreeSet<String>, &'a Catalog, &'a str);
    impl Visitor for Graphs<'_> {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let Some(Ok(call)) = Call::of(factor)
                && let Ok(graph) = graph_of(call.graph, self.1, self.2)
            {
                self.0.insert(graph.name.clone());
            }
            self.0.extend(graph_table::graph_of(factor));
            ControlFlow::Continue(())
        }
    }
    let mut graphs = Graphs(BTreeSet::new(), catalog, selected);
    let _ = statement.visit(&mut graphs);
    graphs.0.into_iter().collect()
}

/// Whether a statement is Cypher by itself.
pub(crate) fn is_bare(statement: &ast::Statement) -> bool {
    let ast::Statement::Query(query) = statement else { return false };
    let ast::SetExpr::Select(select) = query.body.as_ref() else { return false };
    let relations = select.from.iter().map(|from| &from.relation);
    relations.map(Call::of).any(|call| matches!(call, Some(Ok(Call { graph: None, .. }))))
}

/// The graph of that name; without one, the graph that the session has selected, or else the only one there is.
fn graph_of<'a>(name: Option<&str>, catalog: &'a Catalog, selected: &str) -> Result<&'a Arc<GraphDefinition>> {
    if let Some(name) = name.or((!selected.is_empty()).then_some(selected)) {
        return catalog.graph(name);
    }
    let mut graphs = catalog.graphs.values();
    match (graphs.next(), graphs.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(ErrorKind::UndefinedTable, "there is no property graph")
            .with_hint("CREATE PROPERTY GRAPH makes one.")),
        (Some(first), Some(_)) => {
            let names: Vec<String> = catalog.graphs.keys().map(|name| format!("\"{name}\"")).collect();
            Err(Error::new(ErrorKind::UndefinedTable, "no property graph has been selected")
                .with_detail(format!("There are {}.", names.join(", ")))
                .with_hint(format!("SET slipstream.graph = '{}', or another of them.", first.name)))
        }
    }
}

/// A call of `cypher` in FROM.
struct Call<'a> {
    /// The graph; none where the session says which.
    graph: Option<&'a str>,
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
        match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(name)] if name.value == bare_cypher::FUNCTION => Some(Self::bare(args)),
            _ => age::is_ours(name, "cypher").then(|| Self::arguments(args)),
        }
    }

    /// The call that a Cypher statement by itself has become.
    fn bare(args: &'a [FunctionArg]) -> Result<Self> {
        let (text, literal) = args
            .first()
            .and_then(string_argument)
            .ok_or_else(|| Error::internal("a Cypher statement without its text"))?;
        Ok(Call { graph: None, text, literal, arguments: Arguments::Statement })
    }

    fn arguments(args: &'a [FunctionArg]) -> Result<Self> {
        let literals: Vec<_> = args.iter().map(string_argument).collect();
        match literals[..] {
            [Some((graph, _)), Some((text, literal))] => {
                Ok(Call { graph: Some(graph), text, literal, arguments: Arguments::Statement })
            }
            [Some((graph, _)), Some((text, literal)), _] => {
                Ok(Call { graph: Some(graph), text, literal, arguments: Arguments::third(&args[2])? })
            }
            _ => Err(Error::new(
                ErrorKind::UndefinedFunction,
                "cypher() takes the name of a graph and a query text, both as constants",
            )
            .with_hint("For example: cypher('social', $$ MATCH (a:person) RETURN a.name $$).")),
        }
    }
}

pub(super) fn string_argument(arg: &FunctionArg) -> Option<(&str, &ValueWithSpan)> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Value(literal))) = arg else { return None };
    match &literal.value {
        Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some((text, literal)),
        Value::DollarQuotedString(text) => Some((&text.value, literal)),
        _ => None,
    }
}

/// The parameters of a statement whose types are known.
pub(super) fn known_parameters(types: &[Option<SqlType>]) -> Vec<CypherParameter> {
    let known = |(index, sql_type): (usize, &Option<SqlType>)| {
        let sql_type = sql_type.clone()?;
        Some(CypherParameter { name: (index + 1).to_string(), sql_type })
    };
    types.iter().enumerate().filter_map(known).collect()
}

/// Plans `cypher(...)` for one statement.
#[derive(Debug)]
pub(crate) struct CypherRelations {
    catalog: Arc<Catalog>,
    /// The graph that the session has selected.
    selected: String,
    source: Arc<SourceText>,
    parameters: Vec<CypherParameter>,
    seen: Arc<SeenParameters>,
}

impl CypherRelations {
    pub(crate) fn new(
        catalog: &Arc<Catalog>,
        selected: String,
        source: &Arc<SourceText>,
        types: &[Option<SqlType>],
        seen: &Arc<SeenParameters>,
    ) -> Self {
        CypherRelations {
            catalog: Arc::clone(catalog),
            selected,
            source: Arc::clone(source),
            parameters: known_parameters(types),
            seen: Arc::clone(seen),
        }
    }

    fn table(&self, call: &Call<'_>) -> Result<CypherTable> {
        let graph = Arc::clone(graph_of(call.graph, &self.catalog, &self.selected)?);
        let arguments = call.arguments.clone();
        let known = match arguments {
            Arguments::Statement => self.parameters.clone(),
            Arguments::Constant(_) | Arguments::Parameter(_) | Arguments::Row => arguments.types()?,
        };
        let offset = self.offset(call);
        let query = language::plan(call.text, offset, &self.catalog, &graph, &known)?;
        for parameter in &query.parameters {
            let source = arguments.source(parameter).map_err(|error| {
                let before = call.text.split(&format!("${}", parameter.name)).next().unwrap_or_default();
                error
                    .with_hint("The parameters of a statement have numbers: $1, $2, ...")
                    .at(offset + before.chars().count())
            });
            self.seen.extend(source?);
        }
        if let Arguments::Parameter(index) = arguments {
            self.seen.extend(Some((index, SqlType::Jsonb)));
        }
        let batch = match arguments {
            Arguments::Row => query.batch(&self.catalog, &graph),
            Arguments::Statement | Arguments::Constant(_) | Arguments::Parameter(_) => None,
        };
        Ok(CypherTable { graph, version: None, query, arguments, batch })
    }

    /// Where the Cypher text begins in the statement, in characters from 1.
    fn offset(&self, call: &Call<'_>) -> usize {
        let literal = call.literal;
        let quote = match &literal.value {
            _ if call.graph.is_none() => 0,
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
        let relation = match lateral::apart(relation, is_lateral)? {
            Apart::Lateral(lateral) => return self.lateral(*lateral, context),
            Apart::Other(relation) => *relation,
        };
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

/// Whether a relation is a call that depends on what stands beside it.
pub(crate) fn is_lateral(relation: &TableFactor) -> bool {
    matches!(Call::of(relation), Some(Ok(Call { arguments: Arguments::Row, .. })))
}

/// Takes the third argument and the alias out of a call.
fn third(relation: TableFactor) -> Option<(ast::Expr, Option<TableAlias>)> {
    let (args, alias) = match relation {
        TableFactor::Table { args: Some(args), alias, .. } => (args.args, alias),
        TableFactor::Function { args, alias, .. } => (args, alias),
        _ => return None,
    };
    match args.into_iter().nth(2) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))) => Some((argument, alias)),
        _ => None,
    }
}

impl CypherRelations {
    /// Plans a call together with what stands before it.
    fn lateral(
        &self,
        lateral: Lateral,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let call = Call::of(&lateral.relation).ok_or_else(|| Error::internal("a call that is none"))?;
        let table = self.table(&call?)?;
        if table.writes() {
            return Err(
                Error::not_supported("a query that writes with values of the rows beside it is not supported").into()
            );
        }
        let (argument, alias) =
            third(lateral.relation.clone()).ok_or_else(|| Error::internal("a call without its argument"))?;
        let mut alias = alias.unwrap_or_else(default_alias);
        let (plan, condition) = lateral.planned(argument, table, context)?;
        lateral::check_argument(&plan)?;
        let columns = std::mem::take(&mut alias.columns);
        let name = context.normalize_ident(alias.name);
        let schema = Arc::clone(plan.schema());
        let is_added =
            |qualifier: Option<&TableReference>| qualifier.is_some_and(|name| name.table() == lateral::ADDED);
        let fields: Vec<FieldRef> =
            schema.iter().filter(|(qualifier, _)| is_added(*qualifier)).map(|(_, field)| Arc::clone(field)).collect();
        let before = schema.iter().filter(|(qualifier, field)| {
            !(is_added(*qualifier) || qualifier.is_none() && field.name() == lateral::ARGUMENT)
        });
        let mut all: Vec<Expr> = before.map(|column| Expr::Column(Column::from(column))).collect();
        for (value, column) in named_columns(&fields, lateral::ADDED, columns, context)? {
            all.push(value.alias_qualified(Some(TableReference::bare(name.as_str())), column));
        }
        let mut plan = LogicalPlanBuilder::from(plan).project(all)?.build()?;
        if let Some(condition) = condition {
            let condition = context.sql_to_expr(condition, plan.schema())?;
            plan = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
        }
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))))
    }
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
    let fields: Vec<FieldRef> = plan.schema().fields().iter().map(Arc::clone).collect();
    let columns = named_columns(&fields, "cypher", columns, context)?;
    let columns = columns.into_iter().map(|(value, name)| value.alias(name));
    LogicalPlanBuilder::from(plan).project(columns.collect::<Vec<_>>())?.build()
}

/// The columns of a pattern and their names, by its column list if it has one.
fn named_columns(
    fields: &[FieldRef],
    qualifier: &str,
    columns: Vec<ast::TableAliasColumnDef>,
    context: &dyn RelationPlannerContext,
) -> DataFusionResult<Vec<(Expr, String)>> {
    let value = |field: &FieldRef| col(Column::new(Some(TableReference::bare(qualifier)), field.name()));
    if columns.is_empty() {
        return Ok(fields.iter().map(|field| (value(field), field.name().clone())).collect());
    }
    if fields.len() != columns.len() {
        let error = Error::new(ErrorKind::DatatypeMismatch, "return row and column definition list do not match")
            .with_detail(format!("RETURN has {} columns, the list has {}.", fields.len(), columns.len()));
        return Err(error.into());
    }
    fields
        .iter()
        .zip(columns)
        .map(|(field, column)| {
            let value = match column.data_type {
                Some(data_type) if !is_agtype(&data_type) => match SqlType::of_field(field) {
                    Some(from) => cast(value(field), &from, &sql_type(&data_type)?, CastContext::Explicit)?,
                    None => return Err(Error::internal("a column of a graph pattern without a SQL type").into()),
                },
                _ => value(field),
            };
            Ok((value, context.normalize_ident(column.name)))
        })
        .collect()
}
