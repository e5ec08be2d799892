//! What tells an element from those of other tables: the place of its table in the graph and its key, as one text.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result as PlanResult;
use datafusion::functions::expr_fn::starts_with;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use crate::error::from_arrow;

/// `place:key`, NULL for no key. Keys of tables that differ in type are comparable that way.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    place: usize,
    signature: Signature,
}

impl Identity {
    /// The identity of the row with a key of the table at a place.
    pub(super) fn call(place: usize, key: Expr) -> Expr {
        let signature = Signature::any(1, Volatility::Immutable);
        ScalarUDF::from(Identity { place, signature }).call(vec![key])
    }

    /// Whether an identity is that of a row of the table at a place.
    pub(super) fn is_from(place: usize, identity: Expr) -> Expr {
        starts_with(identity, lit(format!("{place}:")))
    }
}

impl ScalarUDFImpl for Identity {
    fn name(&self) -> &str {
        "identity"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [keys] = arrays.as_slice() else { return Err(Error::internal("an identity is made of one key").into()) };
        Ok(ColumnarValue::Array(identities(self.place, keys)?))
    }
}

fn identities(place: usize, keys: &ArrayRef) -> PlanResult<ArrayRef> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(keys.as_ref(), &options)?;
    let mut identities = StringBuilder::with_capacity(keys.len(), keys.len() * 8);
    for row in 0..keys.len() {
        if keys.is_null(row) {
            identities.append_null();
            continue;
        }
        let written = write!(identities, "{place}:{}", formatter.value(row));
        written.map_err(|_| Error::internal("a key that cannot be written"))?;
        identities.append_value("");
    }
    Ok(Arc::new(identities.finish()))
}

/// The keys, as text, of the elements that are from the table at a place, of a column of identities; NULL for all others.
pub(crate) fn keys_from(place: usize, identities: &ArrayRef) -> Result<(Field, ArrayRef)> {
    let texts = cast(identities, &DataType::Utf8).map_err(from_arrow)?;
    let mark = format!("{place}:");
    let texts = texts.as_string::<i32>();
    let keys: StringArray = texts.iter().map(|identity| identity.and_then(|text| text.strip_prefix(&mark))).collect();
    Ok((SqlType::Text.field("", true), Arc::new(keys)))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    #[test]
    fn tables_and_keys_make_an_identity() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-7)]));
        let found = identities(0, &numbers).unwrap();
        assert_eq!(found.as_string::<i32>(), &StringArray::from(vec![Some("0:1"), None, Some("0:-7")]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["0:1", ""]));
        let found = identities(10, &texts).unwrap();
        assert_eq!(found.as_string::<i32>(), &StringArray::from(vec!["10:0:1", "10:"]));
    }
}
