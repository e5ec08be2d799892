//! Which tables the elements of a pattern can be.
//!
//! The labels that are written leave some elements with one table and others with any. They are narrowed until nothing
//! changes: a relationship keeps the tables whose ends fit its nodes, a node those that some relationship beside it leads
//! to. Then every element must have exactly one.

use std::collections::BTreeSet;

use slipstream_engine::catalog::EdgeTable;
use slipstream_engine::graph::index::LONGEST_PATH;
use slipstream_engine::{Error, ErrorKind, Result};

use super::scope::{Binding, Element};
use super::types::mismatch;
use super::{Binder, labels};
use crate::lexer::Span;
use crate::syntax::{
    Direction, LabelExpression, Match, Name, NodePattern, PathMode, PathPattern, PathSearch, RelationshipPattern,
};

/// The longest path that the graph index searches.
const MAX_LENGTH: u32 = 30;

/// The nodes and relationships of one MATCH, while their tables are narrowed.
#[derive(Default)]
pub(super) struct Pattern<'a> {
    pub(super) nodes: Vec<PatternNode<'a>>,
    pub(super) relationships: Vec<PatternRelationship<'a>>,
    pub(super) paths: Vec<PatternPath<'a>>,
}

/// A node: every place where its name stands is the same one.
pub(super) struct PatternNode<'a> {
    pub(super) name: Option<&'a Name>,
    pub(super) span: Span,
    /// Vertex tables that it may be, as positions in the graph.
    pub(super) candidates: BTreeSet<usize>,
    /// Its element, where a clause before this one has bound it.
    pub(super) known: Option<Element>,
}

pub(super) struct PatternRelationship<'a> {
    pub(super) syntax: &'a RelationshipPattern,
    /// The path that it is part of, and which relationships that may use again.
    pub(super) path: usize,
    pub(super) mode: PathMode,
    /// Which of its paths are wanted, where it is not all.
    pub(super) search: Option<PathSearch>,
    pub(super) left: usize,
    pub(super) right: usize,
    /// Edge tables that it may be, as positions in the graph.
    pub(super) candidates: BTreeSet<usize>,
}

pub(super) struct PatternPath<'a> {
    pub(super) syntax: &'a PathPattern,
    pub(super) start: usize,
    /// Positions of relationships and of the nodes after them.
    pub(super) steps: Vec<(usize, usize)>,
}

