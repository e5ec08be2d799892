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
        .with_detail(format!("Key ({})=({}) already exists.", quoted(columns), key_text(keys, row)))
        .on_row(row)
        .on_table(&table.name)
        .on_constraint(constraint)
}

/// `23502`.
pub(crate) fn null_value(table: &TableDefinition, column: &str) -> Error {
    let message =
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", table.name);
    Error::new(ErrorKind::NotNullViolation, message).on_table(&table.name).on_column(column)
}

/// Names of columns as a message lists them: quoted, where a statement would have to quote them.
pub(crate) fn quoted(names: &[String]) -> String {
    let plain = |name: &str| {
        let mut characters = name.chars();
        characters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
            && characters
                .all(|other| other.is_ascii_lowercase() || other.is_ascii_digit() || matches!(other, '_' | '$'))
    };
    let quoted = names.iter().map(|name| match plain(name) {
        true => name.clone(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    });
    quoted.collect::<Vec<_>>().join(", ")
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
