//! Parts of JSON: `->`, `->>`, `#>`, `#>>`, and functions that look into a value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Builder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::text::json_access::{self, Kind};
use crate::types::{CastContext, cast as sql_cast, literal};

/// What is taken out of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    /// A member or an element.
    Item,
    /// What a path of keys leads to, as one array.
    Path,
    /// What a path of keys leads to, each an argument.
    Keys,
    /// The number of its elements.
    Length,
    /// The name of its type.
    Kind,
}

/// The functions: name, part, whether as text.
const NAMES: [(&str, Part, bool); 12] = [
    ("json_item", Part::Item, false),
    ("json_item_text", Part::Item, true),
    ("json_path", Part::Path, false),
    ("json_path_text", Part::Path, true),
    ("json_extract_path", Part::Keys, false),
    ("jsonb_extract_path", Part::Keys, false),
    ("json_extract_path_text", Part::Keys, true),
    ("jsonb_extract_path_text", Part::Keys, true),
    ("json_array_length", Part::Length, false),
    ("jsonb_array_length", Part::Length, false),
    ("json_typeof", Part::Kind, true),
    ("jsonb_typeof", Part::Kind, true),
];

pub(super) fn functions() -> Vec<ScalarUDF> {
    NAMES.iter().map(|(name, part, text)| function(name, *part, *text)).collect()
}

fn function(name: &'static str, part: Part, text: bool) -> ScalarUDF {
    let arguments = match part {
        Part::Item | Part::Path => TypeSignature::Any(2),
        Part::Keys => TypeSignature::VariadicAny,
        Part::Length | Part::Kind => TypeSignature::Any(1),
    };
    ScalarUDF::from(Access { name, part, text, signature: Signature::new(arguments, Volatility::Immutable) })
}

/// The function that an operator is, if its left side is JSON; `None` for any other operator.
pub(crate) fn operator(
    operator: &BinaryOperator,
    left: &Expr,
    right: &Expr,
    schema: &DFSchema,
) -> PlanResult<Option<Expr>> {
    let name = match operator {
        BinaryOperator::Arrow => "json_item",
        BinaryOperator::LongArrow => "json_item_text",
        BinaryOperator::HashArrow => "json_path",
        BinaryOperator::HashLongArrow => "json_path_text",
        _ => return Ok(None),
    };
    let Some((name, part, text)) = NAMES.into_iter().find(|(known, ..)| *known == name) else { return Ok(None) };
    let left = converted(left, schema)?;
    let (_, field) = left.to_field(schema)?;
    if !matches!(SqlType::of_field(&field), Some(SqlType::Json | SqlType::Jsonb)) {
        return Ok(None);
    }
    let right = match right {
        Expr::Literal(ScalarValue::Utf8(Some(path)), None) if part == Part::Path => {
            literal(&SqlType::Array(Box::new(SqlType::Text)), path)?
        }
        right => right.clone(),
    };
    Ok(Some(function(name, part, text).call(vec![left, right])))
}

/// A cast to JSON as the value or function that it comes to: the field of a cast does not tell its SQL type.
fn converted(left: &Expr, schema: &DFSchema) -> PlanResult<Expr> {
    let Expr::Cast(Cast { expr, field }) = left else { return Ok(left.clone()) };
    let Some(to @ (SqlType::Json | SqlType::Jsonb)) = SqlType::of_field(field) else { return Ok(left.clone()) };
    if let Expr::Literal(ScalarValue::Utf8(Some(text)), None) = expr.as_ref() {
        return Ok(literal(&to, text)?);
    }
    let (_, from) = expr.to_field(schema)?;
    match SqlType::of_field(&from) {
        Some(from) => Ok(sql_cast(expr.as_ref().clone(), &from, &to, CastContext::Explicit)?),
        None => Ok(left.clone()),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Access {
    name: &'static str,
    part: Part,
    text: bool,
    signature: Signature,
}

impl Access {
    fn sql_type(&self, field: Option<&FieldRef>) -> SqlType {
        match (self.part, self.text) {
            (Part::Length, _) => SqlType::Integer,
            (_, true) => SqlType::Text,
            (_, false) => field.and_then(|field| SqlType::of_field(field)).unwrap_or(SqlType::Json),
        }
    }

    /// What a row's keys lead to. `None` is NULL.
    fn part<'a>(&self, json: &'a str, keys: &Keys, row: usize) -> Result<Option<&'a str>> {
        match keys {
            Keys::None => Ok(Some(json)),
            Keys::Index(indexes) if indexes.is_null(row) => Ok(None),
            Keys::Index(indexes) => json_access::element(json, indexes.as_primitive::<Int64Type>().value(row)),
            Keys::Name(names) if names.is_null(row) => Ok(None),
            Keys::Name(names) => json_access::member(json, names.as_string::<i32>().value(row)),
            Keys::Path(paths) => {
                let list = paths.as_list::<i32>();
                if list.is_null(row) {
                    return Ok(None);
                }
                let steps = text(&list.value(row))?;
                follow(json, steps.as_string::<i32>().iter())
            }
            Keys::Steps(steps) => {
                follow(json, steps.iter().map(|step| step.is_valid(row).then(|| step.as_string::<i32>().value(row))))
            }
        }
    }
}

