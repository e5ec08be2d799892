//! The values of a bound query: what is computed, with its type.

use std::collections::BTreeSet;

use slipstream_engine::catalog::TableId;
use slipstream_engine::types::SqlType;

use super::{BoundClause, Function, Key};
use crate::syntax::{Arithmetic, Comparison, Quantifier, StringMatch};

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// How it is computed.
    pub kind: ValueKind,
    /// Its type; not known for NULL and for a parameter before its use has been seen.
    pub sql_type: Option<SqlType>,
}

/// How a value is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueKind {
    /// NULL
    Null,
    /// A boolean.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A string.
    String(String),
    /// A constant of another type (uuid, date, timestamps, numeric), in its text form.
    Constant(String),
    /// The parameter of that name.
    Parameter(String),
    /// A property of a node or relationship.
    Property {
        /// The element's variable.
        variable: String,
        /// The column.
        column: String,
        /// The table whose key that column is.
        key_of: Option<TableId>,
    },
    /// A variable that holds a value.
    Variable {
        /// The variable.
        name: String,
        /// The key that it was read from.
        key: Option<Key>,
    },
    /// What tells a node or relationship, which may be from several tables, from all others. It can only be compared.
    Identity(String),
    /// The name of the element table that a node or relationship is from.
    Table(String),
    /// `NOT`
    Not(Box<Value>),
    /// Unary minus.
    Negate(Box<Value>),
    /// `AND`
    And(Vec<Value>),
    /// `OR`
    Or(Vec<Value>),
    /// `XOR`
    Xor(Box<Value>, Box<Value>),
    /// A comparison of two values of one kind.
    Compare(Comparison, Box<Value>, Box<Value>),
    /// Arithmetic on `bigint` or `double precision`.
    Arithmetic(Arithmetic, Box<Value>, Box<Value>),
    /// Two strings in a row.
    Concatenate(Box<Value>, Box<Value>),
    /// A string in a string.
    Match(StringMatch, Box<Value>, Box<Value>),
    /// Whether a value equals one of others.
    InItems(Box<Value>, Vec<Value>),
    /// Whether a value equals an element of a list.
    InList(Box<Value>, Box<Value>),
    /// `IS [NOT] NULL`
    IsNull {
        /// The operand.
        operand: Box<Value>,
        /// Whether it is IS NOT NULL.
        negated: bool,
    },
    /// `CASE WHEN ... THEN ... ELSE ... END`
    Case {
        /// WHEN and THEN.
        branches: Vec<(Value, Value)>,
        /// ELSE.
        otherwise: Box<Value>,
    },
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(Vec<(String, Value)>),
    /// A whole node or relationship; of a variable-length relationship, the list of its relationships.
    Whole(Part),
    /// A path: its nodes and relationships, in turns.
    Path(Vec<Part>),
    /// The variable of a comprehension around it.
    Local(String),
    /// `a[b]`: an element of a list, a member of a map, a property, a part of a date.
    Access(Box<Value>, Box<Value>),
    /// `a[from..to]`
    Slice(Box<Value>, Option<Box<Value>>, Option<Box<Value>>),
    /// `=~`
    Pattern(Box<Value>, Box<Value>),
    /// `[x IN list WHERE filter | result]`
    Comprehension {
        /// The variable that takes each element.
        variable: String,
        /// The list.
        list: Box<Value>,
        /// Which elements are taken.
        filter: Option<Box<Value>>,
        /// What is made of each; the element itself where nothing is said.
        result: Option<Box<Value>>,
    },
    /// `any(x IN list WHERE condition)`
    Quantified {
        /// How many elements must fulfil the condition.
        quantifier: Quantifier,
        /// The variable that takes each element.
        variable: String,
        /// The list.
        list: Box<Value>,
        /// The condition.
        condition: Box<Value>,
    },
    /// `reduce(accumulator = start, x IN list | step)`
    Reduce {
        /// The variable that takes what was computed so far.
        accumulator: String,
        /// What it is at first.
        start: Box<Value>,
        /// The variable that takes each element.
        variable: String,
        /// The list.
        list: Box<Value>,
        /// What it becomes with an element.
        step: Box<Value>,
    },
    /// What a query inside an expression comes to.
    Subquery(Box<Subquery>),
    /// A value as the type of this node.
    Cast(Box<Value>),
    /// A function.
    Call(Function, Vec<Value>),
    /// How many relationships a path has: so many, and those of these variable-length parts.
    Length(i64, Vec<String>),
    /// An aggregate; only in the items and the stage of a projection.
    Aggregate {
        /// The function.
        function: Aggregate,
        /// Whether equal arguments count once.
        distinct: bool,
        /// Its argument; none for `count(*)`.
        argument: Option<Box<Value>>,
        /// The percentile, of those that want one: a constant.
        fraction: Option<Box<Value>>,
    },
}

