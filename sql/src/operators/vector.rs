//! Operators and functions of vectors and bit strings: which types they take, and what becomes of literals beside them.
//!
//! A literal or a parameter is what the other side is. Two kinds of vectors meet in the one that pgvector casts the other to
//! by itself: `vector` becomes `halfvec`, and both become `sparsevec`. Where both sides say their dimension, a difference is
//! found here; else it is when they run.

use datafusion::common::{ExprSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind};

use super::binary::{Resolved, sign};
use super::operand::{Kind, Operand, is_number, is_text};
use crate::functions::type_name;
use crate::pgvector::{
    BitMetric, Function, Kind as VectorKind, Metric, VectorFunction, bit_distance_function, distance_function,
};
use crate::types::{CastContext, cast, literal, typed_literal};

/// How a statement asks for something, for its error.
enum Called {
    Operator(String),
    Function(&'static str),
}

impl Called {
    /// `operator does not exist: vector <-> integer`
    fn undefined(&self, operands: &[&Operand]) -> Error {
        let names: Vec<String> = operands.iter().map(|operand| operand.type_name()).collect();
        let (message, what) = match (self, names.as_slice()) {
            (Called::Operator(sign), [left, right]) => {
                (format!("operator does not exist: {left} {sign} {right}"), "operator")
            }
            (Called::Operator(sign), names) => {
                (format!("operator does not exist: {sign} {}", names.join(" ")), "operator")
            }
            (Called::Function(name), names) => {
                (format!("function {name}({}) does not exist", names.join(", ")), "function")
            }
        };
        Error::new(ErrorKind::UndefinedFunction, message).with_hint(format!(
            "No {what} matches the given name and argument types. You might need to add explicit type casts."
        ))
    }
}

impl Operand {
    fn vector_kind(&self) -> Option<VectorKind> {
        self.sql_type().and_then(VectorKind::of)
    }

    fn is_bits(&self) -> bool {
        matches!(self.sql_type(), Some(SqlType::Bit(_) | SqlType::Varbit(_)))
    }

    /// Whether it takes its type from what it meets.
    fn is_open(&self) -> bool {
        matches!(self.kind, Kind::Unknown(_) | Kind::Null | Kind::Parameter)
    }

