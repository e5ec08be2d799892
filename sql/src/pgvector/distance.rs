//! Distances: the functions behind `<->`, `<=>`, `<#>`, `<+>`, `<~>` and `<%>`.
//!
//! As in pgvector, elements are 32-bit floats and so are the running sums; the result is a double.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::{Error, ErrorKind, Result};

use super::bits::Bits;
use super::dense::Dense;
use super::kind::Kind;
use super::sparse::Sparse;
use crate::functions::untyped_null;

/// Sums are kept in this many lanes, so that compilers use the machine's vectors.
const LANES: usize = 8;

/// A measure of two vectors of the same dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance, `<->`.
    L2,
    /// One minus the cosine of the angle, `<=>`; NaN for a vector of zeros.
    Cosine,
    /// Minus the inner product, `<#>`.
    NegativeInnerProduct,
    /// The inner product.
    InnerProduct,
    /// Taxicab distance, `<+>`.
    L1,
}

impl Metric {
    const ALL: [Metric; 5] =
        [Metric::L2, Metric::Cosine, Metric::NegativeInnerProduct, Metric::InnerProduct, Metric::L1];

    /// The metric of an operator.
    pub fn of_operator(operator: &BinaryOperator) -> Option<Metric> {
        match operator {
            BinaryOperator::LtDashGt => Some(Metric::L2),
            BinaryOperator::Spaceship => Some(Metric::Cosine),
            BinaryOperator::Custom(custom) if custom == "<#>" => Some(Metric::NegativeInnerProduct),
            BinaryOperator::Custom(custom) if custom == "<+>" => Some(Metric::L1),
            BinaryOperator::PGCustomBinaryOperator(parts) => {
                let sign = parts.last()?;
                Self::ALL.into_iter().find(|metric| metric.operator() == Some(sign.as_str()))
            }
            _ => None,
        }
    }

    /// The operator that means the metric, if there is one.
    pub(crate) fn operator(self) -> Option<&'static str> {
        match self {
            Metric::L2 => Some("<->"),
            Metric::Cosine => Some("<=>"),
            Metric::NegativeInnerProduct => Some("<#>"),
            Metric::L1 => Some("<+>"),
            Metric::InnerProduct => None,
        }
    }

    /// The metric of a function, by its name.
    pub fn of_function(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.function_name() == name)
    }

    /// The name of the function, pgvector's.
    pub fn function_name(self) -> &'static str {
        match self {
            Metric::L2 => "l2_distance",
            Metric::Cosine => "cosine_distance",
            Metric::NegativeInnerProduct => "vector_negative_inner_product",
            Metric::InnerProduct => "inner_product",
            Metric::L1 => "l1_distance",
        }
    }

    /// The measure of two vectors, which have the same dimension. There is one NaN only, which
    /// sorts and compares as in Postgres.
    pub fn measure(self, a: &[f32], b: &[f32]) -> f64 {
        let measured = match self {
            Metric::L2 => f64::from(sum(a, b, |a, b| (a - b) * (a - b))).sqrt(),
            Metric::Cosine => {
                let (a_square, b_square) = (sum(a, a, |a, b| a * b), sum(b, b, |a, b| a * b));
                cosine(sum(a, b, |a, b| a * b), a_square, b_square)
            }
            Metric::NegativeInnerProduct => -f64::from(sum(a, b, |a, b| a * b)),
            Metric::InnerProduct => f64::from(sum(a, b, |a, b| a * b)),
            Metric::L1 => f64::from(sum(a, b, |a, b| (a - b).abs())),
        };
        one_nan(measured)
    }

    fn measure_sparse(self, a: &Sparse, b: &Sparse) -> f64 {
        let sum = |term: fn(f32, f32) -> f32| {
            let mut sum = 0.0_f32;
            a.for_each_pair(b, |a, b| sum += term(a, b));
            sum
        };
        let square = |vector: &Sparse| vector.values().map(|value| value * value).sum::<f32>();
        one_nan(match self {
            Metric::L2 => f64::from(sum(|a, b| (a - b) * (a - b))).sqrt(),
            Metric::Cosine => cosine(sum(|a, b| a * b), square(a), square(b)),
            Metric::NegativeInnerProduct => -f64::from(sum(|a, b| a * b)),
            Metric::InnerProduct => f64::from(sum(|a, b| a * b)),
            Metric::L1 => f64::from(sum(|a, b| (a - b).abs())),
        })
    }
}

fn one_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

fn cosine(product: f32, a_square: f32, b_square: f32) -> f64 {
    let squares = f64::from(a_square) * f64::from(b_square);
    // Rounding may leave the cosine a little outside of its range.
    1.0 - (f64::from(product) / squares.sqrt()).clamp(-1.0, 1.0)
}

