//! The nodes and relationships of a query, as scans of their tables.

use std::collections::{BTreeSet, HashMap, HashSet};

use datafusion::common::{Column, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use slipstream_catalog::expand::EdgeColumns;
use slipstream_engine::catalog::{GraphDefinition, TableId};
use slipstream_engine::{Error, Result};

use super::{ElementTable, Ground, Lowering, column, names};
use slipstream_graph_language::bound::{BoundClause, BoundQuery, BoundRelationship};
use slipstream_graph_language::syntax::Direction;
use slipstream_graph_language::uses::Uses;

/// A node or relationship.
pub(super) struct Element<'a> {
    table: &'a ElementTable,
    /// The key column.
    key: &'a str,
    /// The columns of a relationship's ends.
    ends: Option<(&'a str, &'a str)>,
    /// The columns that the query uses, and the key.
    columns: BTreeSet<String>,
}

/// The elements of a query: their variables and labels.
pub(super) fn labels(query: &BoundQuery) -> impl Iterator<Item = (&str, &str)> {
    let paths = query.clauses.iter().filter_map(|clause| match clause {
        BoundClause::Match(pattern) => Some(&pattern.paths),
        BoundClause::Merge(merge) => Some(&merge.pattern.paths),
        _ => None,
    });
    let made = query.clauses.iter().filter_map(|clause| match clause {
        BoundClause::Create(made) => Some(made),
        _ => None,
    });
    let made = made.flatten().map(|made| (made.variable.as_str(), made.table.as_str()));
    let matched = paths.flatten().flat_map(|path| {
        let start = std::iter::once((path.start.variable.as_str(), path.start.label.as_str()));
        start.chain(path.steps.iter().flat_map(|(relationship, node)| {
            [
                (relationship.variable.as_str(), relationship.label.as_str()),
                (node.variable.as_str(), node.label.as_str()),
            ]
        }))
    });
    matched.chain(made)
}

/// The elements that may be missing, because their MATCH is optional.
pub(super) fn optional(query: &BoundQuery) -> HashSet<String> {
    let patterns = query.clauses.iter().filter_map(|clause| match clause {
        BoundClause::Match(pattern) if pattern.optional => Some(pattern.introduced()),
        _ => None,
    });
    patterns.flatten().map(str::to_string).collect()
}

/// The table with a label.
pub(super) fn table_of(graph: &GraphDefinition, label: &str) -> Result<TableId> {
    let vertex = graph.get_vertex(label).map(|vertex| vertex.table);
    vertex.or_else(|| graph.get_edge(label).map(|edge| edge.table)).ok_or_else(|| unknown(label))
}

fn unknown(label: &str) -> Error {
    Error::internal(format!("label \"{label}\" of a bound query is not in its graph"))
}

/// The elements of a query by variable.
pub(super) fn elements<'a>(
    query: &BoundQuery,
    ground: &'a Ground<'a>,
    uses: &Uses,
) -> Result<HashMap<String, Element<'a>>> {
    labels(query)
        .map(|(variable, label)| {
            let element = element(ground, label)?;
            let mut columns = uses.properties.get(variable).cloned().unwrap_or_default();
            columns.insert(element.key.to_string());
            Ok((variable.to_string(), Element { columns, ..element }))
        })
        .collect()
}

fn element<'a>(ground: &'a Ground<'a>, label: &str) -> Result<Element<'a>> {
    let table = |id: &TableId| ground.tables.get(id).ok_or_else(|| unknown(label));
    let single = |columns: &'a [String]| columns.first().map(String::as_str).ok_or_else(|| unknown(label));
    if let Some(vertex) = ground.graph.get_vertex(label) {
        let key = single(&vertex.key)?;
        return Ok(Element { table: table(&vertex.table)?, key, ends: None, columns: BTreeSet::new() });
    }
    let edge = ground.graph.get_edge(label).ok_or_else(|| unknown(label))?;
    let ends = Some((single(&edge.source.columns)?, single(&edge.destination.columns)?));
    Ok(Element { table: table(&edge.table)?, key: single(&edge.key)?, ends, columns: BTreeSet::new() })
}

