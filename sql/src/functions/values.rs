//! Functions that make or describe values.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeBinaryBuilder, PrimitiveArray};
use arrow::datatypes::{DataType, FieldRef, Float64Type, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind};

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        ScalarUDF::from(RandomUuid { signature: Signature::nullary(Volatility::Volatile) }),
        ScalarUDF::from(TypeOf { signature: Signature::any(1, Volatility::Immutable) }),
        ScalarUDF::from(EpochTimestamp { signature: Signature::exact(vec![DataType::Float64], Volatility::Immutable) }),
    ]
}

/// `gen_random_uuid()`: another one in every row.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RandomUuid {
    signature: Signature,
}

impl ScalarUDFImpl for RandomUuid {
    fn name(&self) -> &str {
        "gen_random_uuid"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(SqlType::Uuid.arrow_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name(), &SqlType::Uuid, false))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let mut uuids = FixedSizeBinaryBuilder::with_capacity(args.number_rows, 16);
        for _ in 0..args.number_rows {
            uuids.append_value(uuid::Uuid::new_v4().as_bytes())?;
        }
        Ok(ColumnarValue::Array(Arc::new(uuids.finish())))
    }
}

/// `pg_typeof(any)`: the name of a value's type, without its modifiers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let field =
            args.arg_fields.first().ok_or_else(|| DataFusionError::from(Error::internal("pg_typeof of nothing")))?;
        let name = match SqlType::of_field(field) {
            _ if field.data_type().is_null() => "unknown".to_string(),
            Some(sql_type) => type_name(&sql_type),
            None => field.data_type().to_string(),
        };
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))))
    }
}

/// The name of a type without length, precision or dimension.
pub(crate) fn type_name(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Numeric { .. } => "numeric".to_string(),
        SqlType::Varchar(_) => "character varying".to_string(),
        SqlType::Vector(_) => "vector".to_string(),
        SqlType::Halfvec(_) => "halfvec".to_string(),
        SqlType::Sparsevec(_) => "sparsevec".to_string(),
        SqlType::Bit(_) => "bit".to_string(),
        SqlType::Varbit(_) => "bit varying".to_string(),
        SqlType::Array(item) => format!("{}[]", type_name(item)),
        other => other.to_string(),
    }
}

/// `to_timestamp(double precision)`: seconds since 1970.
#[derive(Debug, PartialEq, Eq, Hash)]
struct EpochTimestamp {
    signature: Signature,
}

impl ScalarUDFImpl for EpochTimestamp {
    fn name(&self) -> &str {
        "to_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(SqlType::TimestampTz.arrow_type())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [seconds] = arrays.as_slice() else {
            return Err(DataFusionError::from(Error::internal("to_timestamp takes one argument")));
        };
        let instants: PrimitiveArray<TimestampMicrosecondType> =
            seconds.as_primitive::<Float64Type>().try_unary(|seconds| {
                let micros = (seconds * 1e6).round();
                match micros.abs() < 9.2e18 {
                    true => Ok(micros as i64),
                    false => Err(DataFusionError::from(Error::new(
                        ErrorKind::DatetimeOverflow,
                        format!("timestamp out of range: \"{seconds}\""),
                    ))),
                }
            })?;
        let result: ArrayRef = Arc::new(instants.with_data_type(SqlType::TimestampTz.arrow_type()));
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}
