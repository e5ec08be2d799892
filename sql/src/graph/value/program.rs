//! Expressions over dynamic values.
//!
//! A program is computed row by row. What it needs of the row are arguments; variables of comprehensions and their like are
//! in slots, numbered from the outside in. AND, OR, CASE and `coalesce` compute no more than they need.

use regex::Regex;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};
use slipstream_graph_language::function::Function;
use slipstream_graph_language::syntax::{Arithmetic, Comparison, Quantifier, StringMatch};

use super::order::{self, Comparability};
use super::{Dynamic, Map, Node, Relationship, convert, element, list, mismatch, number, string, temporal};

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// The same in every row.
    Constant(Dynamic),
    /// An argument, by its place.
    Argument(usize),
    /// A variable of its own, by its slot.
    Local(usize),
    /// `NOT`
    Not(Box<Program>),
    /// Unary minus.
    Negate(Box<Program>),
    /// `AND`
    And(Vec<Program>),
    /// `OR`
    Or(Vec<Program>),
    /// `XOR`
    Xor(Box<Program>, Box<Program>),
    /// A comparison.
    Compare(Comparison, Box<Program>, Box<Program>),
    /// `+` and its like.
    Arithmetic(Arithmetic, Box<Program>, Box<Program>),
    /// `STARTS WITH` and its like.
    Match(StringMatch, Box<Program>, Box<Program>),
    /// `=~`
    Pattern(Box<Program>, Box<Program>),
    /// `IN`
    In(Box<Program>, Box<Program>),
    /// `IS [NOT] NULL`
    IsNull(Box<Program>, bool),
    /// `CASE`
    Case(Vec<(Program, Program)>, Box<Program>),
    /// `[a, b]`
    List(Vec<Program>),
    /// `{name: a}`
    Map(Vec<(String, Program)>),
    /// As a value of a static type.
    Convert(Box<Program>, SqlType),
    /// A function.
    Call(Function, Vec<Program>),
    /// `a[b]`, `a.b`
    Access(Box<Program>, Box<Program>),
    /// `a[from..to]`
    Slice(Box<Program>, Option<Box<Program>>, Option<Box<Program>>),
    /// `[x IN list WHERE filter | result]`
    Comprehension {
        /// The slot of its variable.
        slot: usize,
        /// The list.
        list: Box<Program>,
        /// Which elements are taken.
        filter: Option<Box<Program>>,
        /// What is made of each.
        result: Option<Box<Program>>,
    },
    /// `any(x IN list WHERE condition)`
    Quantified {
        /// How many elements must do.
        quantifier: Quantifier,
        /// The slot of its variable.
        slot: usize,
        /// The list.
        list: Box<Program>,
        /// The condition.
        condition: Box<Program>,
    },
    /// `reduce(accumulator = start, x IN list | step)`
    Reduce {
        /// The slot of the accumulator; that of the element is the next.
        slot: usize,
        /// What it is at first.
        start: Box<Program>,
        /// The list.
        list: Box<Program>,
        /// What it becomes.
        step: Box<Program>,
    },
    /// A node, of its columns.
    Node {
        /// Its table.
        table: String,
        /// Its labels.
        labels: Vec<String>,
        /// Its key.
        id: Box<Program>,
        /// Its properties.
        properties: Vec<(String, Program)>,
    },
    /// A relationship, of its columns.
    Relationship {
        /// Its table.
        table: String,
        /// Its type.
        label: String,
        /// Its key.
        id: Box<Program>,
        /// The tables and the keys of the nodes at its ends.
        ends: Box<[(String, Program); 2]>,
        /// Its properties.
        properties: Vec<(String, Program)>,
    },
    /// A path: its first node, and steps and nodes in turns.
    Path(Vec<PathStep>),
}

/// A part of a path.
#[derive(Debug, Clone)]
pub(crate) enum PathStep {
    /// A node or relationship.
    One(Program),
    /// Relationships in a row.
    Walk {
        /// The relationships, as a list.
        relationships: Program,
        /// The nodes where they start.
        sources: Program,
        /// The nodes where they end.
        destinations: Program,
    },
}

/// What a program is computed with.
pub(crate) struct Context {
    /// The arguments of a row.
    pub(crate) arguments: Vec<Dynamic>,
    /// What its own variables hold.
    pub(crate) slots: Vec<Dynamic>,
    /// What the clock shows, in microseconds since 1970.
    pub(crate) now: i64,
    /// The last regular expression.
    pub(crate) pattern: Option<(String, Regex)>,
}

