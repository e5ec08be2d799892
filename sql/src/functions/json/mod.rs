//! JSON: values into JSON, and parts out of it.
//!
//! * `encode`: a value of any type as JSON, which all of them build on;
//! * `build`: `to_json`, `json_build_object`, `json_build_array` and what the aggregates end with;
//! * `access`: `->`, `->>`, `#>`, `#>>` and their functions.
//!
//! `json_agg` and its like are `array_agg` of `to_json` ([`rewrite_aggregate`]), so that their ORDER BY, DISTINCT and FILTER are
//! those of any aggregate. What Postgres writes with its own blanks is written with the same; `jsonb` is normalised.

mod access;
mod build;
mod encode;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use access::operator;
pub(crate) use build::aggregate as rewrite_aggregate;

pub(super) fn functions() -> Vec<ScalarUDF> {
    let mut functions = build::functions();
    functions.extend(access::functions());
    functions
}
