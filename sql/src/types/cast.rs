//! The expression of a cast.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::common::metadata::FieldMetadata;
use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{DEFAULT_NUMERIC, SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::convert::Conversion;
use crate::pgvector::Kind;
use crate::text::{TextColumn, TimeZone, parse_scalar};

/// Why a value changes its type; Postgres allows and checks more or less accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CastContext {
    /// The statement says so: `x::varchar(3)` cuts off what is too long.
    Explicit,
    /// A column takes the value: what is too long is an error.
    Assignment,
}

/// The value of a SQL type that a literal's text stands for: a literal, or a cast where the session's time zone has a say.
pub fn literal(sql_type: &SqlType, text: &str) -> Result<Expr> {
    let value = parse_scalar(sql_type, text)?;
    if zoned(sql_type) && !names_its_zone(sql_type, text, &value) {
        let function = PostgresCast::new(&SqlType::Text, sql_type, CastContext::Explicit)?;
        let text = typed_literal(&SqlType::Text, ScalarValue::Utf8(Some(text.to_string())));
        return Ok(ScalarUDF::from(function).call(vec![text]));
    }
    Ok(typed_literal(sql_type, value))
}

/// Whether a text stands for the same `value` in another zone too.
fn names_its_zone(sql_type: &SqlType, text: &str, value: &ScalarValue) -> bool {
    let Ok(elsewhere) = TimeZone::named("+01:00") else { return false };
    let mut column = TextColumn::in_zone(sql_type, 1, elsewhere);
    column.append(text).is_ok() && ScalarValue::try_from_array(&column.finish(), 0).is_ok_and(|other| other == *value)
}

/// A literal of a SQL type. It carries the type where its Arrow value would not say it: a string could be of several types,
/// and a bare string or 64-bit integer is still without one ([`crate::operators`]).
pub(crate) fn typed_literal(sql_type: &SqlType, value: ScalarValue) -> Expr {
    let data_type = value.data_type();
    let natural = SqlType::of_arrow(&data_type);
    let is_any = |kind: Kind| *sql_type == kind.sql_type(0);
    let says_it = natural.as_ref() == Some(sql_type) || Kind::of(sql_type).is_some_and(is_any);
    if says_it && !matches!(data_type, DataType::Int64 | DataType::Utf8) {
        return Expr::Literal(value, None);
    }
    let metadata = FieldMetadata::from(&sql_type.field("", true));
    Expr::Literal(value, Some(metadata))
}

/// `expr`, which has type `from`, as a `to`.
///
/// What Postgres cannot cast is an error of planning.
pub fn cast(expr: Expr, from: &SqlType, to: &SqlType, context: CastContext) -> Result<Expr> {
    if from == to {
        return Ok(match expr {
            // So that it stays what it is: a bare 64-bit literal could still become an integer.
            Expr::Literal(value, None) => typed_literal(to, value),
            expr => expr,
        });
    }
    if context == CastContext::Explicit && keeps_its_scale(from, to) {
        return Ok(expr);
    }
    if is_widening(from, to) {
        return Ok(Expr::Cast(Cast::new(Box::new(expr), to.arrow_type())));
    }
    let function = PostgresCast::new(from, to, context)?;
    Ok(ScalarUDF::from(function).call(vec![expr]))
}

/// Plain `numeric` has no scale of its own, so a numeric stays as it is (but a column has the scale that we keep it at).
fn keeps_its_scale(from: &SqlType, to: &SqlType) -> bool {
    matches!(from, SqlType::Numeric { .. })
        && *to == SqlType::Numeric { precision: DEFAULT_NUMERIC.0, scale: DEFAULT_NUMERIC.1 }
}

/// Whether Arrow's own cast is Postgres's, cannot fail and loses nothing. Such casts are left to Arrow, because optimizers
/// see through them.
fn is_widening(from: &SqlType, to: &SqlType) -> bool {
    use SqlType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    match (from, to) {
        (SmallInt, Integer | BigInt | Real | Double) | (Integer, BigInt | Double) | (Real, Double) => true,
        (SmallInt | Integer | BigInt, Numeric { precision, scale }) => {
            i32::from(*precision) - i32::from(*scale) >= integer_digits(from)
        }
        _ => false,
    }
}

/// Digits that every value of an integer type fits in.
fn integer_digits(sql_type: &SqlType) -> i32 {
    match sql_type {
        SqlType::SmallInt => 5,
        SqlType::Integer => 10,
        _ => 19,
    }
}

/// A cast as Postgres does it, as a function of one argument. Its name in plans is `cast_to`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct PostgresCast {
    from: SqlType,
    to: SqlType,
    context: CastContext,
    signature: Signature,
}

impl PostgresCast {
    /// The cast from one type to another, if Postgres has it.
    pub fn new(from: &SqlType, to: &SqlType, context: CastContext) -> Result<Self> {
        Conversion::between(from, to)?;
        Ok(PostgresCast {
            from: from.clone(),
            to: to.clone(),
            context,
            // With time zones the result is the session's.
            signature: match zoned(from) || zoned(to) {
                true => Signature::any(1, Volatility::Stable),
                false => Signature::any(1, Volatility::Immutable),
            },
        })
    }
}

fn zoned(sql_type: &SqlType) -> bool {
    match sql_type {
        SqlType::Array(item) => zoned(item),
        other => *other == SqlType::TimestampTz,
    }
}

impl ScalarUDFImpl for PostgresCast {
    fn name(&self) -> &str {
        "cast_to"
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        match args {
            [argument] => Ok(argument.schema_name().to_string()),
            _ => Ok(self.name().to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.to.arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let nullable = args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(field_ref(self.name(), &self.to, nullable))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [value] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("a cast takes one argument")));
        };
        let zone = session_zone(&args.config_options)?;
        let conversion = Conversion::between(&self.from, &self.to)?;
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(conversion.apply(array, self.context, zone)?),
            ColumnarValue::Scalar(scalar) => {
                let converted = conversion.apply(&scalar.to_array()?, self.context, zone)?;
                ColumnarValue::Scalar(ScalarValue::try_from_array(&converted, 0)?)
            }
        })
    }
}

/// The session's time zone.
pub(crate) fn session_zone(config: &ConfigOptions) -> Result<TimeZone> {
    match &config.execution.time_zone {
        Some(name) => TimeZone::named(name),
        None => Ok(TimeZone::UTC),
    }
}

/// `cannot cast type boolean to date`
pub(super) fn cannot_cast(from: &SqlType, to: &SqlType) -> Error {
    Error::new(ErrorKind::DatatypeMismatch, format!("cannot cast type {from} to {to}"))
}
