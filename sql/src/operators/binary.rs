//! The rules of binary operators.

use std::sync::Arc;

use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, lit};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};

use super::arithmetic::{Checked, Operation};
use super::interval;
use super::operand::{Kind, Operand, is_float, is_integer, is_number, is_text, numeric_literal, rank};
use super::vector;
use super::zeros::one_zero;
use crate::text::rescale;
use crate::types::{ClientType, typed_literal};

/// What became of an operator.
pub(super) enum Resolved {
    /// This is what it means.
    Done(Expr),
    /// DataFusion's own reading is right.
    Default(Expr, Expr),
}

/// Resolves `left operator right` by Postgres's rules.
pub(super) fn binary(operator: Operator, left: Expr, right: Expr, schema: &DFSchema) -> PlanResult<Resolved> {
    use Operator::{
        Divide, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Plus,
    };
    let rule = match operator {
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom => compare,
        Plus | Minus | Multiply | Divide | Modulo => arithmetic,
        Operator::StringConcat => concatenate,
        _ => return Ok(Resolved::Default(left, right)),
    };
    let (left, right) = (Operand::new(left, schema)?, Operand::new(right, schema)?);
    if vector::is_vectors(&left, &right) {
        return vector::operator(operator, left, right, schema);
    }
    rule(operator, left, right, schema)
}

fn plain(operator: Operator, left: Expr, right: Expr) -> Resolved {
    Resolved::Done(Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right))))
}

/// `operator does not exist: integer = text`
fn no_operator(operator: Operator, left: &SqlType, right: &SqlType) -> Error {
    Error::new(ErrorKind::UndefinedFunction, format!("operator does not exist: {left} {} {right}", sign(operator)))
        .with_hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

/// An operator as Postgres writes it.
pub(super) fn sign(operator: Operator) -> String {
    match operator {
        Operator::NotEq => "<>".to_string(),
        other => other.to_string(),
    }
}

fn no_json_operator(operator: Operator, left: &Operand, right: &Operand) -> Error {
    let name = |operand: &Operand| operand.sql_type().map_or_else(|| "unknown".to_string(), SqlType::to_string);
    Error::new(
        ErrorKind::UndefinedFunction,
        format!("operator does not exist: {} {} {}", name(left), sign(operator), name(right)),
    )
    .with_hint("Cast to jsonb, which compares values.")
}

// ---- comparison

fn compare(operator: Operator, left: Operand, right: Operand, schema: &DFSchema) -> PlanResult<Resolved> {
    let (left, right) = match (left.kind.clone(), right.kind.clone()) {
        // It is text as it was written, and equal values can be written in many ways.
        (Kind::Typed(SqlType::Json), _) | (_, Kind::Typed(SqlType::Json)) => {
            return Err(no_json_operator(operator, &left, &right).into());
        }
        (Kind::Typed(a), Kind::Typed(b)) => return compare_typed(operator, (left, a), (right, b), schema),
        (Kind::Typed(sql_type), _) => {
            let right = meet(right, &sql_type, &left.expr, schema)?;
            (left.expr, right)
        }
        (_, Kind::Typed(sql_type)) => {
            let left = meet(left, &sql_type, &right.expr, schema)?;
            (left, right.expr)
        }
        _ => return Ok(Resolved::Default(left.expr, right.expr)),
    };
    Ok(plain(operator, left, right))
}

/// An operand without a type, compared with one that has one.
fn meet(operand: Operand, sql_type: &SqlType, other: &Expr, schema: &DFSchema) -> PlanResult<Expr> {
    match (&operand.kind, sql_type) {
        // A parameter is what clients call the other side, too.
        (Kind::Parameter, _) => match ClientType::of_field(&other.to_field(schema)?.1) {
            Some(beside) => Ok(typed_parameter(operand.expr, &beside)),
            None => operand.into_type(sql_type, schema),
        },
        // Text needs no reading, and a text that is too long for a varchar can still be compared with it.
        (Kind::Unknown(_), SqlType::Text | SqlType::Varchar(_)) => Ok(operand.expr),
        (Kind::Unknown(text), SqlType::Numeric { .. }) => fit_numeric(numeric_literal(text)?, sql_type),
        (Kind::Unknown(_), _) => operand.into_type(sql_type, schema),
        // NULL and foreign types are DataFusion's to coerce.
        _ => Ok(operand.expr),
    }
}

fn typed_parameter(expr: Expr, client_type: &ClientType) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, field: None }) => {
            Expr::Placeholder(Placeholder::new_with_field(id, Some(Arc::new(client_type.field("")))))
        }
        other => other,
    }
}

