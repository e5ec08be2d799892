//! `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)`: DataFusion gives the table its column names after both
//! halves are planned, too late for the second, which uses them. So the first half's columns get those names.

use datafusion::sql::sqlparser::ast::{Ident, Query, Select, SelectItem, SetExpr};

/// Names the columns of the first half of every recursive query as its column list says.
pub(super) fn name_columns(query: &mut Query) {
    let Some(with) = query.with.as_mut().filter(|with| with.recursive) else { return };
    for cte in &mut with.cte_tables {
        let names: Vec<Ident> = cte.alias.columns.iter().map(|column| column.name.clone()).collect();
        let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut() else { continue };
        if let Some(select) = first_select(left)
            && select.projection.len() == names.len()
        {
            let items = std::mem::take(&mut select.projection);
            select.projection = items.into_iter().zip(names).map(named).collect();
        }
    }
}

fn first_select(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&mut query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// A wildcard stays: how many columns it stands for is not known here.
fn named((item, alias): (SelectItem, Ident)) -> SelectItem {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
            SelectItem::ExprWithAlias { expr, alias }
        }
        other => other,
    }
}
