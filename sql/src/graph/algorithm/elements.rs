//! The element tables that a call is about, and what is read of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::{Column, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use slipstream_catalog::expand::Way;
use slipstream_catalog::graph_algorithms::{EdgeInput, Inputs, VertexInput};
use slipstream_engine::catalog::{Catalog, EdgeTable, EndPoint, GraphDefinition, TableDefinition, TableId};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::call::Call;
use super::signature::{Argument, Function};
use super::values::{text, texts};
use crate::error::from_datafusion;
use crate::planner::names::Tables;
use crate::types::{CastContext, cast};

/// The vertices of one table.
pub(super) struct Vertices {
    /// What the table is called in the graph.
    pub(super) name: String,
    table: TableId,
    key: String,
}

/// The edges of one table.
struct Edges {
    table: TableId,
    /// The vertex tables at their ends, by position.
    ends: (usize, usize),
    /// The columns with the keys of their ends.
    columns: (String, String),
}

/// What a call reads.
pub(super) struct Elements {
    pub(super) vertices: Vec<Vertices>,
    edges: Vec<Edges>,
    /// The type of the keys of vertices: text, where there are several tables.
    pub(super) key: SqlType,
    /// The vertex tables that keys in arguments are of, by position, where the call names them.
    pub(super) label: Option<Vec<usize>>,
    pub(super) way: Way,
    /// The column of the edges that is their weight.
    weight: Option<String>,
    /// For EXPLAIN.
    pub(super) description: String,
}

impl Elements {
    /// The elements that a call names.
    pub(super) fn of(call: &Call, catalog: &Catalog, options: &Arc<ConfigOptions>) -> Result<Elements> {
        let constant = |argument: Argument| text(call, argument, options);
        let name = constant(Argument::Graph)?.unwrap_or_default();
        let graph = catalog.graph(&name).map_err(|error| call.point(error, Argument::Graph))?;
        let wanted = texts(call, Argument::Edges, options)?;
        let tables = edge_tables(call, graph, wanted.as_deref())?;
        let vertices = vertices(graph, &tables, wanted.is_none())?;
        let edges = tables.iter().map(|table| edges(table, &vertices)).collect::<Result<Vec<_>>>()?;
        let key = match &vertices[..] {
            [only] => column(catalog, only.table, &only.key)?.sql_type.clone(),
            _ => SqlType::Text,
        };
        let weight = constant(Argument::Weight)?;
        if let Some(weight) = &weight {
            check_weight(call, catalog, &tables, weight)?;
        }
        let label = constant(Argument::Label)?.map(|label| labelled(call, graph, &vertices, &label)).transpose()?;
        let direction = constant(Argument::Direction)?;
        let way = way(call, direction.as_deref())?;
        let description = described(call, graph, &tables, way, weight.as_deref());
        Ok(Elements { vertices, edges, key, label, way, weight, description })
    }

    /// The rows that are read of a view.
    pub(super) fn inputs(&self, tables: &Tables) -> Result<Inputs> {
        let labelled = self.vertices.len() > 1;
        let mut keys = Vec::new();
        let mut inputs = Inputs { vertices: Vec::new(), edges: Vec::new() };
        for vertices in &self.vertices {
            let read = Read::of(tables, vertices.table)?;
            let key = read.column(&vertices.key)?.1;
            let value = read.key(&vertices.key, &key, labelled)?.alias("key");
            keys.push(key);
            inputs.vertices.push(VertexInput { name: vertices.name.clone(), rows: read.plan(vec![value])? });
        }
        for edges in &self.edges {
            let read = Read::of(tables, edges.table)?;
            let (source, destination) = (&keys[edges.ends.0], &keys[edges.ends.1]);
            let mut columns = vec![
                read.key(&edges.columns.0, source, labelled)?.alias("source"),
                read.key(&edges.columns.1, destination, labelled)?.alias("destination"),
            ];
            if let Some(weight) = &self.weight {
                columns.push(read.value(weight, &SqlType::Double)?.alias("weight"));
            }
            inputs.edges.push(EdgeInput { ends: edges.ends, rows: read.plan(columns)? });
        }
        Ok(inputs)
    }
}

