//! Rows about tables, columns, indexes and constraints.

use std::collections::HashSet;

use slipstream_engine::catalog::{Identity, IndexMethod, ReferentialAction};

use super::access::{access_method_oid, operator_class_oid};
use super::constraints::ConstraintKind;
use super::definitions::{index_definition, view_definition};
use super::objects::{Filled, Object, ObjectKind, Objects, SUPERUSER, SUPERUSER_NAME, default_oid};
use super::oids::type_oid;
use crate::metadata::Rows;

/// The tables that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("pg_class", classes),
    ("pg_attribute", attributes),
    ("pg_attrdef", defaults),
    ("pg_index", indexes),
    ("pg_constraint", constraints),
    ("pg_depend", dependencies),
    ("pg_sequence", sequences),
    ("pg_sequences", sequences_as_text),
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

fn classes(objects: &Objects, rows: &mut Rows) {
    // Postgres keeps foreign keys by triggers on both tables, and psql shows them where it finds any.
    let references =
        objects.constraints().filter_map(|(constraint, table)| Some((constraint.reference()?.table, table.oid)));
    let in_references: HashSet<u32> = references.flat_map(|(to, from)| [to, from]).collect();
    for object in objects.all() {
        let access_method = match object.kind {
            ObjectKind::Table => HEAP,
            ObjectKind::Index => access_method_oid(method_of(object)),
            ObjectKind::View | ObjectKind::Sequence => 0,
        };
        rows.add()
            .set("oid", object.oid)
            .set("relname", object.name.clone())
            .set("relnamespace", object.namespace.oid())
            .set("relowner", SUPERUSER)
            .set("relam", access_method)
            .set("relfilenode", if object.kind == ObjectKind::View { 0 } else { object.oid })
            .set("reltuples", -1.0)
            .set("relhasindex", has_index(objects, object))
            .set("relchecks", checks(object))
            .set("relhasrules", object.query.is_some())
            .set("relhastriggers", in_references.contains(&object.oid))
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
                .set(
                    "attidentity",
                    match column.identity {
                        Some(Identity::Always) => "a",
                        Some(Identity::ByDefault) => "d",
                        None => "",
                    },
                )
                .set("attgenerated", if column.generated { "s" } else { "" })
                .set("attislocal", true)
                .set("attstattarget", -1)
                .set("attcollation", pg_type.collation());
        }
    }
}

