//! Postgres's text form of every SQL type, both ways.
//!
//! Three callers share it, and so agree to the byte: casts (`'2024-01-31'::date`, `x::text`), COPY in text and CSV, and
//! the wire's text format. Reading is [`TextColumn`] (many values into an Arrow array) or [`parse_scalar`]; writing is
//! [`TextEncoder`], which looks at the array's type once and then appends row after row. NULL has no text form: callers
//! handle it.
//!
//! What a value may look like is Postgres's; the messages and classes of what it may not are too. The limits that are
//! ours: `numeric` holds 38 digits, dates have no infinity, arrays have one dimension.

mod array;
mod bytes;
mod column;
mod datetime;
mod encode;
mod interval;
mod json;
pub(crate) mod json_access;
mod number;
mod vector;
mod zone;

pub(crate) use array::parse_array;
pub(crate) use column::Values;
pub use column::{TextColumn, parse_scalar};
pub use encode::{TextEncoder, append_value};
pub(crate) use json::{append_string as append_json_string, normalize as normalize_json};
pub(crate) use number::{append_float, rescale};
pub use zone::{OutputStyle, TimeZone};

use slipstream_engine::{Error, ErrorKind};

/// `invalid input syntax for type integer: "abc"`
fn invalid_syntax(type_name: &str, text: &str) -> Error {
    Error::new(ErrorKind::InvalidText, format!("invalid input syntax for type {type_name}: \"{text}\""))
}
