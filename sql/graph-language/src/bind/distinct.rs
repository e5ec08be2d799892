//! What makes two matches different: paths are trails, and each is found once.

use slipstream_engine::{Error, Result};

use super::candidates::Pattern;
use super::scope::Element;
use super::{Binder, Unindexed};
use crate::bound::{BoundMatch, BoundRelationship, Distinct, Value};
use crate::lower::{MAX_FILTERED, cut};
use crate::syntax::{Direction, Match};

impl Binder<'_> {
    /// Notes what tells the rows of a MATCH apart; it comes back where the index may find a row twice, and has to keep one.
    pub(super) fn deduplicate(
        &mut self,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        relationships: &[(BoundRelationship, Element)],
    ) -> Vec<String> {
        // A shortest path never uses such a relationship.
        let doubled = |bound: &BoundRelationship| bound.direction == Direction::Either && bound.search.is_none();
        let mut items: Vec<String> = nodes.iter().map(|node| node.variable.clone()).collect();
        items.extend(relationships.iter().map(|(bound, _)| bound.variable.clone()));
        let first = relationships.iter().position(|(bound, _)| doubled(bound));
        let before = self.identity.take();
        self.identity = before.clone().map(|mut identity| {
            let new: Vec<String> = items.iter().filter(|name| !identity.contains(name)).cloned().collect();
            identity.extend(new);
            identity
        });
        let Some(first) = first else { return Vec::new() };
        if before.is_none() {
            self.unindexed.note(|| {
                Error::not_supported("a relationship without an arrow is not supported after rows that may be equal")
                    .with_hint("Write it with an arrow, or WITH DISTINCT before it.")
                    .at(pattern.relationships[first].syntax.span.position())
            });
        }
        let values = self.scope.iter().filter_map(|(_, binding)| binding.variable().map(str::to_string));
        for variable in before.into_iter().flatten().chain(values) {
            if !items.contains(&variable) {
                items.push(variable);
            }
        }
        items
    }
}

/// Relationships that could be the same edge, and must not be: within one MATCH of Cypher no edge is used twice.
pub(super) fn trail(
    pattern: &Pattern<'_>,
    relationships: &[(BoundRelationship, Element)],
    unindexed: &mut Unindexed,
) -> Result<Vec<Distinct>> {
    let mut pairs = Vec::new();
    for (at, (second, element)) in relationships.iter().enumerate() {
        let meets = |first: &BoundRelationship| first.tables.iter().any(|table| second.tables.contains(table));
        for (before, (first, _)) in relationships[..at].iter().enumerate() {
            if !meets(first) || !pattern.keeps_apart(before, at) {
                continue;
            }
            if first.search.is_some() || second.search.is_some() {
                return Err(Error::not_supported(
                    "a shortest path beside another use of its edges in one MATCH is not supported",
                )
                .with_hint("Write it in a MATCH clause of its own.")
                .at(pattern.relationships[at].syntax.span.position()));
            }
            let (one, other) = (first.variable.clone(), second.variable.clone());
            let walks = first.length.is_some() || second.length.is_some();
            if walks && first.tables.len().max(second.tables.len()) > 1 {
                unindexed.note(|| {
                    let message = "a variable-length relationship of several types beside another is not supported";
                    Error::not_supported(message).at(pattern.relationships[at].syntax.span.position())
                });
            }
            let key = element.only().map(|only| only.key.clone()).unwrap_or_default();
            pairs.push(match (first.length, second.length) {
                (None, None) => Distinct::Relationships(one, other),
                (Some(_), None) => Distinct::Walk { walk: one, relationship: other, key },
                (None, Some(_)) => Distinct::Walk { walk: other, relationship: one, key },
                (Some(_), Some(_)) => {
                    unindexed.note(|| {
                        Error::not_supported(format!(
                            "two variable-length relationships of type \"{}\" in one MATCH are not supported",
                            second.tables.join("|")
                        ))
                        .with_hint(
                            "Write the second in a MATCH clause of its own, where it may use the first's edges again.",
                        )
                        .at(pattern.relationships[at].syntax.span.position())
                    });
                    Distinct::Walks(one, other)
                }
            });
        }
    }
    Ok(pairs)
}

/// Notes an optional pattern that the index answers wrongly: one that it filters too early, since its conditions cannot
/// follow it (`lower::pattern`), and one that is not connected with the rows by anything but conditions, of which it finds
/// one match for each row.
pub(super) fn check_optional(bound: &BoundMatch, syntax: &Match, unindexed: &mut Unindexed) {
    if !bound.optional {
        return;
    }
    let place = syntax.patterns.first().map_or(1, |path| path.start.span.position());
    let conditions = !bound.conditions.is_empty() || !bound.distinct.is_empty() || !cut(bound).1.is_empty();
    if bound.relationships() > MAX_FILTERED && conditions {
        let message =
            format!("OPTIONAL MATCH of more than {MAX_FILTERED} relationships with conditions is not supported");
        unindexed.note(|| {
            Error::not_supported(message).with_hint("Split it into several OPTIONAL MATCH clauses.").at(place)
        });
    }
    let new = bound.introduced();
    let about_the_rows = |condition: &Value| !condition.variables().is_subset(&new);
    if bound.conditions.iter().any(about_the_rows) && !bound.is_connected() {
        unindexed.note(|| {
            Error::not_supported(
                "OPTIONAL MATCH that only a condition connects with what is before it is not supported",
            )
            .with_hint("Write MATCH, or connect the pattern by a relationship.")
            .at(place)
        });
    }
}
