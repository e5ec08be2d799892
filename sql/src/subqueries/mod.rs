//! Subqueries wherever an expression may stand: IN, EXISTS, `= ANY`.
//!
//! DataFusion joins for subqueries in conditions. That leaves three things to do, and each is one rule or check here:
//!
//! 1. `values` (an analyzer rule) says `x IN (SELECT ...)` in the words of SQL's logic of three values, wherever its being NULL
//!    could show: `CASE WHEN <found> THEN true WHEN <NULLs may have matched> THEN NULL ELSE false END`. From there on an IN or EXISTS is
//!    a plain question with the answers yes and no. What needs no row of the outer query is asked once, as a scalar subquery.
//! 2. `marks` (an optimizer rule) answers these questions where they stand in select lists, aggregates and window functions: a join
//!    that adds a column with the answer. In filters DataFusion does the same.
//! 3. `leftover` refuses what no rule had a plan for.
//!
//! [`mod@lateral`] has those that run for each row: LATERAL with a LIMIT in FROM, and scalar subqueries that no join is found for.
//!
//! What does not work: such a question in PARTITION BY or ORDER BY of a window, where the sort below it is not recognised.

mod lateral;
mod leftover;
mod marks;
mod values;

pub(crate) use lateral::{ConditionsBelowLateral, LateralLeftovers, LateralPlanner, LateralSubqueries, set_aside};
pub(crate) use leftover::refuse;
pub(crate) use marks::MarkSubqueries;
pub(crate) use values::ThreeValuedSubqueries;
