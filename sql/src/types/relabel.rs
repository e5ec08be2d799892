//! Casts between types that are kept alike and that clients tell apart.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ExprSchema;
use datafusion::common::metadata::FieldMetadata;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use slipstream_engine::Error;

use super::ClientType;

/// `expr` as a value of a type that is kept as it is already; the expression itself where it is of that type to clients, too.
pub(crate) fn relabel(expr: Expr, to: &ClientType, schema: &dyn ExprSchema) -> PlanResult<Expr> {
    let (_, field) = expr.to_field(schema)?;
    let differs =
        ClientType::of_field(&field).is_some_and(|from| from.sql_type() == to.sql_type() && from.oid() != to.oid());
    if !differs {
        return Ok(expr);
    }
    let target = Arc::new(to.field(""));
    Ok(match expr {
        Expr::Literal(value, _) => Expr::Literal(value, Some(FieldMetadata::from(target.as_ref()))),
        expr => {
            ScalarUDF::from(Relabel { target, signature: Signature::any(1, Volatility::Immutable) }).call(vec![expr])
        }
    })
}

/// Its argument, under the name of another type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Relabel {
    target: FieldRef,
    signature: Signature,
}

impl ScalarUDFImpl for Relabel {
    fn name(&self) -> &str {
        "relabel"
    }

    fn schema_name(&self, args: &[Expr]) -> PlanResult<String> {
        Ok(args.first().map_or_else(|| self.name().to_string(), |argument| argument.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> PlanResult<DataType> {
        Ok(args.first().unwrap_or(self.target.data_type()).clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        // The argument may be kept in another layout of the same values.
        let data_type = args.arg_fields.first().map_or(self.target.data_type(), |field| field.data_type()).clone();
        Ok(Arc::new(self.target.as_ref().clone().with_data_type(data_type).with_name(self.name())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let value = args.args.into_iter().next();
        value.ok_or_else(|| DataFusionError::from(Error::internal("a cast takes one argument")))
    }
}