impl Context {
    /// Of no row yet.
    pub(crate) fn new(now: i64) -> Context {
        Context { arguments: Vec::new(), slots: Vec::new(), now, pattern: None }
    }

    fn set(&mut self, slot: usize, value: Dynamic) {
        if self.slots.len() <= slot {
            self.slots.resize(slot + 1, Dynamic::Null);
        }
        self.slots[slot] = value;
    }
}

impl Program {
    /// Its value for a row.
    pub(crate) fn value(&self, row: &mut Context) -> Result<Dynamic> {
        Ok(match self {
            Program::Constant(value) => value.clone(),
            Program::Argument(at) => row.arguments.get(*at).cloned().unwrap_or(Dynamic::Null),
            Program::Local(slot) => row.slots.get(*slot).cloned().unwrap_or(Dynamic::Null),
            Program::Not(operand) => operand.value(row)?.truth("NOT")?.map(|truth| !truth).into(),
            Program::Negate(operand) => number::negate(operand.value(row)?)?,
            Program::And(operands) => connect(operands, false, "AND", row)?.into(),
            Program::Or(operands) => connect(operands, true, "OR", row)?.into(),
            Program::Xor(left, right) => {
                let (left, right) = (left.value(row)?.truth("XOR")?, right.value(row)?.truth("XOR")?);
                left.zip(right).map(|(left, right)| left != right).into()
            }
            Program::Compare(operator, left, right) => compare(*operator, &left.value(row)?, &right.value(row)?).into(),
            Program::Arithmetic(operator, left, right) => {
                let (left, right) = (left.value(row)?, right.value(row)?);
                number::arithmetic(*operator, left, right)?
            }
            Program::Match(operator, left, right) => string::matches(*operator, &left.value(row)?, &right.value(row)?),
            Program::Pattern(left, right) => {
                let (left, right) = (left.value(row)?, right.value(row)?);
                string::matches_pattern(&left, &right, &mut row.pattern)?
            }
            Program::In(needle, list) => list::contains(&needle.value(row)?, &list.value(row)?)?,
            Program::IsNull(operand, negated) => Dynamic::Boolean(operand.value(row)?.is_null() != *negated),
            Program::Case(branches, otherwise) => case(branches, otherwise, row)?,
            Program::List(items) => Dynamic::List(values(items, row)?),
            Program::Map(members) => Dynamic::Map(map(members, row)?),
            Program::Convert(operand, sql_type) => converted(operand.value(row)?, sql_type)?,
            Program::Call(function, arguments) => call(*function, arguments, row)?,
            Program::Access(value, index) => list::access(&value.value(row)?, &index.value(row)?)?,
            Program::Slice(value, from, to) => {
                let bound = |bound: &Option<Box<Program>>, row: &mut Context| {
                    bound.as_ref().map(|bound| bound.value(row)).transpose()
                };
                let (value, from) = (value.value(row)?, bound(from, row)?);
                list::slice(&value, from.as_ref(), bound(to, row)?.as_ref())?
            }
            Program::Comprehension { slot, list, filter, result } => {
                comprehension(*slot, list, filter.as_deref(), result.as_deref(), row)?
            }
            Program::Quantified { quantifier, slot, list, condition } => {
                quantified(*quantifier, *slot, list, condition, row)?.into()
            }
            Program::Reduce { slot, start, list, step } => reduce(*slot, start, list, step, row)?,
            Program::Node { table, labels, id, properties } => match id.value(row)? {
                Dynamic::Null => Dynamic::Null,
                id => {
                    let (table, labels) = (table.clone(), labels.clone());
                    let properties = without_nulls(map(properties, row)?);
                    Dynamic::Node(Box::new(Node { table, id, labels, properties }))
                }
            },
            Program::Relationship { table, label, id, ends, properties } => match id.value(row)? {
                Dynamic::Null => Dynamic::Null,
                id => {
                    let [(source, start), (destination, end)] = &**ends;
                    let ends = [(source.clone(), start.value(row)?), (destination.clone(), end.value(row)?)];
                    let (table, label) = (table.clone(), label.clone());
                    let properties = without_nulls(map(properties, row)?);
                    Dynamic::Relationship(Box::new(Relationship { table, id, label, ends, properties }))
                }
            },
            Program::Path(steps) => path(steps, row)?,
        })
    }
}

fn values(programs: &[Program], row: &mut Context) -> Result<Vec<Dynamic>> {
    programs.iter().map(|program| program.value(row)).collect()
}

fn map(members: &[(String, Program)], row: &mut Context) -> Result<Map> {
    members.iter().map(|(name, program)| Ok((name.clone(), program.value(row)?))).collect()
}

