//! Values as expressions of DataFusion.

use datafusion::common::{Column, ScalarValue};
use datafusion::functions::expr_fn::{abs, ceil, coalesce, contains, ends_with, floor, starts_with};
use datafusion::functions_nested::expr_fn::{cardinality, make_array};
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator, lit};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::dynamic::is_native;
use super::functions::{Ieee, InList};
use super::relationships::walk_length;
use super::{Lowering, column};
use crate::error::from_datafusion;
use crate::graph::value::function::Result as Computed;
use crate::types::{literal, typed_literal};
use slipstream_graph_language::bound::{Function, Value, ValueKind};
use slipstream_graph_language::syntax::{Arithmetic, Comparison, StringMatch};

impl Lowering<'_> {
    /// The expression of a value.
    pub(super) fn value(&self, value: &Value) -> Result<Expr> {
        if !is_native(value) {
            let sql_type = value.sql_type.clone().unwrap_or(SqlType::Jsonb);
            return self.evaluated(value, Computed::Value(sql_type));
        }
        Ok(match &value.kind {
            ValueKind::Null => null(value.sql_type.as_ref())?,
            ValueKind::Boolean(boolean) => lit(*boolean),
            ValueKind::Integer(number) => integer(*number, value.sql_type.as_ref())?,
            ValueKind::Float(number) => typed_literal(&SqlType::Double, ScalarValue::Float64(Some(*number))),
            ValueKind::String(text) => typed_literal(&SqlType::Text, ScalarValue::Utf8(Some(text.clone()))),
            ValueKind::Constant(text) => literal(known(value)?, text)?,
            ValueKind::Parameter(name) => typed_literal(known(value)?, self.parameter(name)?),
            ValueKind::Property { variable, column, .. } => {
                Expr::Column(Column::new_unqualified(format!("{variable}.{column}")))
            }
            ValueKind::Variable { name, .. } => column(name),
            ValueKind::Identity(variable) => self.identity(variable).map_err(from_datafusion)?,
            ValueKind::Table(variable) => self.table_name(variable).map_err(from_datafusion)?,
            ValueKind::Not(operand) => !self.value(operand)?,
            ValueKind::Negate(operand) => Expr::Negative(Box::new(self.value(operand)?)),
            ValueKind::And(operands) => self.connected(operands, Expr::and, true)?,
            ValueKind::Or(operands) => self.connected(operands, Expr::or, false)?,
            ValueKind::Xor(left, right) => self.value(left)?.not_eq(self.value(right)?),
            ValueKind::Compare(operator, left, right) => self.comparison(*operator, left, right)?,
            ValueKind::Arithmetic(operator, left, right) => self.arithmetic(*operator, value, left, right)?,
            ValueKind::Concatenate(left, right) => {
                binary(self.value(left)?, Operator::StringConcat, self.value(right)?)
            }
            ValueKind::Match(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                match operator {
                    StringMatch::Prefix => starts_with(left, right),
                    StringMatch::Suffix => ends_with(left, right),
                    StringMatch::Infix => contains(left, right),
                }
            }
            ValueKind::InItems(needle, items) => self.in_items(needle, items)?,
            ValueKind::InList(needle, list) => InList::call(self.value(needle)?, self.value(list)?),
            ValueKind::IsNull { operand, negated } => match negated {
                false => self.value(operand)?.is_null(),
                true => self.value(operand)?.is_not_null(),
            },
            ValueKind::Case { branches, otherwise } => self.case(branches, otherwise)?,
            ValueKind::List(items) if items.is_empty() => empty_list(value.sql_type.as_ref())?,
            ValueKind::List(items) => make_array(self.values(items)?),
            ValueKind::Cast(operand) => converted(self.value(operand)?, operand.sql_type.as_ref(), known(value)?),
            ValueKind::Call(function, arguments) => self.call(*function, arguments)?,
            ValueKind::Length(fixed, walks) => self.length(*fixed, walks),
            ValueKind::Subquery(subquery) => column(&subquery.variable),
            ValueKind::Map(_)
            | ValueKind::Whole(_)
            | ValueKind::Path(_)
            | ValueKind::Local(_)
            | ValueKind::Access(..)
            | ValueKind::Slice(..)
            | ValueKind::Pattern(..)
            | ValueKind::Comprehension { .. }
            | ValueKind::Quantified { .. }
            | ValueKind::Reduce { .. } => return Err(Error::internal("a value that needs a program")),
            ValueKind::Aggregate { .. } => return Err(Error::internal("an aggregate outside a projection")),
        })
    }

    pub(super) fn parameter(&self, name: &str) -> Result<ScalarValue> {
        let value = self.ground.parameters.get(name);
        value.cloned().ok_or_else(|| Error::internal(format!("parameter ${name} has no value")))
    }

    fn values(&self, values: &[Value]) -> Result<Vec<Expr>> {
        values.iter().map(|value| self.value(value)).collect()
    }

    fn connected(&self, operands: &[Value], connect: fn(Expr, Expr) -> Expr, none: bool) -> Result<Expr> {
        Ok(self.values(operands)?.into_iter().reduce(connect).unwrap_or_else(|| lit(none)))
    }

    fn comparison(&self, operator: Comparison, left: &Value, right: &Value) -> Result<Expr> {
        let floats = is_float(left) || is_float(right);
        let (left, right) = (self.value(left)?, self.value(right)?);
        if floats {
            return Ok(Ieee::comparison(operator, left, right));
        }
        let operator = match operator {
            Comparison::Equal => Operator::Eq,
            Comparison::NotEqual => Operator::NotEq,
            Comparison::Less => Operator::Lt,
            Comparison::LessOrEqual => Operator::LtEq,
            Comparison::Greater => Operator::Gt,
            Comparison::GreaterOrEqual => Operator::GtEq,
        };
        Ok(binary(left, operator, right))
    }

    fn arithmetic(&self, operator: Arithmetic, whole: &Value, left: &Value, right: &Value) -> Result<Expr> {
        let (left, right) = (self.value(left)?, self.value(right)?);
        if whole.sql_type == Some(SqlType::Double) {
            return Ok(Ieee::arithmetic(operator, left, right));
        }
        let operator = match operator {
            Arithmetic::Add => Operator::Plus,
            Arithmetic::Subtract => Operator::Minus,
            Arithmetic::Multiply => Operator::Multiply,
            Arithmetic::Divide => Operator::Divide,
            Arithmetic::Modulo => Operator::Modulo,
            Arithmetic::Power => return Err(Error::internal("a power of whole numbers")),
        };
        Ok(binary(left, operator, right))
    }

    fn in_items(&self, needle: &Value, items: &[Value]) -> Result<Expr> {
        if items.is_empty() {
            return Ok(lit(false));
        }
        if is_float(needle) || items.iter().any(is_float) {
            let equal = items.iter().map(|item| self.comparison(Comparison::Equal, needle, item));
            let equal = equal.collect::<Result<Vec<_>>>()?;
            return Ok(equal.into_iter().reduce(Expr::or).unwrap_or_else(|| lit(false)));
        }
        Ok(self.value(needle)?.in_list(self.values(items)?, false))
    }

    fn case(&self, branches: &[(Value, Value)], otherwise: &Value) -> Result<Expr> {
        let branches = branches
            .iter()
            .map(|(when, then)| Ok((Box::new(self.value(when)?), Box::new(self.value(then)?))))
            .collect::<Result<Vec<_>>>()?;
        Ok(Expr::Case(Case::new(None, branches, Some(Box::new(self.value(otherwise)?)))))
    }

    fn call(&self, function: Function, arguments: &[Value]) -> Result<Expr> {
        let mut values = self.values(arguments)?;
        if function == Function::Coalesce {
            return Ok(coalesce(values));
        }
        let argument = values.pop().ok_or_else(|| Error::internal("a function without its argument"))?;
        Ok(match function {
            Function::Coalesce => coalesce(vec![argument]),
            Function::Abs => abs(argument),
            Function::Floor => floor(argument),
            Function::Ceil => ceil(argument),
            Function::Size => arrow_cast(cardinality(argument), &SqlType::BigInt),
            _ => return Err(Error::internal("a function that needs a program")),
        })
    }

    fn length(&self, fixed: i64, walks: &[String]) -> Expr {
        let number = |number| typed_literal(&SqlType::BigInt, ScalarValue::Int64(Some(number)));
        let lengths = walks.iter().map(|walk| column(walk_length(walk)));
        let walked = lengths.reduce(|left, right| binary(left, Operator::Plus, right));
        match walked {
            None => number(fixed),
            Some(walked) if fixed == 0 => walked,
            Some(walked) => binary(walked, Operator::Plus, number(fixed)),
        }
    }
}

