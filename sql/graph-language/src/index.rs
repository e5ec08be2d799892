//! Which part of a query the graph index answers.
//!
//! All of it, where the index lacks nothing of what is asked. Otherwise the longest run of its clauses, from the first one on, of
//! which it lacks nothing but conditions: a condition that it cannot test is tested on the rows that it gives, and rows
//! without it are more, never other. The run ends before WITH where such a condition is open, because what WITH counts and
//! limits must satisfy it; and before a search of paths, which is better begun from few rows. The rows of the run have what
//! the rest of the query uses: columns of elements, values, lengths. Columns that the index does not cover are not among
//! them, but the keys of their elements are.
//!
//! Where a projection with a LIMIT computes something that the index lacks, and orders by nothing of the kind, it is taken apart
//! first ([`super::limit`]): the index limits, and the rest is computed for the rows that are left.

use slipstream_engine::Error;
use slipstream_engine::types::SqlType;

use super::bound::{
    BoundClause, BoundItem, BoundMatch, BoundProjection, BoundQuery, BoundRelationship, Value, ValueKind,
};
use super::cover::Cover;
use super::limit;
use super::lower::{lower, lower_prefix};
use super::syntax::Comparison;
use super::uses::Uses;

/// What the index lacks of a clause.
#[derive(Debug, Default)]
pub(crate) struct Lack {
    /// Something without which it can do nothing of the clause.
    pub(crate) whole: Option<Error>,
    /// What it lacks of each condition.
    pub(crate) conditions: Vec<Option<Error>>,
    /// What it lacks of each item of a projection.
    pub(crate) items: Vec<Option<Error>>,
}

impl Lack {
    /// The first of it.
    fn first(&self) -> Option<&Error> {
        self.items.iter().chain(&self.conditions).flatten().next().or(self.whole.as_ref())
    }

    /// Whether there is more than a condition.
    fn is_of_the_clause(&self) -> bool {
        self.whole.is_some() || self.items.iter().any(Option::is_some)
    }
}

/// What the index answers of a query.
#[derive(Debug, Clone)]
pub enum IndexPart {
    /// All of it, by this text; the columns are those of the query, by position.
    Whole(String),
    /// Its first clauses.
    Prefix(Box<Prefix>),
    /// Nothing, and why.
    Nothing(Error),
}

/// The clauses of a query that the index answers.
#[derive(Debug, Clone)]
pub struct Prefix {
    /// The text that it runs.
    pub cypher: String,
    /// The parameters that the text names.
    pub parameters: Vec<String>,
    /// Its columns, by position, and their types.
    pub columns: Vec<(Carried, SqlType)>,
    /// How many clauses it answers.
    pub clauses: usize,
    /// Conditions of those clauses that are left to test.
    pub conditions: Vec<Value>,
    /// The first thing that the index lacks.
    pub lack: Error,
    /// Whether every pattern of the query is among the clauses.
    pub every_pattern: bool,
    /// Whether the rest of the query uses columns of its elements that the index does not cover.
    pub fetches: bool,
    /// Whether something keeps its rows few: an element that is known by a value, or a limit.
    pub narrow: bool,
}

/// What a column of a prefix holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carried {
    /// A column of an element.
    Property {
        /// The element's variable.
        variable: String,
        /// The column.
        column: String,
    },
    /// A value.
    Value(String),
    /// The length of a variable-length relationship.
    Length(String),
}

impl IndexPart {
    /// What the index lacks of the query, if it lacks anything.
    pub fn lack(&self) -> Option<&Error> {
        match self {
            IndexPart::Whole(_) => None,
            IndexPart::Prefix(prefix) => Some(&prefix.lack),
            IndexPart::Nothing(lack) => Some(lack),
        }
    }
}

/// What the index answers of a query of which it lacks these things. The query may be taken apart for it.
pub(crate) fn part(query: &mut BoundQuery, mut lacks: Vec<Lack>, cover: &Cover<'_>) -> IndexPart {
    let first = lacks.iter().find_map(Lack::first).cloned();
    let Some(lack) = first else { return IndexPart::Whole(lower(query, cover)) };
    take_apart(query, &mut lacks);
    let query = &*query;
    let run = Run::of(query, &lacks);
    let is_pattern = |clause: &BoundClause| matches!(clause, BoundClause::Match(_));
    if !run.clauses.iter().any(is_pattern) {
        return IndexPart::Nothing(lack);
    }
    let rest = &query.clauses[run.clauses.len()..];
    let mut uses = Uses::of(rest);
    run.conditions.iter().for_each(|condition| uses.value(condition));
    let Some((columns, fetches)) = columns(&run.clauses, &uses, cover) else { return IndexPart::Nothing(lack) };
    let values: Vec<Value> = columns.iter().map(|(carried, sql_type)| carried.value(sql_type)).collect();
    IndexPart::Prefix(Box::new(Prefix {
        cypher: lower_prefix(&run.clauses, &values, cover),
        parameters: parameters(&run.clauses),
        columns,
        clauses: run.clauses.len(),
        every_pattern: !rest.iter().any(is_pattern),
        fetches,
        narrow: run.clauses.iter().any(is_narrow),
        conditions: run.conditions,
        lack,
    }))
}

