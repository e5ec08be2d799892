//! Views about columns and their types.

use slipstream_engine::catalog::Identity;

use super::tables::privileges;
use super::yes_or_no;
use crate::metadata::{Row, Rows};
use crate::pg_catalog::objects::{Filled, Object, ObjectColumn, Objects, SUPERUSER_NAME};
use crate::pg_catalog::oids::{PgType, format_type};
use crate::pg_catalog::type_namespace;

/// The views that this file fills.
pub(super) static FILLED: &[Filled] =
    &[("columns", columns), ("element_types", element_types), ("column_privileges", column_privileges)];

/// The longest text in bytes, where no length is declared.
const MAX_OCTETS: i64 = 1 << 30;

fn columns(objects: &Objects, rows: &mut Rows) {
    for table in objects.tables() {
        for (number, column) in (1i32..).zip(&table.columns) {
            let row = rows
                .add()
                .set("table_catalog", objects.session().database.clone())
                .set("table_schema", table.namespace.name())
                .set("table_name", table.name.clone())
                .set("column_name", column.name.clone())
                .set("ordinal_position", number)
                .set("column_default", objects.default_text(column).filter(|_| !column.generated))
                .set("is_nullable", yes_or_no(!column.not_null))
                .set("data_type", data_type(column.pg_type))
                .set("udt_catalog", objects.session().database.clone())
                .set("udt_schema", type_namespace(column.pg_type).name())
                .set("udt_name", column.pg_type.name())
                .set("dtd_identifier", number.to_string())
                .set("is_self_referencing", "NO")
                .set("is_identity", yes_or_no(column.identity.is_some()))
                .set("is_generated", if column.generated { "ALWAYS" } else { "NEVER" })
                .set("generation_expression", objects.default_text(column).filter(|_| column.generated))
                .set("is_updatable", yes_or_no(table.is_changeable()));
            identity(sizes(row, column), objects, table, column);
        }
    }
}

/// The sequence of an identity column.
fn identity<'a>(row: Row<'a>, objects: &Objects, table: &Object, column: &ObjectColumn) -> Row<'a> {
    let Some(identity) = column.identity else { return row.set("identity_cycle", "NO") };
    let generation = match identity {
        Identity::Always => "ALWAYS",
        Identity::ByDefault => "BY DEFAULT",
    };
    let tables = &objects.catalog().tables;
    let owned = objects.sequences().map(|(_, sequence)| sequence).find(|sequence| {
        sequence.owned_by.as_ref().is_some_and(|(id, owned)| {
            owned == &column.name && tables.get(id).is_some_and(|owner| owner.oid == table.oid)
        })
    });
    let row = row.set("identity_generation", generation);
    let Some(sequence) = owned else { return row };
    row.set("identity_start", sequence.start.to_string())
        .set("identity_increment", sequence.increment.to_string())
        .set("identity_minimum", sequence.min.to_string())
        .set("identity_maximum", sequence.max.to_string())
        .set("identity_cycle", yes_or_no(sequence.cycle))
}

/// The standard's name of a type.
pub(super) fn data_type(pg_type: PgType) -> String {
    match (pg_type.array, pg_type.scalar.name) {
        (true, _) => "ARRAY".to_string(),
        (false, "vector" | "halfvec" | "sparsevec") => "USER-DEFINED".to_string(),
        (false, _) => format_type(pg_type.oid(), None),
    }
}

/// Length, precision and scale, which the standard gives for some types.
fn sizes<'a>(row: Row<'a>, column: &ObjectColumn) -> Row<'a> {
    if column.pg_type.array {
        return row;
    }
    let declared = (column.modifier >= 0).then(|| i64::from(column.modifier) - 4);
    let binary = |row: Row<'a>, bits: i64| row.set("numeric_precision", bits).set("numeric_precision_radix", 2);
    match column.pg_type.scalar.name {
        "int2" => binary(row, 16).set("numeric_scale", 0),
        "int4" => binary(row, 32).set("numeric_scale", 0),
        "int8" => binary(row, 64).set("numeric_scale", 0),
        "float4" => binary(row, 24),
        "float8" => binary(row, 53),
        "numeric" => row
            .set("numeric_precision", declared.map(|packed| packed >> 16))
            .set("numeric_precision_radix", 10)
            .set("numeric_scale", declared.map(|packed| ((packed & 0x7ff) ^ 1024) - 1024)),
        "varchar" | "bpchar" => row
            .set("character_maximum_length", declared)
            .set("character_octet_length", declared.map_or(MAX_OCTETS, |length| (length * 4).min(MAX_OCTETS))),
        "text" => row.set("character_octet_length", MAX_OCTETS),
        "date" => row.set("datetime_precision", 0),
        "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => row.set("datetime_precision", 6),
        _ => row,
    }
}

fn element_types(objects: &Objects, rows: &mut Rows) {
    for table in objects.tables() {
        for (number, column) in (1i32..).zip(&table.columns).filter(|(_, column)| column.pg_type.array) {
            let item = PgType { array: false, ..column.pg_type };
            rows.add()
                .set("object_catalog", objects.session().database.clone())
                .set("object_schema", table.namespace.name())
                .set("object_name", table.name.clone())
                .set("object_type", "TABLE")
                .set("collection_type_identifier", number.to_string())
                .set("data_type", data_type(item))
                .set("udt_catalog", objects.session().database.clone())
                .set("udt_schema", type_namespace(item).name())
                .set("udt_name", item.name())
                .set("dtd_identifier", format!("a{number}"));
        }
    }
}

fn column_privileges(objects: &Objects, rows: &mut Rows) {
    for table in objects.tables() {
        for column in &table.columns {
            for privilege in privileges(table).iter().filter(|privilege| **privilege != "DELETE") {
                rows.add()
                    .set("grantor", SUPERUSER_NAME)
                    .set("grantee", SUPERUSER_NAME)
                    .set("table_catalog", objects.session().database.clone())
                    .set("table_schema", table.namespace.name())
                    .set("table_name", table.name.clone())
                    .set("column_name", column.name.clone())
                    .set("privilege_type", *privilege)
                    .set("is_grantable", "YES");
            }
        }
    }
}
