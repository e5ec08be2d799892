//! Arguments of the functions that search tables in FROM, by position or by name.

use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectNamePart, Value};
use slipstream_engine::catalog::{Catalog, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::rewrite::folded;

/// The arguments of a call.
#[derive(Debug)]
pub(crate) struct Arguments {
    function: &'static str,
    given: Vec<(&'static str, Expr)>,
}

impl Arguments {
    /// Sorts arguments by the names of the parameters, which are in their order.
    pub(crate) fn new(function: &'static str, parameters: &[&'static str], args: &[FunctionArg]) -> Result<Arguments> {
        let mut given: Vec<(&'static str, Expr)> = Vec::new();
        let mut named = false;
        let invalid = |message: String| Error::new(ErrorKind::UndefinedFunction, message);
        for (position, arg) in args.iter().enumerate() {
            let is_named = !matches!(arg, FunctionArg::Unnamed(_));
            let (name, value) = match arg {
                FunctionArg::Unnamed(value) => match parameters.get(position) {
                    Some(_) if named => {
                        return Err(Error::new(ErrorKind::Syntax, "positional argument cannot follow named argument"));
                    }
                    Some(name) => (*name, value),
                    None => return Err(invalid(format!("{function} takes {} arguments", parameters.len()))),
                },
                FunctionArg::Named { name, arg, .. } => (known(function, parameters, &folded(name))?, arg),
                FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                    (known(function, parameters, &folded(name))?, arg)
                }
                FunctionArg::ExprNamed { .. } => {
                    return Err(Error::new(ErrorKind::Syntax, "the name of an argument is a word"));
                }
            };
            let FunctionArgExpr::Expr(value) = value else {
                return Err(Error::new(ErrorKind::Syntax, format!("{function} takes no *")));
            };
            if given.iter().any(|(other, _)| *other == name) {
                return Err(Error::new(ErrorKind::Syntax, format!("argument name \"{name}\" used more than once")));
            }
            named |= is_named;
            given.push((name, value.clone()));
        }
        Ok(Arguments { function, given })
    }

    /// An argument, if it is given.
    pub(crate) fn get(&self, name: &str) -> Option<&Expr> {
        self.given.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// An argument that has to be given.
    pub(crate) fn required(&self, name: &str) -> Result<&Expr> {
        self.get(name).ok_or_else(|| {
            let message = format!("{} needs an argument {name}", self.function);
            Error::new(ErrorKind::UndefinedFunction, message)
        })
    }

    /// The name that an argument is: a word, or a text.
    pub(crate) fn name(&self, argument: &str) -> Result<Option<String>> {
        let Some(value) = self.get(argument) else { return Ok(None) };
        Ok(Some(match value {
            Expr::Identifier(name) => folded(name),
            Expr::CompoundIdentifier(parts) => parts.last().map(folded).unwrap_or_default(),
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(name) => name.clone(),
                _ => return Err(self.no_name(argument)),
            },
            _ => return Err(self.no_name(argument)),
        }))
    }

    fn no_name(&self, argument: &str) -> Error {
        Error::new(ErrorKind::DatatypeMismatch, format!("argument {argument} of {} must be a name", self.function))
    }

    /// The table that is searched.
    pub(crate) fn table<'a>(&self, catalog: &'a Catalog) -> Result<&'a TableDefinition> {
        self.required("table")?;
        let name = self.name("table")?.unwrap_or_default();
        // A text may be qualified, as a name may be.
        let plain = name.rsplit('.').next().unwrap_or(&name);
        catalog
            .get_table(plain)
            .map(|table| table.as_ref())
            .ok_or_else(|| Error::new(ErrorKind::UndefinedTable, format!("relation \"{name}\" does not exist")))
    }

    /// The column that is searched: the one that is named, or the only one that can be.
    pub(crate) fn column<'a>(
        &self,
        argument: &str,
        table: &'a TableDefinition,
        what: &str,
        fits: impl Fn(&slipstream_engine::catalog::ColumnDefinition) -> bool,
    ) -> Result<&'a str> {
        if let Some(name) = self.name(argument)? {
            let column = table.get_column(&name).ok_or_else(|| {
                Error::new(
                    ErrorKind::UndefinedColumn,
                    format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
                )
            })?;
            if !fits(column) {
                let message = format!("column \"{name}\" is of type {}, {what} is needed", column.sql_type);
                return Err(Error::new(ErrorKind::DatatypeMismatch, message));
            }
            return Ok(&column.name);
        }
        let fitting: Vec<_> = table.columns.iter().filter(|column| fits(column)).collect();
        match fitting.as_slice() {
            [only] => Ok(&only.name),
            [] => Err(Error::new(
                ErrorKind::UndefinedColumn,
                format!("relation \"{}\" has no column for {what}", table.name),
            )),
            _ => Err(Error::new(
                ErrorKind::AmbiguousColumn,
                format!("relation \"{}\" has several columns for {what}", table.name),
            )
            .with_hint(format!("Name one: {argument} => ..."))),
        }
    }
}

fn known(function: &str, parameters: &[&'static str], name: &str) -> Result<&'static str> {
    parameters.iter().find(|known| **known == name).copied().ok_or_else(|| {
        let message = format!("{function} has no argument \"{name}\"");
        Error::new(ErrorKind::UndefinedFunction, message)
            .with_hint(format!("Its arguments are {}.", parameters.join(", ")))
    })
}

/// The last part of a function's name.
pub(crate) fn last_name(parts: &[ObjectNamePart]) -> Option<String> {
    parts.last().and_then(|part| part.as_ident()).map(folded)
}
