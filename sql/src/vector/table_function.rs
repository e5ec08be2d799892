//! `vector_search(table, column => , query => , k => , filter => , metric => )` in FROM.
//!
//! It is another way to write a query that orders a table by a distance and takes the first rows, and becomes that query
//! before planning: so an index serves it, and whoever reads the statement's plan sees nothing new. Beside the table's
//! columns it has `distance`, `score`, which is greater for what is nearer, and `rank` from 1.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, Ident, LimitClause, ObjectName, SetExpr, TableAlias,
    TableFactor, Value, VisitMut, VisitorMut,
};
use slipstream_catalog::pg_catalog::definitions::quote_identifier;
use slipstream_catalog::pg_catalog::objects::split_name;
use slipstream_engine::catalog::{Metric, Relation, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::dml::normalize;
use crate::planner::names::Tables;
use crate::statement::{self, Command, parse_expression};

/// The function's name.
const NAME: &str = "vector_search";
/// Its arguments, in the order in which they stand where they are not named.
const ARGUMENTS: [&str; 6] = ["table", "column", "query", "k", "filter", "metric"];
/// Rows where nobody says how many.
const DEFAULT_COUNT: &str = "10";

/// Puts the query that it means in the place of every call.
pub(crate) fn expand(statement: &mut ast::Statement, tables: &Tables) -> Result<()> {
    struct Calls<'a>(&'a Tables);
    impl VisitorMut for Calls<'_> {
        type Break = Error;

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            match expanded(factor, self.0) {
                Ok(Some(query)) => {
                    *factor = query;
                    ControlFlow::Continue(())
                }
                Ok(None) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match statement.visit(&mut Calls(tables)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn expanded(factor: &TableFactor, tables: &Tables) -> Result<Option<TableFactor>> {
    let (name, args, alias) = match factor {
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, &args.args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return Ok(None),
    };
    if !is_ours(name) {
        return Ok(None);
    }
    let call = Call::of(args, tables)?;
    let name = || TableAlias { explicit: false, name: Ident::new(NAME), columns: Vec::new(), at: None };
    let alias = Some(alias.clone().unwrap_or_else(name));
    // A function in FROM sees what stands before it.
    Ok(Some(TableFactor::Derived { lateral: true, subquery: Box::new(call.query()?), alias, sample: None }))
}

fn is_ours(name: &ObjectName) -> bool {
    let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(normalize).collect();
    matches!(parts.iter().map(String::as_str).collect::<Vec<_>>()[..], [NAME] | ["slipstream" | "public", NAME])
}

/// A call.
struct Call {
    table: Arc<TableDefinition>,
    column: String,
    query: Expr,
    count: Expr,
    filter: Option<Expr>,
    metric: Metric,
}

impl Call {
    fn of(args: &[FunctionArg], tables: &Tables) -> Result<Self> {
        let [first, ..] = arguments(args, false)?;
        let table = table(first, tables)?;
        // The column may be left out: then what stands second is the vector.
        let second = args.get(1).and_then(|second| match second {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value),
            _ => None,
        });
        let without_column = second.is_some_and(|second| !names_column(&table, second));
        let [_, column, query, count, filter, metric] = arguments(args, without_column)?;
        let column = match column {
            Some(column) => vector_column(&table, &text(&column, "column")?)?,
            None => only_vector_column(&table)?,
        };
        let query = query.ok_or_else(|| missing("query"))?;
        let metric = match metric {
            Some(metric) => named_metric(&text(&metric, "metric")?)?,
            None => metric_of(&table, &column),
        };
        let filter = match filter {
            // A condition that comes as a text is one that was written for the function.
            Some(Expr::Value(value)) => match value.value.clone().into_string() {
                Some(text) => Some(parse_expression(&text)?),
                None => Some(Expr::Value(value)),
            },
            other => other,
        };
        let count = match count {
            Some(count) => count,
            None => Expr::Value(Value::Number(DEFAULT_COUNT.to_string(), false).with_empty_span()),
        };
        Ok(Call { table, column, query, count, filter, metric })
    }

    /// The query that it means.
    fn query(self) -> Result<ast::Query> {
        let (operator, score) = match self.metric {
            Metric::L2 => ("<->", "1 / (1 + \"?distance\")"),
            Metric::Cosine => ("<=>", "1 - \"?distance\""),
            Metric::InnerProduct => ("<#>", "- \"?distance\""),
            Metric::L1 => ("<+>", "1 / (1 + \"?distance\")"),
            Metric::Hamming => ("<~>", "1 / (1 + \"?distance\")"),
            Metric::Jaccard => ("<%>", "1 - \"?distance\""),
        };
        let columns: Vec<String> = self.table.columns.iter().map(|column| quote_identifier(&column.name)).collect();
        let column = quote_identifier(&self.column);
        let name = format!("{}.{}", quote_identifier(&self.table.schema), quote_identifier(&self.table.name));
        let columns = columns.join(", ");
        // The vector, the condition and the count are put in as they were written.
        let mut query = parse_query(&format!(
            "SELECT {columns}, \"?distance\" AS distance, {score} AS score, \
             row_number() OVER (ORDER BY \"?distance\") AS rank \
             FROM (SELECT {columns}, {column} {operator} (\"?query\") AS \"?distance\" FROM {name} \
             WHERE (\"?filter\") ORDER BY \"?distance\" LIMIT 1) AS \"?nearest\" WHERE \"?distance\" IS NOT NULL"
        ))?;
        let always = Expr::Value(Value::Boolean(true).with_empty_span());
        put(&mut query, "?query", &self.query);
        put(&mut query, "?filter", self.filter.as_ref().unwrap_or(&always));
        limit(&mut query, self.count)?;
        Ok(query)
    }
}

/// Parses a query that is made here.
fn parse_query(text: &str) -> Result<ast::Query> {
    let statements = statement::parse(text)?;
    match statements.first().map(statement::Statement::command) {
        Some(Command::Sql(statement)) => match statement.as_ref() {
            ast::Statement::Query(query) => Ok(query.as_ref().clone()),
            _ => Err(Error::internal("a search is no query")),
        },
        _ => Err(Error::internal("a search is no statement")),
    }
}

/// Puts an expression in the place of a name.
fn put(query: &mut ast::Query, name: &str, value: &Expr) {
    struct Put<'a>(&'a str, &'a Expr);
    impl VisitorMut for Put<'_> {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if matches!(expr, Expr::Identifier(ident) if ident.value == self.0) {
                *expr = self.1.clone();
            }
            ControlFlow::Continue(())
        }
    }
    let _ = query.visit(&mut Put(name, value));
}

