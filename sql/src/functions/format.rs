//! `format('%s is %I', ...)`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use slipstream_catalog::pg_catalog::definitions::{quote_identifier, quote_literal};
use slipstream_engine::{Error, ErrorKind, Result};

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![ScalarUDF::from(Format { signature: Signature::variadic_any(Volatility::Immutable) })]
}

/// Its arguments are text by the time that it runs ([`crate::operators::PostgresTyping`]).
#[derive(Debug, PartialEq, Eq, Hash)]
struct Format {
    signature: Signature,
}

impl ScalarUDFImpl for Format {
    fn name(&self) -> &str {
        "format"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = arrays.iter().map(|array| cast(array, &DataType::Utf8)).collect::<Result<Vec<_>, _>>()?;
        let Some((formats, values)) = texts.split_first() else {
            return Err(Error::internal("format takes a text").into());
        };
        let formats = formats.as_string::<i32>();
        let mut results = StringBuilder::new();
        for row in 0..formats.len() {
            results.append_option(match formats.is_valid(row) {
                true => Some(formatted(formats.value(row), &Values { columns: values, row })?),
                false => None,
            });
        }
        let results: ArrayRef = Arc::new(results.finish());
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&results, 0)?),
            false => ColumnarValue::Array(results),
        })
    }
}

/// The arguments behind the text, in one row.
struct Values<'a> {
    columns: &'a [ArrayRef],
    row: usize,
}

impl Values<'_> {
    /// An argument, counted from 1; `None` where it is NULL.
    fn get(&self, number: usize) -> Result<Option<&str>> {
        if number == 0 {
            return Err(invalid("format specifies argument 0, but arguments are numbered from 1"));
        }
        let column = self.columns.get(number - 1).ok_or_else(|| invalid("too few arguments for format()"))?;
        let column = column.as_string::<i32>();
        Ok(column.is_valid(self.row).then(|| column.value(self.row)))
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

fn formatted(format: &str, values: &Values<'_>) -> Result<String> {
    let mut result = String::with_capacity(format.len());
    let mut rest = format;
    let mut next = 1;
    while let Some(at) = rest.find('%') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            result.push('%');
            rest = after;
            continue;
        }
        let field = Field::read(&mut rest, values, &mut next)?;
        field.write(values, &mut next, &mut result)?;
    }
    result.push_str(rest);
    Ok(result)
}

/// A place in the text that takes an argument.
struct Field {
    position: Option<usize>,
    left: bool,
    width: usize,
    kind: char,
}

impl Field {
    /// Reads what stands behind a percent sign: `[position$][-][width]kind`, where the width may be `*` or `*position$`.
    fn read(rest: &mut &str, values: &Values<'_>, next: &mut usize) -> Result<Field> {
        let mut field = Field { position: None, left: false, width: 0, kind: ' ' };
        let mut number = digits(rest)?;
        if number.is_some() && taken(rest, '$') {
            field.position = number.take();
        }
        if number.is_none() {
            while taken(rest, '-') {
                field.left = true;
            }
            number = match taken(rest, '*') {
                true => Some(field.width_argument(rest, values, next)?),
                false => digits(rest)?,
            };
        }
        field.width = number.unwrap_or(0);
        let mut characters = rest.chars();
        field.kind = characters.next().ok_or_else(|| {
            invalid("unterminated format() type specifier").with_hint("For a single \"%\" use \"%%\".")
        })?;
        *rest = characters.as_str();
        match field.kind {
            's' | 'I' | 'L' => Ok(field),
            other => Err(invalid(format!("unrecognized format() type specifier \"{other}\""))
                .with_hint("For a single \"%\" use \"%%\".")),
        }
    }

    fn width_argument(&mut self, rest: &mut &str, values: &Values<'_>, next: &mut usize) -> Result<usize> {
        let position = digits(rest)?;
        let number = match position {
            Some(number) if taken(rest, '$') => number,
            Some(_) => return Err(invalid("width argument position must be ended by \"$\"")),
            None => {
                *next += 1;
                *next - 1
            }
        };
        let Some(text) = values.get(number)? else { return Ok(0) };
        let width: i64 = text.trim().parse().map_err(|_| {
            Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type integer: \"{text}\""))
        })?;
        self.left |= width < 0;
        width_within(width.unsigned_abs())
    }

    fn write(&self, values: &Values<'_>, next: &mut usize, result: &mut String) -> Result<()> {
        let number = match self.position {
            Some(position) => position,
            None => *next,
        };
        *next = number + 1;
        let value = values.get(number)?;
        let text = match (self.kind, value) {
            ('s', value) => value.unwrap_or_default().to_string(),
            ('I', Some(name)) => quote_identifier(name),
            ('I', None) => {
                let message = "null values cannot be formatted as an SQL identifier";
                return Err(Error::new(ErrorKind::NullNotAllowed, message));
            }
            (_, Some(literal)) => quote_literal(literal),
            (_, None) => "NULL".to_string(),
        };
        let blanks = self.width.saturating_sub(text.chars().count());
        if !self.left {
            result.extend(std::iter::repeat_n(' ', blanks));
        }
        result.push_str(&text);
        if self.left {
            result.extend(std::iter::repeat_n(' ', blanks));
        }
        Ok(())
    }
}

/// Wider than this would be a mistake, and much memory.
const MOST_WIDTH: u64 = 1 << 20;

fn width_within(width: u64) -> Result<usize> {
    match usize::try_from(width) {
        Ok(narrow) if width <= MOST_WIDTH => Ok(narrow),
        _ => Err(Error::new(ErrorKind::NumericOutOfRange, "number is out of range")),
    }
}

/// Takes the digits at the beginning.
fn digits(rest: &mut &str) -> Result<Option<usize>> {
    let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    if digits.is_empty() {
        return Ok(None);
    }
    *rest = after;
    width_within(digits.parse().unwrap_or(u64::MAX)).map(Some)
}

fn taken(rest: &mut &str, wanted: char) -> bool {
    match rest.strip_prefix(wanted) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}
