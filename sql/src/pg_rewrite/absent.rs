//! Queries over metadata tables that have no rows in any snapshot.
//!
//! psql asks for row security, publications and triggers with subqueries that DataFusion cannot plan (LATERAL functions,
//! subscripts by outer columns). A query that has such a table as a factor of its FROM has no rows, so what its select list
//! would make of them is never asked: subqueries there become NULL.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CaseWhen, CastKind, DataType, Expr, FunctionArguments, GroupByExpr, Ident,
    JoinOperator, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, TableFactor, TableWithJoins, Value,
    Visit, Visitor,
};
use slipstream_catalog::pg_catalog;

use super::{catalog_name, folded, null, nullary};

/// Replaces select items that contain subqueries, where the query can have no rows.
pub(super) fn drop_subqueries(select: &mut Select, cte_names: &HashSet<String>) {
    if makes_rows_of_its_own(select) || !has_no_rows(select, cte_names) {
        return;
    }
    for (number, item) in select.projection.iter_mut().enumerate() {
        match item {
            SelectItem::UnnamedExpr(expr) if has_subquery(expr) => {
                let alias = Ident::new(format!("column{}", number + 1));
                *item = SelectItem::ExprWithAlias { expr: null_text(), alias };
            }
            SelectItem::ExprWithAlias { expr, .. } if has_subquery(expr) => *expr = null_text(),
            _ => {}
        }
    }
}

/// Whether the FROM of a query has no rows.
pub(super) fn has_no_rows(select: &Select, cte_names: &HashSet<String>) -> bool {
    select.from.iter().any(|tables| is_empty(tables, cte_names))
}

/// `SELECT pg_partition_ancestors(x)` gives a row for each table that `x` is a partition of. There are none, so that the
/// values that it is combined with by UNION ALL are all there is.
pub(super) fn drop_partition_ancestors(body: &mut SetExpr) {
    let SetExpr::SetOperation { op: SetOperator::Union, set_quantifier: SetQuantifier::All, left, right } = &*body
    else {
        return;
    };
    if let (SetExpr::Select(select), SetExpr::Values(values)) = (left.as_ref(), right.as_ref())
        && is_partition_ancestors(select)
        && let [row] = values.rows.as_slice()
    {
        let projection = row.content.iter().cloned().map(SelectItem::UnnamedExpr).collect();
        *body = SetExpr::Select(Box::new(Select { projection, ..select.as_ref().clone() }));
    }
}

fn is_partition_ancestors(select: &Select) -> bool {
    matches!(select.projection.as_slice(), [SelectItem::UnnamedExpr(Expr::Function(function))]
        if catalog_name(&function.name).as_deref() == Some("pg_partition_ancestors"))
}

/// An aggregate has a row even where it has read none.
fn makes_rows_of_its_own(select: &Select) -> bool {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(expressions, _) => !expressions.is_empty(),
    };
    grouped || select.having.is_some() || has_aggregate(select)
}

/// Whether a select list may aggregate. What is not known to be an ordinary function counts as an aggregate.
fn has_aggregate(select: &Select) -> bool {
    select.projection.iter().any(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => calls_aggregate(expr),
        _ => false,
    })
}

/// Whether an expression calls a function that may be an aggregate; subqueries aggregate for themselves.
pub(super) fn calls_aggregate(expr: &Expr) -> bool {
    struct Search {
        depth: usize,
    }
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) if self.depth == 0 && matches!(function.args, FunctionArguments::List(_)) => {
                    let name = catalog_name(&function.name).unwrap_or_default();
                    if is_ordinary(&name) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Search { depth: 0 }).is_break()
}

/// Functions of metadata queries that are sure to be no aggregates.
fn is_ordinary(name: &str) -> bool {
    name.starts_with("pg_")
        || name.starts_with("has_")
        || name.starts_with("reg")
        || name.ends_with("_description")
        || matches!(
            name,
            "format_type" | "array_to_string" | "array_upper" | "array_lower" | "quote_ident" | "coalesce"
        )
}

fn is_empty(tables: &TableWithJoins, cte_names: &HashSet<String>) -> bool {
    let joined = tables.joins.iter().filter(|join| {
        matches!(join.join_operator, JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_))
    });
    // Only what comes before an outer join, or is joined by inner joins alone, decides for the whole.
    let only_inner = joined.clone().count() == tables.joins.len();
    is_empty_table(&tables.relation, cte_names) && !tables.joins.iter().any(|join| keeps_right(&join.join_operator))
        || only_inner && joined.into_iter().any(|join| is_empty_table(&join.relation, cte_names))
}

fn keeps_right(operator: &JoinOperator) -> bool {
    !matches!(
        operator,
        JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::CrossJoin(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
    )
}

fn is_empty_table(factor: &TableFactor, cte_names: &HashSet<String>) -> bool {
    let TableFactor::Table { name, args: None, .. } = factor else { return false };
    let bare = name.0.len() == 1;
    catalog_name(name).is_some_and(|name| pg_catalog::is_always_empty(&name) && !(bare && cte_names.contains(&name)))
}

/// `CASE WHEN t.typtype = 'd' THEN (subquery) ELSE NULL END`: there are no domains and no composite types, so the subqueries with
/// which asyncpg asks for what they are made of are never looked at. They are NULL, of the type that they would have.
pub(super) fn drop_special_types(expr: &mut Expr) {
    let Expr::Case { operand: None, conditions, else_result: Some(otherwise), .. } = &*expr else { return };
    let [CaseWhen { condition, result }] = conditions.as_slice() else { return };
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = condition else { return };
    let is_type_kind = match left.as_ref() {
        Expr::Identifier(name) => folded(name) == "typtype",
        Expr::CompoundIdentifier(parts) => parts.last().is_some_and(|name| folded(name) == "typtype"),
        _ => false,
    };
    let kind = match right.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(kind) => kind.as_str(),
            _ => return,
        },
        _ => return,
    };
    let is_null = matches!(otherwise.as_ref(), Expr::Value(value) if matches!(value.value, Value::Null));
    if !is_type_kind || !is_null || !has_subquery(result) {
        return;
    }
    *expr = match (kind, result.to_string().contains("::")) {
        ("d", _) => nullary("null_oid"),
        ("c", true) => null_of(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None))),
        ("c", false) => nullary("null_oids"),
        _ => return,
    };
}

fn has_subquery(expr: &Expr) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let found = match expr {
                Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => true,
                Expr::Function(function) => matches!(function.args, FunctionArguments::Subquery(_)),
                _ => false,
            };
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    expr.visit(&mut Search).is_break()
}

fn null_text() -> Expr {
    null_of(DataType::Text)
}

pub(super) fn null_of(data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::DoubleColon, expr: Box::new(null()), data_type, array: false, format: None }
}
