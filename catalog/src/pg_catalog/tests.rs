//! The metadata tables over a catalog made by hand.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::prelude::{SessionConfig, SessionContext};
use slipstream_engine::Result;
use slipstream_engine::catalog::{Catalog, ColumnDefinition, TableDefinition, TableId};
use slipstream_engine::types::SqlType;
use uuid::Uuid;

use super::functions::functions;
use super::objects::{Namespace, Objects};
use super::session_info::{SessionInfo, Setting, SettingsSource};
use crate::{information_schema, pg_catalog, system};

struct Settings;

impl SettingsSource for Settings {
    fn get(&self, name: &str) -> Option<String> {
        (name == "server_version").then(|| "16.4".to_string())
    }

    fn set(&self, _name: &str, value: &str, _local: bool) -> Result<String> {
        Ok(value.to_string())
    }

    fn all(&self) -> Vec<Setting> {
        vec![Setting {
            name: "server_version".into(),
            value: "16.4".into(),
            reset_value: "16.4".into(),
            description: "Version.".into(),
            kind: "string",
            settable: false,
        }]
    }
}

fn session() -> Arc<SessionInfo> {
    Arc::new(SessionInfo {
        user: "postgres".into(),
        database: "postgres".into(),
        process_id: 42,
        settings: Arc::new(Settings),
    })
}

fn catalog() -> Arc<Catalog> {
    let mut catalog = Catalog::default();
    let column = |name: &str, sql_type, not_null| ColumnDefinition {
        name: name.into(),
        sql_type,
        not_null,
        default: None,
        identity: None,
        generated: None,
    };
    let id = TableId(Uuid::from_u128(1));
    let columns = vec![
        column("note", SqlType::Varchar(20), false),
        column("left", SqlType::BigInt, true),
        column("right", SqlType::Uuid, true),
    ];
    let table = TableDefinition::new("Pair", columns, vec!["right".into(), "left".into()]);
    let table = TableDefinition { id, oid: catalog.allocate_oid(), ..table };
    catalog.tables.insert(id, Arc::new(table));
    Arc::new(catalog)
}

fn context() -> SessionContext {
    let config = SessionConfig::new().with_default_catalog_and_schema("postgres", "pg_catalog");
    let context = SessionContext::new_with_config(config);
    let schemas = MemoryCatalogProvider::new();
    let (catalog, session) = (catalog(), session());
    schemas.register_schema(pg_catalog::NAME, pg_catalog::schema(Objects::new(&catalog, &session))).expect("registers");
    schemas
        .register_schema(information_schema::NAME, information_schema::schema(&catalog, &session))
        .expect("registers");
    context.register_catalog("postgres", Arc::new(schemas));
    for function in functions(&catalog, &session) {
        context.register_udf(function.as_ref().clone());
    }
    context
}

/// One line per row, cells between bars.
async fn rows(sql: &str) -> Vec<String> {
    let batches = context().sql(sql).await.expect(sql).collect().await.expect(sql);
    let table = pretty_format_batches(&batches).expect("printable").to_string();
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(1);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|")).collect()
}

#[tokio::test]
async fn every_table_can_be_read_whole() {
    let context = context();
    let names = pg_catalog::relations().map(|relation| format!("pg_catalog.{}", relation.name));
    let names =
        names.chain(information_schema::relations().map(|relation| format!("information_schema.{}", relation.name)));
    for name in names {
        let sql = format!("SELECT * FROM {name}");
        context.sql(&sql).await.expect(&sql).collect().await.expect(&sql);
    }
}

#[test]
fn every_relation_has_an_id_of_its_own() {
    let relations = pg_catalog::relations().chain(information_schema::relations()).chain(system::relations());
    let mut ids: HashSet<_> = Namespace::BUILT_IN.iter().map(|namespace| namespace.oid()).collect();
    for relation in relations {
        assert!(ids.insert(relation.oid), "{} has the id of another", relation.name);
        assert!(relation.documentation.ends_with('.'), "{}", relation.name);
    }
}

#[test]
fn names_are_found_as_a_client_writes_them() {
    let objects = Objects::new(&catalog(), &session());
    let oid = |name| objects.named(name).map(|object| object.oid);
    assert_eq!(oid("\"Pair\""), Some(16384));
    assert_eq!(oid("public.\"Pair\""), Some(16384));
    assert_eq!(oid("pair"), None);
    assert_eq!(oid("PG_CLASS"), Some(1259));
    assert_eq!(oid("columns"), None);
    assert!(oid("information_schema.columns").is_some());
}

#[tokio::test]
async fn a_key_keeps_its_own_order() {
    assert_eq!(
        rows("SELECT conname, conkey, pg_get_constraintdef(oid), pg_get_indexdef(conindid) FROM pg_constraint").await,
        ["Pair_pkey|[3, 2]|PRIMARY KEY (\"right\", \"left\")|\
             CREATE UNIQUE INDEX \"Pair_pkey\" ON public.\"Pair\" USING btree (\"right\", \"left\")"]
    );
    assert_eq!(
        rows("SELECT column_name, ordinal_position FROM information_schema.key_column_usage ORDER BY 2").await,
        ["right|1", "left|2"]
    );
}

#[tokio::test]
async fn columns_have_types_and_modifiers() {
    assert_eq!(
        rows("SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = '16384' ORDER BY attnum")
            .await,
        ["note|character varying(20)|false", "left|bigint|true", "right|uuid|true"]
    );
}

#[tokio::test]
async fn the_tables_describe_themselves() {
    assert_eq!(
        rows("SELECT attname, format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = regclass_oid('pg_am') ORDER BY attnum").await,
        ["oid|oid", "amname|name", "amhandler|regproc", "amtype|\"char\""]
    );
    assert_eq!(
        rows("SELECT obj_description(regclass_oid('pg_am'), 'pg_class')").await,
        ["Access methods of tables and indexes."]
    );
}

#[tokio::test]
async fn functions_answer_for_the_session() {
    assert_eq!(
        rows("SELECT version(), pg_backend_pid(), current_setting('none', true), pg_get_userbyid(10), pg_get_userbyid(11)").await,
        ["PostgreSQL 16.4|42||postgres|unknown (OID=11)"]
    );
    assert_eq!(
        rows("SELECT has_table_privilege('\"Pair\"', 'SELECT'), has_table_privilege(1, 'SELECT')").await,
        ["true|"]
    );
}

#[tokio::test]
async fn unknown_names_have_postgres_s_errors() {
    for (sql, message) in [
        ("SELECT regclass_oid('nothing')", "relation \"nothing\" does not exist"),
        ("SELECT regtype_oid('nothing')", "type \"nothing\" does not exist"),
        ("SELECT current_setting('nothing')", "unrecognized configuration parameter \"nothing\""),
        ("SELECT has_table_privilege('nobody', 'pg_am', 'SELECT')", "role \"nobody\" does not exist"),
    ] {
        let error = match context().sql(sql).await {
            Ok(frame) => frame.collect().await.expect_err(sql),
            Err(error) => error,
        };
        assert!(error.to_string().contains(message), "{sql}: {error}");
    }
}
