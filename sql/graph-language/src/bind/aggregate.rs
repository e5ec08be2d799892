//! Aggregates, and what may stand beside them.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::expression::list_of;
use super::function::{one, wrong_count};
use super::types::{Class, mismatch};
use crate::bound::{Aggregate, BoundItem, Value, ValueKind};
use crate::lexer::Span;
use crate::syntax::Expression;

impl Binder<'_> {
    pub(super) fn count_rows(&self) -> Value {
        let kind = ValueKind::Aggregate { function: Aggregate::Count, distinct: false, argument: None, fraction: None };
        Value::new(kind, SqlType::BigInt)
    }

    /// The aggregate of that name; `None` where the name is none's.
    pub(super) fn aggregate(
        &mut self,
        name: &str,
        distinct: bool,
        arguments: &[Expression],
        span: Span,
    ) -> Result<Option<Value>> {
        let Some(function) = named(name) else { return Ok(None) };
        let (argument, fraction) = match (function, arguments) {
            (Aggregate::PercentileContinuous | Aggregate::PercentileDiscrete, [argument, fraction]) => {
                (argument, Some(Box::new(self.fraction(fraction)?)))
            }
            (Aggregate::PercentileContinuous | Aggregate::PercentileDiscrete, _) => {
                return Err(wrong_count(name, span));
            }
            _ => (one(name, arguments, span)?, None),
        };
        let value = match self.get_element(argument) {
            Some(element) if function == Aggregate::Count => element.key_value(),
            _ => self.item_value(argument)?,
        };
        if value.has_aggregate() {
            return Err(Error::new(ErrorKind::Grouping, "aggregate function calls cannot be nested")
                .at(argument.span.position()));
        }
        let (value, sql_type) = self.aggregate_type(function, name, value, argument.span)?;
        let kind = ValueKind::Aggregate { function, distinct, argument: Some(Box::new(value)), fraction };
        Ok(Some(Value::new(kind, sql_type)))
    }

    fn aggregate_type(
        &mut self,
        function: Aggregate,
        name: &str,
        value: Value,
        span: Span,
    ) -> Result<(Value, SqlType)> {
        match function {
            Aggregate::StandardDeviation | Aggregate::PopulationDeviation | Aggregate::PercentileContinuous => {
                self.beyond_index(name, span);
                Ok((self.number(value, span, name)?, SqlType::Double))
            }
            Aggregate::PercentileDiscrete => {
                self.beyond_index(name, span);
                let value = self.number(value, span, name)?;
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::Double);
                Ok((value, sql_type))
            }
            Aggregate::Sum | Aggregate::Average if is_dynamic(&value) => {
                self.beyond_index("aggregates of dynamic values", span);
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::Jsonb);
                Ok((value, sql_type))
            }
            Aggregate::Sum | Aggregate::Average => {
                let value = self.number(value, span, name)?;
                let integer = value.sql_type == Some(SqlType::BigInt) && function == Aggregate::Sum;
                Ok((value, if integer { SqlType::BigInt } else { SqlType::Double }))
            }
            Aggregate::Count | Aggregate::Collect | Aggregate::Minimum | Aggregate::Maximum => {
                let value = if value.sql_type.is_none() { self.assume(value, &SqlType::Text) } else { value };
                let sql_type = value.sql_type.clone().unwrap_or(SqlType::Text);
                if !Class::of(&sql_type).is_plain() {
                    self.beyond_index("aggregates of lists and dynamic values", span);
                }
                match function {
                    Aggregate::Count => Ok((value, SqlType::BigInt)),
                    Aggregate::Collect => Ok((value, list_of(sql_type))),
                    _ if Class::of(&sql_type).is_ordered() => Ok((value, sql_type)),
                    _ => Err(mismatch(format!("values of type {sql_type} have no order"), span)),
                }
            }
        }
    }

    /// The percentile that is asked: a number or a parameter.
    fn fraction(&mut self, fraction: &Expression) -> Result<Value> {
        let value = self.value(fraction)?;
        let value = self.towards(value, Some(&SqlType::Double), fraction.span)?;
        let value = self.number(value, fraction.span, "a percentile")?;
        if !value.is_constant() {
            return Err(Error::not_supported("a percentile that is not the same for all rows is not supported")
                .at(fraction.span.position()));
        }
        Ok(value)
    }

    /// Splits items that compute with aggregates: the keys and aggregates come first, as a stage, and the items are
    /// computed from its variables. Where every aggregate stands alone there is nothing to split.
    pub(super) fn split_aggregates(&mut self, items: &mut [BoundItem], spans: &[Span]) -> Result<Vec<BoundItem>> {
        let mixed = |item: &BoundItem| match item {
            BoundItem::Variable(_) => false,
            BoundItem::Value { value, .. } => {
                value.has_aggregate() && !matches!(value.kind, ValueKind::Aggregate { .. })
            }
        };
        if !items.iter().any(mixed) {
            return Ok(Vec::new());
        }
        let mut stage: Vec<BoundItem> = Vec::new();
        for item in items.iter_mut() {
            match item {
                BoundItem::Variable(variable) => stage.push(BoundItem::Variable(variable.clone())),
                // An element goes through as it is, and becomes a value in the end.
                BoundItem::Value { value: Value { kind: ValueKind::Whole(part), .. }, .. } => {
                    stage.push(BoundItem::Variable(part.variable.clone()));
                }
                BoundItem::Value { value, .. } if !value.has_aggregate() => {
                    let key = value.clone();
                    *value = self.staged(&mut stage, key);
                }
                BoundItem::Value { .. } => {}
            }
        }
        for (item, span) in items.iter_mut().zip(spans) {
            let BoundItem::Value { value, .. } = item else { continue };
            if value.has_aggregate() {
                *value = self.over_stage(&mut stage, value.clone(), *span)?;
            }
        }
        Ok(stage)
    }

    /// `value` in terms of what the stage computes.
    fn over_stage(&mut self, stage: &mut Vec<BoundItem>, value: Value, span: Span) -> Result<Value> {
        let mut aggregates = Vec::new();
        collect_aggregates(&value, &mut aggregates);
        for aggregate in aggregates {
            self.staged(stage, aggregate);
        }
        let value = value.replace(&|part| find_beside_aggregate(stage, part));
        if depends_on_row(&value, stage) {
            return Err(Error::new(
                ErrorKind::Grouping,
                "an expression beside an aggregate must be a grouping key: return it by itself as well",
            )
            .at(span.position()));
        }
        Ok(value)
    }

    /// The variable of the stage that holds `value`, made where there is none.
    fn staged(&mut self, stage: &mut Vec<BoundItem>, value: Value) -> Value {
        if let Some(variable) = find(stage, &value) {
            return variable;
        }
        let name = self.fresh('v');
        let variable = Value {
            kind: ValueKind::Variable { name: name.clone(), key: value.key() },
            sql_type: value.sql_type.clone(),
        };
        stage.push(BoundItem::Value { value, variable: name });
        variable
    }
}

