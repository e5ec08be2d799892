//! Runs the scripts in `tests/scripts/` against a server, each on a database of its own. Those in `transactions/` need several
//! sessions, which they name with `connection`.
//!
//! Values are compared as text, as psql shows them: NULL is `NULL`, the empty string is `(empty)`. An expected error is a
//! regular expression for its message, or a SQLSTATE in parentheses.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use slipstream_tests::TestServer;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio_postgres::SimpleQueryMessage;

/// One test per script of a folder; a script that is not named here fails `every_script_is_run`.
macro_rules! scripts {
    (in $folder:literal: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                crate::scripts::run($folder, stringify!($name)).await;
            }
        )*

        pub(super) const NAMED: &[&str] = &[$(stringify!($name)),*];
    };
}

scripts!(in "":
    age,
    alter_column_type,
    alter_table,
    arrays,
    bare_cypher,
    bit_strings,
    check_constraints,
    constraints,
    copy,
    cypher,
    cypher_exists,
    cypher_functions,
    cypher_values,
    cypher_write_create,
    cypher_write_merge,
    cypher_write_set,
    ddl,
    degree_products,
    errors,
    floats,
    foreign_keys,
    format_and_age,
    generated_columns,
    graph_algorithms,
    graph_ddl,
    graph_labels,
    graph_table,
    graph_writes,
    identity_columns,
    index_then_store,
    indexes,
    insert_on_conflict,
    insert_update_delete,
    isolation_settings,
    json,
    lateral_patterns,
    lateral_subqueries,
    math_functions,
    merge,
    named_snapshots,
    ordered_aggregates,
    patterns_in_parts,
    pgvector_readme,
    prepared_patterns,
    returning,
    savepoints,
    schemas,
    select,
    select_for_update,
    sequences,
    set_operations,
    settings,
    shorthands,
    subqueries,
    system_tables,
    text_indexes,
    text_search,
    text_search_types,
    time_travel,
    transactions,
    truncate,
    types,
    union_types,
    update_from,
    vector_errors,
    vector_functions,
    vector_kinds,
    vectors,
    views,
    writes_in_transactions,
);

mod transactions {
    scripts!(in "transactions":
        cypher_writes,
        ddl_against_dml,
        delete_update,
        dirty_read,
        dirty_write,
        first_committer_wins,
        insert_insert,
        lost_update,
        own_writes,
        phantom,
        read_only,
        read_skew,
        referential,
        select_for_update,
        write_skew,
    );
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

#[test]
fn every_script_is_run() {
    assert_eq!(scripts_in(""), NAMED);
    assert_eq!(scripts_in("transactions"), transactions::NAMED);
}

/// The names of a folder's scripts, in order.
fn scripts_in(name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder().join(name)).expect("the scripts are there");
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    let mut found: Vec<String> =
        paths.filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(".slt")?.to_string())).collect();
    found.sort();
    found
}

async fn run(subfolder: &str, name: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let mut runner = Runner::new(|| async { Ok(Client(server.connect().await)) });
    let script = folder().join(subfolder).join(format!("{name}.slt"));
    if let Err(error) = runner.run_file_async(script).await {
        panic!("{}", error.display(false));
    }
}

/// A connection as the script runner sees one.
struct Client(tokio_postgres::Client);

/// An error with the message alone as its text, which scripts match.
#[derive(Debug)]
struct ScriptError(tokio_postgres::Error);

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_db_error() {
            Some(report) => {
                write!(f, "{}: {}", report.code().code(), report.message())?;
                report.detail().map_or(Ok(()), |detail| write!(f, " DETAIL: {detail}"))?;
                report.hint().map_or(Ok(()), |hint| write!(f, " HINT: {hint}"))
            }
            None => self.0.fmt(f),
        }
    }
}

impl std::error::Error for ScriptError {}

#[async_trait]
impl AsyncDB for Client {
    type Error = ScriptError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, ScriptError> {
        let mut types = None;
        let mut rows = Vec::new();
        let mut count = 0;
        for message in self.0.simple_query(sql).await.map_err(ScriptError)? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    types = Some(vec![DefaultColumnType::Any; columns.len()])
                }
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|column| shown(row.get(column))).collect())
                }
                SimpleQueryMessage::CommandComplete(rows) => count = rows,
                _ => {}
            }
        }
        Ok(match types {
            Some(types) => DBOutput::Rows { types, rows },
            None => DBOutput::StatementComplete(count),
        })
    }

    async fn shutdown(&mut self) {}

    fn error_sql_state(error: &ScriptError) -> Option<String> {
        error.0.code().map(|code| code.code().to_string())
    }
}

fn shown(value: Option<&str>) -> String {
    match value {
        None => "NULL".to_string(),
        Some("") => "(empty)".to_string(),
        Some(text) => text.to_string(),
    }
}