/// A node or relationship as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its variable.
    pub variable: String,
    /// Its columns.
    pub columns: Vec<String>,
}

/// A query inside an expression, asked for every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// The variable under which the row has its answer.
    pub variable: String,
    /// The variables of the row that it names.
    pub captured: Vec<String>,
    /// Its clauses; they begin with the captured variables.
    pub clauses: Vec<BoundClause>,
    /// What is made of its rows.
    pub answer: Answer,
}

/// What a query inside an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Whether there are rows.
    Exists,
    /// How many there are.
    Count,
    /// The list of a value of each.
    Collect(Value),
}

/// Aggregate functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many rows, or values that are not NULL.
    Count,
    /// Their sum; zero where there are none.
    Sum,
    /// Their mean, as `double precision`.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// All that are not NULL, as a list.
    Collect,
    /// The standard deviation of a sample.
    StandardDeviation,
    /// The standard deviation of all there are.
    PopulationDeviation,
    /// The value below which a part of them lies, between two of them.
    PercentileContinuous,
    /// The value below which a part of them lies, one of them.
    PercentileDiscrete,
}

impl Value {
    /// A value of a known type.
    pub fn new(kind: ValueKind, sql_type: SqlType) -> Value {
        Value { kind, sql_type: Some(sql_type) }
    }

    /// NULL, of no type yet.
    pub fn null() -> Value {
        Value { kind: ValueKind::Null, sql_type: None }
    }

    /// This value as another type.
    pub fn cast(self, sql_type: SqlType) -> Value {
        if self.sql_type.as_ref() == Some(&sql_type) {
            return self;
        }
        Value::new(ValueKind::Cast(Box::new(self)), sql_type)
    }

    /// The key column that this value is, where it is one.
    pub fn key(&self) -> Option<Key> {
        match &self.kind {
            ValueKind::Property { column, key_of: Some(table), .. } => {
                Some(Key { table: *table, column: column.clone() })
            }
            ValueKind::Variable { key, .. } => key.clone(),
            _ => None,
        }
    }

    /// Whether it asks nothing of the graph beside the variables of its row.
    pub fn is_plain(&self) -> bool {
        !matches!(self.kind, ValueKind::Subquery(_)) && self.children().into_iter().all(Value::is_plain)
    }

    /// Whether it is the same for all rows.
    pub fn is_constant(&self) -> bool {
        let volatile = matches!(self.kind, ValueKind::Call(Function::Rand, _) | ValueKind::Subquery(_));
        !volatile
            && self.variables().is_empty()
            && !self.has_aggregate()
            && self.children().into_iter().all(Value::is_constant)
    }

    /// Whether an aggregate is part of it.
    pub fn has_aggregate(&self) -> bool {
        matches!(self.kind, ValueKind::Aggregate { .. }) || self.children().into_iter().any(Value::has_aggregate)
    }