impl Binder<'_> {
    /// The nodes and relationships, each with the tables that its own labels leave.
    pub(super) fn collect<'p>(&self, syntax: &'p Match) -> Result<Pattern<'p>> {
        let mut pattern = Pattern::default();
        for path in &syntax.patterns {
            refuse_undone(path)?;
            let start = self.collect_node(&mut pattern, &path.start)?;
            let mut steps = Vec::with_capacity(path.steps.len());
            let mut left = start;
            for (relationship, node) in &path.steps {
                let right = self.collect_node(&mut pattern, node)?;
                let candidates = self.edge_candidates(relationship, path.search)?;
                let search = path.search;
                let (path, mode) = (pattern.paths.len(), path.mode);
                pattern.relationships.push(PatternRelationship {
                    syntax: relationship,
                    path,
                    mode,
                    search,
                    left,
                    right,
                    candidates,
                });
                steps.push((pattern.relationships.len() - 1, right));
                left = right;
            }
            pattern.paths.push(PatternPath { syntax: path, start, steps });
        }
        Ok(pattern)
    }

    fn collect_node<'p>(&self, pattern: &mut Pattern<'p>, syntax: &'p NodePattern) -> Result<usize> {
        let mut candidates = self.vertex_candidates(syntax.labels.as_ref())?;
        let Some(name) = &syntax.variable else {
            pattern.nodes.push(PatternNode { name: None, span: syntax.span, candidates, known: None });
            return Ok(pattern.nodes.len() - 1);
        };
        let same = pattern.nodes.iter().position(|node| node.name.is_some_and(|other| other.text == name.text));
        if let Some(at) = same {
            let node = &mut pattern.nodes[at];
            node.candidates.retain(|candidate| candidates.contains(candidate));
            return Ok(at);
        }
        let known = match self.scope.get(&name.text) {
            None => None,
            Some(Binding::Node(element)) => {
                candidates.retain(|vertex| self.graph.vertices[*vertex].name == element.label);
                Some(element.clone())
            }
            Some(_) => return Err(mismatch(format!("variable \"{}\" is not a node", name.text), name.span)),
        };
        pattern.nodes.push(PatternNode { name: Some(name), span: syntax.span, candidates, known });
        Ok(pattern.nodes.len() - 1)
    }

    fn vertex_candidates(&self, labels: Option<&LabelExpression>) -> Result<BTreeSet<usize>> {
        let tables: Vec<&[String]> = self.graph.vertices.iter().map(|vertex| vertex.labels.as_slice()).collect();
        labels::fitting(&tables, labels, |label, known| {
            Error::new(ErrorKind::UndefinedTable, format!("label \"{label}\" does not exist")).with_hint(format!(
                "The vertices of graph \"{}\" are {}.",
                self.graph.name,
                list(known)
            ))
        })
    }

    fn edge_candidates(&self, syntax: &RelationshipPattern, search: Option<PathSearch>) -> Result<BTreeSet<usize>> {
        let tables: Vec<&[String]> = self.graph.edges.iter().map(|edge| edge.labels.as_slice()).collect();
        let found = labels::fitting(&tables, syntax.types.as_ref(), |label, known| {
            Error::new(ErrorKind::UndefinedTable, format!("relationship type \"{label}\" does not exist"))
                .with_hint(format!("The edges of graph \"{}\" are {}.", self.graph.name, list(known)))
        })?;
        if let Some(length) = syntax.length {
            let refuse = |message: &str| Error::not_supported(message).at(length.span.position());
            let most = length.upper.or(search.map(|_| LONGEST_PATH));
            let upper = most.ok_or_else(|| {
                refuse("a variable-length relationship without an upper bound is not supported")
                    .with_hint("Write the most hops that you want, such as *1..5.")
            })?;
            let longest = if search.is_some() { LONGEST_PATH } else { MAX_LENGTH };
            if upper > longest {
                return Err(refuse(&format!("a variable-length relationship of more than {longest} is not supported")));
            }
            if upper == 0 {
                return Err(refuse("a variable-length relationship of length 0 is not supported"));
            }
            if syntax.types.is_none() && found.len() > 1 {
                return Err(refuse("a variable-length relationship without a type is not supported")
                    .with_hint("Write its type, such as -[:knows*1..3]->."));
            }
            let loops = |edge: &EdgeTable| edge.source.vertex == edge.destination.vertex;
            if !found.iter().all(|edge| loops(&self.graph.edges[*edge])) {
                return Err(refuse("a variable-length relationship between different vertex tables is not supported"));
            }
        }
        Ok(found)
    }

    /// Narrows the tables of every element by those beside it.
    pub(super) fn narrow(&self, pattern: &mut Pattern<'_>) {
        loop {
            let before = pattern.size();
            let Pattern { nodes, relationships, .. } = pattern;
            for relationship in relationships.iter_mut() {
                let (left, right) = (relationship.left, relationship.right);
                let direction = relationship.syntax.direction;
                relationship.candidates.retain(|edge| {
                    self.ways(*edge, direction).any(|(from, to)| {
                        nodes[left].candidates.contains(&from) && nodes[right].candidates.contains(&to)
                    })
                });
                let ways = || relationship.candidates.iter().flat_map(|edge| self.ways(*edge, direction));
                let reachable: Vec<(usize, usize)> = ways()
                    .filter(|(from, to)| nodes[left].candidates.contains(from) && nodes[right].candidates.contains(to))
                    .collect();
                nodes[left].candidates.retain(|vertex| reachable.iter().any(|(from, _)| from == vertex));
                nodes[right].candidates.retain(|vertex| reachable.iter().any(|(_, to)| to == vertex));
            }
            if pattern.size() == before {
                return;
            }
        }
    }

    /// The vertex tables on the left and on the right of an edge table in a pattern, one pair for each way it may lie.
    fn ways(&self, edge: usize, direction: Direction) -> impl Iterator<Item = (usize, usize)> + use<> {
        let edge = &self.graph.edges[edge];
        let place = |name: &str| self.graph.vertices.iter().position(|vertex| vertex.name == name);
        let forward = place(&edge.source.vertex).zip(place(&edge.destination.vertex));
        let backward = forward.map(|(from, to)| (to, from));
        match direction {
            Direction::Right => [forward, None],
            Direction::Left => [backward, None],
            Direction::Either => [forward, backward],
        }
        .into_iter()
        .flatten()
    }

    /// The error for an element that could be several tables, or none.
    pub(super) fn undecided(&self, what: &str, labels: &[&str], span: Span) -> Error {
        if labels.is_empty() {
            let edges: Vec<String> = self
                .graph
                .edges
                .iter()
                .map(|edge| format!("({})-[:{}]->({})", edge.source.vertex, edge.name, edge.destination.vertex))
                .collect();
            return mismatch(format!("no {what} of graph \"{}\" fits this pattern", self.graph.name), span)
                .with_hint(format!("Its edges are {}.", edges.join(", ")));
        }
        Error::not_supported(format!("a {what} that may have any of several labels is not supported"))
            .with_detail(format!("It could be {}.", list(labels)))
            .with_hint("Write one of them in the pattern.")
            .at(span.position())
    }
}

impl Pattern<'_> {
    /// Whether two relationships may not be the same one.
    pub(super) fn keeps_apart(&self, first: usize, second: usize) -> bool {
        let (first, second) = (&self.relationships[first], &self.relationships[second]);
        match (first.mode, second.mode) {
            (PathMode::Different, PathMode::Different) => true,
            (PathMode::Trail, PathMode::Trail) => first.path == second.path,
            _ => false,
        }
    }

    /// How many candidates are left in all.
    fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.candidates.len()).sum::<usize>()
            + self.relationships.iter().map(|relationship| relationship.candidates.len()).sum::<usize>()
    }
}

/// Refuses what is not done of a path pattern.
fn refuse_undone(path: &PathPattern) -> Result<()> {
    let refuse =
        |what: &str, span: Span| Err(Error::not_supported(format!("{what} not supported")).at(span.position()));
    if let Some(search) = path.search {
        match path.steps.as_slice() {
            [(relationship, _)] if relationship.length.is_some_and(|length| length.lower != 1) => {
                return refuse("a shortest path of a least length other than 1 is", relationship.span);
            }
            [_] => {}
            _ => {
                let error = Error::new(ErrorKind::Syntax, "a search for shortest paths has one relationship");
                return Err(error.at(search.span.position()));
            }
        }
    }
    let nodes = path.nodes().map(|node| &node.filter);
    if let Some(filter) = nodes.chain(path.relationships().map(|relationship| &relationship.filter)).flatten().next() {
        return refuse("WHERE inside an element of a pattern is", filter.span);
    }
    Ok(())
}

/// The table, where only one is left.
pub(super) fn only(candidates: &BTreeSet<usize>) -> Option<usize> {
    if candidates.len() == 1 { candidates.first().copied() } else { None }
}

/// `"a", "b" and "c"`
fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.as_slice() {
        [] => "none".to_string(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
