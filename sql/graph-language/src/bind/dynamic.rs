//! Values whose type is known only when the query runs: maps, elements as values, what is taken out of them, and lists of
//! anything. Their static type is `jsonb`.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::Binder;
use super::expression::list_of;
use super::scope::{Binding, Element};
use super::types::{Class, mismatch};
use crate::bound::{Function, Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Arithmetic, Expression, ExpressionKind, LabelExpression, LabelKind, MapProjectionItem, Name};

impl Binder<'_> {
    /// A whole node or relationship.
    pub(super) fn whole(&mut self, element: &Element, span: Span) -> Value {
        self.beyond_index("whole nodes and relationships as values", span);
        Value::new(ValueKind::Whole(element.part()), SqlType::Jsonb)
    }

    /// `{name: a}`
    pub(super) fn map(&mut self, members: &[(Name, Expression)], span: Span) -> Result<Value> {
        self.beyond_index("maps", span);
        let mut bound: Vec<(String, Value)> = Vec::with_capacity(members.len());
        for (name, value) in members {
            let value = self.item_value(value)?;
            let value = self.dynamic(value);
            // The last of several with one name wins.
            bound.retain(|(other, _)| *other != name.text);
            bound.push((name.text.clone(), value));
        }
        Ok(Value::new(ValueKind::Map(bound), SqlType::Jsonb))
    }

    /// `a.name` of a value.
    pub(super) fn member_of(&mut self, value: Value, name: &Name, span: Span) -> Result<Value> {
        if let ValueKind::Map(members) = value.kind {
            let found = members.into_iter().find(|(other, _)| *other == name.text);
            return Ok(match found.map(|(_, value)| value) {
                // What was made dynamic for the map is what it was.
                Some(Value { kind: ValueKind::Cast(value), sql_type: Some(SqlType::Jsonb) }) => *value,
                Some(value) => value,
                None => Value::new(ValueKind::Null, SqlType::Jsonb),
            });
        }
        let index = || Box::new(Value::new(ValueKind::String(name.text.clone()), SqlType::Text));
        let class = value.sql_type.as_ref().map(Class::of);
        match class {
            None | Some(Class::Dynamic) => {
                self.beyond_index("members of maps", span);
                let value = self.dynamic(value);
                Ok(Value::new(ValueKind::Access(Box::new(value), index()), SqlType::Jsonb))
            }
            Some(class) if class.is_temporal() => {
                self.beyond_index("parts of dates and times", span);
                let sql_type =
                    if matches!(name.text.as_str(), "timezone" | "offset") { SqlType::Text } else { SqlType::BigInt };
                Ok(Value::new(ValueKind::Access(Box::new(value), index()), sql_type))
            }
            Some(_) => Err(mismatch("only nodes, relationships and maps have properties", span)),
        }
    }

    /// `a[b]`
    pub(super) fn index(&mut self, value: &Expression, index: &Expression, span: Span) -> Result<Value> {
        if let (Some(_), ExpressionKind::String(name)) = (self.get_element(value), &index.kind) {
            let name = Name { text: name.clone(), span: index.span };
            if let Some(element) = self.get_element(value).cloned() {
                return element.property(&name, &mut self.unindexed);
            }
        }
        self.beyond_index("elements of lists and maps", span);
        let (bound, index_value) = (self.item_value(value)?, self.item_value(index)?);
        let index_class = index_value.sql_type.as_ref().map(Class::of);
        if let Some(SqlType::Array(item)) = bound.sql_type.clone() {
            if !matches!(index_class, None | Some(Class::Integer | Class::Dynamic)) {
                return Err(mismatch("the index of a list must be a whole number", index.span));
            }
            let index = match index_value.sql_type {
                None => self.assume(index_value, &SqlType::BigInt),
                Some(_) => index_value,
            };
            return Ok(Value::new(ValueKind::Access(Box::new(bound), Box::new(index)), *item));
        }
        if !matches!(bound.sql_type.as_ref().map(Class::of), None | Some(Class::Dynamic)) {
            return Err(mismatch("only lists, maps, nodes and relationships have elements", value.span));
        }
        let bound = self.dynamic(bound);
        let index = match index_value.sql_type {
            None => self.assume(index_value, &SqlType::Jsonb),
            Some(_) => index_value,
        };
        Ok(Value::new(ValueKind::Access(Box::new(bound), Box::new(index)), SqlType::Jsonb))
    }

    /// `a[from..to]`
    pub(super) fn slice(
        &mut self,
        list: &Expression,
        from: Option<&Expression>,
        to: Option<&Expression>,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("parts of lists", span);
        let bound = self.item_value(list)?;
        let bound = self.listed(bound, list.span, "[..]")?;
        let sql_type = bound.sql_type.clone().unwrap_or(SqlType::Jsonb);
        let mut end = |end: Option<&Expression>| match end {
            None => Ok(None),
            Some(syntax) => {
                let value = self.item_value(syntax)?;
                let value = self.whole_number(value, syntax.span, "the bound of a list")?;
                Ok::<_, Error>(Some(Box::new(value)))
            }
        };
        let (from, to) = (end(from)?, end(to)?);
        Ok(Value::new(ValueKind::Slice(Box::new(bound), from, to), sql_type))
    }

    /// A list: one of scalars of one type, or a dynamic value.
    pub(super) fn listed(&mut self, value: Value, span: Span, user: &str) -> Result<Value> {
        match value.sql_type.as_ref().map(Class::of) {
            None => Ok(self.assume(value, &SqlType::Jsonb)),
            Some(Class::List | Class::Dynamic) => Ok(value),
            Some(_) => Err(mismatch(format!("{user} needs a list"), span)),
        }
    }

    /// A whole number, or a dynamic value.
    pub(super) fn whole_number(&mut self, value: Value, span: Span, user: &str) -> Result<Value> {
        match value.sql_type.as_ref().map(Class::of) {
            None => Ok(self.assume(value, &SqlType::BigInt)),
            Some(Class::Integer) => Ok(value.cast(SqlType::BigInt)),
            Some(Class::Dynamic) => Ok(value),
            Some(_) => Err(mismatch(format!("{user} must be a whole number"), span)),
        }
    }

    /// `n {.name, .*, other: a, b}`
    pub(super) fn map_projection(&mut self, variable: &Name, items: &[MapProjectionItem], span: Span) -> Result<Value> {
        self.beyond_index("maps", span);
        let owner = Expression::new(ExpressionKind::Variable(variable.text.clone()), variable.span)?;
        let mut maps = Vec::new();
        let mut members: Vec<(String, Value)> = Vec::new();
        for item in items {
            let (name, value) = match item {
                MapProjectionItem::Property(name) => (name.text.clone(), self.projected(&owner, name)?),
                MapProjectionItem::Entry(name, value) => (name.text.clone(), self.item_value(value)?),
                MapProjectionItem::Variable(name) => {
                    let value = Expression::new(ExpressionKind::Variable(name.text.clone()), name.span)?;
                    (name.text.clone(), self.item_value(&value)?)
                }
                MapProjectionItem::All(_) => {
                    if !members.is_empty() {
                        let before = ValueKind::Map(std::mem::take(&mut members));
                        maps.push(Value::new(before, SqlType::Jsonb));
                    }
                    let whole = self.item_value(&owner)?;
                    let whole = self.dynamic(whole);
                    maps.push(Value::new(ValueKind::Call(Function::Properties, vec![whole]), SqlType::Jsonb));
                    continue;
                }
            };
            members.retain(|(other, _)| *other != name);
            members.push((name, self.dynamic(value)));
        }
        maps.push(Value::new(ValueKind::Map(members), SqlType::Jsonb));
        let merged = Value::new(ValueKind::Call(Function::Merge, maps), SqlType::Jsonb);
        match self.scope.binding(&variable.text, variable.span)?.clone() {
            Binding::Node(element) | Binding::Relationship(element) => Ok(element.guard(merged)),
            _ => {
                let owner = self.item_value(&owner)?;
                let missing =
                    Value::new(ValueKind::IsNull { operand: Box::new(owner), negated: false }, SqlType::Boolean);
                let null = Value::new(ValueKind::Null, SqlType::Jsonb);
                let case = ValueKind::Case { branches: vec![(missing, null)], otherwise: Box::new(merged) };
                Ok(Value::new(case, SqlType::Jsonb))
            }
        }
    }

    fn projected(&mut self, owner: &Expression, name: &Name) -> Result<Value> {
        let property = Expression::new(ExpressionKind::Property(Box::new(owner.clone()), name.clone()), name.span)?;
        self.item_value(&property)
    }

    /// `n:label`
    pub(super) fn has_labels(&mut self, operand: &Expression, labels: &LabelExpression, span: Span) -> Result<Value> {
        if let Some(element) = self.get_element(operand).cloned() {
            let fitting = self.fitting_members(&element, labels)?;
            return Ok(element.is_from(&fitting));
        }
        self.beyond_index("labels of values", span);
        let value = self.item_value(operand)?;
        let value = match value.sql_type.as_ref().map(Class::of) {
            None | Some(Class::Dynamic) => self.dynamic(value),
            Some(_) => return Err(mismatch("a label needs a node or a relationship", operand.span)),
        };
        Ok(labelled(&value, labels))
    }

    /// `+` of lists, and every operator between values of which one is dynamic.
    pub(super) fn dynamic_arithmetic(
        &mut self,
        operator: Arithmetic,
        left: Value,
        right: Value,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("arithmetic of dynamic values", span);
        let list = |value: &Value| match &value.sql_type {
            Some(SqlType::Array(item)) => Some(item.as_ref().clone()),
            _ => None,
        };
        let dynamic = [&left, &right].iter().any(|value| value.sql_type == Some(SqlType::Jsonb));
        let sql_type = match (operator, list(&left), list(&right)) {
            (_, None, None) => SqlType::Jsonb,
            (Arithmetic::Add, _, _) if dynamic => SqlType::Jsonb,
            (Arithmetic::Add, Some(one), Some(other)) if one == other => list_of(one),
            (Arithmetic::Add, Some(item), None) if is_like(&item, &right) => list_of(item),
            (Arithmetic::Add, None, Some(item)) if is_like(&item, &left) => list_of(item),
            (Arithmetic::Add, ..) => SqlType::Jsonb,
            _ => return Err(mismatch(format!("\"{}\" does not go with lists", operator.symbol()), span)),
        };
        let (left, right) = (self.typed(left), self.typed(right));
        Ok(Value::new(ValueKind::Arithmetic(operator, Box::new(left), Box::new(right)), sql_type))
    }

    /// A value of a known type: a dynamic one where nothing says it.
    fn typed(&mut self, value: Value) -> Value {
        if value.sql_type.is_none() { self.assume(value, &SqlType::Jsonb) } else { value }
    }

    /// `+`, `-`, `*` and `/` of dates, times and durations.
    pub(super) fn temporal_arithmetic(
        &mut self,
        operator: Arithmetic,
        left: Value,
        right: Value,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("arithmetic of dates and times", span);
        let (left, right) = (self.towards_interval(left), self.towards_interval(right));
        let class = |value: &Value| value.sql_type.as_ref().map_or(Class::Opaque, Class::of);
        let sql_type = |value: &Value| value.sql_type.clone().unwrap_or(SqlType::Interval);
        let result = match (operator, class(&left), class(&right)) {
            (Arithmetic::Add | Arithmetic::Subtract, one, Class::Interval) if one.is_temporal() => sql_type(&left),
            (Arithmetic::Add, Class::Interval, other) if other.is_temporal() => sql_type(&right),
            (Arithmetic::Multiply | Arithmetic::Divide, Class::Interval, other) if other.is_number() => {
                SqlType::Interval
            }
            (Arithmetic::Multiply, one, Class::Interval) if one.is_number() => SqlType::Interval,
            _ => {
                return Err(mismatch(
                    format!(
                        "\"{}\" does not go between {} and {}",
                        operator.symbol(),
                        sql_type(&left),
                        sql_type(&right)
                    ),
                    span,
                ));
            }
        };
        Ok(Value::new(ValueKind::Arithmetic(operator, Box::new(left), Box::new(right)), result))
    }

    fn towards_interval(&mut self, value: Value) -> Value {
        if value.sql_type.is_none() { self.assume(value, &SqlType::Interval) } else { value }
    }

    /// `a =~ b`
    pub(super) fn regular_expression(&mut self, left: &Expression, right: &Expression, span: Span) -> Result<Value> {
        self.beyond_index("regular expressions", span);
        let (subject, pattern) = (self.item_value(left)?, self.item_value(right)?);
        let subject = self.text(subject, left.span, "=~")?;
        let pattern = self.text(pattern, right.span, "=~")?;
        Ok(Value::new(ValueKind::Pattern(Box::new(subject), Box::new(pattern)), SqlType::Boolean))
    }
}

