//! A planned query in the plan of its statement: what takes its place when it is known what the statement reads.
//!
//! * Where the index answers all of it ([`Route::Index`]), a scan of the statement's own read transaction.
//! * Where joins do ([`Route::Joins`]), a plan over the element tables ([`super::join`]).
//! * Where the index answers the first clauses ([`Route::Prefix`]), a plan that begins with such a scan and goes on as joins
//!   do. Columns of elements that the index does not cover are joined by key when a clause uses them, which the physical
//!   rule for that ([`IndexThenStore`]) then makes look-ups.
//!
//! All take the values of the query's parameters ([`super::arguments`]). The plan of the joins is made anew for every run: it
//! has constants for parameters, and the tables of the view. The plan around it is kept twice (`prepare::Planned`),
//! optimized for the index and as it was written; with joins in it the latter is optimized as a whole, so that what the
//! statement asks of the pattern's rows reaches into it.
//!
//! [`IndexThenStore`]: slipstream_catalog::index_then_store::IndexThenStore

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use slipstream_catalog::graph_scan::GraphScan;
use slipstream_engine::catalog::{GraphDefinition, TableId};
use slipstream_engine::graph::index::{IndexQuery, IndexReader};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ReadView, Result};

use super::arguments::Arguments;
use super::join::{self, ElementTable};
use super::route::{Index, Route, route};
use crate::planner::names::Tables;
use crate::settings::GraphStrategy;
use slipstream_graph_language::GraphQuery;
use slipstream_graph_language::batch::{self, Batch};
use slipstream_graph_language::bound::BoundClause;
use slipstream_graph_language::degrees::counted_paths;
use slipstream_graph_language::index::{IndexPart, Prefix};

/// A planned query that is not yet tied to what the statement reads.
#[derive(Debug)]
pub(crate) struct CypherTable {
    pub(super) graph: Arc<GraphDefinition>,
    /// The older version that it reads, as the database that stands for it.
    pub(super) version: Option<String>,
    pub(super) query: GraphQuery,
    pub(super) arguments: Arguments,
    /// The query for many rows beside it, where it is one that may be asked so.
    pub(super) batch: Option<Batch>,
}

/// What a plan over tables is made from.
pub(crate) struct Sources<'a> {
    /// The tables of the view.
    pub(crate) tables: &'a Tables,
    /// The session's functions.
    pub(crate) functions: &'a SessionState,
    /// The values of the statement's parameters.
    pub(crate) values: &'a [ScalarValue],
}

impl CypherTable {
    /// How the query is answered in a view.
    pub(crate) fn route(&self, view: &ReadView, strategy: GraphStrategy) -> Result<Route> {
        let index = match self.version {
            None => Index::of(&self.graph, view),
            Some(_) => Index::Behind,
        };
        route(strategy, index, &self.query, &self.graph.name)
    }

    /// A line for EXPLAIN about how the query is answered.
    pub(crate) fn explain(&self, route: &Route) -> String {
        let how = match (route, &self.query.index) {
            (Route::Joins(reason), _) if counted_paths(&self.query.bound).is_some() => {
                format!("joins ({reason}), which count paths by the degrees of their middle nodes")
            }
            (Route::Joins(reason), _) => format!("joins ({reason})"),
            (Route::Prefix(_), IndexPart::Prefix(prefix)) => {
                let clauses = match prefix.clauses {
                    1 => "the first clause".to_string(),
                    clauses => format!("the first {clauses} clauses"),
                };
                format!("index for {clauses}, joins from there on ({})", prefix.lack.message())
            }
            _ => "index".to_string(),
        };
        format!("GraphPattern: graph={}, route={how}, {}", self.graph.name, self.query.description)
    }

    /// Columns of its result.
    pub(crate) fn columns(&self) -> usize {
        self.query.schema.fields().len()
    }

    /// The scan of this query in the index.
    pub(crate) fn index_scan(&self, reader: Arc<dyn IndexReader>, values: &[ScalarValue]) -> Result<GraphScan> {
        let cypher = match &self.query.index {
            IndexPart::Whole(cypher) => cypher.clone(),
            IndexPart::Prefix(_) | IndexPart::Nothing(_) => {
                return Err(Error::internal("the index does not answer all of this query"));
            }
        };
        let parameters = self.parameters(values)?;
        let query = IndexQuery { cypher, parameters, schema: Arc::clone(&self.query.schema) };
        Ok(GraphScan::new(&self.graph.name, &self.query.description, query, reader))
    }

    /// The scan of this query in the index for many rows, whose arguments these are. Its last column is the number of the row.
    pub(super) fn batch_scan(
        &self,
        batch: &Batch,
        reader: Arc<dyn IndexReader>,
        arguments: &[ScalarValue],
    ) -> Result<GraphScan> {
        let numbers = (1_i64..).take(arguments.len()).map(|number| ScalarValue::Int64(Some(number)));
        let mut parameters = vec![(batch::list(0), list_of(&numbers.collect::<Vec<_>>(), &SqlType::BigInt))];
        for (at, parameter) in (1..).zip(&self.query.parameters) {
            let values =
                arguments.iter().map(|argument| self.arguments.value(parameter, std::slice::from_ref(argument)));
            let values = values.collect::<Result<Vec<_>>>()?;
            parameters.push((batch::list(at), list_of(&values, &parameter.sql_type)));
        }
        let mut fields: Vec<FieldRef> = self.fields().cloned().collect();
        fields.push(Arc::new(SqlType::BigInt.field("?row", false)));
        let query = IndexQuery { cypher: batch.cypher.clone(), parameters, schema: Arc::new(Schema::new(fields)) };
        Ok(GraphScan::new(&self.graph.name, &self.query.description, query, reader))
    }

