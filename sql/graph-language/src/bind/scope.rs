//! What the variables of a query stand for.

use std::sync::Arc;

use slipstream_engine::catalog::TableDefinition;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Unindexed;
use crate::bound::{Value, ValueKind};
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
    Walk(String),
    /// A path; all that can be asked of it is its length.
    Path(Value),
    /// A value.
    Value(Value),
}

/// A node or relationship: a row of a vertex or edge table.
#[derive(Debug, Clone)]
pub(super) struct Element {
    /// Its variable in the bound query.
    pub(super) variable: String,
    /// Its label.
    pub(super) label: String,
    /// Its table.
    pub(super) table: Arc<TableDefinition>,
    /// The key column.
    pub(super) key: String,
    /// The columns that the index covers.
    pub(super) covered: Vec<String>,
    /// Whether it may be missing, because its MATCH is optional.
    pub(super) optional: bool,
    /// The end points of a relationship: column and, where its direction is known, the key that it holds.
    pub(super) ends: Vec<(String, Option<Value>)>,
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
            Binding::Walk(variable) => Some(variable),
            Binding::Value(Value { kind: ValueKind::Variable { name, .. }, .. }) => Some(name),
            Binding::Path(_) | Binding::Value(_) => None,
        }
    }
}

impl Element {
    /// Its key: NULL exactly where the element is missing.
    pub(super) fn key_value(&self) -> Value {
        self.column_value(&self.key, &self.key_type())
    }

    fn key_type(&self) -> SqlType {
        // The key is a column of the table: the graph's definition was checked against it.
        self.table.get_column(&self.key).map_or(SqlType::BigInt, |column| column.sql_type.clone())
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
        let Some(column) = self.table.get_column(&name.text) else {
            let error = Error::new(ErrorKind::UndefinedColumn, format!("property \"{}\" does not exist", name.text));
            let error = match self.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name.text)) {
                Some(column) => error.with_hint(format!("Perhaps you meant \"{}\".", column.name)),
                None => error,
            };
            return Err(error
                .with_detail(format!("\"{}\" is a table without such a column.", self.table.name))
                .on_table(&self.table.name)
                .on_column(&name.text)
                .at(name.span.position()));
        };
        if name.text == self.key || self.covered.contains(&name.text) {
            return Ok(self.column_value(&name.text, &column.sql_type));
        }
        match self.ends.iter().find(|(end, _)| *end == name.text) {
            Some((_, Some(value))) => return Ok(self.guard(value.clone())),
            Some((_, None)) => unindexed.note(|| {
                Error::not_supported(format!("end point \"{}\" of a relationship is not known here", name.text))
                    .with_hint("Write the relationship with an arrow, and use it before WITH; or return the keys of both nodes.")
                    .at(name.span.position())
            }),
            None => unindexed.note(|| self.uncovered(name)),
        }
        Ok(self.column_value(&name.text, &column.sql_type))
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

    fn column_value(&self, column: &str, sql_type: &SqlType) -> Value {
        let key_of = (column == self.key).then_some(self.table.id);
        let kind = ValueKind::Property { variable: self.variable.clone(), column: column.to_string(), key_of };
        Value::new(kind, sql_type.clone())
    }
}
