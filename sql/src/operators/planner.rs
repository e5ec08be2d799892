//! Binary operators on their way from SQL into a plan.

use arrow::datatypes::Field;
use datafusion::common::DFSchema;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};

use super::binary::{Resolved, binary};
use super::vector::{bit_distance, distance, is_bits};
use crate::functions::json_operator;
use crate::pgvector::{BitMetric, Metric, bit_distance_function, distance_function};
use crate::text_search;

/// Gives binary operators Postgres's meaning. It must be the first planner: `<=>` of vectors is not MySQL's.
#[derive(Debug)]
pub struct PostgresOperators;

impl ExprPlanner for PostgresOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> PlanResult<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        let op = unqualified(op);
        let (left, right) = (cast_parameter(left), cast_parameter(right));
        if left.get_type(schema).is_ok()
            && let Some(part) = json_operator(&op, &left, &right, schema)?
        {
            return Ok(PlannerResult::Planned(part));
        }
        if let Some(metric) = BitMetric::of_operator(&op) {
            return Ok(match left.get_type(schema).is_err() || right.get_type(schema).is_err() {
                true => PlannerResult::Planned(bit_distance_function(metric).call(vec![left, right])),
                false => match bit_distance(metric, left, right, schema)? {
                    Resolved::Done(expr) => PlannerResult::Planned(expr),
                    Resolved::Default(left, right) => {
                        PlannerResult::Planned(bit_distance_function(metric).call(vec![left, right]))
                    }
                },
            });
        }
        if is_bitwise(&op) && left.get_type(schema).is_ok() && is_bits(&left, schema)? {
            return Err(Error::not_supported(format!("operator {op} of bit strings is not supported")).into());
        }
        if left.get_type(schema).is_ok()
            && right.get_type(schema).is_ok()
            && let Some(search) = text_search::operator(&op, &left, &right, schema)?
        {
            return Ok(PlannerResult::Planned(search));
        }
        let resolved = match (Metric::of_operator(&op), known(&op)) {
            (None, None) => Resolved::Default(left, right),
            // A column that does not exist: DataFusion says so later, and knows where it stands in the text.
            (metric, _) if left.get_type(schema).is_err() || right.get_type(schema).is_err() => match metric {
                Some(metric) => Resolved::Done(distance_function(metric).call(vec![left, right])),
                None => Resolved::Default(left, right),
            },
            (Some(metric), _) => distance(metric, left, right, schema)?,
            // Numbers wait for the analyzer: literals inside subqueries have not got their types yet.
            (None, Some(operator)) if !are_numbers(&left, &right, schema)? => binary(operator, left, right, schema)?,
            (None, Some(_)) => Resolved::Default(left, right),
        };
        match resolved {
            Resolved::Done(expr) => Ok(PlannerResult::Planned(expr)),
            Resolved::Default(left, right) => {
                refuse(&op, &left, &right)?;
                Ok(PlannerResult::Original(RawBinaryExpr { op, left, right }))
            }
        }
    }
}

/// `$1::integer` is a parameter of that type.
fn cast_parameter(expr: Expr) -> Expr {
    match expr {
        Expr::Cast(Cast { expr, field }) if !is_of_any_dimension(&field) => match *expr {
            Expr::Placeholder(Placeholder { id, field: None }) => {
                Expr::Placeholder(Placeholder::new_with_field(id, Some(field)))
            }
            inner => Expr::Cast(Cast { expr: Box::new(inner), field }),
        },
        other => other,
    }
}

fn is_of_any_dimension(field: &Field) -> bool {
    matches!(SqlType::of_field(field), Some(SqlType::Vector(0) | SqlType::Halfvec(0)))
}

fn are_numbers(left: &Expr, right: &Expr, schema: &DFSchema) -> PlanResult<bool> {
    Ok(left.get_type(schema)?.is_numeric() && right.get_type(schema)?.is_numeric())
}

/// The operators that have rules here, as DataFusion names them.
fn known(operator: &BinaryOperator) -> Option<Operator> {
    Some(match operator {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::StringConcat => Operator::StringConcat,
        _ => return None,
    })
}

/// Operators of bit strings other than comparisons.
fn is_bitwise(operator: &BinaryOperator) -> bool {
    use BinaryOperator::{BitwiseAnd, BitwiseOr, BitwiseXor, PGBitwiseShiftLeft, PGBitwiseShiftRight, PGBitwiseXor};
    matches!(operator, BitwiseAnd | BitwiseOr | BitwiseXor | PGBitwiseXor | PGBitwiseShiftLeft | PGBitwiseShiftRight)
}

/// `OPERATOR(pg_catalog.~)`, which psql writes, is `~`.
fn unqualified(operator: BinaryOperator) -> BinaryOperator {
    let BinaryOperator::PGCustomBinaryOperator(parts) = &operator else { return operator };
    match parts.last().map(String::as_str) {
        Some("=") => BinaryOperator::Eq,
        Some("<>") => BinaryOperator::NotEq,
        Some("<") => BinaryOperator::Lt,
        Some("<=") => BinaryOperator::LtEq,
        Some(">") => BinaryOperator::Gt,
        Some(">=") => BinaryOperator::GtEq,
        Some("+") => BinaryOperator::Plus,
        Some("-") => BinaryOperator::Minus,
        Some("*") => BinaryOperator::Multiply,
        Some("/") => BinaryOperator::Divide,
        Some("||") => BinaryOperator::StringConcat,
        Some("~") => BinaryOperator::PGRegexMatch,
        Some("~*") => BinaryOperator::PGRegexIMatch,
        Some("!~") => BinaryOperator::PGRegexNotMatch,
        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
        Some("~~") => BinaryOperator::PGLikeMatch,
        Some("!~~") => BinaryOperator::PGNotLikeMatch,
        _ => operator,
    }
}

/// Operators that DataFusion would plan with another meaning, or not at all.
fn refuse(operator: &BinaryOperator, left: &Expr, right: &Expr) -> PlanResult<()> {
    use BinaryOperator::{Arrow, HashArrow, HashLongArrow, LongArrow, LtDashGt, Spaceship};
    match operator {
        Spaceship | LtDashGt | BinaryOperator::Custom(_) | BinaryOperator::PGCustomBinaryOperator(_) => {
            Err(Error::not_supported(format!("operator {operator} is not supported for these operands"))
                .with_detail(format!("The operands are {left} and {right}."))
                .into())
        }
        Arrow | LongArrow | HashArrow | HashLongArrow => {
            Err(Error::new(ErrorKind::UndefinedFunction, format!("operator {operator} takes JSON on its left side"))
                .with_hint("Cast it to json or jsonb.")
                .into())
        }
        _ => Ok(()),
    }
}
