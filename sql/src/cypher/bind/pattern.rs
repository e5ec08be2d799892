//! Patterns: which tables a node or relationship can be, and the conditions that a pattern stands for.
//!
//! The labels that are written leave some elements with one table and others with any. They are narrowed until nothing
//! changes: a relationship keeps the tables whose ends fit its nodes, a node those that some relationship beside it leads
//! to. Then every element must have exactly one.

use std::collections::BTreeSet;
use std::sync::Arc;

use slipstream_engine::catalog::{EdgeTable, TableDefinition, TableId};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::scope::{Binding, Element};
use super::types::mismatch;
use crate::cypher::bound::{
    BoundItem, BoundMatch, BoundNode, BoundPath, BoundRelationship, Distinct, Value, ValueKind,
};
use crate::cypher::lexer::Span;
use crate::cypher::lower::{MAX_FILTERED, cut};
use crate::cypher::syntax::{
    Comparison, Direction, Expression, Match, Name, NodePattern, PathPattern, RelationshipPattern,
};

/// The longest path that the graph index searches.
const MAX_LENGTH: u32 = 30;

/// The nodes and relationships of one MATCH, while their tables are narrowed.
#[derive(Default)]
struct Pattern<'a> {
    nodes: Vec<PatternNode<'a>>,
    relationships: Vec<PatternRelationship<'a>>,
    paths: Vec<PatternPath<'a>>,
}

/// A node: every place where its name stands is the same one.
struct PatternNode<'a> {
    name: Option<&'a Name>,
    span: Span,
    /// Vertex tables that it may be, as positions in the graph.
    candidates: BTreeSet<usize>,
    /// Its element, where a clause before this one has bound it.
    known: Option<Element>,
}

struct PatternRelationship<'a> {
    syntax: &'a RelationshipPattern,
    left: usize,
    right: usize,
    /// Edge tables that it may be, as positions in the graph.
    candidates: BTreeSet<usize>,
}

struct PatternPath<'a> {
    syntax: &'a PathPattern,
    start: usize,
    /// Positions of relationships and of the nodes after them.
    steps: Vec<(usize, usize)>,
}

