//! What the variables of a query stand for.

use std::collections::BTreeSet;
use std::sync::Arc;

use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Unindexed;
use crate::bound::{Part, Value, ValueKind, common_type};
use crate::cover::same_in_index;
use crate::lexer::Span;
use crate::syntax::Name;

/// The variables in force, in the order they came.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope(Vec<(String, Binding)>);

/// What a variable stands for.
#[derive(Debug, Clone)]
pub(super) enum Binding {
    /// A node.
    Node(Element),
    /// A relationship.
    Relationship(Element),
    /// Relationships in a row, of a variable-length pattern.
    Walk(Element),
    /// A path.
    Path(Path),
    /// A value.
    Value(Value),
}

/// A path in a pattern.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// Its nodes and relationships in turns, by their variables.
    pub(super) parts: Vec<Part>,
    /// How many relationships it has.
    pub(super) length: Value,
}

/// A node or relationship: a row of a vertex or edge table.
#[derive(Debug, Clone)]
pub(super) struct Element {
    /// Its variable in the bound query.
    pub(super) variable: String,
    /// The tables that it may be from; none where nothing has its labels.
    pub(super) members: Vec<Member>,
    /// Whether it may be missing, because its MATCH is optional.
    pub(super) optional: bool,
    /// The end points of a relationship: column and, where its direction is known, the key that it holds.
    pub(super) ends: Vec<(String, Option<Value>)>,
}

/// An element table.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name in the graph.
    pub(super) name: String,
    /// Its labels.
    pub(super) labels: Vec<String>,
    /// The table.
    pub(super) table: Arc<TableDefinition>,
    /// The key column.
    pub(super) key: String,
    /// The columns that the index covers.
    pub(super) covered: Vec<String>,
}

impl Scope {
    pub(super) fn get(&self, name: &str) -> Option<&Binding> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, binding)| binding)
    }

    /// What `name` stands for, or `42703`.
    pub(super) fn binding(&self, name: &str, span: Span) -> Result<&Binding> {
        self.get(name).ok_or_else(|| {
            let error = Error::new(ErrorKind::UndefinedColumn, format!("variable \"{name}\" does not exist"));
            let error = match self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                Some((other, _)) => error.with_hint(format!("Perhaps you meant \"{other}\".")),
                None => error,
            };
            error.at(span.position())
        })
    }

    /// Adds a variable; `42710` where the name is taken.
    pub(super) fn introduce(&mut self, name: &Name, binding: Binding) -> Result<()> {
        if self.get(&name.text).is_some() {
            return Err(Error::new(ErrorKind::DuplicateObject, format!("variable \"{}\" already exists", name.text))
                .at(name.span.position()));
        }
        self.0.push((name.text.clone(), binding));
        Ok(())
    }

    /// Adds a variable, or gives it another meaning.
    pub(super) fn set(&mut self, name: &str, binding: Binding) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = binding,
            None => self.0.push((name.to_string(), binding)),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Binding)> {
        self.0.iter()
    }
}

impl Binding {
    /// The node or relationship that it is, if it is one.
    pub(super) fn element(&self) -> Option<&Element> {
        match self {
            Binding::Node(element) | Binding::Relationship(element) => Some(element),
            Binding::Walk(_) | Binding::Path(_) | Binding::Value(_) => None,
        }
    }

    /// The variable that it stands for, where it is one by itself.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Binding::Node(element) | Binding::Relationship(element) => Some(&element.variable),
            Binding::Walk(element) => Some(&element.variable),
            Binding::Value(Value { kind: ValueKind::Variable { name, .. }, .. }) => Some(name),
            Binding::Path(_) | Binding::Value(_) => None,
        }
    }
}

impl Element {
    /// All of it. Where it may be from several tables, their columns are not told apart.
    pub(super) fn part(&self) -> Part {
        let columns = self.only().map(|only| only.table.columns.iter().map(|column| column.name.clone()).collect());
        Part { variable: self.variable.clone(), columns: columns.unwrap_or_default() }
    }

