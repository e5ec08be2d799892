//! The rewrites as text, and psql's own statements end to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use futures::StreamExt;
use slipstream_engine::{Database, ErrorKind, OpenOptions, Result};

use super::rewrite;
use crate::{Execution, Session, SessionOptions};

fn rewritten(sql: &str) -> String {
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql);
    let mut statement = statements.remove(0);
    rewrite(&mut statement);
    statement.to_string()
}

#[test]
fn a_registered_type_is_its_name_where_it_is_seen_and_its_id_elsewhere() {
    for (sql, expected) in [
        ("SELECT c.oid::pg_catalog.regclass FROM t c", "SELECT regclass_text(c.oid) AS oid FROM t c"),
        ("SELECT 1 WHERE c = 'public.t'::regclass", "SELECT 1 WHERE c = regclass_oid('public.t')"),
        ("SELECT a::regtype::text = 'x' FROM t", "SELECT regtype_text(a)::TEXT = 'x' FROM t"),
        ("SELECT 'x' || n::regnamespace FROM t", "SELECT 'x' || regnamespace_text(n) FROM t"),
        ("SELECT f('t'::regclass)", "SELECT f(regclass_oid('t'))"),
        ("SELECT r FROM (SELECT p::regproc FROM t) AS s", "SELECT r FROM (SELECT regproc_oid(p) AS p FROM t) AS s"),
    ] {
        assert_eq!(rewritten(sql), expected);
    }
}

#[test]
fn an_array_of_a_query_is_an_aggregate() {
    assert_eq!(
        rewritten("SELECT ARRAY(SELECT b.r FROM b WHERE b.m = a.x ORDER BY 1)"),
        "SELECT array_or_empty((SELECT array_agg(b.r ORDER BY b.r) FROM b WHERE b.m = a.x))"
    );
    let grouped = "SELECT ARRAY(SELECT b.r FROM b GROUP BY b.r)";
    assert_eq!(rewritten(grouped), grouped);
}

#[test]
fn the_first_row_of_a_subquery_is_an_aggregate() {
    assert_eq!(
        rewritten("SELECT (SELECT b.r FROM b WHERE b.m = a.x ORDER BY b.d DESC LIMIT 1) FROM a"),
        "SELECT (SELECT first_value(b.r ORDER BY b.d DESC) FROM b WHERE b.m = a.x) FROM a"
    );
    let two = "SELECT (SELECT b.r FROM b LIMIT 2) FROM a";
    assert_eq!(rewritten(two), two);
}

#[test]
fn subqueries_over_no_rows_are_dropped() {
    assert_eq!(
        rewritten("SELECT p.polname, (SELECT x FROM f(p.y)) AS s FROM pg_catalog.pg_policy p"),
        "SELECT p.polname, NULL::TEXT AS s FROM pg_catalog.pg_policy p"
    );
    for kept in [
        "SELECT count(*), (SELECT x FROM y) AS s FROM pg_policy",
        "SELECT (SELECT x FROM y) AS s FROM t LEFT JOIN pg_policy ON true",
        "WITH pg_policy AS (SELECT 1) SELECT (SELECT x FROM y) AS s FROM pg_policy",
        "SELECT (SELECT x FROM y) AS s FROM public.pg_policy",
    ] {
        assert_eq!(rewritten(kept), kept);
    }
}

#[test]
fn only_collations_that_change_nothing_are_dropped() {
    assert_eq!(rewritten("SELECT a COLLATE pg_catalog.default, b COLLATE \"C\""), "SELECT a, b");
    let other = "SELECT a COLLATE \"de_DE\"";
    assert_eq!(rewritten(other), other);
}

/// A session on a database with two tables.
struct Client {
    session: Session,
    _directory: tempfile::TempDir,
}

impl Client {
    async fn new() -> Client {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database: Arc<Database> = Database::open(OpenOptions::new(directory.path())).await.expect("opens");
        let options = SessionOptions {
            user: "postgres".into(),
            database: "postgres".into(),
            application_name: "psql".into(),
            process_id: 7,
        };
        let client = Client { session: Session::new(database, options), _directory: directory };
        let tables = "create table person (id bigint primary key, name text not null default 'x', score numeric(10,2),
                tags text[], nick varchar(9), embedding vector(3));
            create table knows (id bigint primary key, src bigint, dst bigint)";
        client.run(tables).await.expect("tables");
        client
    }

    /// Rows as `a|b` lines.
    async fn run(&self, sql: &str) -> Result<String> {
        let mut lines = String::new();
        for statement in self.session.parse(sql)? {
            let prepared = self.session.prepare(&statement, &[]).await?;
            if let Execution::Rows { mut stream, .. } = self.session.execute(&prepared, Vec::new()).await? {
                while let Some(batch) = stream.next().await {
                    let batch = batch.map_err(crate::from_datafusion)?;
                    let options = FormatOptions::default();
                    let columns: Vec<_> = batch
                        .columns()
                        .iter()
                        .map(|column| ArrayFormatter::try_new(column, &options).expect("printable"))
                        .collect();
                    for row in 0..batch.num_rows() {
                        let cells: Vec<_> = columns.iter().map(|column| column.value(row).to_string()).collect();
                        lines.push_str(&cells.join("|"));
                        lines.push('\n');
                    }
                }
            }
        }
        Ok(lines)
    }

    async fn rows(&self, sql: &str) -> String {
        self.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {:?} {error}", error.kind()))
    }
}

