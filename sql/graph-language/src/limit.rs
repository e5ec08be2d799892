//! A projection with a LIMIT, in two: one that orders and limits, and one that computes the rest for the rows that are left.

use std::collections::BTreeSet;

use super::bound::{BoundItem, BoundProjection, Value, ValueKind};

/// The two parts of a projection; the first has none of the items for which `later` is set. `None` where they cannot be told
/// apart, or nothing would be gained.
pub(crate) fn apart(projection: &BoundProjection, later: &[bool]) -> Option<(BoundProjection, BoundProjection)> {
    let BoundProjection { stage, distinct, items, order, skip, limit } = projection;
    let aggregated = |item: &BoundItem| matches!(item, BoundItem::Value { value, .. } if value.has_aggregate());
    if limit.is_none() || *distinct || !stage.is_empty() || items.iter().any(aggregated) || later.len() != items.len() {
        return None;
    }
    let (late, early): (Vec<_>, Vec<_>) = items.iter().zip(later).partition(|(_, later)| **later);
    let late: Vec<&BoundItem> = late.into_iter().map(|(item, _)| item).collect();
    let mut first: Vec<BoundItem> = early.into_iter().map(|(item, _)| item.clone()).collect();
    let mut needed = BTreeSet::new();
    for value in late.iter().filter_map(|item| value(item)).chain(order.iter().map(|(value, _)| value)) {
        if has_length(value) {
            return None;
        }
        needed.extend(value.variables());
    }
    if late.iter().any(|item| needed.contains(item.variable())) {
        return None;
    }
    for variable in needed {
        if !first.iter().any(|item| item.variable() == variable) {
            first.push(BoundItem::Variable(variable.to_string()));
        }
    }
    let items_left = items.iter().zip(later).map(|(item, later)| match later {
        true => item.clone(),
        false => BoundItem::Variable(item.variable().to_string()),
    });
    let limited = BoundProjection {
        stage: Vec::new(),
        distinct: false,
        items: first,
        order: order.clone(),
        skip: skip.clone(),
        limit: limit.clone(),
    };
    let rest = BoundProjection { items: items_left.collect(), skip: None, limit: None, ..projection.clone() };
    Some((limited, rest))
}

fn value(item: &BoundItem) -> Option<&Value> {
    match item {
        BoundItem::Value { value, .. } => Some(value),
        BoundItem::Variable(_) => None,
    }
}

/// Whether the length of a variable-length relationship is part of a value; such a relationship is not passed on.
fn has_length(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Length(..) | ValueKind::Path(_)) || value.children().into_iter().any(has_length)
}
