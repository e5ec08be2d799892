//! Putting values of the row outside into a subquery.

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use slipstream_engine::Error;
use std::sync::Arc;

use super::value::OuterValue;

/// A subquery with values in the place of the columns of the rows outside.
pub(super) struct WithValues {
    pub(super) rows: LogicalPlan,
    /// The outer columns, by the number of their value.
    pub(super) values: Vec<Expr>,
}

/// Puts values into a subquery beside rows of `outside`. `None` where it names no column of them, or one of a query further
/// out.
pub(super) fn with_values(rows: &LogicalPlan, outside: &DFSchema) -> PlanResult<Option<WithValues>> {
    let mut found = Found { outside, inside: rows, columns: Vec::new(), strangers: false };
    let rows = found.replaced(rows.clone(), false)?;
    if found.columns.is_empty() || found.strangers {
        return Ok(None);
    }
    let values = found.columns.into_iter().map(Expr::Column).collect();
    Ok(Some(WithValues { rows: rows.recompute_schema()?, values }))
}

/// Whether a subquery, or one within it, names a column of the rows of `outside`.
pub(super) fn names(subquery: &LogicalPlan, outside: &DFSchema) -> PlanResult<bool> {
    let mut found = false;
    subquery.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                found |= matches!(part, Expr::OuterReferenceColumn(_, column) if outside.has_column(column));
                Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    Ok(found)
}

struct Found<'a> {
    outside: &'a DFSchema,
    inside: &'a LogicalPlan,
    columns: Vec<Column>,
    /// Whether there are columns of a query further out.
    strangers: bool,
}

impl Found<'_> {
    /// `nested` says that the plan is a subquery of the subquery, which sees the columns of that too.
    fn replaced(&mut self, plan: LogicalPlan, nested: bool) -> PlanResult<LogicalPlan> {
        let replaced = plan.transform_down(|node| {
            // What stands above knows the columns by the names that they have now.
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let replaced = expr.transform_down(|expr| self.value_of(expr, nested))?;
                Ok(replaced.update_data(|expr| name.restore(expr)))
            })
        });
        replaced.data()
    }

    /// The value that an expression is, or the expression with values in its subqueries.
    fn value_of(&mut self, expr: Expr, nested: bool) -> PlanResult<Transformed<Expr>> {
        Ok(match expr {
            Expr::OuterReferenceColumn(field, column) => {
                if !self.is_ours(&column, nested)? {
                    return Ok(Transformed::no(Expr::OuterReferenceColumn(field, column)));
                }
                Transformed::new(OuterValue::call(self.number(column), &field)?, true, TreeNodeRecursion::Jump)
            }
            Expr::ScalarSubquery(subquery) => Transformed::yes(Expr::ScalarSubquery(self.nested(&subquery)?)),
            Expr::Exists(exists) => {
                let subquery = self.nested(&exists.subquery)?;
                Transformed::yes(Expr::Exists(Exists { subquery, ..exists }))
            }
            Expr::InSubquery(question) => {
                let subquery = self.nested(&question.subquery)?;
                Transformed::yes(Expr::InSubquery(InSubquery { subquery, ..question }))
            }
            other => Transformed::no(other),
        })
    }

    fn nested(&mut self, subquery: &Subquery) -> PlanResult<Subquery> {
        let plan = self.replaced(subquery.subquery.as_ref().clone(), true)?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        Ok(Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans.clone() })
    }

    fn is_ours(&mut self, column: &Column, nested: bool) -> PlanResult<bool> {
        let is_outside = self.outside.has_column(column);
        if !nested {
            self.strangers |= !is_outside;
            return Ok(is_outside);
        }
        if is_outside && self.inside.exists(|node| Ok(node.schema().has_column(column)))? {
            let message = format!("column \"{}\" of a subquery may be that of two queries outside", column.name);
            return Err(Error::not_supported(message).with_hint("Give their tables different aliases.").into());
        }
        Ok(is_outside)
    }

    fn number(&mut self, column: Column) -> usize {
        let known = self.columns.iter().position(|other| *other == column);
        known.unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }
}
