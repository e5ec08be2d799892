//! `x = ANY (array)` and `x <> ALL (array)`, and the other comparisons.
//!
//! DataFusion asks whether an array has an element, and forgets that NULL in the array leaves the answer open. So the syntax
//! tree's operator becomes a function ([`function_name`]), which gets its types from [`Quantified::types`]. Where the array is
//! a constant, `= ANY` is IN and `<> ALL` is NOT IN ([`as_list`]), which scans and keys can use.

use std::sync::Arc;

use crate::pgvector::Kind;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, ListArray, UInt32Array};
use arrow::compute::kernels::cmp;
use arrow::compute::take;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::logical_expr::expr::{InList, ScalarFunction};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use slipstream_engine::types::{DEFAULT_NUMERIC, SqlType};
use slipstream_engine::{Error, ErrorKind, Result};

use super::operand::{is_float, is_number, is_text, rank};
use crate::types::typed_literal;

/// A comparison with the elements of an array.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Quantified {
    name: &'static str,
    /// How the left side compares with an element.
    pub(super) operator: Operator,
    /// Whether it must with all elements, rather than any.
    pub(super) all: bool,
    signature: Signature,
}

/// The functions, by name.
const NAMES: [(&str, Operator, bool); 12] = [
    ("any_eq", Operator::Eq, false),
    ("any_not_eq", Operator::NotEq, false),
    ("any_lt", Operator::Lt, false),
    ("any_lt_eq", Operator::LtEq, false),
    ("any_gt", Operator::Gt, false),
    ("any_gt_eq", Operator::GtEq, false),
    ("all_eq", Operator::Eq, true),
    ("all_not_eq", Operator::NotEq, true),
    ("all_lt", Operator::Lt, true),
    ("all_lt_eq", Operator::LtEq, true),
    ("all_gt", Operator::Gt, true),
    ("all_gt_eq", Operator::GtEq, true),
];

/// The function that an operator with ANY or ALL is; `None` where there is none.
pub(crate) fn function_name(operator: &BinaryOperator, all: bool) -> Option<&'static str> {
    let operator = match operator {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.last()?.as_str() {
            "=" => Operator::Eq,
            "<>" => Operator::NotEq,
            _ => return None,
        },
        _ => return None,
    };
    NAMES.iter().find(|(_, of, every)| *of == operator && *every == all).map(|(name, ..)| *name)
}

pub(crate) fn functions() -> Vec<ScalarUDF> {
    NAMES
        .iter()
        .map(|(name, operator, all)| {
            let signature = Signature::any(2, Volatility::Immutable);
            ScalarUDF::from(Quantified { name, operator: *operator, all: *all, signature })
        })
        .collect()
}

impl Quantified {
    /// The comparison that a function is.
    pub(crate) fn of(function: &ScalarUDF) -> Option<&Quantified> {
        let implementation: &dyn std::any::Any = function.inner().as_ref();
        implementation.downcast_ref()
    }

    /// The type that both the left side and the elements are compared in, by what is known of each.
    pub(crate) fn types(left: Option<&SqlType>, right: Option<&SqlType>) -> Result<Option<SqlType>> {
        let item = match right {
            Some(SqlType::Array(item)) => Some(item.as_ref()),
            Some(_) => {
                return Err(Error::new(ErrorKind::WrongObjectType, "op ANY/ALL (array) requires array on right side"));
            }
            None => None,
        };
        let common = match (left, item) {
            (None, None) => return Ok(None),
            // A number that is still to come may have more digits than the column that it is compared with.
            (Some(one), None) | (None, Some(one)) => roomy(one),
            (Some(a), Some(b)) => common(a, b)?,
        };
        match common {
            SqlType::Interval | SqlType::Array(_) | SqlType::Json | SqlType::Bit(_) | SqlType::Varbit(_) => {
                Err(Error::not_supported(format!("ANY and ALL of type {common} are not supported")))
            }
            common if Kind::of(&common).is_some() => {
                Err(Error::not_supported(format!("ANY and ALL of type {common} are not supported")))
            }
            common => Ok(Some(common)),
        }
    }
}

fn roomy(sql_type: &SqlType) -> SqlType {
    match sql_type {
        SqlType::Varchar(_) => SqlType::Text,
        SqlType::Numeric { scale, .. } => SqlType::Numeric { precision: 38, scale: (*scale).max(DEFAULT_NUMERIC.1) },
        other => other.clone(),
    }
}

fn common(a: &SqlType, b: &SqlType) -> Result<SqlType> {
    Ok(match (a, b) {
        (a, b) if a == b => a.clone(),
        (a, b) if is_text(a) && is_text(b) => SqlType::Text,
        (a, b) if is_number(a) && is_number(b) && (is_float(a) || is_float(b)) => SqlType::Double,
        (SqlType::Numeric { scale: a, .. }, SqlType::Numeric { scale: b, .. }) => {
            SqlType::Numeric { precision: 38, scale: *a.max(b) }
        }
        (SqlType::Numeric { scale, .. }, other) | (other, SqlType::Numeric { scale, .. }) if is_number(other) => {
            SqlType::Numeric { precision: 38, scale: *scale }
        }
        (a, b) if is_number(a) && is_number(b) => {
            if rank(a) >= rank(b) {
                a.clone()
            } else {
                b.clone()
            }
        }
        (SqlType::Date | SqlType::Timestamp, SqlType::Date | SqlType::Timestamp) => SqlType::Timestamp,
        (
            SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz,
            SqlType::Date | SqlType::Timestamp | SqlType::TimestampTz,
        ) => SqlType::TimestampTz,
        (a, b) => {
            let message = format!("operator does not exist: {a} = {b}");
            return Err(Error::new(ErrorKind::UndefinedFunction, message).with_hint(
                "No operator matches the given name and argument types. You might need to add explicit type casts.",
            ));
        }
    })
}

