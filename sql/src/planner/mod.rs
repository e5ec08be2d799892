//! From a syntax tree to an optimized plan, over one snapshot.
//!
//! - [`state`]: DataFusion's session state, built once: configuration, functions, rules.
//! - [`names`]: what names mean in a statement: tables of the snapshot, functions, graphs.
//! - [`views`]: the queries that views stand for, put into the plans that name them.
//! - [`binding`]: plans that outlive their snapshot: tables are let go after planning and found again before running.
//! - [`short_path`]: plans of statements that are one graph pattern, without the planner.
//! - [`parameters`]: the types of `$1`, `$2`, ...
//! - [`cooperation`]: joins give way to others, so that a cancel is heard.
//! - [`ordering`]: ORDER BY in queries with scalar subqueries.
//! - [`single_partition`]: inputs that must be in one partition are.
//! - [`fetch`]: `FETCH FIRST` as LIMIT.
//! - [`refused`]: clauses that would be passed over in silence.
//! - [`columns`]: the names that Postgres gives the columns of a result.
//! - [`syntax`]: pieces of syntax trees, for statements that are planned as queries.
//! - [`Planning`] puts them together; a [`Scope`] plans a statement part by part.

pub(crate) mod binding;
pub(crate) mod columns;
mod cooperation;
mod duplicate_names;
pub(crate) mod fetch;
pub(crate) mod names;
mod ordering;
pub(crate) mod parameters;
mod planning;
pub(crate) mod refused;
pub(crate) mod short_path;
mod single_partition;
pub(crate) mod state;
pub(crate) mod syntax;
pub(crate) mod views;

pub(crate) use planning::{Ground, Plan, Planning, Scope};
