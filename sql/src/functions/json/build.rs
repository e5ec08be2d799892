//! Functions that make JSON.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion::sql::sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName};
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, ErrorKind, Result};

use super::encode::JsonEncoder;
use crate::text::{OutputStyle, TextEncoder, append_json_string, normalize_json};
use crate::types::session_zone;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shape {
    /// Its one argument; NULL stays NULL.
    Value,
    /// An object of keys and values that take turns.
    Object,
    /// An object without blanks.
    Row,
    /// An array of all arguments.
    Array,
    /// One member, without braces: what `json_object_agg` gathers.
    Member,
    /// The texts of one array between brackets.
    Elements,
    /// The texts of one array between braces.
    Members,
}

/// The functions: name, shape, whether they make `jsonb`.
const NAMES: [(&str, Shape, bool); 13] = [
    ("to_json", Shape::Value, false),
    ("to_jsonb", Shape::Value, true),
    ("array_to_json", Shape::Value, false),
    ("json_build_object", Shape::Object, false),
    ("jsonb_build_object", Shape::Object, true),
    ("json_build_array", Shape::Array, false),
    ("jsonb_build_array", Shape::Array, true),
    (ROW, Shape::Row, false),
    (MEMBER, Shape::Member, false),
    ("json_elements", Shape::Elements, false),
    ("jsonb_elements", Shape::Elements, true),
    ("json_members", Shape::Members, false),
    ("jsonb_members", Shape::Members, true),
];

/// The object that a row of a table is. Statements do not write it, rewritten ones do.
const ROW: &str = "json_row";
const MEMBER: &str = "json_member";

pub(super) fn functions() -> Vec<ScalarUDF> {
    NAMES
        .iter()
        .map(|(name, shape, binary)| {
            let arguments = match shape {
                Shape::Value | Shape::Elements | Shape::Members => TypeSignature::Any(1),
                Shape::Member => TypeSignature::Any(2),
                Shape::Object | Shape::Row | Shape::Array => {
                    TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny])
                }
            };
            // Instants are written in the session's time zone.
            let signature = Signature::new(arguments, Volatility::Stable);
            ScalarUDF::from(Build { name, shape: *shape, binary: *binary, signature })
        })
        .collect()
}

/// Turns `json_agg(x ORDER BY y)` into a function of `array_agg(to_json(x) ORDER BY y)`, and `row_to_json(r)` of a row whose
/// columns are known into one of its columns. `columns` are those of the relation that a name stands for.
pub(crate) fn aggregate(expr: &mut ast::Expr, columns: impl Fn(&Ident) -> Option<Vec<Ident>>) {
    let ast::Expr::Function(function) = expr else { return };
    let [part] = function.name.0.as_slice() else { return };
    let Some(name) = part.as_ident().map(|ident| ident.value.to_lowercase()) else { return };
    let FunctionArguments::List(list) = &mut function.args else { return };
    if matches!(name.as_str(), "row_to_json" | "to_json" | "to_jsonb" | "json_agg" | "jsonb_agg") {
        for argument in &mut list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) = argument {
                spell_out_row(argument, &columns);
            }
        }
    }
    let (element, whole) = match (name.as_str(), list.args.len()) {
        ("json_agg", 1) => ("to_json", "json_elements"),
        ("jsonb_agg", 1) => ("to_json", "jsonb_elements"),
        ("json_object_agg", 2) => (MEMBER, "json_members"),
        ("jsonb_object_agg", 2) => (MEMBER, "jsonb_members"),
        ("row_to_json", 1) => {
            function.name = ObjectName::from(vec![Ident::new("to_json")]);
            return;
        }
        _ => return,
    };
    let arguments = std::mem::take(&mut list.args);
    list.args = vec![unnamed(call(element, arguments))];
    function.name = ObjectName::from(vec![Ident::new("array_agg")]);
    let gathered = expr.clone();
    *expr = call(whole, vec![unnamed(gathered)]);
}

/// Replaces the name of a relation by its columns.
fn spell_out_row(argument: &mut ast::Expr, columns: impl Fn(&Ident) -> Option<Vec<Ident>>) {
    let ast::Expr::Identifier(relation) = &*argument else { return };
    let Some(columns) = columns(relation) else { return };
    let mut members = Vec::with_capacity(columns.len() * 2);
    for column in columns {
        let key = ast::Value::SingleQuotedString(column.value.clone());
        members.push(unnamed(ast::Expr::Value(key.with_empty_span())));
        members.push(unnamed(ast::Expr::CompoundIdentifier(vec![relation.clone(), column])));
    }
    *argument = call(ROW, members);
}