/// The statements of each command in `psql.sql`.
fn psql() -> BTreeMap<&'static str, Vec<&'static str>> {
    let commands = include_str!("psql.sql").split("\n-- \\").skip(1);
    commands
        .filter_map(|command| command.split_once('\n'))
        .map(|(name, text)| {
            (name, text.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_psql_runs() {
    let client = Client::new().await;
    let mut failures = Vec::new();
    for (command, statements) in psql() {
        for statement in statements {
            if let Err(error) = client.run(statement).await {
                failures.push(format!("\\{command}: {:?} {error}\n{statement}", error.kind()));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_sees_tables_columns_and_keys() {
    let client = Client::new().await;
    let psql = psql();
    assert_eq!(client.rows(psql["d"][0]).await, "public|knows|table|postgres\npublic|person|table|postgres\n");
    let person = &psql["d person"];
    assert_eq!(client.rows(person[0]).await, "16384|public|person\n");
    assert_eq!(
        client.rows(person[2]).await,
        "id|bigint||true|||\n\
         name|text|'x'|true|||\n\
         score|numeric(10,2)||false|||\n\
         tags|text[]||false|||\n\
         nick|character varying(9)||false|||\n\
         embedding|vector(3)||false|||\n"
    );
    assert_eq!(
        client.rows(person[3]).await,
        "person_pkey|true|true|false|true|CREATE UNIQUE INDEX person_pkey ON public.person USING btree (id)|\
         PRIMARY KEY (id)|p|false|false|false|0\n"
    );
    for nothing in &person[4..] {
        assert_eq!(client.rows(nothing).await, "", "{nothing}");
    }
    let index = &psql["d person_pkey"];
    assert_eq!(client.rows(index[2]).await, "id|bigint|yes|id\n");
    assert_eq!(client.rows(index[3]).await, "true|true|false|true|false|false|false|false|btree|person|\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_sees_the_server() {
    let client = Client::new().await;
    let psql = psql();
    assert_eq!(
        client.rows(psql["dn+"][0]).await,
        "public|postgres||standard public schema\n\
         slipstream|postgres||tables, graphs and commits of this database\n"
    );
    assert_eq!(client.rows(psql["du+"][0]).await, "postgres|true|true|true|true|true|-1||[]||false|true\n");
    assert_eq!(client.rows(psql["dx"][0]).await, "vector|0.8.0|public|\n");
    assert!(client.rows(psql["l+"][0]).await.starts_with("postgres|postgres|UTF8|C|C||libc|"));
    assert_eq!(
        client.rows(psql["di+"][0]).await,
        "public|knows_pkey|index|postgres|knows|permanent|btree||\n\
         public|person_pkey|index|postgres|person|permanent|btree||\n"
    );
    assert_eq!(
        client.rows(psql["dT+"][0]).await,
        "public|halfvec|halfvec|var||postgres||vectors of 16-bit floats\n\
         public|sparsevec|sparsevec|var||postgres||vectors of which only what is not zero is kept\n\
         public|vector|vector|var||postgres||vectors of floats\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn drivers_find_types_and_keys() {
    let client = Client::new().await;
    for (sql, expected) in [
        ("select oid, typarray from pg_type where typname = 'vector'", "16388|16389\n"),
        ("select 'vector'::regtype::oid, to_regtype('nothing')", "16388|\n"),
        (
            "select t.typname from pg_type t join pg_proc p on p.oid = t.typreceive where p.proname = 'array_recv' and t.oid = 1016",
            "_int8\n",
        ),
        (
            "select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = 'person'::regclass and i.indisprimary",
            "id\n",
        ),
        (
            "select column_name, data_type, is_nullable, character_maximum_length from information_schema.columns where table_name = 'person' and ordinal_position > 3 order by ordinal_position",
            "tags|ARRAY|YES|\nnick|character varying|YES|9\nembedding|USER-DEFINED|YES|\n",
        ),
        (
            "select k.column_name from information_schema.table_constraints c join information_schema.key_column_usage k using (constraint_name) where c.table_name = 'knows' and constraint_type = 'PRIMARY KEY'",
            "id\n",
        ),
        (
            "select name, version, rows, primary_key from slipstream.tables order by 1",
            "knows|1|0|[id]\nperson|1|0|[id]\n",
        ),
        ("select seq from slipstream.commits limit 1", "3\n"),
        (
            "select current_user, current_schema(), pg_backend_pid(), current_schemas(true)",
            "postgres|public|7|[pg_catalog, public]\n",
        ),
        (
            "select description from pg_description where objoid = 'slipstream.commits'::regclass and objsubid = 1",
            "place in the log, from 1\n",
        ),
    ] {
        assert_eq!(client.rows(sql).await, expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scalar_subquery_of_two_rows_is_an_error() {
    let client = Client::new().await;
    client.rows("insert into person (id) values (1), (2)").await;
    client.rows("insert into knows values (1, 1, 2), (2, 1, 1)").await;
    let one = "select p.id, (select k.id from knows k where k.dst = p.id and p.id > 1) from person p order by 1";
    assert_eq!(client.rows(one).await, "1|\n2|1\n");
    let two = "select (select k.id from knows k where k.src = p.id) from person p";
    assert_eq!(client.run(two).await.expect_err("two rows").kind(), ErrorKind::Cardinality);
}
