//! A value of the row for which a subquery runs, as a function in the subquery's plan.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use parking_lot::RwLock;
use slipstream_engine::Error;

/// The values of the row for which a subquery runs.
pub(super) type Row = Arc<RwLock<Vec<ScalarValue>>>;

/// `?outer(number, NULL of its type)`.
#[derive(Debug)]
pub(super) struct OuterValue {
    row: Row,
    signature: Signature,
}

impl OuterValue {
    const NAME: &'static str = slipstream_catalog::vector_search::OUTER_VALUE;

    fn of(row: &Row) -> Self {
        // What it gives differs from run to run of one plan, so nobody may compute it ahead.
        OuterValue { row: Arc::clone(row), signature: Signature::any(2, Volatility::Volatile) }
    }

    /// The value of that number, of the type of `field`.
    pub(super) fn call(number: usize, field: &FieldRef) -> PlanResult<Expr> {
        let number = Expr::Literal(ScalarValue::UInt64(Some(number as u64)), None);
        let null = Expr::Literal(ScalarValue::try_from(field.data_type())?, Some(field.as_ref().into()));
        Ok(ScalarUDF::from(OuterValue::of(&Row::default())).call(vec![number, null]))
    }
}

/// The types that the subquery was planned for, by the number of their value.
pub(super) fn types(plan: &LogicalPlan) -> PlanResult<BTreeMap<usize, DataType>> {
    let mut types = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.name() == OuterValue::NAME
                    && let [Expr::Literal(ScalarValue::UInt64(Some(number)), _), Expr::Literal(null, _)] =
                        call.args.as_slice()
                {
                    types.insert(*number as usize, null.data_type());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

/// The plan with values that come out of `row`.
pub(super) fn with_row(plan: LogicalPlan, row: &Row) -> PlanResult<LogicalPlan> {
    let function = Arc::new(ScalarUDF::from(OuterValue::of(row)));
    let own = plan.transform_down_with_subqueries(|node| {
        node.map_expressions(|expr| {
            expr.transform_down(|expr| match expr {
                Expr::ScalarFunction(mut call) if call.func.name() == OuterValue::NAME => {
                    call.func = Arc::clone(&function);
                    Ok(Transformed::yes(Expr::ScalarFunction(call)))
                }
                other => Ok(Transformed::no(other)),
            })
        })
    });
    own.map(|own| own.data)
}

impl PartialEq for OuterValue {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.row, &other.row)
    }
}

impl Eq for OuterValue {}

impl Hash for OuterValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Self::NAME.hash(state);
    }
}

impl ScalarUDFImpl for OuterValue {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> PlanResult<DataType> {
        types.get(1).cloned().ok_or_else(|| Error::internal("an outer value has no type").into())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> PlanResult<FieldRef> {
        let field = args.arg_fields.get(1).ok_or_else(|| Error::internal("an outer value has no type"))?;
        Ok(Arc::new(field.as_ref().clone().with_name(Self::NAME).with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> PlanResult<ColumnarValue> {
        let Some(ColumnarValue::Scalar(ScalarValue::UInt64(Some(number)))) = args.args.first() else {
            return Err(Error::internal("an outer value has no number").into());
        };
        let row = self.row.read();
        let value = row.get(*number as usize).cloned();
        value.map(ColumnarValue::Scalar).ok_or_else(|| Error::internal("a subquery ran without its row").into())
    }
}