impl Element<'_> {
    /// The key column.
    pub(super) fn key_column(&self) -> &str {
        self.key
    }

    /// The rows of its table, and the name that the table has in their plan.
    pub(super) fn scan(&self) -> PlanResult<(LogicalPlanBuilder, TableReference)> {
        let name = TableReference::bare(self.table.definition.name.as_str());
        let source = provider_as_source(std::sync::Arc::clone(&self.table.rows));
        Ok((LogicalPlanBuilder::scan(name.clone(), source, None)?, name))
    }
}

impl Lowering<'_> {
    pub(super) fn element(&self, variable: &str) -> PlanResult<&Element<'_>> {
        let element = self.elements.get(variable);
        element.ok_or_else(|| Error::internal(format!("variable {variable} of a bound query is no element")).into())
    }

    /// The key of an element, which is NULL where it is missing.
    pub(super) fn key(&self, variable: &str) -> PlanResult<Expr> {
        Ok(column(format!("{variable}.{}", self.element(variable)?.key)))
    }

    /// The columns of an element that go on with it: those that rows hold of it.
    pub(super) fn columns(&self, variable: &str, rows: &LogicalPlan) -> Vec<String> {
        match self.elements.get(variable) {
            Some(element) => {
                let there: HashSet<&String> = names(rows).collect();
                let columns = element.columns.iter().map(|column| format!("{variable}.{column}"));
                columns.filter(|column| there.contains(column)).collect()
            }
            None => vec![variable.to_string()],
        }
    }

    /// All nodes that a variable may be.
    pub(super) fn nodes(&self, variable: &str) -> PlanResult<LogicalPlan> {
        let element = self.element(variable)?;
        let (scan, table) = element.scan()?;
        let named = |name: &String| named(&table, name).alias(format!("{variable}.{name}"));
        scan.project(element.columns.iter().map(named))?.build()
    }

    /// All relationships that a variable may be, with the keys of the nodes on their left and right. Without a direction
    /// every edge lies both ways, but one from a node to itself only one.
    pub(super) fn relationships(&self, relationship: &BoundRelationship) -> PlanResult<LogicalPlan> {
        let variable = &relationship.variable;
        let element = self.element(variable)?;
        let (source, destination) = element.ends.ok_or_else(|| unknown(&relationship.label))?;
        let lying = |left: &str, right: &str, both: bool| {
            let (scan, table) = element.scan()?;
            let ends = [named(&table, left).alias(left_end(variable)), named(&table, right).alias(right_end(variable))];
            let columns = element.columns.iter().map(|name| named(&table, name).alias(format!("{variable}.{name}")));
            let columns: Vec<Expr> = ends.into_iter().chain(columns).collect();
            let scan = if both { scan.filter(named(&table, left).not_eq(named(&table, right)))? } else { scan };
            scan.project(columns)?.build()
        };
        match relationship.direction {
            Direction::Right => lying(source, destination, false),
            Direction::Left => lying(destination, source, false),
            Direction::Either => {
                let there = lying(source, destination, false)?;
                LogicalPlanBuilder::from(there).union(lying(destination, source, true)?)?.build()
            }
        }
    }

    /// The edges that a variable-length relationship is made of.
    pub(super) fn edges(&self, relationship: &BoundRelationship) -> PlanResult<EdgeColumns> {
        let element = self.element(&relationship.variable)?;
        let (source, destination) = element.ends.ok_or_else(|| unknown(&relationship.label))?;
        Ok(EdgeColumns {
            table: std::sync::Arc::clone(&element.table.rows),
            name: element.table.definition.name.clone(),
            source: source.to_string(),
            destination: destination.to_string(),
        })
    }

    /// The columns of its edges that are wanted along a variable-length relationship, and the names of the lists.
    pub(super) fn walk_lists(&self, relationship: &BoundRelationship) -> PlanResult<Vec<(String, String)>> {
        let variable = &relationship.variable;
        let key = self.element(variable)?.key.to_string();
        Ok(self.uses.walks.contains(variable).then(|| (key, walk_edges(variable))).into_iter().collect())
    }
}

/// A column of a table.
pub(super) fn named(table: &TableReference, name: &str) -> Expr {
    Expr::Column(Column::new(Some(table.clone()), name))
}

/// The column with the key of the node on the left of a relationship.
pub(super) fn left_end(variable: &str) -> String {
    format!("{variable}?left")
}

/// The column with the key of the node on its right.
pub(super) fn right_end(variable: &str) -> String {
    format!("{variable}?right")
}

/// The column with the key of the node where a variable-length relationship ends.
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
