//! IN and EXISTS in select lists, aggregates and window functions: joins that mark the rows.

use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, JoinType, Result as PlanResult};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::values::asks;

/// The column that a mark join adds.
const MARK: &str = "mark";

/// The optimizer rule. Conditions are left to DataFusion's own.
#[derive(Debug, Default)]
pub(crate) struct MarkSubqueries;

impl OptimizerRule for MarkSubqueries {
    fn name(&self) -> &str {
        "mark_subqueries"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, node: LogicalPlan, config: &dyn OptimizerConfig) -> PlanResult<Transformed<LogicalPlan>> {
        let computes = matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_));
        if !computes || !asks(&node)? {
            return Ok(Transformed::no(node));
        }
        let [input] = node.inputs()[..] else { return Ok(Transformed::no(node)) };
        let mut marks = Marks { input: input.clone(), known: Vec::new(), aliases: config.alias_generator() };
        let names = NamePreserver::new(&node);
        let mut exprs = Vec::new();
        for expr in node.expressions() {
            let name = names.save(&expr);
            exprs.push(name.restore(marks.answer(expr)?));
        }
        let columns = node.schema().columns();
        let marked = node.with_new_exprs(exprs, vec![marks.input])?;
        Ok(Transformed::yes(match marked.schema().fields().len() == columns.len() {
            true => marked,
            // A window hands the columns below it on.
            false => LogicalPlanBuilder::from(marked).project(columns.into_iter().map(Expr::Column))?.build()?,
        }))
    }
}

/// A plan under joins that mark its rows.
struct Marks<'a> {
    input: LogicalPlan,
    /// What has been asked already, with the columns of the answers.
    known: Vec<(Expr, Column)>,
    aliases: &'a Arc<AliasGenerator>,
}

impl Marks<'_> {
    /// Replaces the questions in an expression by the columns with their answers.
    fn answer(&mut self, expr: Expr) -> PlanResult<Expr> {
        expr.transform_down(|part| {
            let negated = match &part {
                Expr::InSubquery(question) => question.negated,
                Expr::Exists(question) => question.negated,
                _ => return Ok(Transformed::no(part)),
            };
            Ok(match self.column(&part)? {
                Some(column) if negated => Transformed::yes(!Expr::Column(column)),
                Some(column) => Transformed::yes(Expr::Column(column)),
                None => Transformed::no(part),
            })
        })
        .data()
    }

    /// The column that answers a question; none if it cannot be asked by a join.
    fn column(&mut self, question: &Expr) -> PlanResult<Option<Column>> {
        if let Some((_, column)) = self.known.iter().find(|(known, _)| known == question) {
            return Ok(Some(column.clone()));
        }
        let (value, subquery) = match question {
            Expr::InSubquery(InSubquery { expr, subquery, .. }) => (Some(expr.as_ref().clone()), subquery),
            Expr::Exists(Exists { subquery, .. }) => (None, subquery),
            _ => return Ok(None),
        };
        let alias = self.aliases.next("__mark");
        let Some((rows, condition)) = apart(&subquery.subquery, value, &alias)? else { return Ok(None) };
        let input = std::mem::take(&mut self.input);
        self.input = LogicalPlanBuilder::from(input).join_on(rows, JoinType::LeftMark, Some(condition))?.build()?;
        let column = Column::new(Some(alias), MARK);
        self.known.push((question.clone(), column.clone()));
        Ok(Some(column))
    }
}

/// The rows of a subquery without the conditions that depend on the row outside, and these conditions for the join. With a
/// value, that is one of the first column.
fn apart(subquery: &LogicalPlan, value: Option<Expr>, alias: &str) -> PlanResult<Option<(LogicalPlan, Expr)>> {
    let mut pull_up = PullUpCorrelatedExpr::new().with_exists_sub_query(value.is_none());
    let rows = subquery.clone().rewrite(&mut pull_up).data()?;
    if !pull_up.can_pull_up || !rows.all_out_ref_exprs().is_empty() {
        return Ok(None);
    }
    let first = rows.schema().fields().first().map(|field| Column::new(Some(alias), field.name()));
    let pulled: Vec<Column> = pull_up.correlated_subquery_cols_map.into_values().flatten().collect();
    let mut conditions = Vec::new();
    for condition in pull_up.join_filters {
        conditions.push(requalified(condition, &pulled, alias)?);
    }
    if let (Some(value), Some(first)) = (value, first) {
        conditions.push(value.eq(Expr::Column(first)));
    }
    let condition = conjunction(conditions).unwrap_or(lit(true));
    let rows = LogicalPlanBuilder::from(rows).alias(alias)?.build()?;
    let mut needed: Vec<Column> =
        condition.column_refs().into_iter().filter(|column| rows.schema().has_column(column)).cloned().collect();
    needed.sort();
    let rows = match needed.is_empty() {
        true => rows,
        false => LogicalPlanBuilder::from(rows).project(needed.into_iter().map(Expr::Column))?.build()?,
    };
    Ok(Some((rows, condition)))
}

/// A condition with some columns as they are called under an alias.
fn requalified(condition: Expr, columns: &[Column], alias: &str) -> PlanResult<Expr> {
    condition
        .transform_up(|part| match part {
            Expr::Column(column) if columns.contains(&column) => {
                Ok(Transformed::yes(Expr::Column(Column::new(Some(alias), column.name))))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
}
