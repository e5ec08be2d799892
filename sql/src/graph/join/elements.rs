//! The nodes and relationships of a query, as scans of their tables.
//!
//! An element may be a row of one table or of several. Of one table it has the table's own key (`n1.id`), and is as cheap as
//! a table is. Of several it is a union of them, in which a property has the type that they have in common and is NULL where
//! a table lacks it, and its identity (`n1?id`) is made of table and key as text ([`Identity`]). An end of a relationship
//! holds what the node there has: its key, or its identity.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use slipstream_engine::catalog::{EdgeTable, EndPoint, GraphDefinition, TableId};
use slipstream_engine::{Error, Result};
use slipstream_graph_language::bound::{BoundClause, BoundMatch, BoundQuery, common_type};

use slipstream_graph_language::uses::Uses;

use super::identity::Identity;
use super::{ElementTable, Ground, Lowering, column, names};

/// A node or relationship.
pub(super) struct Element<'a> {
    /// The tables that it may be from.
    pub(super) members: Vec<Member<'a>>,
    /// The columns that the query uses.
    columns: BTreeSet<String>,
    /// Whether it is relationships in a row.
    pub(super) walk: bool,
    /// Whether its rows have it as a value, because it may be from several tables and is asked for as a whole.
    pub(super) whole: bool,
}

/// A table that an element may be from.
pub(super) struct Member<'a> {
    /// Its place among the vertex or edge tables of the graph.
    pub(super) place: usize,
    /// The element table's name.
    pub(super) name: &'a str,
    /// Its labels.
    pub(super) labels: &'a [String],
    /// The key column.
    pub(super) key: &'a str,
    /// The ends of a relationship: source and destination.
    ends: Option<(End<'a>, End<'a>)>,
    table: &'a ElementTable,
}

/// An end of a relationship.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    /// The column with the vertex's key.
    pub(super) column: &'a str,
    /// The place of the vertex table.
    pub(super) vertex: usize,
}

fn each_pattern<'q>(query: &'q BoundQuery, visit: &mut impl FnMut(&'q BoundMatch)) {
    query.parts().for_each(|clauses| Uses::patterns_of(clauses, visit));
}

/// An element of a query: its variable, the names of its tables, and whether it is relationships in a row.
type Named<'q> = (&'q str, &'q [String], bool);

/// The elements of a query, those of the queries inside its expressions among them.
pub(super) fn tables_of(query: &BoundQuery) -> Vec<Named<'_>> {
    let mut found: Vec<Named<'_>> = Vec::new();
    each_pattern(query, &mut |pattern| {
        for path in &pattern.paths {
            found.push((path.start.variable.as_str(), path.start.tables.as_slice(), false));
            for (step, node) in &path.steps {
                found.push((step.variable.as_str(), step.tables.as_slice(), step.length.is_some()));
                found.push((node.variable.as_str(), node.tables.as_slice(), false));
            }
        }
    });
    for clause in query.parts().flatten() {
        if let BoundClause::Create(made) = clause {
            found.extend(made.iter().map(|made| (made.variable.as_str(), std::slice::from_ref(&made.table), false)));
        }
    }
    found
}

/// The elements that may be missing, because their MATCH is optional.
pub(super) fn optional(query: &BoundQuery) -> HashSet<String> {
    let mut found = HashSet::new();
    each_pattern(query, &mut |pattern| {
        if pattern.optional {
            found.extend(pattern.introduced().into_iter().map(str::to_string));
        }
    });
    found
}

/// The table of an element table's name.
pub(super) fn table_of(graph: &GraphDefinition, name: &str) -> Result<TableId> {
    let vertex = graph.get_vertex(name).map(|vertex| vertex.table);
    vertex.or_else(|| graph.get_edge(name).map(|edge| edge.table)).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    Error::internal(format!("element table \"{name}\" of a bound query is not in its graph"))
}

