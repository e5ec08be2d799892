//! Relationships between the nodes of a pattern.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::datasource::ViewTable;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use slipstream_catalog::expand::EdgeColumns;
use slipstream_graph_language::bound::BoundRelationship;
use slipstream_graph_language::syntax::Direction;

use super::Lowering;
use super::elements::{Element, End, Member, named, union};
use super::identity::Identity;

/// A relationship between two nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg<'a> {
    pub(super) relationship: &'a BoundRelationship,
    pub(super) left: &'a str,
    pub(super) right: &'a str,
}

/// The edges that a variable-length relationship is made of.
pub(super) struct WalkEdges {
    pub(super) columns: EdgeColumns,
    /// The column with what tells an edge.
    pub(super) key: String,
    /// Whether its vertices are told by identity.
    pub(super) identified: bool,
}

impl Lowering<'_> {
    /// All relationships that a variable may be, with what tells the nodes on their left and right. Without a direction
    /// every edge lies both ways, but one from a node to itself only one.
    pub(super) fn relationships(&self, leg: Leg<'_>) -> PlanResult<LogicalPlan> {
        let Leg { relationship, left, right } = leg;
        let element = self.element(&relationship.variable)?;
        let (left, right) = (self.element(left)?, self.element(right)?);
        let mut branches = Vec::new();
        for member in &element.members {
            let (source, destination) = member.ends()?;
            let mut lying = |from: End<'_>, to: End<'_>, again: bool| {
                if left.may_be(from.vertex) && right.may_be(to.vertex) {
                    let ends = (end(left, from), end(right, to));
                    branches.push(lie(self, member, &relationship.variable, ends, again)?);
                }
                Ok::<_, datafusion::error::DataFusionError>(())
            };
            if relationship.direction != Direction::Left {
                lying(source, destination, false)?;
            }
            if relationship.direction != Direction::Right {
                let again = relationship.direction == Direction::Either && source.vertex == destination.vertex;
                lying(destination, source, again)?;
            }
        }
        union(branches)
    }

    /// The edges that a variable-length relationship is made of.
    pub(super) fn walk_edges(&self, leg: Leg<'_>) -> PlanResult<WalkEdges> {
        let name = leg.relationship.variable.as_str();
        let element = self.element(name)?;
        let keys = self.identified.contains(name) || element.only().is_none();
        let vertices = self.is_identified(leg, element)?;
        let tables: Vec<&str> = element.members.iter().map(|member| member.table().definition.name.as_str()).collect();
        let (whole, path) = self.wanted(name);
        let all = leg.relationship.conditions.is_empty();
        if let (Some(only), false, false, false, true) = (element.only(), keys, vertices, whole || path, all) {
            let (source, destination) = only.ends()?;
            let columns = EdgeColumns {
                table: Arc::clone(&only.table().rows),
                name: tables.join(", "),
                source: source.column.to_string(),
                destination: destination.column.to_string(),
            };
            return Ok(WalkEdges { columns, key: only.key.to_string(), identified: false });
        }
        let told = |identified: bool, place: usize, key: Expr| match identified {
            true => Identity::call(place, key),
            false => key,
        };
        let branches = element.members.iter().map(|member| {
            let (source, destination) = member.ends()?;
            let (scan, table) = member.scan()?;
            let scan = self.allowed(scan, &table, leg.relationship, member)?;
            let mut columns = vec![
                told(vertices, source.vertex, named(&table, source.column)).alias(SOURCE),
                told(vertices, destination.vertex, named(&table, destination.column)).alias(DESTINATION),
                told(keys, member.place, named(&table, member.key)).alias(KEY),
            ];
            columns.extend(self.edge_value(member, &table, whole, path)?);
            let edges = scan.project(columns)?.build()?;
            if path { self.with_nodes(edges, member) } else { Ok(edges) }
        });
        let edges = match branches.collect::<PlanResult<Vec<_>>>()? {
            none if none.is_empty() => no_edges(&self.value_lists(name))?,
            branches => union(branches)?,
        };
        let values = if whole || path { " as values" } else { "" };
        let columns = EdgeColumns {
            table: Arc::new(ViewTable::new(edges, None)) as Arc<dyn TableProvider>,
            name: format!("{}{values}", tables.join(", ")),
            source: SOURCE.to_string(),
            destination: DESTINATION.to_string(),
        };
        Ok(WalkEdges { columns, key: KEY.to_string(), identified: vertices })
    }

    /// The edges of a table that satisfy what a variable-length relationship asks of each.
    fn allowed(
        &self,
        scan: LogicalPlanBuilder,
        table: &TableReference,
        relationship: &BoundRelationship,
        member: &Member<'_>,
    ) -> PlanResult<LogicalPlanBuilder> {
        let element = self.element(&relationship.variable)?;
        let own = format!("{}.", relationship.variable);
        relationship.conditions.iter().try_fold(scan, |scan, condition| {
            let condition = self.value(condition)?.transform(|expr| {
                let Expr::Column(column) = &expr else { return Ok(Transformed::no(expr)) };
                match column.name.strip_prefix(&own) {
                    Some(name) => Ok(Transformed::yes(element.property(name, member, table)?)),
                    None => Ok(Transformed::no(expr)),
                }
            })?;
            scan.filter(condition.data)
        })
    }

    /// The columns of its edges that are wanted along a variable-length relationship, and the names of the lists.
    pub(super) fn walk_lists(&self, edges: &WalkEdges, variable: &str) -> Vec<(String, String)> {
        let wanted = self.uses.walks.contains(variable) || self.uses.named.contains(variable);
        let keys = wanted.then(|| (edges.key.clone(), walk_edges(variable)));
        keys.into_iter().chain(self.value_lists(variable)).collect()
    }

    /// What tells a node where a walk begins or ends.
    pub(super) fn walk_key(&self, edges: &WalkEdges, node: &str) -> PlanResult<Expr> {
        if edges.identified { self.identity(node) } else { self.key(node) }
    }

    /// Whether a walk goes through vertices of several tables.
    fn is_identified(&self, leg: Leg<'_>, element: &Element<'_>) -> PlanResult<bool> {
        let Some(only) = element.only() else { return Ok(true) };
        let (source, destination) = only.ends()?;
        let mut places = vec![Some(destination.vertex)];
        for node in [leg.left, leg.right] {
            places.push(self.element(node)?.only().map(|only| only.place));
        }
        Ok(places.iter().any(|place| *place != Some(source.vertex)))
    }
}

