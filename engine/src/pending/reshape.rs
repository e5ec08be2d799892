//! What ALTER TABLE makes of rows that are stored in the shape they had before.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};

use crate::catalog::{ColumnSource, Computed, TableDefinition};
use crate::error::{Error, Result};

/// How rows of a new definition come from rows as they are stored.
#[derive(Debug, Clone)]
pub struct Reshape {
    /// The definition that the stored rows have.
    stored: Arc<TableDefinition>,
    /// For every column of the new definition.
    sources: Vec<ColumnSource>,
}

impl Reshape {
    /// A change from `stored` by `sources`, one per column of the new definition.
    pub fn new(stored: Arc<TableDefinition>, sources: Vec<ColumnSource>) -> Result<Self> {
        for name in columns_of(&sources) {
            stored.column(&name)?;
        }
        Ok(Reshape { stored, sources })
    }

    /// A change that leaves every column as it is.
    pub(crate) fn unchanged(table: &TableDefinition) -> Vec<ColumnSource> {
        table.columns.iter().map(|column| ColumnSource::Column(column.name.clone())).collect()
    }

    /// This change and then another, whose sources are columns of `between`, the definition that this one leads to.
    pub(crate) fn then(&self, between: &TableDefinition, sources: &[ColumnSource]) -> Result<Self> {
        let sources = sources.iter().map(|source| self.source_through(between, source)).collect::<Result<_>>()?;
        Ok(Reshape { stored: Arc::clone(&self.stored), sources })
    }

    /// A source over `between` as one over the stored rows.
    fn source_through(&self, between: &TableDefinition, source: &ColumnSource) -> Result<ColumnSource> {
        match source {
            ColumnSource::Value(_) => Ok(source.clone()),
            ColumnSource::Column(name) => {
                between.column(name)?;
                let position = between.columns.iter().position(|column| &column.name == name);
                let source = position.and_then(|position| self.sources.get(position));
                source.cloned().ok_or_else(|| Error::internal(format!("column \"{name}\" has no source")))
            }
            ColumnSource::Computed(computed) => {
                let arguments = computed.arguments.iter().map(|argument| self.source_through(between, argument));
                let arguments = arguments.collect::<Result<_>>()?;
                Ok(ColumnSource::Computed(Computed { arguments, function: Arc::clone(&computed.function) }))
            }
        }
    }

    /// The definition that the stored rows have.
    pub fn stored(&self) -> &Arc<TableDefinition> {
        &self.stored
    }

    /// Where the column at a position of the new definition comes from.
    pub fn source(&self, position: usize) -> &ColumnSource {
        &self.sources[position]
    }

    /// The stored columns that columns of the new definition come from, by name.
    pub fn stored_columns(&self) -> Vec<String> {
        columns_of(&self.sources)
    }

    /// Rows of `table`, the new definition, out of rows that have the columns they come from.
    pub fn rows(&self, table: &TableDefinition, rows: &RecordBatch) -> Result<RecordBatch> {
        reshaped(table, &self.sources, rows)
    }
}

/// Rows of `table` by `sources` out of rows that have the columns they come from.
pub(crate) fn reshaped(table: &TableDefinition, sources: &[ColumnSource], rows: &RecordBatch) -> Result<RecordBatch> {
    let columns = sources.iter().map(|source| values(source, rows)).collect::<Result<Vec<ArrayRef>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(table.arrow_schema(), columns, &options).map_err(|error| {
        // Every type was checked by whoever made the sources; what is left is NULL where none may be.
        let message = format!("column of relation \"{}\" contains null values", table.name);
        Error::new(crate::error::ErrorKind::NotNullViolation, message)
            .with_detail(error.to_string())
            .on_table(&table.name)
    })
}

/// The values that come from a source.
fn values(source: &ColumnSource, rows: &RecordBatch) -> Result<ArrayRef> {
    match source {
        ColumnSource::Column(name) => {
            rows.column_by_name(name).cloned().ok_or_else(|| Error::internal(format!("rows lack column \"{name}\"")))
        }
        ColumnSource::Value(value) => {
            value.to_array_of_size(rows.num_rows()).map_err(|error| Error::internal(error.to_string()))
        }
        ColumnSource::Computed(computed) => {
            let arguments = computed.arguments.iter().map(|argument| values(argument, rows));
            (computed.function)(arguments.collect::<Result<_>>()?, rows.num_rows())
        }
    }
}

/// The columns that sources read, by name.
fn columns_of(sources: &[ColumnSource]) -> Vec<String> {
    fn collect(source: &ColumnSource, names: &mut Vec<String>) {
        match source {
            ColumnSource::Column(name) if !names.contains(name) => names.push(name.clone()),
            ColumnSource::Column(_) | ColumnSource::Value(_) => {}
            ColumnSource::Computed(computed) => computed.arguments.iter().for_each(|source| collect(source, names)),
        }
    }
    let mut names = Vec::new();
    sources.iter().for_each(|source| collect(source, &mut names));
    names
}
