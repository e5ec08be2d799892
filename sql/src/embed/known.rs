//! `embed` of texts that a model was asked for already: for whoever cannot wait.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::from_arrow;

/// Vectors of texts.
#[derive(Debug)]
struct Known {
    /// Where the vector of a text is.
    texts: HashMap<String, u64>,
    vectors: ArrayRef,
    signature: Signature,
}

/// A function of a text that has its vector: the rows are texts and their vectors.
pub(crate) fn known(rows: &RecordBatch) -> Result<ScalarUDF> {
    let texts = cast(rows.column(0), &DataType::Utf8).map_err(from_arrow)?;
    let texts = texts.as_string::<i32>().iter().zip(0_u64..);
    let texts = texts.filter_map(|(text, row)| Some((text?.to_string(), row))).collect();
    let signature = Signature::any(1, Volatility::Volatile);
    Ok(ScalarUDF::from(Known { texts, vectors: Arc::clone(rows.column(1)), signature }))
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts && self.vectors.as_ref() == other.vectors.as_ref()
    }
}

impl Eq for Known {}

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts.len().hash(state);
    }
}

impl ScalarUDFImpl for Known {
    fn name(&self) -> &str {
        "?embedded"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.vectors.data_type().clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let [texts] = args.args.as_slice() else { return Err(Error::internal("a vector is of one text").into()) };
        let texts = cast(&texts.to_array(args.number_rows)?, &DataType::Utf8)?;
        let place = |text: Option<&str>| match text {
            None => Ok(None),
            Some(text) => match self.texts.get(text) {
                Some(place) => Ok(Some(*place)),
                None => Err(Error::new(
                    ErrorKind::SerializationFailure,
                    "could not serialize access: a row was written while a model was asked for the others",
                )),
            },
        };
        let places = texts.as_string::<i32>().iter().map(place).collect::<Result<UInt64Array>>()?;
        Ok(ColumnarValue::Array(take(&self.vectors, &places, None)?))
    }
}
