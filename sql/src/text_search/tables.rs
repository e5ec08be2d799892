//! `text_search(...)` and `hybrid_search(...)` in FROM, as the queries that they are.
//!
//! * `text_search(table, column, query, k, filter)` gives the k rows that match best: all columns of the table, `distance`
//!   (NULL), `score` and `rank`.
//! * `hybrid_search(table, text, vector, k, filter, text_column, vector_column, weights)` takes the best rows by text and the
//!   nearest by vector, and adds for each what its rank is worth, 1 / (60 + rank), times the weight of that list (reciprocal
//!   rank fusion). `score` is that sum, `distance` the vector's. Rows are known by the primary key, so the table needs one.
//!
//! Both are written out as text and read again, so that everything that a query may be, an argument may be, and that what
//! plans queries by an index plans these.

use datafusion::sql::sqlparser::ast::{Expr, Ident, Statement, TableAlias, TableFactor, Value, VisitMut, VisitorMut};
use slipstream_engine::catalog::{Catalog, ColumnDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};
use std::ops::ControlFlow;

use super::arguments::{Arguments, last_name};
use crate::planner::syntax;
use crate::statement::{self, Command};

/// Functions that make a query, which people put into FROM to write it once.
const QUERY_FUNCTIONS: [&str; 4] = ["to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"];
/// Rows of `text_search` and `hybrid_search` unless `k` says otherwise.
const DEFAULT_ROWS: &str = "10";
/// What is added to a rank, so that the first of a list does not outweigh everything.
const DAMPING: u32 = 60;
/// How many rows of either list are fused, at least.
const LEAST_DEPTH: u64 = 100;
/// The same for each row that is asked for.
const DEPTH: u64 = 4;
/// The same where it is not known how many are asked for when the statement is planned.
const UNKNOWN_DEPTH: u64 = 1000;

/// Writes a table function of searches out.
pub(super) fn expand(factor: &mut TableFactor, catalog: &Catalog) -> Result<()> {
    let TableFactor::Table { name, alias, args: Some(args), .. } = factor else { return Ok(()) };
    if let Some(function) = last_name(&name.0).filter(|name| QUERY_FUNCTIONS.contains(&name.as_str())) {
        // `FROM t, to_tsquery('word') AS q`: one row, whose column has the name of the table.
        let alias = alias.clone().unwrap_or_else(|| syntax::table_alias(Ident::new(&function)));
        let args = args.args.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        *factor = derived(&format!("SELECT {function}({args}) AS {}", alias.name), alias)?;
        return Ok(());
    }
    let (function, sql) = match last_name(&name.0).as_deref() {
        Some("text_search") => {
            let parameters = ["table", "column", "query", "k", "filter"];
            ("text_search", text_search(&Arguments::new("text_search", &parameters, &args.args)?, catalog)?)
        }
        Some("hybrid_search") => {
            let parameters = ["table", "text", "vector", "k", "filter", "text_column", "vector_column", "weights"];
            ("hybrid_search", hybrid_search(&Arguments::new("hybrid_search", &parameters, &args.args)?, catalog)?)
        }
        _ => return Ok(()),
    };
    let alias = alias.clone().unwrap_or_else(|| syntax::table_alias(Ident::new(function)));
    *factor = derived(&sql, alias)?;
    Ok(())
}

/// A query in FROM by its text.
fn derived(sql: &str, alias: TableAlias) -> Result<TableFactor> {
    let statements = statement::parse(sql)?;
    let Some(Command::Sql(parsed)) = statements.first().map(|statement| statement.command()) else {
        return Err(Error::internal("a search was not written as a query"));
    };
    let Statement::Query(query) = parsed.as_ref() else {
        return Err(Error::internal("a search was not written as a query"));
    };
    let mut query = query.as_ref().clone();
    let _ = query.visit(&mut Placeless);
    Ok(syntax::derived(query, alias))
}

/// Forgets where names stand: not in the statement's text.
struct Placeless;

