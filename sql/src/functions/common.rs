//! Functions whose arguments share a type: `coalesce`, `greatest`, `least`, `nullif`.
//!
//! In `coalesce(day, '2024-01-31')` the literal takes the column's type. DataFusion checks a function's arguments while SQL
//! becomes a plan, before the literal has one, and would refuse. So a stand-in of the same name is planned, and
//! [`crate::operators::PostgresTyping`] puts DataFusion's function in its place when the arguments have their types.

use std::any::Any;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::functions::core;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use slipstream_engine::Error;

/// The result of a function whose arguments include a NULL of no type: NULL. The optimizer asks what a predicate gives when
/// the columns of a join's outer side are all NULL, and then columns have no type.
pub(crate) fn untyped_null(args: &ScalarFunctionArgs) -> Option<PlanResult<ColumnarValue>> {
    let is_untyped = args.args.iter().any(|arg| arg.data_type().is_null());
    is_untyped.then(|| Ok(ColumnarValue::Scalar(ScalarValue::try_from(args.return_type())?)))
}

pub(super) fn functions() -> Vec<ScalarUDF> {
    [core::coalesce(), core::greatest(), core::least(), core::nullif()]
        .into_iter()
        .map(|function| {
            ScalarUDF::from(StandIn { function, signature: Signature::variadic_any(Volatility::Immutable) })
        })
        .collect()
}

/// The function that a stand-in stands for, once its arguments have their types.
pub(crate) fn typed_function(function: &Arc<ScalarUDF>) -> Option<Arc<ScalarUDF>> {
    let implementation: &dyn Any = function.inner().as_ref();
    implementation.downcast_ref::<StandIn>().map(|stand_in| Arc::clone(&stand_in.function))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct StandIn {
    function: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for StandIn {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// A guess, until the arguments are typed: strings may be literals of another type.
    fn return_type(&self, arg_types: &[DataType]) -> PlanResult<DataType> {
        let typed = arg_types.iter().find(|data_type| !data_type.is_null() && !data_type.is_string());
        Ok(typed.or(arg_types.first()).cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(DataFusionError::from(Error::internal(format!("{} ran before its arguments were typed", self.name()))))
    }
}
