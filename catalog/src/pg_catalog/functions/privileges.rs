//! `has_..._privilege`. There is one role, and it may do everything; what has to be told apart is whether the object exists.

use slipstream_engine::{Error, ErrorKind, Result};

use super::super::objects::{Objects, SUPERUSER_NAME};
use super::function::{Call, Function, strict};
use super::lookup::relation;
use crate::metadata::Value;

/// `has_table_privilege` and its like: an optional role, the object, the privilege.
pub(super) static FUNCTIONS: &[Function] = &[
    strict("has_table_privilege", &[2, 3], "bool", |objects, call| on_relation(objects, call, 2)),
    strict("has_sequence_privilege", &[2, 3], "bool", |objects, call| on_relation(objects, call, 2)),
    strict("has_any_column_privilege", &[2, 3], "bool", |objects, call| on_relation(objects, call, 2)),
    strict("has_column_privilege", &[3, 4], "bool", |objects, call| on_relation(objects, call, 3)),
    strict("has_schema_privilege", &[2, 3], "bool", on_schema),
    strict("has_database_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_foreign_data_wrapper_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_function_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_language_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_parameter_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_server_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_tablespace_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("has_type_privilege", &[2, 3], "bool", |_, call| allowed(call, 2)),
    strict("pg_has_role", &[2, 3], "bool", |_, call| allowed(call, 2)),
];

fn on_relation(objects: &Objects, call: &Call<'_>, without_role: usize) -> Result<Value> {
    check_role(call, without_role)?;
    let object = relation(objects, call, call.len() - without_role)?;
    Ok(object.map(|_| true).into())
}

fn on_schema(objects: &Objects, call: &Call<'_>) -> Result<Value> {
    check_role(call, 2)?;
    let schema = call.len() - 2;
    match (call.oid(schema), call.text(schema)) {
        (Some(oid), _) => Ok(objects.namespaces().any(|namespace| namespace.oid() == oid).then_some(true).into()),
        (None, Some(name)) if objects.namespace(name).is_none() => {
            Err(Error::new(ErrorKind::UndefinedSchema, format!("schema \"{name}\" does not exist")))
        }
        (None, _) => Ok(true.into()),
    }
}

fn allowed(call: &Call<'_>, without_role: usize) -> Result<Value> {
    check_role(call, without_role)?;
    Ok(true.into())
}

/// A role that is named must exist.
fn check_role(call: &Call<'_>, without_role: usize) -> Result<()> {
    match call.text(0) {
        Some(role) if call.len() > without_role && role != SUPERUSER_NAME && role.parse::<u32>().is_err() => {
            Err(Error::new(ErrorKind::UndefinedObject, format!("role \"{role}\" does not exist")))
        }
        _ => Ok(()),
    }
}
