//! Rows of metadata tables, built by column name.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, FixedSizeBinaryBuilder, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, ListBuilder, RecordBatch, RecordBatchOptions, StringBuilder,
    TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use slipstream_engine::{Error, Result};
use uuid::Uuid;

/// A value of a metadata column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// Any integer or object id.
    Int(i64),
    /// Any float.
    Float(f64),
    /// Any text.
    Text(Cow<'static, str>),
    /// A UUID.
    Uuid(Uuid),
    /// An array of integers or object ids.
    Ints(Vec<i64>),
    /// An array of texts.
    Texts(Vec<String>),
}

/// Rows of one relation under construction, for some of its columns.
#[derive(Debug)]
pub struct Rows {
    schema: SchemaRef,
    columns: Vec<Vec<Value>>,
    len: usize,
    limit: Option<usize>,
}

/// A row being filled. What is not set is NULL or, in a NOT NULL column, the zero of its type.
#[derive(Debug)]
pub struct Row<'a> {
    rows: &'a mut Rows,
}

impl Rows {
    /// No rows yet, with the columns of `schema`: those of a relation, or some of them. A reader that says `limit`
    /// looks at no more than so many rows.
    pub fn new(schema: SchemaRef, limit: Option<usize>) -> Self {
        let columns = vec![Vec::new(); schema.fields().len()];
        Rows { schema, columns, len: 0, limit }
    }

    /// How many rows the reader wants at most.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Whether a column is asked for; what costs something to find is found only then.
    pub fn wants(&self, column: &str) -> bool {
        self.schema.index_of(column).is_ok()
    }

    /// Begins a row.
    pub fn add(&mut self) -> Row<'_> {
        for (values, field) in self.columns.iter_mut().zip(self.schema.fields()) {
            values.push(if field.is_nullable() { Value::Null } else { zero(field.data_type()) });
        }
        self.len += 1;
        Row { rows: self }
    }

    /// The rows as one batch.
    pub fn finish(self) -> Result<RecordBatch> {
        let arrays = self
            .columns
            .iter()
            .zip(self.schema.fields())
            .map(|(values, field)| values_to_array(field, values))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.len));
        RecordBatch::try_new_with_options(self.schema, arrays, &options)
            .map_err(|error| Error::internal(format!("metadata rows do not fit their declaration: {error}")))
    }
}

impl Row<'_> {
    /// Sets a column; one that was not asked for is passed over.
    pub fn set(self, column: &str, value: impl Into<Value>) -> Self {
        if let Ok(index) = self.rows.schema.index_of(column)
            && let Some(last) = self.rows.columns[index].last_mut()
        {
            *last = value.into();
        }
        self
    }
}

fn zero(data_type: &DataType) -> Value {
    match data_type {
        DataType::Boolean => Value::Bool(false),
        DataType::Utf8 => Value::Text(Cow::Borrowed("")),
        DataType::Float32 | DataType::Float64 => Value::Float(0.0),
        DataType::List(item) if item.data_type() == &DataType::Utf8 => Value::Texts(Vec::new()),
        DataType::List(_) => Value::Ints(Vec::new()),
        _ => Value::Int(0),
    }
}

