//! Postgres's binary form of every SQL type, both ways.
//!
//! The wire's binary format and binary COPY share it. Layouts are those of each type's `_send` and `_recv` functions in
//! Postgres, and of pgvector for its types. Writing is [`BinaryEncoder`], which looks at the array's type once and then appends
//! row after row; reading is [`BinaryColumn`] (many values into an Arrow array) or [`parse_scalar`]. NULL has no bytes:
//! callers handle it.

mod decode;
mod encode;
mod numeric;
mod text_search;

pub use decode::{BinaryColumn, parse_scalar, utf8};
pub use encode::{BinaryEncoder, with_length};

use arrow::datatypes::{ArrowPrimitiveType, Float16Type};

/// A 16-bit float.
type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// Days from 1970-01-01 to 2000-01-01, where Postgres starts to count.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;
/// Version byte before the text of a `jsonb` value.
const JSONB_VERSION: u8 = 1;
