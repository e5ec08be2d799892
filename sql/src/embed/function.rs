//! `embed` as DataFusion calls it.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef};
use async_trait::async_trait;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::Error;
use slipstream_engine::types::{SqlType, field_ref};

use super::client::Model;
use crate::pgvector::DenseBuilder;

/// The function for a model.
pub(crate) fn function(model: Model) -> ScalarUDF {
    // Volatile, so that no optimizer calls it: constants are [`super::with_constants`]'s.
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Volatile);
    AsyncScalarUDF::new(Arc::new(Embed { model, signature })).into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Embed {
    model: Model,
    signature: Signature,
}

impl ScalarUDFImpl for Embed {
    fn name(&self) -> &str {
        super::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(SqlType::Vector(self.model.dimensions()).arrow_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name(), &SqlType::Vector(self.model.dimensions()), true))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        Err(DataFusionError::from(Error::internal("embed was called without waiting for it")))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Embed {
    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [texts] = args.args.as_slice() else {
            return Err(Error::internal("embed takes one argument").into());
        };
        let texts = texts.to_array(args.number_rows)?;
        let texts = texts.as_string::<i32>();
        let wanted: Vec<&str> = texts.iter().flatten().collect();
        let vectors = self.model.embed(&wanted).await?;
        let mut out = DenseBuilder::new(&SqlType::Vector(self.model.dimensions()), texts.len());
        for text in texts {
            match text {
                None => out.push_null(),
                Some(text) => {
                    let vector = vectors.get(text).ok_or_else(|| Error::internal("a text without a vector"))?;
                    out.push(vector.iter().copied())?;
                }
            }
        }
        Ok(ColumnarValue::Array(out.finish()?))
    }
}
