//! Values of `vector` and `halfvec`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, LargeListArray, NullBufferBuilder};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::kind::Kind;

/// A column of vectors in either layout, with elements as 32-bit floats.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    kind: Kind,
    elements: Float32Array,
    layout: Layout,
    nulls: Option<NullBuffer>,
    rows: usize,
}

#[derive(Debug, Clone)]
enum Layout {
    /// Every row has that many elements.
    Fixed(usize),
    /// A row's elements stand between two offsets.
    Open(OffsetBuffer<i64>),
}

impl Dense {
    /// Reads an array; `None` if it is not one of vectors.
    pub(crate) fn get(array: &ArrayRef) -> Option<Dense> {
        let (values, layout) = match array.data_type() {
            DataType::FixedSizeList(_, dimension) => {
                (array.as_fixed_size_list().values(), Layout::Fixed(usize::try_from(*dimension).ok()?))
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                (list.values(), Layout::Open(list.offsets().clone()))
            }
            _ => return None,
        };
        let kind = match values.data_type() {
            DataType::Float32 => Kind::Vector,
            DataType::Float16 => Kind::Halfvec,
            _ => return None,
        };
        // Every half is a single, so this cannot fail.
        let elements = cast(values, &DataType::Float32).ok()?.as_primitive::<Float32Type>().clone();
        Some(Dense { kind, elements, layout, nulls: array.nulls().cloned(), rows: array.len() })
    }

    /// Reads an array of vectors.
    pub(crate) fn new(array: &ArrayRef) -> Result<Dense> {
        Self::get(array).ok_or_else(|| Error::internal(format!("{} holds no vectors", array.data_type())))
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The elements of a row; what a row that is NULL has is not said.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        let elements: &[f32] = self.elements.values();
        match &self.layout {
            Layout::Fixed(dimension) => &elements[row * dimension..(row + 1) * dimension],
            Layout::Open(offsets) => &elements[offsets[row] as usize..offsets[row + 1] as usize],
        }
    }
}

/// Vectors on their way into an array.
#[derive(Debug)]
pub(crate) struct DenseBuilder {
    kind: Kind,
    /// What every row has, or 0.
    dimension: u32,
    elements: Vec<f32>,
    ends: Vec<i64>,
    nulls: NullBufferBuilder,
}

impl DenseBuilder {
    /// A builder for arrays of a type, which is `vector` or `halfvec`.
    pub(crate) fn new(sql_type: &SqlType, capacity: usize) -> DenseBuilder {
        let kind = Kind::of(sql_type).filter(|kind| kind.is_dense()).unwrap_or(Kind::Vector);
        let dimension = Kind::dimension(sql_type);
        let mut ends = Vec::with_capacity(capacity + 1);
        ends.push(0);
        DenseBuilder {
            kind,
            dimension,
            elements: Vec::with_capacity(capacity * dimension as usize),
            ends,
            nulls: NullBufferBuilder::new(capacity),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Appends a vector. Its elements must be ones that the kind can keep; a dimension that does not fit is an error.
    pub(crate) fn push(&mut self, elements: impl IntoIterator<Item = f32>) -> Result<()> {
        let start = self.elements.len();
        self.elements.extend(elements);
        let found = self.elements.len() - start;
        if let Err(error) = self.kind.check_dimension(found).and_then(|()| Kind::check_expected(self.dimension, found))
        {
            self.elements.truncate(start);
            return Err(error);
        }
        self.ends.push(self.elements.len() as i64);
        self.nulls.append_non_null();
        Ok(())
    }

    pub(crate) fn push_null(&mut self) {
        let filled = self.elements.len() + self.dimension as usize;
        self.elements.resize(filled, 0.0);
        self.ends.push(filled as i64);
        self.nulls.append_null();
    }

    /// Takes the dimension of the one vector that was appended, if the type leaves it open.
    pub(crate) fn take_dimension(&mut self) {
        if self.dimension == 0 && self.ends.len() == 2 && self.nulls.as_slice().is_none() {
            self.dimension = self.elements.len() as u32;
        }
    }

    /// The array, in exactly the Arrow type of its SQL type.
    pub(crate) fn finish(mut self) -> Result<ArrayRef> {
        let data_type = self.kind.sql_type(self.dimension).arrow_type();
        let (rows, nulls) = (self.ends.len() - 1, self.nulls.finish());
        let elements: ArrayRef = Arc::new(Float32Array::from(self.elements));
        let list: Result<ArrayRef, _> = match &data_type {
            DataType::FixedSizeList(item, dimension) => cast(&elements, item.data_type())
                .and_then(|values| {
                    FixedSizeListArray::try_new_with_length(Arc::clone(item), *dimension, values, nulls, rows)
                })
                .map(|list| Arc::new(list) as ArrayRef),
            DataType::LargeList(item) => cast(&elements, item.data_type())
                .and_then(|values| {
                    let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
                    LargeListArray::try_new(Arc::clone(item), offsets, values, nulls)
                })
                .map(|list| Arc::new(list) as ArrayRef),
            other => return Err(Error::internal(format!("{other} holds no vectors"))),
        };
        list.map_err(|error| Error::internal(error.to_string()))
    }
}
