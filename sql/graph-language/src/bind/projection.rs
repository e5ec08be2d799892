//! WITH and RETURN: items, grouping, order, and the scope that they leave.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::aggregate::{depends_on_row, find, find_beside_aggregate};
use super::scope::{Binding, Element, Scope};
use super::types::{Class, mismatch};
use crate::bound::{BoundItem, BoundProjection, Output, Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Expression, ExpressionKind, Item, Name, Projection, SortItem};

/// Items bound, with the scope that they make.
#[derive(Default)]
struct Items {
    bound: Vec<BoundItem>,
    /// Where each of them stands.
    spans: Vec<Span>,
    /// What the index lacks of each.
    lacks: Vec<Option<Error>>,
    scope: Scope,
}

impl Binder<'_> {
    pub(super) fn with(&mut self, projection: &Projection) -> Result<BoundProjection> {
        if let (Some(order), None, None) = (projection.order.first(), &projection.skip, &projection.limit) {
            self.beyond_index("ORDER BY in WITH without SKIP or LIMIT", order.expression.span);
        }
        let mut items = Items::default();
        if let Some(star) = projection.star {
            self.pass_on_all(&mut items, star)?;
        }
        for item in &projection.items {
            self.with_item(item, &mut items)?;
        }
        let scope = items.scope.clone();
        let bound = self.projection(projection, items)?;
        self.scope = scope;
        self.identity = self.identity_after(&bound);
        Ok(bound)
    }

    /// What tells rows apart after a projection: all of it where it made them different, else what did before, as far as
    /// that was passed on.
    fn identity_after(&self, projection: &BoundProjection) -> Option<Vec<String>> {
        let aggregated = |item: &BoundItem| matches!(item, BoundItem::Value { value, .. } if value.has_aggregate());
        if projection.distinct || projection.stage.iter().chain(&projection.items).any(aggregated) {
            return Some(projection.items.iter().map(|item| item.variable().to_string()).collect());
        }
        let passed_on = |name: &String| {
            projection.items.iter().find(|item| match item {
                BoundItem::Variable(variable) => variable == name,
                BoundItem::Value { value, .. } => {
                    matches!(&value.kind, ValueKind::Variable { name: other, .. } if other == name)
                }
            })
        };
        self.identity.as_ref()?.iter().map(|name| passed_on(name).map(|item| item.variable().to_string())).collect()
    }

    pub(super) fn return_clause(&mut self, projection: &Projection) -> Result<BoundProjection> {
        let mut items = Items::default();
        if let Some(star) = projection.star {
            self.return_all(&mut items, star)?;
        }
        let star_names: Vec<String> = items.scope.iter().map(|(name, _)| name.clone()).collect();
        for item in &projection.items {
            let alias =
                item.alias.clone().unwrap_or_else(|| Name { text: item.text.clone(), span: item.expression.span });
            self.value_item(&item.expression, &alias, &mut items)?;
        }
        let names = self.output_names(projection, star_names)?;
        self.outputs = names
            .into_iter()
            .zip(&items.bound)
            .filter_map(|(name, item)| match item {
                BoundItem::Variable(_) => None,
                BoundItem::Value { value, .. } => {
                    Some(Output { name, sql_type: value.sql_type.clone()?, key: value.key() })
                }
            })
            .collect();
        self.projection(projection, items)
    }

    /// `*` of RETURN: what has a name.
    fn return_all(&mut self, items: &mut Items, span: Span) -> Result<()> {
        let names: Vec<String> = self.scope.iter().map(|(name, _)| name.clone()).collect();
        if names.is_empty() {
            return Err(Error::new(ErrorKind::Syntax, "\"*\" needs variables, and there are none").at(span.position()));
        }
        for text in names {
            let expression = Expression::new(ExpressionKind::Variable(text.clone()), span)?;
            self.value_item(&expression, &Name { text, span }, items)?;
        }
        Ok(())
    }

    /// `*`
    fn pass_on_all(&mut self, items: &mut Items, span: Span) -> Result<()> {
        let all: Vec<(String, Binding)> = self.scope.iter().cloned().collect();
        if all.is_empty() {
            // Rows without columns would be lost.
            let value = Value::new(ValueKind::Integer(1), SqlType::BigInt);
            let variable = self.fresh('v');
            items.push(BoundItem::Value { value, variable }, span, None);
        }
        for (text, binding) in all {
            self.pass_on(&Name { text, span }, binding, items)?;
        }
        Ok(())
    }

    /// Passes a variable on under a name.
    fn pass_on(&mut self, name: &Name, binding: Binding, items: &mut Items) -> Result<()> {
        match binding {
            Binding::Node(element) => {
                items.push_element(&element, name.span);
                items.introduce(name, Binding::Node(element))
            }
            Binding::Relationship(mut element) => {
                items.push_element(&element, name.span);
                // Its nodes need not be passed on with it.
                for (_, end) in &mut element.ends {
                    *end = None;
                }
                items.introduce(name, Binding::Relationship(element))
            }
            Binding::Value(value) => self.pass_on_value(name, value, items),
            Binding::Walk(walk) => {
                self.beyond_index("WITH of a variable-length relationship", name.span);
                items.push_variable(&walk.variable, name.span);
                items.introduce(name, Binding::Walk(walk))
            }
            Binding::Path(path) => {
                self.beyond_index("WITH of a path", name.span);
                for part in &path.parts {
                    items.push_variable(&part.variable, name.span);
                }
                items.introduce(name, Binding::Path(path))
            }
        }
    }

    fn with_item(&mut self, item: &Item, items: &mut Items) -> Result<()> {
        if let ExpressionKind::Variable(variable) = &item.expression.kind {
            let binding = self.scope.binding(variable, item.expression.span)?.clone();
            let own = Name { text: variable.clone(), span: item.expression.span };
            return self.pass_on(item.alias.as_ref().unwrap_or(&own), binding, items);
        }
        let Some(alias) = &item.alias else {
            return Err(Error::new(ErrorKind::Syntax, "an expression in WITH needs a name: use AS")
                .at(item.expression.span.position()));
        };
        self.value_item(&item.expression, alias, items)
    }

    fn value_item(&mut self, expression: &Expression, name: &Name, items: &mut Items) -> Result<()> {
        let value = self.item_value(expression)?;
        let value = if value.sql_type.is_none() { self.assume(value, &SqlType::Text) } else { value };
        if let (ExpressionKind::Variable(variable), ValueKind::Whole(_)) = (&expression.kind, &value.kind) {
            // ORDER BY still sees the element.
            let binding = self.scope.binding(variable, expression.span)?.clone();
            let variable = self.fresh('v');
            items.push(BoundItem::Value { value, variable }, name.span, self.unindexed.take());
            return items.introduce(name, binding);
        }
        self.pass_on_value(name, value, items)
    }

    fn pass_on_value(&mut self, name: &Name, value: Value, items: &mut Items) -> Result<()> {
        let variable = self.fresh('v');
        let kind = ValueKind::Variable { name: variable.clone(), key: value.key() };
        let binding = Binding::Value(Value { kind, sql_type: value.sql_type.clone() });
        items.push(BoundItem::Value { value, variable }, name.span, self.unindexed.take());
        items.introduce(name, binding)
    }

    /// Grouping, order and limits around the items.
    fn projection(&mut self, projection: &Projection, mut items: Items) -> Result<BoundProjection> {
        let grouped =
            items.bound.iter().any(|item| matches!(item, BoundItem::Value { value, .. } if value.has_aggregate()));
        let written = items.bound.clone();
        let stage = self.split_aggregates(&mut items.bound, &items.spans)?;
        self.item_lacks = items.lacks;
        let order = projection
            .order
            .iter()
            .map(|sort| self.sort_item(sort, &written, &items.scope, grouped, projection.distinct))
            .collect::<Result<Vec<_>>>()?;
        Ok(BoundProjection {
            stage,
            distinct: projection.distinct,
            items: items.bound,
            order,
            skip: self.row_count(projection.skip.as_ref(), "SKIP")?,
            limit: self.row_count(projection.limit.as_ref(), "LIMIT")?,
        })
    }

    /// An item of ORDER BY. It sees the items under their names before it sees the variables that they were made from;
    /// after grouping or DISTINCT only what is in the items is left.
    fn sort_item(
        &mut self,
        sort: &SortItem,
        items: &[BoundItem],
        names: &Scope,
        grouped: bool,
        distinct: bool,
    ) -> Result<(Value, bool)> {
        let span = sort.expression.span;
        let before = self.scope.clone();
        for (name, binding) in names.iter() {
            self.scope.set(name, binding.clone());
        }
        let value = match self.get_element(&sort.expression) {
            Some(element) => Ok(element.key_value()),
            None => self.item_value(&sort.expression),
        };
        self.scope = before;
        let value = value?;
        let mixed = value.has_aggregate() && !matches!(value.kind, ValueKind::Aggregate { .. });
        let value = match find(items, &value) {
            Some(item) => item,
            None if mixed => value.replace(&|part| find_beside_aggregate(items, part)),
            None => value.replace(&|part| find(items, part)),
        };
        if value.has_aggregate() || ((grouped || distinct) && depends_on_row(&value, items)) {
            let clause = if distinct { "with DISTINCT" } else { "beside aggregates" };
            return Err(Error::new(ErrorKind::Grouping, format!("{clause}, ORDER BY can only use what is returned"))
                .at(span.position()));
        }
        let value = if value.sql_type.is_none() { self.assume(value, &SqlType::Text) } else { value };
        match &value.sql_type {
            Some(sql_type) if !Class::of(sql_type).is_ordered() => {
                Err(mismatch(format!("values of type {sql_type} have no order"), span))
            }
            sql_type => {
                if !sql_type.as_ref().is_none_or(|sql_type| Class::of(sql_type).is_plain()) {
                    self.beyond_index("the order of lists and dynamic values", span);
                }
                Ok((value, sort.descending))
            }
        }
    }

    /// The number of SKIP or LIMIT: a whole number or a parameter.
    fn row_count(&mut self, expression: Option<&Expression>, clause: &str) -> Result<Option<Value>> {
        let Some(expression) = expression else { return Ok(None) };
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::Integer(count) if *count < 0 => {
                Err(Error::new(ErrorKind::InvalidParameter, format!("{clause} must not be negative"))
                    .at(span.position()))
            }
            ExpressionKind::Integer(_) => self.value(expression).map(Some),
            ExpressionKind::Parameter(_) => {
                let value = self.value(expression)?;
                let value = self.towards(value, Some(&SqlType::BigInt), span)?;
                if value.sql_type == Some(SqlType::BigInt) {
                    return Ok(Some(value));
                }
                Err(mismatch(format!("{clause} needs a whole number"), span))
            }
            _ => {
                self.beyond_index("numbers of rows", span);
                let value = self.value(expression)?;
                if !value.variables().is_empty() || matches!(value.kind, ValueKind::Subquery(_)) {
                    return Err(Error::new(ErrorKind::Syntax, format!("{clause} must be the same for all rows"))
                        .at(span.position()));
                }
                let value = self.whole_number(value, span, clause)?;
                Ok(Some(value.cast(SqlType::BigInt)))
            }
        }
    }

    /// The names of the columns that come back: the alias; else what SQL would call the expression, which is the
    /// property or the function; else, and where two would be the same, its text.
    fn output_names(&self, projection: &Projection, star_names: Vec<String>) -> Result<Vec<String>> {
        let short: Vec<(String, bool)> = star_names
            .into_iter()
            .map(|name| (name, true))
            .chain(projection.items.iter().map(|item| match &item.alias {
                Some(alias) => (alias.text.clone(), true),
                None => (short_name(item), false),
            }))
            .collect();
        let texts = short.len() - projection.items.len();
        let mut names: Vec<String> = Vec::with_capacity(short.len());
        for (at, (name, fixed)) in short.iter().enumerate() {
            let shared = short.iter().filter(|(other, _)| other == name).count() > 1;
            let name = if shared && !fixed { projection.items[at - texts].text.clone() } else { name.clone() };
            if names.contains(&name) {
                let span = projection.items.get(at - texts).map_or(projection.span, |item| item.expression.span);
                return Err(Error::new(
                    ErrorKind::DuplicateColumn,
                    format!("column name \"{name}\" is returned twice"),
                )
                .with_hint("Give one of them another name with AS.")
                .at(span.position()));
            }
            names.push(name);
        }
        Ok(names)
    }
}

