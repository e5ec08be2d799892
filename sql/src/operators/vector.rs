//! Distances between vectors: the functions behind `<->`, `<=>`, `<#>`, and pgvector's others.
//!
//! As in pgvector, elements are 32-bit floats and so are the running sums; the result is a double.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, Int32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float32Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::{Error, ErrorKind, Result};

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
            _ => None,
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
            Metric::Cosine => cosine(a, b),
            Metric::NegativeInnerProduct => -f64::from(sum(a, b, |a, b| a * b)),
            Metric::InnerProduct => f64::from(sum(a, b, |a, b| a * b)),
            Metric::L1 => f64::from(sum(a, b, |a, b| (a - b).abs())),
        };
        if measured.is_nan() { f64::NAN } else { measured }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = f64::from(sum(a, b, |a, b| a * b));
    let squares = f64::from(sum(a, a, |a, b| a * b)) * f64::from(sum(b, b, |a, b| a * b));
    // Rounding may leave the cosine a little outside of its range.
    1.0 - (product / squares.sqrt()).clamp(-1.0, 1.0)
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

/// `different vector dimensions 3 and 2`
pub(super) fn different_dimensions(left: i32, right: i32) -> Error {
    Error::new(ErrorKind::DataException, format!("different vector dimensions {left} and {right}"))
}

/// A column of vectors, or one vector for every row.
struct Vectors {
    list: FixedSizeListArray,
    constant: bool,
}

impl Vectors {
    fn new(value: &ColumnarValue) -> PlanResult<Self> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (Arc::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        match array.as_fixed_size_list_opt() {
            Some(list) if list.value_type() == DataType::Float32 => Ok(Vectors { list: list.clone(), constant }),
            _ => Err(Error::new(ErrorKind::UndefinedFunction, "a vector function needs vectors").into()),
        }
    }

    fn dimension(&self) -> i32 {
        self.list.value_length()
    }

    fn elements(&self) -> &[f32] {
        self.list.values().as_primitive::<Float32Type>().values()
    }

    /// The elements of a row of all the `elements`.
    fn row<'a>(&self, elements: &'a [f32], row: usize) -> &'a [f32] {
        let dimension = self.dimension() as usize;
        let start = if self.constant { 0 } else { row * dimension };
        &elements[start..start + dimension]
    }

    /// Which rows are NULL, if any; `None` also for a constant that is not.
    fn nulls(&self, rows: usize) -> Option<NullBuffer> {
        match self.constant {
            true if self.list.is_null(0) => Some(NullBuffer::new_null(rows)),
            true => None,
            false => self.list.nulls().cloned(),
        }
    }
}

/// The measure of every row.
fn measure(metric: Metric, left: &Vectors, right: &Vectors, rows: usize) -> Result<ArrayRef> {
    if left.dimension() != right.dimension() {
        return Err(different_dimensions(left.dimension(), right.dimension()));
    }
    let (a, b) = (left.elements(), right.elements());
    let values = (0..rows).map(|row| metric.measure(left.row(a, row), right.row(b, row)));
    let nulls = NullBuffer::union(left.nulls(rows).as_ref(), right.nulls(rows).as_ref());
    Ok(Arc::new(Float64Array::new(values.collect::<Vec<_>>().into(), nulls)))
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
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("a distance takes two arguments")));
        };
        let (left, right) = (Vectors::new(left)?, Vectors::new(right)?);
        let constant = left.constant && right.constant;
        let rows = if constant { 1 } else { args.number_rows };
        let result = measure(self.metric, &left, &right, rows)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// `vector_dims(v)` and `vector_norm(v)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Property {
    name: &'static str,
    signature: Signature,
}

impl ScalarUDFImpl for Property {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(if self.name == "vector_dims" { DataType::Int32 } else { DataType::Float64 })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let [vector] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("a vector function takes one argument")));
        };
        let vectors = Vectors::new(vector)?;
        let rows = if vectors.constant { 1 } else { args.number_rows };
        let nulls = vectors.nulls(rows);
        let result: ArrayRef = if self.name == "vector_dims" {
            Arc::new(Int32Array::new(vec![vectors.dimension(); rows].into(), nulls))
        } else {
            let elements = vectors.elements();
            let norm = |row| {
                let row = vectors.row(elements, row);
                f64::from(sum(row, row, |a, b| a * b)).sqrt()
            };
            Arc::new(Float64Array::new((0..rows).map(norm).collect::<Vec<_>>().into(), nulls))
        };
        Ok(match vectors.constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

/// The function of a metric.
pub fn distance_function(metric: Metric) -> ScalarUDF {
    ScalarUDF::from(Distance { metric, signature: Signature::any(2, Volatility::Immutable) })
}

/// Every function of vectors.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let property = |name| ScalarUDF::from(Property { name, signature: Signature::any(1, Volatility::Immutable) });
    let distances = Metric::ALL.into_iter().map(distance_function);
    distances.chain([property("vector_dims"), property("vector_norm")]).collect()
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
        for (metric, expected) in [
            (Metric::L2, l2),
            (Metric::L1, l1),
            (Metric::InnerProduct, product),
            (Metric::NegativeInnerProduct, -product),
            (Metric::Cosine, 1.0 - product / norms),
        ] {
            assert!((metric.measure(&a, &b) - expected).abs() < 1e-5, "{metric:?}");
        }
        assert!(Metric::Cosine.measure(&[0.0], &[1.0]).is_nan());
        assert_eq!(Metric::Cosine.measure(&[2.0], &[3.0]), 0.0);
    }
}
