//! Metadata tables: declared once, filled when scanned.
//!
//! A [`Relation`] is one declaration: name, object id, kind, a sentence of documentation, and the columns with their
//! Postgres types. Everything that has to know about the table reads that declaration: its Arrow schema, its own rows in
//! `pg_class` and `pg_attribute`, its comment in `pg_description`. What the rows are is a [`RowSource`]; it is asked when
//! the table is scanned, not before, and for the wanted columns only. A relation without a source is empty by
//! declaration: there is no such thing in this database, and its sentence says so.
//!
//! Object ids, and all types of Postgres that are object ids in disguise (`regproc`, `xid`, ...), are `Int64` in plans:
//! they compare with numbers, with each other and with `'16384'` without a cast. The field metadata
//! [`PG_TYPE_KEY`](crate::pg_catalog::oids::PG_TYPE_KEY) says which type they are to a client.

mod relation;
mod rows;
mod schema;
mod table;

pub use relation::{Column, Kind, Relation};
pub(crate) use rows::values_to_array;
pub use rows::{Row, Rows, Value};
pub use schema::MetadataSchema;
pub use table::{MetadataTable, RowSource, Snapshotted};
