//! Which types go together, and how one is brought to another.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::Binder;
use crate::bound::{Value, ValueKind};
use crate::lexer::Span;

/// Types that compare with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Boolean,
    Integer,
    Float,
    Text,
    Uuid,
    Date,
    Timestamp,
    TimestampTz,
    Time,
    Interval,
    /// Numbers of SQL with decimals.
    Numeric,
    List,
    /// What it is, is known when the query runs.
    Dynamic,
    /// Types that can be returned, and nothing else.
    Opaque,
}

impl Class {
    pub(super) fn of(sql_type: &SqlType) -> Class {
        match sql_type {
            SqlType::Boolean => Class::Boolean,
            SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => Class::Integer,
            SqlType::Real | SqlType::Double => Class::Float,
            SqlType::Text | SqlType::Varchar(_) => Class::Text,
            SqlType::Uuid => Class::Uuid,
            SqlType::Date => Class::Date,
            SqlType::Timestamp => Class::Timestamp,
            SqlType::TimestampTz => Class::TimestampTz,
            SqlType::Array(_) => Class::List,
            SqlType::Time => Class::Time,
            SqlType::Interval => Class::Interval,
            SqlType::Numeric { .. } => Class::Numeric,
            SqlType::Jsonb => Class::Dynamic,
            SqlType::Bytea
            | SqlType::Json
            | SqlType::TsVector
            | SqlType::TsQuery
            | SqlType::Vector(_)
            | SqlType::Halfvec(_)
            | SqlType::Sparsevec(_)
            | SqlType::Bit(_)
            | SqlType::Varbit(_) => Class::Opaque,
        }
    }

    /// Whether values of it have an order.
    pub(super) fn is_ordered(self) -> bool {
        !matches!(self, Class::Opaque)
    }

    /// Whether the index, and SQL, compare values of it as openCypher does.
    pub(super) fn is_plain(self) -> bool {
        !matches!(self, Class::List | Class::Dynamic | Class::Opaque | Class::Interval)
    }

    /// Whether it is a class of numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Class::Integer | Class::Float | Class::Numeric)
    }

    /// Whether it is a class of dates, times or durations.
    pub(super) fn is_temporal(self) -> bool {
        matches!(self, Class::Date | Class::Time | Class::Timestamp | Class::TimestampTz | Class::Interval)
    }
}

impl Binder<'_> {
    /// Notes something that the index does not compute, or not as openCypher does.
    pub(super) fn beyond_index(&mut self, what: &str, span: Span) {
        self.unindexed
            .note(|| Error::not_supported(format!("the graph index does not compute {what}")).at(span.position()));
    }

    /// A value as a dynamic one.
    pub(super) fn dynamic(&mut self, value: Value) -> Value {
        if value.sql_type.is_none() { self.assume(value, &SqlType::Jsonb) } else { value.cast(SqlType::Jsonb) }
    }

    /// Gives a value of no type yet the type that its use asks for.
    pub(super) fn assume(&mut self, value: Value, sql_type: &SqlType) -> Value {
        if let ValueKind::Parameter(name) = &value.kind {
            self.parameters.resolve(name, sql_type);
        }
        Value { sql_type: Some(sql_type.clone()), ..value }
    }

    /// Brings two values that are compared to types that compare.
    pub(super) fn comparable(&mut self, left: Value, right: Value, span: Span) -> Result<(Value, Value)> {
        let left = self.towards(left, right.sql_type.as_ref(), span)?;
        let right = self.towards(right, left.sql_type.as_ref(), span)?;
        let (Some(left_type), Some(right_type)) = (left.sql_type.clone(), right.sql_type.clone()) else {
            // Neither says: as in SQL, text.
            return Ok((self.assume(left, &SqlType::Text), self.assume(right, &SqlType::Text)));
        };
        let fits = match (Class::of(&left_type), Class::of(&right_type)) {
            (Class::Integer | Class::Numeric, Class::Float) | (Class::Float, Class::Integer | Class::Numeric) => {
                return Ok((left.cast(SqlType::Double), right.cast(SqlType::Double)));
            }
            (Class::Opaque, _) | (_, Class::Opaque) => false,
            (Class::Dynamic, _) | (_, Class::Dynamic) => true,
            (Class::Integer, Class::Numeric) | (Class::Numeric, Class::Integer) => true,
            (left_class, right_class) => left_class == right_class,
        };
        if fits {
            if !Class::of(&left_type).is_plain() || !Class::of(&right_type).is_plain() {
                self.beyond_index("comparisons of lists, maps, elements and durations", span);
            }
            return Ok((left, right));
        }
        Err(mismatch(format!("cannot compare {left_type} with {right_type}"), span))
    }

    /// Brings values of which any may be the result (of CASE, say) to one type: what they have in common, else a dynamic
    /// one.
    pub(super) fn common(&mut self, values: Vec<Value>, span: Span) -> Result<(Vec<Value>, SqlType)> {
        let mut common: Option<SqlType> = None;
        for value in &values {
            let Some(sql_type) = &value.sql_type else { continue };
            common = Some(match common {
                None => sql_type.clone(),
                Some(other) => merge(&other, sql_type)
                    .or_else(|| self.merge_constant(&values, &other, sql_type))
                    .unwrap_or(SqlType::Jsonb),
            });
        }
        let common = common.unwrap_or(SqlType::Text);
        if common == SqlType::Jsonb {
            self.beyond_index("values of several types", span);
        }
        let values = values
            .into_iter()
            .map(|value| Ok(self.towards(value, Some(&common), span)?.cast(common.clone())))
            .collect::<Result<Vec<_>>>()?;
        Ok((values, common))
    }

    /// The type of the two that a string constant beside it can be read as.
    fn merge_constant(&self, values: &[Value], left: &SqlType, right: &SqlType) -> Option<SqlType> {
        let only_constants = |text: &SqlType| {
            values
                .iter()
                .filter(|value| value.sql_type.as_ref() == Some(text))
                .all(|value| matches!(value.kind, ValueKind::String(_)))
        };
        match (Class::of(left), Class::of(right)) {
            (Class::Text, class) if has_text_constants(class) && only_constants(left) => Some(right.clone()),
            (class, Class::Text) if has_text_constants(class) && only_constants(right) => Some(left.clone()),
            _ => None,
        }
    }

    /// Brings constants, NULL and parameters to `target`, and leaves everything else.
    pub(super) fn towards(&mut self, value: Value, target: Option<&SqlType>, span: Span) -> Result<Value> {
        let Some(target) = target else { return Ok(value) };
        let class = Class::of(target);
        match &value.kind {
            ValueKind::Null => Ok(Value::new(ValueKind::Null, target.clone())),
            ValueKind::Parameter(name) if self.parameters.can_become(name, target) => Ok(self.assume(value, target)),
            ValueKind::String(text) if has_text_constants(class) => {
                Ok(Value::new(ValueKind::Constant(constant(text, target, span)?), target.clone()))
            }
            ValueKind::Integer(number) if class == Class::Integer && fits(*number, target) => {
                Ok(Value::new(value.kind, target.clone()))
            }
            ValueKind::Integer(number) if class == Class::Float => {
                Ok(Value::new(ValueKind::Float(*number as f64), SqlType::Double))
            }
            _ => Ok(value),
        }
    }
}

