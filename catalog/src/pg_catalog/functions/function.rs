//! How a metadata function is declared, and the one DataFusion function that runs them all.
//!
//! They are called with a handful of rows and do look-ups, so they are written row by row over [`Value`]s.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use slipstream_engine::{Error, Result};

use super::super::objects::Objects;
use super::super::oids::{PG_TYPE_KEY, PgType};
use crate::metadata::{Value, values_to_array};

/// A metadata function, declared once.
pub(crate) struct Function {
    pub(super) name: &'static str,
    /// The numbers of arguments that it takes.
    pub(super) arity: &'static [usize],
    returns: &'static str,
    strict: bool,
    volatility: Volatility,
    body: Body,
}

/// What a function does with one row of arguments.
type Body = fn(&Objects, &Call<'_>) -> Result<Value>;

/// A function that is NULL where an argument is, as most of Postgres's are.
pub(super) const fn strict(name: &'static str, arity: &'static [usize], returns: &'static str, body: Body) -> Function {
    Function { name, arity, returns, strict: true, volatility: Volatility::Stable, body }
}

/// A function that makes something of NULL arguments.
pub(super) const fn lenient(
    name: &'static str,
    arity: &'static [usize],
    returns: &'static str,
    body: Body,
) -> Function {
    Function { strict: false, ..strict(name, arity, returns, body) }
}

/// A function that reads or writes what changes between statements, so that a plan must not keep its value.
pub(super) const fn volatile(
    name: &'static str,
    arity: &'static [usize],
    returns: &'static str,
    body: Body,
) -> Function {
    Function { volatility: Volatility::Volatile, ..strict(name, arity, returns, body) }
}

impl Function {
    /// The function over `objects`, for a session.
    pub(super) fn over(&'static self, objects: &Arc<Objects>) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Bound {
            function: self,
            signature: self.signature(),
            returns: PgType::named(self.returns).expect("a declared result type is in pg_type"),
            objects: Arc::clone(objects),
        }))
    }

    fn signature(&self) -> Signature {
        let forms = self.arity.iter().map(|arity| match arity {
            0 => TypeSignature::Nullary,
            some => TypeSignature::Any(*some),
        });
        Signature::one_of(forms.collect(), self.volatility)
    }
}

/// One row of arguments.
pub(super) struct Call<'a> {
    arguments: &'a [Argument],
    fields: &'a [FieldRef],
    row: usize,
}

/// An argument, brought to one of the types that the functions read.
enum Argument {
    Int(Int64Array),
    Text(StringArray),
    Bool(BooleanArray),
    Other(ArrayRef),
}

impl Argument {
    fn new(array: &ArrayRef) -> DataFusionResult<Self> {
        Ok(match array.data_type() {
            DataType::Boolean => Argument::Bool(array.as_boolean().clone()),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
                Argument::Text(cast(array, &DataType::Utf8)?.as_string().clone())
            }
            other if other.is_integer() => Argument::Int(cast(array, &DataType::Int64)?.as_primitive().clone()),
            _ => Argument::Other(Arc::clone(array)),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Argument::Int(array) => array.is_null(row),
            Argument::Text(array) => array.is_null(row),
            Argument::Bool(array) => array.is_null(row),
            Argument::Other(array) => array.is_null(row),
        }
    }
}

impl Call<'_> {
    /// How many arguments there are.
    pub(super) fn len(&self) -> usize {
        self.arguments.len()
    }

    /// An integer, or the text of one.
    pub(super) fn int(&self, index: usize) -> Option<i64> {
        match self.arguments.get(index)? {
            argument if argument.is_null(self.row) => None,
            Argument::Int(array) => Some(array.value(self.row)),
            Argument::Text(array) => array.value(self.row).trim().parse().ok(),
            Argument::Bool(_) | Argument::Other(_) => None,
        }
    }

    /// An object id.
    pub(super) fn oid(&self, index: usize) -> Option<u32> {
        u32::try_from(self.int(index)?).ok()
    }

    /// A text.
    pub(super) fn text(&self, index: usize) -> Option<&str> {
        match self.arguments.get(index)? {
            argument if argument.is_null(self.row) => None,
            Argument::Text(array) => Some(array.value(self.row)),
            _ => None,
        }
    }

    /// A boolean, `false` where it is left out.
    pub(super) fn flag(&self, index: usize) -> bool {
        match self.arguments.get(index) {
            Some(Argument::Bool(array)) => array.is_valid(self.row) && array.value(self.row),
            _ => false,
        }
    }

    /// The number of items of an array.
    pub(super) fn array_length(&self, index: usize) -> Option<usize> {
        match self.arguments.get(index)? {
            Argument::Other(array) if array.is_valid(self.row) => {
                Some(array.as_list_opt::<i32>()?.value(self.row).len())
            }
            _ => None,
        }
    }

    /// The subscript of an array's first item: 1, but 0 in the vectors of the system tables.
    pub(super) fn first_subscript(&self, index: usize) -> i64 {
        let type_name = self.fields.get(index).and_then(|field| field.metadata().get(PG_TYPE_KEY));
        if matches!(type_name.map(String::as_str), Some("int2vector" | "oidvector")) { 0 } else { 1 }
    }

    fn has_null(&self) -> bool {
        self.arguments.iter().any(|argument| argument.is_null(self.row))
    }
}

/// A [`Function`] with the objects that it reads.
struct Bound {
    function: &'static Function,
    signature: Signature,
    returns: PgType,
    objects: Arc<Objects>,
}

impl Bound {
    fn value(&self, call: &Call<'_>) -> Result<Value> {
        if self.function.strict && call.has_null() {
            return Ok(Value::Null);
        }
        (self.function.body)(&self.objects, call)
    }
}

impl ScalarUDFImpl for Bound {
    fn name(&self) -> &str {
        self.function.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(self.returns.arrow_type())
    }

    fn return_field_from_args(&self, _arguments: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        Ok(Arc::new(self.returns.field(self.name(), true)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let constant = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let arrays = arguments
            .args
            .iter()
            .map(|argument| Argument::new(&argument.to_array(rows)?))
            .collect::<DataFusionResult<Vec<_>>>()?;
        let values = (0..rows)
            .map(|row| self.value(&Call { arguments: &arrays, fields: &arguments.arg_fields, row }))
            .collect::<Result<Vec<_>, Error>>()?;
        let array = values_to_array(&arguments.return_field, &values)?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bound").field(&self.function.name).finish()
    }
}

/// Two bindings are the same function if they read the same objects: plans of one statement share them.
impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && Arc::ptr_eq(&self.objects, &other.objects)
    }
}

impl Eq for Bound {}

impl Hash for Bound {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}