/// The elements of a query by variable.
pub(super) fn elements<'a>(
    query: &BoundQuery,
    ground: &'a Ground<'a>,
    uses: &Uses,
) -> Result<HashMap<String, Element<'a>>> {
    tables_of(query)
        .into_iter()
        .map(|(variable, tables, walk)| {
            let members = tables.iter().map(|name| member(ground, name)).collect::<Result<Vec<_>>>()?;
            let mut columns = uses.properties.get(variable).cloned().unwrap_or_default();
            if let [only] = members.as_slice() {
                columns.insert(only.key.to_string());
            }
            let whole = members.len() != 1 && !walk && uses.wholes.contains(variable);
            Ok((variable.to_string(), Element { members, columns, walk, whole }))
        })
        .collect()
}

pub(super) fn member<'a>(ground: &'a Ground<'a>, name: &str) -> Result<Member<'a>> {
    let graph = ground.graph;
    let table = |id: &TableId| ground.tables.get(id).ok_or_else(|| unknown(name));
    if let Some(place) = graph.vertices.iter().position(|vertex| vertex.name == name) {
        let vertex = &graph.vertices[place];
        let key = single(&vertex.key, name)?;
        let labels = &vertex.labels;
        return Ok(Member { place, name: &vertex.name, labels, table: table(&vertex.table)?, key, ends: None });
    }
    let place = graph.edges.iter().position(|edge| edge.name == name).ok_or_else(|| unknown(name))?;
    let edge: &EdgeTable = &graph.edges[place];
    let end = |end: &'a EndPoint| {
        let vertex = graph.vertices.iter().position(|vertex| vertex.name == end.vertex);
        Ok::<_, Error>(End { column: single(&end.columns, name)?, vertex: vertex.ok_or_else(|| unknown(name))? })
    };
    let ends = Some((end(&edge.source)?, end(&edge.destination)?));
    let (key, labels) = (single(&edge.key, name)?, &edge.labels);
    Ok(Member { place, name: &edge.name, labels, table: table(&edge.table)?, key, ends })
}

fn single<'a>(columns: &'a [String], name: &str) -> Result<&'a str> {
    columns.first().map(String::as_str).ok_or_else(|| unknown(name))
}

impl<'a> Member<'a> {
    /// All rows of the table.
    pub(super) fn scan(&self) -> PlanResult<(LogicalPlanBuilder, TableReference)> {
        let name = TableReference::bare(self.table.definition.name.as_str());
        let source = provider_as_source(Arc::clone(&self.table.rows));
        Ok((LogicalPlanBuilder::scan(name.clone(), source, None)?, name))
    }

    /// The table.
    pub(super) fn table(&self) -> &'a ElementTable {
        self.table
    }

    /// The ends of a relationship, if it is one.
    pub(super) fn get_ends(&self) -> Option<(End<'a>, End<'a>)> {
        self.ends
    }

    /// The ends of a relationship.
    pub(super) fn ends(&self) -> Result<(End<'a>, End<'a>)> {
        self.ends.ok_or_else(|| Error::internal("a relationship that is none"))
    }
}

impl<'a> Element<'a> {
    /// Its table, where there is one.
    pub(super) fn only(&self) -> Option<&Member<'a>> {
        match self.members.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether it may be from the vertex table at a place.
    pub(super) fn may_be(&self, place: usize) -> bool {
        self.members.iter().any(|member| member.place == place)
    }

    /// Its columns in one of its tables, under their names in the plan.
    fn projected(&self, variable: &str, member: &Member<'_>, table: &TableReference) -> PlanResult<Vec<Expr>> {
        let mut projected = Vec::with_capacity(self.columns.len() + 1);
        if self.only().is_none() {
            projected.push(Identity::call(member.place, named(table, member.key)).alias(identity(variable)));
        }
        for name in &self.columns {
            projected.push(self.property(name, member, table)?.alias(format!("{variable}.{name}")));
        }
        Ok(projected)
    }