/// The columns of the edges of several tables.
const SOURCE: &str = "source";
const DESTINATION: &str = "destination";
const KEY: &str = "key";

/// The edges of a graph without edge tables.
fn no_edges(values: &[(String, String)]) -> PlanResult<LogicalPlan> {
    let names = [SOURCE, DESTINATION, KEY].into_iter().chain(values.iter().map(|(name, _)| name.as_str()));
    let columns: Vec<Expr> = names.map(|name| lit(ScalarValue::Utf8(None)).alias(name)).collect();
    LogicalPlanBuilder::empty(true).project(columns)?.filter(lit(false))?.build()
}

/// The column of an end, and the table that its keys are of where that is to be told.
type Told<'a> = (&'a str, Option<usize>);

fn end<'a>(node: &Element<'_>, end: End<'a>) -> Told<'a> {
    (end.column, node.only().is_none().then_some(end.vertex))
}

/// The edges of one table, lying one way. Where they lie `again`, one from a node to itself is left out.
fn lie(
    lowering: &Lowering<'_>,
    member: &Member<'_>,
    variable: &str,
    (left, right): (Told<'_>, Told<'_>),
    again: bool,
) -> PlanResult<LogicalPlan> {
    let (scan, table) = member.scan()?;
    let scan = if again { scan.filter(named(&table, left.0).not_eq(named(&table, right.0)))? } else { scan };
    let told = |(column, place): Told<'_>| match place {
        Some(place) => Identity::call(place, named(&table, column)),
        None => named(&table, column),
    };
    let mut columns = vec![told(left).alias(left_end(variable)), told(right).alias(right_end(variable))];
    columns.extend(lowering.projected(variable, member, &table)?);
    scan.project(columns)?.build()
}

/// The column with what tells the node on the left of a relationship.
pub(super) fn left_end(variable: &str) -> String {
    format!("{variable}?left")
}

/// The column with what tells the node on its right.
pub(super) fn right_end(variable: &str) -> String {
    format!("{variable}?right")
}

/// The column with what tells the node where a variable-length relationship ends.
pub(super) fn walk_end(variable: &str) -> String {
    format!("{variable}?end")
}

/// The column with its length.
pub(super) fn walk_length(variable: &str) -> String {
    format!("{variable}?length")
}

/// The column with the keys of its edges.
pub(super) fn walk_edges(variable: &str) -> String {
    format!("{variable}?edges")
}