    /// Its table, where there is one.
    pub(super) fn only(&self) -> Option<&Member> {
        match self.members.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The names of its tables.
    pub(super) fn tables(&self) -> Vec<String> {
        self.members.iter().map(|member| member.name.clone()).collect()
    }

    /// What tells it from others of its tables: its key, or where there are several tables its identity. NULL exactly where
    /// the element is missing.
    pub(super) fn key_value(&self) -> Value {
        match self.only() {
            Some(only) => self.column_value(only, &only.key, &only.key_type()),
            None => Value::new(ValueKind::Identity(self.variable.clone()), SqlType::Text),
        }
    }

    /// Whether it is from one of the tables at these places among its own; NULL where it is missing.
    pub(super) fn is_from(&self, places: &BTreeSet<usize>) -> Value {
        if places.is_empty() || places.len() == self.members.len() {
            return self.guard(Value::new(ValueKind::Boolean(!places.is_empty()), SqlType::Boolean));
        }
        self.is_of(places.iter().map(|place| &self.members[*place]))
    }

    fn is_of<'m>(&self, members: impl Iterator<Item = &'m Member>) -> Value {
        let text = |kind: ValueKind| Value::new(kind, SqlType::Text);
        let names = members.map(|member| text(ValueKind::String(member.name.clone()))).collect();
        let table = text(ValueKind::Table(self.variable.clone()));
        Value::new(ValueKind::InItems(Box::new(table), names), SqlType::Boolean)
    }

    /// What its table says; NULL where it is missing.
    pub(super) fn by_table(&self, sql_type: &SqlType, of: impl Fn(&Member) -> ValueKind) -> Value {
        let value = |kind: ValueKind| Value::new(kind, sql_type.clone());
        if let Some(only) = self.only() {
            return self.guard(value(of(only)));
        }
        let branches = self.members.iter().map(|member| (self.is_of(std::iter::once(member)), value(of(member))));
        match branches.collect::<Vec<_>>() {
            none if none.is_empty() => value(ValueKind::Null),
            branches => value(ValueKind::Case { branches, otherwise: Box::new(value(ValueKind::Null)) }),
        }
    }

    /// `value`, or NULL where the element is missing.
    pub(super) fn guard(&self, value: Value) -> Value {
        if !self.optional {
            return value;
        }
        let Some(sql_type) = value.sql_type.clone() else { return value };
        let missing =
            Value::new(ValueKind::IsNull { operand: Box::new(self.key_value()), negated: false }, SqlType::Boolean);
        let null = Value::new(ValueKind::Null, sql_type.clone());
        Value::new(ValueKind::Case { branches: vec![(missing, null)], otherwise: Box::new(value) }, sql_type)
    }

    /// The property `name`; what the index lacks of it is noted.
    pub(super) fn property(&self, name: &Name, unindexed: &mut Unindexed) -> Result<Value> {
        match self.members.as_slice() {
            [] => Ok(Value::null()),
            [only] => self.own_property(only, name, unindexed),
            _ => self.shared_property(name, unindexed),
        }
    }

    /// A property of an element of one table.
    fn own_property(&self, member: &Member, name: &Name, unindexed: &mut Unindexed) -> Result<Value> {
        let Some(column) = member.table.get_column(&name.text) else { return Err(self.no_property(name)) };
        if member.covers(&name.text) {
            return Ok(self.column_value(member, &name.text, &column.sql_type));
        }
        match self.ends.iter().find(|(end, _)| *end == name.text) {
            Some((_, Some(value))) => return Ok(self.guard(value.clone())),
            Some((_, None)) => unindexed.note(|| {
                Error::not_supported(format!("end point \"{}\" of a relationship is not known here", name.text))
                    .with_hint("Write the relationship with an arrow, and use it before WITH; or return the keys of both nodes.")
                    .at(name.span.position())
            }),
            None => unindexed.note(|| member.uncovered(name)),
        }
        Ok(self.column_value(member, &name.text, &column.sql_type))
    }

