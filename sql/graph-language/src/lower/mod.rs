//! The bound query as Cypher for the graph index.
//!
//! The index speaks a Cypher of its own. Where it means something else than openCypher by the same words, the text says
//! it in other words:
//!
//! * its paths are walks: `* TRAIL`, and `id(r1) <> id(r2)` for relationships side by side;
//! * `x IN list` is false, never NULL, when `list` holds a NULL: spelled out where the difference can be seen;
//! * `a < b` is the negation of `a >= b`, so NaN would be less than anything: floating point operands change sides;
//! * joining strings skips NULLs, and nothing contains the empty string: guarded;
//! * cycles are cut ([`acyclic`]), and conditions wait for the end of a long pattern ([`pattern`]);
//! * an undirected pattern finds a relationship from a node to itself twice: once is kept;
//! * `sum` of integers is 128 bits wide, and NULL over no rows: cast and coalesced.

mod acyclic;
mod pattern;
mod value;

pub(super) use self::acyclic::cut;
pub(super) use self::pattern::{MAX_FILTERED, path_text};

use self::pattern::run_text;
use self::value::{Truth, exact, value_text};
use super::bound::{BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery};

/// The text that the index runs. Its columns are those of [`BoundQuery::outputs`], by position.
pub(super) fn lower(query: &BoundQuery) -> String {
    let mut clauses = Vec::new();
    let mut run: Vec<&BoundMatch> = Vec::new();
    for clause in &query.clauses {
        if let BoundClause::Match(pattern) = clause
            && !pattern.optional
        {
            run.push(pattern);
            if !pattern.deduplicate.is_empty() {
                clauses.push(run_text(&std::mem::take(&mut run)));
            }
            continue;
        }
        if !run.is_empty() {
            clauses.push(run_text(&std::mem::take(&mut run)));
        }
        clauses.push(clause_text(clause));
    }
    clauses.join(" ")
}

fn clause_text(clause: &BoundClause) -> String {
    match clause {
        BoundClause::Match(pattern) => run_text(&[pattern]),
        BoundClause::Unwind { list, variable } => format!("UNWIND {} AS {variable}", exact(list)),
        BoundClause::With(projection, None) => projection_text("WITH", projection),
        BoundClause::With(projection, Some(filter)) => {
            format!("{} WHERE {}", projection_text("WITH", projection), value_text(filter, Truth::Filter))
        }
        BoundClause::Return(projection) => projection_text("RETURN", projection),
    }
}

fn projection_text(keyword: &str, projection: &BoundProjection) -> String {
    let mut text = String::new();
    if !projection.stage.is_empty() {
        text.push_str(&format!("WITH {} ", items_text(&projection.stage)));
    }
    text.push_str(keyword);
    if projection.distinct {
        text.push_str(" DISTINCT");
    }
    text.push(' ');
    text.push_str(&items_text(&projection.items));
    let order: Vec<String> = projection
        .order
        .iter()
        .map(|(value, descending)| format!("{}{}", exact(value), if *descending { " DESC" } else { "" }))
        .collect();
    if !order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", order.join(", ")));
    }
    for (word, count) in [("SKIP", &projection.skip), ("LIMIT", &projection.limit)] {
        if let Some(count) = count {
            text.push_str(&format!(" {word} {}", exact(count)));
        }
    }
    text
}

fn items_text(items: &[BoundItem]) -> String {
    items
        .iter()
        .map(|item| match item {
            BoundItem::Variable(variable) => variable.clone(),
            BoundItem::Value { value, variable } => format!("{} AS {variable}", exact(value)),
        })
        .collect::<Vec<_>>()
        .join(", ")
}