/// Limits the query in FROM.
fn limit(query: &mut ast::Query, count: Expr) -> Result<()> {
    let inner = match query.body.as_mut() {
        SetExpr::Select(select) => select.from.first_mut().map(|from| &mut from.relation),
        _ => None,
    };
    let Some(TableFactor::Derived { subquery, .. }) = inner else {
        return Err(Error::internal("a search has no query in its FROM"));
    };
    subquery.limit_clause = Some(LimitClause::LimitOffset { limit: Some(count), offset: None, limit_by: Vec::new() });
    Ok(())
}

/// The arguments by their place; `without_column` where that one is left out among those that are not named.
fn arguments(args: &[FunctionArg], without_column: bool) -> Result<[Option<Expr>; ARGUMENTS.len()]> {
    let mut given: [Option<Expr>; ARGUMENTS.len()] = Default::default();
    let mut any_named = false;
    for (at, argument) in args.iter().enumerate() {
        let (place, value) = match argument {
            FunctionArg::Unnamed(_) if any_named => {
                return Err(Error::new(ErrorKind::Syntax, "positional argument cannot follow named argument"));
            }
            FunctionArg::Unnamed(value) => (at + usize::from(without_column && at > 0), value),
            FunctionArg::Named { name, arg, operator } => (place(&normalize(name), operator)?, arg),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, operator } => {
                (place(&normalize(name), operator)?, arg)
            }
            FunctionArg::ExprNamed { name, .. } => return Err(unknown(&name.to_string())),
        };
        any_named |= !matches!(argument, FunctionArg::Unnamed(_));
        let FunctionArgExpr::Expr(value) = value else {
            return Err(Error::new(ErrorKind::Syntax, format!("an argument of {NAME} is a value")));
        };
        let Some(slot) = given.get_mut(place) else {
            return Err(undefined(format!("function {NAME} takes {} arguments", ARGUMENTS.len())));
        };
        if slot.replace(value.clone()).is_some() {
            let message = format!("argument name \"{}\" used more than once", ARGUMENTS[place]);
            return Err(Error::new(ErrorKind::Syntax, message));
        }
    }
    Ok(given)
}