fn compare_typed(
    operator: Operator,
    (left, a): (Operand, SqlType),
    (right, b): (Operand, SqlType),
    schema: &DFSchema,
) -> PlanResult<Resolved> {
    use SqlType::{Date, Interval, Timestamp, TimestampTz};
    let common = match (&a, &b) {
        (a, b) if is_number(a) && is_number(b) => return compare_numbers(operator, (left, a), (right, b), schema),
        (Interval, Interval) => {
            return Ok(plain(operator, interval::ordinal(left.expr), interval::ordinal(right.expr)));
        }
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        (Date | Timestamp, TimestampTz) | (TimestampTz, Date | Timestamp) => TimestampTz,
        (a, b) if comparable(a, b) => return Ok(Resolved::Default(left.expr, right.expr)),
        (a, b) => return Err(no_operator(operator, a, b).into()),
    };
    Ok(plain(operator, left.into_type(&common, schema)?, right.into_type(&common, schema)?))
}

/// Whether two types that are not numbers compare as they are kept.
fn comparable(a: &SqlType, b: &SqlType) -> bool {
    let text = |sql_type: &SqlType| is_text(sql_type) || matches!(sql_type, SqlType::Json | SqlType::Jsonb);
    match (a, b) {
        (SqlType::Array(_), SqlType::Array(_)) => true,
        (a, b) => a == b || text(a) && text(b),
    }
}

fn compare_numbers(
    operator: Operator,
    (left, a): (Operand, &SqlType),
    (right, b): (Operand, &SqlType),
    schema: &DFSchema,
) -> PlanResult<Resolved> {
    if is_float(a) != is_float(b) || is_float(a) && a != b {
        // Floats of different kinds, or a float with an exact number: both as doubles.
        let (left, right) = (left.into_type(&SqlType::Double, schema)?, right.into_type(&SqlType::Double, schema)?);
        return compare_floats(operator, left, right, schema);
    }
    if is_float(a) {
        return compare_floats(operator, left.expr, right.expr, schema);
    }
    // A literal takes the column's type where it fits, so that the column stays as it is and a scan can use the filter.
    let fitted = match (left.is_literal(), right.is_literal()) {
        (false, true) => plain(operator, left.expr, fit(right.expr, a)?),
        (true, false) => plain(operator, fit(left.expr, b)?, right.expr),
        _ => Resolved::Default(left.expr, right.expr),
    };
    Ok(fitted)
}

/// Arrow orders -0 before 0, where they are equal in SQL. Beside the literal 0 the comparison is told on which side of both
/// to cut, so that a scan can still use it.
fn compare_floats(operator: Operator, left: Expr, right: Expr, schema: &DFSchema) -> PlanResult<Resolved> {
    let (number, operator, (below, above)) = match (zeros(&left), zeros(&right), operator.swap()) {
        (_, Some(zeros), _) => (left, operator, zeros),
        (Some(zeros), None, Some(swapped)) => (right, swapped, zeros),
        // Beside another number no zero is equal to anything.
        _ if is_float_literal(&left) || is_float_literal(&right) => return Ok(plain(operator, left, right)),
        _ => return Ok(plain(operator, one_zero(left, schema)?, one_zero(right, schema)?)),
    };
    Ok(Resolved::Done(match operator {
        Operator::Eq => number.clone().gt_eq(below).and(number.lt_eq(above)),
        Operator::NotEq => number.clone().lt(below).or(number.gt(above)),
        Operator::Lt => number.lt(below),
        Operator::LtEq => number.lt_eq(above),
        Operator::Gt => number.gt(above),
        Operator::GtEq => number.gt_eq(below),
        other => return Ok(plain(other, one_zero(number, schema)?, above)),
    }))
}

fn is_float_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Float64(Some(_)) | ScalarValue::Float32(Some(_)), _))
}

/// Both zeros in the type of a literal that is one of them.
fn zeros(expr: &Expr) -> Option<(Expr, Expr)> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(0.0)), _) => Some((lit(-0.0_f64), lit(0.0_f64))),
        Expr::Literal(ScalarValue::Float32(Some(0.0)), _) => Some((lit(-0.0_f32), lit(0.0_f32))),
        _ => None,
    }
}

