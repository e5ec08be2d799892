//! Relationships without an arrow, once each is kept only once.
//!
//! The index finds a relationship from a node to itself along both of its ways, and one that it holds as a whole remembers the
//! way: `DISTINCT` would keep both. So after their MATCH such relationships are left as the values of their columns, under
//! variables of their own, and whatever comes then uses those.

use std::collections::HashMap;

use slipstream_engine::types::SqlType;

use crate::bound::{BoundClause, BoundItem, BoundMatch, BoundProjection, BoundRelationship, Value, ValueKind};
use crate::cover::Cover;
use crate::syntax::Direction;

/// The columns of relationships, and the variables that hold them.
#[derive(Debug, Default)]
pub(super) struct Detached(HashMap<String, Vec<(Value, String)>>);

impl Detached {
    /// Notes the relationships of a deduplicated pattern that are left as columns.
    pub(super) fn note(&mut self, pattern: &BoundMatch, cover: &Cover<'_>) {
        for relationship in pattern.each_relationship() {
            if relationship.direction == Direction::Either && relationship.length.is_none() {
                let columns = columns_of(relationship, cover).into_iter().enumerate();
                let columns = columns.map(|(at, value)| (value, format!("{}_{at}", relationship.variable)));
                self.0.insert(relationship.variable.clone(), columns.collect());
            }
        }
    }

    /// What is kept of a deduplicated pattern. Those of its relationships that are left as columns are read for the last time.
    pub(super) fn kept(&self, pattern: &BoundMatch) -> Vec<BoundItem> {
        let new = pattern.introduced();
        let items = pattern.deduplicate.iter().flat_map(|variable| match self.0.get(variable) {
            Some(columns) if new.contains(variable.as_str()) => columns.iter().map(read).collect(),
            Some(columns) => columns.iter().map(|(_, variable)| BoundItem::Variable(variable.clone())).collect(),
            None => vec![BoundItem::Variable(variable.clone())],
        });
        items.collect()
    }

    /// A clause in terms of the variables that there are.
    pub(super) fn clause(&self, clause: &BoundClause) -> BoundClause {
        match clause.clone() {
            BoundClause::Match(mut pattern) => {
                pattern.conditions = pattern.conditions.into_iter().map(|condition| self.value(condition)).collect();
                BoundClause::Match(pattern)
            }
            BoundClause::Unwind { list, variable } => BoundClause::Unwind { list: self.value(list), variable },
            BoundClause::With(projection, filter) => {
                BoundClause::With(self.projection(projection), filter.map(|filter| self.value(filter)))
            }
            BoundClause::Return(projection) => BoundClause::Return(self.projection(projection)),
            // Nothing of a query that writes goes to the index.
            writing @ (BoundClause::Create(_)
            | BoundClause::Merge(_)
            | BoundClause::Set(_)
            | BoundClause::Delete { .. }) => writing,
        }
    }

    /// A value in terms of the variables that there are.
    pub(super) fn value(&self, value: Value) -> Value {
        if self.0.is_empty() {
            return value;
        }
        value.replace(&|part| {
            let (ValueKind::Property { variable, .. } | ValueKind::Identity(variable) | ValueKind::Table(variable)) =
                &part.kind
            else {
                return None;
            };
            let (_, name) = self.0.get(variable)?.iter().find(|(value, _)| same(value, part))?;
            let kind = ValueKind::Variable { name: name.clone(), key: part.key() };
            Some(Value { kind, sql_type: part.sql_type.clone() })
        })
    }

    fn projection(&self, projection: BoundProjection) -> BoundProjection {
        let items = |items: Vec<BoundItem>| items.into_iter().flat_map(|item| self.item(item)).collect();
        BoundProjection {
            stage: items(projection.stage),
            items: items(projection.items),
            order: projection.order.into_iter().map(|(value, descending)| (self.value(value), descending)).collect(),
            ..projection
        }
    }

    fn item(&self, item: BoundItem) -> Vec<BoundItem> {
        match item {
            BoundItem::Variable(variable) => match self.0.get(&variable) {
                Some(columns) => columns.iter().map(|(_, name)| BoundItem::Variable(name.clone())).collect(),
                None => vec![BoundItem::Variable(variable)],
            },
            BoundItem::Value { value, variable } => vec![BoundItem::Value { value: self.value(value), variable }],
        }
    }
}

/// What is read of a relationship. One of several tables has an identity, and its table.
fn columns_of(relationship: &BoundRelationship, cover: &Cover<'_>) -> Vec<Value> {
    let variable = || relationship.variable.clone();
    let text = |kind: ValueKind| Value::new(kind, SqlType::Text);
    let mut columns = Vec::new();
    if relationship.tables.len() > 1 {
        columns.extend([text(ValueKind::Identity(variable())), text(ValueKind::Table(variable()))]);
    }
    columns.extend(cover.columns(&relationship.tables).into_iter().map(|(column, sql_type)| {
        Value::new(ValueKind::Property { variable: variable(), column, key_of: None }, sql_type)
    }));
    columns
}

/// Whether two values are the same of one relationship.
fn same(one: &Value, other: &Value) -> bool {
    match (&one.kind, &other.kind) {
        (ValueKind::Property { column, .. }, ValueKind::Property { column: other, .. }) => column == other,
        (ValueKind::Identity(_), ValueKind::Identity(_)) | (ValueKind::Table(_), ValueKind::Table(_)) => true,
        _ => false,
    }
}

fn read((value, variable): &(Value, String)) -> BoundItem {
    BoundItem::Value { value: value.clone(), variable: variable.clone() }
}
