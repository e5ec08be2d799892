//! MATCH: the elements of a pattern and the conditions that it stands for.

use std::collections::BTreeSet;
use std::sync::Arc;

use slipstream_engine::catalog::{EdgeTable, TableDefinition, TableId, VertexTable};
use slipstream_engine::graph::index::LONGEST_PATH;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::candidates::{MAX_LENGTH, Pattern, PatternPath, PatternRelationship};
use super::distinct::{check_optional, trail};
use super::scope::{Binding, Element, Member, Path};
use crate::bound::{BoundMatch, BoundNode, BoundPath, BoundRelationship, Value, ValueKind};
use crate::syntax::{Comparison, Direction, Expression, ExpressionKind, Match, Name, PathMode, Properties};

impl Binder<'_> {
    /// Binds a MATCH. `lacks` gets what the index lacks of each of its conditions.
    pub(super) fn match_clause(&mut self, syntax: &Match, lacks: &mut Vec<Option<Error>>) -> Result<BoundMatch> {
        let mut pattern = self.collect(syntax)?;
        self.check_names(&pattern)?;
        let before = self.scope.clone();
        let possible = self.narrow(&mut pattern);
        let introduced: Vec<bool> = pattern.nodes.iter().map(|node| node.known.is_none()).collect();
        let nodes = self.bind_nodes(&pattern, syntax.optional)?;
        let relationships = self.bind_relationships(&pattern, &nodes, syntax.optional)?;
        let (paths, mut conditions) = bound_paths(&pattern, &nodes, introduced, &relationships);
        for (name, path) in named_paths(&pattern, &nodes, &relationships, syntax.optional) {
            self.scope.introduce(name, Binding::Path(path))?;
        }
        if possible {
            conditions.extend(self.label_conditions(&pattern));
        }
        lacks.resize(conditions.len(), None);
        let pattern_lack = self.unindexed.take();
        self.known_conditions(&before, &pattern, &nodes, &relationships, &mut conditions, lacks)?;
        self.property_conditions(&pattern, &nodes, &relationships, &mut conditions, lacks)?;
        for filter in syntax.filter.iter().flat_map(conjuncts) {
            let condition = self.condition(filter)?;
            check_search(&condition, filter, &relationships)?;
            conditions.push(condition);
            lacks.push(self.unindexed.take());
        }
        self.unindexed.0 = pattern_lack;
        if !possible {
            let lack = self.nothing_fits(&pattern);
            self.unindexed.note(|| lack);
        }
        if paths.iter().all(|path| path.steps.is_empty() && !path.start.introduced) {
            // After WITH the index cannot plan it.
            self.unindexed.note(|| {
                Error::not_supported("MATCH of nothing but nodes of earlier clauses is not supported")
                    .at(pattern.nodes.first().map_or(1, |node| node.span.position()))
            });
        }
        let distinct = trail(&pattern, &relationships, &mut self.unindexed)?;
        let deduplicate = self.deduplicate(&pattern, &nodes, &relationships);
        let optional = syntax.optional;
        let bound = BoundMatch { optional, impossible: !possible, paths, distinct, conditions, deduplicate };
        check_optional(&bound, syntax, &mut self.unindexed);
        Ok(bound)
    }

    /// Why nothing can match a pattern.
    fn nothing_fits(&self, pattern: &Pattern<'_>) -> Error {
        match pattern.relationships.iter().find(|relationship| relationship.has_no_length()) {
            Some(relationship) => {
                let (least, most) = relationship.length();
                Error::not_supported(format!("no path has at least {least} and at most {most} relationships"))
                    .at(relationship.syntax.span.position())
            }
            None => Error::not_supported(format!("no tables of graph \"{}\" fit this pattern", self.graph.name))
                .at(pattern.nodes.first().map_or(1, |node| node.span.position())),
        }
    }

    fn bind_nodes(&mut self, pattern: &Pattern<'_>, optional: bool) -> Result<Vec<Element>> {
        let mut elements = Vec::with_capacity(pattern.nodes.len());
        for node in &pattern.nodes {
            if let Some(element) = &node.known {
                elements.push(element.clone());
                continue;
            }
            let vertices = node.candidates.iter().map(|vertex| &self.graph.vertices[*vertex]);
            let members = vertices.map(|vertex| self.vertex_member(vertex)).collect::<Result<_>>()?;
            let element = Element { variable: self.fresh('n'), members, optional, ends: Vec::new() };
            if let Some(name) = node.name
                && !matches!(self.scope.get(&name.text), Some(Binding::Value(_)))
            {
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
            let (left, right) = (&nodes[relationship.left], &nodes[relationship.right]);
            // The edges of a path in between lie any way, whatever its ends are.
            let direction = match relationship.length() {
                (1, 1) => self.resolved_direction(&relationship.candidates, left, right, syntax.direction),
                _ => syntax.direction,
            };
            let edges: Vec<&EdgeTable> = relationship.candidates.iter().map(|edge| &self.graph.edges[*edge]).collect();
            let members = edges.iter().map(|edge| self.edge_member(edge)).collect::<Result<_>>()?;
            let ends = match edges.as_slice() {
                [edge] => ends(edge, left, right, direction)?,
                _ => Vec::new(),
            };
            let element = Element { variable: self.fresh('r'), members, optional, ends };
            let search = relationship.search.map(|search| search.kind);
            self.check_length(relationship)?;
            self.check_emptiness(relationship, &pattern.nodes[relationship.left].candidates);
            let walks = search.is_some() || syntax.length.is_some();
            let length = walks.then(|| relationship.length());
            if let Some(name) = &syntax.variable {
                self.introduce_relationship(name, &element, length.is_some())?;
            }
            let written = syntax.variable.as_ref().map(|name| name.text.clone());
            let (variable, tables) = (element.variable.clone(), element.tables());
            let repeats = relationship.mode == PathMode::Walk;
            let conditions = match length {
                Some(_) => self.walk_conditions(syntax, &element)?,
                None => Vec::new(),
            };
            if search.is_some() {
                self.check_search(relationship, left, right, !conditions.is_empty());
            }
            let bound_one =
                BoundRelationship { variable, written, tables, direction, length, search, repeats, conditions };
            bound.push((bound_one, element));
        }
        Ok(bound)
    }

    /// Notes a path that may be empty where its relationships do not begin or end at all of its nodes: the index finds none there.
    fn check_emptiness(&mut self, relationship: &PatternRelationship<'_>, nodes: &BTreeSet<usize>) {
        let mut ends = BTreeSet::new();
        for (from, to) in relationship.candidates.iter().flat_map(|edge| self.ways(*edge, Direction::Right)) {
            ends.extend([from, to]);
        }
        if relationship.length().0 == 0 && !nodes.is_subset(&ends) {
            self.unindexed.note(|| {
                Error::not_supported(
                    "an empty path from a node that its relationships do not lead to is not found by the graph index",
                )
                .at(relationship.syntax.span.position())
            });
        }
    }

    /// Notes a length that the index does not search; refuses one that may have no end.
    fn check_length(&mut self, relationship: &PatternRelationship<'_>) -> Result<()> {
        let Some(length) = relationship.syntax.length else { return Ok(()) };
        let refusal = |message: String| Error::not_supported(message).at(length.span.position());
        let (_, most) = relationship.length();
        let of_none = || refusal("a variable-length relationship of length 0 is not supported".to_string());
        let too_long =
            |longest: u32| refusal(format!("a variable-length relationship of more than {longest} is not supported"));
        if relationship.search.is_some() {
            return match most {
                0 => Err(of_none()),
                most if most > LONGEST_PATH => Err(too_long(LONGEST_PATH)),
                _ => Ok(()),
            };
        }
        if length.upper.is_none() {
            let unbounded =
                refusal("a variable-length relationship without an upper bound is not supported".to_string())
                    .with_hint("Write the most hops that you want, such as *1..5.");
            // Where relationships may repeat, a cycle has no end.
            if relationship.mode == PathMode::Walk {
                return Err(unbounded.with_hint(
                    "Write TRAIL before the pattern, so that no relationship repeats, or the most hops that you want, such \
                     as {1,5}.",
                ));
            }
            self.unindexed.note(|| unbounded);
        } else if most == 0 {
            self.unindexed.note(of_none);
        } else if most > MAX_LENGTH {
            self.unindexed
                .note(|| refusal(format!("a variable-length relationship of more than {MAX_LENGTH} is not supported")));
        }
        Ok(())
    }

    /// Notes what the index does not search of shortest paths.
    fn check_search(
        &mut self,
        relationship: &PatternRelationship<'_>,
        left: &Element,
        right: &Element,
        conditions: bool,
    ) {
        let place = relationship.syntax.span.position();
        if conditions {
            self.unindexed.note(|| {
                Error::not_supported(
                    "conditions on the relationships of a shortest path are not supported by the graph index",
                )
                .at(place)
            });
        }
        let meet = left.members.iter().any(|member| right.members.iter().any(|other| other.name == member.name));
        if relationship.mode == PathMode::Walk && meet {
            self.unindexed.note(|| {
                Error::not_supported(
                    "shortest walks, which may lead back to their start, are not found by the graph index",
                )
                .at(place)
            });
        }
    }

    /// Without an arrow, the tables of the nodes may still say which way an edge lies.
    fn resolved_direction(
        &self,
        edges: &BTreeSet<usize>,
        left: &Element,
        right: &Element,
        written: Direction,
    ) -> Direction {
        let may_be = |element: &Element, vertex: usize| {
            element.members.iter().any(|member| member.name == self.graph.vertices[vertex].name)
        };
        let lies = |direction: Direction| {
            let mut ways = edges.iter().flat_map(|edge| self.ways(*edge, direction));
            ways.any(|(from, to)| may_be(left, from) && may_be(right, to))
        };
        match written {
            Direction::Either if !lies(Direction::Left) => Direction::Right,
            Direction::Either if !lies(Direction::Right) => Direction::Left,
            _ => written,
        }
    }

    /// What labels say of nodes of earlier clauses, beyond what is known of them.
    fn label_conditions(&self, pattern: &Pattern<'_>) -> Vec<Value> {
        let known = pattern.nodes.iter().filter_map(|node| Some((node, node.known.as_ref()?)));
        known
            .filter(|(node, element)| node.candidates.len() < element.members.len())
            .map(|(node, element)| {
                let names: Vec<&String> =
                    node.candidates.iter().map(|vertex| &self.graph.vertices[*vertex].name).collect();
                let places = element.members.iter().enumerate();
                let places = places.filter(|(_, member)| names.contains(&&member.name)).map(|(place, _)| place);
                element.is_from(&places.collect())
            })
            .collect()
    }

    fn introduce_relationship(&mut self, name: &Name, element: &Element, walk: bool) -> Result<()> {
        // One of an earlier clause is compared with this one.
        if !walk && matches!(self.scope.get(&name.text), Some(Binding::Relationship(_))) {
            return Ok(());
        }
        if matches!(self.scope.get(&name.text), Some(Binding::Relationship(_) | Binding::Walk(_))) {
            return Err(Error::new(
                ErrorKind::Syntax,
                format!("relationship \"{}\" cannot be in more than one place of a pattern", name.text),
            )
            .at(name.span.position()));
        }
        let binding = if walk { Binding::Walk(element.clone()) } else { Binding::Relationship(element.clone()) };
        self.scope.introduce(name, binding)
    }

    /// `{name: value}` of every element, as equalities.
    fn property_conditions(
        &mut self,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        relationships: &[(BoundRelationship, Element)],
        conditions: &mut Vec<Value>,
        lacks: &mut Vec<Option<Error>>,
    ) -> Result<()> {
        for path in &pattern.paths {
            let properties = Properties::written(path.syntax.start.properties.as_ref());
            self.equalities(properties, &nodes[path.start], conditions, lacks)?;
            for ((relationship, node), (_, syntax)) in path.steps.iter().zip(&path.syntax.steps) {
                let (bound, element) = &relationships[*relationship];
                let properties = Properties::written(pattern.relationships[*relationship].syntax.properties.as_ref());
                match (bound.length, bound.search) {
                    (None, _) => self.equalities(properties, element, conditions, lacks)?,
                    (Some(_), None) => self.every_equality(properties, element, conditions, lacks)?,
                    (Some(_), Some(_)) => self.refuse_changing(properties)?,
                }
                let properties = Properties::written(syntax.properties.as_ref());
                self.equalities(properties, &nodes[*node], conditions, lacks)?;
            }
        }
        Ok(())
    }

    fn equalities(
        &mut self,
        properties: &[(Name, Expression)],
        element: &Element,
        conditions: &mut Vec<Value>,
        lacks: &mut Vec<Option<Error>>,
    ) -> Result<()> {
        for (name, expression) in properties {
            let left = element.property(name, &mut self.unindexed)?;
            let right = self.value(expression)?;
            conditions.push(self.compare(Comparison::Equal, left, right, expression.span)?);
            lacks.push(self.unindexed.take());
        }
        Ok(())
    }

    pub(super) fn vertex_member(&self, vertex: &VertexTable) -> Result<Member> {
        Ok(Member {
            name: vertex.name.clone(),
            labels: vertex.labels.clone(),
            table: self.member(vertex.table)?,
            key: single(&vertex.key, &vertex.name)?,
            covered: vertex.properties.clone(),
        })
    }

    pub(super) fn edge_member(&self, edge: &EdgeTable) -> Result<Member> {
        Ok(Member {
            name: edge.name.clone(),
            labels: edge.labels.clone(),
            table: self.member(edge.table)?,
            key: single(&edge.key, &edge.name)?,
            covered: edge.properties.clone(),
        })
    }

    /// The table of a vertex or edge; the catalog keeps it while the graph stands.
    pub(super) fn member(&self, table: TableId) -> Result<Arc<TableDefinition>> {
        self.catalog.tables.get(&table).cloned().ok_or_else(|| {
            Error::internal(format!("graph \"{}\" refers to a table that is not in the catalog", self.graph.name))
        })
    }
}

