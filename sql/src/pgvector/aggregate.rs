//! `sum` and `avg` of vectors.
//!
//! As in pgvector, `sum` adds up in the elements' own type and `avg` in doubles.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, LargeListArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::Accumulator;
use datafusion::logical_expr::utils::format_state_name;
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, Result};

use super::dense::{Dense, DenseBuilder};
use super::function::{Function, element_wise, overflow};
use super::kind::{Kind, half_of};

/// The vector that some vectors add up to, element by element.
#[derive(Debug)]
pub(crate) struct Summing {
    average: bool,
    result: SqlType,
    kind: Kind,
    /// Empty before the first vector.
    totals: Vec<f64>,
    count: i64,
}

impl Summing {
    /// Whether a type is one of vectors that add up.
    pub(crate) fn takes(data_type: &DataType) -> bool {
        SqlType::of_arrow(data_type).and_then(|sql_type| Kind::of(&sql_type)).is_some_and(Kind::is_dense)
    }

    /// A sum, or an average, of vectors of a type.
    pub(crate) fn new(average: bool, data_type: &DataType) -> Summing {
        let result = SqlType::of_arrow(data_type).unwrap_or(SqlType::Vector(0));
        let kind = Kind::of(&result).unwrap_or(Kind::Vector);
        Summing { average, result, kind, totals: Vec::new(), count: 0 }
    }

    /// What the states of a group are kept in.
    pub(crate) fn state_fields(name: &str) -> Vec<FieldRef> {
        vec![
            Arc::new(Field::new(format_state_name(name, "totals"), totals_type(), true)),
            Arc::new(Field::new(format_state_name(name, "count"), DataType::Int64, true)),
        ]
    }

    fn add(&mut self, vector: &[f32]) -> Result<()> {
        if self.totals.is_empty() {
            self.totals = vector.iter().map(|element| f64::from(*element)).collect();
        } else if self.average {
            Kind::check_expected(self.totals.len() as u32, vector.len())?;
            self.totals.iter_mut().zip(vector).for_each(|(total, element)| *total += f64::from(*element));
        } else {
            let totals: Vec<f32> = self.totals.iter().map(|total| *total as f32).collect();
            let totals = element_wise(Function::Add, self.kind, &totals, vector)?;
            self.totals = totals.into_iter().map(f64::from).collect();
        }
        self.count += 1;
        Ok(())
    }

    /// Adds what another has added up.
    fn merge(&mut self, totals: &[f64], count: i64) -> Result<()> {
        if self.average && !self.totals.is_empty() {
            Kind::check_expected(self.totals.len() as u32, totals.len())?;
            self.totals.iter_mut().zip(totals).for_each(|(total, more)| *total += more);
        } else if self.totals.is_empty() {
            self.totals = totals.to_vec();
        } else {
            let totals: Vec<f32> = totals.iter().map(|total| *total as f32).collect();
            self.add(&totals)?;
            self.count -= 1;
        }
        self.count += count;
        Ok(())
    }

    fn finish(&self) -> Result<ArrayRef> {
        let mut out = DenseBuilder::new(&self.result, 1);
        if self.count == 0 {
            out.push_null();
            return out.finish();
        }
        let divisor = if self.average { self.count as f64 } else { 1.0 };
        let elements = self.totals.iter().map(|total| {
            let element = (total / divisor) as f32;
            let element = if self.kind == Kind::Halfvec { half_of(element) } else { element };
            if element.is_infinite() { Err(overflow()) } else { Ok(element) }
        });
        out.push(elements.collect::<Result<Vec<_>>>()?)?;
        out.finish()
    }
}

fn totals_type() -> DataType {
    DataType::LargeList(Arc::new(Field::new_list_field(DataType::Float64, true)))
}

impl Accumulator for Summing {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        let [values] = values else { return Err(Error::internal("sum takes one argument").into()) };
        let vectors = Dense::new(values)?;
        for row in 0..vectors.len() {
            if !vectors.is_null(row) {
                self.add(vectors.row(row))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        ScalarValue::try_from_array(&self.finish()?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + size_of_val(self.totals.as_slice())
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let totals = Arc::new(arrow::array::Float64Array::from(self.totals.clone()));
        let offsets = OffsetBuffer::from_lengths([self.totals.len()]);
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        let list = LargeListArray::try_new(item, offsets, totals, None)?;
        Ok(vec![ScalarValue::LargeList(Arc::new(list)), ScalarValue::Int64(Some(self.count))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let [totals, counts] = states else { return Err(Error::internal("a state of two parts").into()) };
        let (totals, counts): (&LargeListArray, &Int64Array) =
            (totals.as_list::<i64>(), counts.as_primitive::<Int64Type>());
        for row in 0..totals.len() {
            let count = if counts.is_null(row) { 0 } else { counts.value(row) };
            if count > 0 {
                self.merge(totals.value(row).as_primitive::<Float64Type>().values(), count)?;
            }
        }
        Ok(())
    }
}