/// A number literal in another exact type if it is the same number there; else as it is.
fn fit(literal: Expr, sql_type: &SqlType) -> PlanResult<Expr> {
    if matches!(sql_type, SqlType::Numeric { .. }) {
        return fit_numeric(literal, sql_type);
    }
    let Expr::Literal(value, _) = &literal else { return Ok(literal) };
    let integer = match value {
        ScalarValue::Int16(Some(value)) => i64::from(*value),
        ScalarValue::Int32(Some(value)) => i64::from(*value),
        ScalarValue::Int64(Some(value)) => *value,
        _ => return Ok(literal),
    };
    let fitted = match sql_type {
        SqlType::SmallInt => i16::try_from(integer).ok().map(|value| ScalarValue::Int16(Some(value))),
        SqlType::Integer => i32::try_from(integer).ok().map(|value| ScalarValue::Int32(Some(value))),
        SqlType::BigInt => Some(ScalarValue::Int64(Some(integer))),
        _ => None,
    };
    // Beside a column of its type the literal need not carry it, and is easier to read in a plan.
    Ok(fitted.map_or(literal, |value| Expr::Literal(value, None)))
}

fn fit_numeric(literal: Expr, sql_type: &SqlType) -> PlanResult<Expr> {
    let (Expr::Literal(value, _), SqlType::Numeric { precision, scale }) = (&literal, sql_type) else {
        return Ok(literal);
    };
    let (unscaled, from) = match value {
        ScalarValue::Decimal128(Some(unscaled), _, from) => (*unscaled, *from),
        ScalarValue::Int16(Some(value)) => (i128::from(*value), 0),
        ScalarValue::Int32(Some(value)) => (i128::from(*value), 0),
        ScalarValue::Int64(Some(value)) => (i128::from(*value), 0),
        _ => return Ok(literal),
    };
    let fitted = rescale(unscaled, from, *scale)
        .filter(|fitted| rescale(*fitted, *scale, from) == Some(unscaled))
        .filter(|fitted| fitted.unsigned_abs() < 10_u128.pow((*precision).into()));
    Ok(match fitted {
        Some(fitted) => typed_literal(sql_type, ScalarValue::Decimal128(Some(fitted), *precision, *scale)),
        None => literal,
    })
}

// ---- arithmetic

fn operation(operator: Operator) -> Operation {
    match operator {
        Operator::Plus => Operation::Add,
        Operator::Minus => Operation::Subtract,
        Operator::Multiply => Operation::Multiply,
        Operator::Divide => Operation::Divide,
        _ => Operation::Remainder,
    }
}

fn arithmetic(operator: Operator, left: Operand, right: Operand, schema: &DFSchema) -> PlanResult<Resolved> {
    match (left.kind.clone(), right.kind.clone()) {
        (Kind::Typed(a), Kind::Typed(b)) => arithmetic_typed(operator, (left, a), (right, b), schema),
        (Kind::Typed(a), Kind::Unknown(_) | Kind::Null | Kind::Parameter) => {
            let b = partner(operator, &a);
            let typed = Operand::new(right.into_type(&b, schema)?, schema)?;
            arithmetic_typed(operator, (left, a), (typed, b), schema)
        }
        (Kind::Unknown(_) | Kind::Null | Kind::Parameter, Kind::Typed(b)) => {
            let a = partner(operator, &b);
            let typed = Operand::new(left.into_type(&a, schema)?, schema)?;
            arithmetic_typed(operator, (typed, a), (right, b), schema)
        }
        _ => Ok(Resolved::Default(left.expr, right.expr)),
    }
}

/// The type that something untyped takes beside a type: the same, if there is such an operator.
fn partner(operator: Operator, sql_type: &SqlType) -> SqlType {
    match (operator, sql_type) {
        (Operator::Plus, SqlType::Timestamp | SqlType::TimestampTz | SqlType::Time | SqlType::Date) => {
            SqlType::Interval
        }
        (_, sql_type) => sql_type.clone(),
    }
}

