//! Which arguments a function of text search takes, and which of its forms a call means.

use datafusion::common::DFSchema;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::Expr;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind};
use slipstream_text_search::Config;

use super::search::{HIGHLIGHT, MATCHES, SCORE_OF};
use crate::operators::operand::{Kind, Operand, is_integer, is_number, is_text};

use crate::types::typed_literal;

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// `text`, `regconfig`, `"char"`
    Text,
    /// `tsvector`
    Vector,
    /// `tsquery`
    Query,
    /// `integer`
    Integer,
    /// `text[]`
    Texts,
    /// `real[]`
    Reals,
}

impl Type {
    fn sql_type(self) -> SqlType {
        match self {
            Type::Text => SqlType::Text,
            Type::Vector => SqlType::TsVector,
            Type::Query => SqlType::TsQuery,
            Type::Integer => SqlType::Integer,
            Type::Texts => SqlType::Array(Box::new(SqlType::Text)),
            Type::Reals => SqlType::Array(Box::new(SqlType::Real)),
        }
    }

    /// Whether an operand can be it without the statement saying so.
    fn takes(self, operand: &Operand) -> bool {
        let Some(found) = operand.sql_type() else { return true };
        match (self, found) {
            (Type::Text, found) => is_text(found),
            (Type::Integer, found) => is_integer(found) && *found != SqlType::BigInt,
            (Type::Texts, SqlType::Array(item)) => is_text(item),
            (Type::Reals, SqlType::Array(item)) => is_number(item),
            (wanted, found) => wanted.sql_type() == *found,
        }
    }
}

/// The forms of every function, the likelier first.
const FORMS: &[(&str, &[&[Type]])] = {
    use Type::{Integer as I, Query as Q, Reals, Text as T, Texts, Vector as V};
    &[
        ("to_tsvector", &[&[T], &[T, T]]),
        ("to_tsquery", &[&[T], &[T, T]]),
        ("plainto_tsquery", &[&[T], &[T, T]]),
        ("phraseto_tsquery", &[&[T], &[T, T]]),
        ("websearch_to_tsquery", &[&[T], &[T, T]]),
        ("array_to_tsvector", &[&[Texts]]),
        ("get_current_ts_config", &[&[]]),
        ("numnode", &[&[Q]]),
        ("querytree", &[&[Q]]),
        ("setweight", &[&[V, T], &[V, T, Texts]]),
        ("strip", &[&[V]]),
        ("ts_delete", &[&[V, T], &[V, Texts]]),
        ("ts_filter", &[&[V, Texts]]),
        ("ts_headline", &[&[T, Q], &[T, T, Q], &[T, Q, T], &[T, T, Q, T]]),
        ("ts_lexize", &[&[T, T]]),
        ("ts_match_vq", &[&[V, Q]]),
        ("ts_match_text", &[&[T, T, Q]]),
        ("ts_rank", &[&[V, Q], &[V, Q, I], &[Reals, V, Q], &[Reals, V, Q, I]]),
        ("tsq_mcontains", &[&[Q, Q]]),
        ("tsquery_and", &[&[Q, Q]]),
        ("tsquery_not", &[&[Q]]),
        ("tsquery_or", &[&[Q, Q]]),
        ("tsquery_phrase", &[&[Q, Q], &[Q, Q, I]]),
        ("tsvector_concat", &[&[V, V]]),
        ("tsvector_length", &[&[V]]),
        ("tsvector_to_array", &[&[V]]),
        ("ts_rank_cd", &[]),
        ("ts_rewrite", &[]),
        ("ts_debug", &[]),
        ("ts_parse", &[]),
        ("ts_stat", &[]),
    ]
};

/// The names of all functions of text search.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FORMS.iter().map(|(name, _)| *name)
}

/// The arguments of a call in the types of the form that it means; `None` for functions of others.
pub(crate) fn typed(name: &str, args: &[Expr], schema: &DFSchema) -> PlanResult<Option<Vec<Expr>>> {
    if matches!(name, MATCHES | SCORE_OF | HIGHLIGHT) {
        return texts(args, schema).map(Some);
    }
    let Some((_, forms)) = FORMS.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    if forms.is_empty() {
        return Err(Error::not_supported(format!("function {name} is not supported")).into());
    }
    let operands = args.iter().map(|arg| Operand::new(arg.clone(), schema)).collect::<PlanResult<Vec<_>>>()?;
    let form = forms.iter().find(|form| {
        form.len() == operands.len() && form.iter().zip(&operands).all(|(wanted, operand)| wanted.takes(operand))
    });
    let Some(form) = form else { return Err(undefined(name, &operands).into()) };
    let typed = form.iter().zip(operands).map(|(wanted, operand)| match (wanted, &operand.kind) {
        // Text needs no cast, whatever its length may be.
        (Type::Text, Kind::Typed(_)) => Ok(operand.expr),
        _ => operand.into_type(&wanted.sql_type(), schema),
    });
    let typed = typed.collect::<PlanResult<Vec<_>>>()?;
    Ok(Some(with_defaults(name, form, typed)))
}

/// Says what a call leaves out: the configuration, the options of a headline.
fn with_defaults(name: &str, form: &[Type], mut args: Vec<Expr>) -> Vec<Expr> {
    let text = |text: &str| typed_literal(&SqlType::Text, text.into());
    let takes_config = matches!(
        name,
        "to_tsvector" | "to_tsquery" | "plainto_tsquery" | "phraseto_tsquery" | "websearch_to_tsquery" | "ts_headline"
    );
    let has_config = form.get(1) == Some(&Type::Text);
    if takes_config && !has_config {
        args.insert(0, text(Config::ENGLISH.name()));
    }
    if name == "ts_headline" && args.len() == 3 {
        args.push(text(""));
    }
    args
}

/// The arguments of a search, all of them texts.
fn texts(args: &[Expr], schema: &DFSchema) -> PlanResult<Vec<Expr>> {
    let text = |arg: &Expr| {
        let operand = Operand::new(arg.clone(), schema)?;
        match operand.sql_type() {
            Some(found) if is_text(found) => Ok(operand.expr),
            None => operand.into_type(&SqlType::Text, schema),
            Some(found) => {
                Err(Error::new(ErrorKind::UndefinedFunction, format!("operator does not exist: {found} @@@ text"))
                    .with_hint("Searches are in text.")
                    .into())
            }
        }
    };
    args.iter().map(text).collect()
}

fn undefined(name: &str, operands: &[Operand]) -> Error {
    let types = operands.iter().map(|operand| operand.sql_type().map_or("unknown".to_string(), SqlType::to_string));
    let message = format!("function {name}({}) does not exist", types.collect::<Vec<_>>().join(", "));
    Error::new(ErrorKind::UndefinedFunction, message)
        .with_hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}
