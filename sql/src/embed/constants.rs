//! `embed` of what depends on no row.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result as PlanResult;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::async_udf::AsyncScalarUDF;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF};
use slipstream_catalog::vector_search::OUTER_VALUE;
use slipstream_engine::types::{SqlType, field_ref};
use slipstream_engine::{Error, Result};

use super::NAME;
use crate::error::from_datafusion;

/// The plan with a literal in the place of every `embed` whose text is known. Parameters must have their values.
pub(crate) async fn with_constants(plan: LogicalPlan, session: &SessionState) -> Result<LogicalPlan> {
    if !is_asked(&plan).map_err(from_datafusion)? {
        return Ok(plan);
    }
    let calls = constant_calls(&plan).map_err(from_datafusion)?;
    let mut texts: HashMap<Arc<ScalarUDF>, Vec<Option<String>>> = HashMap::new();
    for call in &calls {
        texts.entry(Arc::clone(&call.func)).or_default().push(text_of(call, session)?);
    }
    let mut vectors: HashMap<(Arc<ScalarUDF>, Option<String>), ScalarValue> = HashMap::new();
    for (function, texts) in texts {
        let found = ask(&function, &texts, session).await?;
        for (row, text) in texts.into_iter().enumerate() {
            let vector = ScalarValue::try_from_array(&found, row).map_err(from_datafusion)?;
            vectors.insert((Arc::clone(&function), text), vector);
        }
    }
    let plan = match calls.is_empty() {
        true => plan,
        false => replaced(plan, &vectors, session).map_err(from_datafusion)?,
    };
    refuse(&plan)?;
    Ok(plan)
}

/// The asynchronous function of a call of `embed`.
fn embed_of(function: &ScalarUDF) -> Option<&AsyncScalarUDF> {
    let implementation: &dyn std::any::Any = function.inner().as_ref();
    if function.name() == NAME { implementation.downcast_ref() } else { None }
}

/// The call of `embed` that an expression is, if its text depends on no row.
fn constant_call(expr: &Expr) -> Option<&ScalarFunction> {
    match expr {
        Expr::ScalarFunction(call) if embed_of(&call.func).is_some() => {
            let depends = |expr: &Expr| match expr {
                Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::ScalarSubquery(_) => true,
                Expr::ScalarFunction(call) => call.func.name() == OUTER_VALUE,
                _ => false,
            };
            let is_constant = !call.args.iter().any(|arg| arg.exists(|expr| Ok(depends(expr))).unwrap_or(true));
            is_constant.then_some(call)
        }
        _ => None,
    }
}

/// Whether anything of the plan calls `embed`.
fn is_asked(plan: &LogicalPlan) -> PlanResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            found |= expr.exists(|expr| Ok(is_call(expr)))?;
            Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    Ok(found)
}

/// Whether an expression is a call of `embed`.
pub(crate) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if embed_of(&call.func).is_some())
}

fn constant_calls(plan: &LogicalPlan) -> PlanResult<Vec<ScalarFunction>> {
    let mut calls = Vec::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                calls.extend(constant_call(expr).cloned());
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(calls)
}

/// The text of a call; `None` for NULL.
fn text_of(call: &ScalarFunction, session: &SessionState) -> Result<Option<String>> {
    let [argument] = call.args.as_slice() else { return Err(Error::internal("embed takes one argument")) };
    let expr = session.create_physical_expr(argument.clone(), &DFSchema::empty()).map_err(from_datafusion)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
        .map_err(crate::error::from_arrow)?;
    let value = expr.evaluate(&row).and_then(|value| value.into_array(1)).map_err(from_datafusion)?;
    let text = cast(&value, &DataType::Utf8).map_err(crate::error::from_arrow)?;
    let text = text.as_any().downcast_ref::<StringArray>().ok_or_else(|| Error::internal("a text that is none"))?;
    Ok(text.is_valid(0).then(|| text.value(0).to_string()))
}

/// The vectors of some texts.
async fn ask(function: &ScalarUDF, texts: &[Option<String>], session: &SessionState) -> Result<ArrayRef> {
    let embed = embed_of(function).ok_or_else(|| Error::internal("embed is not what it was"))?;
    let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let data_type = embed_type(function)?;
    let args = ScalarFunctionArgs {
        number_rows: array.len(),
        args: vec![datafusion::logical_expr::ColumnarValue::Array(array)],
        arg_fields: vec![field_ref("text", &SqlType::Text, true)],
        return_field: Arc::new(arrow::datatypes::Field::new(NAME, data_type, true)),
        config_options: Arc::clone(session.config_options()),
    };
    let vectors = embed.invoke_async_with_args(args).await.map_err(from_datafusion)?;
    vectors.into_array(texts.len()).map_err(from_datafusion)
}

fn embed_type(function: &ScalarUDF) -> Result<DataType> {
    function.return_type(&[DataType::Utf8]).map_err(from_datafusion)
}

fn replaced(
    plan: LogicalPlan,
    vectors: &HashMap<(Arc<ScalarUDF>, Option<String>), ScalarValue>,
    session: &SessionState,
) -> PlanResult<LogicalPlan> {
    let replace = |expr: Expr| -> PlanResult<Transformed<Expr>> {
        let Some(call) = constant_call(&expr) else { return Ok(Transformed::no(expr)) };
        let key = (Arc::clone(&call.func), text_of(call, session)?);
        let vector = vectors.get(&key).ok_or_else(|| Error::internal("a text that was not asked for"))?;
        Ok(Transformed::yes(Expr::Literal(vector.clone(), None)))
    };
    let plan = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(replace)?.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(plan.data)
}

/// Refuses `embed` of columns where DataFusion does not wait for functions.
fn refuse(plan: &LogicalPlan) -> Result<()> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if !matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Filter(_)) {
            node.apply_expressions(|expr| {
                found |= expr.exists(|expr| Ok(is_call(expr)))?;
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(from_datafusion)?;
    match found {
        true => Err(Error::not_supported("embed() of columns is only supported in select lists and in WHERE")
            .with_hint("Put it into a subquery's select list.")),
        false => Ok(()),
    }
}
