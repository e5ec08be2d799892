//! Where the parameters of a Cypher text get their values.
//!
//! `$1`, `$2`, ... are those of the SQL statement. With AGE's third argument, `cypher('g', $$ ... $name ... $$, $1)`, they are
//! the members of a JSON object: of a constant, whose values say their types, or of a parameter of the statement, whose values
//! are read as the types that the Cypher text wants; or of any other expression, which is computed for each row beside the pattern.

use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Value};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::from_datafusion;
use crate::planner::parameters;
use crate::text::json_access::{self, Kind};
use crate::text::parse_scalar;
use slipstream_graph_language::CypherParameter;

/// Where values come from.
#[derive(Debug, Clone)]
pub(crate) enum Arguments {
    /// The parameters of the statement, by their numbers.
    Statement,
    /// A constant object.
    Constant(String),
    /// An object that is a parameter of the statement, by its number from 0.
    Parameter(usize),
    /// An object that is computed for each row of what stands beside the pattern ([`super::lateral`]); it is the only value that
    /// there is then.
    Row,
}

impl Arguments {
    /// The arguments that the third argument of `cypher()` is.
    pub(crate) fn third(argument: &FunctionArg) -> Result<Arguments> {
        let expr = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => uncast(expr),
            _ => return Err(not_a_map()),
        };
        let Expr::Value(literal) = expr else { return Ok(Arguments::Row) };
        match &literal.value {
            Value::Placeholder(id) => parameters::number(id).map(Arguments::Parameter),
            Value::Null => Ok(Arguments::Constant("{}".to_string())),
            Value::SingleQuotedString(json) | Value::EscapedStringLiteral(json) => constant(json),
            Value::DollarQuotedString(json) => constant(&json.value),
            _ => Err(not_a_map()),
        }
    }

    /// The types that a constant gives to its members.
    pub(crate) fn types(&self) -> Result<Vec<CypherParameter>> {
        let Arguments::Constant(json) = self else { return Ok(Vec::new()) };
        let mut types = Vec::new();
        json_access::members(json, |name, value| types.push((name.to_string(), value.to_string())))?;
        let typed = types.into_iter().map(|(name, value)| {
            let sql_type = json_type(&value)?;
            Ok(sql_type.map(|sql_type| CypherParameter { name, sql_type }))
        });
        typed.filter_map(Result::transpose).collect()
    }

    /// Says which parameter of the statement a Cypher parameter takes its value from, and that parameter's type.
    pub(crate) fn source(&self, parameter: &CypherParameter) -> Result<Option<(usize, SqlType)>> {
        match self {
            Arguments::Statement => Ok(Some((parameters::number(&parameter.name)?, parameter.sql_type.clone()))),
            Arguments::Parameter(index) => Ok(Some((*index, SqlType::Jsonb))),
            Arguments::Constant(_) | Arguments::Row => Ok(None),
        }
    }

    /// The value of a parameter, in its type. `values` are those of the statement's parameters.
    pub(crate) fn value(&self, parameter: &CypherParameter, values: &[ScalarValue]) -> Result<ScalarValue> {
        let undefined = |name: &dyn std::fmt::Display| {
            Error::new(ErrorKind::UndefinedParameter, format!("there is no parameter ${name}"))
        };
        match self {
            Arguments::Statement => {
                let index = parameters::number(&parameter.name)?;
                let value = values.get(index).ok_or_else(|| undefined(&parameter.name))?;
                value.cast_to(&parameter.sql_type.arrow_type()).map_err(from_datafusion)
            }
            Arguments::Constant(json) => member(json, parameter),
            Arguments::Row => match values.first() {
                Some(
                    ScalarValue::Utf8(Some(json))
                    | ScalarValue::Utf8View(Some(json))
                    | ScalarValue::LargeUtf8(Some(json)),
                ) if Kind::of(json) == Kind::Object => member(json, parameter),
                _ => Err(not_a_map()),
            },
            Arguments::Parameter(index) => match values.get(*index).ok_or_else(|| undefined(&(index + 1)))? {
                ScalarValue::Utf8(Some(json)) if Kind::of(json) == Kind::Object => member(json, parameter),
                _ => Err(not_a_map()),
            },
        }
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => uncast(expr),
        expr => expr,
    }
}

fn constant(json: &str) -> Result<Arguments> {
    parse_scalar(&SqlType::Json, json)?;
    match Kind::of(json) {
        Kind::Object => Ok(Arguments::Constant(json.to_string())),
        _ => Err(not_a_map()),
    }
}

fn not_a_map() -> Error {
    Error::new(ErrorKind::InvalidParameter, "third argument of cypher() must be a map of parameters")
        .with_hint("Give a JSON object as a constant or as a parameter of the statement: '{\"name\": \"Ann\"}', or $1.")
}