    /// A property of a row of one of the tables.
    pub(super) fn property(&self, name: &str, member: &Member<'_>, table: &TableReference) -> PlanResult<Expr> {
        if self.only().is_some() {
            return Ok(named(table, name));
        }
        let wanted = self.data_type(name)?;
        match member.table.definition.get_column(name) {
            None => Ok(lit(ScalarValue::try_from(&wanted)?)),
            Some(found) if found.sql_type.arrow_type() == wanted => Ok(named(table, name)),
            Some(_) => Ok(cast(named(table, name), wanted)),
        }
    }

    /// The type of a property in the plan.
    fn data_type(&self, name: &str) -> Result<DataType> {
        let columns = self.members.iter().filter_map(|member| member.table.definition.get_column(name));
        let common = common_type(columns.map(|column| &column.sql_type));
        common.map(|common| common.arrow_type()).ok_or_else(|| {
            Error::not_supported(format!(
                "property \"{name}\", which has another type in another table, is not supported"
            ))
        })
    }
}

impl Lowering<'_> {
    pub(super) fn element(&self, variable: &str) -> PlanResult<&Element<'_>> {
        Ok(self.known_element(variable)?)
    }

    /// The element of a variable that stands for one.
    pub(super) fn known_element(&self, variable: &str) -> Result<&Element<'_>> {
        self.get_element(variable)
            .ok_or_else(|| Error::internal(format!("variable {variable} of a bound query is no element")))
    }

    /// The element of a variable, where it stands for one.
    pub(super) fn get_element(&self, variable: &str) -> Option<&Element<'_>> {
        self.elements.get(variable)
    }

    /// The columns of an element in one of its tables, and itself as a value where that is asked for.
    pub(super) fn projected(
        &self,
        variable: &str,
        member: &Member<'_>,
        table: &TableReference,
    ) -> PlanResult<Vec<Expr>> {
        let element = self.element(variable)?;
        let mut projected = element.projected(variable, member, table)?;
        if element.whole {
            projected.push(self.element_value(member, &|name| named(table, name))?.alias(whole(variable)));
        }
        Ok(projected)
    }

    /// What tells an element from others of its tables: its key, or its identity; NULL where it is missing.
    pub(super) fn key(&self, variable: &str) -> PlanResult<Expr> {
        Ok(match self.element(variable)?.only() {
            Some(only) => column(format!("{variable}.{}", only.key)),
            None => column(identity(variable)),
        })
    }

    /// What tells an element from those of any table.
    pub(super) fn identity(&self, variable: &str) -> PlanResult<Expr> {
        let key = self.key(variable)?;
        Ok(match self.element(variable)?.only() {
            Some(only) => Identity::call(only.place, key),
            None => key,
        })
    }

    /// What tells whether two elements are the same.
    pub(super) fn comparable(&self, one: &str, other: &str) -> PlanResult<(Expr, Expr)> {
        let place = |variable| {
            Ok::<_, datafusion::error::DataFusionError>(self.element(variable)?.only().map(|only| only.place))
        };
        match (place(one)?, place(other)?) {
            (Some(left), Some(right)) if left == right => Ok((self.key(one)?, self.key(other)?)),
            _ => Ok((self.identity(one)?, self.identity(other)?)),
        }
    }

    /// The name of the element table that an element is from; NULL where it is missing.
    pub(super) fn table_name(&self, variable: &str) -> PlanResult<Expr> {
        let identity = self.identity(variable)?;
        let element = self.element(variable)?;
        let branches = element.members.iter().map(|member| {
            let is_from = Identity::is_from(member.place, identity.clone());
            (Box::new(is_from), Box::new(lit(member.name)))
        });
        match branches.collect::<Vec<_>>() {
            none if none.is_empty() => Ok(lit(ScalarValue::Utf8(None))),
            branches => Ok(Expr::Case(Case::new(None, branches, None))),
        }
    }

    /// The columns of an element that go on with it: those that rows hold of it.
    pub(super) fn columns(&self, variable: &str, rows: &LogicalPlan) -> Vec<String> {
        let Some(element) = self.elements.get(variable) else { return vec![variable.to_string()] };
        let there: HashSet<&String> = names(rows).collect();
        if element.walk {
            let prefix = format!("{variable}?");
            return there.into_iter().filter(|name| name.starts_with(&prefix)).cloned().collect();
        }
        let own = element.only().is_none().then(|| [identity(variable), whole(variable)]);
        let columns =
            own.into_iter().flatten().chain(element.columns.iter().map(|column| format!("{variable}.{column}")));
        columns.filter(|column| there.contains(column)).collect()
    }

    /// NULL for each of the columns of an element.
    pub(super) fn missing(&self, variable: &str) -> PlanResult<Vec<Expr>> {
        let element = self.element(variable)?;
        let own = element.only().is_none().then(|| Ok((identity(variable), DataType::Utf8)));
        let value = element.whole.then(|| Ok((whole(variable), DataType::Utf8)));
        let columns = element.columns.iter().map(|name| Ok((format!("{variable}.{name}"), element.data_type(name)?)));
        own.into_iter()
            .chain(value)
            .chain(columns)
            .map(|found: Result<_>| {
                let (name, data_type) = found?;
                Ok(lit(ScalarValue::try_from(&data_type)?).alias(name))
            })
            .collect()
    }

    /// All rows that an element may be: what tells it from others, under a name, some of its columns, and itself as a value.
    pub(super) fn by_key(
        &self,
        variable: &str,
        key: &str,
        columns: &[&String],
        with_value: bool,
    ) -> PlanResult<LogicalPlan> {
        let element = self.element(variable)?;
        let branches = element.members.iter().map(|member| {
            let (scan, table) = member.scan()?;
            let own = named(&table, member.key);
            let own = if element.only().is_some() { own } else { Identity::call(member.place, own) };
            let mut projected = vec![own.alias(key)];
            for name in columns {
                projected.push(element.property(name, member, &table)?.alias(format!("{variable}.{name}")));
            }
            if with_value {
                projected.push(self.element_value(member, &|name| named(&table, name))?.alias(whole(variable)));
            }
            scan.project(projected)?.build()
        });
        union(branches.collect::<PlanResult<Vec<_>>>()?)
    }

    /// All nodes that a variable may be.
    pub(super) fn nodes(&self, variable: &str) -> PlanResult<LogicalPlan> {
        let element = self.element(variable)?;
        let branches = element.members.iter().map(|member| {
            let (scan, table) = member.scan()?;
            scan.project(self.projected(variable, member, &table)?)?.build()
        });
        union(branches.collect::<PlanResult<Vec<_>>>()?)
    }
}

