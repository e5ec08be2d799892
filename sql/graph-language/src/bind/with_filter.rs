//! The condition of WITH: `WITH a.name AS name WHERE a.age > 30`.
//!
//! It sees the items under their names, and what they were made from: where no rows became one, the variables before WITH,
//! else the expressions that the items hold.

use slipstream_engine::Result;

use super::Binder;
use super::aggregate::{depends_on_row, find, is_aggregate};
use super::scope::Scope;
use crate::bound::{BoundProjection, Value};
use crate::syntax::{Clause, Expression, ExpressionKind, Item, Name, Projection};

impl Binder<'_> {
    /// A WITH whose condition needs variables that it does not pass on, as two: one that passes them on, and one that drops
    /// them.
    pub(super) fn passing_on(&self, clause: &Clause) -> Option<[Clause; 2]> {
        let Clause::With(projection, Some(filter)) = clause else { return None };
        if projection.distinct || projection.star.is_some() || projection.items.iter().any(aggregates) {
            return None;
        }
        let names: Vec<String> = projection.items.iter().filter_map(name_of).collect();
        let mut hidden = Vec::new();
        variables(filter, &mut |variable| {
            let known = names.iter().chain(&hidden).any(|name| name == variable);
            if !known && self.scope.get(variable).is_some() {
                hidden.push(variable.to_string());
            }
        });
        if hidden.is_empty() {
            return None;
        }
        let variable = |text: String| -> Option<Item> {
            let expression = Expression::new(ExpressionKind::Variable(text.clone()), projection.span).ok()?;
            Some(Item { expression, alias: Some(Name { text: text.clone(), span: projection.span }), text })
        };
        let mut first = projection.clone();
        for name in hidden {
            first.items.push(variable(name)?);
        }
        let items = names.into_iter().map(variable).collect::<Option<Vec<_>>>()?;
        let span = projection.span;
        let second =
            Projection { span, distinct: false, star: None, items, order: Vec::new(), skip: None, limit: None };
        Some([Clause::With(first, Some(filter.clone())), Clause::With(second, None)])
    }

    /// The condition behind a projection that is bound; `before` is what its items saw.
    pub(super) fn condition_after(
        &mut self,
        filter: &Expression,
        before: &Scope,
        projection: &BoundProjection,
    ) -> Result<Value> {
        let after = self.scope.clone();
        let mut hidden = false;
        variables(filter, &mut |variable| hidden |= after.get(variable).is_none() && before.get(variable).is_some());
        if !hidden {
            return self.condition(filter);
        }
        self.scope = before.clone();
        for (name, binding) in after.iter() {
            self.scope.set(name, binding.clone());
        }
        let condition = self.condition(filter);
        self.scope = after;
        let items: Vec<_> = projection.stage.iter().chain(&projection.items).cloned().collect();
        let condition = condition?.replace(&|part| find(&items, part));
        if depends_on_row(&condition, &items) {
            // What it needs is gone: say so.
            return self.condition(filter);
        }
        Ok(condition)
    }
}

/// The name of an item behind WITH.
fn name_of(item: &Item) -> Option<String> {
    match (&item.alias, &item.expression.kind) {
        (Some(alias), _) => Some(alias.text.clone()),
        (None, ExpressionKind::Variable(name)) => Some(name.clone()),
        (None, _) => None,
    }
}

fn aggregates(item: &Item) -> bool {
    fn within(expression: &Expression) -> bool {
        match &expression.kind {
            ExpressionKind::CountRows => true,
            ExpressionKind::Call { name, .. } if is_aggregate(&name.text.to_lowercase()) => true,
            kind => kind.children().into_iter().any(within),
        }
    }
    within(&item.expression)
}

fn variables(expression: &Expression, found: &mut impl FnMut(&str)) {
    if let ExpressionKind::Variable(name) = &expression.kind {
        found(name);
    }
    for child in expression.kind.children() {
        variables(child, found);
    }
}
