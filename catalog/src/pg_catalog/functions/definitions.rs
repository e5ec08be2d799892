//! Functions that write objects as SQL text or describe them.

use super::super::constraints;
use super::super::definitions::{index_column, index_definition, quote_identifier, quote_literal, view_definition};
use super::super::objects::{Object, ObjectKind, Objects, SUPERUSER, SUPERUSER_NAME};
use super::super::oids::{PgType, format_type};
use super::super::server::UTF8;
use super::super::types::function_name;
use super::function::{Call, Function, lenient, strict};
use super::lookup::relation;
use crate::metadata::Value;
use slipstream_engine::{Error, ErrorKind};

/// A constraint without the parentheses that say nothing.
fn for_people(definition: String) -> String {
    match definition.strip_prefix("CHECK ((").and_then(|rest| rest.strip_suffix("))")) {
        Some(expression) => format!("CHECK ({expression})"),
        None => definition,
    }
}

/// `pg_get_...`, `format_type`, comments and names.
pub(super) static FUNCTIONS: &[Function] = &[
    lenient("format_type", &[2], "text", |_, call| {
        let modifier = call.int(1).and_then(|modifier| i32::try_from(modifier).ok());
        Ok(call.oid(0).map(|oid| format_type(oid, modifier)).into())
    }),
    strict("pg_get_indexdef", &[1, 3], "text", |objects, call| Ok(index_text(objects, call).into())),
    strict("pg_get_constraintdef", &[1, 2], "text", |objects, call| {
        let text = call.oid(0).and_then(|oid| constraints::text(objects, oid));
        Ok(if call.flag(1) { text.map(for_people) } else { text }.into())
    }),
    // Expressions are kept as the text that was given, so there is nothing to decompile.
    strict("pg_get_expr", &[2, 3], "text", |_, call| Ok(call.text(0).map(str::to_string).into())),
    strict("pg_get_viewdef", &[1, 2], "text", |objects, call| {
        let view = relation(objects, call, 0)?.filter(|object| object.kind == ObjectKind::View);
        Ok(view.map(view_definition).into())
    }),
    strict("pg_get_userbyid", &[1], "name", |_, call| {
        Ok(match call.int(0) {
            Some(oid) if oid == i64::from(SUPERUSER) => SUPERUSER_NAME.into(),
            oid => oid.map(|oid| format!("unknown (OID={oid})")).into(),
        })
    }),
    strict("pg_get_function_arguments", &[1], "text", |_, call| Ok(signature_text(call))),
    strict("pg_get_function_identity_arguments", &[1], "text", |_, call| Ok(signature_text(call))),
    strict("pg_get_function_result", &[1], "text", nothing),
    strict("pg_get_function_sqlbody", &[1], "text", nothing),
    strict("pg_get_functiondef", &[1], "text", nothing),
    strict("pg_get_partkeydef", &[1], "text", nothing),
    strict("pg_get_partition_constraintdef", &[1], "text", nothing),
    strict("pg_get_ruledef", &[1, 2], "text", nothing),
    strict("pg_get_serial_sequence", &[2], "text", serial_sequence),
    strict("pg_sequence_last_value", &[1], "int8", nothing),
    strict("pg_get_statisticsobjdef", &[1], "text", nothing),
    strict("pg_get_statisticsobjdef_columns", &[1], "text", nothing),
    strict("pg_get_triggerdef", &[1, 2], "text", nothing),
    strict("obj_description", &[1, 2], "text", |objects, call| Ok(comment(objects, call).into())),
    strict("col_description", &[2], "text", |objects, call| {
        let object = relation(objects, call, 0)?;
        let column = object.and_then(|object| object.column(call.int(1)?));
        Ok(column.and_then(|column| column.documentation).into())
    }),
    strict("shobj_description", &[2], "text", nothing),
    strict("pg_tablespace_location", &[1], "text", |_, _| Ok("".into())),
    strict("pg_encoding_to_char", &[1], "name", |_, call| {
        Ok(if call.int(0) == Some(i64::from(UTF8)) { "UTF8".into() } else { "".into() })
    }),
    strict("pg_char_to_encoding", &[1], "int4", |_, call| {
        let name = call.text(0).unwrap_or_default().replace(['-', '_'], "");
        Ok(if name.eq_ignore_ascii_case("utf8") || name.eq_ignore_ascii_case("unicode") { UTF8 } else { -1 }.into())
    }),
    strict("quote_ident", &[1], "text", |_, call| Ok(call.text(0).map(quote_identifier).into())),
    strict("quote_literal", &[1], "text", |_, call| Ok(call.text(0).map(quote_literal).into())),
    lenient("quote_nullable", &[1], "text", |_, call| {
        Ok(call.text(0).map_or("NULL".to_string(), quote_literal).into())
    }),
    // Sizes are in the store, which a metadata query does not open.
    strict("pg_relation_size", &[1, 2], "int8", nothing),
    strict("pg_table_size", &[1], "int8", nothing),
    strict("pg_indexes_size", &[1], "int8", nothing),
    strict("pg_total_relation_size", &[1], "int8", nothing),
    strict("pg_database_size", &[1], "int8", nothing),
    strict("pg_tablespace_size", &[1], "int8", nothing),
    strict("pg_size_pretty", &[1], "text", |_, call| Ok(call.int(0).map(pretty_size).into())),
];

