//! Patterns answered by trying everything, over a graph in memory: slow, and short enough to be right.
//!
//! A clause takes each row and tries every vertex and every edge for every element of its paths, one after the other. Within
//! one clause no edge is used twice. Nothing here knows of tables, keys or joins.

use std::collections::BTreeMap;

use super::shapes::{Clause, Condition, Direction, Labels, Node, Path, Query, Step};

/// Rows beyond which a query says nothing more.
const MOST_ROWS: usize = 2_000;

/// A vertex.
#[derive(Debug, Clone)]
pub(super) struct Vertex {
    /// What tells it from every other element.
    pub(super) tag: String,
    pub(super) labels: &'static [&'static str],
    pub(super) properties: BTreeMap<&'static str, i64>,
}

/// An edge.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    pub(super) tag: String,
    pub(super) labels: &'static [&'static str],
    pub(super) properties: BTreeMap<&'static str, i64>,
    /// The places of its vertices.
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A graph in memory.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) vertices: Vec<Vertex>,
    pub(super) edges: Vec<Edge>,
}

/// What a variable stands for in a row.
#[derive(Debug, Clone, PartialEq)]
enum Bound {
    Vertex(usize),
    Edge(usize),
    Walk(usize),
    Missing,
}

type Row = BTreeMap<usize, Bound>;

impl Graph {
    /// The rows of a query, as the text that the server gives, sorted; none where they are too many to say more.
    pub(super) fn answer(&self, query: &Query) -> Option<Vec<String>> {
        let mut rows = vec![Row::new()];
        for clause in &query.clauses {
            let mut more = Vec::new();
            for row in rows {
                more.extend(self.clause(clause, row)?);
                if more.len() > MOST_ROWS {
                    return None;
                }
            }
            rows = more;
        }
        let mut shown: Vec<String> = rows.iter().map(|row| self.shown(query, row)).collect();
        shown.sort();
        Some(shown)
    }

    fn clause(&self, clause: &Clause, row: Row) -> Option<Vec<Row>> {
        let mut search = Search { graph: self, clause, used: Vec::new(), found: Vec::new() };
        search.path(0, row.clone());
        if search.found.is_empty() && clause.optional {
            let mut row = row;
            for variable in clause.variables() {
                row.entry(variable).or_insert(Bound::Missing);
            }
            return Some(vec![row]);
        }
        (search.found.len() <= MOST_ROWS).then_some(search.found)
    }

    fn shown(&self, query: &Query, row: &Row) -> String {
        let values = query.variables().into_iter().flat_map(|variable| match row.get(&variable) {
            Some(Bound::Vertex(at)) => vec![self.vertices[*at].tag.clone(), list(self.vertices[*at].labels)],
            Some(Bound::Edge(at)) => {
                let edge = &self.edges[*at];
                vec![edge.tag.clone(), edge.labels.first().map_or("NULL", |label| *label).to_string()]
            }
            Some(Bound::Walk(length)) => vec![length.to_string()],
            Some(Bound::Missing) | None => vec!["NULL".to_string(); if query.is_walk(variable) { 1 } else { 2 }],
        });
        values.collect::<Vec<_>>().join(" | ")
    }

