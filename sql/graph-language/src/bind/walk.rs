//! What a variable-length relationship asks of each of its relationships: `-[r:knows*1..3 {since: 2020} WHERE r.since > 2000]->`
//!
//! The relationship's variable stands for one of them there, and for nothing else may a condition ask.

use slipstream_engine::{Error, Result};

use super::Binder;
use super::pattern::conjuncts;
use super::scope::{Binding, Element};
use crate::bound::{Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Comparison, Expression, Name, Properties, RelationshipPattern};

impl Binder<'_> {
    /// The conditions inside a variable-length relationship.
    pub(super) fn walk_conditions(&mut self, syntax: &RelationshipPattern, element: &Element) -> Result<Vec<Value>> {
        let mut conditions = Vec::new();
        for (name, expression) in Properties::written(syntax.properties.as_ref()) {
            let right = self.value(expression)?;
            if !right.variables().is_empty() {
                continue; // What depends on the row is asked of the path that was found (`every_equality`).
            }
            let left = element.property(name, &mut self.unindexed)?;
            let equal = self.compare(Comparison::Equal, left, right, expression.span)?;
            conditions.push(of_one(equal, element, expression.span)?);
        }
        for filter in syntax.filter.iter().flat_map(|filter| conjuncts(filter)) {
            let condition = self.condition_on_one(filter, syntax.variable.as_ref(), element)?;
            conditions.push(of_one(condition, element, filter.span)?);
        }
        if conditions.iter().any(names_a_parameter) {
            self.unindexed.note(|| {
                Error::not_supported(
                    "parameters in a condition on each relationship of a path are not supported by the graph index",
                )
                .at(syntax.span.position())
            });
        }
        Ok(conditions)
    }

    /// A condition in which the variable stands for one relationship.
    fn condition_on_one(&mut self, filter: &Expression, variable: Option<&Name>, element: &Element) -> Result<Value> {
        let Some(variable) = variable else { return self.condition(filter) };
        let walk = self.scope.get(&variable.text).cloned();
        self.scope.set(&variable.text, Binding::Relationship(element.clone()));
        let condition = self.condition(filter);
        if let Some(walk) = walk {
            self.scope.set(&variable.text, walk);
        }
        condition
    }
}

fn names_a_parameter(value: &Value) -> bool {
    matches!(value.kind, ValueKind::Parameter(_)) || value.children().into_iter().any(names_a_parameter)
}

fn of_one(condition: Value, element: &Element, span: Span) -> Result<Value> {
    if condition.variables().into_iter().all(|variable| variable == element.variable) {
        return Ok(condition);
    }
    Err(Error::not_supported(
        "a condition in a variable-length relationship on anything but its own properties is not supported",
    )
    .at(span.position()))
}
