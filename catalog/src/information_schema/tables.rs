//! Views about schemas, tables, views and privileges.

use super::columns::data_type;
use super::yes_or_no;
use crate::metadata::Rows;
use crate::pg_catalog::definitions::view_definition;
use crate::pg_catalog::objects::{Filled, Object, ObjectKind, Objects, SUPERUSER_NAME};
use crate::pg_catalog::oids::PgType;

/// The views that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("schemata", schemata),
    ("tables", tables),
    ("views", views),
    ("sequences", sequences),
    ("view_table_usage", view_table_usage),
    ("table_privileges", table_privileges),
    ("role_table_grants", table_privileges),
    ("enabled_roles", enabled_roles),
    ("information_schema_catalog_name", catalog_name),
    ("character_sets", character_sets),
];

fn schemata(objects: &Objects, rows: &mut Rows) {
    for namespace in objects.namespaces() {
        rows.add()
            .set("catalog_name", objects.session().database.clone())
            .set("schema_name", namespace.name())
            .set("schema_owner", SUPERUSER_NAME);
    }
}

fn tables(objects: &Objects, rows: &mut Rows) {
    for table in objects.tables() {
        rows.add()
            .set("table_catalog", objects.session().database.clone())
            .set("table_schema", table.namespace.name())
            .set("table_name", table.name.clone())
            .set("table_type", if table.kind == ObjectKind::View { "VIEW" } else { "BASE TABLE" })
            .set("is_insertable_into", yes_or_no(table.is_changeable()))
            .set("is_typed", "NO");
    }
}

fn views(objects: &Objects, rows: &mut Rows) {
    for view in objects.tables().filter(|table| table.kind == ObjectKind::View) {
        rows.add()
            .set("table_catalog", objects.session().database.clone())
            .set("table_schema", view.namespace.name())
            .set("table_name", view.name.clone())
            .set("view_definition", view_definition(view))
            .set("check_option", "NONE")
            .set("is_updatable", "NO")
            .set("is_insertable_into", "NO")
            .set("is_trigger_updatable", "NO")
            .set("is_trigger_deletable", "NO")
            .set("is_trigger_insertable_into", "NO");
    }
}

fn sequences(objects: &Objects, rows: &mut Rows) {
    for (object, sequence) in objects.sequences() {
        let pg_type = PgType::of(&sequence.sql_type);
        let bits = i64::from(pg_type.length()) * 8;
        rows.add()
            .set("sequence_catalog", objects.session().database.clone())
            .set("sequence_schema", object.namespace.name())
            .set("sequence_name", object.name.clone())
            .set("data_type", data_type(pg_type))
            .set("numeric_precision", bits)
            .set("numeric_precision_radix", 2)
            .set("numeric_scale", 0)
            .set("start_value", sequence.start.to_string())
            .set("minimum_value", sequence.min.to_string())
            .set("maximum_value", sequence.max.to_string())
            .set("increment", sequence.increment.to_string())
            .set("cycle_option", yes_or_no(sequence.cycle));
    }
}

fn view_table_usage(objects: &Objects, rows: &mut Rows) {
    for view in objects.catalog().views.values() {
        for used in view.relations.iter().filter_map(|relation| objects.get(relation.oid)) {
            rows.add()
                .set("view_catalog", objects.session().database.clone())
                .set("view_schema", view.schema.clone())
                .set("view_name", view.name.clone())
                .set("table_catalog", objects.session().database.clone())
                .set("table_schema", used.namespace.name())
                .set("table_name", used.name.clone());
        }
    }
}

fn table_privileges(objects: &Objects, rows: &mut Rows) {
    for table in objects.tables() {
        for privilege in privileges(table) {
            rows.add()
                .set("grantor", SUPERUSER_NAME)
                .set("grantee", SUPERUSER_NAME)
                .set("table_catalog", objects.session().database.clone())
                .set("table_schema", table.namespace.name())
                .set("table_name", table.name.clone())
                .set("privilege_type", *privilege)
                .set("is_grantable", "YES")
                .set("with_hierarchy", yes_or_no(*privilege == "SELECT"));
        }
    }
}

/// What can be done to a table: metadata is only read.
pub(super) fn privileges(table: &Object) -> &'static [&'static str] {
    if table.is_changeable() { &["INSERT", "SELECT", "UPDATE", "DELETE"] } else { &["SELECT"] }
}

fn enabled_roles(_objects: &Objects, rows: &mut Rows) {
    rows.add().set("role_name", SUPERUSER_NAME);
}

fn catalog_name(objects: &Objects, rows: &mut Rows) {
    rows.add().set("catalog_name", objects.session().database.clone());
}

fn character_sets(objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("character_set_name", "UTF8")
        .set("character_repertoire", "UCS")
        .set("form_of_use", "UTF8")
        .set("default_collate_catalog", objects.session().database.clone());
}
