//! Views about constraints; NOT NULL is the CHECK that the standard takes it for.

use slipstream_engine::catalog::ReferentialAction;

use crate::metadata::{Row, Rows};
use crate::pg_catalog::constraints::{Constraint, ConstraintKind};
use crate::pg_catalog::definitions::quote_identifier;
use crate::pg_catalog::objects::{Filled, Object, ObjectColumn, Objects};

/// The views that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("table_constraints", table_constraints),
    ("check_constraints", check_constraints),
    ("key_column_usage", key_column_usage),
    ("constraint_column_usage", constraint_column_usage),
    ("constraint_table_usage", constraint_table_usage),
    ("referential_constraints", referential_constraints),
];

fn table_constraints(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        let row = described(rows.add(), objects, &constraint.name, table, constraint.standard_name());
        if matches!(constraint.kind, ConstraintKind::Unique(_)) {
            row.set("nulls_distinct", "YES");
        }
    }
    for (name, table, _) in not_nulls(objects) {
        described(rows.add(), objects, &name, table, "CHECK");
    }
}

fn described<'a>(row: Row<'a>, objects: &Objects, name: &str, table: &Object, kind: &'static str) -> Row<'a> {
    of_table(named(row, objects, name, table), objects, table)
        .set("constraint_type", kind)
        .set("is_deferrable", "NO")
        .set("initially_deferred", "NO")
        .set("enforced", "YES")
}

fn check_constraints(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        if let ConstraintKind::Check(expression) = &constraint.kind {
            named(rows.add(), objects, &constraint.name, table).set("check_clause", format!("({expression})"));
        }
    }
    for (name, table, column) in not_nulls(objects) {
        named(rows.add(), objects, &name, table)
            .set("check_clause", format!("{} IS NOT NULL", quote_identifier(&column.name)));
    }
}

fn key_column_usage(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        if matches!(constraint.kind, ConstraintKind::Check(_)) {
            continue;
        }
        for (position, column) in (1i32..).zip(table.columns_at(&constraint.columns)) {
            let place =
                constraint.reference().map(|reference| place_in_key(objects, constraint, reference.index, position));
            column_of(named(rows.add(), objects, &constraint.name, table), objects, table, column)
                .set("ordinal_position", position)
                .set("position_in_unique_constraint", place.flatten());
        }
    }
}

/// Where the column that a foreign key's column refers to stands in the key.
fn place_in_key(objects: &Objects, constraint: &Constraint, index: u32, position: i32) -> Option<i64> {
    let reference = constraint.reference()?;
    let referenced = reference.columns.get(usize::try_from(position).ok()?.checked_sub(1)?)?;
    let place = objects.get(index)?.key.iter().position(|number| number == referenced)?;
    Some(place as i64 + 1)
}

fn constraint_column_usage(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        let (used, columns) = match constraint.reference() {
            Some(reference) => match objects.get(reference.table) {
                Some(used) => (used, &reference.columns),
                None => continue,
            },
            None => (table, &constraint.columns),
        };
        for column in used.columns_at(columns) {
            column_of(named(rows.add(), objects, &constraint.name, table), objects, used, column);
        }
    }
}

fn constraint_table_usage(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        let used = match &constraint.kind {
            ConstraintKind::Check(_) => continue,
            ConstraintKind::Foreign(reference) => objects.get(reference.table),
            ConstraintKind::PrimaryKey(_) | ConstraintKind::Unique(_) => Some(table),
        };
        if let Some(used) = used {
            of_table(named(rows.add(), objects, &constraint.name, table), objects, used);
        }
    }
}

fn referential_constraints(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        let Some(reference) = constraint.reference() else { continue };
        let Some(to) = objects.get(reference.table) else { continue };
        named(rows.add(), objects, &constraint.name, table)
            .set("unique_constraint_catalog", objects.session().database.clone())
            .set("unique_constraint_schema", to.namespace.name())
            .set("unique_constraint_name", reference.key.clone())
            .set("match_option", "NONE")
            .set("update_rule", "NO ACTION")
            .set(
                "delete_rule",
                match reference.on_delete {
                    ReferentialAction::NoAction => "NO ACTION",
                    ReferentialAction::Cascade => "CASCADE",
                    ReferentialAction::SetNull => "SET NULL",
                },
            );
    }
}

/// NOT NULL columns of tables of users, with the name that Postgres makes up for the constraint.
fn not_nulls(objects: &Objects) -> impl Iterator<Item = (String, &Object, &ObjectColumn)> {
    objects.tables().filter(|table| table.is_users()).flat_map(|table| {
        (1..).zip(&table.columns).filter(|(_, column)| column.not_null).map(move |(number, column)| {
            (format!("{}_{}_{number}_not_null", table.namespace.oid(), table.oid), table, column)
        })
    })
}

fn named<'a>(row: Row<'a>, objects: &Objects, name: &str, table: &Object) -> Row<'a> {
    row.set("constraint_catalog", objects.session().database.clone())
        .set("constraint_schema", table.namespace.name())
        .set("constraint_name", name.to_string())
}

fn of_table<'a>(row: Row<'a>, objects: &Objects, table: &Object) -> Row<'a> {
    row.set("table_catalog", objects.session().database.clone())
        .set("table_schema", table.namespace.name())
        .set("table_name", table.name.clone())
}

fn column_of<'a>(row: Row<'a>, objects: &Objects, table: &Object, column: &ObjectColumn) -> Row<'a> {
    of_table(row, objects, table).set("column_name", column.name.clone())
}