/// Takes the first clause that the index lacks something of apart, where that is but items and it limits rows.
fn take_apart(query: &mut BoundQuery, lacks: &mut Vec<Lack>) {
    let Some(at) = lacks.iter().position(|lack| lack.first().is_some()) else { return };
    let items: Vec<bool> = lacks[at].items.iter().map(Option::is_some).collect();
    let (BoundClause::With(projection, _) | BoundClause::Return(projection)) = &mut query.clauses[at] else { return };
    if lacks[at].whole.is_some() {
        return;
    }
    if let Some((limited, rest)) = limit::apart(projection, &items) {
        *projection = rest;
        query.clauses.insert(at, BoundClause::With(limited, None));
        lacks.insert(at, Lack::default());
    }
}

/// Clauses that the index answers, and the conditions that it leaves.
struct Run {
    clauses: Vec<BoundClause>,
    conditions: Vec<Value>,
}

impl Run {
    fn of(query: &BoundQuery, lacks: &[Lack]) -> Run {
        let mut run = Run { clauses: Vec::new(), conditions: Vec::new() };
        for (clause, lack) in query.clauses.iter().zip(lacks) {
            if lack.is_of_the_clause() || !run.takes(clause, lack) {
                break;
            }
        }
        run
    }

    /// Takes a clause, if the run may go on with it.
    fn takes(&mut self, clause: &BoundClause, lack: &Lack) -> bool {
        let open = !self.conditions.is_empty();
        match clause {
            BoundClause::Match(pattern) => {
                let lacking = lack.conditions.iter().any(Option::is_some);
                let walks = pattern.each_relationship().any(|relationship| relationship.length.is_some());
                if pattern.optional && lacking || open && walks {
                    return false;
                }
                let kept = self.without(pattern, lack);
                self.clauses.push(BoundClause::Match(kept));
                true
            }
            BoundClause::With(..) | BoundClause::Return(_) if open => false,
            BoundClause::With(projection, filter) => {
                let lacking = lack.conditions.iter().any(Option::is_some);
                let (kept, left) = if lacking { (None, filter.clone()) } else { (filter.clone(), None) };
                self.clauses.push(BoundClause::With(projection.clone(), kept));
                self.conditions.extend(left);
                true
            }
            BoundClause::Return(_)
            | BoundClause::Create(_)
            | BoundClause::Merge(_)
            | BoundClause::Set(_)
            | BoundClause::Delete { .. } => false,
            BoundClause::Unwind { .. } => {
                self.clauses.push(clause.clone());
                true
            }
        }
    }

    /// A pattern without the conditions that the index lacks something of, which are left.
    fn without(&mut self, pattern: &BoundMatch, lack: &Lack) -> BoundMatch {
        let mut kept = pattern.clone();
        kept.conditions.clear();
        for (at, condition) in pattern.conditions.iter().enumerate() {
            match lack.conditions.get(at) {
                Some(Some(_)) => self.conditions.push(condition.clone()),
                _ => kept.conditions.push(condition.clone()),
            }
        }
        kept
    }
}

/// What the rows of these clauses must hold for what is used afterwards, and whether more of their elements is used than the
/// index covers. `None` where something is used of which it gives nothing.
fn columns(clauses: &[BoundClause], uses: &Uses, cover: &Cover<'_>) -> Option<(Vec<(Carried, SqlType)>, bool)> {
    let mut columns = Vec::new();
    let mut fetches = false;
    for (variable, tables) in elements(clauses) {
        let mut used: Vec<&str> = uses.properties.get(variable).into_iter().flatten().map(String::as_str).collect();
        if used.is_empty() && !uses.named.contains(variable) {
            continue;
        }
        // Rows of several tables are not fetched: what tells them apart is the index's own.
        let [label] = tables else { return None };
        let key = cover.get_key(label)?;
        let by_key = uses.named.contains(variable) || used.iter().any(|column| cover.get_type(label, column).is_none());
        if by_key && !used.contains(&key) {
            used.push(key);
        }
        for column in used {
            match cover.get_type(label, column) {
                Some(sql_type) => {
                    let (variable, column) = (variable.to_string(), column.to_string());
                    columns.push((Carried::Property { variable, column }, sql_type));
                }
                None => fetches = true,
            }
        }
    }
    for relationship in walks(clauses) {
        let variable = &relationship.variable;
        if uses.named.contains(variable) || uses.properties.contains_key(variable) {
            return None;
        }
        if uses.lengths.contains(variable) {
            columns.push((Carried::Length(variable.clone()), SqlType::BigInt));
        }
    }
    for (variable, sql_type) in values(clauses) {
        if uses.values.contains(variable) || uses.named.contains(variable) {
            columns.push((Carried::Value(variable.to_string()), sql_type?));
        }
    }
    columns.sort_by(|(one, _), (other, _)| one.cmp(other));
    columns.dedup();
    if columns.is_empty() {
        // A row is one even if nothing of it is used.
        columns.push((Carried::Value(ROW.to_string()), SqlType::BigInt));
    }
    Some((columns, fetches))
}

