//! Which values are equal, and which comes first.
//!
//! openCypher has two sets of rules. `=` and `<` know three answers, and values of different types are not comparable. For
//! DISTINCT, grouping and ORDER BY every two values are the same or in an order: NULLs and NaNs are the same among
//! themselves, types have an order among each other, and NULL is larger than everything. The second set is in the bytes of
//! [`append_key`]: values are the same where their bytes are, and in the order of their bytes.

use std::cmp::Ordering;

use arrow::datatypes::IntervalMonthDayNano;

use super::{Dynamic, Map};

/// `a = b`; `None` where NULL leaves it open.
pub(crate) fn equal(left: &Dynamic, right: &Dynamic) -> Option<bool> {
    match (left, right) {
        (Dynamic::Null, _) | (_, Dynamic::Null) => None,
        (Dynamic::List(left), Dynamic::List(right)) => all_equal(left, right),
        (Dynamic::Path(left), Dynamic::Path(right)) => Some(left.len() == right.len() && same_all(left, right)),
        (Dynamic::Map(left), Dynamic::Map(right)) => maps_equal(left, right),
        (Dynamic::Node(_), Dynamic::Node(_)) | (Dynamic::Relationship(_), Dynamic::Relationship(_)) => {
            Some(same(left, right))
        }
        _ => Some(scalars(left, right) == Comparability::Ordered(Ordering::Equal)),
    }
}

fn all_equal(left: &[Dynamic], right: &[Dynamic]) -> Option<bool> {
    if left.len() != right.len() {
        return Some(false);
    }
    conjunction(left.iter().zip(right).map(|(left, right)| equal(left, right)))
}

fn maps_equal(left: &Map, right: &Map) -> Option<bool> {
    if left.len() != right.len() || !left.keys().eq(right.keys()) {
        return Some(false);
    }
    conjunction(left.values().zip(right.values()).map(|(left, right)| equal(left, right)))
}

fn conjunction(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = true;
    for answer in answers {
        match answer {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = false,
        }
    }
    known.then_some(true)
}

/// What `<` and its like can say of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparability {
    /// One comes before the other, or neither.
    Ordered(Ordering),
    /// They are of one kind, and none of the comparisons holds: a NaN is among them.
    Never,
    /// It cannot be known: one is NULL, or they are of different kinds.
    Unknown,
}

/// How two values compare.
pub(crate) fn compare(left: &Dynamic, right: &Dynamic) -> Comparability {
    match (left, right) {
        (Dynamic::List(left), Dynamic::List(right)) => {
            for (left, right) in left.iter().zip(right) {
                match compare(left, right) {
                    Comparability::Ordered(Ordering::Equal) => {}
                    other => return other,
                }
            }
            Comparability::Ordered(left.len().cmp(&right.len()))
        }
        _ => scalars(left, right),
    }
}

fn scalars(left: &Dynamic, right: &Dynamic) -> Comparability {
    let ordered = Comparability::Ordered;
    match (left, right) {
        (Dynamic::Boolean(left), Dynamic::Boolean(right)) => ordered(left.cmp(right)),
        (Dynamic::String(left), Dynamic::String(right)) => ordered(left.cmp(right)),
        (Dynamic::Date(left), Dynamic::Date(right)) => ordered(left.cmp(right)),
        (Dynamic::Time(left), Dynamic::Time(right))
        | (Dynamic::Timestamp(left), Dynamic::Timestamp(right))
        | (Dynamic::TimestampTz(left), Dynamic::TimestampTz(right)) => ordered(left.cmp(right)),
        (Dynamic::Interval(left), Dynamic::Interval(right)) => ordered(nanoseconds(left).cmp(&nanoseconds(right))),
        _ => match (Number::of(left), Number::of(right)) {
            (Some(left), Some(right)) if left.whole.is_nan() || right.whole.is_nan() => Comparability::Never,
            (Some(left), Some(right)) => ordered(left.cmp(&right)),
            _ => Comparability::Unknown,
        },
    }
}

/// A number as the nearest floating point number, and what a whole number is more than that. So whole numbers compare
/// exactly, also with others.
struct Number {
    whole: f64,
    rest: i16,
}