fn defaults(objects: &Objects, rows: &mut Rows) {
    for object in objects.all() {
        for (number, column) in (1i16..).zip(&object.columns) {
            if let Some(default) = objects.default_text(column) {
                rows.add()
                    .set("oid", default_oid(object.oid, number))
                    .set("adrelid", object.oid)
                    .set("adnum", number)
                    .set("adbin", default);
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
            .set("indisunique", index.index.is_none())
            .set("indisprimary", index.is_primary)
            .set("indimmediate", true)
            .set("indisvalid", true)
            .set("indisready", true)
            .set("indislive", true)
            .set("indkey", numbers(index))
            .set("indcollation", collations(index))
            .set("indclass", classes_of(index))
            .set("indoption", orders(index))
            .set("indexprs", expressions(index))
            .set("indpred", predicate(index));
    }
}

/// How an index finds rows; that of a key does so by order.
pub(super) fn method_of(index: &Object) -> IndexMethod {
    index.index.as_ref().map_or(IndexMethod::Btree, |index| index.method)
}

/// Operator classes by column; 0 for those that are not listed.
fn classes_of(index: &Object) -> Vec<i64> {
    let Some(definition) = &index.index else { return vec![0; index.key.len()] };
    let keys = definition.keys.iter();
    keys.map(|key| i64::from(operator_class_oid(definition.method, &key.operator_class))).collect()
}

/// Bit 1 for descending order, bit 2 for NULLs first.
fn orders(index: &Object) -> Vec<i64> {
    let Some(definition) = &index.index else { return vec![0; index.key.len()] };
    let order = |order: &str| match order {
        "DESC" => 3,
        "DESC NULLS LAST" => 1,
        "NULLS FIRST" => 2,
        _ => 0,
    };
    definition.keys.iter().map(|key| order(&key.order)).collect()
}

fn expressions(index: &Object) -> Option<String> {
    let keys = index.index.iter().flat_map(|index| &index.keys);
    let expressions: Vec<&str> = keys.filter_map(|key| key.expression.as_deref()).collect();
    (!expressions.is_empty()).then(|| expressions.join(", "))
}

fn predicate(index: &Object) -> Option<String> {
    Some(index.index.as_ref()?.predicate.as_ref()?.expression.clone())
}

fn has_index(objects: &Objects, object: &Object) -> bool {
    objects.indexes().any(|(_, table)| table.oid == object.oid)
}

fn checks(object: &Object) -> i64 {
    object.constraints.iter().filter(|constraint| constraint.letter() == 'c').count() as i64
}

fn constraints(objects: &Objects, rows: &mut Rows) {
    for (constraint, table) in objects.constraints() {
        let row = rows
            .add()
            .set("oid", constraint.oid)
            .set("conname", constraint.name.clone())
            .set("connamespace", table.namespace.oid())
            .set("contype", constraint.letter())
            .set("convalidated", true)
            .set("conrelid", table.oid)
            .set("confupdtype", ' ')
            .set("confdeltype", ' ')
            .set("confmatchtype", ' ')
            .set("conislocal", true)
            .set("connoinherit", constraint.letter() != 'c')
            .set("conkey", small_numbers(&constraint.columns));
        match &constraint.kind {
            ConstraintKind::PrimaryKey(index) | ConstraintKind::Unique(index) => row.set("conindid", *index),
            ConstraintKind::Check(expression) => row.set("conbin", expression.clone()),
            ConstraintKind::Foreign(reference) => row
                .set("conindid", reference.index)
                .set("confrelid", reference.table)
                .set("confkey", small_numbers(&reference.columns))
                .set("confupdtype", 'a')
                .set("confmatchtype", 's')
                .set(
                    "confdeltype",
                    match reference.on_delete {
                        ReferentialAction::NoAction => 'a',
                        ReferentialAction::Cascade => 'c',
                        ReferentialAction::SetNull => 'n',
                    },
                ),
        };
    }
}

fn sequences(objects: &Objects, rows: &mut Rows) {
    for (object, sequence) in objects.sequences() {
        rows.add()
            .set("seqrelid", object.oid)
            .set("seqtypid", type_oid(&sequence.sql_type))
            .set("seqstart", sequence.start)
            .set("seqincrement", sequence.increment)
            .set("seqmax", sequence.max)
            .set("seqmin", sequence.min)
            .set("seqcache", 1)
            .set("seqcycle", sequence.cycle);
    }
}

fn sequences_as_text(objects: &Objects, rows: &mut Rows) {
    for (object, sequence) in objects.sequences() {
        rows.add()
            .set("schemaname", object.namespace.name())
            .set("sequencename", object.name.clone())
            .set("sequenceowner", SUPERUSER_NAME)
            .set("data_type", type_oid(&sequence.sql_type))
            .set("start_value", sequence.start)
            .set("min_value", sequence.min)
            .set("max_value", sequence.max)
            .set("increment_by", sequence.increment)
            .set("cycle", sequence.cycle)
            .set("cache_size", 1)
            .set("last_value", objects.last_value(sequence));
    }
}

/// What depends on what, as far as clients ask: sequences that belong to columns.
fn dependencies(objects: &Objects, rows: &mut Rows) {
    for (object, sequence) in objects.sequences() {
        let Some((table, column)) = &sequence.owned_by else { continue };
        let Some(table) = objects.catalog().tables.get(table) else { continue };
        let Some(position) = table.columns.iter().position(|known| &known.name == column) else { continue };
        rows.add()
            .set("classid", PG_CLASS)
            .set("objid", object.oid)
            .set("refclassid", PG_CLASS)
            .set("refobjid", table.oid)
            .set("refobjsubid", position as i64 + 1)
            .set("deptype", if table.columns[position].identity.is_some() { 'i' } else { 'a' });
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
            .set("hasindexes", has_index(objects, object))
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
    small_numbers(&index.key)
}

fn small_numbers(numbers: &[i16]) -> Vec<i64> {
    numbers.iter().map(|number| i64::from(*number)).collect()
}

fn collations(index: &Object) -> Vec<i64> {
    index.columns.iter().map(|column| i64::from(column.pg_type.collation())).collect()
}
