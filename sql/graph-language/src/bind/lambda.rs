//! Comprehensions, quantifiers and `reduce`: expressions with variables of their own.

use slipstream_engine::Result;
use slipstream_engine::types::SqlType;

use super::Binder;
use super::expression::list_of;
use super::scope::Binding;
use crate::bound::{Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::{Expression, Name, Quantifier};

impl Binder<'_> {
    /// `[x IN list WHERE filter | result]`
    pub(super) fn comprehension(
        &mut self,
        variable: &Name,
        list: &Expression,
        filter: Option<&Expression>,
        result: Option<&Expression>,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("list comprehensions", span);
        let (list, item) = self.source(list, "a list comprehension")?;
        let (local, (filter, result)) = self.with_local(variable, item.clone(), |binder| {
            let filter = filter.map(|filter| binder.condition(filter)).transpose()?;
            let result = result.map(|result| binder.value(result)).transpose()?;
            Ok((filter, result))
        })?;
        let result = result.map(|value| if value.sql_type.is_none() { self.dynamic(value) } else { value });
        let made = result.as_ref().and_then(|value| value.sql_type.clone()).unwrap_or(item);
        let (filter, result) = (filter.map(Box::new), result.map(Box::new));
        let kind = ValueKind::Comprehension { variable: local, list: Box::new(list), filter, result };
        Ok(Value::new(kind, list_of(made)))
    }

    /// `any(x IN list WHERE condition)`
    pub(super) fn quantified(
        &mut self,
        quantifier: Quantifier,
        variable: &Name,
        list: &Expression,
        condition: &Expression,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("conditions over lists", span);
        let (list, item) = self.source(list, quantifier.word())?;
        let (variable, condition) = self.with_local(variable, item, |binder| binder.condition(condition))?;
        let (list, condition) = (Box::new(list), Box::new(condition));
        Ok(Value::new(ValueKind::Quantified { quantifier, variable, list, condition }, SqlType::Boolean))
    }

    /// `reduce(accumulator = start, x IN list | step)`. Where a step makes another type than there was at first, the
    /// accumulator is dynamic.
    pub(super) fn reduce(
        &mut self,
        (accumulator, start): (&Name, &Expression),
        (variable, list): (&Name, &Expression),
        step: &Expression,
        span: Span,
    ) -> Result<Value> {
        self.beyond_index("reduce", span);
        let start = self.value(start)?;
        let (list, item) = self.source(list, "reduce")?;
        let first = start.sql_type.clone().unwrap_or(SqlType::Jsonb);
        for sql_type in [first, SqlType::Jsonb] {
            let (outer, (inner, step)) = self.with_local(accumulator, sql_type.clone(), |binder| {
                binder.with_local(variable, item.clone(), |binder| binder.value(step))
            })?;
            if sql_type == SqlType::Jsonb || step.sql_type.as_ref() == Some(&sql_type) {
                let start = if start.sql_type.is_none() { self.dynamic(start) } else { start.cast(sql_type.clone()) };
                let step = if step.sql_type.is_none() { self.dynamic(step) } else { step.cast(sql_type.clone()) };
                let kind = ValueKind::Reduce {
                    accumulator: outer,
                    start: Box::new(start),
                    variable: inner,
                    list: Box::new(list),
                    step: Box::new(step),
                };
                return Ok(Value::new(kind, sql_type));
            }
        }
        Err(slipstream_engine::Error::internal("reduce without a type"))
    }

    /// A list, and the type of its elements.
    fn source(&mut self, list: &Expression, user: &str) -> Result<(Value, SqlType)> {
        let value = self.item_value(list)?;
        let value = self.listed(value, list.span, user)?;
        let item = match &value.sql_type {
            Some(SqlType::Array(item)) => item.as_ref().clone(),
            _ => SqlType::Jsonb,
        };
        Ok((value, item))
    }

    /// Binds something in which a variable stands for an element of a list, and gives the variable's name in the bound query.
    fn with_local<T>(
        &mut self,
        variable: &Name,
        sql_type: SqlType,
        bind: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(String, T)> {
        let local = self.fresh('x');
        let before = self.scope.clone();
        self.scope.set(&variable.text, Binding::Value(Value::new(ValueKind::Local(local.clone()), sql_type)));
        let bound = bind(self);
        self.scope = before;
        Ok((local, bound?))
    }
}