    /// The fields of its result.
    pub(super) fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.query.schema.fields().iter()
    }

    /// The plan of this query over the tables of a view. Its columns are those of the table.
    pub(crate) fn joins(&self, sources: &Sources<'_>) -> Result<LogicalPlan> {
        self.joins_over(&self.elements(sources.tables)?, sources.functions, sources.values)
    }

    /// The plan that begins in the index and goes on over the tables of a view.
    pub(crate) fn begun_by_index(&self, reader: Arc<dyn IndexReader>, sources: &Sources<'_>) -> Result<LogicalPlan> {
        self.begun_by_index_over(reader, &self.elements(sources.tables)?, sources.functions, sources.values)
    }

    /// The element tables that the query names.
    pub(crate) fn elements(&self, tables: &Tables) -> Result<HashMap<TableId, ElementTable>> {
        let mut elements = HashMap::new();
        let tables = match &self.version {
            None => tables,
            Some(version) => tables.version(version)?,
        };
        for id in join::tables(&self.query.bound, &self.graph)? {
            let (definition, rows) = tables.by_id(id)?;
            elements.insert(id, ElementTable { definition, rows });
        }
        Ok(elements)
    }

    /// The plan of this query over element tables.
    pub(super) fn joins_over(
        &self,
        elements: &HashMap<TableId, ElementTable>,
        functions: &SessionState,
        values: &[ScalarValue],
    ) -> Result<LogicalPlan> {
        self.plan(elements, functions, values, None)
    }

    /// The plan that begins in the index and goes on over element tables.
    pub(super) fn begun_by_index_over(
        &self,
        reader: Arc<dyn IndexReader>,
        elements: &HashMap<TableId, ElementTable>,
        functions: &SessionState,
        values: &[ScalarValue],
    ) -> Result<LogicalPlan> {
        let IndexPart::Prefix(prefix) = &self.query.index else {
            return Err(Error::internal("the index does not answer the first clauses of this query"));
        };
        let scan = self.prefix_scan(prefix, reader, values)?;
        let start = join::Start {
            rows: join::index_rows(provider_as_source(Arc::new(scan)))?,
            clauses: prefix.clauses,
            conditions: &prefix.conditions,
        };
        self.plan(elements, functions, values, Some(start))
    }

    fn plan(
        &self,
        elements: &HashMap<TableId, ElementTable>,
        functions: &SessionState,
        values: &[ScalarValue],
        start: Option<join::Start<'_>>,
    ) -> Result<LogicalPlan> {
        let parameters = self.parameters(values)?.into_iter().collect();
        let ground = join::Ground { graph: &self.graph, tables: elements, parameters: &parameters, functions };
        join::lower(&self.query.bound, &ground, start)
    }

    fn prefix_scan(&self, prefix: &Prefix, reader: Arc<dyn IndexReader>, values: &[ScalarValue]) -> Result<GraphScan> {
        let fields: Vec<Field> =
            prefix.columns.iter().map(|(carried, sql_type)| sql_type.field(&join::name(carried), true)).collect();
        let mut parameters = self.parameters(values)?;
        parameters.retain(|(name, _)| prefix.parameters.contains(name));
        let query = IndexQuery { cypher: prefix.cypher.clone(), parameters, schema: Arc::new(Schema::new(fields)) };
        Ok(GraphScan::new(&self.graph.name, &self.query.description, query, reader))
    }

    /// Whether the query writes.
    pub(crate) fn writes(&self) -> bool {
        self.query.bound.writes()
    }

    /// Whether it returns rows; one that writes need not.
    pub(crate) fn returns(&self) -> bool {
        !self.query.bound.outputs.is_empty()
    }

    /// The tag of a command that writes and returns nothing, without its count: the first clause that writes.
    pub(crate) fn tag(&self) -> &'static str {
        self.query.bound.clauses.iter().find(|clause| clause.writes()).map_or("SELECT", BoundClause::tag)
    }

    /// Lines for EXPLAIN about what a query that writes does.
    pub(crate) fn explain_writes(&self) -> Vec<String> {
        let head = format!(
            "GraphWrite: graph={}, route=joins (the query writes), {}",
            self.graph.name, self.query.description
        );
        let writes = self.query.bound.clauses.iter().flat_map(BoundClause::write_lines);
        std::iter::once(head).chain(writes.map(|line| format!("  {line}"))).collect()
    }

    /// The values of the query's parameters, in its types.
    pub(super) fn parameters(&self, values: &[ScalarValue]) -> Result<Vec<(String, ScalarValue)>> {
        let parameters = self.query.parameters.iter();
        parameters.map(|parameter| Ok((parameter.name.clone(), self.arguments.value(parameter, values)?))).collect()
    }
}

fn list_of(values: &[ScalarValue], item: &SqlType) -> ScalarValue {
    ScalarValue::List(ScalarValue::new_list_nullable(values, &item.arrow_type()))
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
