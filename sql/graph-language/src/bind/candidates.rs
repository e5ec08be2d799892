//! Which tables the elements of a pattern can be.
//!
//! The labels that are written leave some elements with one table and others with several. They are narrowed until nothing
//! changes: a relationship keeps the tables whose ends fit its nodes, a node those that some relationship beside it leads
//! to. Where nothing is left of an element, nothing can match, and every element keeps what its own labels allow.

use std::collections::BTreeSet;

use slipstream_engine::graph::index::LONGEST_PATH;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::scope::{Binding, Element, Member};
use super::types::mismatch;
use super::{Binder, labels};
use crate::lexer::Span;
use crate::syntax::{
    Direction, LabelExpression, Match, Name, NodePattern, PathMode, PathPattern, PathSearch, RelationshipPattern,
};

/// The longest path that the graph index searches.
pub(super) const MAX_LENGTH: u32 = 30;

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
    /// Vertex tables that it may be from, as positions in the graph.
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
    /// Edge tables that it may be from, as positions in the graph.
    pub(super) candidates: BTreeSet<usize>,
}

impl PatternRelationship<'_> {
    /// The fewest and the most edges that it stands for.
    pub(super) fn length(&self) -> (u32, u32) {
        let longest = if self.search.is_some() { LONGEST_PATH } else { u32::MAX };
        match self.syntax.length {
            None => (1, 1),
            Some(length) if self.search.is_some() => (1, length.upper.unwrap_or(longest)),
            Some(length) => (length.lower, length.upper.unwrap_or(longest)),
        }
    }

    /// Whether no path is as long as is asked for.
    pub(super) fn has_no_length(&self) -> bool {
        let (least, most) = self.length();
        most < least
    }
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
                let candidates = self.type_candidates(relationship.types.as_ref())?;
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
                let tables = element.tables();
                candidates.retain(|vertex| tables.contains(&self.graph.vertices[*vertex].name));
                Some(element.clone())
            }
            // A value that may be a node is compared with the nodes of the pattern.
            Some(Binding::Value(value)) if value.sql_type == Some(SqlType::Jsonb) => None,
            Some(_) => return Err(mismatch(format!("variable \"{}\" is not a node", name.text), name.span)),
        };
        pattern.nodes.push(PatternNode { name: Some(name), span: syntax.span, candidates, known });
        Ok(pattern.nodes.len() - 1)
    }

    /// The places, among the tables of an element, of those to which labels fit.
    pub(super) fn fitting_members(&self, element: &Element, labels: &LabelExpression) -> Result<BTreeSet<usize>> {
        let of_a_vertex = |member: &Member| self.graph.get_vertex(&member.name).is_some();
        let fitting: Vec<&String> = match element.members.iter().all(of_a_vertex) {
            true => self.vertex_candidates(Some(labels))?.iter().map(|at| &self.graph.vertices[*at].name).collect(),
            false => self.type_candidates(Some(labels))?.iter().map(|at| &self.graph.edges[*at].name).collect(),
        };
        let places = element.members.iter().enumerate();
        Ok(places.filter(|(_, member)| fitting.contains(&&member.name)).map(|(place, _)| place).collect())
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

    fn type_candidates(&self, types: Option<&LabelExpression>) -> Result<BTreeSet<usize>> {
        let tables: Vec<&[String]> = self.graph.edges.iter().map(|edge| edge.labels.as_slice()).collect();
        labels::fitting(&tables, types, |label, known| {
            Error::new(ErrorKind::UndefinedTable, format!("relationship type \"{label}\" does not exist"))
                .with_hint(format!("The edges of graph \"{}\" are {}.", self.graph.name, list(known)))
        })
    }

    /// Narrows the tables of every element by those beside it. False where nothing is left of one, or where no path has the
    /// length that is asked for.
    pub(super) fn narrow(&self, pattern: &mut Pattern<'_>) -> bool {
        if pattern.relationships.iter().any(PatternRelationship::has_no_length) {
            return false;
        }
        let written = pattern.candidates();
        loop {
            let before = pattern.size();
            let Pattern { nodes, relationships, .. } = pattern;
            for relationship in relationships.iter_mut() {
                let (left, right) = (relationship.left, relationship.right);
                let reach = self.reach(relationship, &nodes[left].candidates, &nodes[right].candidates);
                nodes[left].candidates.retain(|vertex| reach.left.contains(vertex));
                nodes[right].candidates.retain(|vertex| reach.right.contains(vertex));
                relationship.candidates = reach.edges;
            }
            if pattern.size() == before {
                break;
            }
        }
        let of_no_length = |relationship: &PatternRelationship<'_>| relationship.length().0 == 0;
        let possible = pattern.nodes.iter().all(|node| !node.candidates.is_empty())
            && pattern.relationships.iter().all(|edge| !edge.candidates.is_empty() || of_no_length(edge));
        for (relationship, written) in pattern.relationships.iter_mut().zip(written.1) {
            if !possible || relationship.candidates.is_empty() {
                relationship.candidates = written;
            }
        }
        if !possible {
            pattern.nodes.iter_mut().zip(written.0).for_each(|(node, written)| node.candidates = written);
        }
        possible
    }

    /// What can be reached from one node to the other along a relationship.
    fn reach(&self, relationship: &PatternRelationship<'_>, left: &BTreeSet<usize>, right: &BTreeSet<usize>) -> Reach {
        let (least, most) = relationship.length();
        // Whatever can be reached at all is reached within a round through all tables, and one more.
        let round = 2 * self.graph.vertices.len() + 1;
        let least = least.min(MAX_LENGTH) as usize;
        let most = (most as usize).min(least + round);
        let direction = relationship.syntax.direction;
        let steps: Vec<(usize, (usize, usize))> = relationship
            .candidates
            .iter()
            .flat_map(|edge| self.ways(*edge, direction).map(move |way| (*edge, way)))
            .collect();
        // What is so many steps away from the left, and from the right.
        let (mut forward, mut backward) = (vec![left.clone()], vec![right.clone()]);
        for at in 0..most {
            forward.push(steps.iter().filter(|(_, way)| forward[at].contains(&way.0)).map(|(_, way)| way.1).collect());
            backward
                .push(steps.iter().filter(|(_, way)| backward[at].contains(&way.1)).map(|(_, way)| way.0).collect());
        }
        let on_a_path = |way: &(usize, usize)| {
            let before = (0..most).filter(|at| forward[*at].contains(&way.0));
            let fits = |before: usize, after: usize| (least..=most).contains(&(before + 1 + after));
            before
                .into_iter()
                .any(|before| (0..most).any(|after| backward[after].contains(&way.1) && fits(before, after)))
        };
        let ends = |reached: &[BTreeSet<usize>], own: &BTreeSet<usize>| {
            own.iter().copied().filter(|vertex| reached[least..=most].iter().any(|far| far.contains(vertex))).collect()
        };
        Reach {
            edges: steps.iter().filter(|(_, way)| on_a_path(way)).map(|(edge, _)| *edge).collect(),
            left: ends(&backward, left),
            right: ends(&forward, right),
        }
    }

    /// The vertex tables on the left and on the right of an edge table in a pattern, one pair for each way it may lie.
    pub(super) fn ways(&self, edge: usize, direction: Direction) -> impl Iterator<Item = (usize, usize)> + use<> {
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
}

/// What is left of a relationship and the nodes on its sides.
struct Reach {
    edges: BTreeSet<usize>,
    left: BTreeSet<usize>,
    right: BTreeSet<usize>,
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

    /// The candidates of nodes and relationships.
    fn candidates(&self) -> (Vec<BTreeSet<usize>>, Vec<BTreeSet<usize>>) {
        let nodes = self.nodes.iter().map(|node| node.candidates.clone());
        let relationships = self.relationships.iter().map(|relationship| relationship.candidates.clone());
        (nodes.collect(), relationships.collect())
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
    let relationships = path.relationships().filter(|relationship| relationship.length.is_none());
    if let Some(filter) = nodes.chain(relationships.map(|relationship| &relationship.filter)).flatten().next() {
        return refuse("WHERE inside an element of a pattern is", filter.span);
    }
    Ok(())
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
