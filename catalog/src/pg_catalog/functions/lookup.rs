//! Names to object ids and back: `to_reg...`, visibility, and what casts to `regclass` and the like become.
//!
//! A `reg` type is an object id that is read and written as a name. The rewrite of statements turns a cast to one into
//! `<type>_oid(x)` where its number counts and `<type>_text(x)` where its name does; both take either.

use std::ops::Range;

use slipstream_engine::{Error, ErrorKind, Result};

use super::super::definitions::{display_name, quote_identifier};
use super::super::objects::{Object, Objects, SUPERUSER, SUPERUSER_NAME, split_name};
use super::super::oids::{PgType, format_type, parse_type_name};
use super::super::types::{function_name, function_oid};
use super::function::{Call, Function, lenient, strict};
use crate::metadata::Value;

/// `to_regclass`, `regclass_oid`, `pg_table_is_visible` and their like.
pub(super) static FUNCTIONS: &[Function] = &[
    strict("regclass_oid", &[1], "oid", |objects, call| oid_of(Reg::Class, objects, call)),
    strict("regclass_text", &[1], "text", |objects, call| text_of(Reg::Class, objects, call)),
    strict("to_regclass", &[1], "regclass", |objects, call| find_oid(Reg::Class, objects, call)),
    strict("regtype_oid", &[1], "oid", |objects, call| oid_of(Reg::Type, objects, call)),
    strict("regtype_text", &[1], "text", |objects, call| text_of(Reg::Type, objects, call)),
    strict("to_regtype", &[1], "regtype", |objects, call| find_oid(Reg::Type, objects, call)),
    strict("regproc_oid", &[1], "oid", |objects, call| oid_of(Reg::Proc, objects, call)),
    strict("regproc_text", &[1], "text", |objects, call| text_of(Reg::Proc, objects, call)),
    strict("to_regproc", &[1], "regproc", |objects, call| find_oid(Reg::Proc, objects, call)),
    strict("regnamespace_oid", &[1], "oid", |objects, call| oid_of(Reg::Namespace, objects, call)),
    strict("regnamespace_text", &[1], "text", |objects, call| text_of(Reg::Namespace, objects, call)),
    strict("to_regnamespace", &[1], "regnamespace", |objects, call| find_oid(Reg::Namespace, objects, call)),
    strict("regrole_oid", &[1], "oid", |objects, call| oid_of(Reg::Role, objects, call)),
    strict("regrole_text", &[1], "text", |objects, call| text_of(Reg::Role, objects, call)),
    strict("to_regrole", &[1], "regrole", |objects, call| find_oid(Reg::Role, objects, call)),
    strict("pg_table_is_visible", &[1], "bool", |objects, call| {
        Ok(call.oid(0).and_then(|oid| objects.get(oid)).map(|object| objects.is_visible(object)).into())
    }),
    strict("pg_type_is_visible", &[1], "bool", |_, call| {
        Ok(call.oid(0).and_then(PgType::with_oid).map(|_| true).into())
    }),
    strict("pg_function_is_visible", &[1], "bool", |_, call| {
        Ok(call.oid(0).and_then(function_name).map(|_| true).into())
    }),
    // The one collation, and nothing at all of the other kinds: what there is has no rival.
    strict("pg_collation_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_operator_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_opclass_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_conversion_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_statistics_obj_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_ts_config_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_ts_dict_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_ts_parser_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_ts_template_is_visible", &[1], "bool", |_, _| Ok(true.into())),
    strict("pg_my_temp_schema", &[0], "oid", |_, _| Ok(0.into())),
    strict("pg_is_other_temp_schema", &[1], "bool", |_, _| Ok(false.into())),
    strict("pg_relation_is_publishable", &[1], "bool", |objects, call| {
        let object = relation(objects, call, 0)?;
        Ok(object.map(|object| object.is_changeable()).into())
    }),
    // Bits of the statements that change it: UPDATE 4, INSERT 8, DELETE 16.
    strict("pg_relation_is_updatable", &[2], "int4", |objects, call| {
        let changeable = relation(objects, call, 0)?.is_some_and(Object::is_changeable);
        Ok(if changeable { 28 } else { 0 }.into())
    }),
    strict("pg_column_is_updatable", &[3], "bool", |objects, call| {
        Ok(relation(objects, call, 0)?.is_some_and(Object::is_changeable).into())
    }),
    strict("array_lower", &[2], "int4", |_, call| Ok(subscripts(call).map(|subscripts| subscripts.start).into())),
    strict("array_upper", &[2], "int4", |_, call| Ok(subscripts(call).map(|subscripts| subscripts.end - 1).into())),
    // What subqueries about domains and composite types are rewritten to be; a cast of NULL loses its name on the way.
    lenient("null_oid", &[0], "oid", |_, _| Ok(Value::Null)),
    lenient("null_oids", &[0], "oid[]", |_, _| Ok(Value::Null)),
    // What `(_pg_expandarray(x)).n` is rewritten to be the items of.
    strict("item_numbers", &[1], "int4[]", |_, call| {
        let count = call.array_length(0).unwrap_or(0) as i64;
        Ok((1..=count).collect::<Vec<i64>>().into())
    }),
    // What `generate_subscripts` is rewritten to be the items of.
    strict("array_subscripts", &[2], "int4[]", |_, call| {
        Ok(subscripts(call).map_or_else(Vec::new, Iterator::collect::<Vec<i64>>).into())
    }),
];

