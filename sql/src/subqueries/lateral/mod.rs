//! Subqueries that run once for each row beside them: a LATERAL with a LIMIT, such as the nearest vectors of each, and the like.
//!
//! DataFusion joins for subqueries that name outer columns, and has no join that says "the first of these". What it cannot
//! join for becomes a [`node::LateralNode`] here, which is a nested loop:
//!
//! 1. [`rule`] (an analyzer rule) finds joins with such a subquery, and [`scalar`] those that stand in a select list or a condition.
//!    [`outer`] puts calls of `?outer(number)` into the subquery in the place of the outer columns ([`value`]).
//! 2. The subquery is optimized as the node's second input. [`pushdown`] takes conditions on the rows outside below the node.
//! 3. Before the physical planner sees the plan, [`planner::set_aside`] takes the subqueries out of its sight: it would look for
//!    scalar subqueries in them, which are to run once for each row and not once.
//! 4. [`planner`] plans the subquery a few times over, as many rows as run at once, and each of these plans has its own place for
//!    the values of a row. An index of the subquery's table is used as in any other query.

mod node;
mod outer;
mod planner;
mod pushdown;
mod rule;
mod scalar;
mod value;

pub(crate) use planner::{LateralPlanner, set_aside};
pub(crate) use pushdown::ConditionsBelowLateral;
pub(crate) use rule::{LateralLeftovers, LateralSubqueries};
