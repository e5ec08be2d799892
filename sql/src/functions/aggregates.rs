//! `sum` and `avg` of exact numbers, exactly.
//!
//! As in Postgres, the sum of smallints and integers is a bigint, the sum of bigints and numerics a numeric; the average of
//! any of them is a numeric with at least 16 digits after the point. Sums run in 128 bits, and what does not fit is an
//! error. Vectors add up in [`crate::pgvector`]; floats, and everything else, are DataFusion's.

use std::collections::HashSet;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, PrimitiveArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::functions_aggregate::{average::avg_udaf, sum::sum_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::values::type_name;
use crate::pgvector::Summing;

const DECIMAL_DIGITS: u8 = 38;
/// Digits after the point that an average has at least.
const AVERAGE_SCALE: i8 = 16;

pub(super) fn functions() -> Vec<AggregateUDF> {
    [(Kind::Sum, sum_udaf()), (Kind::Average, avg_udaf())]
        .into_iter()
        .map(|(kind, other)| {
            AggregateUDF::from(Exact { kind, other, signature: Signature::user_defined(Volatility::Immutable) })
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Sum,
    Average,
}

/// `sum` or `avg`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Exact {
    kind: Kind,
    /// DataFusion's, for what is not exact.
    other: Arc<AggregateUDF>,
    signature: Signature,
}

/// The scale of an exact number type.
fn exact_scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(0),
        DataType::Decimal128(_, scale) => Some(*scale),
        _ => None,
    }
}

/// The type of the argument, if it is one of vectors that add up.
fn vectors(args: &AccumulatorArgs<'_>) -> Option<DataType> {
    args.expr_fields.first().map(|field| field.data_type().clone()).filter(Summing::takes)
}

impl Exact {
    fn exact_input(&self, fields: &[FieldRef]) -> Option<i8> {
        fields.first().and_then(|field| exact_scale(field.data_type()))
    }