/// Refuses a condition on a path that is searched for: it would have to be part of the search, which else finds the shortest of
/// all paths and not of those for which the condition holds.
fn check_search(condition: &Value, syntax: &Expression, relationships: &[(BoundRelationship, Element)]) -> Result<()> {
    let uses = condition.variables();
    let searched =
        |(bound, _): &(BoundRelationship, Element)| bound.search.is_some() && uses.contains(&*bound.variable);
    if relationships.iter().any(searched) {
        return Err(Error::not_supported("a condition on a shortest path in its own MATCH is not supported")
            .with_hint("Put WITH * between, or WITH its length: then it is tested on the shortest path.")
            .at(syntax.span.position()));
    }
    Ok(())
}

/// The conditions that must all hold where a condition holds.
pub(super) fn conjuncts(filter: &Expression) -> Vec<&Expression> {
    match &filter.kind {
        ExpressionKind::And(operands) => operands.iter().flat_map(conjuncts).collect(),
        _ => vec![filter],
    }
}

fn single(key: &[String], name: &str) -> Result<String> {
    match key {
        [column] => Ok(column.clone()),
        _ => Err(Error::not_supported(format!(
            "patterns over \"{name}\", whose key has several columns, are not supported"
        ))),
    }
}

/// The end point columns of a relationship, with the keys of its nodes where its direction says which is which.
pub(super) fn ends(
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
        (single(&edge.source.columns, &edge.name)?, source),
        (single(&edge.destination.columns, &edge.name)?, destination),
    ])
}

