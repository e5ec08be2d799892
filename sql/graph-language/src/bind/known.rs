//! What a pattern names that an earlier clause has found: relationships, and values that may be nodes. The pattern finds its
//! elements as ever, and they must be those.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::candidates::Pattern;
use super::scope::{Binding, Element, Scope};
use crate::bound::{BoundRelationship, Function, Value, ValueKind};
use crate::syntax::{Comparison, Expression, Name, Quantifier};

impl Binder<'_> {
    /// Refuses a relationship that stands in two places of a pattern: no relationship is used twice.
    pub(super) fn check_names(&self, pattern: &Pattern<'_>) -> Result<()> {
        let names: Vec<&Name> =
            pattern.relationships.iter().filter_map(|relationship| relationship.syntax.variable.as_ref()).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].iter().any(|other| other.text == name.text) {
                return Err(Error::new(
                    ErrorKind::Syntax,
                    format!("relationship \"{}\" cannot be in more than one place of a pattern", name.text),
                )
                .at(name.span.position()));
            }
        }
        Ok(())
    }

    /// That elements are those which their names stood for before.
    pub(super) fn known_conditions(
        &mut self,
        before: &Scope,
        pattern: &Pattern<'_>,
        nodes: &[Element],
        relationships: &[(BoundRelationship, Element)],
        conditions: &mut Vec<Value>,
        lacks: &mut Vec<Option<Error>>,
    ) -> Result<()> {
        for (relationship, (bound, element)) in pattern.relationships.iter().zip(relationships) {
            let Some(name) = &relationship.syntax.variable else { continue };
            if let (None, Some(Binding::Relationship(known))) = (bound.length, before.get(&name.text)) {
                conditions.push(self.same_element(Comparison::Equal, known, element, name.span)?);
                lacks.push(self.unindexed.take());
            }
        }
        for (node, element) in pattern.nodes.iter().zip(nodes) {
            let Some(name) = node.name else { continue };
            if let Some(Binding::Value(value)) = before.get(&name.text) {
                self.beyond_index("values as nodes of a pattern", name.span);
                conditions.push(is_value(element, value));
                lacks.push(self.unindexed.take());
            }
        }
        Ok(())
    }

    /// Refuses `{name: value}` of the relationships of a shortest path, where the value is another one in each row: the path would
    /// have to be searched for each.
    pub(super) fn refuse_changing(&mut self, properties: &[(Name, Expression)]) -> Result<()> {
        for (name, expression) in properties {
            if !self.value(expression)?.variables().is_empty() {
                return Err(Error::not_supported(
                    "a property of a shortest path that is compared with what is found is not supported",
                )
                .at(name.span.position()));
            }
        }
        Ok(())
    }

    /// `{name: value}` of every relationship of a variable-length one, where the value is another one in each row: a path is
    /// found first, and asked then. Other values narrow what is followed (`walk_conditions`).
    pub(super) fn every_equality(
        &mut self,
        properties: &[(Name, Expression)],
        element: &Element,
        conditions: &mut Vec<Value>,
        lacks: &mut Vec<Option<Error>>,
    ) -> Result<()> {
        for (name, expression) in properties {
            // Whether there is such a property, and whether it compares with the value.
            let property = element.property(name, &mut self.unindexed)?;
            let value = self.value(expression)?;
            if value.variables().is_empty() {
                continue;
            }
            let (_, value) = self.comparable(property, value, expression.span)?;
            let variable = self.fresh('x');
            let local = Value::new(ValueKind::Local(variable.clone()), SqlType::Jsonb);
            let held = self.member_of(local, name, name.span)?;
            let condition = self.compare(Comparison::Equal, held, value, expression.span)?;
            let list = Value::new(ValueKind::Whole(element.part()), SqlType::Jsonb);
            let (list, condition) = (Box::new(list), Box::new(condition));
            let all = ValueKind::Quantified { quantifier: Quantifier::All, variable, list, condition };
            conditions.push(Value::new(all, SqlType::Boolean));
            self.beyond_index("properties of a variable-length relationship", name.span);
            lacks.push(self.unindexed.take());
        }
        Ok(())
    }
}

/// That a node is the one that a value is: by its key where it is of one table.
fn is_value(element: &Element, value: &Value) -> Value {
    let (left, right) = match element.only() {
        Some(only) => {
            let table = Value::new(ValueKind::String(only.name.clone()), SqlType::Text);
            let key = Value::new(ValueKind::Call(Function::KeyIn, vec![value.clone(), table]), SqlType::Jsonb);
            (element.key_value(), key.cast(only.key_type()))
        }
        None => (Value::new(ValueKind::Whole(element.part()), SqlType::Jsonb), value.clone()),
    };
    Value::new(ValueKind::Compare(Comparison::Equal, Box::new(left), Box::new(right)), SqlType::Boolean)
}
