//! `slipstream.diff('t', from, to)` in FROM: the rows that two versions of a table do not share.
//!
//! The call becomes the name of a table in a database of its own, which says both versions; so it is found, planned and bound as
//! any table at an older version is. Without `to` it is what the statement reads.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableFactor, Value, VisitMut,
    VisitorMut,
};
use slipstream_catalog::pg_catalog::objects::split_name;
use slipstream_engine::{Error, ErrorKind, Result};

use super::key::{Key, PATH};
use crate::dml::normalize;
use crate::planner::syntax;

/// What the databases of differences begin with.
const PREFIX: &str = "?diff ";

/// What stands between the two versions.
const BETWEEN: char = '\u{1f}';

/// The two versions that a database of a difference stands for; no second one where it is what the statement reads.
pub(crate) fn sides(database: &str) -> Option<(&str, Option<&str>)> {
    let (from, to) = database.strip_prefix(PREFIX)?.split_once(BETWEEN)?;
    Some((from, (!to.is_empty()).then_some(to)))
}

/// Replaces the calls in a statement.
pub(crate) fn expand(statement: &mut ast::Statement) -> Result<()> {
    struct Calls;
    impl VisitorMut for Calls {
        type Break = Error;
        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            match table_of(factor) {
                Ok(Some(table)) => *factor = table,
                Ok(None) => {}
                Err(error) => return ControlFlow::Break(error),
            }
            ControlFlow::Continue(())
        }
    }
    match statement.visit(&mut Calls) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn table_of(factor: &TableFactor) -> Result<Option<TableFactor>> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return Ok(None),
    };
    let parts: Vec<String> = name.0.iter().filter_map(ObjectNamePart::as_ident).map(normalize).collect();
    if parts != ["slipstream", "diff"] {
        return Ok(None);
    }
    let arguments = args.iter().map(argument).collect::<Option<Vec<&Expr>>>().ok_or_else(usage)?;
    let (table, from, to) = match arguments[..] {
        [table, from] => (table, from, None),
        [table, from, to] => (table, from, Some(to)),
        _ => return Err(usage()),
    };
    let mut path = match string(table) {
        Some(text) => split_name(text).filter(|path| path.len() <= 2).ok_or_else(usage)?,
        None => return Err(usage()),
    };
    if path.len() == 1 {
        path.insert(0, PATH.to_string());
    }
    let to = to.map(version).transpose()?.unwrap_or_default();
    path.insert(0, format!("{PREFIX}{}{BETWEEN}{to}", version(from)?));
    let name = ObjectName::from(path.iter().map(|part| syntax::quoted(part)).collect::<Vec<_>>());
    let mut table = syntax::table_factor(name, Some(Ident::new("diff")));
    if let (TableFactor::Table { alias, .. }, Some(given)) = (&mut table, alias) {
        *alias = Some(given.clone());
    }
    Ok(Some(table))
}

fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
        _ => None,
    }
}

fn string(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// The database of the version that an argument names.
fn version(expression: &Expr) -> Result<String> {
    let key = match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Key::number(number)?,
            Value::Placeholder(_) => {
                return Err(Error::not_supported("a parameter for a version of slipstream.diff is not supported")
                    .with_hint("Write the version into the statement."));
            }
            _ => Key::setting(string(expression).ok_or_else(usage)?)?,
        },
        expression => Key::Time(expression.to_string()),
    };
    Ok(key.database())
}

fn usage() -> Error {
    Error::new(
        ErrorKind::UndefinedFunction,
        "slipstream.diff takes the name of a table, as a constant, and two versions",
    )
    .with_hint(
        "For example: slipstream.diff('t', 5, 9), or slipstream.diff('t', 'before-import') for what has changed since.",
    )
}