/// Appends values of one variant with a builder; NULL for NULL, an internal error for a value of another kind.
macro_rules! build {
    ($field:expr, $values:expr, $builder:expr, $($pattern:pat => $item:expr),+) => {{
        let mut builder = $builder;
        for value in $values {
            match value {
                Value::Null => builder.append_null(),
                $($pattern => builder.append_value($item),)+
                other => return Err(mismatch($field, other)),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

/// Values as an array of the field's type.
pub(crate) fn values_to_array(field: &Field, values: &[Value]) -> Result<ArrayRef> {
    Ok(match field.data_type() {
        DataType::Boolean => build!(field, values, BooleanBuilder::new(), Value::Bool(value) => *value),
        DataType::Int16 => build!(field, values, Int16Builder::new(), Value::Int(value) => *value as i16),
        DataType::Int32 => build!(field, values, Int32Builder::new(), Value::Int(value) => *value as i32),
        DataType::Int64 => build!(field, values, Int64Builder::new(), Value::Int(value) => *value),
        DataType::Float32 => build!(field, values, Float32Builder::new(), Value::Float(value) => *value as f32),
        DataType::Float64 => build!(field, values, Float64Builder::new(), Value::Float(value) => *value),
        DataType::Utf8 => build!(field, values, StringBuilder::new(), Value::Text(value) => value.as_ref()),
        DataType::Binary => build!(field, values, BinaryBuilder::new(), Value::Text(value) => value.as_bytes()),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) => {
            let builder = TimestampMicrosecondBuilder::new().with_timezone(Arc::clone(zone));
            build!(field, values, builder, Value::Int(value) => *value)
        }
        DataType::FixedSizeBinary(16) => uuids(field, values)?,
        DataType::List(item) => lists(field, item, values)?,
        other if values.iter().all(|value| *value == Value::Null) => new_null_array(other, values.len()),
        other => return Err(Error::internal(format!("no metadata column can be of type {other}"))),
    })
}

fn uuids(field: &Field, values: &[Value]) -> Result<ArrayRef> {
    let mut builder = FixedSizeBinaryBuilder::with_capacity(values.len(), 16);
    for value in values {
        match value {
            Value::Null => builder.append_null(),
            Value::Uuid(uuid) => builder.append_value(uuid.as_bytes()).expect("a UUID has 16 bytes"),
            other => return Err(mismatch(field, other)),
        }
    }
    Ok(Arc::new(builder.finish()))
}

macro_rules! build_lists {
    ($field:expr, $item:expr, $values:expr, $builder:expr, $variant:ident, $value:ident => $element:expr) => {{
        let mut builder = ListBuilder::new($builder).with_field(Arc::clone($item));
        for value in $values {
            match value {
                Value::Null => builder.append_null(),
                Value::$variant(list) => {
                    for $value in list {
                        builder.values().append_value($element);
                    }
                    builder.append(true);
                }
                other => return Err(mismatch($field, other)),
            }
        }
        Arc::new(builder.finish()) as ArrayRef
    }};
}

fn lists(field: &Field, item: &Arc<Field>, values: &[Value]) -> Result<ArrayRef> {
    Ok(match item.data_type() {
        DataType::Int16 => build_lists!(field, item, values, Int16Builder::new(), Ints, value => *value as i16),
        DataType::Int32 => build_lists!(field, item, values, Int32Builder::new(), Ints, value => *value as i32),
        DataType::Int64 => build_lists!(field, item, values, Int64Builder::new(), Ints, value => *value),
        DataType::Utf8 => build_lists!(field, item, values, StringBuilder::new(), Texts, value => value),
        _ if values.iter().all(|value| *value == Value::Null) => new_null_array(field.data_type(), values.len()),
        other => return Err(Error::internal(format!("no metadata column can be an array of {other}"))),
    })
}

fn mismatch(field: &Field, value: &Value) -> Error {
    Error::internal(format!("metadata column \"{}\" cannot hold {value:?}", field.name()))
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Value::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::Text(Cow::Owned(value))
    }
}

impl From<Cow<'static, str>> for Value {
    fn from(value: Cow<'static, str>) -> Self {
        Value::Text(value)
    }
}

impl From<char> for Value {
    fn from(value: char) -> Self {
        Value::Text(Cow::Owned(value.to_string()))
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Value::Uuid(value)
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Self {
        Value::Ints(value)
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Value::Texts(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// Integers of every width that fits.
macro_rules! from_integer {
    ($($integer:ty),+) => {
        $(impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Value::Int(value.into())
            }
        })+
    };
}

from_integer!(i16, i32, i64, u32);