/// The paths of a pattern, and the conditions that stand for those that are none: a node of an earlier clause by itself asks
/// only that it is there. The index cannot plan such a path beside others.
fn bound_paths(
    pattern: &Pattern<'_>,
    nodes: &[Element],
    mut introduced: Vec<bool>,
    relationships: &[(BoundRelationship, Element)],
) -> (Vec<BoundPath>, Vec<Value>) {
    let mut node = |at: usize| BoundNode {
        variable: nodes[at].variable.clone(),
        written: pattern.nodes[at].name.map(|name| name.text.clone()),
        tables: nodes[at].tables(),
        introduced: std::mem::take(&mut introduced[at]),
    };
    let mut paths: Vec<BoundPath> = pattern
        .paths
        .iter()
        .map(|path| BoundPath {
            start: node(path.start),
            steps: path.steps.iter().map(|(edge, right)| (relationships[*edge].0.clone(), node(*right))).collect(),
        })
        .collect();
    let lone = |path: &PatternPath<'_>| path.steps.is_empty() && pattern.nodes[path.start].known.is_some();
    let there = |path: &PatternPath<'_>| {
        let operand = Box::new(nodes[path.start].key_value());
        Value::new(ValueKind::IsNull { operand, negated: true }, SqlType::Boolean)
    };
    let conditions = pattern.paths.iter().filter(|path| lone(path) && nodes[path.start].optional).map(there).collect();
    if !pattern.paths.iter().all(lone) {
        let mut kept = pattern.paths.iter().map(|path| !lone(path));
        paths.retain(|_| kept.next().unwrap_or(true));
    }
    (paths, conditions)
}

