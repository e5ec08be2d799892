//! Queries that only count paths of two relationships.
//!
//! `MATCH (a)-->(b)-->(c) RETURN count(*)` asks for a number that may be a hundred times that of the edges, but it is the sum over
//! the middle nodes of the relationships that lead there times those that lead on, less the pairs that are one relationship twice.

use super::bound::{Aggregate, BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery, Distinct, ValueKind};
use super::index::names_an_element;

/// The pattern of a query that only counts such paths, from anywhere to anywhere. Conditions are about one node each.
pub fn counted_paths(query: &BoundQuery) -> Option<&BoundMatch> {
    let [BoundClause::Match(pattern), BoundClause::Return(projection)] = query.clauses.as_slice() else { return None };
    let [path] = pattern.paths.as_slice() else { return None };
    let [(first, middle), (second, last)] = path.steps.as_slice() else { return None };
    let nodes = [&path.start, middle, last];
    let single = [first, second].iter().all(|step| step.length.is_none() && step.search.is_none());
    let about_a_node = |needs: std::collections::BTreeSet<&str>| {
        nodes.iter().any(|node| needs.iter().all(|name| *name == node.variable)) && !needs.is_empty()
    };
    // Only what is from one table is told by its key, which pairs of relationships are compared by.
    let of_one_table = path.tables().all(|tables| tables.len() == 1);
    let simple = !pattern.optional
        && !pattern.impossible
        && of_one_table
        && single
        && nodes.iter().all(|node| node.introduced)
        && pattern.distinct.iter().all(|distinct| matches!(distinct, Distinct::Relationships(..)))
        && pattern.conditions.iter().all(|condition| about_a_node(condition.variables()))
        && !pattern.conditions.iter().any(names_an_element);
    (simple && only_counts(projection)).then_some(pattern)
}

fn only_counts(projection: &BoundProjection) -> bool {
    let counts = |item: &BoundItem| match item {
        BoundItem::Value { value, .. } => {
            matches!(
                value.kind,
                ValueKind::Aggregate { function: Aggregate::Count, distinct: false, argument: None, .. }
            )
        }
        BoundItem::Variable(_) => false,
    };
    let BoundProjection { stage, distinct, items, order, skip, limit } = projection;
    let plain = stage.is_empty() && !distinct && order.is_empty() && skip.is_none() && limit.is_none();
    plain && items.len() == 1 && items.iter().all(counts)
}
