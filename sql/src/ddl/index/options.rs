//! Parameters of CREATE INDEX ... WITH.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use slipstream_engine::catalog::IndexMethod;
use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_text_search::Config;

use crate::dml::normalize;
use crate::error::from_text_search;

/// A number that a method takes: its name, and the least and greatest value.
type Numeric = (&'static str, usize, usize);

/// The numbers that a method takes, with the bounds that pgvector has.
fn numbers(method: IndexMethod) -> &'static [Numeric] {
    match method {
        IndexMethod::Hnsw => &[("m", 2, 100), ("ef_construction", 4, 1000)],
        IndexMethod::Ivfflat => &[("lists", 1, 32_768)],
        IndexMethod::IvfPq => &[("num_partitions", 1, 32_768), ("num_sub_vectors", 1, 4096), ("num_bits", 4, 8)],
        IndexMethod::IvfHnswSq => &[("num_partitions", 1, 32_768), ("m", 2, 100), ("ef_construction", 4, 1000)],
        IndexMethod::IvfRq => &[("num_partitions", 1, 32_768), ("num_bits", 1, 9)],
        IndexMethod::Btree | IndexMethod::Hash => &[("fillfactor", 10, 100)],
        IndexMethod::Bm25 | IndexMethod::Gin | IndexMethod::Ngram => &[],
    }
}

/// The parameters of an index, as they were written.
pub(super) fn of(method: IndexMethod, with: &[Expr]) -> Result<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    for option in with {
        let (name, value) = split(option)?;
        if let Some(value) = word(method, &name, &value)? {
            if options.insert(name.clone(), value).is_some() {
                return Err(twice(&name));
            }
            continue;
        }
        let Some((_, least, most)) = numbers(method).iter().find(|(known, ..)| *known == name) else {
            return Err(invalid(format!("unrecognized parameter \"{name}\"")));
        };
        let number: i64 =
            value.parse().map_err(|_| invalid(format!("invalid value for integer option \"{name}\": {value}")))?;
        if usize::try_from(number).map_or(true, |number| number < *least || number > *most) {
            return Err(invalid(format!("value {value} out of bounds for option \"{name}\""))
                .with_detail(format!("Valid values are between \"{least}\" and \"{most}\".")));
        }
        if options.insert(name.clone(), value).is_some() {
            return Err(twice(&name));
        }
    }
    check_together(method, &options)?;
    Ok(options)
}

/// A parameter of words that is no number: the value as it is kept.
fn word(method: IndexMethod, name: &str, value: &str) -> Result<Option<String>> {
    match (method, name) {
        (IndexMethod::Bm25, "language") => {
            let config: Config = value.parse().map_err(from_text_search)?;
            Ok(Some(config.name().to_string()))
        }
        (IndexMethod::Bm25, "positions") => match value.to_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(Some("true".to_string())),
            "false" | "off" | "no" | "0" => Ok(Some("false".to_string())),
            _ => Err(invalid(format!("invalid value for boolean option \"{name}\": {value}"))),
        },
        (IndexMethod::Bm25, "key_field") => Ok(Some(value.to_string())),
        _ => Ok(None),
    }
}

fn twice(name: &str) -> Error {
    invalid(format!("parameter \"{name}\" specified more than once"))
}

/// What the numbers must be to each other.
fn check_together(method: IndexMethod, options: &BTreeMap<String, String>) -> Result<()> {
    let number = |name: &str, default: usize| options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    match method {
        IndexMethod::Hnsw | IndexMethod::IvfHnswSq if number("ef_construction", 64) < 2 * number("m", 16) => {
            Err(invalid("ef_construction must be greater than or equal to 2 * m".to_string()))
        }
        IndexMethod::IvfPq if ![4, 8].contains(&number("num_bits", 8)) => {
            Err(invalid("num_bits must be 4 or 8".to_string()))
        }
        _ => Ok(()),
    }
}

fn split(option: &Expr) -> Result<(String, String)> {
    if let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = option
        && let Expr::Identifier(name) = left.as_ref()
        && let Some(value) = literal(right)
    {
        return Ok((normalize(name), value));
    }
    Err(Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{option}\"")))
}

fn literal(value: &Expr) -> Option<String> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number.clone()),
            Value::Boolean(value) => Some(value.to_string()),
            other => other.clone().into_string(),
        },
        Expr::Identifier(word) => Some(word.value.clone()),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal(expr).map(|value| format!("-{value}")),
        _ => None,
    }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::parse_expression;

    fn options(method: IndexMethod, with: &[&str]) -> Result<BTreeMap<String, String>> {
        let with: Vec<Expr> = with.iter().map(|text| parse_expression(text).expect("an expression")).collect();
        of(method, &with)
    }

    #[test]
    fn words_have_a_language() {
        let kept = options(IndexMethod::Bm25, &["language = 'German'", "positions = off"]).expect("fine");
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            [("language", "german"), ("positions", "false")].map(|(name, value)| (name.to_string(), value.to_string()))
        );
        let error = options(IndexMethod::Bm25, &["language = klingon"]).expect_err("no language");
        assert_eq!(error.message(), "text search configuration \"klingon\" does not exist");
        assert!(options(IndexMethod::Ngram, &["language = english"]).is_err());
    }

    #[test]
    fn numbers_have_pgvectors_bounds() {
        assert_eq!(options(IndexMethod::Hnsw, &["m = 8", "EF_construction = '32'"]).expect("fine").len(), 2);
        let error = options(IndexMethod::Hnsw, &["m = 1"]).expect_err("too small");
        assert_eq!(error.message(), "value 1 out of bounds for option \"m\"");
        let error = options(IndexMethod::Hnsw, &["m = 40"]).expect_err("too large for its partner");
        assert_eq!(error.message(), "ef_construction must be greater than or equal to 2 * m");
        let error = options(IndexMethod::Ivfflat, &["m = 8"]).expect_err("not its own");
        assert_eq!(error.message(), "unrecognized parameter \"m\"");
        assert!(options(IndexMethod::Ivfflat, &["lists = -1"]).is_err());
    }
}
