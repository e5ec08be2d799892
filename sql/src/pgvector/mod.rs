//! pgvector's types and what can be done with their values.
//!
//! | type | in a plan, and in Lance | here |
//! |---|---|---|
//! | `vector(n)`, `halfvec(n)` | fixed-size list of 32-bit or 16-bit floats | [`Dense`] |
//! | `vector`, `halfvec`, of any dimension | large list of the same | [`Dense`] |
//! | `sparsevec(n)`, `sparsevec` | large binary: the bytes of pgvector's own wire format | [`Sparse`] |
//! | `bit(n)` | fixed-size list of booleans, and of bytes on disk | [`Bits`] |
//! | `bit varying(n)`, `bit` of any length | large list of booleans | [`Bits`] |
//!
//! Each of these Arrow types stands for nothing else, so a value's type is known where field metadata got lost. Every reader
//! takes both layouts, so what is cast to `vector` need not know its dimension when it is planned.
//!
//! * `kind`: names, limits and error texts of the types, which are pgvector's to the letter;
//! * `dense`, `sparse`, `bits`: the values; their text forms are `crate::text`'s, their bytes `crate::binary`'s;
//! * `distance`, `function`, `aggregate`: what the planner calls. Which types they take is `crate::operators`'s to resolve.
//!
//! Elements are 32-bit floats in all arithmetic, as in pgvector; norms and averages run in doubles.

mod aggregate;
mod bits;
mod dense;
mod distance;
mod function;
mod kind;
mod sparse;

pub(crate) use aggregate::Summing;
pub(crate) use bits::{Bits, BitsBuilder, append_bits, parse_bits};
pub(crate) use dense::{Dense, DenseBuilder};
pub use distance::{BitMetric, Metric, bit_distance_function, distance_function};
pub(crate) use function::{Function, VectorFunction, functions};
pub(crate) use kind::{Kind, MAX_DIMENSIONS};
pub(crate) use sparse::Sparse;