fn short_name(item: &Item) -> String {
    match &item.expression.kind {
        ExpressionKind::Property(_, name) => name.text.clone(),
        ExpressionKind::Call { name, .. } => name.text.to_lowercase(),
        ExpressionKind::CountRows => "count".to_string(),
        _ => item.text.clone(),
    }
}

impl Items {
    fn push(&mut self, item: BoundItem, span: Span, lack: Option<Error>) {
        self.bound.push(item);
        self.spans.push(span);
        self.lacks.push(lack);
    }

    fn introduce(&mut self, name: &Name, binding: Binding) -> Result<()> {
        self.scope.introduce(name, binding).map_err(|_| {
            Error::new(ErrorKind::DuplicateColumn, format!("column name \"{}\" is specified more than once", name.text))
                .at(name.span.position())
        })
    }

    /// Adds an element, which goes on only once whatever its names.
    fn push_element(&mut self, element: &Element, span: Span) {
        self.push_variable(&element.variable, span);
    }

    fn push_variable(&mut self, variable: &str, span: Span) {
        if !self.holds(variable) {
            self.push(BoundItem::Variable(variable.to_string()), span, None);
        }
    }

    fn holds(&self, variable: &str) -> bool {
        self.bound.iter().any(|item| matches!(item, BoundItem::Variable(held) if held == variable))
    }
}