/// A property that is NULL is none.
fn without_nulls(mut properties: Map) -> Map {
    properties.retain(|_, value| !value.is_null());
    properties
}

/// AND, which `false` decides, and OR, which `true` does.
fn connect(operands: &[Program], decisive: bool, operator: &str, row: &mut Context) -> Result<Option<bool>> {
    let mut known = true;
    for operand in operands {
        match operand.value(row)?.truth(operator)? {
            Some(truth) if truth == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => known = false,
        }
    }
    Ok(known.then_some(!decisive))
}

fn compare(operator: Comparison, left: &Dynamic, right: &Dynamic) -> Option<bool> {
    match operator {
        Comparison::Equal => return order::equal(left, right),
        Comparison::NotEqual => return order::equal(left, right).map(|equal| !equal),
        _ => {}
    }
    let ordering = match order::compare(left, right) {
        Comparability::Ordered(ordering) => ordering,
        Comparability::Never => return Some(false),
        Comparability::Unknown => return None,
    };
    Some(match operator {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
        Comparison::Equal | Comparison::NotEqual => ordering.is_eq(),
    })
}

fn case(branches: &[(Program, Program)], otherwise: &Program, row: &mut Context) -> Result<Dynamic> {
    for (when, then) in branches {
        if when.value(row)?.truth("CASE WHEN")? == Some(true) {
            return then.value(row);
        }
    }
    otherwise.value(row)
}

/// A value as one of a static type: a number as a wider one, and everything else if it is one.
fn converted(value: Dynamic, sql_type: &SqlType) -> Result<Dynamic> {
    let wanted = match (sql_type, value) {
        (_, Dynamic::Null) => return Ok(Dynamic::Null),
        (SqlType::Json | SqlType::Jsonb, value) => return Ok(value),
        (SqlType::Real | SqlType::Double, value) => match value.as_float() {
            Some(number) => return Ok(Dynamic::Float(number)),
            None => ("a number", value),
        },
        (SqlType::Array(item), Dynamic::List(items)) => {
            let items = items.into_iter().map(|value| converted(value, item));
            return Ok(Dynamic::List(items.collect::<Result<_>>()?));
        }
        (SqlType::Array(_), value) => ("a list", value),
        (SqlType::SmallInt | SqlType::Integer | SqlType::BigInt, value @ Dynamic::Integer(_)) => return Ok(value),
        (SqlType::SmallInt | SqlType::Integer | SqlType::BigInt, value) => ("a whole number", value),
        (SqlType::Boolean, value) => return value.truth("a condition").map(Dynamic::from),
        (SqlType::Text | SqlType::Varchar(_), value @ Dynamic::String(_)) => return Ok(value),
        (SqlType::Text | SqlType::Varchar(_), value) => ("a string", value),
        (_, value) => return Ok(value),
    };
    Err(mismatch("an expression", wanted.0, &wanted.1))
}

fn comprehension(
    slot: usize,
    list: &Program,
    filter: Option<&Program>,
    result: Option<&Program>,
    row: &mut Context,
) -> Result<Dynamic> {
    let Some(items) = list::items(list.value(row)?, "a list comprehension")? else { return Ok(Dynamic::Null) };
    let mut made = Vec::with_capacity(items.len());
    for item in items {
        row.set(slot, item);
        if let Some(filter) = filter
            && filter.value(row)?.truth("WHERE")? != Some(true)
        {
            continue;
        }
        made.push(match result {
            Some(result) => result.value(row)?,
            None => row.slots[slot].clone(),
        });
    }
    Ok(Dynamic::List(made))
}

fn quantified(
    quantifier: Quantifier,
    slot: usize,
    list: &Program,
    condition: &Program,
    row: &mut Context,
) -> Result<Option<bool>> {
    let Some(items) = list::items(list.value(row)?, quantifier.word())? else { return Ok(None) };
    let (mut held, mut failed, mut unknown) = (0_usize, 0_usize, 0_usize);
    for item in items {
        row.set(slot, item);
        match condition.value(row)?.truth(quantifier.word())? {
            Some(true) => held += 1,
            Some(false) => failed += 1,
            None => unknown += 1,
        }
    }
    let open = unknown > 0;
    Ok(match quantifier {
        Quantifier::All if failed > 0 => Some(false),
        Quantifier::Any if held > 0 => Some(true),
        Quantifier::None if held > 0 => Some(false),
        Quantifier::Single if held > 1 => Some(false),
        _ if open => None,
        Quantifier::All | Quantifier::None => Some(true),
        Quantifier::Any => Some(false),
        Quantifier::Single => Some(held == 1),
    })
}

