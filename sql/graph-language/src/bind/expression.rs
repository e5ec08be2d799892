//! Expressions: values with types.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::scope::{Binding, Element};
use super::types::{Class, mismatch};
use crate::bound::{Function, Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Arithmetic, BinaryOperator, Comparison, Expression, ExpressionKind, Name, StringMatch};

impl Binder<'_> {
    /// A condition: a boolean without aggregates.
    pub(super) fn condition(&mut self, expression: &Expression) -> Result<Value> {
        let value = self.value(expression)?;
        self.boolean(value, expression.span, "WHERE")
    }

    /// A value without aggregates.
    pub(super) fn value(&mut self, expression: &Expression) -> Result<Value> {
        let value = self.item_value(expression)?;
        if value.has_aggregate() {
            return Err(Error::new(ErrorKind::Grouping, "aggregate functions are not allowed here")
                .with_hint("Compute it in WITH or RETURN.")
                .at(expression.span.position()));
        }
        Ok(value)
    }

    /// A value that may be computed with aggregates: an item of a projection.
    pub(super) fn item_value(&mut self, expression: &Expression) -> Result<Value> {
        let span = expression.span;
        match &expression.kind {
            ExpressionKind::Null => Ok(Value::null()),
            ExpressionKind::Boolean(value) => Ok(Value::new(ValueKind::Boolean(*value), SqlType::Boolean)),
            ExpressionKind::Integer(value) => Ok(Value::new(ValueKind::Integer(*value), SqlType::BigInt)),
            ExpressionKind::Float(value) => Ok(Value::new(ValueKind::Float(*value), SqlType::Double)),
            ExpressionKind::String(value) => Ok(Value::new(ValueKind::String(value.clone()), SqlType::Text)),
            ExpressionKind::Parameter(name) => {
                let sql_type = self.parameters.reference(name, span)?;
                Ok(Value { kind: ValueKind::Parameter(name.clone()), sql_type })
            }
            ExpressionKind::Variable(name) => self.variable(name, span),
            ExpressionKind::Property(owner, name) => self.property(owner, name),
            ExpressionKind::List(items) => self.list(items, span),
            ExpressionKind::Not(operand) => {
                let operand = self.boolean_operand(operand, "NOT")?;
                Ok(Value::new(ValueKind::Not(Box::new(operand)), SqlType::Boolean))
            }
            ExpressionKind::Negate(operand) => {
                let value = self.item_value(operand)?;
                let value = match value.sql_type.as_ref().map(Class::of) {
                    Some(Class::Interval) => value,
                    _ => self.number(value, operand.span, "-")?,
                };
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::BigInt);
                Ok(Value::new(ValueKind::Negate(Box::new(value)), sql_type))
            }
            ExpressionKind::And(operands) => {
                Ok(Value::new(ValueKind::And(self.boolean_operands(operands, "AND")?), SqlType::Boolean))
            }
            ExpressionKind::Or(operands) => {
                Ok(Value::new(ValueKind::Or(self.boolean_operands(operands, "OR")?), SqlType::Boolean))
            }
            ExpressionKind::Binary(operator, left, right) => self.binary(*operator, left, right, span),
            ExpressionKind::IsNull { operand, negated } => {
                let operand = self.element_key_or_value(operand)?;
                Ok(Value::new(ValueKind::IsNull { operand: Box::new(operand), negated: *negated }, SqlType::Boolean))
            }
            ExpressionKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref(), span)
            }
            ExpressionKind::Call { name, distinct, arguments } => self.call(name, *distinct, arguments, span),
            ExpressionKind::CountRows => Ok(self.count_rows()),
            ExpressionKind::Map(members) => self.map(members, span),
            ExpressionKind::Index(value, index) => self.index(value, index, span),
            ExpressionKind::Slice { list, from, to } => self.slice(list, from.as_deref(), to.as_deref(), span),
            ExpressionKind::ListComprehension { variable, list, filter, result } => {
                self.comprehension(variable, list, filter.as_deref(), result.as_deref(), span)
            }
            ExpressionKind::Quantified { quantifier, variable, list, condition } => {
                self.quantified(*quantifier, variable, list, condition, span)
            }
            ExpressionKind::Reduce { accumulator, start, variable, list, step } => {
                self.reduce((accumulator, start), (variable, list), step, span)
            }
            ExpressionKind::Pattern(pattern) => self.pattern_exists(pattern, span),
            ExpressionKind::PatternComprehension { pattern, filter, result } => {
                self.pattern_comprehension(pattern, filter.as_deref(), result, span)
            }
            ExpressionKind::Exists(query) => self.exists(query, span),
            ExpressionKind::Count(query) => self.count(query, span),
            ExpressionKind::MapProjection { variable, items } => self.map_projection(variable, items, span),
            ExpressionKind::HasLabels(operand, labels) => self.has_labels(operand, labels, span),
        }
    }

    fn variable(&mut self, name: &str, span: Span) -> Result<Value> {
        let binding = self.scope.binding(name, span)?.clone();
        Ok(match binding {
            Binding::Value(value) => value,
            Binding::Node(element) | Binding::Relationship(element) => self.whole(&element, span),
            Binding::Walk(element) => {
                self.beyond_index("lists of relationships", span);
                Value::new(ValueKind::Whole(element.part()), SqlType::Jsonb)
            }
            Binding::Path(path) => {
                self.beyond_index("paths as values", span);
                Value::new(ValueKind::Path(path.parts), SqlType::Jsonb)
            }
        })
    }

    fn property(&mut self, owner: &Expression, name: &Name) -> Result<Value> {
        if let ExpressionKind::Variable(variable) = &owner.kind {
            match self.scope.binding(variable, owner.span)? {
                Binding::Node(element) | Binding::Relationship(element) if self.deleted.contains(&element.variable) => {
                    return Err(Error::new(ErrorKind::UndefinedColumn, format!("\"{variable}\" has been deleted"))
                        .with_hint("Pass its properties on with WITH before DELETE.")
                        .at(owner.span.position()));
                }
                Binding::Node(element) | Binding::Relationship(element) => {
                    return element.property(name, &mut self.unindexed);
                }
                Binding::Walk(_) | Binding::Path(_) => {
                    return Err(mismatch(format!("\"{variable}\" is not a node, a relationship or a map"), owner.span));
                }
                Binding::Value(_) => {}
            }
        }
        let value = self.item_value(owner)?;
        self.member_of(value, name, owner.span)
    }

    /// The node or relationship that an expression names, if it names one.
    pub(super) fn get_element(&self, expression: &Expression) -> Option<&Element> {
        match &expression.kind {
            ExpressionKind::Variable(name) => self.scope.get(name)?.element(),
            _ => None,
        }
    }

    /// A value; for a node or relationship its key, which is NULL where it is missing.
    fn element_key_or_value(&mut self, expression: &Expression) -> Result<Value> {
        match self.get_element(expression) {
            Some(element) => Ok(element.key_value()),
            None => self.item_value(expression),
        }
    }

    fn list(&mut self, items: &[Expression], span: Span) -> Result<Value> {
        let values = items.iter().map(|item| self.item_value(item)).collect::<Result<Vec<_>>>()?;
        let nested = |value: &Value| value.sql_type.as_ref().is_some_and(|other| Class::of(other) == Class::List);
        if values.iter().any(nested) {
            self.beyond_index("lists of lists", span);
            let values = values.into_iter().map(|value| self.dynamic(value)).collect();
            return Ok(Value::new(ValueKind::List(values), SqlType::Jsonb));
        }
        let (values, item) = self.common(values, span)?;
        Ok(Value::new(ValueKind::List(values), list_of(item)))
    }

    fn binary(&mut self, operator: BinaryOperator, left: &Expression, right: &Expression, span: Span) -> Result<Value> {
        match operator {
            BinaryOperator::Xor => {
                let (left, right) = (self.boolean_operand(left, "XOR")?, self.boolean_operand(right, "XOR")?);
                Ok(Value::new(ValueKind::Xor(Box::new(left), Box::new(right)), SqlType::Boolean))
            }
            BinaryOperator::Compare(comparison) => self.comparison(comparison, left, right, span),
            BinaryOperator::Arithmetic(operator) => self.arithmetic(operator, left, right, span),
            BinaryOperator::Match(operator) => self.string_match(operator, left, right),
            BinaryOperator::In => self.membership(left, right),
            BinaryOperator::Regex => self.regular_expression(left, right, span),
        }
    }

    fn comparison(
        &mut self,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
        span: Span,
    ) -> Result<Value> {
        if let (Some(one), Some(other)) = (self.get_element(left), self.get_element(right)) {
            if !matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
                let message = "nodes and relationships have no order: they can be compared with = and <> only";
                return Err(mismatch(message, span));
            }
            let (one, other) = (one.clone(), other.clone());
            return self.same_element(comparison, &one, &other, span);
        }
        let (left, right) = (self.item_value(left)?, self.item_value(right)?);
        self.compare(comparison, left, right, span)
    }

    /// Whether two elements are the same.
    pub(super) fn same_element(
        &mut self,
        comparison: Comparison,
        one: &Element,
        other: &Element,
        span: Span,
    ) -> Result<Value> {
        let meets = one.members.iter().any(|member| other.tables().contains(&member.name));
        if !meets {
            let differ = Value::new(ValueKind::Boolean(comparison == Comparison::NotEqual), SqlType::Boolean);
            return Ok(one.guard(other.guard(differ)));
        }
        if one.only().is_some() && other.only().is_some() {
            return self.compare(comparison, one.key_value(), other.key_value(), span);
        }
        let identity = |element: &Element| Value::new(ValueKind::Identity(element.variable.clone()), SqlType::Text);
        self.compare(comparison, identity(one), identity(other), span)
    }

    /// Compares two values.
    pub(super) fn compare(&mut self, comparison: Comparison, left: Value, right: Value, span: Span) -> Result<Value> {
        let (left, right) = self.comparable(left, right, span)?;
        Ok(Value::new(ValueKind::Compare(comparison, Box::new(left), Box::new(right)), SqlType::Boolean))
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left_syntax: &Expression,
        right_syntax: &Expression,
        span: Span,
    ) -> Result<Value> {
        let (left, right) = (self.item_value(left_syntax)?, self.item_value(right_syntax)?);
        let class = |value: &Value| value.sql_type.as_ref().map(Class::of);
        let classes = [class(&left), class(&right)];
        let either = |wanted: Class| classes.contains(&Some(wanted));
        if either(Class::Dynamic) || either(Class::List) {
            return self.dynamic_arithmetic(operator, left, right, span);
        }
        if classes.iter().flatten().any(|class| class.is_temporal()) {
            return self.temporal_arithmetic(operator, left, right, span);
        }
        if operator == Arithmetic::Add && either(Class::Text) {
            let left = self.summand(left, left_syntax.span)?;
            let right = self.summand(right, right_syntax.span)?;
            return Ok(Value::new(ValueKind::Concatenate(Box::new(left), Box::new(right)), SqlType::Text));
        }
        let left = self.number(left, left_syntax.span, operator.symbol())?;
        let right = self.number(right, right_syntax.span, operator.symbol())?;
        let double = operator == Arithmetic::Power
            || [&left, &right].iter().any(|value| value.sql_type == Some(SqlType::Double));
        let sql_type = if double { SqlType::Double } else { SqlType::BigInt };
        if operator == Arithmetic::Modulo && double {
            self.beyond_index("% of floating point numbers", span);
        }
        let (left, right) = (self.towards(left, Some(&sql_type), span)?, self.towards(right, Some(&sql_type), span)?);
        let (left, right) = (left.cast(sql_type.clone()), right.cast(sql_type.clone()));
        Ok(Value::new(ValueKind::Arithmetic(operator, Box::new(left), Box::new(right)), sql_type))
    }

    /// What can be added to a string: another, or a number, as its text.
    fn summand(&mut self, value: Value, span: Span) -> Result<Value> {
        match value.sql_type.as_ref().map(Class::of) {
            Some(Class::Integer | Class::Float | Class::Numeric) => {
                self.beyond_index("the text of numbers", span);
                Ok(Value::new(ValueKind::Call(Function::ToString, vec![value]), SqlType::Text))
            }
            _ => self.text(value, span, "+"),
        }
    }

    /// A number as Cypher computes with it: `bigint` or `double precision`.
    pub(super) fn number(&mut self, value: Value, span: Span, operator: &str) -> Result<Value> {
        let Some(sql_type) = value.sql_type.clone() else { return Ok(self.assume(value, &SqlType::BigInt)) };
        match Class::of(&sql_type) {
            Class::Integer => Ok(value.cast(SqlType::BigInt)),
            Class::Float | Class::Numeric => Ok(value.cast(SqlType::Double)),
            Class::Dynamic => Ok(value),
            _ => Err(mismatch(format!("\"{operator}\" needs a number, not {sql_type}"), span)),
        }
    }

    /// A string.
    pub(super) fn text(&mut self, value: Value, span: Span, operator: &str) -> Result<Value> {
        match &value.sql_type {
            None => Ok(self.assume(value, &SqlType::Text)),
            Some(sql_type) if matches!(Class::of(sql_type), Class::Text | Class::Dynamic) => Ok(value),
            Some(sql_type) => Err(mismatch(format!("{operator} needs a string, not {sql_type}"), span)),
        }
    }

    fn string_match(&mut self, operator: StringMatch, left: &Expression, right: &Expression) -> Result<Value> {
        let (left_value, right_value) = (self.item_value(left)?, self.item_value(right)?);
        let left = self.text(left_value, left.span, operator.words())?;
        let right = self.text(right_value, right.span, operator.words())?;
        Ok(Value::new(ValueKind::Match(operator, Box::new(left), Box::new(right)), SqlType::Boolean))
    }

    fn membership(&mut self, needle: &Expression, list: &Expression) -> Result<Value> {
        let span = needle.span.to(list.span);
        let mut value = self.item_value(needle)?;
        let plain = |value: &Value| value.sql_type.as_ref().is_none_or(|other| Class::of(other).is_plain());
        if let ExpressionKind::List(items) = &list.kind {
            let mut bound = items.iter().map(|item| self.item_value(item)).collect::<Result<Vec<_>>>()?;
            if plain(&value) && bound.iter().all(plain) {
                for (other, item) in bound.iter_mut().zip(items) {
                    let (left, right) = self.comparable(value, std::mem::replace(other, Value::null()), item.span)?;
                    value = left;
                    *other = right;
                }
                let value = if value.sql_type.is_none() { self.assume(value, &SqlType::Text) } else { value };
                return Ok(Value::new(ValueKind::InItems(Box::new(value), bound), SqlType::Boolean));
            }
            self.beyond_index("comparisons of lists, maps, elements and durations", span);
            let value = self.dynamic(value);
            let items = bound.into_iter().map(|item| self.dynamic(item)).collect();
            let items = Value::new(ValueKind::List(items), SqlType::Jsonb);
            return Ok(Value::new(ValueKind::InList(Box::new(value), Box::new(items)), SqlType::Boolean));
        }
        let list_value = self.item_value(list)?;
        let wanted = list_of(value.sql_type.clone().unwrap_or(SqlType::Text));
        let list_value = self.towards(list_value, Some(&wanted), list.span)?;
        match list_value.sql_type.clone() {
            Some(SqlType::Array(item)) => {
                let value = self.towards(value, Some(&item), needle.span)?;
                let value_class = value.sql_type.as_ref().map_or(Class::Text, Class::of);
                let (value_class, item_class) = (value_class, Class::of(&item));
                if value_class == Class::Dynamic || value_class == Class::List {
                    self.beyond_index("comparisons of lists, maps and elements", span);
                } else if value_class != item_class && !(value_class.is_number() && item_class.is_number()) {
                    return Err(mismatch(format!("cannot look for this value in a list of {item}"), span));
                } else if value_class != item_class {
                    self.beyond_index("comparisons of numbers of several types", span);
                    let (value, list) = (self.dynamic(value), self.dynamic(list_value));
                    return Ok(Value::new(ValueKind::InList(Box::new(value), Box::new(list)), SqlType::Boolean));
                }
                Ok(Value::new(ValueKind::InList(Box::new(value), Box::new(list_value)), SqlType::Boolean))
            }
            Some(SqlType::Jsonb) => {
                self.beyond_index("lists of anything", span);
                let value = self.dynamic(value);
                Ok(Value::new(ValueKind::InList(Box::new(value), Box::new(list_value)), SqlType::Boolean))
            }
            _ => Err(mismatch("IN needs a list", list.span)),
        }
    }

    fn boolean_operands(&mut self, operands: &[Expression], operator: &str) -> Result<Vec<Value>> {
        operands.iter().map(|operand| self.boolean_operand(operand, operator)).collect()
    }

    fn boolean_operand(&mut self, operand: &Expression, operator: &str) -> Result<Value> {
        let value = self.item_value(operand)?;
        self.boolean(value, operand.span, operator)
    }

    pub(super) fn boolean(&mut self, value: Value, span: Span, operator: &str) -> Result<Value> {
        match &value.sql_type {
            None => Ok(self.assume(value, &SqlType::Boolean)),
            Some(SqlType::Boolean) => Ok(value),
            Some(SqlType::Jsonb) => Ok(value.cast(SqlType::Boolean)),
            Some(other) => {
                Err(mismatch(format!("argument of {operator} must be type boolean, not type {other}"), span))
            }
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expression>,
        branches: &[(Expression, Expression)],
        otherwise: Option<&Expression>,
        span: Span,
    ) -> Result<Value> {
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            conditions.push(match operand {
                None => self.boolean_operand(when, "CASE WHEN")?,
                Some(operand) => {
                    let (left, right) = (self.item_value(operand)?, self.item_value(when)?);
                    self.compare(Comparison::Equal, left, right, when.span)?
                }
            });
            results.push(self.item_value(then)?);
        }
        results.push(otherwise.map_or_else(|| Ok(Value::null()), |otherwise| self.item_value(otherwise))?);
        let (mut results, sql_type) = self.common(results, span)?;
        let Some(otherwise) = results.pop() else { return Err(Error::internal("CASE without a result")) };
        let branches = conditions.into_iter().zip(results).collect();
        Ok(Value::new(ValueKind::Case { branches, otherwise: Box::new(otherwise) }, sql_type))
    }
}

/// The type of lists of a type.
pub(super) fn list_of(item: SqlType) -> SqlType {
    match item {
        SqlType::Jsonb | SqlType::Array(_) => SqlType::Jsonb,
        item => SqlType::Array(Box::new(item)),
    }
}
