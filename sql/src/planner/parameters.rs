//! The types of a statement's parameters.
//!
//! A type comes from, in this order: what the client declared; the use in a Cypher text; the use in the plan, as DataFusion
//! infers it and as [`infer`] adds to it; and else it is text, as in Postgres. Planning happens again with the types found, so
//! that the plan and the types agree.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, TypeSignature};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use crate::error::from_datafusion;
use crate::operators::Quantified;
use crate::types::ClientType;

/// More parameters than this cannot be sent over the wire.
const MAX_PARAMETERS: usize = u16::MAX as usize;

/// Types by parameter number, counted from 0; `None` where nothing is known.
pub(crate) type ParameterTypes = Vec<Option<SqlType>>;

/// The types as DataFusion's planner takes them.
pub(crate) fn fields(types: &[Option<SqlType>]) -> Vec<Option<FieldRef>> {
    types
        .iter()
        .enumerate()
        .map(|(index, sql_type)| sql_type.as_ref().map(|known| Arc::new(known.field(&format!("${}", index + 1), true))))
        .collect()
}

/// The zero-based number of a placeholder, or `42P02`.
pub(crate) fn number(id: &str) -> Result<usize> {
    let id = id.trim_start_matches('$');
    id.parse::<usize>()
        .ok()
        .filter(|number| (1..=MAX_PARAMETERS).contains(number))
        .map(|number| number - 1)
        .ok_or_else(|| Error::new(ErrorKind::UndefinedParameter, format!("there is no parameter ${id}")))
}

/// What is known of types that clients have another name for, by parameter number from 0: of an `oid`, which is kept as a
/// `bigint`.
pub(crate) type NamedTypes = BTreeMap<usize, ClientType>;

/// Adds what the plan tells about parameters to `types`; every parameter of the plan has a place afterwards.
pub(crate) fn infer(plan: &LogicalPlan, types: &mut ParameterTypes) -> Result<NamedTypes> {
    let mut found: BTreeMap<usize, Option<SqlType>> = BTreeMap::new();
    let mut named = NamedTypes::new();
    let mut failure = None;
    plan.apply_with_subqueries(|node| {
        let schema = inputs_schema(node);
        node.apply_expressions(|expr| {
            let known = untyped_uses(expr, node, &schema);
            expr.apply(|expr| {
                if let Expr::Placeholder(Placeholder { id, field }) = expr {
                    match number(id) {
                        Ok(index) => {
                            let sql_type = field.as_ref().and_then(|field| SqlType::of_field(field));
                            let client_type = field.as_ref().and_then(|field| ClientType::of_field(field));
                            if let Some(client_type) = client_type.or_else(|| known.get(id).cloned()) {
                                named.entry(index).or_insert(client_type);
                            }
                            let entry = found.entry(index).or_default();
                            if entry.is_none() {
                                *entry = sql_type.or_else(|| known.get(id).map(|known| known.sql_type().clone()));
                            }
                        }
                        Err(error) => failure = Some(error),
                    }
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(from_datafusion)?;
    if let Some(error) = failure {
        return Err(error);
    }
    for (index, sql_type) in found {
        note(types, index, sql_type);
    }
    Ok(named)
}

/// Notes a parameter, and its type where it is known and nothing better is.
pub(crate) fn note(types: &mut ParameterTypes, index: usize, sql_type: Option<SqlType>) {
    if types.len() <= index {
        types.resize(index + 1, None);
    }
    if types[index].is_none() {
        types[index] = sql_type;
    }
}

/// The types of all parameters: what nothing is known of is text. `declared` is what the client says of them, `named` what
/// the plan does.
pub(crate) fn settle(
    types: &[Option<SqlType>],
    declared: &[Option<ClientType>],
    named: &NamedTypes,
) -> Vec<ClientType> {
    types
        .iter()
        .enumerate()
        .map(|(index, sql_type)| {
            let sql_type = sql_type.clone().unwrap_or(SqlType::Text);
            let known = declared.get(index).cloned().flatten().or_else(|| named.get(&index).cloned());
            known.filter(|known| *known.sql_type() == sql_type).unwrap_or_else(|| ClientType::of(&sql_type))
        })
        .collect()
}

fn inputs_schema(node: &LogicalPlan) -> DFSchema {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    schema
}

/// Uses of parameters that DataFusion leaves untyped: LIMIT and OFFSET, casts, and arguments of functions.
fn untyped_uses(expr: &Expr, node: &LogicalPlan, schema: &DFSchema) -> BTreeMap<String, ClientType> {
    let mut known = BTreeMap::new();
    if let (LogicalPlan::Limit(_), Expr::Placeholder(placeholder)) = (node, expr) {
        known.insert(placeholder.id.clone(), ClientType::of(&SqlType::BigInt));
    }
    let _ = expr.apply(|expr| {
        match expr {
            Expr::ScalarFunction(call) => argument_types(call, schema, &mut known),
            Expr::Cast(cast) => {
                let client_type = ClientType::of_field(&cast.field);
                if let (Expr::Placeholder(placeholder), Some(client_type)) = (&*cast.expr, client_type) {
                    known.entry(placeholder.id.clone()).or_insert(client_type);
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    known
}

/// An argument's type is what the function's signature says, where it says one thing; else that of the argument beside it.
fn argument_types(call: &ScalarFunction, schema: &DFSchema, known: &mut BTreeMap<String, ClientType>) {
    let exact = match &call.func.signature().type_signature {
        TypeSignature::Exact(types) if types.len() == call.args.len() => Some(types.as_slice()),
        _ => None,
    };
    let beside = call.args.iter().filter(|arg| !is_untyped(arg)).find_map(|arg| field_of(arg, schema));
    for (index, arg) in call.args.iter().enumerate() {
        let Expr::Placeholder(placeholder) = arg else { continue };
        let client_type = match exact {
            Some(types) => SqlType::of_arrow(&types[index]).map(|sql_type| ClientType::of(&sql_type)),
            None if Quantified::of(&call.func).is_some() => quantified(index, beside.as_ref()),
            None => beside.as_ref().and_then(ClientType::of_field),
        };
        if let Some(client_type) = client_type {
            known.entry(placeholder.id.clone()).or_insert(client_type);
        }
    }
}

/// The type of an operand of ANY or ALL, by the field of the other one: on the right side stands an array.
fn quantified(index: usize, beside: Option<&Field>) -> Option<ClientType> {
    let other = beside.and_then(ClientType::of_field)?;
    let (left, right) = if index == 0 { (None, Some(other.sql_type())) } else { (Some(other.sql_type()), None) };
    let compared = Quantified::types(left, right).ok().flatten()?;
    let item = if index == 0 { other.item()? } else { other };
    let item = if *item.sql_type() == compared { item } else { ClientType::of(&compared) };
    Some(if index == 0 { item } else { item.array() })
}

fn is_untyped(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(placeholder) if placeholder.field.is_none())
}

fn field_of(expr: &Expr, schema: &DFSchema) -> Option<Field> {
    let (_, field) = expr.to_field(schema).ok()?;
    (field.data_type() != &DataType::Null).then(|| field.as_ref().clone())
}

/// Gives an untyped parameter the type of the place it stands in.
pub(crate) fn with_type(expr: Expr, field: &Field) -> DataFusionResult<Expr> {
    expr.transform_up(|expr| {
        Ok(match expr {
            Expr::Placeholder(Placeholder { id, field: None }) => {
                Transformed::yes(Expr::Placeholder(Placeholder { id, field: Some(Arc::new(field.clone())) }))
            }
            other => Transformed::no(other),
        })
    })
    .map(|transformed| transformed.data)
}