    /// A property of an element of several tables: of the type that those have in common which have it.
    fn shared_property(&self, name: &Name, unindexed: &mut Unindexed) -> Result<Value> {
        let mut types = Vec::new();
        for member in &self.members {
            match member.table.get_column(&name.text) {
                Some(column) if member.covers(&name.text) => types.push(&column.sql_type),
                Some(column) => {
                    unindexed.note(|| member.uncovered(name));
                    types.push(&column.sql_type);
                }
                None if member.covered.iter().any(|other| other.eq_ignore_ascii_case(&name.text)) => {
                    unindexed.note(|| mistaken(name));
                }
                None => {}
            }
        }
        if types.is_empty() {
            return Err(self.no_property(name));
        }
        if types.iter().any(|sql_type| !same_in_index(sql_type, types[0])) {
            unindexed.note(|| {
                Error::not_supported(format!("property \"{}\" has several types in the graph index", name.text))
                    .with_hint("Write a label in the pattern.")
                    .at(name.span.position())
            });
        }
        let sql_type = common_type(types).ok_or_else(|| {
            Error::not_supported(format!(
                "property \"{}\", which has another type in another table, is not supported",
                name.text
            ))
            .with_hint("Write a label in the pattern.")
            .at(name.span.position())
        })?;
        let kind = ValueKind::Property { variable: self.variable.clone(), column: name.text.clone(), key_of: None };
        Ok(Value::new(kind, sql_type))
    }

    fn no_property(&self, name: &Name) -> Error {
        let error = Error::new(ErrorKind::UndefinedColumn, format!("property \"{}\" does not exist", name.text));
        let columns = self.members.iter().flat_map(|member| &member.table.columns);
        let error = match columns.clone().find(|column| column.name.eq_ignore_ascii_case(&name.text)) {
            Some(column) => error.with_hint(format!("Perhaps you meant \"{}\".", column.name)),
            None => error,
        };
        let error = match self.only() {
            Some(only) => error
                .with_detail(format!("\"{}\" is a table without such a column.", only.table.name))
                .on_table(&only.table.name)
                .on_column(&name.text),
            None => error.with_detail("No table that the element may be from has such a column."),
        };
        error.at(name.span.position())
    }

    fn column_value(&self, member: &Member, column: &str, sql_type: &SqlType) -> Value {
        let key_of = (column == member.key).then_some(member.table.id);
        let kind = ValueKind::Property { variable: self.variable.clone(), column: column.to_string(), key_of };
        Value::new(kind, sql_type.clone())
    }
}

impl Member {
    pub(super) fn key_type(&self) -> SqlType {
        // The key is a column of the table: the graph's definition was checked against it.
        self.table.get_column(&self.key).map_or(SqlType::BigInt, |column| column.sql_type.clone())
    }

    /// Whether the index has a column.
    fn covers(&self, column: &str) -> bool {
        column == self.key || self.covered.iter().any(|other| other == column)
    }

    /// Why the index cannot answer a query with this property.
    fn uncovered(&self, name: &Name) -> Error {
        let table = &self.table.name;
        Error::not_supported(format!("the graph index does not cover property \"{}\" of \"{table}\"", name.text))
            .with_hint(format!(
                "Return the key \"{}\", and join cypher() with table \"{table}\" on it; or list the column under \
                 PROPERTIES when creating the graph.",
                self.key
            ))
            .on_table(table)
            .on_column(&name.text)
            .at(name.span.position())
    }
}

/// Why the index cannot answer a query with a property that it would take for another.
fn mistaken(name: &Name) -> Error {
    Error::not_supported(format!("the graph index has property \"{}\" of one table only", name.text))
        .with_hint("Write a label in the pattern.")
        .at(name.span.position())
}
