//! Rows about tables, columns, indexes and constraints.

use super::definitions::{constraint_definition, index_definition, view_definition};
use super::objects::{Filled, Object, ObjectKind, Objects, SUPERUSER, SUPERUSER_NAME, constraint_oid, default_oid};
use crate::metadata::Rows;

/// The tables that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("pg_class", classes),
    ("pg_attribute", attributes),
    ("pg_attrdef", defaults),
    ("pg_index", indexes),
    ("pg_constraint", constraints),
    ("pg_description", descriptions),
    ("pg_tables", tables),
    ("pg_views", views),
    ("pg_indexes", indexes_as_text),
    ("pg_stat_all_tables", statistics),
    ("pg_stat_user_tables", statistics_of_users),
];

/// Object id of `pg_class`, which comments on relations refer to.
pub(super) const PG_CLASS: u32 = 1259;
/// Object id of the access method of tables. Postgres calls its own `heap`, and so do clients.
pub(super) const HEAP: u32 = 2;
/// Object id of the access method of key indexes.
pub(super) const BTREE: u32 = 403;

fn classes(objects: &Objects, rows: &mut Rows) {
    for object in objects.all() {
        let access_method = match object.kind {
            ObjectKind::Table => HEAP,
            ObjectKind::Index => BTREE,
            ObjectKind::View => 0,
        };
        rows.add()
            .set("oid", object.oid)
            .set("relname", object.name.clone())
            .set("relnamespace", object.namespace.oid())
            .set("relowner", SUPERUSER)
            .set("relam", access_method)
            .set("relfilenode", if object.kind == ObjectKind::View { 0 } else { object.oid })
            .set("reltuples", -1.0)
            .set("relhasindex", object.kind == ObjectKind::Table && !object.key.is_empty())
            .set("relpersistence", 'p')
            .set("relkind", object.relkind())
            .set("relnatts", object.columns.len() as i64)
            .set("relispopulated", true)
            .set("relreplident", if object.kind == ObjectKind::Table { 'd' } else { 'n' });
    }
}

fn attributes(objects: &Objects, rows: &mut Rows) {
    for object in objects.all() {
        for (number, column) in (1i16..).zip(&object.columns) {
            let pg_type = column.pg_type;
            rows.add()
                .set("attrelid", object.oid)
                .set("attname", column.name.clone())
                .set("atttypid", pg_type.oid())
                .set("attlen", pg_type.length())
                .set("attnum", number)
                .set("attcacheoff", -1)
                .set("atttypmod", column.modifier)
                .set("attndims", i16::from(pg_type.array))
                .set("attbyval", pg_type.by_value())
                .set("attalign", pg_type.align())
                .set("attstorage", pg_type.storage())
                .set("attnotnull", column.not_null)
                .set("atthasdef", column.default.is_some())
                .set("attislocal", true)
                .set("attstattarget", -1)
                .set("attcollation", pg_type.collation());
        }
    }
}

fn defaults(objects: &Objects, rows: &mut Rows) {
    for object in objects.all() {
        for (number, column) in (1i16..).zip(&object.columns) {
            if let Some(default) = &column.default {
                rows.add()
                    .set("oid", default_oid(object.oid, number))
                    .set("adrelid", object.oid)
                    .set("adnum", number)
                    .set("adbin", default.clone());
            }
        }
    }
}

fn indexes(objects: &Objects, rows: &mut Rows) {
    for (index, table) in objects.indexes() {
        let columns = index.key.len();
        rows.add()
            .set("indexrelid", index.oid)
            .set("indrelid", table.oid)
            .set("indnatts", columns as i64)
            .set("indnkeyatts", columns as i64)
            .set("indisunique", true)
            .set("indisprimary", true)
            .set("indimmediate", true)
            .set("indisvalid", true)
            .set("indisready", true)
            .set("indislive", true)
            .set("indkey", numbers(index))
            .set("indcollation", collations(index))
            .set("indclass", vec![0i64; columns])
            .set("indoption", vec![0i64; columns]);
    }
}

fn constraints(objects: &Objects, rows: &mut Rows) {
    for (index, table) in objects.indexes() {
        rows.add()
            .set("oid", constraint_oid(table.oid))
            .set("conname", index.name.clone())
            .set("connamespace", index.namespace.oid())
            .set("contype", 'p')
            .set("convalidated", true)
            .set("conrelid", table.oid)
            .set("conindid", index.oid)
            .set("confupdtype", ' ')
            .set("confdeltype", ' ')
            .set("confmatchtype", ' ')
            .set("conislocal", true)
            .set("connoinherit", true)
            .set("conkey", numbers(index));
    }
}

fn descriptions(objects: &Objects, rows: &mut Rows) {
    for object in objects.all() {
        if let Some(documentation) = object.documentation {
            rows.add().set("objoid", object.oid).set("classoid", PG_CLASS).set("description", documentation);
        }
        for (number, column) in (1i32..).zip(&object.columns) {
            if let Some(documentation) = column.documentation {
                rows.add()
                    .set("objoid", object.oid)
                    .set("classoid", PG_CLASS)
                    .set("objsubid", number)
                    .set("description", documentation);
            }
        }
    }
}

fn tables(objects: &Objects, rows: &mut Rows) {
    for object in objects.all().iter().filter(|object| object.kind == ObjectKind::Table) {
        rows.add()
            .set("schemaname", object.namespace.name())
            .set("tablename", object.name.clone())
            .set("tableowner", SUPERUSER_NAME)
            .set("hasindexes", !object.key.is_empty())
            .set("hasrules", false)
            .set("hastriggers", false)
            .set("rowsecurity", false);
    }
}

fn views(objects: &Objects, rows: &mut Rows) {
    for object in objects.all().iter().filter(|object| object.kind == ObjectKind::View) {
        rows.add()
            .set("schemaname", object.namespace.name())
            .set("viewname", object.name.clone())
            .set("viewowner", SUPERUSER_NAME)
            .set("definition", view_definition(object));
    }
}

fn indexes_as_text(objects: &Objects, rows: &mut Rows) {
    for (index, table) in objects.indexes() {
        rows.add()
            .set("schemaname", index.namespace.name())
            .set("tablename", table.name.clone())
            .set("indexname", index.name.clone())
            .set("indexdef", index_definition(index, table));
    }
}

fn statistics(objects: &Objects, rows: &mut Rows) {
    objects.all().iter().filter(|object| object.kind == ObjectKind::Table).for_each(|table| statistic(table, rows));
}

fn statistics_of_users(objects: &Objects, rows: &mut Rows) {
    let tables = objects.all().iter().filter(|object| object.kind == ObjectKind::Table && object.is_users());
    tables.for_each(|table| statistic(table, rows));
}

fn statistic(table: &Object, rows: &mut Rows) {
    rows.add().set("relid", table.oid).set("schemaname", table.namespace.name()).set("relname", table.name.clone());
}

fn numbers(index: &Object) -> Vec<i64> {
    index.key.iter().map(|number| i64::from(*number)).collect()
}

fn collations(index: &Object) -> Vec<i64> {
    index.columns.iter().map(|column| i64::from(column.pg_type.collation())).collect()
}

/// The definition of the constraint with that id.
pub(super) fn constraint_text(objects: &Objects, oid: u32) -> Option<String> {
    objects.indexes().find(|(_, table)| constraint_oid(table.oid) == oid).map(|(_, table)| constraint_definition(table))
}
