//! Functions as Postgres has them, and the registration of everything in this crate that DataFusion plans with.
//!
//! DataFusion's own functions stay wherever they mean the same. Here are those that mean something else (`sum` that is
//! exact, `now()` in microseconds, `round` of ties) and those that it lacks. Functions of DataFusion that share a name with
//! Postgres's and take other arguments, such as `to_char`, are taken out: no answer is better than a wrong one.

mod age;
mod aggregates;
mod clock;
mod common;
mod format;
mod json;
mod math;
mod ordered;
mod rounding;
pub(crate) mod sequences;
mod values;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::{AnalyzerRule, Optimizer};
use datafusion::prelude::SessionConfig;

pub(crate) use clock::at_statement;
pub(crate) use common::{typed_function, untyped_null};
pub(crate) use json::{operator as json_operator, rewrite_aggregate as rewrite_json};
pub(crate) use rounding::with_known_digits;
pub(crate) use values::type_name;

use crate::operators::{PostgresOperators, PostgresTyping, quantified_functions};
use crate::text_search;
use crate::types::TypeNames;

/// Functions of DataFusion whose name or format language would mislead.
const TAKEN_OUT: [&str; 13] = [
    "to_char",
    "date_format",
    "to_date",
    "to_time",
    "to_timestamp",
    "to_timestamp_seconds",
    "to_timestamp_millis",
    "to_timestamp_micros",
    "to_timestamp_nanos",
    "to_unixtime",
    "to_local_time",
    "current_time",
    "version",
];

/// The optimizer's rule that computes `sum(x)` beside one `DISTINCT` as a sum of sums, which has another type here.
const SUM_OF_SUMS: &str = "single_distinct_aggregation_to_group_by";

/// The planner's settings that Postgres's literals need.
#[must_use]
pub fn configure(config: SessionConfig) -> SessionConfig {
    config
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
        .set_bool("datafusion.sql_parser.support_varchar_with_length", true)
}

/// Registers our types, operators, analyzer rules and functions, on top of DataFusion's defaults (call
/// `with_default_features` first).
#[must_use]
pub fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut builder = builder.with_type_planner(Arc::new(TypeNames)).with_analyzer_rules(analyzer_rules());
    builder.expr_planners().get_or_insert_default().insert(0, Arc::new(PostgresOperators));
    let scalars = builder.scalar_functions().get_or_insert_default();
    scalars.retain(|function| !TAKEN_OUT.contains(&function.name()));
    scalars.extend(scalar_functions().into_iter().map(Arc::new));
    let aggregates = builder.aggregate_functions().get_or_insert_default();
    aggregates.extend(aggregate_functions().into_iter().map(Arc::new));
    let rules = Optimizer::new().rules.into_iter().filter(|rule| rule.name() != SUM_OF_SUMS);
    builder.with_optimizer_rules(rules.collect())
}

/// DataFusion's analyzer rules, with ours in front of its type coercion.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![Arc::new(ResolveGroupingFunction::new()), Arc::new(PostgresTyping), Arc::new(TypeCoercion::new())]
}

fn scalar_functions() -> Vec<ScalarUDF> {
    let mut functions = crate::pgvector::functions();
    functions.extend(quantified_functions());
    functions.extend(clock::functions());
    functions.extend(common::functions());
    functions.extend(json::functions());
    functions.extend(age::functions());
    functions.extend(format::functions());
    functions.extend(math::functions());
    functions.extend(rounding::functions());
    functions.extend(values::functions());
    functions.extend(text_search::scalar_functions());
    functions
}

fn aggregate_functions() -> Vec<AggregateUDF> {
    let mut functions = aggregates::functions();
    functions.extend(ordered::functions());
    functions.extend(text_search::aggregates());
    functions
}
