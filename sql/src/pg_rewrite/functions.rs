//! Functions that rewritten statements call, and nobody writes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result as PlanResult, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use slipstream_catalog::pg_catalog::oids::PgType;
use slipstream_engine::{Error, ErrorKind};

/// An array, empty where it is NULL.
pub(super) const ARRAY_OR_EMPTY: &str = "array_or_empty";
/// The first byte of a text, as the type `"char"` keeps it.
pub(super) const FIRST_BYTE: &str = "first_byte";
/// A LIKE pattern with a backslash in the place of its escape character.
pub(super) const LIKE_ESCAPE: &str = "like_escape";
/// The only value of a group; an error where there are more.
pub(super) const SINGLE_VALUE: &str = "single_value";

/// The scalar functions to register.
pub(crate) fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::from(ArrayOrEmpty::new())),
        Arc::new(ScalarUDF::from(FirstByte::new())),
        Arc::new(ScalarUDF::from(LikeEscape::new())),
    ]
}

/// The aggregate functions to register.
pub(crate) fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    vec![single_value()]
}

/// `single_value(x)`: what a scalar subquery is to its rows.
pub(super) fn single_value() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(SingleValue { signature: Signature::any(1, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayOrEmpty {
    signature: Signature,
}

impl ArrayOrEmpty {
    fn new() -> Self {
        ArrayOrEmpty { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ArrayOrEmpty {
    fn name(&self) -> &str {
        ARRAY_OR_EMPTY
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(Arc::new(arguments.arg_fields[0].as_ref().clone().with_name(ARRAY_OR_EMPTY)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let array = arguments.args[0].to_array(arguments.number_rows)?;
        let DataType::List(item) = array.data_type() else {
            return Err(Error::internal(format!("{ARRAY_OR_EMPTY} of {}", array.data_type())).into());
        };
        if array.null_count() == 0 {
            return Ok(ColumnarValue::Array(array));
        }
        let empty =
            SingleRowListArrayBuilder::new(new_empty_array(item.data_type())).with_field(item).build_list_array();
        let is_null = arrow::compute::is_null(&array)?;
        let filled = arrow::compute::kernels::zip::zip(&is_null, &arrow::array::Scalar::new(empty), &array)?;
        Ok(ColumnarValue::Array(filled))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FirstByte {
    signature: Signature,
}

impl FirstByte {
    fn new() -> Self {
        FirstByte { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for FirstByte {
    fn name(&self) -> &str {
        FIRST_BYTE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let text = Field::new(FIRST_BYTE, DataType::Utf8, true);
        Ok(Arc::new(PgType::named("char").map_or(text, |pg_type| pg_type.field(FIRST_BYTE, true))))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let array = arguments.args[0].to_array(arguments.number_rows)?;
        let array = cast(&array, &DataType::Utf8)?;
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        let bytes: arrow::array::StringArray = array.as_string::<i32>().iter().map(|text| text.map(first)).collect();
        Ok(ColumnarValue::Array(Arc::new(bytes)))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct LikeEscape {
    signature: Signature,
}

impl LikeEscape {
    fn new() -> Self {
        LikeEscape { signature: Signature::string(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for LikeEscape {
    fn name(&self) -> &str {
        LIKE_ESCAPE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let patterns = cast(&arguments.args[0].to_array(rows)?, &DataType::Utf8)?;
        let escapes = cast(&arguments.args[1].to_array(rows)?, &DataType::Utf8)?;
        let pairs = patterns.as_string::<i32>().iter().zip(escapes.as_string::<i32>().iter());
        let array = pairs
            .map(|(pattern, escape)| {
                pattern.zip(escape).map(|(pattern, escape)| with_backslash(pattern, escape)).transpose()
            })
            .collect::<Result<arrow::array::StringArray, _>>()?;
        // A constant pattern stays one: LIKE is compiled once then.
        if constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
        } else {
            Ok(ColumnarValue::Array(Arc::new(array)))
        }
    }
}

/// `pattern`, in which `escape` takes the meaning of the next character away, with a backslash that does so. No escape
/// character at all makes a backslash an ordinary one.
fn with_backslash(pattern: &str, escape: &str) -> Result<String, Error> {
    let mut characters = escape.chars();
    let escape = characters.next();
    if characters.next().is_some() {
        return Err(Error::new(ErrorKind::InvalidParameter, "invalid escape string")
            .with_hint("Escape string must be empty or one character."));
    }
    let mut result = String::with_capacity(pattern.len() + 4);
    let mut pattern = pattern.chars();
    while let Some(character) = pattern.next() {
        match character {
            character if Some(character) == escape => {
                result.push('\\');
                result.extend(pattern.next());
            }
            '\\' => result.push_str("\\\\"),
            other => result.push(other),
        }
    }
    Ok(result)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SingleValue {
    signature: Signature,
}

impl AggregateUDFImpl for SingleValue {
    fn name(&self) -> &str {
        SINGLE_VALUE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> PlanResult<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field(&self, arguments: &[FieldRef]) -> PlanResult<FieldRef> {
        Ok(Arc::new(arguments[0].as_ref().clone().with_name(SINGLE_VALUE).with_nullable(true)))
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        Ok(Box::new(Single { value: ScalarValue::try_from(arguments.return_field.data_type())?, seen: false }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        let value = arguments.return_field.as_ref().clone().with_name(format!("{}_value", arguments.name));
        let seen = Field::new(format!("{}_seen", arguments.name), DataType::Boolean, false);
        Ok(vec![Arc::new(value), Arc::new(seen)])
    }
}

/// At most one row.
#[derive(Debug)]
struct Single {
    value: ScalarValue,
    seen: bool,
}

impl Single {
    fn take(&mut self, values: &ArrayRef, row: usize) -> PlanResult<()> {
        if self.seen {
            let message = "more than one row returned by a subquery used as an expression";
            return Err(Error::new(ErrorKind::Cardinality, message).into());
        }
        self.seen = true;
        self.value = ScalarValue::try_from_array(values, row)?;
        Ok(())
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        (0..values[0].len()).try_for_each(|row| self.take(&values[0], row))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let seen = states[1].as_boolean();
        (0..seen.len()).filter(|row| seen.value(*row)).try_for_each(|row| self.take(&states[0], row))
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::from(self.seen)])
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }
}
