//! Graph algorithms in FROM: `slipstream.page_rank('social', 'follows', damping => 0.9)`.
//!
//! 1. While planning, [`AlgorithmRelations`] reads the call ([`call`]), of which [`signature`] knows the names and arguments,
//!    finds the element tables that it is about ([`elements`]) and gives DataFusion an [`AlgorithmTable`]: names and types, no
//!    data. What these depend on must be a constant: the graph, labels, a column with weights, the direction.
//! 2. Before running, [`AlgorithmTable::bound`] makes of it the operator over the tables of the statement's view, with the
//!    values of the other arguments ([`values`]), which may be parameters.
//!
//! The graph index is not asked: algorithms read the element tables, the transaction's own writes with them.

mod call;
mod elements;
mod signature;
mod values;

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::config::ConfigOptions;
use datafusion::datasource::{TableType, provider_as_source};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Ident, TableAlias, TableFactor};
use slipstream_catalog::graph_algorithms::GraphAlgorithm;
use slipstream_engine::catalog::Catalog;
use slipstream_engine::{Error, Result};

use self::call::Call;
pub(crate) use self::call::graphs;
use self::elements::Elements;
use super::relation::SeenParameters;
use crate::planner::names::Tables;
use crate::source::SourceText;

/// Plans calls of algorithms for one statement.
#[derive(Debug)]
pub(crate) struct AlgorithmRelations {
    catalog: Arc<Catalog>,
    source: Arc<SourceText>,
    seen: Arc<SeenParameters>,
}

impl AlgorithmRelations {
    pub(crate) fn new(catalog: &Arc<Catalog>, source: &Arc<SourceText>, seen: &Arc<SeenParameters>) -> Self {
        AlgorithmRelations { catalog: Arc::clone(catalog), source: Arc::clone(source), seen: Arc::clone(seen) }
    }
}

impl RelationPlanner for AlgorithmRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> DataFusionResult<RelationPlanning> {
        let Some((function, arguments)) = call::of(&relation) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let call = Call::planned(function, arguments, &self.source, context)?;
        let elements = Elements::of(&call, &self.catalog, &Arc::new(context.context_provider().options().clone()))?;
        call.note_parameters(&elements.key, &self.seen)?;
        let (TableFactor::Table { alias, .. } | TableFactor::Function { alias, .. }) = relation else {
            return Err(Error::internal("calls are tables or functions").into());
        };
        let schema = function.output(&call).schema(&elements.key, elements.vertices.len() > 1);
        let table = AlgorithmTable { call, elements, schema };
        let plan = LogicalPlanBuilder::scan(function.name(), provider_as_source(Arc::new(table)), None)?.build()?;
        let name = || TableAlias { explicit: false, name: Ident::new(function.name()), columns: Vec::new(), at: None };
        let alias = alias.unwrap_or_else(name);
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias)))))
    }
}

/// A planned call that is not yet tied to what the statement reads.
pub(crate) struct AlgorithmTable {
    call: Call,
    elements: Elements,
    schema: SchemaRef,
}

impl AlgorithmTable {
    /// The algorithm over the tables of a view, with the values of the statement's parameters.
    pub(crate) fn bound(
        &self,
        tables: &Tables,
        parameters: &[ScalarValue],
        options: &Arc<ConfigOptions>,
    ) -> Result<GraphAlgorithm> {
        let values = values::Values { call: &self.call, elements: &self.elements, parameters, options };
        let (algorithm, described) = values.algorithm()?;
        let description = format!("{} {}{described}", self.call.function.name(), self.elements.description);
        Ok(GraphAlgorithm::new(algorithm, self.elements.inputs(tables)?, Arc::clone(&self.schema), description))
    }
}

impl fmt::Debug for AlgorithmTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlgorithmTable({:?})", self.call.function)
    }
}

#[async_trait]
impl TableProvider for AlgorithmTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Err(Error::internal("a graph algorithm ran before it was bound to a snapshot").into())
    }
}
