//! The types of vectors: names, limits, errors.

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

/// Most dimensions of a `vector` or a `halfvec`.
pub(crate) const MAX_DIMENSIONS: u32 = 16_000;
/// Most dimensions of a `sparsevec`.
pub(crate) const MAX_SPARSE_DIMENSIONS: u32 = 1_000_000_000;

/// A 16-bit float.
type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A type of vectors. The later one is what two of them meet in, because pgvector casts to it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// `vector`
    Vector,
    /// `halfvec`
    Halfvec,
    /// `sparsevec`
    Sparsevec,
}

impl Kind {
    /// The kind of a type, if it is one of vectors.
    pub(crate) fn of(sql_type: &SqlType) -> Option<Kind> {
        match sql_type {
            SqlType::Vector(_) => Some(Kind::Vector),
            SqlType::Halfvec(_) => Some(Kind::Halfvec),
            SqlType::Sparsevec(_) => Some(Kind::Sparsevec),
            _ => None,
        }
    }

    /// The dimension of a type of vectors; 0 where it leaves it open.
    pub(crate) fn dimension(sql_type: &SqlType) -> u32 {
        match sql_type {
            SqlType::Vector(dimension) | SqlType::Halfvec(dimension) | SqlType::Sparsevec(dimension) => *dimension,
            _ => 0,
        }
    }

    /// The type of a dimension; of any where that is 0.
    pub(crate) fn sql_type(self, dimension: u32) -> SqlType {
        match self {
            Kind::Vector => SqlType::Vector(dimension),
            Kind::Halfvec => SqlType::Halfvec(dimension),
            Kind::Sparsevec => SqlType::Sparsevec(dimension),
        }
    }

    /// Whether every element is kept.
    pub(crate) fn is_dense(self) -> bool {
        self != Kind::Sparsevec
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Vector => "vector",
            Kind::Halfvec => "halfvec",
            Kind::Sparsevec => "sparsevec",
        }
    }

    pub(crate) fn max_dimensions(self) -> u32 {
        if self.is_dense() { MAX_DIMENSIONS } else { MAX_SPARSE_DIMENSIONS }
    }

    /// `different vector dimensions 3 and 2`
    pub(crate) fn different_dimensions(self, left: usize, right: usize) -> Error {
        let message = format!("different {} dimensions {left} and {right}", self.name());
        Error::new(ErrorKind::DataException, message)
    }

    /// Refuses no dimensions, and more than there can be.
    pub(crate) fn check_dimension(self, found: usize) -> Result<()> {
        if found == 0 {
            return Err(self.no_dimension());
        }
        if found > self.max_dimensions() as usize { Err(self.too_many_dimensions()) } else { Ok(()) }
    }

    /// `vector must have at least 1 dimension`
    pub(crate) fn no_dimension(self) -> Error {
        Error::new(ErrorKind::DataException, format!("{} must have at least 1 dimension", self.name()))
    }

    /// `vector cannot have more than 16000 dimensions`
    pub(crate) fn too_many_dimensions(self) -> Error {
        let message = format!("{} cannot have more than {} dimensions", self.name(), self.max_dimensions());
        Error::new(ErrorKind::ProgramLimit, message)
    }

    /// Refuses a dimension that is not the type's, if that has one.
    pub(crate) fn check_expected(expected: u32, found: usize) -> Result<()> {
        if expected == 0 || expected as usize == found {
            return Ok(());
        }
        Err(Error::new(ErrorKind::DataException, format!("expected {expected} dimensions, not {found}")))
    }

    /// Refuses what cannot be an element.
    pub(crate) fn check_element(self, value: f32) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let what = if value.is_nan() { "NaN" } else { "infinite value" };
        Err(Error::new(ErrorKind::DataException, format!("{what} not allowed in {}", self.name())))
    }

    /// The element that keeps a number: the number itself, or the half nearest to it. `text` is how the error calls it.
    pub(crate) fn element(self, value: f32, text: impl FnOnce() -> String) -> Result<f32> {
        if self != Kind::Halfvec {
            return Ok(value);
        }
        let half = half_of(value);
        if half.is_infinite() && value.is_finite() { Err(self.out_of_range(&text())) } else { Ok(half) }
    }

    /// `"1e39" is out of range for type vector`
    pub(crate) fn out_of_range(self, text: &str) -> Error {
        let message = format!("\"{text}\" is out of range for type {}", self.name());
        Error::new(ErrorKind::NumericOutOfRange, message)
    }
}

/// The 16-bit float nearest to a number.
pub(crate) fn half_of(value: f32) -> f32 {
    Half::from_f32(value).to_f32()
}