/// The sum of `term` over the elements of two vectors.
#[inline]
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A measure of two bit strings of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitMetric {
    /// How many bits differ, `<~>`.
    Hamming,
    /// One minus the share of the bits set in both among those set in either, `<%>`; 1 where none is set in both.
    Jaccard,
}

impl BitMetric {
    const ALL: [BitMetric; 2] = [BitMetric::Hamming, BitMetric::Jaccard];

    /// The metric of an operator.
    pub fn of_operator(operator: &BinaryOperator) -> Option<BitMetric> {
        let sign = match operator {
            BinaryOperator::Custom(custom) => custom,
            BinaryOperator::PGCustomBinaryOperator(parts) => parts.last()?,
            _ => return None,
        };
        Self::ALL.into_iter().find(|metric| metric.operator() == sign)
    }

    pub(crate) fn operator(self) -> &'static str {
        match self {
            BitMetric::Hamming => "<~>",
            BitMetric::Jaccard => "<%>",
        }
    }

    /// The metric of a function, by its name.
    pub fn of_function(name: &str) -> Option<BitMetric> {
        Self::ALL.into_iter().find(|metric| metric.function_name() == name)
    }

    /// The name of the function, pgvector's.
    pub fn function_name(self) -> &'static str {
        match self {
            BitMetric::Hamming => "hamming_distance",
            BitMetric::Jaccard => "jaccard_distance",
        }
    }

    /// The measure of two bit strings, which have the same length.
    pub fn measure(self, a: &BooleanBuffer, b: &BooleanBuffer) -> f64 {
        let count = |of: fn(u64, u64) -> u64| -> u32 {
            let words = a.bit_chunks().iter_padded().zip(b.bit_chunks().iter_padded());
            words.map(|(a, b)| of(a, b).count_ones()).sum()
        };
        match self {
            BitMetric::Hamming => f64::from(count(|a, b| a ^ b)),
            BitMetric::Jaccard => match (count(|a, b| a & b), count(|a, b| a | b)) {
                (0, _) => 1.0,
                (both, either) => 1.0 - f64::from(both) / f64::from(either),
            },
        }
    }
}

/// Two columns, or a column and one value for every row, or two values.
struct Pair {
    left: ArrayRef,
    right: ArrayRef,
    left_is_constant: bool,
    right_is_constant: bool,
    rows: usize,
}

impl Pair {
    fn new(args: &ScalarFunctionArgs) -> PlanResult<Pair> {
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("a distance takes two arguments")));
        };
        let is_constant = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(_));
        let (left_is_constant, right_is_constant) = (is_constant(left), is_constant(right));
        Ok(Pair {
            left: left.to_array(1)?,
            right: right.to_array(1)?,
            left_is_constant,
            right_is_constant,
            rows: if left_is_constant && right_is_constant { 1 } else { args.number_rows },
        })
    }

    /// Where the values of a row are.
    fn places(&self, row: usize) -> (usize, usize) {
        (if self.left_is_constant { 0 } else { row }, if self.right_is_constant { 0 } else { row })
    }

    /// The rows where either side is NULL.
    fn nulls(&self) -> Option<NullBuffer> {
        let of = |array: &ArrayRef, is_constant: bool| match is_constant {
            true if array.is_null(0) => Some(NullBuffer::new_null(self.rows)),
            true => None,
            false => array.nulls().cloned(),
        };
        NullBuffer::union(
            of(&self.left, self.left_is_constant).as_ref(),
            of(&self.right, self.right_is_constant).as_ref(),
        )
    }

    /// The measure of each row that has two values.
    fn measure(&self, mut of: impl FnMut(usize, usize) -> Result<f64>) -> Result<Float64Array> {
        let nulls = self.nulls();
        let values = (0..self.rows).map(|row| match &nulls {
            Some(nulls) if nulls.is_null(row) => Ok(0.0),
            _ => {
                let (left, right) = self.places(row);
                of(left, right)
            }
        });
        Ok(Float64Array::new(values.collect::<Result<Vec<_>>>()?.into(), nulls))
    }

    fn finish(&self, result: Float64Array) -> PlanResult<ColumnarValue> {
        let result: ArrayRef = Arc::new(result);
        Ok(match self.left_is_constant && self.right_is_constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// The measure of every row.
fn measure(metric: Metric, pair: &Pair) -> Result<Float64Array> {
    if let (Some(left), Some(right)) = (pair.left.as_binary_opt::<i64>(), pair.right.as_binary_opt::<i64>()) {
        return pair.measure(|a, b| {
            let (a, b) = (Sparse::stored(left.value(a))?, Sparse::stored(right.value(b))?);
            match a.dimension() == b.dimension() {
                true => Ok(metric.measure_sparse(&a, &b)),
                false => Err(Kind::Sparsevec.different_dimensions(a.dimension(), b.dimension())),
            }
        });
    }
    let (Some(left), Some(right)) = (Dense::get(&pair.left), Dense::get(&pair.right)) else {
        return Err(Error::new(ErrorKind::UndefinedFunction, "a vector function needs vectors"));
    };
    let kind = left.kind().max(right.kind());
    pair.measure(|a, b| {
        let (a, b) = (left.row(a), right.row(b));
        if a.len() == b.len() { Ok(metric.measure(a, b)) } else { Err(kind.different_dimensions(a.len(), b.len())) }
    })
}

/// A metric as a function of two vectors.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Distance {
    metric: Metric,
    signature: Signature,
}

impl ScalarUDFImpl for Distance {
    fn name(&self) -> &str {
        self.metric.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let pair = Pair::new(&args)?;
        pair.finish(measure(self.metric, &pair)?)
    }
}

/// A metric as a function of two bit strings.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BitDistance {
    metric: BitMetric,
    signature: Signature,
}