/// The edge tables with these labels, or of these names; all, where none are named.
fn edge_tables<'a>(call: &Call, graph: &'a GraphDefinition, wanted: Option<&[String]>) -> Result<Vec<&'a EdgeTable>> {
    let Some(wanted) = wanted else { return Ok(graph.edges.iter().collect()) };
    let means = |edge: &EdgeTable, label: &String| edge.name == *label || edge.labels.contains(label);
    if let Some(unknown) = wanted.iter().find(|label| !graph.edges.iter().any(|edge| means(edge, label))) {
        let known = listed(graph.edges.iter().map(|edge| (&edge.name, &edge.labels)));
        let error = Error::new(ErrorKind::UndefinedTable, format!("edge label \"{unknown}\" does not exist"))
            .with_hint(format!("The edges of graph \"{}\" are {known}.", graph.name));
        return Err(call.point(error, Argument::Edges));
    }
    Ok(graph.edges.iter().filter(|edge| wanted.iter().any(|label| means(edge, label))).collect())
}

/// The labels of elements, and the names of those without one.
fn listed<'a>(elements: impl Iterator<Item = (&'a String, &'a Vec<String>)>) -> String {
    let names = elements.flat_map(|(name, labels)| if labels.is_empty() { vec![name.clone()] } else { labels.clone() });
    names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

/// The vertex tables at the ends of the edges; all of the graph, where edges are not named.
fn vertices(graph: &GraphDefinition, edges: &[&EdgeTable], all: bool) -> Result<Vec<Vertices>> {
    let is_end = |name: &str| edges.iter().any(|edge| edge.source.vertex == name || edge.destination.vertex == name);
    let tables = graph.vertices.iter().filter(|vertex| all || is_end(&vertex.name));
    tables
        .map(|vertex| {
            let key = single(&vertex.key)?.to_string();
            Ok(Vertices { name: vertex.name.clone(), table: vertex.table, key })
        })
        .collect()
}

fn edges(edge: &EdgeTable, vertices: &[Vertices]) -> Result<Edges> {
    let end = |point: &EndPoint| {
        let at = vertices.iter().position(|vertices| vertices.name == point.vertex);
        at.ok_or_else(|| Error::internal(format!("edges end in \"{}\", which is not in their graph", point.vertex)))
    };
    let columns = (single(&edge.source.columns)?.to_string(), single(&edge.destination.columns)?.to_string());
    Ok(Edges { table: edge.table, ends: (end(&edge.source)?, end(&edge.destination)?), columns })
}

fn single(columns: &[String]) -> Result<&str> {
    match columns {
        [column] => Ok(column),
        _ => Err(Error::not_supported("graph algorithms over keys of several columns are not supported")),
    }
}

/// The vertex tables with a label, or of that name.
fn labelled(call: &Call, graph: &GraphDefinition, vertices: &[Vertices], label: &str) -> Result<Vec<usize>> {
    let labels = |vertices: &Vertices| graph.get_vertex(&vertices.name).map(|vertex| &vertex.labels);
    let means = |vertices: &Vertices| {
        vertices.name == label || labels(vertices).is_some_and(|labels| labels.iter().any(|known| known == label))
    };
    let found: Vec<usize> = vertices.iter().enumerate().filter(|(_, one)| means(one)).map(|(at, _)| at).collect();
    if found.is_empty() {
        let known = listed(vertices.iter().filter_map(|one| Some((&one.name, labels(one)?))));
        let error = Error::new(ErrorKind::UndefinedTable, format!("vertex label \"{label}\" does not exist"))
            .with_hint(format!("The vertices that these edges are between are {known}."));
        return Err(call.point(error, Argument::Label));
    }
    Ok(found)
}

fn way(call: &Call, direction: Option<&str>) -> Result<Way> {
    Ok(match direction {
        Some("out") => Way::Forward,
        Some("in") => Way::Backward,
        Some("both") => Way::Both,
        None if call.function == Function::CommonNeighbours => Way::Both,
        None => Way::Forward,
        Some(other) => {
            let error = Error::new(ErrorKind::InvalidParameter, format!("unrecognized direction \"{other}\""))
                .with_hint("It is out, in or both.");
            return Err(call.point(error, Argument::Direction));
        }
    })
}