    /// The variables that it is computed from, those of elements whose properties it reads among them.
    pub fn variables(&self) -> BTreeSet<&str> {
        match &self.kind {
            ValueKind::Property { variable: name, .. }
            | ValueKind::Variable { name, .. }
            | ValueKind::Identity(name)
            | ValueKind::Table(name)
            | ValueKind::Whole(Part { variable: name, .. }) => BTreeSet::from([name.as_str()]),
            ValueKind::Length(_, walks) => walks.iter().map(String::as_str).collect(),
            ValueKind::Path(parts) => parts.iter().map(|part| part.variable.as_str()).collect(),
            ValueKind::Subquery(subquery) => subquery.captured.iter().map(String::as_str).collect(),
            _ => self.children().into_iter().flat_map(Value::variables).collect(),
        }
    }

    /// The values directly below.
    pub fn children(&self) -> Vec<&Value> {
        match &self.kind {
            ValueKind::Null
            | ValueKind::Boolean(_)
            | ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Constant(_)
            | ValueKind::Parameter(_)
            | ValueKind::Property { .. }
            | ValueKind::Variable { .. }
            | ValueKind::Identity(_)
            | ValueKind::Table(_)
            | ValueKind::Whole(_)
            | ValueKind::Path(_)
            | ValueKind::Local(_)
            | ValueKind::Subquery(_)
            | ValueKind::Length(_, _) => Vec::new(),
            ValueKind::Not(operand)
            | ValueKind::Negate(operand)
            | ValueKind::Cast(operand)
            | ValueKind::IsNull { operand, .. } => vec![operand],
            ValueKind::And(items) | ValueKind::Or(items) | ValueKind::List(items) | ValueKind::Call(_, items) => {
                items.iter().collect()
            }
            ValueKind::Xor(left, right)
            | ValueKind::Compare(_, left, right)
            | ValueKind::Arithmetic(_, left, right)
            | ValueKind::Concatenate(left, right)
            | ValueKind::Match(_, left, right)
            | ValueKind::Access(left, right)
            | ValueKind::Pattern(left, right)
            | ValueKind::InList(left, right) => vec![left, right],
            ValueKind::Map(members) => members.iter().map(|(_, value)| value).collect(),
            ValueKind::Slice(list, from, to) => {
                std::iter::once(list.as_ref()).chain(from.as_deref()).chain(to.as_deref()).collect()
            }
            ValueKind::Comprehension { list, filter, result, .. } => {
                std::iter::once(list.as_ref()).chain(filter.as_deref()).chain(result.as_deref()).collect()
            }
            ValueKind::Quantified { list, condition, .. } => vec![list, condition],
            ValueKind::Reduce { start, list, step, .. } => vec![start, list, step],
            ValueKind::InItems(operand, items) => std::iter::once(operand.as_ref()).chain(items).collect(),
            ValueKind::Case { branches, otherwise } => branches
                .iter()
                .flat_map(|(when, then)| [when, then])
                .chain(std::iter::once(otherwise.as_ref()))
                .collect(),
            ValueKind::Aggregate { argument, fraction, .. } => {
                argument.as_deref().into_iter().chain(fraction.as_deref()).collect()
            }
        }
    }

