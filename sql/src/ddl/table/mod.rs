//! Tables: CREATE TABLE and ALTER TABLE.
//!
//! Both work on a [`draft::Draft`], the definition in the making with the sequences that come with it. [`columns`] and
//! [`constraints`] add to a draft; [`create`] begins with an empty one, [`alter`] with a table as it is and writes down
//! where the values of its columns come from. [`generated`] says what generated columns may be.

mod alter;
mod columns;
mod constraints;
mod create;
mod draft;
mod generated;
mod rename;
mod retype;

pub(super) use alter::{alter_table, change_identity, set_schema};
pub(super) use constraints::{Constraint, checked_condition, key_columns};
pub(super) use create::create_table;
pub(super) use draft::Draft;

pub(crate) use create::{identify, table_from_query};
