//! Cypher's values whose type is known only when a query runs, and what is computed with them.
//!
//! Lists of anything, maps, whole nodes, relationships and paths have the static type `jsonb`. In a plan they are columns of
//! text ([`json`]); expressions over them are [`program`]s: a program takes the columns that it needs as [`Dynamic`] values,
//! row by row, is computed as openCypher says, and makes a column of its static type ([`mod@column`]). In a plan a program is a
//! function of columns, [`function::Evaluate`]. What DataFusion computes as openCypher does is an argument of it, not a part.
//!
//! One value is told from another, compared and ordered in [`order`]. The rest are functions by what they are about:
//! [`number`], [`string`], [`list`], [`element`], [`temporal`], [`convert`]. Aggregates are in [`aggregate`].

pub(crate) mod aggregate;
pub(crate) mod column;
mod convert;
mod element;
pub(crate) mod function;
pub(crate) mod json;
mod list;
mod number;
pub(crate) mod order;
pub(crate) mod program;
mod string;
mod temporal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use arrow::datatypes::IntervalMonthDayNano;
use slipstream_engine::{Error, ErrorKind};

/// A map from names to values.
pub(crate) type Map = BTreeMap<String, Dynamic>;

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Dynamic {
    /// No value.
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A number of SQL that is neither, as its digits.
    Numeric(String),
    /// A string; also of the types that Cypher has not, in their text form.
    String(String),
    /// A date, in days since 1970.
    Date(i32),
    /// A time of day, in microseconds.
    Time(i64),
    /// A date and time, in microseconds since 1970.
    Timestamp(i64),
    /// A point in time, in microseconds since 1970 in UTC.
    TimestampTz(i64),
    /// A duration.
    Interval(IntervalMonthDayNano),
    /// A list.
    List(Vec<Dynamic>),
    /// A map.
    Map(Map),
    /// A node.
    Node(Box<Node>),
    /// A relationship.
    Relationship(Box<Relationship>),
    /// A path: nodes and relationships in turns.
    Path(Vec<Dynamic>),
}

/// A node as a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Which of the graph's vertices it is a row of.
    pub(crate) table: String,
    /// Its key.
    pub(crate) id: Dynamic,
    /// Its labels.
    pub(crate) labels: Vec<String>,
    /// Its properties that are not NULL.
    pub(crate) properties: Map,
}

/// A relationship as a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Relationship {
    /// Which of the graph's edges it is a row of.
    pub(crate) table: String,
    /// Its key.
    pub(crate) id: Dynamic,
    /// Its type.
    pub(crate) label: String,
    /// The vertices at its ends, and the keys of the nodes there.
    pub(crate) ends: [(String, Dynamic); 2],
    /// Its properties that are not NULL.
    pub(crate) properties: Map,
}

impl Dynamic {
    /// What a value is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Dynamic::Null => "null",
            Dynamic::Boolean(_) => "a boolean",
            Dynamic::Integer(_) => "a whole number",
            Dynamic::Float(_) | Dynamic::Numeric(_) => "a number",
            Dynamic::String(_) => "a string",
            Dynamic::Date(_) => "a date",
            Dynamic::Time(_) => "a time",
            Dynamic::Timestamp(_) | Dynamic::TimestampTz(_) => "a timestamp",
            Dynamic::Interval(_) => "a duration",
            Dynamic::List(_) => "a list",
            Dynamic::Map(_) => "a map",
            Dynamic::Node(_) => "a node",
            Dynamic::Relationship(_) => "a relationship",
            Dynamic::Path(_) => "a path",
        }
    }

    /// Whether it is NULL.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Dynamic::Null)
    }

    /// The number that it is, as a floating point number.
    pub(crate) fn as_float(&self) -> Option<f64> {
        match self {
            Dynamic::Integer(number) => Some(*number as f64),
            Dynamic::Float(number) => Some(*number),
            Dynamic::Numeric(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// A truth value; `None` for NULL.
    pub(crate) fn truth(&self, user: &str) -> Result<Option<bool>, Error> {
        match self {
            Dynamic::Null => Ok(None),
            Dynamic::Boolean(truth) => Ok(Some(*truth)),
            other => Err(mismatch(user, "a boolean", other)),
        }
    }
}

impl From<Option<bool>> for Dynamic {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Dynamic::Null, Dynamic::Boolean)
    }
}

impl From<&str> for Dynamic {
    fn from(text: &str) -> Self {
        Dynamic::String(text.to_string())
    }
}

/// The error for a value that is not of a type that its user takes.
fn mismatch(user: &str, wanted: &str, value: &Dynamic) -> Error {
    Error::new(ErrorKind::DatatypeMismatch, format!("{user} needs {wanted}, not {}", value.kind()))
}

/// The error for a whole number that does not fit.
fn out_of_range() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "bigint out of range")
}
