//! Paths of two relationships that are only counted, without finding them: see [`counted_paths`].
//!
//! The relationships that lead to a middle node are counted by node, so are those that lead on, and the sum of the products is
//! taken. Where a path must not use a relationship twice, the pairs that are one relationship are counted as well: between two
//! relationships that point the same way those are the edges from a node to itself.
//!
//! [`counted_paths`]: slipstream_graph_language::degrees::counted_paths

use datafusion::common::JoinType;
use datafusion::error::Result as PlanResult;
use datafusion::execution::FunctionRegistry;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use datafusion::scalar::ScalarValue;
use slipstream_engine::Error;
use slipstream_engine::types::SqlType;

use super::pattern::{Condition, filtered, joined, owned};
use super::projection::TOTAL;
use super::relationships::{Leg, left_end, right_end};
use super::{Lowering, column};
use crate::types::{CastContext, cast, typed_literal};
use slipstream_graph_language::bound::{BoundMatch, BoundRelationship};
use slipstream_graph_language::syntax::Direction;

const IN: &str = "?in";
const OUT: &str = "?out";
const ALL: &str = "?all";
const SAME: &str = "?same";

impl Lowering<'_> {
    /// How many paths of two relationships there are, under the name `output`.
    pub(super) fn count_by_degrees(&self, pattern: &BoundMatch, output: &str) -> PlanResult<LogicalPlan> {
        let undone = || Error::internal("a pattern that is no path of two relationships");
        let path = pattern.paths.first().ok_or_else(undone)?;
        let [(first, middle), (second, last)] = path.steps.as_slice() else { return Err(undone().into()) };
        let (start, middle, last) = (&path.start.variable, &middle.variable, &last.variable);
        let (entered, left) = (right_end(&first.variable), left_end(&second.variable));
        let first_leg = Leg { relationship: first, left: start, right: middle };
        let second_leg = Leg { relationship: second, left: middle, right: last };
        let to_middle = || self.restricted(self.relationships(first_leg)?, pattern, start, &left_end(&first.variable));
        let from_middle =
            || self.restricted(self.relationships(second_leg)?, pattern, last, &right_end(&second.variable));
        let degree = |rows: LogicalPlan, by: &str, name: &str| {
            LogicalPlanBuilder::from(rows).aggregate([column(by)], [count(lit(1_i64)).alias(name)])?.build()
        };
        let (into, out) = (degree(to_middle()?, &entered, IN)?, degree(from_middle()?, &left, OUT)?);
        let both = joined(into, out, JoinType::Inner, vec![column(&entered).eq(column(&left))])?;
        let both = self.restricted(both, pattern, middle, &entered)?;
        let sum = self.ground.functions.udaf("sum")?;
        let all = LogicalPlanBuilder::from(both)
            .project([(column(IN) * column(OUT)).alias("?paths")])?
            .aggregate(Vec::<Expr>::new(), [sum.call(vec![column("?paths")]).alias(ALL)])?
            .build()?;
        let total = cast(column(ALL), &TOTAL, &SqlType::BigInt, CastContext::Explicit)?;
        let zero = typed_literal(&SqlType::BigInt, ScalarValue::Int64(Some(0)));
        let total = datafusion::functions::expr_fn::coalesce(vec![total, zero]);
        if pattern.distinct.is_empty() {
            return LogicalPlanBuilder::from(all).project([total.alias(output)])?.build();
        }
        let same = match points_on(first, second) {
            true => {
                let loops = column(left_end(&first.variable)).eq(column(&entered));
                let mut rows = LogicalPlanBuilder::from(to_middle()?).filter(loops)?.build()?;
                for node in [middle, last] {
                    rows = self.restricted(rows, pattern, node, &entered)?;
                }
                rows
            }
            false => {
                let same = self.key(&first.variable)?.eq(self.key(&second.variable)?);
                let pairs = vec![same, column(&entered).eq(column(&left))];
                let pairs = joined(to_middle()?, from_middle()?, JoinType::Inner, pairs)?;
                self.restricted(pairs, pattern, middle, &entered)?
            }
        };
        let same =
            LogicalPlanBuilder::from(same).aggregate(Vec::<Expr>::new(), [count(lit(1_i64)).alias(SAME)])?.build()?;
        LogicalPlanBuilder::from(all).cross_join(same)?.project([(total - column(SAME)).alias(output)])?.build()
    }

    /// The rows whose `end` is a node for which the conditions about it hold.
    fn restricted(&self, rows: LogicalPlan, pattern: &BoundMatch, node: &str, end: &str) -> PlanResult<LogicalPlan> {
        let mut conditions = Vec::new();
        for value in pattern.conditions.iter().filter(|condition| condition.variables().contains(node)) {
            conditions.push(Condition { expr: self.value(value)?, needs: owned(value.variables()) });
        }
        if conditions.is_empty() {
            return Ok(rows);
        }
        let nodes = filtered(self.nodes(node)?, conditions)?;
        joined(nodes, rows, JoinType::Inner, vec![self.key(node)?.eq(column(end))])
    }
}

/// Whether two relationships in a row point the same way.
fn points_on(first: &BoundRelationship, second: &BoundRelationship) -> bool {
    first.direction == second.direction && first.direction != Direction::Either
}