fn arithmetic_typed(
    operator: Operator,
    (left, a): (Operand, SqlType),
    (right, b): (Operand, SqlType),
    schema: &DFSchema,
) -> PlanResult<Resolved> {
    use SqlType::{Date, Interval, Timestamp, TimestampTz};
    if is_number(&a) && is_number(&b) {
        return numbers(operation(operator), (left, &a), (right, &b), schema).map(Resolved::Done);
    }
    Ok(match (&a, operator, &b) {
        (Date, Operator::Plus | Operator::Minus, b) if is_integer(b) => {
            let days = right.into_type(&SqlType::Integer, schema)?;
            Resolved::Done(interval::shift_date(operation(operator), left.expr, days))
        }
        (a, Operator::Plus, Date) if is_integer(a) => {
            let days = left.into_type(&SqlType::Integer, schema)?;
            Resolved::Done(interval::shift_date(Operation::Add, right.expr, days))
        }
        (Date, Operator::Minus, Date) => Resolved::Done(interval::days_between(left.expr, right.expr)),
        // A date and a time make a timestamp.
        (Date, Operator::Plus | Operator::Minus, Interval) => {
            plain(operator, left.into_type(&Timestamp, schema)?, right.expr)
        }
        (Interval, Operator::Plus, Date) => plain(operator, right.into_type(&Timestamp, schema)?, left.expr),
        (Interval, Operator::Plus, Timestamp | TimestampTz) => plain(operator, right.expr, left.expr),
        (Timestamp | TimestampTz, Operator::Plus | Operator::Minus, Interval)
        | (Interval, Operator::Plus | Operator::Minus, Interval) => Resolved::Default(left.expr, right.expr),
        (Date | Timestamp | TimestampTz, Operator::Minus, Date | Timestamp | TimestampTz) => {
            let common = if a == TimestampTz || b == TimestampTz { TimestampTz } else { Timestamp };
            let (left, right) = (left.into_type(&common, schema)?, right.into_type(&common, schema)?);
            Resolved::Done(interval::time_between(left, right))
        }
        (Interval, Operator::Multiply, b) if is_number(b) => {
            Resolved::Done(interval::scale(left.expr, right.into_type(&SqlType::Double, schema)?))
        }
        (a, Operator::Multiply, Interval) if is_number(a) => {
            Resolved::Done(interval::scale(right.expr, left.into_type(&SqlType::Double, schema)?))
        }
        _ => return Err(no_operator(operator, &a, &b).into()),
    })
}

fn numbers(
    operation: Operation,
    (left, a): (Operand, &SqlType),
    (right, b): (Operand, &SqlType),
    schema: &DFSchema,
) -> PlanResult<Expr> {
    let wider = if rank(a) >= rank(b) { a } else { b };
    let result = match wider {
        SqlType::Numeric { .. } => {
            let (left, left_scale) = numeric(left, a, schema)?;
            let (right, right_scale) = numeric(right, b, schema)?;
            return Ok(Checked::call(operation, operation.numeric_result(left_scale, right_scale), left, right));
        }
        // A real stays one only among its own.
        SqlType::Real if a != b => SqlType::Double,
        other => other.clone(),
    };
    let (left, right) = (left.into_type(&result, schema)?, right.into_type(&result, schema)?);
    Ok(Checked::call(operation, result, left, right))
}

/// An operand as a numeric of its own scale.
fn numeric(operand: Operand, sql_type: &SqlType, schema: &DFSchema) -> PlanResult<(Expr, i8)> {
    match sql_type {
        SqlType::Numeric { scale, .. } => Ok((operand.into_type(sql_type, schema)?, *scale)),
        _ => Ok((operand.into_type(&SqlType::Numeric { precision: 19, scale: 0 }, schema)?, 0)),
    }
}

// ---- text

/// `||` with one side text: the other side is written as text.
fn concatenate(operator: Operator, left: Operand, right: Operand, schema: &DFSchema) -> PlanResult<Resolved> {
    let writes = |operand: &Operand| match operand.sql_type() {
        Some(SqlType::Array(_)) | None => false,
        Some(sql_type) => !is_text(sql_type),
    };
    let text = |operand: &Operand| matches!(operand.kind, Kind::Unknown(_)) || operand.sql_type().is_some_and(is_text);
    match (writes(&left), writes(&right)) {
        (true, false) if text(&right) => Ok(plain(operator, left.into_type(&SqlType::Text, schema)?, right.expr)),
        (false, true) if text(&left) => Ok(plain(operator, left.expr, right.into_type(&SqlType::Text, schema)?)),
        (true, true) => match (left.sql_type(), right.sql_type()) {
            (Some(a), Some(b)) => Err(no_operator(operator, a, b).into()),
            _ => Ok(Resolved::Default(left.expr, right.expr)),
        },
        _ => Ok(Resolved::Default(left.expr, right.expr)),
    }
}