    /// Replaces, from the top down, every value for which `replacement` has another.
    #[must_use]
    pub fn replace(self, replacement: &impl Fn(&Value) -> Option<Value>) -> Value {
        if let Some(other) = replacement(&self) {
            return other;
        }
        let one = |value: Box<Value>| Box::new(value.replace(replacement));
        let some = |value: Option<Box<Value>>| value.map(one);
        let all = |values: Vec<Value>| values.into_iter().map(|value| value.replace(replacement)).collect::<Vec<_>>();
        let kind = match self.kind {
            leaf @ (ValueKind::Null
            | ValueKind::Boolean(_)
            | ValueKind::Integer(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Constant(_)
            | ValueKind::Parameter(_)
            | ValueKind::Property { .. }
            | ValueKind::Variable { .. }
            | ValueKind::Identity(_)
            | ValueKind::Table(_)
            | ValueKind::Whole(_)
            | ValueKind::Path(_)
            | ValueKind::Local(_)
            | ValueKind::Subquery(_)
            | ValueKind::Length(_, _)) => leaf,
            ValueKind::Not(operand) => ValueKind::Not(one(operand)),
            ValueKind::Negate(operand) => ValueKind::Negate(one(operand)),
            ValueKind::Cast(operand) => ValueKind::Cast(one(operand)),
            ValueKind::IsNull { operand, negated } => ValueKind::IsNull { operand: one(operand), negated },
            ValueKind::And(items) => ValueKind::And(all(items)),
            ValueKind::Or(items) => ValueKind::Or(all(items)),
            ValueKind::List(items) => ValueKind::List(all(items)),
            ValueKind::Call(function, items) => ValueKind::Call(function, all(items)),
            ValueKind::Xor(left, right) => ValueKind::Xor(one(left), one(right)),
            ValueKind::Compare(operator, left, right) => ValueKind::Compare(operator, one(left), one(right)),
            ValueKind::Arithmetic(operator, left, right) => ValueKind::Arithmetic(operator, one(left), one(right)),
            ValueKind::Concatenate(left, right) => ValueKind::Concatenate(one(left), one(right)),
            ValueKind::Match(operator, left, right) => ValueKind::Match(operator, one(left), one(right)),
            ValueKind::InList(left, right) => ValueKind::InList(one(left), one(right)),
            ValueKind::Access(left, right) => ValueKind::Access(one(left), one(right)),
            ValueKind::Pattern(left, right) => ValueKind::Pattern(one(left), one(right)),
            ValueKind::Slice(list, from, to) => ValueKind::Slice(one(list), some(from), some(to)),
            ValueKind::Map(members) => {
                let members = members.into_iter().map(|(name, value)| (name, value.replace(replacement)));
                ValueKind::Map(members.collect())
            }
            ValueKind::Comprehension { variable, list, filter, result } => {
                ValueKind::Comprehension { variable, list: one(list), filter: some(filter), result: some(result) }
            }
            ValueKind::Quantified { quantifier, variable, list, condition } => {
                ValueKind::Quantified { quantifier, variable, list: one(list), condition: one(condition) }
            }
            ValueKind::Reduce { accumulator, start, variable, list, step } => {
                ValueKind::Reduce { accumulator, start: one(start), variable, list: one(list), step: one(step) }
            }
            ValueKind::InItems(operand, items) => ValueKind::InItems(one(operand), all(items)),
            ValueKind::Case { branches, otherwise } => ValueKind::Case {
                branches: branches
                    .into_iter()
                    .map(|(when, then)| (when.replace(replacement), then.replace(replacement)))
                    .collect(),
                otherwise: one(otherwise),
            },
            ValueKind::Aggregate { function, distinct, argument, fraction } => {
                ValueKind::Aggregate { function, distinct, argument: some(argument), fraction: some(fraction) }
            }
        };
        Value { kind, sql_type: self.sql_type }
    }
}

/// The type that values of these types have in common where they are one property of several tables; none where they have
/// none that keeps each of them as it is.
pub fn common_type<'a>(types: impl IntoIterator<Item = &'a SqlType>) -> Option<SqlType> {
    let mut types = types.into_iter();
    let first = types.next()?.clone();
    types.try_fold(first, |common, next| {
        let whole = |sql_type: &SqlType| matches!(sql_type, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt);
        let text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_));
        match (&common, next) {
            (one, other) if one == other => Some(common),
            (one, other) if whole(one) && whole(other) => Some(SqlType::BigInt),
            (SqlType::Real | SqlType::Double, SqlType::Real | SqlType::Double) => Some(SqlType::Double),
            (one, other) if text(one) && text(other) => Some(SqlType::Text),
            _ => None,
        }
    })
}