/// The types that are object ids read and written as names.
#[derive(Clone, Copy)]
enum Reg {
    Class,
    Type,
    Proc,
    Namespace,
    Role,
}

impl Reg {
    fn oid(self, objects: &Objects, name: &str) -> Option<u32> {
        match self {
            Reg::Class => objects.named(name).map(|object| object.oid),
            Reg::Type => parse_type_name(name).map(|pg_type| pg_type.oid()),
            Reg::Proc => function_oid(name),
            Reg::Namespace => objects.namespace(&split_name(name)?.pop()?).map(|namespace| namespace.oid()),
            Reg::Role => (split_name(name)?.pop()? == SUPERUSER_NAME).then_some(SUPERUSER),
        }
    }

    fn name(self, objects: &Objects, oid: u32) -> Option<String> {
        match self {
            Reg::Class => objects.get(oid).map(|object| display_name(objects, object)),
            Reg::Type => PgType::with_oid(oid).map(|_| format_type(oid, None)),
            Reg::Proc => function_name(oid),
            Reg::Namespace => {
                let namespace = objects.namespaces().find(|namespace| namespace.oid() == oid)?;
                Some(quote_identifier(&namespace.name()))
            }
            Reg::Role => (oid == SUPERUSER).then(|| SUPERUSER_NAME.to_string()),
        }
    }

    fn missing(self, name: &str) -> Error {
        let (kind, what) = match self {
            Reg::Class => (ErrorKind::UndefinedTable, "relation"),
            Reg::Type => (ErrorKind::UndefinedObject, "type"),
            Reg::Proc => (ErrorKind::UndefinedFunction, "function"),
            Reg::Namespace => (ErrorKind::UndefinedSchema, "schema"),
            Reg::Role => (ErrorKind::UndefinedObject, "role"),
        };
        Error::new(kind, format!("{what} \"{name}\" does not exist"))
    }
}

/// The id of what is named, or given as an id already; an error where there is nothing of that name.
fn oid_of(reg: Reg, objects: &Objects, call: &Call<'_>) -> Result<Value> {
    match (call.int(0), call.text(0)) {
        (Some(oid), _) => Ok(oid.into()),
        (None, Some("-")) => Ok(0.into()),
        (None, Some(name)) => reg.oid(objects, name).map(Value::from).ok_or_else(|| reg.missing(name)),
        (None, None) => Ok(Value::Null),
    }
}

/// The name of what has that id; the id itself where nothing has it.
fn text_of(reg: Reg, objects: &Objects, call: &Call<'_>) -> Result<Value> {
    Ok(match oid_of(reg, objects, call)? {
        Value::Int(0) => "-".into(),
        Value::Int(oid) => {
            let name = u32::try_from(oid).ok().and_then(|oid| reg.name(objects, oid));
            name.unwrap_or_else(|| oid.to_string()).into()
        }
        other => other,
    })
}

/// The id of what is named, NULL where there is nothing of that name.
fn find_oid(reg: Reg, objects: &Objects, call: &Call<'_>) -> Result<Value> {
    Ok(call.text(0).and_then(|name| reg.oid(objects, name)).map(i64::from).into())
}

/// The relation that an argument names or gives the id of; an error for an unknown name, `None` for an unknown id.
pub(super) fn relation<'a>(objects: &'a Objects, call: &Call<'_>, index: usize) -> Result<Option<&'a Object>> {
    match (call.oid(index), call.text(index)) {
        (Some(oid), _) => Ok(objects.get(oid)),
        (None, Some(name)) => objects.named(name).map(Some).ok_or_else(|| Reg::Class.missing(name)),
        (None, None) => Ok(None),
    }
}

/// The subscripts of an array that has items; there is one dimension.
fn subscripts(call: &Call<'_>) -> Option<Range<i64>> {
    let length = call.array_length(0).filter(|length| *length > 0 && call.int(1) == Some(1))?;
    let first = call.first_subscript(0);
    Some(first..first + length as i64)
}
