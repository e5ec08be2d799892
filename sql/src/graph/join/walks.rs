//! Variable-length relationships as values: what is kept of each edge that they go along.

use datafusion::common::{JoinType, TableReference};
use datafusion::error::Result as PlanResult;
use datafusion::functions_nested::expr_fn::array_reverse;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use slipstream_engine::Result;

use super::elements::{Member, member, named};
use super::pattern::joined;
use super::{Lowering, column, names};

/// Columns of the edges: each as a value, the nodes at its ends as values, and their keys.
const RELATIONSHIP: &str = "?relationship";
const NODES: [&str; 2] = ["?source", "?destination"];
const NODE_KEYS: [&str; 2] = ["?source_key", "?destination_key"];

/// The column with the relationships that a variable-length one is, as values.
pub(super) fn walk_relationships(variable: &str) -> String {
    format!("{variable}?relationships")
}

/// The column with the nodes where these start.
pub(super) fn walk_sources(variable: &str) -> String {
    format!("{variable}?sources")
}

/// The column with the nodes where they end.
pub(super) fn walk_destinations(variable: &str) -> String {
    format!("{variable}?destinations")
}

impl Lowering<'_> {
    /// Whether the relationships of a variable-length one are wanted as values, and the nodes between them.
    pub(super) fn wanted(&self, variable: &str) -> (bool, bool) {
        (self.uses.wholes.contains(variable), self.uses.paths.contains(variable))
    }

    /// The columns of its edges that are wanted as values along a variable-length relationship, and the names of the lists.
    pub(super) fn value_lists(&self, variable: &str) -> Vec<(String, String)> {
        let (whole, path) = self.wanted(variable);
        let mut lists = Vec::new();
        if whole || path {
            lists.push((RELATIONSHIP.to_string(), walk_relationships(variable)));
        }
        if path {
            lists.push((NODES[0].to_string(), walk_sources(variable)));
            lists.push((NODES[1].to_string(), walk_destinations(variable)));
        }
        lists
    }

    /// The columns of the edges of a table that their values are in, or will be made of.
    pub(super) fn edge_value(
        &self,
        edge: &Member<'_>,
        table: &TableReference,
        whole: bool,
        path: bool,
    ) -> PlanResult<Vec<Expr>> {
        let mut columns = Vec::new();
        if whole || path {
            columns.push(self.element_value(edge, &|name| named(table, name))?.alias(RELATIONSHIP));
        }
        if path {
            let (source, destination) = edge.ends()?;
            columns.push(named(table, source.column).alias(NODE_KEYS[0]));
            columns.push(named(table, destination.column).alias(NODE_KEYS[1]));
        }
        Ok(columns)
    }

    /// Edges with the nodes at their ends.
    pub(super) fn with_nodes(&self, mut edges: LogicalPlan, edge: &Member<'_>) -> PlanResult<LogicalPlan> {
        let (source, destination) = edge.ends()?;
        for ((end, name), held) in [source, destination].into_iter().zip(NODES).zip(NODE_KEYS) {
            let vertex = self.vertex_name(end.vertex)?;
            let node = member(self.ground, vertex)?;
            let (scan, table) = node.scan()?;
            let value = self.element_value(&node, &|name| named(&table, name))?.alias(name);
            let key = format!("{name}?key");
            let nodes = scan.project([named(&table, node.key).alias(&key), value])?.build()?;
            let kept: Vec<Expr> =
                names(&edges).filter(|name| *name != held).map(column).chain([column(name)]).collect();
            let rows = joined(nodes, edges, JoinType::Inner, vec![column(key).eq(column(held))])?;
            edges = LogicalPlanBuilder::from(rows).project(kept)?.build()?;
        }
        Ok(edges)
    }

    /// The name of the vertex table at a place.
    pub(super) fn vertex_name(&self, place: usize) -> Result<&str> {
        let vertex = self.ground.graph.vertices.get(place).map(|vertex| vertex.name.as_str());
        vertex.ok_or_else(|| slipstream_engine::Error::internal("a vertex table that its graph has not"))
    }

    /// The rows of a walk that was begun at its end: the lists in the order of the pattern.
    pub(super) fn turned(&self, rows: LogicalPlan, variable: &str) -> PlanResult<LogicalPlan> {
        let lists = [walk_relationships(variable), walk_sources(variable), walk_destinations(variable)];
        if !names(&rows).any(|name| lists.contains(name)) {
            return Ok(rows);
        }
        let columns: Vec<Expr> = names(&rows)
            .map(|name| match lists.contains(name) {
                true => array_reverse(column(name)).alias(name),
                false => column(name),
            })
            .collect();
        LogicalPlanBuilder::from(rows).project(columns)?.build()
    }
}
