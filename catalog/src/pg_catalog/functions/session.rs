//! Functions about the session and the server.

use std::sync::LazyLock;

use slipstream_engine::{Error, ErrorKind, Result};

use super::super::objects::Objects;
use super::function::{Call, Function, lenient, strict, volatile};
use crate::metadata::Value;

/// `current_...`, settings, `version`.
pub(super) static FUNCTIONS: &[Function] = &[
    strict("current_database", &[0], "name", database),
    strict("current_catalog", &[0], "name", database),
    strict("current_schema", &[0], "name", |objects, _| {
        Ok(objects.path().current(objects.catalog()).map(str::to_string).into())
    }),
    strict("current_schemas", &[1], "name[]", |objects, call| {
        let path = objects.path();
        let named: Vec<String> = path.existing(objects.catalog()).map(str::to_string).collect();
        let implicit = call.flag(0) && !named.iter().any(|schema| schema == super::super::NAME);
        let implicit = implicit.then(|| super::super::NAME.to_string());
        Ok(implicit.into_iter().chain(named).collect::<Vec<_>>().into())
    }),
    strict("current_user", &[0], "name", user),
    strict("current_role", &[0], "name", user),
    strict("session_user", &[0], "name", user),
    strict("user", &[0], "name", user),
    strict("version", &[0], "text", |objects, _| {
        let version = objects.session().settings.get("server_version").unwrap_or_default();
        Ok(format!("PostgreSQL {version}").into())
    }),
    strict("pg_backend_pid", &[0], "int4", |objects, _| Ok(objects.session().process_id.into())),
    strict("pg_is_in_recovery", &[0], "bool", |_, _| Ok(false.into())),
    strict("pg_postmaster_start_time", &[0], "timestamptz", |_, _| Ok((*STARTED).into())),
    strict("pg_conf_load_time", &[0], "timestamptz", |_, _| Ok((*STARTED).into())),
    strict("pg_client_encoding", &[0], "name", |_, _| Ok("UTF8".into())),
    strict("getdatabaseencoding", &[0], "name", |_, _| Ok("UTF8".into())),
    // Nothing takes advisory locks, so there are none to let go.
    volatile("pg_advisory_unlock_all", &[0], "void", |_, _| Ok("".into())),
    strict("pg_blocking_pids", &[1], "int8[]", |_, _| Ok(Vec::<i64>::new().into())),
    lenient("inet_client_addr", &[0], "text", |_, _| Ok(Value::Null)),
    lenient("inet_client_port", &[0], "int4", |_, _| Ok(Value::Null)),
    lenient("inet_server_addr", &[0], "text", |_, _| Ok(Value::Null)),
    lenient("inet_server_port", &[0], "int4", |_, _| Ok(Value::Null)),
    volatile("current_setting", &[1, 2], "text", current_setting),
    volatile("set_config", &[3], "text", |objects, call| {
        let (Some(name), Some(value)) = (call.text(0), call.text(1)) else { return Ok(Value::Null) };
        Ok(objects.session().settings.set(name, value, call.flag(2))?.into())
    }),
];

/// When this process first made the functions, which is when its first client came: microseconds since 1970.
static STARTED: LazyLock<i64> = LazyLock::new(|| chrono::Utc::now().timestamp_micros());

fn database(objects: &Objects, _call: &Call<'_>) -> Result<Value> {
    Ok(objects.session().database.clone().into())
}

fn user(objects: &Objects, _call: &Call<'_>) -> Result<Value> {
    Ok(objects.session().user.clone().into())
}

fn current_setting(objects: &Objects, call: &Call<'_>) -> Result<Value> {
    let Some(name) = call.text(0) else { return Ok(Value::Null) };
    match objects.session().settings.get(name) {
        Some(value) => Ok(value.into()),
        None if call.flag(1) => Ok(Value::Null),
        None => Err(Error::new(ErrorKind::UndefinedObject, format!("unrecognized configuration parameter \"{name}\""))),
    }
}
