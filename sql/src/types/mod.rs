//! SQL types in statements: their names, and casts between them.
//!
//! * [`sql_type`] reads a type name as DDL writes it, [`cast_type`] as a cast writes it (which knows some names more).
//! * [`TypeNames`] plugs that into DataFusion's planner, so that a cast in a query has our types (microseconds, `numeric`)
//!   and carries the SQL type in its field.
//! * [`cast()`] makes the expression of a cast: a literal, an Arrow cast where Arrow means what Postgres means and loses
//!   nothing, and otherwise the function [`PostgresCast`], which converts as Postgres does and raises its errors.
//! * [`ClientType`] is a type as a client is told it: the catalogs have types that no column of a table can have.

mod cast;
mod client;
mod convert;
mod names;
mod relabel;
mod vectors;

pub use cast::{CastContext, PostgresCast, cast, literal};
pub(crate) use cast::{session_zone, typed_literal};
pub use client::ClientType;
pub(crate) use names::client_type;
pub use names::{TypeNames, cast_type, sql_type};
pub(crate) use relabel::relabel;