impl VisitorMut for Placeless {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let nowhere = datafusion::sql::sqlparser::tokenizer::Span::empty();
        match expr {
            Expr::Identifier(name) => name.span = nowhere,
            Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(|part| part.span = nowhere),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_text(column: &ColumnDefinition) -> bool {
    matches!(column.sql_type, SqlType::Text | SqlType::Varchar(_))
}

fn is_vector(column: &ColumnDefinition) -> bool {
    matches!(column.sql_type, SqlType::Vector(_))
}

/// A name in quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Columns of a relation with commas between them.
fn list(relation: &str, columns: &[String]) -> String {
    columns.iter().map(|column| format!("{relation}.{}", quoted(column))).collect::<Vec<_>>().join(", ")
}

/// A list, with a comma in front unless it is empty.
fn and_list(relation: &str, columns: &[String]) -> String {
    let list = list(relation, columns);
    if list.is_empty() { list } else { format!(", {list}") }
}

/// The condition that a filter is: an expression, or the text of one.
fn filter(arguments: &Arguments) -> Result<String> {
    Ok(match arguments.get("filter") {
        None => "true".to_string(),
        Some(Expr::Value(value)) => match &value.value {
            Value::SingleQuotedString(text) => statement::parse_expression(text)?.to_string(),
            Value::Null => "true".to_string(),
            _ => value.to_string(),
        },
        Some(expr) => expr.to_string(),
    })
}

/// Checks that the columns that are added have names of their own.
fn check_names(table: &TableDefinition) -> Result<()> {
    for name in ["distance", "score", "rank"] {
        if table.get_column(name).is_some() {
            let message =
                format!("column \"{name}\" of relation \"{}\" has the name of a column of the search", table.name);
            return Err(Error::new(ErrorKind::DuplicateColumn, message).with_hint("Rename it."));
        }
    }
    Ok(())
}

fn names(table: &TableDefinition) -> Vec<String> {
    table.columns.iter().map(|column| column.name.clone()).collect()
}

fn text_search(arguments: &Arguments, catalog: &Catalog) -> Result<String> {
    let table = arguments.table(catalog)?;
    check_names(table)?;
    let column = quoted(arguments.column("column", table, "text", is_text)?);
    let query = arguments.required("query")?;
    let rows = arguments.get("k").map_or(DEFAULT_ROWS.to_string(), Expr::to_string);
    let (filter, name, key) = (filter(arguments)?, quoted(&table.name), &table.primary_key);
    let (columns, shown) = (list(&name, &names(table)), list("s", &names(table)));
    let (by_key, shown_key) = (and_list(&name, key), and_list("s", key));
    Ok(format!(
        "SELECT {shown}, s.distance, s.score, row_number() OVER (ORDER BY s.score DESC{shown_key}) AS rank \
         FROM (SELECT {columns}, CAST(NULL AS double precision) AS distance, bm25_score({name}.{column}) AS score \
         FROM {name} WHERE {name}.{column} @@@ ({query}) AND ({filter}) ORDER BY score DESC{by_key} LIMIT {rows}) AS s"
    ))
}

fn hybrid_search(arguments: &Arguments, catalog: &Catalog) -> Result<String> {
    let table = arguments.table(catalog)?;
    check_names(table)?;
    let key = &table.primary_key;
    if key.is_empty() {
        return Err(Error::not_supported(format!(
            "hybrid_search of relation \"{}\", which has no primary key, is not supported",
            table.name
        )));
    }
    let text_column = quoted(arguments.column("text_column", table, "text", is_text)?);
    let vector_column = quoted(arguments.column("vector_column", table, "a vector", is_vector)?);
    let (text, vector) = (arguments.required("text")?, arguments.required("vector")?);
    let rows = arguments.get("k").map_or(DEFAULT_ROWS.to_string(), Expr::to_string);
    let depth = rows.parse::<u64>().map_or(UNKNOWN_DEPTH, |rows| rows.saturating_mul(DEPTH).max(LEAST_DEPTH));
    let (text_weight, vector_weight) = weights(arguments)?;
    let (filter, name) = (filter(arguments)?, quoted(&table.name));
    let (own, of_a, of_b, of_u, of_g) =
        (list(&name, key), list("a", key), list("b", key), list("u", key), list("g", key));
    let columns = list("t", &names(table));
    let same = key.iter().map(|key| format!("t.{0} = h.{0}", quoted(key))).collect::<Vec<_>>().join(" AND ");
    let worth = |weight: f64, order: String| {
        format!("CAST({weight:?} AS double precision) / ({DAMPING} + row_number() OVER (ORDER BY {order})) AS part")
    };
    let by_text = worth(text_weight, format!("a.relevance DESC, {of_a}"));
    let by_vector = worth(vector_weight, format!("b.distance, {of_b}"));
    Ok(format!(
        "SELECT {columns}, h.distance, h.score, h.rank \
         FROM (SELECT {of_g}, g.distance, g.score, row_number() OVER (ORDER BY g.score DESC, {of_g}) AS rank \
         FROM (SELECT {of_u}, max(u.distance) AS distance, sum(u.part) AS score FROM (\
         SELECT {of_a}, CAST(NULL AS double precision) AS distance, {by_text} \
         FROM (SELECT {own}, bm25_score({name}.{text_column}) AS relevance FROM {name} \
         WHERE {name}.{text_column} @@@ ({text}) AND ({filter}) ORDER BY relevance DESC, {own} LIMIT {depth}) AS a \
         UNION ALL SELECT {of_b}, b.distance, {by_vector} \
         FROM (SELECT {own}, {name}.{vector_column} <=> ({vector}) AS distance FROM {name} \
         WHERE {name}.{vector_column} IS NOT NULL AND ({filter}) ORDER BY distance LIMIT {depth}) AS b) AS u \
         GROUP BY {of_u} ORDER BY score DESC, {of_u} LIMIT {rows}) AS g) AS h JOIN {name} AS t ON {same}"
    ))
}

/// What the ranks by text and by vector weigh.
fn weights(arguments: &Arguments) -> Result<(f64, f64)> {
    let text = match arguments.get("weights") {
        None => return Ok((1.0, 1.0)),
        Some(Expr::Array(array)) => array.elem.iter().map(Expr::to_string).collect::<Vec<_>>().join(","),
        Some(Expr::Value(value)) => match &value.value {
            Value::SingleQuotedString(text) => text.trim_matches(['{', '}', '[', ']']).to_string(),
            other => other.to_string(),
        },
        Some(other) => other.to_string(),
    };
    let weights: Option<Vec<f64>> = text.split(',').map(|weight| weight.trim().parse().ok()).collect();
    match weights.as_deref() {
        Some([text, vector]) if [text, vector].iter().all(|weight| weight.is_finite() && **weight >= 0.0) => {
            Ok((*text, *vector))
        }
        _ => Err(Error::new(
            ErrorKind::InvalidParameter,
            "weights of hybrid_search are two numbers, neither of them negative",
        )
        .with_detail("The first is the text's, the second the vector's.")),
    }
}