impl Binder<'_> {
    pub(super) fn match_clause(&mut self, syntax: &Match) -> Result<BoundMatch> {
        let mut pattern = self.collect(syntax)?;
        self.narrow(&mut pattern);
        let introduced: Vec<bool> = pattern.nodes.iter().map(|node| node.known.is_none()).collect();
        let nodes = self.bind_nodes(&pattern, syntax.optional)?;
        let mut relationships = self.bind_relationships(&pattern, &nodes, syntax.optional)?;
        let paths = bound_paths(&pattern, &nodes, introduced, &relationships);
        for (name, length) in path_lengths(&pattern, &nodes, &relationships, syntax.optional) {
            self.scope.introduce(name, Binding::Path(length))?;
        }
        let mut conditions = self.property_conditions(&pattern, &nodes, &relationships)?;
        if let Some(filter) = &syntax.filter {
            match self.condition(filter)?.kind {
                ValueKind::And(all) => conditions.extend(all),
                kind => conditions.push(Value::new(kind, SqlType::Boolean)),
            }
        }
        let distinct = trail(&pattern, &relationships)?;
        let deduplicate = self.deduplicate(&pattern, &nodes, &mut relationships, syntax.optional)?;
        let bound = BoundMatch { optional: syntax.optional, paths, distinct, conditions, deduplicate };
        check_optional(&bound, syntax)?;
        Ok(bound)
    }

    /// Notes what tells the rows of a MATCH apart, and where the index may find a row twice, makes it keep one. What is
    /// kept then of an undirected relationship is the values of its columns: as a whole it also remembers its way.
    fn deduplicate(
        &mut self,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        relationships: &mut [(BoundRelationship, Element)],
        optional: bool,
    ) -> Result<Vec<BoundItem>> {
        let doubled = |bound: &BoundRelationship| bound.direction == Direction::Either;
        let mut items: Vec<BoundItem> = nodes.iter().map(|node| BoundItem::Variable(node.variable.clone())).collect();
        for (bound, element) in relationships.iter_mut() {
            if doubled(bound) && bound.length.is_none() {
                items.extend(element.columns());
                element.detached = true;
            } else {
                items.push(BoundItem::Variable(element.variable.clone()));
            }
        }
        let first = relationships.iter().position(|(bound, _)| doubled(bound));
        let before = self.identity.take();
        self.identity = before.clone().map(|mut identity| {
            for item in
                items.iter().filter(|item| !identity.iter().any(|name| name == item.variable())).collect::<Vec<_>>()
            {
                identity.push(item.variable().to_string());
            }
            identity
        });
        let Some(first) = first else { return Ok(Vec::new()) };
        let Some(before) = before else {
            return Err(Error::not_supported(
                "a relationship without an arrow is not supported after rows that may be equal",
            )
            .with_hint("Write it with an arrow, or WITH DISTINCT before it.")
            .at(pattern.relationships[first].syntax.span.position()));
        };
        for (relationship, (_, element)) in pattern.relationships.iter().zip(relationships.iter()) {
            if let (true, Some(name)) = (element.detached, &relationship.syntax.variable) {
                self.scope.set(&name.text, Binding::Relationship(element.clone()));
            }
        }
        for (name, length) in path_lengths(pattern, nodes, relationships, optional) {
            self.scope.set(&name.text, Binding::Path(length));
        }
        let values = self.scope.iter().filter_map(|(_, binding)| binding.variable().map(str::to_string));
        for variable in before.into_iter().chain(values) {
            if !items.iter().any(|item| item.variable() == variable) {
                items.push(BoundItem::Variable(variable));
            }
        }
        Ok(items)
    }

    /// The nodes and relationships, each with the tables that its own labels leave.
    fn collect<'p>(&self, syntax: &'p Match) -> Result<Pattern<'p>> {
        let mut pattern = Pattern::default();
        for path in &syntax.patterns {
            let start = self.collect_node(&mut pattern, &path.start)?;
            let mut steps = Vec::with_capacity(path.steps.len());
            let mut left = start;
            for (relationship, node) in &path.steps {
                let right = self.collect_node(&mut pattern, node)?;
                let candidates = self.edge_candidates(relationship)?;
                pattern.relationships.push(PatternRelationship { syntax: relationship, left, right, candidates });
                steps.push((pattern.relationships.len() - 1, right));
                left = right;
            }
            pattern.paths.push(PatternPath { syntax: path, start, steps });
        }
        Ok(pattern)
    }

    fn collect_node<'p>(&self, pattern: &mut Pattern<'p>, syntax: &'p NodePattern) -> Result<usize> {
        let mut candidates = self.vertex_candidates(&syntax.labels)?;
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
                candidates.retain(|vertex| self.graph.vertices[*vertex].label == element.label);
                Some(element.clone())
            }
            Some(_) => return Err(mismatch(format!("variable \"{}\" is not a node", name.text), name.span)),
        };
        pattern.nodes.push(PatternNode { name: Some(name), span: syntax.span, candidates, known });
        Ok(pattern.nodes.len() - 1)
    }

    fn vertex_candidates(&self, labels: &[Name]) -> Result<BTreeSet<usize>> {
        let known: Vec<&str> = self.graph.vertices.iter().map(|vertex| vertex.label.as_str()).collect();
        candidates(&known, labels, |label| {
            Error::new(ErrorKind::UndefinedTable, format!("label \"{label}\" does not exist")).with_hint(format!(
                "The vertices of graph \"{}\" are {}.",
                self.graph.name,
                list(&known)
            ))
        })
    }

    fn edge_candidates(&self, syntax: &RelationshipPattern) -> Result<BTreeSet<usize>> {
        let known: Vec<&str> = self.graph.edges.iter().map(|edge| edge.label.as_str()).collect();
        let found = candidates(&known, &syntax.types, |label| {
            Error::new(ErrorKind::UndefinedTable, format!("relationship type \"{label}\" does not exist"))
                .with_hint(format!("The edges of graph \"{}\" are {}.", self.graph.name, list(&known)))
        })?;
        if let Some(length) = syntax.length {
            let refuse = |message: &str| Error::not_supported(message).at(length.span.position());
            let upper = length.upper.ok_or_else(|| {
                refuse("a variable-length relationship without an upper bound is not supported")
                    .with_hint("Write the most hops that you want, such as *1..5.")
            })?;
            if upper > MAX_LENGTH {
                return Err(refuse(&format!(
                    "a variable-length relationship of more than {MAX_LENGTH} is not supported"
                )));
            }
            if upper == 0 {
                return Err(refuse("a variable-length relationship of length 0 is not supported"));
            }
            if syntax.types.is_empty() && found.len() > 1 {
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

    fn narrow(&self, pattern: &mut Pattern<'_>) {
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
        let place = |label: &str| self.graph.vertices.iter().position(|vertex| vertex.label == label);
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

    fn bind_nodes(&mut self, pattern: &Pattern<'_>, optional: bool) -> Result<Vec<Element>> {
        let mut elements = Vec::with_capacity(pattern.nodes.len());
        for node in &pattern.nodes {
            let labels: Vec<&str> =
                node.candidates.iter().map(|vertex| self.graph.vertices[*vertex].label.as_str()).collect();
            let vertex = only(&node.candidates).ok_or_else(|| self.undecided("node", &labels, node.span))?;
            if let Some(element) = &node.known {
                elements.push(element.clone());
                continue;
            }
            let vertex = &self.graph.vertices[vertex];
            let element = Element {
                variable: self.fresh('n'),
                label: vertex.label.clone(),
                table: self.member(vertex.table)?,
                key: single(&vertex.key, &vertex.label)?,
                covered: vertex.properties.clone(),
                optional,
                detached: false,
                ends: Vec::new(),
            };
            if let Some(name) = node.name {
                self.scope.introduce(name, Binding::Node(element.clone()))?;
            }
            elements.push(element);
        }
        Ok(elements)
    }

    fn bind_relationships(
        &mut self,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        optional: bool,
    ) -> Result<Vec<(BoundRelationship, Element)>> {
        let mut bound = Vec::with_capacity(pattern.relationships.len());
        for relationship in &pattern.relationships {
            let syntax = relationship.syntax;
            let labels: Vec<&str> =
                relationship.candidates.iter().map(|edge| self.graph.edges[*edge].label.as_str()).collect();
            let edge =
                only(&relationship.candidates).ok_or_else(|| self.undecided("relationship", &labels, syntax.span))?;
            let edge = &self.graph.edges[edge];
            let (left, right) = (&nodes[relationship.left], &nodes[relationship.right]);
            let direction = resolve_direction(edge, left, right, syntax.direction);
            let element = Element {
                variable: self.fresh('r'),
                label: edge.label.clone(),
                table: self.member(edge.table)?,
                key: single(&edge.key, &edge.label)?,
                covered: edge.properties.clone(),
                optional,
                detached: false,
                ends: ends(edge, left, right, direction)?,
            };
            let length = syntax.length.and_then(|length| Some((length.lower, length.upper?)));
            if let Some(name) = &syntax.variable {
                self.introduce_relationship(name, &element, length.is_some())?;
            }
            let written = syntax.variable.as_ref().map(|name| name.text.clone());
            let (variable, label) = (element.variable.clone(), element.label.clone());
            bound.push((BoundRelationship { variable, written, label, direction, length }, element));
        }
        Ok(bound)
    }

    fn introduce_relationship(&mut self, name: &Name, element: &Element, walk: bool) -> Result<()> {
        if matches!(self.scope.get(&name.text), Some(Binding::Relationship(_) | Binding::Walk(_))) {
            return Err(Error::not_supported(format!(
                "using relationship \"{}\" in more than one place of a pattern is not supported",
                name.text
            ))
            .at(name.span.position()));
        }
        let binding =
            if walk { Binding::Walk(element.variable.clone()) } else { Binding::Relationship(element.clone()) };
        self.scope.introduce(name, binding)
    }

    /// `{name: value}` of every element, as equalities.
    fn property_conditions(
        &mut self,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        relationships: &[(BoundRelationship, Element)],
    ) -> Result<Vec<Value>> {
        let mut conditions = Vec::new();
        for path in &pattern.paths {
            self.equalities(&path.syntax.start.properties, &nodes[path.start], &mut conditions)?;
            for ((relationship, node), (_, syntax)) in path.steps.iter().zip(&path.syntax.steps) {
                let (bound, element) = &relationships[*relationship];
                let properties = &pattern.relationships[*relationship].syntax.properties;
                if let (Some(_), Some((name, _))) = (bound.length, properties.first()) {
                    return Err(Error::not_supported("properties of a variable-length relationship are not supported")
                        .at(name.span.position()));
                }
                self.equalities(properties, element, &mut conditions)?;
                self.equalities(&syntax.properties, &nodes[*node], &mut conditions)?;
            }
        }
        Ok(conditions)
    }

    fn equalities(
        &mut self,
        properties: &[(Name, Expression)],
        element: &Element,
        conditions: &mut Vec<Value>,
    ) -> Result<()> {
        for (name, expression) in properties {
            let left = element.property(name)?;
            let right = self.value(expression)?;
            conditions.push(self.compare(Comparison::Equal, left, right, expression.span)?);
        }
        Ok(())
    }

    /// The table of a vertex or edge; the catalog keeps it while the graph stands.
    fn member(&self, table: TableId) -> Result<Arc<TableDefinition>> {
        self.catalog.tables.get(&table).cloned().ok_or_else(|| {
            Error::internal(format!("graph \"{}\" refers to a table that is not in the catalog", self.graph.name))
        })
    }

    /// The error for an element that could be several tables, or none.
    fn undecided(&self, what: &str, labels: &[&str], span: Span) -> Error {
        if labels.is_empty() {
            let edges: Vec<String> = self
                .graph
                .edges
                .iter()
                .map(|edge| format!("({})-[:{}]->({})", edge.source.vertex, edge.label, edge.destination.vertex))
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
    /// How many candidates are left in all.
    fn size(&self) -> usize {
        self.nodes.iter().map(|node| node.candidates.len()).sum::<usize>()
            + self.relationships.iter().map(|relationship| relationship.candidates.len()).sum::<usize>()
    }
}

/// Positions in `known` of the labels that are written; all where none is. A label is found by its exact name, else by
/// the only one that differs in case: SQL has folded the names of tables, and people write `:Person`.
fn candidates(known: &[&str], written: &[Name], unknown: impl Fn(&str) -> Error) -> Result<BTreeSet<usize>> {
    if written.is_empty() {
        return Ok((0..known.len()).collect());
    }
    if let Some(second) = written.get(1) {
        return Err(Error::not_supported("a choice of labels is not supported").at(second.span.position()));
    }
    let mut found = BTreeSet::new();
    for label in written {
        let alike: Vec<usize> =
            (0..known.len()).filter(|at| known[*at].to_lowercase() == label.text.to_lowercase()).collect();
        let at = match (known.iter().position(|other| *other == label.text), alike.as_slice()) {
            (Some(exact), _) => exact,
            (None, [only]) => *only,
            (None, _) => return Err(unknown(&label.text).at(label.span.position())),
        };
        found.insert(at);
    }
    Ok(found)
}

fn only(candidates: &BTreeSet<usize>) -> Option<usize> {
    if candidates.len() == 1 { candidates.first().copied() } else { None }
}

fn single(key: &[String], label: &str) -> Result<String> {
    match key {
        [column] => Ok(column.clone()),
        _ => Err(Error::not_supported(format!(
            "patterns over \"{label}\", whose key has several columns, are not supported"
        ))),
    }
}

/// Without an arrow, the labels of the nodes may still say which way an edge lies.
fn resolve_direction(edge: &EdgeTable, left: &Element, right: &Element, written: Direction) -> Direction {
    if written != Direction::Either || left.label == right.label {
        written
    } else if edge.source.vertex == left.label {
        Direction::Right
    } else {
        Direction::Left
    }
}

/// The end point columns of a relationship, with the keys of its nodes where its direction says which is which.
fn ends(
    edge: &EdgeTable,
    left: &Element,
    right: &Element,
    direction: Direction,
) -> Result<Vec<(String, Option<Value>)>> {
    let (source, destination) = match direction {
        Direction::Right => (Some(left.key_value()), Some(right.key_value())),
        Direction::Left => (Some(right.key_value()), Some(left.key_value())),
        Direction::Either => (None, None),
    };
    Ok(vec![
        (single(&edge.source.columns, &edge.label)?, source),
        (single(&edge.destination.columns, &edge.label)?, destination),
    ])
}

fn bound_paths(
    pattern: &Pattern<'_>,
    nodes: &[Element],
    mut introduced: Vec<bool>,
    relationships: &[(BoundRelationship, Element)],
) -> Vec<BoundPath> {
    let mut node = |at: usize| BoundNode {
        variable: nodes[at].variable.clone(),
        written: pattern.nodes[at].name.map(|name| name.text.clone()),
        label: nodes[at].label.clone(),
        introduced: std::mem::take(&mut introduced[at]),
    };
    pattern
        .paths
        .iter()
        .map(|path| BoundPath {
            start: node(path.start),
            steps: path.steps.iter().map(|(edge, right)| (relationships[*edge].0.clone(), node(*right))).collect(),
        })
        .collect()
}

/// Refuses an optional pattern that the index filters too early: its conditions cannot follow it (`lower::pattern`).
fn check_optional(bound: &BoundMatch, syntax: &Match) -> Result<()> {
    let conditions = !bound.conditions.is_empty() || !bound.distinct.is_empty() || !cut(bound).1.is_empty();
    if !bound.optional || bound.relationships() <= MAX_FILTERED || !conditions {
        return Ok(());
    }
    let message = format!("OPTIONAL MATCH of more than {MAX_FILTERED} relationships with conditions is not supported");
    let place = syntax.patterns.first().map_or(1, |path| path.start.span.position());
    Err(Error::not_supported(message).with_hint("Split it into several OPTIONAL MATCH clauses.").at(place))
}

/// The length of every named path.
fn path_lengths<'p>(
    pattern: &Pattern<'p>,
    nodes: &[Element],
    relationships: &[(BoundRelationship, Element)],
    optional: bool,
) -> Vec<(&'p Name, Value)> {
    let mut lengths = Vec::new();
    for path in &pattern.paths {
        let Some(name) = &path.syntax.variable else { continue };
        let steps = || path.steps.iter().map(|(at, _)| &relationships[*at]);
        let walks: Vec<String> =
            steps().filter(|(bound, _)| bound.length.is_some()).map(|(bound, _)| bound.variable.clone()).collect();
        let fixed = i64::try_from(path.steps.len() - walks.len()).unwrap_or(i64::MAX);
        let length = Value::new(ValueKind::Length(fixed, walks), SqlType::BigInt);
        let witness = steps().find(|(bound, _)| bound.length.is_none()).map(|(_, element)| element);
        let value = match witness.or_else(|| nodes.get(path.start)) {
            Some(witness) if optional => witness.guard(length),
            _ => length,
        };
        lengths.push((name, value));
    }
    lengths
}

/// Relationships that could be the same edge, and must not be: within one MATCH no edge is used twice.
fn trail(pattern: &Pattern<'_>, relationships: &[(BoundRelationship, Element)]) -> Result<Vec<Distinct>> {
    let mut pairs = Vec::new();
    for (at, (second, element)) in relationships.iter().enumerate() {
        for (first, _) in relationships[..at].iter().filter(|(first, _)| first.label == second.label) {
            let (one, other) = (first.variable.clone(), second.variable.clone());
            pairs.push(match (first.length, second.length) {
                (None, None) => Distinct::Relationships(one, other),
                (Some(_), None) => Distinct::Walk { walk: one, relationship: other, key: element.key.clone() },
                (None, Some(_)) => Distinct::Walk { walk: other, relationship: one, key: element.key.clone() },
                (Some(_), Some(_)) => {
                    return Err(Error::not_supported(format!(
                        "two variable-length relationships of type \"{}\" in one MATCH are not supported",
                        second.label
                    ))
                    .with_hint(
                        "Write the second in a MATCH clause of its own, where it may use the first's edges again.",
                    )
                    .at(pattern.relationships[at].syntax.span.position()));
                }
            });
        }
    }
    Ok(pairs)
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
