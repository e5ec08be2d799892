//! The operators of text search: `@@`, and `||`, `&&`, `<->`, `@>`, `<@` of its types.

use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, ExprSchemable, lit};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};
use slipstream_text_search::Config;

use super::functions::function;
use crate::operators::operand::{Kind, Operand, is_text};
use crate::types::typed_literal;

/// The function that an operator is, if an operand is of text search; `None` for any other operator.
pub(crate) fn operator(
    operator: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    schema: &DFSchema,
) -> PlanResult<Option<Expr>> {
    use BinaryOperator::{ArrowAt, AtArrow, AtAt, LtDashGt, PGOverlap, StringConcat};
    if !matches!(operator, AtAt | StringConcat | PGOverlap | LtDashGt | AtArrow | ArrowAt) {
        return Ok(None);
    }
    let operand = |expr: &Expr| {
        let mut operand = Operand::new(expr.clone(), schema)?;
        // The type of a cast is in its own field.
        if let Expr::Cast(cast) = expr
            && !cast.field.metadata().is_empty()
            && let Some(named) = SqlType::of_field(&cast.field)
        {
            operand.kind = Kind::Typed(named);
        }
        Ok::<_, DataFusionError>(operand)
    };
    let (left, right) = (operand(left)?, operand(right)?);
    if *operator == AtAt {
        return matches(left, right).map(Some);
    }
    let is = |wanted: SqlType| left.sql_type() == Some(&wanted) || right.sql_type() == Some(&wanted);
    let name = match operator {
        StringConcat if is(SqlType::TsVector) && !is_text_beside(&left, &right) => "tsvector_concat",
        StringConcat if is(SqlType::TsQuery) && !is_text_beside(&left, &right) => "tsquery_or",
        PGOverlap if is(SqlType::TsQuery) => "tsquery_and",
        LtDashGt if is(SqlType::TsQuery) => "tsquery_phrase",
        AtArrow if is(SqlType::TsQuery) => "tsq_mcontains",
        ArrowAt if is(SqlType::TsQuery) => return Ok(Some(call("tsq_mcontains", vec![right.expr, left.expr]))),
        _ => return Ok(None),
    };
    Ok(Some(call(name, vec![left.expr, right.expr])))
}

/// `tsvector || text` is text, as with any other type.
fn is_text_beside(left: &Operand, right: &Operand) -> bool {
    left.sql_type().is_some_and(is_text) || right.sql_type().is_some_and(is_text)
}

fn call(name: &'static str, args: Vec<Expr>) -> Expr {
    function(name).call(args)
}

/// `left @@ right`, either way round.
fn matches(left: Operand, right: Operand) -> PlanResult<Expr> {
    use SqlType::{TsQuery, TsVector};
    let text_of = |operand: &Operand| operand.sql_type().is_none_or(is_text);
    match (left.sql_type(), right.sql_type()) {
        (Some(TsVector), Some(TsQuery)) | (Some(TsVector), None) => Ok(search(left.expr, right.expr)),
        (Some(TsQuery), Some(TsVector)) | (None, Some(TsVector)) => Ok(search(right.expr, left.expr)),
        (_, Some(TsQuery)) if text_of(&left) => Ok(search_text(default_config(), left.expr, right.expr)),
        (Some(TsQuery), None) => Ok(call("ts_match_vq", vec![right.expr, left.expr])),
        // One text in another: all of its words.
        _ if text_of(&left) && text_of(&right) && left.kind != Kind::Foreign => {
            let query = call("plainto_tsquery", vec![right.expr]);
            Ok(search_text(default_config(), left.expr, query))
        }
        (a, b) => {
            let name = |sql_type: Option<&SqlType>| sql_type.map_or("unknown".to_string(), SqlType::to_string);
            let message = format!("operator does not exist: {} @@ {}", name(a), name(b));
            Err(Error::new(ErrorKind::UndefinedFunction, message)
                .with_hint(
                    "No operator matches the given name and argument types. You might need to add explicit type casts.",
                )
                .into())
        }
    }
}

/// A search in a vector; one that is made of a text is a search in the text.
fn search(vector: Expr, query: Expr) -> Expr {
    match vector {
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "to_tsvector" && matches!(args.len(), 1 | 2) =>
        {
            let mut args = args.into_iter();
            match (args.next(), args.next()) {
                (Some(config), Some(text)) => search_text(config, text, query),
                (text, _) => search_text(default_config(), text.unwrap_or_else(|| lit("")), query),
            }
        }
        vector => call("ts_match_vq", vec![vector, query]),
    }
}

fn search_text(config: Expr, text: Expr, query: Expr) -> Expr {
    call("ts_match_text", vec![config, text, query])
}

fn default_config() -> Expr {
    typed_literal(&SqlType::Text, Config::ENGLISH.name().into())
}

/// `length(tsvector)`, which is the number of its lexemes.
pub(crate) fn length_of_vector(args: &[Expr], schema: &DFSchema) -> PlanResult<Option<Expr>> {
    let [argument] = args else { return Ok(None) };
    let (_, field) = argument.to_field(schema)?;
    let is_vector = SqlType::of_field(&field) == Some(SqlType::TsVector);
    Ok(is_vector.then(|| call("tsvector_length", vec![argument.clone()])))
}