/// The type that a JSON value says; `None` for null, which has any. An array has that of its elements, where they have one; what
/// has none is JSON.
fn json_type(json: &str) -> Result<Option<SqlType>> {
    Ok(Some(match Kind::of(json) {
        Kind::Null => return Ok(None),
        Kind::String => SqlType::Text,
        Kind::Boolean => SqlType::Boolean,
        Kind::Number if json.trim().parse::<i64>().is_ok() => SqlType::BigInt,
        Kind::Number => SqlType::Double,
        Kind::Array => {
            let mut elements = Vec::new();
            json_access::elements(json, |element| elements.push(json_type(element)))?;
            let mut item: Option<SqlType> = None;
            for element in elements.into_iter().filter_map(Result::transpose) {
                item = Some(match (item, element?) {
                    (None, element) => element,
                    (Some(item), element) if item == element => item,
                    (Some(SqlType::BigInt | SqlType::Double), SqlType::BigInt | SqlType::Double) => SqlType::Double,
                    _ => return Ok(Some(SqlType::Jsonb)),
                });
            }
            match item {
                Some(item) => SqlType::Array(Box::new(item)),
                None => return Ok(None),
            }
        }
        Kind::Object => SqlType::Jsonb,
    }))
}

/// A member of an object, read as the type of a parameter.
fn member(json: &str, parameter: &CypherParameter) -> Result<ScalarValue> {
    let value = json_access::member(json, &parameter.name)?.ok_or_else(|| {
        let message = format!("parameters argument is missing parameter ${}", parameter.name);
        Error::new(ErrorKind::UndefinedParameter, message)
    })?;
    value_of(value, &parameter.sql_type)
}

fn value_of(json: &str, sql_type: &SqlType) -> Result<ScalarValue> {
    let Some(text) = json_access::as_text(json)? else {
        return ScalarValue::try_new_null(&sql_type.arrow_type()).map_err(from_datafusion);
    };
    if *sql_type == SqlType::Jsonb {
        return parse_scalar(sql_type, json);
    }
    let (SqlType::Array(item), Kind::Array) = (sql_type, Kind::of(json)) else {
        return parse_scalar(sql_type, &text);
    };
    let mut elements = Vec::new();
    json_access::elements(json, |element| elements.push(value_of(element, item)))?;
    let elements = elements.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(&elements, &item.arrow_type())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, sql_type: SqlType) -> CypherParameter {
        CypherParameter { name: name.to_string(), sql_type }
    }

    #[test]
    fn a_constant_says_the_types_of_its_members() {
        let arguments =
            constant("{\"a\": 1, \"b\": \"x\", \"c\": [1, 2.5], \"d\": null, \"e\": true}").expect("an object");
        let types = arguments.types().expect("typed");
        let names: Vec<_> = types.iter().map(|known| format!("{}: {}", known.name, known.sql_type)).collect();
        assert_eq!(names, ["a: bigint", "b: text", "c: double precision[]", "e: boolean"]);
        let mixed = constant("{\"a\": {\"b\": 1}, \"c\": [1, \"x\"], \"d\": [{}]}").expect("an object");
        let names: Vec<_> = mixed.types().expect("typed").iter().map(|known| known.sql_type.to_string()).collect();
        assert_eq!(names, ["jsonb", "jsonb", "jsonb[]"]);
        assert_eq!(constant("[1]").expect_err("an array").kind(), ErrorKind::InvalidParameter);
        assert_eq!(constant("{").expect_err("torn").kind(), ErrorKind::InvalidText);
    }

    #[test]
    fn members_are_read_as_what_the_query_wants() {
        let values = [ScalarValue::Utf8(Some("{\"a\": \"2024-02-29\", \"b\": 7, \"c\": [\"x\", null]}".into()))];
        let arguments = Arguments::Parameter(0);
        let value = |name, sql_type| arguments.value(&parameter(name, sql_type), &values);
        assert_eq!(
            value("a", SqlType::Date).expect("a date"),
            parse_scalar(&SqlType::Date, "2024-02-29").expect("one")
        );
        assert_eq!(value("b", SqlType::BigInt).expect("a number"), ScalarValue::Int64(Some(7)));
        let texts = SqlType::Array(Box::new(SqlType::Text));
        assert_eq!(value("c", texts.clone()).expect("a list"), parse_scalar(&texts, "{x,NULL}").expect("one"));
        assert_eq!(value("a", SqlType::BigInt).expect_err("no number").kind(), ErrorKind::InvalidText);
        assert_eq!(value("z", SqlType::BigInt).expect_err("missing").kind(), ErrorKind::UndefinedParameter);
    }
}