/// Goes from step to step; a step that is NULL or leads nowhere gives NULL.
fn follow<'a, 's>(json: &'a str, steps: impl Iterator<Item = Option<&'s str>>) -> Result<Option<&'a str>> {
    let mut part = json;
    for step in steps {
        let Some(step) = step else { return Ok(None) };
        match json_access::step(part, step)? {
            Some(found) => part = found,
            None => return Ok(None),
        }
    }
    Ok(Some(part))
}

/// The arguments after the first.
enum Keys {
    None,
    Index(ArrayRef),
    Name(ArrayRef),
    Path(ArrayRef),
    Steps(Vec<ArrayRef>),
}

impl Keys {
    fn new(part: Part, arrays: &[ArrayRef]) -> Result<Self> {
        let internal = |error: arrow::error::ArrowError| Error::internal(error.to_string());
        Ok(match (part, arrays) {
            (Part::Item, [key]) if key.data_type().is_integer() => {
                Keys::Index(cast(key, &DataType::Int64).map_err(internal)?)
            }
            (Part::Item, [key]) => Keys::Name(text(key)?),
            (Part::Path, [path]) if matches!(path.data_type(), DataType::List(_)) => Keys::Path(Arc::clone(path)),
            (Part::Path, _) => {
                return Err(Error::new(ErrorKind::DatatypeMismatch, "a JSON path is an array of text"));
            }
            (Part::Keys, steps) => Keys::Steps(steps.iter().map(text).collect::<Result<_>>()?),
            _ => Keys::None,
        })
    }
}

fn text(array: &ArrayRef) -> Result<ArrayRef> {
    cast(array, &DataType::Utf8).map_err(|error| Error::internal(error.to_string()))
}

impl ScalarUDFImpl for Access {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.sql_type(None).arrow_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        let json = args.arg_fields.first();
        let is_json = |field: &Field| {
            matches!(SqlType::of_field(field), Some(SqlType::Json | SqlType::Jsonb)) || field.data_type().is_null()
        };
        if json.is_some_and(|field| {
            !is_json(field) && field.metadata().contains_key(slipstream_engine::types::SQL_TYPE_KEY)
        }) {
            let message = format!("function {} takes JSON", self.name);
            return Err(Error::new(ErrorKind::UndefinedFunction, message).into());
        }
        Ok(field_ref(self.name, &self.sql_type(json), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|value| value.to_array(rows)).collect::<PlanResult<Vec<_>>>()?;
        let Some((json, keys)) = arrays.split_first() else {
            return Err(Error::internal(format!("{} takes JSON", self.name)).into());
        };
        let json = text(json)?;
        let json = json.as_string::<i32>();
        let keys = Keys::new(self.part, keys)?;
        let mut texts = StringBuilder::new();
        let mut lengths = Int32Builder::new();
        for row in 0..rows {
            let part = match json.is_null(row) {
                true => None,
                false => self.part(json.value(row), &keys, row)?,
            };
            match (self.part, part) {
                (Part::Length, part) => lengths.append_option(part.map(json_access::length).transpose()?),
                (Part::Kind, part) => texts.append_option(part.map(|part| Kind::of(part).name())),
                (_, Some(part)) if self.text => texts.append_option(json_access::as_text(part)?),
                (_, part) => texts.append_option(part),
            }
        }
        let array: ArrayRef = match self.part {
            Part::Length => Arc::new(lengths.finish()),
            _ => Arc::new(texts.finish()),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}
