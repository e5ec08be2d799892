//! `ARRAY(SELECT x ...)`: the aggregate `array_agg(x)` of the query, and an empty array where it has no rows.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ArrayElemTypeDef, DataType, Distinct, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, Ident, LimitClause, ObjectName, OrderBy, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, Value,
};

use super::absent::{calls_aggregate, has_no_rows, null_of};
use super::functions::ARRAY_OR_EMPTY;
use super::{call, catalog_name, folded, push_argument, take};
use crate::operators::quantified_function;

/// Replaces `ARRAY(SELECT ...)`.
pub(super) fn from_query(expr: &mut Expr, cte_names: &HashSet<String>) {
    let Expr::Function(function) = expr else { return };
    if catalog_name(&function.name).as_deref() != Some("array") {
        return;
    }
    let FunctionArguments::Subquery(query) = &mut function.args else { return };
    let array = if reads_no_array(query) || reads_no_rows(query, cte_names) {
        null_of(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)))
    } else if aggregate(query, "array_agg") {
        Expr::Subquery(query.clone())
    } else {
        return;
    };
    *expr = call(ARRAY_OR_EMPTY, array, Vec::new());
}

/// Replaces `generate_subscripts(array, dimension)` by the items of an array of the subscripts.
pub(super) fn subscripts(expr: &mut Expr) {
    if let Expr::Function(function) = expr
        && catalog_name(&function.name).as_deref() == Some("generate_subscripts")
    {
        function.name = ObjectName::from(vec![Ident::new("array_subscripts")]);
        *expr = call("unnest", take(expr), Vec::new());
    }
}

/// `information_schema._pg_expandarray(x)` is the items of an array with their numbers, a row each: JDBC reads the columns of keys
/// so. There are no records here; its fields are unnested each by itself, in step, and the whole stands for the items.
pub(super) fn expand(expr: &mut Expr) {
    let field = |chain: &[AccessExpr]| match chain {
        [AccessExpr::Dot(Expr::Identifier(name))] => Some(folded(name)),
        _ => None,
    };
    match expr {
        Expr::CompoundFieldAccess { root, access_chain } => match (field(access_chain).as_deref(), unnested(root)) {
            (Some("n"), Some(array)) => {
                *expr = call("unnest", call("item_numbers", array.clone(), Vec::new()), Vec::new());
            }
            (Some("x"), Some(array)) => *expr = call("unnest", array.clone(), Vec::new()),
            (Some("x"), None) => *expr = take(root),
            _ => {}
        },
        Expr::Function(_) => {
            if let Some(array) = unnested(expr) {
                *expr = call("unnest", array.clone(), Vec::new());
            }
        }
        _ => {}
    }
}

/// The argument of `_pg_expandarray`.
fn unnested(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        Expr::Function(Function { name, args: FunctionArguments::List(list), .. }) => {
            let last = name.0.last()?.as_ident()?;
            match list.args.as_slice() {
                [FunctionArg::Unnamed(FunctionArgExpr::Expr(array))] if folded(last) == EXPAND => Some(array),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The function that [`expand`] replaces.
pub(super) const EXPAND: &str = "_pg_expandarray";

/// `generate_series` in a select list is a set of rows; DataFusion's is an array there. To be called when the parts of the
/// expression have been looked at, because it stays inside.
pub(super) fn series(expr: &mut Expr) {
    if let Expr::Function(function) = expr
        && catalog_name(&function.name).as_deref() == Some("generate_series")
    {
        *expr = call("unnest", take(expr), Vec::new());
    }
}

/// Replaces ANY and ALL of an array by functions that know NULL.
pub(super) fn compare_elements(expr: &mut Expr) {
    let (left, operator, right, all) = match expr {
        Expr::AnyOp { left, compare_op, right, .. } => (left, compare_op, right, false),
        Expr::AllOp { left, compare_op, right } => (left, compare_op, right, true),
        _ => return,
    };
    if is_subquery(right) {
        return;
    }
    if let Some(name) = quantified_function(operator, all) {
        let mut function = call(name, take(left), Vec::new());
        push_argument(&mut function, take(right));
        *expr = function;
    }
}

fn is_subquery(expr: &Expr) -> bool {
    match expr {
        Expr::Subquery(_) => true,
        Expr::Nested(inner) => is_subquery(inner),
        _ => false,
    }
}

/// Turns the only item of a plain SELECT into an aggregate, the query's ORDER BY into that of the aggregate. Says whether
/// it could: a query that groups, limits or combines is left as it is.
pub(super) fn aggregate(query: &mut Query, function: &str) -> bool {
    if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
        return false;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let Some((item, alias)) = plain_item(select) else { return false };
    let Some(order_by) = order_of(query.order_by.as_ref(), &item, alias.as_ref()) else { return false };
    let aggregate = call(function, item, order_by);
    select.projection = vec![match alias {
        Some(alias) => SelectItem::ExprWithAlias { expr: aggregate, alias },
        None => SelectItem::UnnamedExpr(aggregate),
    }];
    query.order_by = None;
    true
}

/// The item of a SELECT of one expression that neither groups nor aggregates.
fn plain_item(select: &Select) -> Option<(Expr, Option<Ident>)> {
    let ungrouped = matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    let distinct = matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_)));
    if !ungrouped || distinct || select.having.is_some() || select.qualify.is_some() {
        return None;
    }
    let (expr, alias) = match select.projection.as_slice() {
        [SelectItem::UnnamedExpr(expr)] => (expr, None),
        [SelectItem::ExprWithAlias { expr, alias }] => (expr, Some(alias.clone())),
        _ => return None,
    };
    (!calls_aggregate(expr)).then(|| (expr.clone(), alias))
}

