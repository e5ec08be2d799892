//! Views about constraints: primary keys, and NOT NULL as the CHECK that the standard takes it for.

use crate::metadata::{Row, Rows};
use crate::pg_catalog::definitions::quote_identifier;
use crate::pg_catalog::objects::{Filled, Namespace, Object, ObjectColumn, Objects};

/// The views that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("table_constraints", table_constraints),
    ("check_constraints", check_constraints),
    ("key_column_usage", key_column_usage),
    ("constraint_column_usage", constraint_column_usage),
];

fn table_constraints(objects: &Objects, rows: &mut Rows) {
    let database = objects.session().database.as_str();
    for (index, table) in objects.indexes() {
        constraint(rows.add(), database, &index.name, table, "PRIMARY KEY");
    }
    for (name, table, _) in not_nulls(objects) {
        constraint(rows.add(), database, &name, table, "CHECK");
    }
}

fn constraint(row: Row<'_>, database: &str, name: &str, table: &Object, kind: &'static str) {
    named(row, database, name, table)
        .set("table_catalog", database.to_string())
        .set("table_schema", table.namespace.name())
        .set("table_name", table.name.clone())
        .set("constraint_type", kind)
        .set("is_deferrable", "NO")
        .set("initially_deferred", "NO")
        .set("enforced", "YES");
}

fn check_constraints(objects: &Objects, rows: &mut Rows) {
    for (name, table, column) in not_nulls(objects) {
        named(rows.add(), &objects.session().database, &name, table)
            .set("check_clause", format!("{} IS NOT NULL", quote_identifier(&column.name)));
    }
}

fn key_column_usage(objects: &Objects, rows: &mut Rows) {
    for (index, table) in objects.indexes() {
        for (position, column) in (1i32..).zip(table.key_columns()) {
            column_of(named(rows.add(), &objects.session().database, &index.name, table), objects, table, column)
                .set("ordinal_position", position);
        }
    }
}

fn constraint_column_usage(objects: &Objects, rows: &mut Rows) {
    for (index, table) in objects.indexes() {
        for column in table.key_columns() {
            column_of(named(rows.add(), &objects.session().database, &index.name, table), objects, table, column);
        }
    }
}

/// NOT NULL columns of tables of users, with the name that Postgres makes up for the constraint.
fn not_nulls(objects: &Objects) -> impl Iterator<Item = (String, &Object, &ObjectColumn)> {
    objects.tables().filter(|table| table.namespace == Namespace::Public).flat_map(|table| {
        (1..).zip(&table.columns).filter(|(_, column)| column.not_null).map(move |(number, column)| {
            (format!("{}_{}_{number}_not_null", table.namespace.oid(), table.oid), table, column)
        })
    })
}

fn named<'a>(row: Row<'a>, database: &str, name: &str, table: &Object) -> Row<'a> {
    row.set("constraint_catalog", database.to_string())
        .set("constraint_schema", table.namespace.name())
        .set("constraint_name", name.to_string())
}

fn column_of<'a>(row: Row<'a>, objects: &Objects, table: &Object, column: &ObjectColumn) -> Row<'a> {
    row.set("table_catalog", objects.session().database.clone())
        .set("table_schema", table.namespace.name())
        .set("table_name", table.name.clone())
        .set("column_name", column.name.clone())
}
