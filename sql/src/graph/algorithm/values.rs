//! The values of a call's arguments.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, expr::Placeholder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::scalar::ScalarValue;
use slipstream_catalog::graph_algorithms::{Algorithm, CommonNeighbours, Distances, Keys, Louvain, PageRank};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::call::Call;
use super::elements::Elements;
use super::signature::{Argument, Function};
use crate::error::from_datafusion;
use crate::planner::parameters;
use crate::text::parse_scalar;

/// Rounds of PageRank that nobody has asked for otherwise.
const ITERATIONS: i64 = 100;
/// Rounds of it at most.
const MOST_ITERATIONS: i64 = 100_000;

/// The arguments of a call in one run.
pub(super) struct Values<'a> {
    pub(super) call: &'a Call,
    pub(super) elements: &'a Elements,
    /// Of the statement.
    pub(super) parameters: &'a [ScalarValue],
    pub(super) options: &'a Arc<ConfigOptions>,
}

impl Values<'_> {
    /// The algorithm with its arguments, and what EXPLAIN says of those.
    pub(super) fn algorithm(&self) -> Result<(Algorithm, String)> {
        Ok(match self.call.function {
            Function::Degree => (Algorithm::Degrees, String::new()),
            Function::ConnectedComponents => (Algorithm::Components, String::new()),
            Function::KCore => (Algorithm::Cores, String::new()),
            Function::PageRank => self.page_rank()?,
            Function::Louvain => self.louvain()?,
            Function::ShortestDistances => self.distances()?,
            Function::CommonNeighbours => self.common_neighbours()?,
        })
    }

    fn page_rank(&self) -> Result<(Algorithm, String)> {
        let damping =
            self.number(Argument::Damping, 0.85, "at least 0 and less than 1", |at| (0.0..1.0).contains(&at))?;
        let iterations = self.integer(Argument::Iterations, ITERATIONS)?;
        if !(1..=MOST_ITERATIONS).contains(&iterations) {
            return Err(self.refused(Argument::Iterations, &format!("between 1 and {MOST_ITERATIONS}")));
        }
        let tolerance = self.number(Argument::Tolerance, 1e-6, "not negative", |at| at >= 0.0)?;
        let sources = self.keys(Argument::Source)?;
        let described = format!(", damping={damping}, iterations={iterations}, tolerance={tolerance:?}");
        let sources_described = sources.as_ref().map(|sources| format!(", sources={}", sources.keys.len()));
        let iterations = iterations as usize;
        let asked = PageRank { way: self.elements.way, damping, iterations, tolerance, sources };
        Ok((Algorithm::PageRank(asked), described + &sources_described.unwrap_or_default()))
    }

    fn louvain(&self) -> Result<(Algorithm, String)> {
        let resolution = self.number(Argument::Resolution, 1.0, "more than 0", |at| at > 0.0 && at.is_finite())?;
        let seed = self.integer(Argument::Seed, 0)?;
        let asked = Louvain { resolution, seed: seed.cast_unsigned() };
        Ok((Algorithm::Louvain(asked), format!(", resolution={resolution}, seed={seed}")))
    }

    fn distances(&self) -> Result<(Algorithm, String)> {
        let sources = self.needed_keys(Argument::Source)?;
        let most = match self.call.has(Argument::MaxDistance) {
            true => Some(self.number(Argument::MaxDistance, f64::INFINITY, "not negative", |at| at >= 0.0)?),
            false => None,
        };
        let described = format!(", sources={}", sources.keys.len());
        let most_described = most.map(|most| format!(", max_distance={most}")).unwrap_or_default();
        let asked = Distances { way: self.elements.way, sources, most };
        Ok((Algorithm::Distances(asked), described + &most_described))
    }

    fn common_neighbours(&self) -> Result<(Algorithm, String)> {
        let vertex = self.one_key(Argument::Vertex)?;
        let other = match self.call.has(Argument::Other) {
            true => Some(self.one_key(Argument::Other)?),
            false => None,
        };
        let described = if other.is_some() { ", of two vertices" } else { ", of one vertex" };
        let asked = CommonNeighbours { way: self.elements.way, vertex, other };
        Ok((Algorithm::CommonNeighbours(asked), described.to_string()))
    }

    /// The value of an argument; `None` where it was not given, or is NULL.
    fn value(&self, argument: Argument) -> Result<Option<ScalarValue>> {
        let value = evaluated(self.call, argument, self.parameters, self.options)?;
        Ok(value.filter(|value| !value.is_null()))
    }

    fn number(&self, argument: Argument, default: f64, wanted: &str, is_good: impl Fn(f64) -> bool) -> Result<f64> {
        let Some(value) = self.value(argument)? else { return Ok(default) };
        let number = match &value {
            ScalarValue::Utf8(Some(text)) => {
                parse_scalar(&SqlType::Double, text).map_err(|error| self.call.point(error, argument))?
            }
            value if value.data_type().is_numeric() => {
                value.cast_to(&SqlType::Double.arrow_type()).map_err(from_datafusion)?
            }
            other => return Err(self.mismatch(argument, &SqlType::Double, other)),
        };
        match number {
            ScalarValue::Float64(Some(number)) if is_good(number) => Ok(number),
            _ => Err(self.refused(argument, wanted)),
        }
    }

    fn integer(&self, argument: Argument, default: i64) -> Result<i64> {
        let Some(value) = self.value(argument)? else { return Ok(default) };
        let number = match &value {
            ScalarValue::Utf8(Some(text)) => {
                parse_scalar(&SqlType::BigInt, text).map_err(|error| self.call.point(error, argument))?
            }
            value if value.data_type().is_integer() => {
                value.cast_to(&SqlType::BigInt.arrow_type()).map_err(from_datafusion)?
            }
            other => return Err(self.mismatch(argument, &SqlType::BigInt, other)),
        };
        match number {
            ScalarValue::Int64(Some(number)) => Ok(number),
            _ => Err(self.refused(argument, "an integer")),
        }
    }

    /// The keys of an argument that may be left out.
    fn keys(&self, argument: Argument) -> Result<Option<Keys>> {
        match self.call.has(argument) {
            true => self.needed_keys(argument).map(Some),
            false => Ok(None),
        }
    }

    fn one_key(&self, argument: Argument) -> Result<Keys> {
        let keys = self.needed_keys(argument)?;
        match keys.keys.len() {
            1 => Ok(keys),
            _ => Err(self.refused(argument, "one key")),
        }
    }

    /// The keys of an argument: one, or an array of them. NULL is a key that no vertex has.
    fn needed_keys(&self, argument: Argument) -> Result<Keys> {
        let value = evaluated(self.call, argument, self.parameters, self.options)?.unwrap_or(ScalarValue::Null);
        let values = match &value {
            ScalarValue::List(list) if list.is_empty() || list.is_null(0) => Vec::new(),
            ScalarValue::List(list) => {
                let items = list.value(0);
                (0..items.len())
                    .map(|at| ScalarValue::try_from_array(&items, at))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(from_datafusion)?
            }
            value => vec![value.clone()],
        };
        let keys = values.iter().map(|value| self.key(argument, value)).collect::<Result<Vec<_>>>()?;
        let keys: ArrayRef = match keys.is_empty() {
            true => arrow::array::new_empty_array(&self.elements.key.arrow_type()),
            false => ScalarValue::iter_to_array(keys).map_err(from_datafusion)?,
        };
        Ok(Keys { tables: self.elements.label.clone(), keys })
    }

    /// A value as the key of a vertex.
    fn key(&self, argument: Argument, value: &ScalarValue) -> Result<ScalarValue> {
        let wanted = &self.elements.key;
        let data_type = wanted.arrow_type();
        if value.is_null() {
            return ScalarValue::try_new_null(&data_type).map_err(from_datafusion);
        }
        match value {
            value if value.data_type() == data_type => Ok(value.clone()),
            ScalarValue::Utf8(Some(text)) => {
                parse_scalar(wanted, text).map_err(|error| self.call.point(error, argument))
            }
            value if value.data_type().is_integer() && data_type.is_integer() => {
                // A number that the type has not is a key that no vertex has.
                let cast = value.cast_to(&data_type).or_else(|_| ScalarValue::try_new_null(&data_type));
                cast.map_err(from_datafusion)
            }
            value if value.data_type().is_integer() && *wanted == SqlType::Text && self.elements.vertices.len() > 1 => {
                Ok(ScalarValue::Utf8(Some(value.to_string())))
            }
            other => Err(self.mismatch(argument, wanted, other)),
        }
    }

    fn mismatch(&self, argument: Argument, wanted: &SqlType, value: &ScalarValue) -> Error {
        let given =
            SqlType::of_arrow(&value.data_type()).map_or_else(|| "unknown".to_string(), |known| known.to_string());
        let message = format!("argument \"{}\" must be type {wanted}, not type {given}", argument.name());
        self.call.point(Error::new(ErrorKind::DatatypeMismatch, message), argument)
    }

    fn refused(&self, argument: Argument, wanted: &str) -> Error {
        let message = format!("argument \"{}\" must be {wanted}", argument.name());
        self.call.point(Error::new(ErrorKind::InvalidParameter, message), argument)
    }
}

