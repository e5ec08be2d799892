//! Values as JSON.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use crate::text::{OutputStyle, TextEncoder, append_json_string};

/// Writes the values of one array as JSON.
pub(super) struct JsonEncoder(Values);

/// The array, by how its values are written.
enum Values {
    Boolean(TextEncoder),
    /// Numbers, which are what they are unless they are not numbers.
    Number(TextEncoder),
    /// Text that is JSON already.
    Json(TextEncoder),
    /// Dates and times with a `T` between them, as ISO 8601 has it.
    Instant(TextEncoder),
    /// Everything else, as a string.
    Text(TextEncoder),
    Array {
        items: Box<JsonEncoder>,
        offsets: OffsetBuffer<i32>,
        nulls: Option<NullBuffer>,
    },
}

impl JsonEncoder {
    /// Resolves the type of an argument.
    pub(super) fn new(field: &Field, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        let sql_type = SqlType::of_field(field).ok_or_else(|| {
            Error::not_supported(format!("a value of type {} as JSON is not supported", array.data_type()))
        })?;
        Self::of_type(&sql_type, array, style)
    }

    fn of_type(sql_type: &SqlType, array: &ArrayRef, style: &OutputStyle) -> Result<Self> {
        let text = || TextEncoder::new(sql_type, array, style);
        Ok(JsonEncoder(match sql_type {
            SqlType::Boolean => Values::Boolean(text()?),
            SqlType::SmallInt
            | SqlType::Integer
            | SqlType::BigInt
            | SqlType::Real
            | SqlType::Double
            | SqlType::Numeric { .. } => Values::Number(text()?),
            SqlType::Json | SqlType::Jsonb => Values::Json(text()?),
            SqlType::Timestamp | SqlType::TimestampTz => Values::Instant(text()?),
            SqlType::Array(item) => {
                let DataType::List(field) = array.data_type() else {
                    return Err(Error::internal(format!("an array kept as {}", array.data_type())));
                };
                let list =
                    cast(array, &DataType::List(field.clone())).map_err(|error| Error::internal(error.to_string()))?;
                let list = list.as_list::<i32>();
                Values::Array {
                    items: Box::new(Self::of_type(item, list.values(), style)?),
                    offsets: list.offsets().clone(),
                    nulls: list.nulls().cloned(),
                }
            }
            SqlType::Text
            | SqlType::Varchar(_)
            | SqlType::Bytea
            | SqlType::Uuid
            | SqlType::Date
            | SqlType::Time
            | SqlType::Interval
            | SqlType::TsVector
            | SqlType::TsQuery
            | SqlType::Vector(_)
            | SqlType::Halfvec(_)
            | SqlType::Sparsevec(_)
            | SqlType::Bit(_)
            | SqlType::Varbit(_) => Values::Text(text()?),
        }))
    }

    fn is_null(&self, row: usize) -> bool {
        match &self.0 {
            Values::Boolean(values)
            | Values::Number(values)
            | Values::Json(values)
            | Values::Instant(values)
            | Values::Text(values) => values.is_null(row),
            Values::Array { nulls, .. } => nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)),
        }
    }

    /// Appends the value of a row; NULL is `null`.
    pub(super) fn append(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        let start = out.len();
        match &self.0 {
            Values::Boolean(values) => {
                values.append(row, out);
                let word = if out.ends_with('t') { "true" } else { "false" };
                out.truncate(start);
                out.push_str(word);
            }
            Values::Number(values) => {
                values.append(row, out);
                // NaN and the infinities.
                if out[start..].contains(|c: char| c.is_ascii_alphabetic() && c != 'e') {
                    quote(out, start);
                }
            }
            Values::Json(values) => values.append(row, out),
            Values::Instant(values) => {
                values.append(row, out);
                let mut text = out.split_off(start).replacen(' ', "T", 1);
                if let Some(sign) = text.rfind(['+', '-'])
                    && sign > text.find('T').unwrap_or(usize::MAX)
                    && text.len() == sign + 3
                {
                    text.push_str(":00");
                }
                append_json_string(out, &text);
            }
            Values::Text(values) => {
                values.append(row, out);
                quote(out, start);
            }
            Values::Array { items, offsets, .. } => {
                out.push('[');
                for item in offsets[row]..offsets[row + 1] {
                    if item > offsets[row] {
                        out.push(',');
                    }
                    items.append(item as usize, out);
                }
                out.push(']');
            }
        }
    }
}

/// Makes a string of what has been written since `start`.
fn quote(out: &mut String, start: usize) {
    let text = out.split_off(start);
    append_json_string(out, &text);
}
