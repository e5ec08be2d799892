//! The words of constraint violations.

use arrow::array::{ArrayRef, FixedSizeBinaryArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::catalog::TableDefinition;
use crate::error::{Error, ErrorKind};

/// `23505`.
pub(crate) fn duplicate(
    table: &TableDefinition,
    constraint: &str,
    columns: &[String],
    keys: &[ArrayRef],
    row: usize,
) -> Error {
    Error::new(ErrorKind::UniqueViolation, format!("duplicate key value violates unique constraint \"{constraint}\""))
        .with_detail(format!("Key ({})=({}) already exists.", columns.join(", "), key_text(keys, row)))
        .on_table(&table.name)
        .on_constraint(constraint)
}

/// `23502`.
pub(crate) fn null_value(table: &TableDefinition, column: &str) -> Error {
    let message =
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name);
    Error::new(ErrorKind::NotNullViolation, message).on_table(&table.name).on_column(column)
}

/// Text of a row of columns.
pub(crate) fn key_text(columns: &[ArrayRef], row: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let texts: Vec<String> = columns
        .iter()
        .map(|column| match column.as_any().downcast_ref::<FixedSizeBinaryArray>() {
            Some(uuids) => uuid::Uuid::from_slice(uuids.value(row)).map(|uuid| uuid.to_string()).unwrap_or_default(),
            None => ArrayFormatter::try_new(column, &options)
                .map(|formatter| formatter.value(row).to_string())
                .unwrap_or_default(),
        })
        .collect();
    texts.join(", ")
}