    fn type_name(&self) -> String {
        self.sql_type().map_or_else(|| "unknown".to_string(), type_name)
    }
}

/// Whether the operator is one of vectors or bit strings: a side is.
pub(super) fn is_vectors(left: &Operand, right: &Operand) -> bool {
    [left, right].into_iter().any(|side| side.vector_kind().is_some() || side.is_bits())
}

/// A distance between vectors, if a side is one or `name` says that both are.
pub(super) fn distance(metric: Metric, left: Expr, right: Expr, schema: &dyn ExprSchema) -> PlanResult<Resolved> {
    let (left, right) = (Operand::new(left, schema)?, Operand::new(right, schema)?);
    let sign = metric.operator().unwrap_or_else(|| metric.function_name());
    match measured(metric, Called::Operator(sign.to_string()), &left, &right, schema)? {
        Some(call) => Ok(Resolved::Done(call)),
        None => Ok(Resolved::Default(left.expr, right.expr)),
    }
}

/// A call of a distance's function. Literals alone are vectors of any dimension.
pub(super) fn distance_call(metric: Metric, args: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let [left, right] = operands(args, schema)?;
    let called = || Called::Function(metric.function_name());
    if let Some(call) = measured(metric, called(), &left, &right, schema)? {
        return Ok(call);
    }
    let vector = |operand: Operand| -> PlanResult<Operand> {
        Operand::new(operand.into_type(&SqlType::Vector(0), schema)?, schema)
    };
    let (left, right) = (vector(left)?, vector(right)?);
    measured(metric, called(), &left, &right, schema)?.ok_or_else(|| called().undefined(&[&left, &right]).into())
}

fn operands<const N: usize>(args: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<[Operand; N]> {
    let operands = args.into_iter().map(|arg| Operand::new(arg, schema)).collect::<PlanResult<Vec<_>>>()?;
    operands.try_into().map_err(|_| Error::internal("a call with another number of arguments").into())
}

/// The call of a distance; `None` where neither side has a type.
fn measured(
    metric: Metric,
    called: Called,
    left: &Operand,
    right: &Operand,
    schema: &dyn ExprSchema,
) -> PlanResult<Option<Expr>> {
    let Some(kind) = left.vector_kind().max(right.vector_kind()) else {
        return match left.is_open() && right.is_open() {
            true => Ok(None),
            false => Err(called.undefined(&[left, right]).into()),
        };
    };
    let [a, b] = pair(kind, left, right, &called, schema)?;
    let dimension = |expr: &Expr| -> PlanResult<u32> {
        let sql_type = SqlType::of_field(&expr.to_field(schema)?.1);
        Ok(sql_type.as_ref().map_or(0, VectorKind::dimension))
    };
    let (known_left, known_right) = (dimension(&a)?, dimension(&b)?);
    if known_left != 0 && known_right != 0 && known_left != known_right {
        return Err(kind.different_dimensions(known_left as usize, known_right as usize).into());
    }
    Ok(Some(distance_function(metric).call(vec![a, b])))
}

/// Both sides as vectors of a kind.
fn pair(
    kind: VectorKind,
    left: &Operand,
    right: &Operand,
    called: &Called,
    schema: &dyn ExprSchema,
) -> PlanResult<[Expr; 2]> {
    let dimension_of = |operand: &Operand| operand.sql_type().map_or(0, VectorKind::dimension);
    let beside = |other: &Operand| if other.vector_kind() == Some(kind) { dimension_of(other) } else { 0 };
    let a = as_vector(left, kind, beside(right), schema)?;
    let b = as_vector(right, kind, beside(left), schema)?;
    match (a, b) {
        (Some(a), Some(b)) => Ok([a, b]),
        _ => Err(called.undefined(&[left, right]).into()),
    }
}

/// An operand as a vector of a kind; `None` where it is something else. A parameter has the dimension of what is beside it.
fn as_vector(operand: &Operand, kind: VectorKind, beside: u32, schema: &dyn ExprSchema) -> PlanResult<Option<Expr>> {
    let expr = || operand.expr.clone();
    Ok(Some(match &operand.kind {
        Kind::Unknown(text) => literal(&kind.sql_type(0), text)?,
        Kind::Null => {
            let sql_type = kind.sql_type(0);
            typed_literal(&sql_type, ScalarValue::try_from(&sql_type.arrow_type())?)
        }
        Kind::Parameter => parameter(expr(), &kind.sql_type(beside)),
        Kind::Typed(from) => match VectorKind::of(from) {
            // A cast to any dimension has not been resolved yet, and takes the dimension that it meets.
            Some(own) if own == kind => match &operand.expr {
                Expr::Cast(cast) if *from == kind.sql_type(0) => {
                    let inner = Operand::new(cast.expr.as_ref().clone(), schema)?;
                    match inner.is_open() || inner.vector_kind() == Some(kind) {
                        true => return as_vector(&inner, kind, beside, schema),
                        false => expr(),
                    }
                }
                _ => expr(),
            },
            Some(_) => cast(expr(), from, &kind.sql_type(VectorKind::dimension(from)), CastContext::Explicit)?,
            None => match from {
                SqlType::Array(item) if is_number(item) => {
                    cast(expr(), from, &kind.sql_type(0), CastContext::Explicit)?
                }
                _ => return Ok(None),
            },
        },
        Kind::Foreign => return Ok(None),
    }))
}

fn parameter(expr: Expr, sql_type: &SqlType) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, .. }) => {
            Expr::Placeholder(Placeholder::new_with_field(id, Some(field_ref("", sql_type, true))))
        }
        other => other,
    }
}

/// A distance between bit strings.
pub(super) fn bit_distance(
    metric: BitMetric,
    left: Expr,
    right: Expr,
    schema: &dyn ExprSchema,
) -> PlanResult<Resolved> {
    let (left, right) = (Operand::new(left, schema)?, Operand::new(right, schema)?);
    if left.is_open() && right.is_open() {
        return Ok(Resolved::Default(left.expr, right.expr));
    }
    let called = Called::Operator(metric.operator().to_string());
    let args = bit_pair(&left, &right, &called, schema)?;
    Ok(Resolved::Done(bit_distance_function(metric).call(args.to_vec())))
}

/// A call of the function of a distance between bit strings.
pub(super) fn bit_distance_call(metric: BitMetric, args: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let [left, right] = operands(args, schema)?;
    let args = bit_pair(&left, &right, &Called::Function(metric.function_name()), schema)?;
    Ok(bit_distance_function(metric).call(args.to_vec()))
}

/// Both sides as bit strings of any length.
fn bit_pair(left: &Operand, right: &Operand, called: &Called, schema: &dyn ExprSchema) -> PlanResult<[Expr; 2]> {
    if [left, right].into_iter().any(|side| !side.is_open() && !side.is_bits()) {
        return Err(called.undefined(&[left, right]).into());
    }
    let bits = |operand: &Operand| match operand.is_open() {
        true => operand.clone().into_type(&SqlType::Bit(0), schema),
        false => Ok(operand.expr.clone()),
    };
    Ok([bits(left)?, bits(right)?])
}

