//! COPY in text and CSV: [`CopyReader`] turns bytes into record batches, [`CopyWriter`] turns record batches into bytes.
//!
//! Reading is incremental: [`CopyReader::push`] takes chunks that end anywhere, and batches come out as they fill, so that
//! memory stays bounded. A record is found first ([`lines`]), then cut into fields ([`fields`]), and each field goes to the
//! text form of its column ([`crate::text`]). A field without quotes or escapes is never copied on its way.
//!
//! The CSV scanner is written here because the csv crates cannot say whether a field was quoted, which is how Postgres
//! tells an empty string from NULL, and because quotes may begin in the middle of a field.
//!
//! Binary COPY is not here yet: its options are understood and answered with `0A000`.

mod fields;
mod lines;
mod options;
mod reader;
mod writer;

pub use options::{Columns, CopyOptions, Format, Header};
pub use reader::CopyReader;
pub use writer::CopyWriter;
