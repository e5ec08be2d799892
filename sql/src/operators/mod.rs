//! Operators as Postgres types and computes them.
//!
//! DataFusion resolves an operator by widening its operands until they agree. Postgres knows types of literals that are
//! not known yet, keeps integers in their width and checks them, computes decimals exactly and compares floats as doubles.
//! So every operator goes through here twice:
//!
//! 1. [`PostgresOperators`], an `ExprPlanner`, sees each binary operator while SQL becomes a plan, before DataFusion gives
//!    it a type ([`binary`] has the rules: literals take the other side's type, arithmetic becomes checked functions,
//!    distances become functions of vectors);
//! 2. [`PostgresTyping`], an analyzer rule in front of DataFusion's type coercion, does the same for everything that is
//!    not a binary operator of the statement's text: bare literals (`SELECT 1` is an `integer`), casts, `IN`, `BETWEEN`,
//!    `CASE`, unary minus, and operators whose parameters have got their types by now.
//!
//! A comparison of a column with a literal stays a plain `column = literal` in the column's own type, so that scans can use
//! it. Constants are folded by DataFusion's optimizer as usual; what fails to fold fails when it runs.
//!
//! `vector` has the rules for pgvector's types and bit strings, whose values are [`crate::pgvector`]'s.
//!
//! [`reassociate()`] repairs the precedence of `<=>` and IS DISTINCT FROM in the parser's tree, before any of that;
//! `SeparateLists` keeps IN lists over one value from being mistaken for one, after it.

mod arithmetic;
mod binary;
mod in_lists;
mod interval;
pub(crate) mod operand;
mod planner;
mod quantified;
mod reassociate;
mod rule;
mod sets;
#[cfg(test)]
mod tests;
mod time_zone;
mod vector;
mod zeros;

pub(crate) use in_lists::SeparateLists;
pub use planner::PostgresOperators;
pub(crate) use quantified::{
    Quantified, as_list, function_name as quantified_function, functions as quantified_functions,
};
pub use reassociate::reassociate;
pub use rule::PostgresTyping;

pub use crate::pgvector::{Metric, distance_function};
