//! The functions, as a plan has them.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};

use super::{evaluate, overloads};
use crate::functions::untyped_null;

/// Every function of text search.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    overloads::names().map(function).collect()
}

/// A function by its name.
pub(super) fn function(name: &'static str) -> ScalarUDF {
    // Which arguments it takes is checked when they have types.
    let arguments = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    ScalarUDF::from(TextSearchFunction { name, signature: Signature::new(arguments, Volatility::Immutable) })
}

/// A function of text search. Its arguments are typed by the time that it runs ([`crate::operators::PostgresTyping`]).
#[derive(Debug, PartialEq, Eq, Hash)]
struct TextSearchFunction {
    name: &'static str,
    signature: Signature,
}

impl TextSearchFunction {
    fn result(&self) -> SqlType {
        match self.name {
            "to_tsvector" | "array_to_tsvector" | "setweight" | "strip" | "ts_delete" | "ts_filter"
            | "tsvector_concat" => SqlType::TsVector,
            "to_tsquery"
            | "plainto_tsquery"
            | "phraseto_tsquery"
            | "websearch_to_tsquery"
            | "tsquery_and"
            | "tsquery_not"
            | "tsquery_or"
            | "tsquery_phrase" => SqlType::TsQuery,
            "numnode" | "tsvector_length" => SqlType::Integer,
            "ts_rank" => SqlType::Real,
            "ts_match_vq" | "ts_match_text" | "tsq_mcontains" => SqlType::Boolean,
            "tsvector_to_array" | "ts_lexize" => SqlType::Array(Box::new(SqlType::Text)),
            _ => SqlType::Text,
        }
    }
}

impl ScalarUDFImpl for TextSearchFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.result().arrow_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name, &self.result(), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        if let Some(null) = untyped_null(&args) {
            return null;
        }
        evaluate::call(self.name, &self.result(), &args.args, args.number_rows)
    }
}
