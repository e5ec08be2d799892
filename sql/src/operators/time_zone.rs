//! `x AT TIME ZONE 'Europe/Berlin'`: an instant as clocks there show it, or the instant at which clocks there show a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind};

use super::operand::{Kind, Operand};
use crate::functions::untyped_null;
use crate::text::TimeZone;

/// The zone, if a cast stands for AT TIME ZONE: DataFusion plans it as a cast to nanoseconds in that zone, a type that
/// nothing else here has.
pub(super) fn named_by(field: &Field) -> Option<&str> {
    match field.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, Some(zone)) => Some(zone),
        _ => None,
    }
}

/// `operand AT TIME ZONE zone`.
pub(super) fn at(operand: Operand, zone: &str, schema: &DFSchema) -> PlanResult<Expr> {
    TimeZone::named(zone)
        .map_err(|_| Error::new(ErrorKind::InvalidParameter, format!("time zone \"{zone}\" not recognized")))?;
    let (from, to) = match &operand.kind {
        Kind::Typed(SqlType::Timestamp) => (SqlType::Timestamp, SqlType::TimestampTz),
        Kind::Typed(SqlType::TimestampTz | SqlType::Date) | Kind::Unknown(_) | Kind::Null | Kind::Parameter => {
            (SqlType::TimestampTz, SqlType::Timestamp)
        }
        Kind::Typed(_) | Kind::Foreign => {
            let message = "AT TIME ZONE takes a timestamp";
            return Err(Error::new(ErrorKind::UndefinedFunction, message).into());
        }
    };
    let function = AtTimeZone { zone: zone.to_string(), to, signature: Signature::any(1, Volatility::Immutable) };
    Ok(ScalarUDF::from(function).call(vec![operand.into_type(&from, schema)?]))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AtTimeZone {
    zone: String,
    to: SqlType,
    signature: Signature,
}

impl ScalarUDFImpl for AtTimeZone {
    fn name(&self) -> &str {
        "timezone"
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
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [times] = arrays.as_slice() else {
            return Err(DataFusionError::from(Error::internal("AT TIME ZONE takes one time")));
        };
        let zone = TimeZone::named(&self.zone)?;
        let shifted: PrimitiveArray<TimestampMicrosecondType> =
            times.as_primitive::<TimestampMicrosecondType>().unary(|micros| match self.to {
                SqlType::TimestampTz => zone.instant_of(micros),
                _ => zone.local_of(micros),
            });
        let result: ArrayRef = Arc::new(shifted.with_data_type(self.to.arrow_type()));
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?),
            false => ColumnarValue::Array(result),
        })
    }
}
