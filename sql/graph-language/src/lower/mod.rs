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
//!
//! Nodes that rows or lists know by their keys are looked up first ([`lookup`]).

mod acyclic;
mod detach;
mod lookup;
mod pattern;
mod value;

pub(super) use self::acyclic::cut;
pub(super) use self::pattern::{MAX_FILTERED, path_text};

use self::detach::Detached;
use self::lookup::Lookup;
use self::pattern::{led_text, run_text};
use self::value::{Truth, cast_text, exact, value_text};
use super::batch;
use super::bound::{BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery, Value};
use super::cover::Cover;
use slipstream_engine::types::SqlType;

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

/// The text for many rows: lists of their numbers and of values of these types, and then the clauses, which use the items.
pub(super) fn lower_rows(clauses: &[BoundClause], types: &[SqlType], cover: &Cover<'_>) -> String {
    let mut items = vec![batch::item(0)];
    for (at, sql_type) in (1..).zip(types) {
        let list = cast_text(&format!("${}", batch::list(at)), Some(&SqlType::Array(Box::new(sql_type.clone()))));
        items.push(format!("list_extract({list}, {}) AS {}", batch::item(0), batch::item(at)));
    }
    let numbers = cast_text(&format!("${}", batch::list(0)), Some(&SqlType::Array(Box::new(SqlType::BigInt))));
    let head = format!("UNWIND {numbers} AS {} WITH {}", batch::item(0), items.join(", "));
    std::iter::once(head).chain(clauses_text(clauses, cover).0).collect::<Vec<_>>().join(" ")
}

/// Whether a pattern begins with a node that is found by what earlier rows hold.
pub(super) fn is_led_by_rows(pattern: &BoundMatch) -> bool {
    lookup::apart(pattern).is_some_and(|found| found.by_rows)
}

fn clauses_text(clauses: &[BoundClause], cover: &Cover<'_>) -> (Vec<String>, Detached) {
    let mut text =
        Text { cover, clauses: Vec::new(), detached: Detached::default(), run: Vec::new(), led: false, open: false };
    for clause in clauses {
        match text.detached.clause(clause) {
            BoundClause::Match(pattern) => text.pattern(pattern),
            clause => {
                text.end_run();
                text.open = false;
                text.clauses.push(clause_text(&clause));
            }
        }
    }
    text.end_run();
    (text.clauses, text.detached)
}

/// Clauses on their way to text.
struct Text<'a> {
    cover: &'a Cover<'a>,
    clauses: Vec<String>,
    detached: Detached,
    /// MATCH clauses that the index runs as one plan.
    run: Vec<BoundMatch>,
    /// Whether the rows come from nodes that were looked up.
    led: bool,
    /// Whether the last clause is a MATCH with which the next must not become one.
    open: bool,
}

impl Text<'_> {
    fn pattern(&mut self, pattern: BoundMatch) {
        let Some(Lookup { text, rest, .. }) = lookup::apart(&pattern) else {
            let led = self.led && self.run.is_empty() && pattern.is_connected() && lookup::may_be_led(&pattern);
            return if led { self.led(pattern) } else { self.rest(pattern) };
        };
        let before = !self.run.is_empty();
        self.end_run();
        self.open |= before;
        self.part();
        self.clauses.extend(text);
        (self.led, self.open) = (true, true);
        if !rest.paths.is_empty() {
            self.led(rest);
        }
    }

    /// A pattern that goes on from nodes which have been looked up.
    fn led(&mut self, pattern: BoundMatch) {
        self.part();
        self.clauses.push(led_text(&pattern));
        if !pattern.deduplicate.is_empty() {
            self.detached.note(&pattern, self.cover);
            self.clauses.push(format!("WITH DISTINCT {}", items_text(&self.detached.kept(&pattern))));
        }
    }

    /// A pattern of which nothing is looked up first.
    fn rest(&mut self, pattern: BoundMatch) {
        if !pattern.optional && pattern.deduplicate.is_empty() {
            return self.run.push(pattern);
        }
        if pattern.optional {
            self.end_run();
        }
        self.detached.note(&pattern, self.cover);
        let kept = self.detached.kept(&pattern);
        self.run.push(pattern);
        self.end_run();
        if !kept.is_empty() {
            self.clauses.push(format!("WITH DISTINCT {}", items_text(&kept)));
        }
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            self.part();
        }
        self.clauses.extend(run_text(&std::mem::take(&mut self.run)));
    }

    /// Parts a MATCH from the one before it: they would be one plan.
    fn part(&mut self) {
        if std::mem::take(&mut self.open) {
            self.clauses.push("WITH *".to_string());
        }
    }
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