/// The text that an argument is, which must be a constant; `None` where it was not given, or is NULL.
pub(super) fn text(call: &Call, argument: Argument, options: &Arc<ConfigOptions>) -> Result<Option<String>> {
    match evaluated(call, argument, &[], options)? {
        None => Ok(None),
        Some(ScalarValue::Utf8(text)) => Ok(text),
        Some(value) if value.is_null() => Ok(None),
        Some(_) => Err(not_text(call, argument)),
    }
}

/// The texts that an argument is, one or an array of them.
pub(super) fn texts(call: &Call, argument: Argument, options: &Arc<ConfigOptions>) -> Result<Option<Vec<String>>> {
    let value = evaluated(call, argument, &[], options)?.filter(|value| !value.is_null());
    let list = match value {
        None => return Ok(None),
        Some(ScalarValue::Utf8(Some(text))) if text.starts_with('{') => {
            let array = SqlType::Array(Box::new(SqlType::Text));
            match parse_scalar(&array, &text).map_err(|error| call.point(error, argument))? {
                ScalarValue::List(list) => list,
                _ => return Err(not_text(call, argument)),
            }
        }
        Some(ScalarValue::Utf8(Some(text))) => return Ok(Some(vec![text])),
        Some(ScalarValue::List(list)) => list,
        Some(_) => return Err(not_text(call, argument)),
    };
    let items = list.value(0);
    match items.as_string_opt::<i32>() {
        Some(items) if items.null_count() == 0 => Ok(Some(items.iter().flatten().map(str::to_string).collect())),
        _ => Err(not_text(call, argument)),
    }
}