struct KnownColumn {
    sql_type: SqlType,
}

fn column(catalog: &Catalog, table: TableId, name: &str) -> Result<KnownColumn> {
    let definition = catalog.tables.get(&table);
    let definition = definition.ok_or_else(|| Error::internal(format!("table {table} is not in the catalog")))?;
    let column = definition.columns.iter().find(|column| column.name == name);
    let column = column.ok_or_else(|| {
        let message = format!("column \"{name}\" of relation \"{}\" does not exist", definition.name);
        Error::new(ErrorKind::UndefinedColumn, message)
    })?;
    Ok(KnownColumn { sql_type: column.sql_type.clone() })
}

fn check_weight(call: &Call, catalog: &Catalog, edges: &[&EdgeTable], weight: &str) -> Result<()> {
    for edge in edges {
        let known = column(catalog, edge.table, weight).map_err(|error| call.point(error, Argument::Weight))?;
        let is_number = matches!(
            known.sql_type,
            SqlType::SmallInt
                | SqlType::Integer
                | SqlType::BigInt
                | SqlType::Real
                | SqlType::Double
                | SqlType::Numeric { .. }
        );
        if !is_number {
            let message = format!("weights of edges must be numbers, and \"{weight}\" is {}", known.sql_type);
            return Err(call.point(Error::new(ErrorKind::DatatypeMismatch, message), Argument::Weight));
        }
    }
    Ok(())
}

fn described(call: &Call, graph: &GraphDefinition, edges: &[&EdgeTable], way: Way, weight: Option<&str>) -> String {
    let names: Vec<&str> = edges.iter().map(|edge| edge.name.as_str()).collect();
    let mut description = format!("graph={}, edges=[{}]", graph.name, names.join(", "));
    if call.function.arguments().contains(&Argument::Direction) {
        description.push_str(match way {
            Way::Forward => ", direction=out",
            Way::Backward => ", direction=in",
            Way::Both => ", direction=both",
        });
    }
    if let Some(weight) = weight {
        description.push_str(&format!(", weight={weight}"));
    }
    description
}

/// Columns of a table on their way into a network.
struct Read {
    definition: Arc<TableDefinition>,
    name: TableReference,
    scan: LogicalPlanBuilder,
}

impl Read {
    fn of(tables: &Tables, table: TableId) -> Result<Read> {
        let (definition, rows) = tables.by_id(table)?;
        let name = TableReference::bare(definition.name.as_str());
        let scan = LogicalPlanBuilder::scan(name.clone(), provider_as_source(rows), None).map_err(from_datafusion)?;
        Ok(Read { definition, name, scan })
    }

    fn column(&self, name: &str) -> Result<(Expr, SqlType)> {
        let column = self.definition.columns.iter().find(|column| column.name == name);
        let column = column.ok_or_else(|| Error::internal(format!("an element table has no column \"{name}\"")))?;
        Ok((Expr::Column(Column::new(Some(self.name.clone()), name)), column.sql_type.clone()))
    }

    /// A column as another type.
    fn value(&self, name: &str, to: &SqlType) -> Result<Expr> {
        let (value, from) = self.column(name)?;
        converted(value, &from, to)
    }

    /// The key of a vertex, as the vertices have it; as text, where there are several tables.
    fn key(&self, name: &str, key: &SqlType, as_text: bool) -> Result<Expr> {
        let value = self.value(name, key)?;
        if as_text { converted(value, key, &SqlType::Text) } else { Ok(value) }
    }

    fn plan(self, columns: Vec<Expr>) -> Result<LogicalPlan> {
        self.scan.project(columns).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
    }
}

fn converted(value: Expr, from: &SqlType, to: &SqlType) -> Result<Expr> {
    if from.arrow_type() == to.arrow_type() {
        return Ok(value);
    }
    cast(value, from, to, CastContext::Explicit)
}