/// Whether constants of a type are written as strings: Cypher has no literals for it.
fn has_text_constants(class: Class) -> bool {
    matches!(class, Class::Uuid | Class::Date | Class::Timestamp | Class::TimestampTz)
}

fn fits(number: i64, target: &SqlType) -> bool {
    match target {
        SqlType::SmallInt => i16::try_from(number).is_ok(),
        SqlType::Integer => i32::try_from(number).is_ok(),
        _ => true,
    }
}

/// The type that two have in common, if they have one.
pub(super) fn merge(left: &SqlType, right: &SqlType) -> Option<SqlType> {
    if left == right {
        return Some(left.clone());
    }
    match (Class::of(left), Class::of(right)) {
        (Class::Integer, Class::Integer) => Some(SqlType::BigInt),
        (Class::Integer | Class::Float, Class::Integer | Class::Float) => Some(SqlType::Double),
        (Class::Text, Class::Text) => Some(SqlType::Text),
        (Class::Numeric, Class::Integer | Class::Float | Class::Numeric)
        | (Class::Integer | Class::Float, Class::Numeric) => Some(SqlType::Double),
        (Class::List, Class::List) => match (left, right) {
            (SqlType::Array(left), SqlType::Array(right)) => {
                merge(left, right).map(|item| SqlType::Array(Box::new(item)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A constant of `target`, in the text form that the index reads.
pub(super) fn constant(text: &str, target: &SqlType, span: Span) -> Result<String> {
    let trimmed = text.trim();
    let read = match target {
        SqlType::Uuid => Uuid::try_parse(trimmed).ok().map(|uuid| uuid.hyphenated().to_string()),
        SqlType::Date => trimmed.parse::<NaiveDate>().ok().map(|date| date.format("%Y-%m-%d").to_string()),
        SqlType::Timestamp => timestamp(trimmed).map(|time| time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
        SqlType::TimestampTz => timestamp_with_zone(trimmed),
        _ => None,
    };
    let kind = match target {
        SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz => ErrorKind::InvalidDatetime,
        _ => ErrorKind::InvalidText,
    };
    read.ok_or_else(|| {
        Error::new(kind, format!("invalid input syntax for type {target}: \"{text}\"")).at(span.position())
    })
}

fn timestamp(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0))
}

/// With an offset, or in UTC.
fn timestamp_with_zone(text: &str) -> Option<String> {
    let zoned = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|time| time.naive_utc());
    let time = zoned.or_else(|| timestamp(text.trim_end_matches(['Z', 'z'])))?;
    Some(time.format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string())
}

/// The error for types that do not fit.
pub(super) fn mismatch(message: impl Into<String>, span: Span) -> Error {
    Error::new(ErrorKind::DatatypeMismatch, message).at(span.position())
}
