//! A graph algorithm as a table.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::algorithm::Algorithm;
use super::operator::{GraphAlgorithmExec, Work};

/// Where vertices come from.
#[derive(Debug, Clone)]
pub struct VertexInput {
    /// The name of the table in the graph.
    pub name: String,
    /// The key of each vertex: one column, of the same type in all tables.
    pub rows: LogicalPlan,
}

/// Where edges come from.
#[derive(Debug, Clone)]
pub struct EdgeInput {
    /// The vertex tables where they start and end, by position.
    pub ends: (usize, usize),
    /// The keys of the ends of each edge, and its weight as a `double precision`, if edges have weights.
    pub rows: LogicalPlan,
}

/// What an algorithm reads.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Vertices. Where there are several tables, rows have their names.
    pub vertices: Vec<VertexInput>,
    /// Edges.
    pub edges: Vec<EdgeInput>,
}

/// An algorithm over what a statement reads, as a table.
#[derive(Clone)]
pub struct GraphAlgorithm {
    algorithm: Algorithm,
    inputs: Inputs,
    description: String,
    schema: SchemaRef,
}

impl GraphAlgorithm {
    /// An algorithm over `inputs`; `schema` is what [`Output::schema`](super::Output::schema) says of it, `description` is for
    /// EXPLAIN.
    pub fn new(algorithm: Algorithm, inputs: Inputs, schema: SchemaRef, description: String) -> Self {
        GraphAlgorithm { algorithm, inputs, description, schema }
    }
}

impl fmt::Debug for GraphAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GraphAlgorithm({})", self.description)
    }
}

#[async_trait]
impl TableProvider for GraphAlgorithm {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let mut inputs = Vec::new();
        let vertices = self.inputs.vertices.iter().map(|input| &input.rows);
        for rows in vertices.chain(self.inputs.edges.iter().map(|input| &input.rows)) {
            inputs.push(session.create_physical_plan(rows).await?);
        }
        let work = Work {
            algorithm: self.algorithm.clone(),
            tables: self.inputs.vertices.iter().map(|input| input.name.clone()).collect(),
            edges: self.inputs.edges.iter().map(|input| input.ends).collect(),
            description: self.description.clone(),
        };
        Ok(Arc::new(GraphAlgorithmExec::new(work, inputs, &self.schema, projection)?))
    }
}