impl Number {
    fn of(value: &Dynamic) -> Option<Number> {
        match value {
            Dynamic::Integer(number) => {
                let whole = *number as f64;
                let rest = i128::from(*number) - whole as i128;
                Some(Number { whole, rest: rest as i16 })
            }
            other => other.as_float().map(|whole| Number { whole: whole + 0.0, rest: 0 }),
        }
    }

    fn cmp(&self, other: &Number) -> Ordering {
        let whole = self.whole.partial_cmp(&other.whole).unwrap_or(Ordering::Equal);
        whole.then(self.rest.cmp(&other.rest))
    }
}

/// How long a duration is, with months of average length.
fn nanoseconds(interval: &IntervalMonthDayNano) -> i128 {
    const DAY: i128 = 86_400_000_000_000;
    const MONTH: i128 = 2_629_746_000_000_000;
    i128::from(interval.months) * MONTH + i128::from(interval.days) * DAY + i128::from(interval.nanoseconds)
}

/// Whether two values are the same one: what DISTINCT and grouping ask.
pub(crate) fn same(left: &Dynamic, right: &Dynamic) -> bool {
    key(left) == key(right)
}

fn same_all(left: &[Dynamic], right: &[Dynamic]) -> bool {
    left.iter().zip(right).all(|(left, right)| same(left, right))
}

/// The bytes by which a value is told from others, and has its place among them.
pub(crate) fn key(value: &Dynamic) -> Vec<u8> {
    let mut out = Vec::new();
    append_key(&mut out, value);
    out
}

/// The first byte says the type.
fn append_key(out: &mut Vec<u8>, value: &Dynamic) {
    out.push(rank(value));
    match value {
        Dynamic::Null => {}
        Dynamic::Boolean(truth) => out.push(u8::from(*truth)),
        Dynamic::Integer(_) | Dynamic::Float(_) | Dynamic::Numeric(_) => append_number(out, value),
        Dynamic::String(text) => append_text(out, text),
        Dynamic::Date(days) => append_signed(out, i64::from(*days)),
        Dynamic::Time(micros) | Dynamic::Timestamp(micros) | Dynamic::TimestampTz(micros) => {
            append_signed(out, *micros);
        }
        Dynamic::Interval(interval) => {
            let length = nanoseconds(interval) as u128 ^ (1 << 127);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Dynamic::List(items) | Dynamic::Path(items) => {
            for item in items {
                out.push(1);
                append_key(out, item);
            }
            out.push(0);
        }
        Dynamic::Map(members) => {
            out.extend_from_slice(&(members.len() as u64).to_be_bytes());
            members.keys().for_each(|name| append_text(out, name));
            members.values().for_each(|value| append_key(out, value));
        }
        Dynamic::Node(node) => {
            append_text(out, &node.table);
            append_key(out, &node.id);
        }
        Dynamic::Relationship(relationship) => {
            append_text(out, &relationship.table);
            append_key(out, &relationship.id);
        }
    }
}

/// The order of types, as openCypher has it.
fn rank(value: &Dynamic) -> u8 {
    match value {
        Dynamic::Map(_) => 1,
        Dynamic::Node(_) => 2,
        Dynamic::Relationship(_) => 3,
        Dynamic::List(_) => 4,
        Dynamic::Path(_) => 5,
        Dynamic::TimestampTz(_) => 6,
        Dynamic::Timestamp(_) => 7,
        Dynamic::Date(_) => 8,
        Dynamic::Time(_) => 9,
        Dynamic::Interval(_) => 10,
        Dynamic::String(_) => 11,
        Dynamic::Boolean(_) => 12,
        Dynamic::Integer(_) | Dynamic::Float(_) | Dynamic::Numeric(_) => 13,
        Dynamic::Null => 14,
    }
}

/// A NaN is larger than every number.
fn append_number(out: &mut Vec<u8>, value: &Dynamic) {
    let number = Number::of(value).unwrap_or(Number { whole: f64::NAN, rest: 0 });
    let whole = if number.whole.is_nan() { f64::NAN } else { number.whole };
    let bits = whole.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    out.extend_from_slice(&ordered.to_be_bytes());
    out.extend_from_slice(&(number.rest as u16 ^ (1 << 15)).to_be_bytes());
}

fn append_signed(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(&(number as u64 ^ (1 << 63)).to_be_bytes());
}

/// A string that ends before every longer one.
fn append_text(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(255);
        }
    }
    out.extend_from_slice(&[0, 0]);
}