fn reduce(slot: usize, start: &Program, list: &Program, step: &Program, row: &mut Context) -> Result<Dynamic> {
    let start = start.value(row)?;
    let Some(items) = list::items(list.value(row)?, "reduce")? else { return Ok(Dynamic::Null) };
    row.set(slot, start);
    for item in items {
        row.set(slot + 1, item);
        let next = step.value(row)?;
        row.set(slot, next);
    }
    Ok(row.slots[slot].clone())
}

/// The path of its steps; NULL where one of them is missing.
fn path(steps: &[PathStep], row: &mut Context) -> Result<Dynamic> {
    let mut path: Vec<Dynamic> = Vec::with_capacity(steps.len());
    let mut stays = false;
    for step in steps {
        match step {
            PathStep::One(part) => {
                let part = part.value(row)?;
                if part.is_null() {
                    return Ok(Dynamic::Null);
                }
                // After no relationship the node is the one before.
                if !std::mem::take(&mut stays) {
                    path.push(part);
                }
            }
            PathStep::Walk { relationships, sources, destinations } => {
                let parts = (relationships.value(row)?, sources.value(row)?, destinations.value(row)?);
                let (Dynamic::List(relationships), Dynamic::List(sources), Dynamic::List(destinations)) = parts else {
                    return Ok(Dynamic::Null);
                };
                stays = relationships.is_empty();
                let last = relationships.len().saturating_sub(1);
                for (at, ((relationship, source), destination)) in
                    relationships.into_iter().zip(sources).zip(destinations).enumerate()
                {
                    let from_source = path.last().is_some_and(|node| order::same(node, &source));
                    path.push(relationship);
                    if at < last {
                        path.push(if from_source { destination } else { source });
                    }
                }
            }
        }
    }
    Ok(Dynamic::Path(path))
}

fn call(function: Function, arguments: &[Program], row: &mut Context) -> Result<Dynamic> {
    use Function as F;
    if function == F::Coalesce {
        for argument in arguments {
            let value = argument.value(row)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        return Ok(Dynamic::Null);
    }
    let mut arguments = values(arguments, row)?;
    if function == F::NullIf {
        let same = matches!(&arguments[..], [left, right] if order::equal(left, right) == Some(true));
        return Ok(if same || arguments.is_empty() { Dynamic::Null } else { arguments.swap_remove(0) });
    }
    if arguments.iter().any(Dynamic::is_null) {
        return Ok(Dynamic::Null);
    }
    match function {
        F::Coalesce | F::NullIf => Err(Error::internal("a function that knows NULL")),
        F::Merge => merged(arguments),
        F::Abs
        | F::Acos
        | F::Asin
        | F::Atan
        | F::Atan2
        | F::Ceil
        | F::Cos
        | F::Cot
        | F::Degrees
        | F::E
        | F::Exp
        | F::Floor
        | F::Haversin
        | F::IsNan
        | F::Log
        | F::Log10
        | F::Pi
        | F::Radians
        | F::Rand
        | F::Round
        | F::Sign
        | F::Sin
        | F::Sqrt
        | F::Tan => number::call(function, &arguments),
        F::Left
        | F::LeftTrim
        | F::Replace
        | F::Right
        | F::RightTrim
        | F::Split
        | F::Substring
        | F::ToLower
        | F::ToUpper
        | F::Trim => string::call(function, &arguments),
        F::Head | F::IsEmpty | F::Last | F::Range | F::Reverse | F::Size | F::Tail => list::call(function, arguments),
        F::EndKey
        | F::HasLabel
        | F::Id
        | F::KeyIn
        | F::Keys
        | F::Labels
        | F::Length
        | F::Nodes
        | F::Properties
        | F::Relationships
        | F::Type => element::call(function, &arguments),
        F::ToBoolean
        | F::ToBooleanOrNull
        | F::ToFloat
        | F::ToFloatOrNull
        | F::ToInteger
        | F::ToIntegerOrNull
        | F::ToString
        | F::ToStringOrNull => convert::call(function, arguments),
        F::Date
        | F::DateTime
        | F::Duration
        | F::DurationBetween
        | F::LocalDateTime
        | F::LocalTime
        | F::Time
        | F::Timestamp => temporal::call(function, &arguments, row.now),
    }
}

/// The members of several maps, of which later ones win.
fn merged(maps: Vec<Dynamic>) -> Result<Dynamic> {
    let mut all = Map::new();
    for map in maps {
        match map {
            Dynamic::Map(members) => all.extend(members),
            other => return Err(mismatch("a projection of a map", "a map", &other)),
        }
    }
    Ok(Dynamic::Map(all))
}
