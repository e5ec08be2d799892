//! One side of an operator, with its type as Postgres resolves types.

use datafusion::common::{ExprSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind};

use crate::text::rescale;
use crate::types::{CastContext, cast, literal, typed_literal};

/// What is known of an operand's type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A string literal, which takes its type from what it meets.
    Unknown(String),
    /// The literal NULL.
    Null,
    /// A parameter without a type, which takes its type from what it meets.
    Parameter,
    /// Of this type.
    Typed(SqlType),
    /// Of an Arrow type that no SQL type stands for.
    Foreign,
}

/// An operand.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) expr: Expr,
    pub(crate) kind: Kind,
}

impl Operand {
    /// Looks at an expression; a number literal gets Postgres's type.
    pub(crate) fn new(expr: Expr, schema: &dyn ExprSchema) -> PlanResult<Operand> {
        let expr = number_literal(expr)?;
        let kind = match &expr {
            Expr::Literal(ScalarValue::Utf8(Some(text)), None) => Kind::Unknown(text.clone()),
            // DataFusion gives NULL the type of strings where it finds it among them.
            Expr::Literal(ScalarValue::Null | ScalarValue::Utf8(None), None) => Kind::Null,
            Expr::Placeholder(Placeholder { field: None, .. }) => Kind::Parameter,
            expr => {
                let (_, field) = expr.to_field(schema)?;
                SqlType::of_field(&field).map_or(Kind::Foreign, Kind::Typed)
            }
        };
        Ok(Operand { expr, kind })
    }

    /// The type, if it has one already.
    pub(crate) fn sql_type(&self) -> Option<&SqlType> {
        match &self.kind {
            Kind::Typed(sql_type) => Some(sql_type),
            _ => None,
        }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self.expr, Expr::Literal(_, _))
    }

    /// The operand as a `to`; its type must be unknown, or one that Postgres casts.
    pub(crate) fn into_type(self, to: &SqlType, schema: &dyn ExprSchema) -> PlanResult<Expr> {
        match self.kind {
            Kind::Unknown(text) => Ok(literal(to, &text)?),
            Kind::Null => Ok(typed_literal(to, ScalarValue::try_from(&to.arrow_type())?)),
            Kind::Parameter => Ok(match self.expr {
                Expr::Placeholder(Placeholder { id, .. }) => {
                    Expr::Placeholder(Placeholder::new_with_field(id, Some(field_ref("", to, true))))
                }
                other => other,
            }),
            Kind::Typed(from) => {
                let value = match &self.expr {
                    Expr::Literal(value, _) => value.cast_to(&to.arrow_type()).ok(),
                    _ => None,
                };
                match value {
                    Some(value) if is_number(&from) && is_number(to) && widens(&from, to) => {
                        Ok(typed_literal(to, value))
                    }
                    _ => in_storage(cast(self.expr, &from, to, CastContext::Explicit)?, to, schema),
                }
            }
            Kind::Foreign => in_storage(self.expr, to, schema),
        }
    }
}

/// Casts to the Arrow type of a SQL type, if the expression is in another one that stands for it (plans have strings and
/// integers of other widths).
fn in_storage(expr: Expr, sql_type: &SqlType, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let wanted = sql_type.arrow_type();
    if expr.get_type(schema)?.equals_datatype(&wanted) {
        return Ok(expr);
    }
    Ok(Expr::Cast(Cast::new(Box::new(expr), wanted)))
}

/// Gives a number literal of the statement's text Postgres's type: the first of integer, bigint and numeric that it fits.
///
/// A literal that carries its type already, as those made by casts and parameters do, keeps it.
pub(super) fn number_literal(expr: Expr) -> PlanResult<Expr> {
    let numeric = |value, precision, scale| {
        typed_literal(&SqlType::Numeric { precision, scale }, ScalarValue::Decimal128(Some(value), precision, scale))
    };
    Ok(match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), None) => match i32::try_from(value) {
            Ok(value) => typed_literal(&SqlType::Integer, ScalarValue::Int32(Some(value))),
            Err(_) => typed_literal(&SqlType::BigInt, ScalarValue::Int64(Some(value))),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), None) => numeric(value.into(), 20, 0),
        // `1e10` comes with a scale of -10.
        Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale @ ..0), None) => {
            let value = rescale(value, scale, 0).ok_or_else(too_many_digits)?;
            numeric(value, precision.saturating_add(scale.unsigned_abs()).min(38), 0)
        }
        Expr::Literal(ScalarValue::Decimal256(..), None) => return Err(too_many_digits().into()),
        other => other,
    })
}

fn too_many_digits() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format")
        .with_detail("A numeric holds at most 38 digits.")
}

/// A numeric literal with exactly the digits of a text, to compare a numeric column with: at the column's scale it could
/// be rounded to an equal that it is not.
pub(super) fn numeric_literal(text: &str) -> PlanResult<Expr> {
    let fraction = text.split(['e', 'E']).next().and_then(|mantissa| mantissa.split_once('.'));
    let scale = fraction.map_or(0, |(_, digits)| digits.trim_ascii_end().len());
    let scale = i8::try_from(scale)
        .ok()
        .filter(|scale| *scale < 38)
        .ok_or_else(|| Error::new(ErrorKind::NumericOutOfRange, "numeric field overflow"))?;
    Ok(literal(&SqlType::Numeric { precision: 38, scale }, text)?)
}

pub(crate) fn is_integer(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::SmallInt | SqlType::Integer | SqlType::BigInt)
}

pub(super) fn is_float(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Real | SqlType::Double)
}

pub(crate) fn is_number(sql_type: &SqlType) -> bool {
    is_integer(sql_type) || is_float(sql_type) || matches!(sql_type, SqlType::Numeric { .. })
}

pub(crate) fn is_text(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Text | SqlType::Varchar(_))
}

/// Whether every number of one type is one of the other, but for the rounding of floats.
fn widens(from: &SqlType, to: &SqlType) -> bool {
    rank(from) < rank(to) || from == to
}

/// Postgres's order of the number types: an operator on two of them works in the later one.
pub(super) fn rank(sql_type: &SqlType) -> u8 {
    match sql_type {
        SqlType::SmallInt => 0,
        SqlType::Integer => 1,
        SqlType::BigInt => 2,
        SqlType::Numeric { .. } => 3,
        SqlType::Real => 4,
        _ => 5,
    }
}
