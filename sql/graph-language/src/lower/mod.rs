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
//! * an undirected pattern finds a relationship from a node to itself twice: once is kept ([`detach`]);
//! * `sum` of integers is 128 bits wide, and NULL over no rows: cast and coalesced.

mod acyclic;
mod detach;
mod pattern;
mod value;

pub(super) use self::acyclic::cut;
pub(super) use self::pattern::{MAX_FILTERED, path_text};

use self::detach::Detached;
use self::pattern::run_text;
use self::value::{Truth, exact, value_text};
use super::bound::{BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery, Value};
use super::cover::Cover;

/// The text that the index runs. Its columns are those of [`BoundQuery::outputs`], by position.
pub(super) fn lower(query: &BoundQuery, cover: &Cover<'_>) -> String {
    clauses_text(&query.clauses, cover).0.join(" ")
}

/// The text for clauses from the first on, with these columns, by position.
pub(super) fn lower_prefix(clauses: &[BoundClause], columns: &[Value], cover: &Cover<'_>) -> String {
    let (mut text, detached) = clauses_text(clauses, cover);
    let columns: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, value)| format!("{} AS c{at}", exact(&detached.value(value.clone()))))
        .collect();
    text.push(format!("RETURN {}", columns.join(", ")));
    text.join(" ")
}

fn clauses_text(clauses: &[BoundClause], cover: &Cover<'_>) -> (Vec<String>, Detached) {
    let mut text = Vec::new();
    let mut detached = Detached::default();
    let mut run: Vec<BoundMatch> = Vec::new();
    for clause in clauses {
        match detached.clause(clause) {
            BoundClause::Match(pattern) if !pattern.optional && pattern.deduplicate.is_empty() => run.push(pattern),
            BoundClause::Match(pattern) => {
                if pattern.optional {
                    text.extend(run_text(&std::mem::take(&mut run)));
                }
                detached.note(&pattern, cover);
                let kept = detached.kept(&pattern);
                run.push(pattern);
                text.extend(run_text(&std::mem::take(&mut run)));
                if !kept.is_empty() {
                    text.push(format!("WITH DISTINCT {}", items_text(&kept)));
                }
            }
            clause => {
                text.extend(run_text(&std::mem::take(&mut run)));
                text.push(clause_text(&clause));
            }
        }
    }
    text.extend(run_text(&run));
    (text, detached)
}

fn clause_text(clause: &BoundClause) -> String {
    match clause {
        BoundClause::Match(pattern) => run_text(std::slice::from_ref(pattern)).join(" "),
        BoundClause::Unwind { list, variable } => format!("UNWIND {} AS {variable}", exact(list)),
        BoundClause::With(projection, None) => projection_text("WITH", projection),
        BoundClause::With(projection, Some(filter)) => {
            format!("{} WHERE {}", projection_text("WITH", projection), value_text(filter, Truth::Filter))
        }
        BoundClause::Return(projection) => projection_text("RETURN", projection),
        // Nothing of a query that writes goes to the index.
        BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => {
            String::new()
        }
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