/// Whether a value can be an element of a list of `item` as it is.
fn is_like(item: &SqlType, value: &Value) -> bool {
    value.sql_type.as_ref().is_none_or(|sql_type| sql_type == item)
}

/// Whether a dynamic value is an element that an expression over labels admits.
fn labelled(value: &Value, expression: &LabelExpression) -> Value {
    let all = |parts: &[LabelExpression]| parts.iter().map(|part| labelled(value, part)).collect();
    let kind = match &expression.kind {
        LabelKind::Label(label) => {
            let label = Value::new(ValueKind::String(label.clone()), SqlType::Text);
            ValueKind::Call(Function::HasLabel, vec![value.clone(), label])
        }
        LabelKind::Any => {
            let labels = ValueKind::Call(Function::Labels, vec![value.clone()]);
            let labels = Value::new(labels, SqlType::Array(Box::new(SqlType::Text)));
            let empty = Value::new(ValueKind::Call(Function::IsEmpty, vec![labels]), SqlType::Boolean);
            ValueKind::Not(Box::new(empty))
        }
        LabelKind::Not(operand) => ValueKind::Not(Box::new(labelled(value, operand))),
        LabelKind::And(parts) => ValueKind::And(all(parts)),
        LabelKind::Or(parts) => ValueKind::Or(all(parts)),
    };
    Value::new(kind, SqlType::Boolean)
}