/// Every path with a name.
pub(super) fn named_paths<'p>(
    pattern: &Pattern<'p>,
    nodes: &[Element],
    relationships: &[(BoundRelationship, Element)],
    optional: bool,
) -> Vec<(&'p Name, Path)> {
    let mut paths = Vec::new();
    for path in &pattern.paths {
        let Some(name) = &path.syntax.variable else { continue };
        let steps = || path.steps.iter().map(|(at, _)| &relationships[*at]);
        let walks: Vec<String> =
            steps().filter(|(bound, _)| bound.length.is_some()).map(|(bound, _)| bound.variable.clone()).collect();
        let fixed = i64::try_from(path.steps.len() - walks.len()).unwrap_or(i64::MAX);
        let length = Value::new(ValueKind::Length(fixed, walks), SqlType::BigInt);
        let witness = steps().find(|(bound, _)| bound.length.is_none()).map(|(_, element)| element);
        let length = match witness.or_else(|| nodes.get(path.start)) {
            Some(witness) if optional => witness.guard(length),
            _ => length,
        };
        let mut parts = vec![nodes[path.start].part()];
        for (relationship, node) in &path.steps {
            parts.extend([relationships[*relationship].1.part(), nodes[*node].part()]);
        }
        paths.push((name, Path { parts, length }));
    }
    paths
}