fn unnamed(expr: ast::Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn call(name: &str, args: Vec<FunctionArg>) -> ast::Expr {
    ast::Expr::Function(ast::Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Build {
    name: &'static str,
    shape: Shape,
    binary: bool,
    signature: Signature,
}

impl Build {
    fn sql_type(&self) -> SqlType {
        if self.binary { SqlType::Jsonb } else { SqlType::Json }
    }

    /// One row. `None` is NULL.
    fn append(&self, arguments: &[Argument], row: usize, out: &mut String) -> Result<bool> {
        match self.shape {
            Shape::Value => match arguments {
                [value] if !value.text.is_null(row) => value.json.append(row, out),
                _ => return Ok(false),
            },
            Shape::Object => self.object(arguments, row, out, ["{", "}", ", ", " : "])?,
            Shape::Row => self.object(arguments, row, out, ["{", "}", ",", ":"])?,
            Shape::Member => self.object(arguments, row, out, ["", "", "", " : "])?,
            Shape::Array => {
                out.push('[');
                for (position, argument) in arguments.iter().enumerate() {
                    if position > 0 {
                        out.push_str(", ");
                    }
                    argument.json.append(row, out);
                }
                out.push(']');
            }
            Shape::Elements => return gathered(arguments, row, out, ["[", "]"]),
            Shape::Members => return gathered(arguments, row, out, ["{ ", " }"]),
        }
        Ok(true)
    }

    fn object(
        &self,
        arguments: &[Argument],
        row: usize,
        out: &mut String,
        [open, close, comma, colon]: [&str; 4],
    ) -> Result<()> {
        let (members, rest) = arguments.as_chunks::<2>();
        if !rest.is_empty() {
            let message = "argument list must have even number of elements";
            return Err(Error::new(ErrorKind::InvalidParameter, message)
                .with_hint(format!("The arguments of {}() must consist of alternating keys and values.", self.name)));
        }
        out.push_str(open);
        for (position, [key, value]) in members.iter().enumerate() {
            if position > 0 {
                out.push_str(comma);
            }
            if key.text.is_null(row) {
                return Err(Error::new(ErrorKind::InvalidParameter, "null value not allowed for object key"));
            }
            let mut name = String::new();
            key.text.append(row, &mut name);
            append_json_string(out, &name);
            out.push_str(colon);
            value.json.append(row, out);
        }
        out.push_str(close);
        Ok(())
    }
}

/// The JSON texts of one array; an aggregate of no rows is NULL.
fn gathered(arguments: &[Argument], row: usize, out: &mut String, [open, close]: [&str; 2]) -> Result<bool> {
    let [argument] = arguments else { return Ok(false) };
    if argument.text.is_null(row) {
        return Ok(false);
    }
    let texts = argument.array.as_list_opt::<i32>().map(|list| list.value(row));
    let texts = texts.ok_or_else(|| Error::internal("a JSON aggregate of what is no array"))?;
    let texts = cast(&texts, &DataType::Utf8).map_err(|error| Error::internal(error.to_string()))?;
    out.push_str(open);
    for (position, text) in texts.as_string::<i32>().iter().enumerate() {
        if position > 0 {
            out.push_str(", ");
        }
        out.push_str(text.unwrap_or("null"));
    }
    out.push_str(close);
    Ok(true)
}

/// An argument, as it is written as a value and as a key.
struct Argument {
    array: ArrayRef,
    json: JsonEncoder,
    text: TextEncoder,
}

impl Argument {
    fn new(field: &FieldRef, array: ArrayRef, style: &OutputStyle) -> Result<Self> {
        let sql_type = SqlType::of_field(field).unwrap_or(SqlType::Text);
        Ok(Argument {
            json: JsonEncoder::new(field, &array, style)?,
            text: TextEncoder::new(&sql_type, &array, style)?,
            array,
        })
    }
}

impl ScalarUDFImpl for Build {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name, &self.sql_type(), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let style = OutputStyle { time_zone: session_zone(&args.config_options)? };
        let arguments = args
            .args
            .iter()
            .zip(&args.arg_fields)
            .map(|(value, field)| Ok(Argument::new(field, value.to_array(rows)?, &style)?))
            .collect::<PlanResult<Vec<_>>>()?;
        let mut texts = StringBuilder::with_capacity(rows, rows * 16);
        let mut text = String::new();
        for row in 0..rows {
            text.clear();
            match self.append(&arguments, row, &mut text)? {
                false => texts.append_null(),
                true if self.binary => texts.append_value(normalize_json(&text)?),
                true => texts.append_value(&text),
            }
        }
        let array: ArrayRef = Arc::new(texts.finish());
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}