/// The rows of all plans, which have the same columns.
pub(super) fn union(plans: Vec<LogicalPlan>) -> PlanResult<LogicalPlan> {
    let mut plans = plans.into_iter();
    let first = plans.next().ok_or_else(|| Error::internal("an element of no table"))?;
    plans.try_fold(first, |all, plan| LogicalPlanBuilder::from(all).union(plan)?.build())
}

/// The walks whose edges are told by identity: those over several tables, and those that are compared with such.
pub(super) fn identified<'a>(query: &'a BoundQuery, elements: &HashMap<String, Element<'_>>) -> HashSet<&'a str> {
    let distinct = || {
        let mut found = Vec::new();
        each_pattern(query, &mut |pattern| {
            found.extend(pattern.distinct.iter().filter_map(|distinct| distinct.walks()))
        });
        found
    };
    let several = |variable: &str| elements.get(variable).is_some_and(|element| element.only().is_none());
    let mut identified = HashSet::new();
    loop {
        let before = identified.len();
        for (walk, other) in distinct() {
            if [walk, other].into_iter().any(|variable| several(variable) || identified.contains(variable)) {
                identified.extend([walk, other]);
            }
        }
        if identified.len() == before {
            return identified;
        }
    }
}

/// A column of a table.
pub(super) fn named(table: &TableReference, name: &str) -> Expr {
    Expr::Column(Column::new(Some(table.clone()), name))
}

/// The column with the identity of an element.
fn identity(variable: &str) -> String {
    format!("{variable}?id")
}

/// The column with an element of several tables as a value.
pub(super) fn whole(variable: &str) -> String {
    format!("{variable}?whole")
}
