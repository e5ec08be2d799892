//! What an algorithm found, by vertex number, on its way to rows.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, UInt32Array,
};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as PlanResult;

use super::network::Network;

/// One value for each row.
#[derive(Debug)]
pub(super) enum Values {
    Counts(Vec<i64>),
    Numbers(Vec<f64>),
    Flags(Vec<bool>),
    Vertices(Vec<u32>),
}

/// Rows about vertices.
#[derive(Debug)]
pub(super) struct Answer {
    /// The vertices; all in order, where there are none.
    vertices: Option<Vec<u32>>,
    values: Vec<Values>,
}

impl Answer {
    /// A row for every vertex, in order.
    pub(super) fn of_all(values: Vec<Values>) -> Self {
        Answer { vertices: None, values }
    }

    /// Rows for these vertices.
    pub(super) fn of(vertices: Vec<u32>, values: Vec<Values>) -> Self {
        Answer { vertices: Some(vertices), values }
    }

    #[cfg(test)]
    pub(super) fn vertices(&self) -> Option<&[u32]> {
        self.vertices.as_deref()
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> &[Values] {
        &self.values
    }

    /// How many rows there are, for so many vertices.
    pub(super) fn rows(&self, vertices: usize) -> usize {
        self.vertices.as_ref().map_or(vertices, Vec::len)
    }
}

/// An answer with the network that it is about, and the columns that are wanted of it.
#[derive(Debug)]
pub(super) struct Sheet {
    network: Network,
    answer: Answer,
    columns: Vec<Column>,
    schema: SchemaRef,
}

/// A column of an answer.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// The names of vertices' tables.
    Tables(Of),
    /// Their keys.
    Keys(Of),
    /// Values, by their position.
    Values(usize),
}

/// Which vertices a column is about.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// Those that rows are about.
    Rows,
    /// Those that are values, by their position.
    Values(usize),
}

impl Sheet {
    /// The columns of an answer that stand at these positions. With `with_tables`, the name of a vertex's table comes before its key.
    pub(super) fn new(
        network: Network,
        answer: Answer,
        with_tables: bool,
        projection: &[usize],
        schema: &SchemaRef,
    ) -> Self {
        let vertex = |of: Of| with_tables.then_some(Column::Tables(of)).into_iter().chain([Column::Keys(of)]);
        let mut all: Vec<Column> = vertex(Of::Rows).collect();
        for (at, values) in answer.values.iter().enumerate() {
            match values {
                Values::Vertices(_) => all.extend(vertex(Of::Values(at))),
                _ => all.push(Column::Values(at)),
            }
        }
        let columns = projection.iter().filter_map(|at| all.get(*at).copied()).collect();
        Sheet { network, answer, columns, schema: Arc::clone(schema) }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.answer.rows(self.network.vertices())
    }

    /// Some of the rows.
    pub(super) fn batch(&self, rows: Range<usize>) -> PlanResult<RecordBatch> {
        let columns = self.columns.iter().map(|column| self.column(*column, &rows)).collect::<PlanResult<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    fn column(&self, column: Column, rows: &Range<usize>) -> PlanResult<ArrayRef> {
        Ok(match column {
            Column::Tables(of) => {
                let names = self.vertices(of, rows).into_iter().map(|vertex| self.network.table(vertex));
                Arc::new(StringArray::from_iter_values(names))
            }
            Column::Keys(of) => take(self.network.keys(), &UInt32Array::from(self.vertices(of, rows)), None)?,
            Column::Values(at) => match &self.answer.values[at] {
                Values::Counts(counts) => Arc::new(Int64Array::from(counts[rows.clone()].to_vec())),
                Values::Numbers(numbers) => Arc::new(Float64Array::from(numbers[rows.clone()].to_vec())),
                Values::Flags(flags) => Arc::new(BooleanArray::from(flags[rows.clone()].to_vec())),
                Values::Vertices(vertices) => Arc::new(UInt32Array::from(vertices[rows.clone()].to_vec())),
            },
        })
    }

    fn vertices(&self, of: Of, rows: &Range<usize>) -> Vec<u32> {
        let listed = match of {
            Of::Rows => self.answer.vertices.as_deref(),
            Of::Values(at) => match &self.answer.values[at] {
                Values::Vertices(vertices) => Some(vertices.as_slice()),
                _ => None,
            },
        };
        match listed {
            Some(vertices) => vertices[rows.clone()].to_vec(),
            None => rows.clone().map(|row| row as u32).collect(),
        }
    }
}
