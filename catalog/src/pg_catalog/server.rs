//! Rows about the server itself: its one database, its schemas, its role, this session and its settings.

use super::objects::{DATABASE, Filled, Namespace, Objects, SUPERUSER, SUPERUSER_NAME};
use super::oids::{C_COLLATION, DEFAULT_COLLATION};
use super::types::INTERNAL;
use crate::metadata::Rows;

/// The tables that this file fills.
pub(super) static FILLED: &[Filled] = &[
    ("pg_authid", roles),
    ("pg_available_extensions", available_extensions),
    ("pg_collation", collations),
    ("pg_database", databases),
    ("pg_extension", extensions),
    ("pg_language", languages),
    ("pg_namespace", namespaces),
    ("pg_roles", roles),
    ("pg_settings", settings),
    ("pg_shadow", users),
    ("pg_stat_activity", activity),
    ("pg_stat_progress_create_index", index_builds),
    ("pg_tablespace", tablespaces),
    ("pg_user", users),
];

/// Encoding number of UTF-8.
pub(super) const UTF8: i32 = 6;
/// Object id of the table space of tables.
const DEFAULT_TABLESPACE: u32 = 1663;
/// Object id of the entry of `vector` in `pg_extension`.
const VECTOR_EXTENSION: u32 = 16_387;
/// The release of pgvector whose types and operators these are.
const VECTOR_VERSION: &str = "0.8.0";

fn roles(_objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("oid", SUPERUSER)
        .set("rolname", SUPERUSER_NAME)
        .set("rolsuper", true)
        .set("rolinherit", true)
        .set("rolcreaterole", true)
        .set("rolcreatedb", true)
        .set("rolcanlogin", true)
        .set("rolreplication", false)
        .set("rolbypassrls", true)
        .set("rolconnlimit", -1);
}

fn users(_objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("usename", SUPERUSER_NAME)
        .set("usesysid", SUPERUSER)
        .set("usecreatedb", true)
        .set("usesuper", true)
        .set("userepl", false)
        .set("usebypassrls", true);
}

fn extensions(_objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("oid", VECTOR_EXTENSION)
        .set("extname", "vector")
        .set("extowner", SUPERUSER)
        .set("extnamespace", Namespace::Public.oid())
        .set("extversion", VECTOR_VERSION);
}

fn available_extensions(_objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("name", "vector")
        .set("default_version", VECTOR_VERSION)
        .set("installed_version", VECTOR_VERSION)
        .set("comment", "vector data type; built in");
}

fn collations(_objects: &Objects, rows: &mut Rows) {
    for (oid, name, provider) in [(DEFAULT_COLLATION, "default", 'd'), (C_COLLATION, "C", 'c'), (951, "POSIX", 'c')] {
        let locale = (provider == 'c').then(|| name.to_string());
        rows.add()
            .set("oid", oid)
            .set("collname", name)
            .set("collnamespace", Namespace::PgCatalog.oid())
            .set("collowner", SUPERUSER)
            .set("collprovider", provider)
            .set("collisdeterministic", true)
            .set("collencoding", -1)
            .set("collcollate", locale.clone())
            .set("collctype", locale);
    }
}

fn databases(objects: &Objects, rows: &mut Rows) {
    rows.add()
        .set("oid", DATABASE)
        .set("datname", objects.session().database.clone())
        .set("datdba", SUPERUSER)
        .set("encoding", UTF8)
        .set("datlocprovider", 'c')
        .set("datallowconn", true)
        .set("datconnlimit", -1)
        .set("dattablespace", DEFAULT_TABLESPACE)
        .set("datcollate", "C")
        .set("datctype", "C");
}

fn languages(_objects: &Objects, rows: &mut Rows) {
    for (oid, name, trusted) in [(INTERNAL, "internal", false), (14, "sql", true)] {
        rows.add().set("oid", oid).set("lanname", name).set("lanowner", SUPERUSER).set("lanpltrusted", trusted);
    }
}

fn namespaces(objects: &Objects, rows: &mut Rows) {
    for namespace in objects.namespaces() {
        rows.add().set("oid", namespace.oid()).set("nspname", namespace.name()).set("nspowner", SUPERUSER);
    }
}

fn tablespaces(_objects: &Objects, rows: &mut Rows) {
    for (oid, name) in [(DEFAULT_TABLESPACE, "pg_default"), (1664, "pg_global")] {
        rows.add().set("oid", oid).set("spcname", name).set("spcowner", SUPERUSER);
    }
}

fn settings(objects: &Objects, rows: &mut Rows) {
    for setting in objects.session().settings.all() {
        let changed = setting.value != setting.reset_value;
        rows.add()
            .set("name", setting.name)
            .set("setting", setting.value)
            .set("category", "Session")
            .set("short_desc", setting.description)
            .set("context", if setting.settable { "user" } else { "internal" })
            .set("vartype", setting.kind)
            .set("source", if changed { "session" } else { "default" })
            .set("boot_val", setting.reset_value.clone())
            .set("reset_val", setting.reset_value)
            .set("pending_restart", false);
    }
}

fn index_builds(objects: &Objects, rows: &mut Rows) {
    for build in objects.index_builds() {
        rows.add()
            .set("pid", build.builder.pid)
            .set("datid", DATABASE)
            .set("datname", objects.session().database.clone())
            .set("relid", build.table)
            .set("index_relid", build.index)
            .set("command", build.builder.command)
            .set("phase", build.phase)
            .set("lockers_total", 0)
            .set("lockers_done", 0)
            .set("current_locker_pid", 0)
            .set("blocks_total", build.total as i64)
            .set("blocks_done", build.done as i64)
            .set("tuples_total", build.rows as i64)
            .set("tuples_done", 0)
            .set("partitions_total", 0)
            .set("partitions_done", 0);
    }
}

fn activity(objects: &Objects, rows: &mut Rows) {
    let session = objects.session();
    rows.add()
        .set("datid", DATABASE)
        .set("pid", session.process_id)
        .set("usesysid", SUPERUSER)
        .set("state", "active")
        .set("backend_type", "client backend")
        .set("datname", session.database.clone())
        .set("usename", session.user.clone())
        .set("application_name", session.settings.get("application_name"));
}