/// The value of a row of which nothing is used.
const ROW: &str = "?row";

impl Carried {
    fn value(&self, sql_type: &SqlType) -> Value {
        let kind = match self {
            Carried::Property { variable, column } => {
                ValueKind::Property { variable: variable.clone(), column: column.clone(), key_of: None }
            }
            Carried::Value(name) if name == ROW => ValueKind::Integer(1),
            Carried::Value(name) => ValueKind::Variable { name: name.clone(), key: None },
            Carried::Length(walk) => ValueKind::Length(0, vec![walk.clone()]),
        };
        Value::new(kind, sql_type.clone())
    }
}

fn patterns(clauses: &[BoundClause]) -> impl Iterator<Item = &BoundMatch> {
    clauses.iter().filter_map(|clause| match clause {
        BoundClause::Match(pattern) => Some(pattern),
        _ => None,
    })
}

/// Nodes and single relationships, with the names of their tables; each once.
fn elements(clauses: &[BoundClause]) -> impl Iterator<Item = (&str, &[String])> {
    patterns(clauses).flat_map(|pattern| &pattern.paths).flat_map(|path| {
        let nodes = std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node));
        let nodes = nodes.filter(|node| node.introduced).map(|node| (node.variable.as_str(), node.tables.as_slice()));
        let single = path.steps.iter().map(|(relationship, _)| relationship).filter(|step| step.length.is_none());
        nodes.chain(single.map(|step| (step.variable.as_str(), step.tables.as_slice())))
    })
}

fn walks(clauses: &[BoundClause]) -> impl Iterator<Item = &BoundRelationship> {
    patterns(clauses).flat_map(BoundMatch::each_relationship).filter(|relationship| relationship.length.is_some())
}

/// Values under variables, with their types.
fn values(clauses: &[BoundClause]) -> Vec<(&str, Option<SqlType>)> {
    let mut found = Vec::new();
    for clause in clauses {
        match clause {
            BoundClause::Unwind { list, variable } => {
                let item = match &list.sql_type {
                    Some(SqlType::Array(item)) => Some(item.as_ref().clone()),
                    _ => None,
                };
                found.push((variable.as_str(), item));
            }
            BoundClause::With(BoundProjection { items, .. }, _) => {
                found.extend(items.iter().filter_map(|item| match item {
                    BoundItem::Value { value, variable } => Some((variable.as_str(), value.sql_type.clone())),
                    BoundItem::Variable(_) => None,
                }));
            }
            BoundClause::Match(_) | BoundClause::Return(_) => {}
            // Nothing of a query that writes goes to the index.
            BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => {}
        }
    }
    found
}

/// The parameters that clauses name.
fn parameters(clauses: &[BoundClause]) -> Vec<String> {
    let mut found = Vec::new();
    Uses::values_of(clauses, &mut |value| note_parameters(value, &mut found));
    found
}

fn note_parameters(value: &Value, found: &mut Vec<String>) {
    if let ValueKind::Parameter(name) = &value.kind
        && !found.contains(name)
    {
        found.push(name.clone());
    }
    value.children().into_iter().for_each(|child| note_parameters(child, found));
}

/// Whether a clause keeps rows few.
fn is_narrow(clause: &BoundClause) -> bool {
    match clause {
        BoundClause::Match(pattern) => !pattern.optional && pattern.conditions.iter().any(names_an_element),
        BoundClause::With(projection, _) => projection.limit.is_some(),
        BoundClause::Unwind { .. } | BoundClause::Return(_) => false,
        BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => false,
    }
}

/// Whether a condition gives a property a value, or some.
pub(crate) fn names_an_element(condition: &Value) -> bool {
    let property = |value: &Value| matches!(value.kind, ValueKind::Property { .. });
    match &condition.kind {
        ValueKind::Compare(Comparison::Equal, left, right) => {
            property(left) && is_given(right) || is_given(left) && property(right)
        }
        ValueKind::InItems(value, items) => property(value) && items.iter().all(is_given),
        ValueKind::InList(value, list) => property(value) && is_given(list),
        _ => false,
    }
}

/// Whether a value does not come from the graph.
fn is_given(value: &Value) -> bool {
    !matches!(value.kind, ValueKind::Property { .. }) && value.children().into_iter().all(is_given)
}