/// The sequence that belongs to a column, with its schema.
fn serial_sequence(objects: &Objects, call: &Call<'_>) -> slipstream_engine::Result<Value> {
    let (Some(table), Some(column)) = (relation(objects, call, 0)?, call.text(1)) else { return Ok(Value::Null) };
    if !table.columns.iter().any(|known| known.name == column) {
        let message = format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
        return Err(Error::new(ErrorKind::UndefinedColumn, message));
    }
    let owner = |id| objects.catalog().tables.get(id).map(|table| table.oid);
    let found = objects.sequences().find(|(_, sequence)| {
        sequence.owned_by.as_ref().is_some_and(|(id, owned)| owner(id) == Some(table.oid) && owned == column)
    });
    let name =
        |object: &Object| format!("{}.{}", quote_identifier(&object.namespace.name()), quote_identifier(&object.name));
    Ok(found.map(|(object, _)| name(object)).into())
}

/// What there is none of: NULL, as Postgres answers for an object that it does not find.
fn nothing(_objects: &Objects, _call: &Call<'_>) -> slipstream_engine::Result<Value> {
    Ok(Value::Null)
}

fn index_text(objects: &Objects, call: &Call<'_>) -> Option<String> {
    let index = objects.get(call.oid(0)?)?;
    let table = objects.get(index.index_of?)?;
    match call.int(1).unwrap_or(0) {
        0 => Some(index_definition(index, table)),
        number => index_column(index, number),
    }
}

/// Functions are listed without their argument types.
fn signature_text(call: &Call<'_>) -> Value {
    call.oid(0).and_then(function_name).map(|_| "").into()
}

fn comment(objects: &Objects, call: &Call<'_>) -> Option<&'static str> {
    let oid = call.oid(0)?;
    let of_relation = || objects.get(oid).and_then(|object: &Object| object.documentation);
    let of_schema = || objects.namespaces().find(|namespace| namespace.oid() == oid)?.documentation();
    match call.text(1) {
        Some("pg_class") => of_relation(),
        Some("pg_namespace") => of_schema(),
        Some("pg_type") => {
            PgType::with_oid(oid).filter(|found| !found.array).and_then(|found| match found.scalar.name {
                "vector" => Some("vectors of floats"),
                "halfvec" => Some("vectors of 16-bit floats"),
                "sparsevec" => Some("vectors of which only what is not zero is kept"),
                _ => None,
            })
        }
        Some(_) => None,
        None => of_relation().or_else(of_schema),
    }
}

/// Bytes in the largest unit that leaves at most 10,240 of it, rounded to the nearest, as Postgres does.
fn pretty_size(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
    let mut size = i128::from(bytes);
    let mut unit = 0;
    while unit + 1 < UNITS.len() && size.abs() >= if unit == 0 { 10 * 1024 } else { 20 * 1024 - 1 } {
        // One bit more than the unit is kept, for rounding.
        size >>= if unit == 0 { 9 } else { 10 };
        unit += 1;
    }
    if unit > 0 {
        size = (size + size.signum()) / 2;
    }
    format!("{size} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_postgres_writes_them() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (1_000_000, "977 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (7_472_128, "7297 kB"),
            (1 << 40, "1024 GB"),
        ] {
            assert_eq!(pretty_size(bytes), text, "{bytes}");
        }
    }
}
