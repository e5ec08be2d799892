//! SQL/PGQ: property graphs over tables, by the standard's own DDL, and [`graph_table`], which asks them.
//!
//! 1. [`is_statement`] tells from the first words whether a statement is one of these; sqlparser's grammar has none of them.
//! 2. [`parse()`] reads it from sqlparser's tokens into a [`Statement`], every name with its place.
//! 3. [`define()`] checks a graph against the tables it is over, and gives the definition that goes into the catalog.
//!
//! An element has a name of its own (its alias, else its table's), which the graph index knows it by, and any number of
//! labels, which other elements may have too. What is listed under PROPERTIES, of all labels together, is what the index
//! covers; every column can be named in a pattern. `NO LABEL` is ours: the standard gives every element a label.
//!
//! What the standard allows and this database does not is `0A000`: composite keys, renamed or computed properties, end
//! points without their columns, a table with two roles in one graph.

mod define;
pub(crate) mod graph_table;
mod parse;
mod statement;

pub use define::define;
pub use parse::{is_statement, parse};
pub use statement::{
    CreateGraph, DropGraph, EdgeElement, EndReference, Label, LabelClause, Name, Properties, Statement, VertexElement,
};