/// `x = ANY (constant)` as a list of what it may be, `x <> ALL (constant)` as one of what it may not be.
pub(crate) fn as_list(call: &ScalarFunction) -> PlanResult<Option<Expr>> {
    let (Some(quantified), [left, Expr::Literal(ScalarValue::List(array), _)]) =
        (Quantified::of(&call.func), call.args.as_slice())
    else {
        return Ok(None);
    };
    let negated = match (quantified.operator, quantified.all) {
        (Operator::Eq, false) => false,
        (Operator::NotEq, true) => true,
        _ => return Ok(None),
    };
    if array.len() != 1 || array.is_null(0) {
        return Ok(None);
    }
    let items = array.value(0);
    if items.is_empty() {
        return Ok(Some(lit(negated)));
    }
    let list = (0..items.len())
        .map(|row| {
            let value = ScalarValue::try_from_array(&items, row)?;
            Ok(match SqlType::of_arrow(items.data_type()) {
                Some(sql_type) => typed_literal(&sql_type, value),
                None => Expr::Literal(value, None),
            })
        })
        .collect::<PlanResult<Vec<_>>>()?;
    Ok(Some(Expr::InList(InList::new(Box::new(left.clone()), list, negated))))
}

impl ScalarUDFImpl for Quantified {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> PlanResult<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let [left, right] = args.args.as_slice() else {
            return Err(DataFusionError::from(Error::internal("ANY and ALL take two operands")));
        };
        let (left, right) = (left.to_array(rows)?, right.to_array(rows)?);
        let answers: ArrayRef = match right.as_list_opt::<i32>() {
            Some(lists) => Arc::new(self.compare(&left, lists)?),
            // The literal NULL.
            None => Arc::new(BooleanArray::new_null(rows)),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&answers, 0)?),
            false => ColumnarValue::Array(answers),
        })
    }
}

impl Quantified {
    /// Compares each row of `left` with the elements of its list, all at once, and sums up.
    fn compare(&self, left: &ArrayRef, lists: &ListArray) -> PlanResult<BooleanArray> {
        let offsets = lists.value_offsets();
        let elements = lists.values().slice(offsets[0] as usize, (offsets[lists.len()] - offsets[0]) as usize);
        let repeated = (0..lists.len() as u32).flat_map(|row| {
            let length = offsets[row as usize + 1] - offsets[row as usize];
            std::iter::repeat_n(row, length as usize)
        });
        let repeated = take(left, &UInt32Array::from_iter_values(repeated), None)?;
        let (repeated, elements) = (one_zero(&repeated), one_zero(&elements));
        let compared = match self.operator {
            Operator::Eq => cmp::eq(&repeated, &elements)?,
            Operator::NotEq => cmp::neq(&repeated, &elements)?,
            Operator::Lt => cmp::lt(&repeated, &elements)?,
            Operator::LtEq => cmp::lt_eq(&repeated, &elements)?,
            Operator::Gt => cmp::gt(&repeated, &elements)?,
            _ => cmp::gt_eq(&repeated, &elements)?,
        };
        let mut answers = BooleanBuilder::with_capacity(lists.len());
        for row in 0..lists.len() {
            let (start, end) = (offsets[row] - offsets[0], offsets[row + 1] - offsets[0]);
            answers.append_option(match lists.is_null(row) {
                true => None,
                false => self.sum_up(&compared.slice(start as usize, (end - start) as usize)),
            });
        }
        Ok(answers.finish())
    }

    /// ANY is an OR of the comparisons, ALL an AND: one that decides does, NULL leaves it open.
    fn sum_up(&self, compared: &BooleanArray) -> Option<bool> {
        let decides = !self.all;
        if compared.iter().any(|answer| answer == Some(decides)) {
            return Some(decides);
        }
        (compared.null_count() == 0).then_some(!decides)
    }
}

/// Arrow tells -0 from 0, SQL does not.
fn one_zero(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(|value| value + 0.0)),
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(|value| value + 0.0)),
        _ => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int32Array;
    use arrow::datatypes::Int32Type;

    use super::*;

    fn answers(name: &str, left: Vec<Option<i32>>, lists: Vec<Option<Vec<Option<i32>>>>) -> Vec<Option<bool>> {
        let function = functions().into_iter().find(|function| function.name() == name).expect(name);
        let left: ArrayRef = Arc::new(Int32Array::from(left));
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>(lists);
        let quantified = Quantified::of(&function).expect("one of ours");
        quantified.compare(&left, &lists).expect("integers").iter().collect()
    }

    #[test]
    fn null_leaves_the_answer_open_and_no_elements_decide_it() {
        let left = vec![Some(1), Some(1), Some(1), None, None, Some(1)];
        let lists = || {
            vec![
                Some(vec![Some(1), None]),
                Some(vec![Some(2), None]),
                Some(vec![Some(2)]),
                Some(vec![Some(1)]),
                Some(vec![]),
                None,
            ]
        };
        assert_eq!(answers("any_eq", left.clone(), lists()), [Some(true), None, Some(false), None, Some(false), None]);
        assert_eq!(answers("all_not_eq", left, lists()), [Some(false), None, Some(true), None, Some(true), None]);
    }

    #[test]
    fn numbers_that_are_still_to_come_have_room() {
        let money = SqlType::Numeric { precision: 10, scale: 2 };
        let roomy = SqlType::Numeric { precision: 38, scale: 10 };
        assert_eq!(Quantified::types(Some(&money), None).expect("numbers"), Some(roomy));
        let error = Quantified::types(Some(&SqlType::Text), Some(&SqlType::Text)).expect_err("no array");
        assert_eq!(error.kind(), ErrorKind::WrongObjectType);
    }
}