    /// Whether a condition holds; `None` where it is open.
    fn holds(&self, condition: &Condition, row: &Row) -> Option<bool> {
        match condition {
            Condition::Less(variable, property, limit) => {
                self.property(row, *variable, property).map(|value| value < *limit)
            }
            Condition::IsNull(variable, property) => Some(self.property(row, *variable, property).is_none()),
            Condition::Same(one, other) => match (row.get(one)?, row.get(other)?) {
                (Bound::Missing, _) | (_, Bound::Missing) => None,
                (one, other) => Some(one == other),
            },
            Condition::Has(variable, labels) => match row.get(variable)? {
                Bound::Vertex(at) => Some(labels.fit(self.vertices[*at].labels)),
                Bound::Edge(at) => Some(labels.fit(self.edges[*at].labels)),
                Bound::Walk(_) | Bound::Missing => None,
            },
            Condition::Not(operand) => self.holds(operand, row).map(|holds| !holds),
            Condition::Or(left, right) => match (self.holds(left, row), self.holds(right, row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }

    fn property(&self, row: &Row, variable: usize, property: &str) -> Option<i64> {
        match row.get(&variable)? {
            Bound::Vertex(at) => self.vertices[*at].properties.get(property).copied(),
            Bound::Edge(at) => self.edges[*at].properties.get(property).copied(),
            Bound::Walk(_) | Bound::Missing => None,
        }
    }

    /// The edges away from a vertex, and where they lead. One from a vertex to itself lies one way only.
    fn steps(&self, from: usize, step: &Step) -> Vec<(usize, usize)> {
        let mut steps = Vec::new();
        for (at, edge) in self.edges.iter().enumerate().filter(|(_, edge)| step.types.fit(edge.labels)) {
            if step.direction != Direction::Left && edge.from == from {
                steps.push((at, edge.to));
            }
            if step.direction != Direction::Right && edge.to == from {
                let again = step.direction == Direction::Either && edge.from == edge.to;
                steps.extend((!again).then_some((at, edge.from)));
            }
        }
        steps
    }
}

fn list(labels: &[&str]) -> String {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    format!("{{{}}}", labels.join(","))
}

/// The matches of one clause for one row.
struct Search<'a> {
    graph: &'a Graph,
    clause: &'a Clause,
    used: Vec<usize>,
    found: Vec<Row>,
}

impl<'a> Search<'a> {
    fn path(&mut self, at: usize, row: Row) {
        if self.found.len() > MOST_ROWS {
            return;
        }
        let clause = self.clause;
        let Some(path) = clause.paths.get(at) else {
            if clause.filter.as_ref().is_none_or(|filter| self.graph.holds(filter, &row) == Some(true)) {
                self.found.push(row);
            }
            return;
        };
        for vertex in 0..self.graph.vertices.len() {
            if let Some(row) = self.bound(&path.start, vertex, &row) {
                self.step(at, path, 0, vertex, row);
            }
        }
    }

    fn step(&mut self, at: usize, path: &'a Path, next: usize, from: usize, row: Row) {
        let Some((step, node)) = path.steps.get(next) else { return self.path(at + 1, row) };
        match step.length {
            None => {
                for (edge, to) in self.graph.steps(from, step) {
                    if self.used.contains(&edge) {
                        continue;
                    }
                    let Some(mut row) = self.bound(node, to, &row) else { continue };
                    row.insert(step.variable, Bound::Edge(edge));
                    self.used.push(edge);
                    self.step(at, path, next + 1, to, row);
                    self.used.pop();
                }
            }
            Some(length) => self.walk(at, path, next, length, (from, 0), &row),
        }
    }

    fn walk(
        &mut self,
        at: usize,
        path: &'a Path,
        next: usize,
        length: (u32, u32),
        (from, so_far): (usize, u32),
        row: &Row,
    ) {
        let (step, node) = &path.steps[next];
        if so_far >= length.0
            && let Some(mut row) = self.bound(node, from, row)
        {
            row.insert(step.variable, Bound::Walk(so_far as usize));
            self.step(at, path, next + 1, from, row);
        }
        if so_far == length.1 {
            return;
        }
        for (edge, to) in self.graph.steps(from, step) {
            if !self.used.contains(&edge) {
                self.used.push(edge);
                self.walk(at, path, next, length, (to, so_far + 1), row);
                self.used.pop();
            }
        }
    }

    /// The row with a vertex as a node, if it can be that.
    fn bound(&self, node: &Node, vertex: usize, row: &Row) -> Option<Row> {
        if !node.labels.fit(self.graph.vertices[vertex].labels) {
            return None;
        }
        match row.get(&node.variable) {
            Some(known) if *known != Bound::Vertex(vertex) => None,
            Some(_) => Some(row.clone()),
            None => {
                let mut row = row.clone();
                row.insert(node.variable, Bound::Vertex(vertex));
                Some(row)
            }
        }
    }
}

impl Labels {
    /// Whether an element with these labels is meant.
    pub(super) fn fit(&self, labels: &[&str]) -> bool {
        match self {
            Labels::Any => true,
            Labels::One(label) => labels.contains(label),
            Labels::Either(one, other) => labels.contains(one) || labels.contains(other),
            Labels::Both(one, other) => labels.contains(one) && labels.contains(other),
            Labels::Not(label) => !labels.contains(label),
        }
    }
}
