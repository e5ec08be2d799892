//! Functions and operators of vectors other than distances.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int32Array, Int32Builder, LargeBinaryBuilder,
};
use arrow::datatypes::{DataType, FieldRef, Int32Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::bits::{self, Bits, BitsBuilder};
use super::dense::{Dense, DenseBuilder};
use super::distance;
use super::kind::{Kind, MAX_DIMENSIONS, half_of};
use super::sparse::{Sparse, sort_key};
use crate::functions::untyped_null;

/// What is done with vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Function {
    /// `vector_dims(v)`
    Dimensions,
    /// `vector_norm(v)`, `l2_norm(v)`
    Norm(&'static str),
    /// `l2_normalize(v)`
    Normalize,
    /// `subvector(v, start, count)`
    Subvector,
    /// `binary_quantize(v)`
    Quantize,
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a || b`
    Concatenate,
    /// `a < b` and its like, of vectors and of bit strings
    Compare(Operator),
    /// Bytes that sort as `sparsevec`s do.
    SortKey,
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Function::Dimensions => "vector_dims",
            Function::Norm(name) => name,
            Function::Normalize => "l2_normalize",
            Function::Subvector => "subvector",
            Function::Quantize => "binary_quantize",
            Function::Add => "vector_add",
            Function::Subtract => "vector_sub",
            Function::Multiply => "vector_mul",
            Function::Concatenate => "vector_concat",
            Function::Compare(Operator::Eq) => "vector_eq",
            Function::Compare(Operator::NotEq) => "vector_ne",
            Function::Compare(Operator::Lt) => "vector_lt",
            Function::Compare(Operator::LtEq) => "vector_le",
            Function::Compare(Operator::Gt) => "vector_gt",
            Function::Compare(Operator::GtEq) => "vector_ge",
            Function::Compare(Operator::IsDistinctFrom) => "vector_is_distinct",
            Function::Compare(_) => "vector_is_not_distinct",
            Function::SortKey => "sparsevec_sort_key",
        }
    }

    /// How many of its arguments are vectors; they come first.
    pub(crate) fn vectors(self) -> usize {
        match self {
            Function::Dimensions
            | Function::Norm(_)
            | Function::Normalize
            | Function::Subvector
            | Function::Quantize
            | Function::SortKey => 1,
            Function::Add | Function::Subtract | Function::Multiply | Function::Concatenate | Function::Compare(_) => 2,
        }
    }

    fn arity(self) -> usize {
        if self == Function::Subvector { 3 } else { self.vectors() }
    }

    /// Whether pgvector has it for vectors of a kind.
    pub(crate) fn takes(self, kind: Kind) -> bool {
        match self {
            Function::Norm(_) | Function::Normalize | Function::Compare(_) => true,
            Function::SortKey => kind == Kind::Sparsevec,
            _ => kind.is_dense(),
        }
    }

    /// The type of the result for arguments of these types; `counts` are those of `subvector` where they are known.
    pub(crate) fn result(self, args: &[SqlType], counts: Option<(i32, i32)>) -> SqlType {
        let of = |position: usize| args.get(position).cloned().unwrap_or(SqlType::Vector(0));
        let first = of(0);
        let kind = args.iter().filter_map(Kind::of).max().unwrap_or(Kind::Vector);
        let (left, right) = (Kind::dimension(&first), Kind::dimension(&of(1)));
        match self {
            Function::Dimensions => SqlType::Integer,
            Function::Norm(_) => SqlType::Double,
            Function::Compare(_) => SqlType::Boolean,
            Function::SortKey => SqlType::Bytea,
            Function::Normalize => kind.sql_type(left),
            Function::Subvector => {
                let range = counts.filter(|_| left > 0).and_then(|(start, count)| part(left as i32, start, count));
                kind.sql_type(range.map_or(0, |range| range.len() as u32))
            }
            Function::Quantize => SqlType::Bit(left),
            Function::Add | Function::Subtract | Function::Multiply => kind.sql_type(left.max(right)),
            Function::Concatenate if left > 0 && right > 0 && left + right <= MAX_DIMENSIONS => {
                kind.sql_type(left + right)
            }
            Function::Concatenate => kind.sql_type(0),
        }
    }
}

/// The places of `subvector`, whose start counts from 1; `None` where nothing is left.
fn part(dimension: i32, start: i32, count: i32) -> Option<std::ops::Range<usize>> {
    if count < 1 || start > dimension {
        return None;
    }
    let end = i64::from(start).saturating_add(count.into()).min(i64::from(dimension) + 1);
    let start = i64::from(start.max(1));
    (start < end).then(|| start as usize - 1..end as usize - 1)
}

/// A [`Function`] as DataFusion calls it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct VectorFunction {
    function: Function,
    /// The type of the result once the arguments have their types.
    result: Option<SqlType>,
    signature: Signature,
}

impl VectorFunction {
    /// The function before its arguments have their types.
    pub(crate) fn untyped(function: Function) -> ScalarUDF {
        Self::make(function, None)
    }

    /// A call that gives a value of that type.
    pub(crate) fn call(function: Function, result: SqlType, args: Vec<Expr>) -> Expr {
        Self::make(function, Some(result)).call(args)
    }

    fn make(function: Function, result: Option<SqlType>) -> ScalarUDF {
        let signature = Signature::any(function.arity(), Volatility::Immutable);
        ScalarUDF::from(VectorFunction { function, result, signature })
    }

    /// The function of a call that has no types yet.
    pub(crate) fn untyped_of(udf: &ScalarUDF) -> Option<Function> {
        let implementation: &dyn std::any::Any = udf.inner().as_ref();
        let function = implementation.downcast_ref::<VectorFunction>()?;
        function.result.is_none().then_some(function.function)
    }

    fn result_of(&self, args: &[FieldRef]) -> SqlType {
        self.result.clone().unwrap_or_else(|| {
            let types = args.iter().map(|field| match SqlType::of_field(field) {
                Some(sql_type) if Kind::of(&sql_type).is_some() => sql_type,
                _ => SqlType::Vector(0),
            });
            self.function.result(&types.collect::<Vec<_>>(), None)
        })
    }
}

impl ScalarUDFImpl for VectorFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> PlanResult<DataType> {
        let fields: Vec<FieldRef> =
            args.iter().map(|data_type| Arc::new(arrow::datatypes::Field::new("", data_type.clone(), true))).collect();
        Ok(self.result_of(&fields).arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = match self.function {
            Function::Compare(Operator::IsDistinctFrom | Operator::IsNotDistinctFrom) => false,
            _ => args.arg_fields.iter().any(|field| field.is_nullable()),
        };
        Ok(field_ref(self.name(), &self.result_of(args.arg_fields), nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<PlanResult<Vec<_>>>()?;
        let result = self.result.clone().unwrap_or_else(|| self.result_of(&args.arg_fields));
        let result = run(self.function, &result, &arrays)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}

fn run(function: Function, result: &SqlType, args: &[ArrayRef]) -> Result<ArrayRef> {
    let [first, rest @ ..] = args else { return Err(Error::internal("a vector function without arguments")) };
    if let Function::Compare(operator) = function {
        let second = rest.first().ok_or_else(|| Error::internal("a comparison of one side"))?;
        return compare(operator, first, second);
    }
    if let Some(vectors) = first.as_binary_opt::<i64>() {
        return sparse(function, vectors);
    }
    let first = Dense::new(first)?;
    match (function, rest) {
        (Function::Dimensions, _) => {
            let mut out = Int32Builder::with_capacity(first.len());
            each(&first, |row| out.append_option(row.map(|row| row.len() as i32)));
            Ok(Arc::new(out.finish()))
        }
        (Function::Norm(_), _) => {
            let mut out = Float64Builder::with_capacity(first.len());
            each(&first, |row| out.append_option(row.map(|row| norm(row.iter().copied()))));
            Ok(Arc::new(out.finish()))
        }
        (Function::Normalize, _) => dense(result, &first, |_, row| normalized(first.kind(), row)),
        (Function::Quantize, _) => quantize(result, &first),
        (Function::Subvector, [starts, counts]) => {
            let (starts, counts) = (starts.as_primitive::<Int32Type>(), counts.as_primitive::<Int32Type>());
            subvector(result, &first, starts, counts)
        }
        (Function::Add | Function::Subtract | Function::Multiply | Function::Concatenate, [second]) => {
            combine(function, result, &first, &Dense::new(second)?)
        }
        _ => Err(Error::internal(format!("{} of these arguments", function.name()))),
    }
}

/// Each row, `None` where it is NULL.
fn each<'a>(vectors: &'a Dense, mut take: impl FnMut(Option<&'a [f32]>)) {
    (0..vectors.len()).for_each(|row| take((!vectors.is_null(row)).then(|| vectors.row(row))));
}

/// A vector made of each.
fn dense(result: &SqlType, vectors: &Dense, of: impl Fn(usize, &[f32]) -> Result<Vec<f32>>) -> Result<ArrayRef> {
    let mut out = DenseBuilder::new(result, vectors.len());
    for row in 0..vectors.len() {
        match vectors.is_null(row) {
            true => out.push_null(),
            false => out.push(of(row, vectors.row(row))?)?,
        }
    }
    out.finish()
}

/// The Euclidean norm.
fn norm(elements: impl Iterator<Item = f32>) -> f64 {
    elements.map(|element| f64::from(element) * f64::from(element)).sum::<f64>().sqrt()
}

/// The vector of norm 1 in the same direction; one of zeros stays as it is.
fn normalized(kind: Kind, elements: &[f32]) -> Result<Vec<f32>> {
    let norm = norm(elements.iter().copied());
    if norm == 0.0 {
        return Ok(vec![0.0; elements.len()]);
    }
    elements.iter().map(|element| fitting(kind, (f64::from(*element) / norm) as f32)).collect()
}

/// What a kind keeps of a computed element, which must not have become infinite.
fn fitting(kind: Kind, value: f32) -> Result<f32> {
    let kept = if kind == Kind::Halfvec { half_of(value) } else { value };
    if kept.is_infinite() { Err(overflow()) } else { Ok(kept) }
}

pub(super) fn overflow() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "value out of range: overflow")
}

fn quantize(result: &SqlType, vectors: &Dense) -> Result<ArrayRef> {
    let mut out = BitsBuilder::new(result, vectors.len());
    for row in 0..vectors.len() {
        match vectors.is_null(row) {
            true => out.push_null(),
            false => out.push(&vectors.row(row).iter().map(|element| *element > 0.0).collect::<Vec<_>>())?,
        }
    }
    out.finish()
}

fn subvector(result: &SqlType, vectors: &Dense, starts: &Int32Array, counts: &Int32Array) -> Result<ArrayRef> {
    let mut out = DenseBuilder::new(result, vectors.len());
    for row in 0..vectors.len() {
        if vectors.is_null(row) || starts.is_null(row) || counts.is_null(row) {
            out.push_null();
            continue;
        }
        let elements = vectors.row(row);
        let part = part(elements.len() as i32, starts.value(row), counts.value(row));
        let part = part.ok_or_else(|| vectors.kind().no_dimension())?;
        out.push(elements[part].iter().copied())?;
    }
    out.finish()
}

/// `+`, `-`, `*` and `||`.
fn combine(function: Function, result: &SqlType, left: &Dense, right: &Dense) -> Result<ArrayRef> {
    let mut out = DenseBuilder::new(result, left.len());
    for row in 0..left.len() {
        if left.is_null(row) || right.is_null(row) {
            out.push_null();
            continue;
        }
        let (a, b) = (left.row(row), right.row(row));
        match function {
            Function::Concatenate => out.push(a.iter().chain(b).copied())?,
            _ => out.push(element_wise(function, out.kind(), a, b)?)?,
        }
    }
    out.finish()
}

/// The sum, difference or product of each pair of elements.
pub(super) fn element_wise(function: Function, kind: Kind, a: &[f32], b: &[f32]) -> Result<Vec<f32>> {
    if a.len() != b.len() {
        return Err(kind.different_dimensions(a.len(), b.len()));
    }
    let pairs = a.iter().zip(b);
    pairs
        .map(|(a, b)| {
            let value = match function {
                Function::Subtract => a - b,
                Function::Multiply => a * b,
                _ => a + b,
            };
            let kept = fitting(kind, value)?;
            if function == Function::Multiply && kept == 0.0 && *a != 0.0 && *b != 0.0 {
                return Err(Error::new(ErrorKind::NumericOutOfRange, "value out of range: underflow"));
            }
            Ok(kept)
        })
        .collect()
}

fn sparse(function: Function, vectors: &arrow::array::LargeBinaryArray) -> Result<ArrayRef> {
    let read = |bytes: Option<&[u8]>| bytes.map(Sparse::stored).transpose();
    match function {
        Function::Norm(_) => {
            let mut out = Float64Builder::with_capacity(vectors.len());
            for bytes in vectors {
                out.append_option(read(bytes)?.map(|vector| norm(vector.values())));
            }
            Ok(Arc::new(out.finish()))
        }
        Function::Normalize => {
            let mut out = LargeBinaryBuilder::new();
            for bytes in vectors {
                out.append_option(read(bytes)?.map(|vector| {
                    let norm = norm(vector.values());
                    vector.map(|value| (f64::from(value) / norm) as f32).to_bytes()
                }));
            }
            Ok(Arc::new(out.finish()))
        }
        Function::SortKey => {
            let mut out = arrow::array::BinaryBuilder::new();
            for bytes in vectors {
                out.append_option(read(bytes)?.map(|vector| sort_key(&vector)));
            }
            Ok(Arc::new(out.finish()))
        }
        other => Err(Error::internal(format!("{} of sparsevec", other.name()))),
    }
}

/// A comparison, which NULL on a side leaves open but for IS DISTINCT FROM.
fn compare(operator: Operator, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let order = ordering(left, right)?;
    let mut out = BooleanBuilder::with_capacity(left.len());
    for row in 0..left.len() {
        let distinct = match operator {
            Operator::IsDistinctFrom => Some(true),
            Operator::IsNotDistinctFrom => Some(false),
            _ => None,
        };
        out.append_option(match (left.is_null(row), right.is_null(row), distinct) {
            (false, false, _) => Some(holds(operator, order(row)?)),
            (true, true, Some(distinct)) => Some(!distinct),
            (_, _, distinct) => distinct,
        });
    }
    Ok(Arc::new(out.finish()))
}

fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Eq | Operator::IsNotDistinctFrom => order.is_eq(),
        Operator::NotEq | Operator::IsDistinctFrom => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::LtEq => order.is_le(),
        Operator::Gt => order.is_gt(),
        _ => order.is_ge(),
    }
}

type RowOrder<'a> = Box<dyn Fn(usize) -> Result<Ordering> + 'a>;

/// The order of the two values of a row: element by element, and then the shorter one first.
fn ordering<'a>(left: &'a ArrayRef, right: &'a ArrayRef) -> Result<RowOrder<'a>> {
    if let (Some(left), Some(right)) = (left.as_binary_opt::<i64>(), right.as_binary_opt::<i64>()) {
        return Ok(Box::new(move |row| {
            let key = |bytes| Ok::<_, Error>(sort_key(&Sparse::stored(bytes)?));
            Ok(key(left.value(row))?.cmp(&key(right.value(row))?))
        }));
    }
    if let (Some(left), Some(right)) = (Bits::get(left), Bits::get(right)) {
        return Ok(Box::new(move |row| Ok(bits::compare(&left.row(row), &right.row(row)))));
    }
    let (left, right) = (Dense::new(left)?, Dense::new(right)?);
    // There is no NaN among elements, and both zeros are equal.
    Ok(Box::new(move |row| Ok(left.row(row).partial_cmp(right.row(row)).unwrap_or(Ordering::Equal))))
}

/// Every function of vectors that has a name.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    let named = [
        Function::Dimensions,
        Function::Norm("vector_norm"),
        Function::Norm("l2_norm"),
        Function::Normalize,
        Function::Subvector,
        Function::Quantize,
    ];
    distance::functions().chain(named.map(VectorFunction::untyped)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_vector_counts_from_one() {
        assert_eq!(part(5, 1, 3), Some(0..3));
        assert_eq!(part(5, 3, 9), Some(2..5));
        assert_eq!(part(5, -1, 3), Some(0..1));
        assert_eq!(part(5, i32::MAX, i32::MAX), None);
        assert_eq!(part(5, i32::MIN, i32::MAX), None);
        assert_eq!(part(5, -5, 3), None);
        assert_eq!(part(5, 6, 1), None);
        assert_eq!(part(5, 1, 0), None);
    }

    #[test]
    fn results_have_the_dimension_that_arguments_give_them() {
        let vector = SqlType::Vector;
        assert_eq!(Function::Concatenate.result(&[vector(2), vector(3)], None), vector(5));
        assert_eq!(Function::Concatenate.result(&[vector(2), vector(0)], None), vector(0));
        assert_eq!(Function::Concatenate.result(&[vector(9000), vector(9000)], None), vector(0));
        assert_eq!(Function::Add.result(&[vector(0), SqlType::Halfvec(3)], None), SqlType::Halfvec(3));
        assert_eq!(Function::Subvector.result(&[vector(5)], Some((2, 3))), vector(3));
        assert_eq!(Function::Subvector.result(&[vector(5)], None), vector(0));
        assert_eq!(Function::Quantize.result(&[vector(5)], None), SqlType::Bit(5));
    }
}