fn known(value: &Value) -> Result<&SqlType> {
    value.sql_type.as_ref().ok_or_else(|| Error::internal("a bound value without a type"))
}

fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

fn is_float(value: &Value) -> bool {
    matches!(value.sql_type, Some(SqlType::Real | SqlType::Double))
}

fn null(sql_type: Option<&SqlType>) -> Result<Expr> {
    match sql_type {
        None => Ok(lit(ScalarValue::Null)),
        Some(sql_type) => {
            let value = ScalarValue::try_from(&sql_type.arrow_type()).map_err(from_datafusion)?;
            Ok(typed_literal(sql_type, value))
        }
    }
}

fn integer(number: i64, sql_type: Option<&SqlType>) -> Result<Expr> {
    let overflow = |_| Error::internal("a bound number that does not fit its type");
    let (sql_type, value) = match sql_type {
        Some(sql_type @ SqlType::SmallInt) => {
            (sql_type, ScalarValue::Int16(Some(i16::try_from(number).map_err(overflow)?)))
        }
        Some(sql_type @ SqlType::Integer) => {
            (sql_type, ScalarValue::Int32(Some(i32::try_from(number).map_err(overflow)?)))
        }
        _ => (&SqlType::BigInt, ScalarValue::Int64(Some(number))),
    };
    Ok(typed_literal(sql_type, value))
}

/// A list without elements.
pub(super) fn empty_list(sql_type: Option<&SqlType>) -> Result<Expr> {
    let item = match sql_type {
        Some(SqlType::Array(item)) => item.arrow_type(),
        _ => return Err(Error::internal("a list that is none")),
    };
    Ok(Expr::Literal(ScalarValue::List(ScalarValue::new_list_nullable(&[], &item)), None))
}

/// A value as another type; the binder asks for none that can fail.
fn converted(value: Expr, from: Option<&SqlType>, to: &SqlType) -> Expr {
    match from.is_some_and(|from| from.arrow_type() == to.arrow_type()) {
        true => value,
        false => arrow_cast(value, to),
    }
}

fn arrow_cast(value: Expr, to: &SqlType) -> Expr {
    Expr::Cast(Cast::new(Box::new(value), to.arrow_type()))
}