fn not_text(call: &Call, argument: Argument) -> Error {
    let message = format!("argument \"{}\" must be type text", argument.name());
    call.point(Error::new(ErrorKind::DatatypeMismatch, message), argument)
}

/// The value of an argument, where it was given.
fn evaluated(
    call: &Call,
    argument: Argument,
    parameters: &[ScalarValue],
    options: &Arc<ConfigOptions>,
) -> Result<Option<ScalarValue>> {
    let Some(given) = call.get(argument) else { return Ok(None) };
    let value = with_values(given.value.clone(), parameters)?;
    let context = SimplifyContext::builder().with_config_options(Arc::clone(options)).build();
    let simplifier = ExprSimplifier::new(context);
    let simple = simplifier.coerce(value, &DFSchema::empty()).and_then(|value| simplifier.simplify(value));
    match simple.map_err(|error| call.point(from_datafusion(error), argument))? {
        Expr::Literal(value, _) => Ok(Some(value)),
        _ => {
            let place = argument.name();
            let constant = matches!(
                argument,
                Argument::Graph | Argument::Edges | Argument::Label | Argument::Direction | Argument::Weight
            );
            let message = match constant {
                true => format!("argument \"{place}\" of a graph algorithm must be a constant"),
                false => format!("argument \"{place}\" of a graph algorithm must be a constant or a parameter"),
            };
            Err(call.point(Error::not_supported(message), argument))
        }
    }
}

fn with_values(value: Expr, parameters: &[ScalarValue]) -> Result<Expr> {
    let replaced = value.transform_up(|part| {
        let Expr::Placeholder(Placeholder { id, .. }) = &part else { return Ok(Transformed::no(part)) };
        match parameters.get(parameters::number(id)?) {
            Some(known) => Ok(Transformed::yes(Expr::Literal(known.clone(), None))),
            None => Ok(Transformed::no(part)),
        }
    });
    Ok(replaced.map_err(from_datafusion)?.data)
}
