//! What Postgres clients write in metadata queries and DataFusion does not plan, said in other words.
//!
//! [`rewrite`] works on the syntax tree, before planning, and keeps the meaning of every statement:
//!
//! * `registered`: a cast to `regclass`, `regtype` and the like is a look-up of a name or of an object id.
//! * `arrays`: `ARRAY(SELECT ...)` is an aggregate of that query, `generate_subscripts` and `generate_series` the items of an array, `= ANY (array)` a
//!   function of both sides.
//! * `first_row`: `(SELECT ... ORDER BY ... LIMIT 1)` is an aggregate too, so that it may name outer columns.
//! * `bits`: `B'101'` and `X'1F'` are bit strings of their length.
//! * `age`: `age(x)` counts from today.
//! * `absent`: a query over a metadata table that has no rows, ever, needs no subqueries in its select list.
//! * `numbers`: numbers with an exponent, cast to a float.
//! * `recursive`: the column names of a recursive query are given where its second half sees them.
//! * `series`: `generate_series` in FROM with parameters is a subquery.
//! * `rows`: `json_agg` is an aggregate of texts, and a row as JSON is an object of its columns.
//! * `values`: literals in a column of VALUES are what a cast beside them says.
//! * `text`: collations that change nothing, the one-byte type `"char"`, escape characters of LIKE.
//!
//! [`ScalarSubqueries`] works on the plan, where outer columns are known: it gives subqueries that name outer columns the
//! shape that DataFusion decorrelates, with Postgres's error for one that finds two rows.
//!
//! Names of output columns are to be taken from the statement before it is rewritten.

mod absent;
mod age;
mod arrays;
mod bits;
mod first_row;
mod functions;
mod numbers;
mod recursive;
mod registered;
mod rows;
mod scalar_subquery;
mod series;
#[cfg(test)]
mod tests;
mod text;
mod values;

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArgumentList, FunctionArguments,
    Ident, ObjectName, OrderByExpr, Query, Select, Statement, TableFactor, VisitMut, VisitorMut,
};

pub(crate) use functions::{aggregate_functions, scalar_functions};
pub(crate) use scalar_subquery::{ScalarSubqueries, single_row};

/// Rewrites a statement in place.
pub(crate) fn rewrite(statement: &mut Statement) {
    if let Statement::Query(query) = statement {
        registered::show_names(&mut query.body);
    }
    let mut names = CteNames::default();
    let _ = statement.visit(&mut names);
    let expands = statement.to_string().contains(arrays::EXPAND);
    let _ = statement.visit(&mut Rewriter { cte_names: names.0, expands });
}

/// Rewrites an expression that stands outside of any query, such as a DEFAULT.
pub(crate) fn rewrite_expression(expr: &mut Expr) {
    let _ = expr.visit(&mut Rewriter { cte_names: HashSet::new(), expands: false });
}

/// The rewrites in the order of one walk: parents before their children, so that what a parent drops is not looked at.
struct Rewriter {
    cte_names: HashSet<String>,
    /// Whether `_pg_expandarray` is called somewhere.
    expands: bool,
}

impl VisitorMut for Rewriter {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        absent::drop_partition_ancestors(&mut query.body);
        recursive::name_columns(query);
        values::cast_literals(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        absent::drop_subqueries(select, &self.cte_names);
        registered::keep_column_names(select);
        rows::into_json(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        series::in_from(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        arrays::from_query(expr, &self.cte_names);
        arrays::subscripts(expr);
        first_row::aggregate(expr);
        registered::look_up(expr);
        text::plain(expr);
        bits::typed(expr);
        numbers::floats(expr);
        text::negate_query(expr);
        text::escape_with_backslash(expr);
        arrays::compare_elements(expr);
        absent::drop_special_types(expr);
        if self.expands {
            arrays::expand(expr);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        arrays::series(expr);
        age::from_today(expr);
        ControlFlow::Continue(())
    }
}

/// Names that WITH gives; they hide tables.
#[derive(Default)]
struct CteNames(HashSet<String>);

impl VisitorMut for CteNames {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.0.insert(folded(&table.alias.name));
        }
        ControlFlow::Continue(())
    }
}

/// A name as Postgres compares it.
fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The last part of a name that has no schema, or that of the system catalog.
fn catalog_name(name: &ObjectName) -> Option<String> {
    let parts: Vec<_> = name.0.iter().map(|part| part.as_ident().map(folded)).collect::<Option<_>>()?;
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" => Some(name.clone()),
        _ => None,
    }
}

/// A call of a function, with an ORDER BY among its arguments for aggregates.
fn call(name: &str, argument: Expr, order_by: Vec<OrderByExpr>) -> Expr {
    let clauses = if order_by.is_empty() { Vec::new() } else { vec![FunctionArgumentClause::OrderBy(order_by)] };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))],
            clauses,
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A call without arguments.
fn nullary(name: &str) -> Expr {
    let mut function = call(name, null(), Vec::new());
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut function {
        list.args.clear();
    }
    function
}

/// Adds an argument to a [`call`].
fn push_argument(function: &mut Expr, argument: Expr) {
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = function {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)));
    }
}

/// Takes an expression out of its place, to put it into another.
fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, null())
}

fn null() -> Expr {
    Expr::Value(datafusion::sql::sqlparser::ast::Value::Null.with_empty_span())
}