/// The variable under which `items` hold `value`.
pub(super) fn find(items: &[BoundItem], value: &Value) -> Option<Value> {
    items.iter().find_map(|item| match item {
        // An element goes through as it is, and becomes a value in the end.
        BoundItem::Value { value: Value { kind: ValueKind::Whole(_), .. }, .. } => None,
        BoundItem::Value { value: other, variable } if other == value => Some(Value {
            kind: ValueKind::Variable { name: variable.clone(), key: value.key() },
            sql_type: value.sql_type.clone(),
        }),
        _ => None,
    })
}

/// The variable under which `items` hold `value`, where it may stand beside an aggregate: openCypher lets only variables,
/// properties and constants, and a grouping key that is computed needs a name.
pub(super) fn find_beside_aggregate(items: &[BoundItem], value: &Value) -> Option<Value> {
    let simple = matches!(
        value.kind,
        ValueKind::Aggregate { .. } | ValueKind::Property { .. } | ValueKind::Variable { .. } | ValueKind::Identity(_)
    );
    find(items, value).filter(|_| simple || value.is_constant())
}

/// Whether `value` needs anything of a row but what `items` hold.
pub(super) fn depends_on_row(value: &Value, items: &[BoundItem]) -> bool {
    match &value.kind {
        ValueKind::Property { variable, .. } => !items.iter().any(|item| holds(item, variable)),
        ValueKind::Whole(part) => !items.iter().any(|item| holds(item, &part.variable)),
        ValueKind::Path(parts) => !parts.iter().all(|part| items.iter().any(|item| item.variable() == part.variable)),
        ValueKind::Subquery(subquery) => {
            let held = |name: &String| items.iter().any(|item| item.variable() == name);
            !subquery.captured.iter().all(held)
        }
        ValueKind::Variable { name, .. } => {
            !items.iter().any(|item| matches!(item, BoundItem::Value { variable, .. } if variable == name))
        }
        ValueKind::Length(_, walks) => !walks.is_empty(),
        _ => value.children().into_iter().any(|child| depends_on_row(child, items)),
    }
}

fn named(name: &str) -> Option<Aggregate> {
    Some(match name {
        "count" => Aggregate::Count,
        "sum" => Aggregate::Sum,
        "avg" => Aggregate::Average,
        "min" => Aggregate::Minimum,
        "max" => Aggregate::Maximum,
        "collect" => Aggregate::Collect,
        "stdev" => Aggregate::StandardDeviation,
        "stdevp" => Aggregate::PopulationDeviation,
        "percentilecont" => Aggregate::PercentileContinuous,
        "percentiledisc" => Aggregate::PercentileDiscrete,
        _ => return None,
    })
}

/// Whether a function of that name, in lower case, is an aggregate.
pub(super) fn is_aggregate(name: &str) -> bool {
    named(name).is_some()
}

fn collect_aggregates(value: &Value, found: &mut Vec<Value>) {
    if matches!(value.kind, ValueKind::Aggregate { .. }) {
        found.push(value.clone());
        return;
    }
    for child in value.children() {
        collect_aggregates(child, found);
    }
}

/// Whether an item is an element as it is.
fn holds(item: &BoundItem, variable: &str) -> bool {
    match item {
        BoundItem::Variable(held) => held == variable,
        BoundItem::Value { value: Value { kind: ValueKind::Whole(part), .. }, .. } => part.variable == variable,
        BoundItem::Value { .. } => false,
    }
}

/// Whether a value is summed by openCypher's rules for values of any type.
fn is_dynamic(value: &Value) -> bool {
    matches!(value.sql_type.as_ref().map(Class::of), Some(Class::Dynamic | Class::Interval))
}