/// Resolves an operator other than a distance, of which a side is a vector or a bit string.
pub(super) fn operator(
    operator: Operator,
    left: Operand,
    right: Operand,
    schema: &dyn ExprSchema,
) -> PlanResult<Resolved> {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, Minus, Multiply, NotEq, Plus};
    let text = |operand: &Operand| operand.sql_type().is_some_and(is_text);
    let function = match operator {
        Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom => Some(Function::Compare(operator)),
        Plus => Some(Function::Add),
        Minus => Some(Function::Subtract),
        Multiply => Some(Function::Multiply),
        Operator::StringConcat if text(&left) || text(&right) => {
            let (left, right) = (left.into_type(&SqlType::Text, schema)?, right.into_type(&SqlType::Text, schema)?);
            return Ok(Resolved::Default(left, right));
        }
        Operator::StringConcat => Some(Function::Concatenate),
        _ => None,
    };
    let called = Called::Operator(sign(operator));
    let undefined = || called.undefined(&[&left, &right]);
    let function = function.ok_or_else(undefined)?;
    if left.is_bits() || right.is_bits() {
        if !matches!(function, Function::Compare(_)) {
            return match left.is_bits() && right.is_bits() && function == Function::Concatenate {
                true => Err(Error::not_supported("|| of bit strings is not supported").into()),
                false => Err(undefined().into()),
            };
        }
        let args = bit_pair(&left, &right, &called, schema)?;
        return Ok(Resolved::Done(VectorFunction::call(function, SqlType::Boolean, args.to_vec())));
    }
    let kind = left.vector_kind().max(right.vector_kind()).filter(|kind| function.takes(*kind));
    let kind = kind.ok_or_else(undefined)?;
    // What is beside says nothing of the dimension: vectors of different ones can be compared.
    let (a, b) = (as_vector(&left, kind, 0, schema)?, as_vector(&right, kind, 0, schema)?);
    let (Some(a), Some(b)) = (a, b) else { return Err(undefined().into()) };
    typed(function, vec![a, b], schema).map(Resolved::Done)
}

/// A call of a function of vectors by its name.
pub(super) fn call(function: Function, args: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let operands = args.into_iter().map(|arg| Operand::new(arg, schema)).collect::<PlanResult<Vec<_>>>()?;
    let (vectors, counts) = operands.split_at(function.vectors().min(operands.len()));
    let undefined = || Called::Function(function.name()).undefined(&operands.iter().collect::<Vec<_>>());
    let kind = vectors.iter().filter_map(Operand::vector_kind).max().unwrap_or(VectorKind::Vector);
    if !function.takes(kind) {
        return Err(undefined().into());
    }
    let mut args = Vec::with_capacity(operands.len());
    for operand in vectors {
        args.push(as_vector(operand, kind, 0, schema)?.ok_or_else(undefined)?);
    }
    for operand in counts {
        let fits = operand.is_open() || matches!(operand.sql_type(), Some(SqlType::Integer | SqlType::SmallInt));
        if !fits {
            return Err(undefined().into());
        }
        args.push(operand.clone().into_type(&SqlType::Integer, schema)?);
    }
    typed(function, args, schema)
}

/// The call with the type that its arguments give it.
fn typed(function: Function, args: Vec<Expr>, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let mut types = Vec::with_capacity(args.len());
    for arg in &args {
        types.push(SqlType::of_field(&arg.to_field(schema)?.1).unwrap_or(SqlType::Vector(0)));
    }
    let number = |position: usize| match args.get(position) {
        Some(Expr::Literal(ScalarValue::Int32(number), _)) => *number,
        _ => None,
    };
    let counts = number(1).zip(number(2));
    let result = function.result(&types, counts);
    Ok(VectorFunction::call(function, result, args))
}

/// Whether an expression is a bit string.
pub(super) fn is_bits(expr: &Expr, schema: &dyn ExprSchema) -> PlanResult<bool> {
    Ok(Operand::new(expr.clone(), schema)?.is_bits())
}

/// What a value is sorted by: a `sparsevec` has bytes of its own for that.
pub(super) fn sortable(expr: Expr, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let sql_type = SqlType::of_field(&expr.to_field(schema)?.1);
    match sql_type.as_ref().and_then(VectorKind::of) {
        Some(VectorKind::Sparsevec) => Ok(VectorFunction::call(Function::SortKey, SqlType::Bytea, vec![expr])),
        _ => Ok(expr),
    }
}

/// Whether values of a type have no greatest and no least, though they can be compared.
pub(super) fn has_no_extremes(sql_type: &SqlType) -> bool {
    VectorKind::of(sql_type).is_some() || matches!(sql_type, SqlType::Bit(_) | SqlType::Varbit(_))
}