impl ScalarUDFImpl for BitDistance {
    fn name(&self) -> &str {
        self.metric.function_name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let pair = Pair::new(&args)?;
        let (left, right) = (Bits::new(&pair.left)?, Bits::new(&pair.right)?);
        let result = pair.measure(|a, b| {
            let (a, b) = (left.row(a), right.row(b));
            if a.len() == b.len() {
                return Ok(self.metric.measure(&a, &b));
            }
            let message = format!("different bit lengths {} and {}", a.len(), b.len());
            Err(Error::new(ErrorKind::DataException, message))
        })?;
        pair.finish(result)
    }
}

/// The function of a metric.
pub fn distance_function(metric: Metric) -> ScalarUDF {
    ScalarUDF::from(Distance { metric, signature: Signature::any(2, Volatility::Immutable) })
}

/// The function of a metric of bit strings.
pub fn bit_distance_function(metric: BitMetric) -> ScalarUDF {
    ScalarUDF::from(BitDistance { metric, signature: Signature::any(2, Volatility::Immutable) })
}

/// The functions of all metrics.
pub(super) fn functions() -> impl Iterator<Item = ScalarUDF> {
    let vectors = Metric::ALL.into_iter().map(distance_function);
    vectors.chain(BitMetric::ALL.into_iter().map(bit_distance_function))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_agree_with_their_formulas() {
        let a: Vec<f32> = (0..19).map(|n| n as f32).collect();
        let b: Vec<f32> = (0..19).map(|n| (n * n % 7) as f32).collect();
        let pairs = || a.iter().zip(&b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let product: f64 = pairs().map(|(a, b)| a * b).sum();
        let l2 = pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
        let l1: f64 = pairs().map(|(a, b)| (a - b).abs()).sum();
        let norms = pairs().map(|(a, _)| a * a).sum::<f64>().sqrt() * pairs().map(|(_, b)| b * b).sum::<f64>().sqrt();
        let (a_sparse, b_sparse) = (Sparse::of_dense(&a).unwrap(), Sparse::of_dense(&b).unwrap());
        for (metric, expected) in [
            (Metric::L2, l2),
            (Metric::L1, l1),
            (Metric::InnerProduct, product),
            (Metric::NegativeInnerProduct, -product),
            (Metric::Cosine, 1.0 - product / norms),
        ] {
            assert!((metric.measure(&a, &b) - expected).abs() < 1e-5, "{metric:?}");
            assert!((metric.measure_sparse(&a_sparse, &b_sparse) - expected).abs() < 1e-5, "{metric:?}");
        }
        assert!(Metric::Cosine.measure(&[0.0], &[1.0]).is_nan());
        assert_eq!(Metric::Cosine.measure(&[2.0], &[3.0]), 0.0);
    }

    #[test]
    fn bits_are_counted_wherever_they_begin() {
        let a = BooleanBuffer::collect_bool(200, |bit| bit % 3 == 0);
        let b = BooleanBuffer::collect_bool(200, |bit| bit % 2 == 0);
        for (start, length) in [(0, 200), (5, 70), (63, 66), (199, 1), (7, 0)] {
            let (a, b) = (a.slice(start, length), b.slice(start, length));
            let count = |of: fn(bool, bool) -> bool| a.iter().zip(b.iter()).filter(|(a, b)| of(*a, *b)).count() as f64;
            assert_eq!(BitMetric::Hamming.measure(&a, &b), count(|a, b| a != b));
            let expected = match count(|a, b| a && b) {
                0.0 => 1.0,
                both => 1.0 - both / count(|a, b| a || b),
            };
            assert_eq!(BitMetric::Jaccard.measure(&a, &b), expected);
        }
    }
}
