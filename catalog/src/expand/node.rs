//! Expand in a logical plan, and how it becomes physical.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, DFSchemaRef, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use slipstream_engine::Error;

use super::adjacency::{EdgePositions, Way};
use super::operator::ExpandExec;
use super::walk::Bounds;

/// The edges that are followed: a table, and which of its columns mean what.
#[derive(Clone)]
pub struct EdgeColumns {
    /// The table.
    pub table: Arc<dyn TableProvider>,
    /// Its name, for EXPLAIN.
    pub name: String,
    /// The key of the vertex where an edge starts.
    pub source: String,
    /// The key of the vertex where it ends, of the same type.
    pub destination: String,
}

/// Columns that are added to those of the input, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub struct Output {
    /// The key of the vertex where the path ends.
    pub end: String,
    /// How many edges it has, where that is wanted.
    pub length: Option<String>,
    /// Columns of the edges that are wanted, each with the name of the list of its values along a path.
    pub lists: Vec<(String, String)>,
}

/// Each row of the input with the ends of all paths that start in one of its columns.
#[derive(Clone)]
pub struct Expand {
    input: Arc<LogicalPlan>,
    start: Expr,
    edges: EdgeColumns,
    way: Way,
    bounds: Bounds,
    outer: bool,
    output: Output,
    schema: DFSchemaRef,
}

impl Expand {
    /// Paths within `bounds` from the vertex whose key is `start`. Where `outer` is set, a row without a path
    /// comes once, with NULLs.
    pub fn new(
        input: LogicalPlan,
        start: Expr,
        edges: EdgeColumns,
        way: Way,
        bounds: Bounds,
        outer: bool,
        output: Output,
    ) -> PlanResult<Self> {
        let input = Arc::new(input);
        let schema = schema(&input, &edges, &output)?;
        Ok(Expand { input, start, edges, way, bounds, outer, output, schema })
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        let lists = self.output.lists.iter().map(|(_, name)| name);
        std::iter::once(&self.output.end).chain(&self.output.length).chain(lists)
    }
}

/// The fields of the added columns.
fn added(edges: &EdgeColumns, output: &Output) -> PlanResult<Vec<FieldRef>> {
    let column =
        |name: &str| -> PlanResult<DataType> { Ok(edges.table.schema().field_with_name(name)?.data_type().clone()) };
    let mut fields = vec![Arc::new(Field::new(&output.end, column(&edges.source)?, true))];
    if let Some(length) = &output.length {
        fields.push(Arc::new(Field::new(length, DataType::Int64, true)));
    }
    for (edge_column, name) in &output.lists {
        let item = Field::new_list_field(column(edge_column)?, true);
        fields.push(Arc::new(Field::new(name, DataType::List(Arc::new(item)), true)));
    }
    Ok(fields)
}

fn schema(input: &LogicalPlan, edges: &EdgeColumns, output: &Output) -> PlanResult<DFSchemaRef> {
    let mut fields: Vec<(Option<TableReference>, FieldRef)> =
        input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field))).collect();
    fields.extend(added(edges, output)?.into_iter().map(|field| (None, field)));
    Ok(Arc::new(DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?))
}

impl UserDefinedLogicalNodeCore for Expand {
    fn name(&self) -> &str {
        "Expand"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.start.clone()]
    }

    /// What is known of a row before its paths are searched is best said then.
    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.names().cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Expand: edges={}, start={}, {:?}", self.edges.name, self.start, self.bounds)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> PlanResult<Self> {
        let (Some(start), Some(input)) = (exprs.into_iter().next(), inputs.into_iter().next()) else {
            return Err(Error::internal("Expand has one expression and one input").into());
        };
        let input = Arc::new(input);
        let schema = schema(&input, &self.edges, &self.output)?;
        Ok(Expand { input, start, schema, ..self.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < width).collect()])
    }
}

/// What tells one from another. A table is told by its name: a plan has one snapshot.
type Identity<'a> = (&'a Expr, [&'a str; 3], Way, Bounds, bool, &'a Output);

impl Expand {
    fn identity(&self) -> Identity<'_> {
        let EdgeColumns { name, source, destination, .. } = &self.edges;
        (&self.start, [name, source, destination], self.way, self.bounds, self.outer, &self.output)
    }
}

impl fmt::Debug for Expand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expand").field(&self.identity()).finish()
    }
}

impl PartialEq for Expand {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity() && self.input == other.input
    }
}

impl Eq for Expand {}

impl PartialOrd for Expand {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let identity = self.identity().partial_cmp(&other.identity())?;
        Some(identity.then(self.input.partial_cmp(&other.input)?)).filter(|order| order.is_ne() || self == other)
    }
}

impl Hash for Expand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
        self.input.hash(state);
    }
}

/// Makes [`Expand`] physical.
#[derive(Debug)]
pub struct ExpandPlanner;

#[async_trait]
impl ExtensionPlanner for ExpandPlanner {
    async fn plan_extension(
        &self,
        planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        session: &SessionState,
    ) -> PlanResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(expand) = node.as_any().downcast_ref::<Expand>() else { return Ok(None) };
        let ([logical], [input]) = (logical_inputs, physical_inputs) else {
            return Err(Error::internal("Expand has one input").into());
        };
        let start = planner.create_physical_expr(&expand.start, logical.schema(), session)?;
        let (edges, positions) = scan(&expand.edges, &expand.output.lists, session).await?;
        let added = added(&expand.edges, &expand.output)?;
        let exec = ExpandExec::new(
            [Arc::clone(input), edges],
            start,
            (positions, expand.way),
            expand.bounds,
            expand.outer,
            added,
            expand.edges.name.clone(),
        );
        Ok(Some(Arc::new(exec)))
    }
}

/// Scans the columns of the edges, and says where they are. Tables give columns in their own order.
async fn scan(
    edges: &EdgeColumns,
    lists: &[(String, String)],
    session: &SessionState,
) -> PlanResult<(Arc<dyn ExecutionPlan>, EdgePositions)> {
    let schema = edges.table.schema();
    let (source, destination) = (schema.index_of(&edges.source)?, schema.index_of(&edges.destination)?);
    let lists = lists.iter().map(|(column, _)| Ok(schema.index_of(column)?)).collect::<PlanResult<Vec<usize>>>()?;
    let mut columns: Vec<usize> = [source, destination].into_iter().chain(lists.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    let scan = edges.table.scan(session, Some(&columns), &[], None).await?;
    let place = |column: usize| columns.iter().position(|other| *other == column).unwrap_or_default();
    let lists = lists.into_iter().map(place).collect();
    let positions = EdgePositions { source: place(source), destination: place(destination), lists };
    Ok((scan, positions))
}
