//! OPTIONAL MATCH.
//!
//! A row stays with everything that the pattern asks, as often as it is found, or else once with NULLs. Where the pattern
//! is one relationship or one node, that is one outer join. Otherwise each row gets a number, goes through an outer join for
//! each element, and of the rows with its number those are kept in which the whole pattern was found, or else one.

use datafusion::common::JoinType;
use datafusion::error::Result as PlanResult;
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, lit, when};
use datafusion::scalar::ScalarValue;

use super::pattern::{Condition, Kind, Placing, filtered, joined, owned};
use super::relationships::{Leg, left_end, right_end, walk_end};
use super::{Lowering, column, extended, names};
use slipstream_graph_language::bound::{BoundMatch, BoundPath, Value};

/// Whether a row has the whole pattern.
const FOUND: &str = "?found";
/// The place of a row among those with its number.
const PLACE: &str = "?place";

impl Lowering<'_> {
    /// `asking` are conditions with queries inside, which are asked of rows that hold the pattern.
    pub(super) fn optional(
        &self,
        rows: LogicalPlan,
        pattern: &BoundMatch,
        asking: &[Value],
        clause: usize,
    ) -> PlanResult<LogicalPlan> {
        match pattern.paths.as_slice() {
            [path] if is_simple(path) && asking.is_empty() => self.one_join(rows, pattern, path),
            _ => self.numbered(rows, pattern, asking, clause),
        }
    }

    /// The rows with one node, or one relationship and what is new of its nodes.
    fn one_join(&self, rows: LogicalPlan, pattern: &BoundMatch, path: &BoundPath) -> PlanResult<LogicalPlan> {
        let mut on = Vec::new();
        let element = match path.steps.first() {
            None => self.nodes(&path.start.variable)?,
            Some((relationship, end)) => {
                let name = &relationship.variable;
                let (left, right) = (path.start.variable.as_str(), end.variable.as_str());
                let mut found = self.relationships(Leg { relationship, left, right })?;
                for (node, end) in [(&path.start, left_end(name)), (end, right_end(name))] {
                    let same = self.key(&node.variable)?.eq(column(end));
                    if node.introduced {
                        found = joined(self.nodes(&node.variable)?, found, JoinType::Inner, vec![same])?;
                    } else {
                        on.push(same);
                    }
                }
                found
            }
        };
        let new = owned(pattern.introduced());
        let (own, shared): (Vec<Condition>, Vec<Condition>) = self
            .conditions(pattern)?
            .into_iter()
            .partition(|condition| !condition.needs.is_empty() && condition.needs.is_subset(&new));
        on.extend(shared.into_iter().map(|condition| condition.expr));
        joined(filtered(element, own)?, rows, JoinType::Right, on)
    }

    fn numbered(
        &self,
        rows: LogicalPlan,
        pattern: &BoundMatch,
        asking: &[Value],
        clause: usize,
    ) -> PlanResult<LogicalPlan> {
        let before: Vec<String> = names(&rows).cloned().collect();
        let number = format!("?row{clause}");
        let rows = LogicalPlanBuilder::from(rows).window([row_number().alias(&number)])?.build()?;
        let (rows, mut conditions) = Placing::new(self, Some(rows), pattern, Kind::Outer)?.all()?.into_parts()?;
        let rows = self.answered(rows, asking)?;
        for condition in asking {
            conditions.push(Condition { expr: self.value(condition)?, needs: owned(condition.variables()) });
        }
        let after: Vec<String> = names(&rows).cloned().collect();
        let rows = extended(rows, [self.found(pattern, conditions)?.alias(FOUND)])?;
        let place = row_number()
            .partition_by(vec![column(&number)])
            .order_by(vec![column(FOUND).sort(false, false)])
            .build()?
            .alias(PLACE);
        let first = column(PLACE).eq(lit(ScalarValue::UInt64(Some(1))));
        let kept = before.iter().map(column);
        let new = after.iter().filter(|name| !before.contains(name) && **name != number);
        let new = new.map(|name| Ok(when(column(FOUND), column(name)).end()?.alias(name)));
        let columns = kept.map(Ok).chain(new).collect::<PlanResult<Vec<Expr>>>()?;
        LogicalPlanBuilder::from(rows).window([place])?.filter(column(FOUND).or(first))?.project(columns)?.build()
    }

    /// Whether every element of the pattern is there and every condition holds.
    fn found(&self, pattern: &BoundMatch, conditions: Vec<Condition>) -> PlanResult<Expr> {
        let walks: Vec<&str> = pattern
            .paths
            .iter()
            .flat_map(|path| &path.steps)
            .filter(|(relationship, _)| relationship.length.is_some())
            .map(|(relationship, _)| relationship.variable.as_str())
            .collect();
        let mut all = conditions.into_iter().map(|condition| condition.expr.is_true()).collect::<Vec<_>>();
        for element in pattern.introduced() {
            let key = if walks.contains(&element) { column(walk_end(element)) } else { self.key(element)? };
            all.push(key.is_not_null());
        }
        Ok(all.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true)))
    }
}

/// Whether a path is a new node, or one relationship of fixed length between different nodes.
fn is_simple(path: &BoundPath) -> bool {
    match path.steps.as_slice() {
        [] => path.start.introduced,
        [(relationship, end)] => relationship.length.is_none() && path.start.variable != end.variable,
        _ => false,
    }
}