fn place(name: &str, operator: &FunctionArgOperator) -> Result<usize> {
    if !matches!(operator, FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment) {
        return Err(Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{operator}\"")));
    }
    ARGUMENTS.iter().position(|known| *known == name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    undefined(format!("function {NAME} has no argument named \"{name}\""))
}

fn missing(name: &str) -> Error {
    undefined(format!("function {NAME} needs argument \"{name}\""))
}

fn undefined(message: String) -> Error {
    let hint = format!("Its arguments are {NAME}({}).", ARGUMENTS.join(", "));
    Error::new(ErrorKind::UndefinedFunction, message).with_hint(hint)
}

/// The table that the first argument names: as a name, or as a text.
fn table(argument: Option<Expr>, tables: &Tables) -> Result<Arc<TableDefinition>> {
    let argument = argument.ok_or_else(|| missing("table"))?;
    let parts = match &argument {
        Expr::Identifier(ident) => vec![normalize(ident)],
        Expr::CompoundIdentifier(parts) => parts.iter().map(normalize).collect(),
        other => split_name(&text(other, "table")?).unwrap_or_default(),
    };
    let shown = parts.join(".");
    let name = ObjectName::from(parts.iter().map(|part| Ident::with_quote('"', part)).collect::<Vec<_>>());
    match tables.relation(&name)? {
        Some(Relation::Table(table)) => Ok(table),
        Some(_) => Err(Error::new(ErrorKind::WrongObjectType, format!("\"{shown}\" is not a table"))),
        None => Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{shown}\" does not exist"))),
    }
}

/// An argument that must be known before planning.
fn text(argument: &Expr, name: &str) -> Result<String> {
    let value = match argument {
        Expr::Value(value) => value.value.clone().into_string(),
        Expr::Identifier(ident) => Some(normalize(ident)),
        Expr::Cast { expr, .. } => return text(expr, name),
        _ => None,
    };
    value.ok_or_else(|| {
        Error::new(ErrorKind::InvalidParameter, format!("argument \"{name}\" of {NAME} must be a constant text"))
    })
}

fn names_column(table: &TableDefinition, argument: &Expr) -> bool {
    text(argument, "column").is_ok_and(|name| table.get_column(&name).is_some())
}

fn is_vector(sql_type: &SqlType) -> bool {
    matches!(sql_type, SqlType::Vector(_))
}

fn vector_column(table: &TableDefinition, name: &str) -> Result<String> {
    match is_vector(&table.column(name)?.sql_type) {
        true => Ok(name.to_string()),
        false => {
            let message = format!("column \"{name}\" of relation \"{}\" is no vector", table.name);
            Err(Error::new(ErrorKind::DatatypeMismatch, message))
        }
    }
}

fn only_vector_column(table: &TableDefinition) -> Result<String> {
    let mut columns = table.columns.iter().filter(|column| is_vector(&column.sql_type));
    match (columns.next(), columns.next()) {
        (Some(column), None) => Ok(column.name.clone()),
        (None, _) => {
            let message = format!("relation \"{}\" has no column of vectors", table.name);
            Err(Error::new(ErrorKind::UndefinedColumn, message).on_table(&table.name))
        }
        (Some(_), Some(_)) => {
            let message = format!("relation \"{}\" has several columns of vectors", table.name);
            Err(Error::new(ErrorKind::AmbiguousColumn, message).with_hint("Say which: column => 'name'."))
        }
    }
}

fn named_metric(name: &str) -> Result<Metric> {
    Ok(match name.to_lowercase().as_str() {
        "l2" | "euclidean" => Metric::L2,
        "cosine" => Metric::Cosine,
        "ip" | "dot" | "inner_product" => Metric::InnerProduct,
        "l1" | "taxicab" => Metric::L1,
        other => {
            let message = format!("unknown metric \"{other}\"");
            return Err(Error::new(ErrorKind::InvalidParameter, message).with_hint("There are l2, cosine, ip and l1."));
        }
    })
}

/// The distance of the column's index; that of `<->` where it has none.
fn metric_of(table: &TableDefinition, column: &str) -> Metric {
    let of_column = table.indexes.iter().filter(|index| index.plain_column() == Some(column));
    of_column.filter_map(|index| index.metric()).next().unwrap_or(Metric::L2)
}