/// The sort keys, with `1` and the item's own alias spelt out.
fn order_of(order_by: Option<&OrderBy>, item: &Expr, alias: Option<&Ident>) -> Option<Vec<OrderByExpr>> {
    let Some(order_by) = order_by else { return Some(Vec::new()) };
    let OrderByKind::Expressions(keys) = &order_by.kind else { return None };
    let spelt_out = |key: &OrderByExpr| {
        let means_item = match &key.expr {
            Expr::Value(value) => matches!(&value.value, Value::Number(number, _) if number == "1"),
            Expr::Identifier(name) => alias.is_some_and(|alias| folded(alias) == folded(name)),
            _ => false,
        };
        if means_item { OrderByExpr { expr: item.clone(), ..key.clone() } } else { key.clone() }
    };
    Some(keys.iter().map(spelt_out).collect())
}

/// Whether a query reads a table that has no rows.
fn reads_no_rows(query: &Query, cte_names: &HashSet<String>) -> bool {
    matches!(query.body.as_ref(), SetExpr::Select(select) if plain_item(select).is_some() && has_no_rows(select, cte_names))
}

/// Whether a query reads the items of an array that is NULL in every row of the metadata: options and privileges, which
/// nothing here has. DataFusion does not plan `unnest` of an outer column.
fn reads_no_array(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let [tables] = select.from.as_slice() else { return false };
    if !tables.joins.is_empty() {
        return false;
    }
    let (name, arguments) = match &tables.relation {
        TableFactor::Table { name, args: Some(arguments), .. } => (name, &arguments.args),
        TableFactor::Function { name, args, .. } => (name, args),
        TableFactor::UNNEST { array_exprs, .. } => return array_exprs.iter().all(is_always_null),
        _ => return false,
    };
    catalog_name(name).as_deref() == Some("unnest")
        && matches!(arguments.as_slice(), [FunctionArg::Unnamed(argument)]
            if matches!(argument, FunctionArgExpr::Expr(expr) if is_always_null(expr)))
}

fn is_always_null(expr: &Expr) -> bool {
    const NULL_COLUMNS: [&str; 8] =
        ["reloptions", "attoptions", "attfdwoptions", "relacl", "attacl", "nspacl", "datacl", "spcoptions"];
    matches!(expr, Expr::CompoundIdentifier(parts)
        if parts.len() == 2 && NULL_COLUMNS.contains(&folded(&parts[1]).as_str()))
}

/// Whether a query asks for its first row only.
pub(super) fn is_first_row(query: &Query) -> bool {
    let one =
        |limit: &Expr| matches!(limit, Expr::Value(value) if matches!(&value.value, Value::Number(n, _) if n == "1"));
    match &query.limit_clause {
        Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) => {
            limit_by.is_empty() && one(limit)
        }
        _ => false,
    }
}
