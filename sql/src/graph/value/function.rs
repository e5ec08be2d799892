//! Programs as functions of DataFusion.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::types::{SqlType, field_ref};

use super::column::{Builder, Reader};
use super::json::{self, Form};
use super::program::{Context, Program};

/// What becomes of the value of a program.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Result {
    /// A column of that type.
    Value(SqlType),
    /// A column for a client.
    Client,
    /// The bytes that tell it from others, and say its place among them.
    Key,
}

/// A program over columns.
#[derive(Debug, Clone)]
pub(crate) struct Evaluate {
    program: Arc<Program>,
    /// Its text, by which it is told from others.
    text: String,
    arguments: Vec<SqlType>,
    result: Result,
    now: i64,
    signature: Signature,
}

impl Evaluate {
    /// The expression of a program. `arguments` are what it takes, with their types; a volatile one is computed anew for
    /// every row.
    pub(crate) fn call(
        program: Program,
        arguments: Vec<(Expr, SqlType)>,
        result: Result,
        now: i64,
        volatile: bool,
    ) -> Expr {
        let volatility = if volatile { Volatility::Volatile } else { Volatility::Immutable };
        let signature = match arguments.len() {
            0 => Signature::nullary(volatility),
            count => Signature::any(count, volatility),
        };
        let (arguments, types): (Vec<Expr>, Vec<SqlType>) = arguments.into_iter().unzip();
        let text = format!("{program:?}");
        let program = Arc::new(program);
        ScalarUDF::from(Evaluate { program, text, arguments: types, result, now, signature }).call(arguments)
    }

    fn sql_type(&self) -> SqlType {
        match &self.result {
            Result::Value(sql_type) => sql_type.clone(),
            Result::Client => SqlType::Jsonb,
            Result::Key => SqlType::Bytea,
        }
    }
}

impl PartialEq for Evaluate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.arguments == other.arguments && self.result == other.result
    }
}

impl Eq for Evaluate {}

impl Hash for Evaluate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl ScalarUDFImpl for Evaluate {
    fn name(&self) -> &str {
        match self.result {
            Result::Value(_) => "cypher_value",
            Result::Client => "cypher_output",
            Result::Key => "cypher_key",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(self.sql_type().arrow_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> PlanResult<FieldRef> {
        Ok(field_ref(self.name(), &self.sql_type(), true))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant && self.signature.volatility == Volatility::Immutable { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|argument| argument.into_array(rows)).collect::<PlanResult<Vec<_>>>()?;
        if let (Result::Client, Program::Argument(_), [array]) = (&self.result, &*self.program, arrays.as_slice())
            && arrow::array::AsArray::as_string_opt::<i32>(array)
                .is_some_and(|column| column.iter().flatten().all(json::is_plain))
        {
            return finished(Arc::clone(array), constant);
        }
        let readers = arrays
            .iter()
            .zip(&self.arguments)
            .map(|(array, sql_type)| Reader::new(sql_type, array))
            .collect::<slipstream_engine::Result<Vec<_>>>()?;
        let mut builder = match &self.result {
            Result::Value(sql_type) => Builder::new(sql_type, Form::Internal),
            Result::Client => Builder::new(&SqlType::Jsonb, Form::Client),
            Result::Key => Builder::Key(arrow::array::BinaryBuilder::new()),
        };
        let mut context = Context::new(self.now);
        for row in 0..rows {
            context.arguments.clear();
            for reader in &readers {
                context.arguments.push(reader.value(row)?);
            }
            builder.append(self.program.value(&mut context)?)?;
        }
        finished(builder.finish(), constant && self.signature.volatility == Volatility::Immutable)
    }
}

/// A column, or its only value where it is the same for all rows.
fn finished(array: arrow::array::ArrayRef, constant: bool) -> PlanResult<ColumnarValue> {
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
    }
    Ok(ColumnarValue::Array(array))
}