    fn totals(&self, from: i8, result: &DataType) -> Totals {
        Totals { kind: self.kind, from, result: result.clone(), groups: Vec::new() }
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Sum => "sum",
            Kind::Average => "avg",
        }
    }

    fn aliases(&self) -> &[String] {
        self.other.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> PlanResult<Vec<DataType>> {
        match arg_types {
            [exact] if exact_scale(exact).is_some() || Summing::takes(exact) => Ok(arg_types.to_vec()),
            [DataType::Int8 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32] => Ok(vec![DataType::Int64]),
            [DataType::UInt64] => Ok(vec![DataType::Decimal128(20, 0)]),
            [text] if text.is_string() => Err(Error::new(
                ErrorKind::UndefinedFunction,
                format!("function {}(text) does not exist", self.name()),
            )
            .with_hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            )
            .into()),
            [DataType::LargeBinary | DataType::LargeList(_) | DataType::FixedSizeList(..)] => {
                let name =
                    SqlType::of_arrow(&arg_types[0]).map_or_else(|| "unknown".to_string(), |found| type_name(&found));
                Err(Error::new(
                    ErrorKind::UndefinedFunction,
                    format!("function {}({name}) does not exist", self.name()),
                )
                .with_hint(
                    "No function matches the given name and argument types. You might need to add explicit type casts.",
                )
                .into())
            }
            [other] => match self.other.signature().type_signature {
                datafusion::logical_expr::TypeSignature::UserDefined => self.other.coerce_types(arg_types),
                _ if other.is_null() => Ok(vec![DataType::Float64]),
                _ if *other == DataType::Float32 || *other == DataType::Float16 => Ok(vec![DataType::Float64]),
                _ => Ok(arg_types.to_vec()),
            },
            _ => {
                Err(Error::new(ErrorKind::UndefinedFunction, format!("function {} takes one argument", self.name()))
                    .into())
            }
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> PlanResult<DataType> {
        let scale = match arg_types {
            [argument] => exact_scale(argument).map(|scale| (argument, scale)),
            _ => None,
        };
        match (self.kind, scale) {
            (_, None) if arg_types.first().is_some_and(Summing::takes) => Ok(arg_types[0].clone()),
            (Kind::Sum, Some((DataType::Int16 | DataType::Int32, _))) => Ok(DataType::Int64),
            (Kind::Sum, Some((_, scale))) => Ok(DataType::Decimal128(DECIMAL_DIGITS, scale)),
            (Kind::Average, Some((_, scale))) => Ok(DataType::Decimal128(DECIMAL_DIGITS, scale.max(AVERAGE_SCALE))),
            (_, None) => self.other.return_type(arg_types),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> PlanResult<Vec<FieldRef>> {
        if args.input_fields.first().is_some_and(|field| Summing::takes(field.data_type())) {
            return Ok(Summing::state_fields(args.name));
        }
        let Some(scale) = self.exact_input(args.input_fields) else { return self.other.state_fields(args) };
        let total = DataType::Decimal128(DECIMAL_DIGITS, scale);
        Ok(match args.is_distinct {
            true => vec![Arc::new(Field::new(format_state_name(args.name, "distinct"), list_of(&total), true))],
            false => vec![
                Arc::new(Field::new(format_state_name(args.name, "total"), total, true)),
                Arc::new(Field::new(format_state_name(args.name, "count"), DataType::Int64, true)),
            ],
        })
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        if let Some(vectors) = vectors(&args) {
            if args.is_distinct {
                return Err(
                    Error::not_supported(format!("{}(DISTINCT) of vectors is not supported", self.name())).into()
                );
            }
            return Ok(Box::new(Summing::new(self.kind == Kind::Average, &vectors)));
        }
        let Some(scale) = self.exact_input(args.expr_fields) else { return self.other.accumulator(args) };
        let mut totals = self.totals(scale, args.return_type());
        totals.groups.push(Total::default());
        Ok(match args.is_distinct {
            true => Box::new(Distinct { values: HashSet::new(), totals }),
            false => Box::new(Single(totals)),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn Accumulator>> {
        match self.exact_input(args.expr_fields) {
            _ if vectors(&args).is_some() => {
                Err(Error::not_supported("sum and avg of vectors over a frame that moves are not supported").into())
            }
            Some(_) => self.accumulator(args),
            None => self.other.create_sliding_accumulator(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        match self.exact_input(args.expr_fields) {
            Some(_) => !args.is_distinct,
            None if vectors(&args).is_some() => false,
            None => self.other.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> PlanResult<Box<dyn GroupsAccumulator>> {
        match self.exact_input(args.expr_fields) {
            Some(scale) => Ok(Box::new(self.totals(scale, args.return_type()))),
            None => self.other.create_groups_accumulator(args),
        }
    }
}

fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// The sum and the number of the values of one group.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    sum: i128,
    count: i64,
}

impl Total {
    fn add(&mut self, value: i128, count: i64) -> Result<()> {
        self.sum = self.sum.checked_add(value).ok_or_else(overflow)?;
        self.count += count;
        Ok(())
    }
}

fn overflow() -> Error {
    Error::new(ErrorKind::NumericOutOfRange, "value overflows numeric format")
}

/// The totals of groups.
#[derive(Debug)]
struct Totals {
    kind: Kind,
    /// Scale of the values.
    from: i8,
    result: DataType,
    groups: Vec<Total>,
}

impl Totals {
    /// The values as unscaled integers.
    fn values(array: &ArrayRef) -> PlanResult<PrimitiveArray<Decimal128Type>> {
        let decimals = match array.data_type() {
            DataType::Decimal128(..) => Arc::clone(array),
            _ => cast(array, &DataType::Decimal128(19, 0))?,
        };
        Ok(decimals.as_primitive::<Decimal128Type>().clone())
    }

    /// The result of one group; NULL if it had no values.
    fn finish(&self, total: Total) -> Result<Option<i128>> {
        if total.count == 0 {
            return Ok(None);
        }
        let DataType::Decimal128(_, scale) = self.result else {
            return match i64::try_from(total.sum) {
                Ok(sum) => Ok(Some(sum.into())),
                Err(_) => Err(Error::new(ErrorKind::NumericOutOfRange, "bigint out of range")),
            };
        };
        let value = match self.kind {
            Kind::Sum => Some(total.sum),
            Kind::Average => average(total, scale - self.from),
        };
        let limit = 10_u128.pow(DECIMAL_DIGITS.into());
        value.filter(|value| value.unsigned_abs() < limit).map(Some).ok_or_else(overflow)
    }

    fn results(&self, totals: &[Total]) -> Result<ArrayRef> {
        let results = totals.iter().map(|total| self.finish(*total)).collect::<Result<Vec<_>>>()?;
        Ok(match &self.result {
            DataType::Decimal128(..) => {
                Arc::new(PrimitiveArray::<Decimal128Type>::from(results).with_data_type(self.result.clone()))
            }
            _ => Arc::new(results.into_iter().map(|sum| sum.map(|sum| sum as i64)).collect::<Int64Array>()),
        })
    }

    fn state_of(&self, totals: &[Total]) -> Vec<ArrayRef> {
        let sums = PrimitiveArray::<Decimal128Type>::from_iter_values(totals.iter().map(|total| total.sum))
            .with_data_type(DataType::Decimal128(DECIMAL_DIGITS, self.from));
        let counts = Int64Array::from_iter_values(totals.iter().map(|total| total.count));
        vec![Arc::new(sums), Arc::new(counts)]
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Total> {
        emit_to.take_needed(&mut self.groups)
    }
}

/// The average with `digits` more than the sum has, rounded half away from zero.
fn average(total: Total, digits: i8) -> Option<i128> {
    let unit = 10_i128.checked_pow(digits.max(0) as u32)?;
    let scaled = i256::from_i128(total.sum).checked_mul(i256::from_i128(unit))?;
    let count = i256::from_i128(total.count.into());
    let (quotient, rest) = (scaled.checked_div(count)?, scaled.checked_rem(count)?);
    let up = rest.wrapping_abs().checked_mul(i256::from_i128(2))? >= count;
    let away = if total.sum < 0 { -1 } else { 1 };
    quotient.to_i128()?.checked_add(if up { away } else { 0 })
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl GroupsAccumulator for Totals {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> PlanResult<()> {
        self.groups.resize(total_num_groups, Total::default());
        let values = Self::values(&values[0])?;
        for (row, (value, group)) in values.iter().zip(group_indices).enumerate() {
            if let Some(value) = value
                && passes(opt_filter, row)
            {
                self.groups[*group].add(value, 1)?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> PlanResult<ArrayRef> {
        let totals = self.take(emit_to);
        Ok(self.results(&totals)?)
    }

    fn state(&mut self, emit_to: EmitTo) -> PlanResult<Vec<ArrayRef>> {
        let totals = self.take(emit_to);
        Ok(self.state_of(&totals))
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> PlanResult<()> {
        self.groups.resize(total_num_groups, Total::default());
        let (sums, counts) = (values[0].as_primitive::<Decimal128Type>(), values[1].as_primitive::<Int64Type>());
        for (row, group) in group_indices.iter().enumerate() {
            if sums.is_valid(row) && passes(opt_filter, row) {
                self.groups[*group].add(sums.value(row), counts.value(row))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> PlanResult<Vec<ArrayRef>> {
        let values = Self::values(&values[0])?;
        let totals: Vec<Total> = values
            .iter()
            .enumerate()
            .map(|(row, value)| match value {
                Some(sum) if passes(opt_filter, row) => Total { sum, count: 1 },
                _ => Total::default(),
            })
            .collect();
        Ok(self.state_of(&totals))
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.groups.capacity() * size_of::<Total>()
    }
}

/// All values are one group.
#[derive(Debug)]
struct Single(Totals);

impl Single {
    fn total(&mut self) -> &mut Total {
        &mut self.0.groups[0]
    }
}

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        for value in Totals::values(&values[0])?.iter().flatten() {
            self.total().add(value, 1)?;
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        for value in Totals::values(&values[0])?.iter().flatten() {
            self.total().add(-value, -1)?;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        ScalarValue::try_from_array(&self.0.results(&self.0.groups)?, 0)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        self.0.state_of(&self.0.groups).iter().map(|array| ScalarValue::try_from_array(array, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        let (sums, counts) = (states[0].as_primitive::<Decimal128Type>(), states[1].as_primitive::<Int64Type>());
        for (sum, count) in sums.iter().zip(counts) {
            self.total().add(sum.unwrap_or_default(), count.unwrap_or_default())?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + size_of::<Total>()
    }
}

/// Each different value once.
#[derive(Debug)]
struct Distinct {
    values: HashSet<i128>,
    totals: Totals,
}

impl Accumulator for Distinct {
    fn update_batch(&mut self, values: &[ArrayRef]) -> PlanResult<()> {
        self.values.extend(Totals::values(&values[0])?.iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> PlanResult<ScalarValue> {
        let mut total = Total::default();
        for value in &self.values {
            total.add(*value, 1)?;
        }
        ScalarValue::try_from_array(&self.totals.results(&[total])?, 0)
    }

    fn state(&mut self) -> PlanResult<Vec<ScalarValue>> {
        let total = DataType::Decimal128(DECIMAL_DIGITS, self.totals.from);
        let values = PrimitiveArray::<Decimal128Type>::from_iter_values(self.values.iter().copied())
            .with_data_type(total.clone());
        let offsets = OffsetBuffer::from_lengths([values.len()]);
        let DataType::List(item) = list_of(&total) else {
            return Err(DataFusionError::from(Error::internal("a list is a list")));
        };
        Ok(vec![ScalarValue::List(Arc::new(ListArray::new(item, offsets, Arc::new(values), None)))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> PlanResult<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.values.extend(list.as_primitive::<Decimal128Type>().iter().flatten());
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * size_of::<i128>()
    }
}
