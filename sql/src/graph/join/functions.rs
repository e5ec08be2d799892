//! What openCypher computes otherwise than Postgres.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, make_comparator};
use arrow::compute::{SortOptions, binary as zipped};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use slipstream_engine::Error;

use slipstream_graph_language::syntax::{Arithmetic, Comparison};

/// Floating point numbers by IEEE 754: NaN is neither less than, equal to nor greater than anything, both zeros are equal,
/// and what is too large is infinite.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Ieee {
    operation: Operation,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Compare(Comparison),
    Compute(Arithmetic),
}

impl Ieee {
    pub(super) fn comparison(operator: Comparison, left: Expr, right: Expr) -> Expr {
        Self::call(Operation::Compare(operator), left, right)
    }

    pub(super) fn arithmetic(operator: Arithmetic, left: Expr, right: Expr) -> Expr {
        Self::call(Operation::Compute(operator), left, right)
    }

    fn call(operation: Operation, left: Expr, right: Expr) -> Expr {
        let signature = Signature::exact(vec![DataType::Float64, DataType::Float64], Volatility::Immutable);
        ScalarUDF::from(Ieee { operation, signature }).call(vec![left, right])
    }
}

impl ScalarUDFImpl for Ieee {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Compare(operator) => operator.symbol(),
            Operation::Compute(operator) => operator.symbol(),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(match self.operation {
            Operation::Compare(_) => DataType::Boolean,
            Operation::Compute(_) => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return Err(Error::internal("an operator takes two arguments").into());
        };
        let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
        let result: ArrayRef = match self.operation {
            Operation::Compare(operator) => Arc::new(compare(operator, left, right)),
            Operation::Compute(operator) => {
                let computed: Float64Array = zipped(left, right, |left, right| compute(operator, left, right))?;
                Arc::new(computed)
            }
        };
        Ok(ColumnarValue::Array(result))
    }
}

fn compare(operator: Comparison, left: &Float64Array, right: &Float64Array) -> BooleanArray {
    let test: fn(&f64, &f64) -> bool = match operator {
        Comparison::Equal => f64::eq,
        Comparison::NotEqual => f64::ne,
        Comparison::Less => f64::lt,
        Comparison::LessOrEqual => f64::le,
        Comparison::Greater => f64::gt,
        Comparison::GreaterOrEqual => f64::ge,
    };
    left.iter().zip(right).map(|(left, right)| Some(test(&left?, &right?))).collect()
}

fn compute(operator: Arithmetic, left: f64, right: f64) -> f64 {
    match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::Modulo => left % right,
        Arithmetic::Power => left.powf(right),
    }
}

/// `x IN list`: true where the list has it, NULL where that cannot be known, false where the list is empty.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct InList {
    signature: Signature,
}

impl InList {
    pub(super) fn call(value: Expr, list: Expr) -> Expr {
        let signature = Signature::any(2, Volatility::Immutable);
        ScalarUDF::from(InList { signature }).call(vec![value, list])
    }
}

impl ScalarUDFImpl for InList {
    fn name(&self) -> &str {
        "in_list"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [values, lists] = arrays.as_slice() else {
            return Err(Error::internal("membership takes two arguments").into());
        };
        let lists = lists.as_list::<i32>();
        let (values, items) = (comparable(values)?, comparable(lists.values())?);
        let equal = equality(&values, &items)?;
        let held = |row: usize| -> Option<bool> {
            let range = lists.value_offsets()[row] as usize..lists.value_offsets()[row + 1] as usize;
            if lists.is_null(row) {
                return None;
            }
            if range.is_empty() {
                return Some(false);
            }
            if values.is_null(row) {
                return None;
            }
            let (mut found, mut unknown) = (false, false);
            for at in range {
                match items.is_null(at) {
                    true => unknown = true,
                    false => found |= equal(row, at),
                }
            }
            if found { Some(true) } else { (!unknown).then_some(false) }
        };
        let result: BooleanArray = (0..values.len()).map(held).collect();
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}

/// Numbers of one kind in the widest type of it.
fn comparable(values: &ArrayRef) -> PlanResult<ArrayRef> {
    let data_type = match values.data_type() {
        data_type if data_type.is_integer() => DataType::Int64,
        data_type if data_type.is_floating() => DataType::Float64,
        data_type => data_type.clone(),
    };
    Ok(arrow::compute::cast(values, &data_type)?)
}

/// Whether the value at one place equals the item at another; neither is NULL.
fn equality(values: &ArrayRef, items: &ArrayRef) -> PlanResult<Box<dyn Fn(usize, usize) -> bool>> {
    if let (Some(values), Some(items)) =
        (values.as_primitive_opt::<Float64Type>(), items.as_primitive_opt::<Float64Type>())
    {
        let (values, items) = (values.clone(), items.clone());
        return Ok(Box::new(move |value, item| values.value(value) == items.value(item)));
    }
    let order = make_comparator(values.as_ref(), items.as_ref(), SortOptions::default())?;
    Ok(Box::new(move |value, item| order(value, item).is_eq()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, ListArray};
    use arrow::datatypes::{Field, Int64Type};
    use datafusion::config::ConfigOptions;

    use super::*;

    fn invoke(function: impl ScalarUDFImpl, args: Vec<ArrayRef>, data_type: DataType) -> ArrayRef {
        let rows = args[0].len();
        let fields = args.iter().map(|arg| Arc::new(Field::new("", arg.data_type().clone(), true))).collect();
        let args = ScalarFunctionArgs {
            args: args.into_iter().map(ColumnarValue::Array).collect(),
            arg_fields: fields,
            number_rows: rows,
            return_field: Arc::new(Field::new("", data_type, true)),
            config_options: Arc::new(ConfigOptions::default()),
        };
        function.invoke_with_args(args).and_then(|value| value.into_array(rows)).unwrap()
    }

    #[test]
    fn membership_is_unknown_where_null_could_be_the_value() {
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            Some(vec![Some(1), None]),
            Some(vec![Some(1), None]),
            Some(vec![]),
            Some(vec![]),
            Some(vec![Some(1)]),
            None,
        ]);
        let values = Int32Array::from(vec![Some(2), Some(1), Some(2), Some(1), None, None, Some(1)]);
        let signature = Signature::any(2, Volatility::Immutable);
        let held = invoke(InList { signature }, vec![Arc::new(values), Arc::new(lists)], DataType::Boolean);
        let expected = BooleanArray::from(vec![Some(true), Some(true), None, Some(false), Some(false), None, None]);
        assert_eq!(held.as_boolean(), &expected);
    }

    #[test]
    fn nan_is_unlike_anything_and_zeros_are_alike() {
        let left: ArrayRef = Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(-0.0), Some(1.0), None]));
        let right: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 0.0, f64::NAN, 1.0]));
        let test = |operator| {
            let signature = Signature::any(2, Volatility::Immutable);
            let function = Ieee { operation: Operation::Compare(operator), signature };
            let result = invoke(function, vec![Arc::clone(&left), Arc::clone(&right)], DataType::Boolean);
            result.as_boolean().iter().collect::<Vec<_>>()
        };
        assert_eq!(test(Comparison::Equal), [Some(false), Some(true), Some(false), None]);
        assert_eq!(test(Comparison::NotEqual), [Some(true), Some(false), Some(true), None]);
        assert_eq!(test(Comparison::Less), [Some(false), Some(false), Some(false), None]);
        assert_eq!(test(Comparison::GreaterOrEqual), [Some(false), Some(true), Some(false), None]);
    }
}
