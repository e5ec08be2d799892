//! Sessions end to end, over a database in a temporary directory.

use std::fmt::Write;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use slipstream_engine::{Database, Error, ErrorKind, OpenOptions, Result};

use crate::{Execution, Session, SessionOptions, TransactionStatus};

struct Client {
    session: Session,
    _directory: std::sync::Arc<tempfile::TempDir>,
}

impl Client {
    async fn new() -> Client {
        let directory = std::sync::Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let database = Database::open(OpenOptions::new(directory.path())).await.expect("opens");
        let options = SessionOptions {
            user: "postgres".into(),
            database: "postgres".into(),
            application_name: String::new(),
            process_id: 1,
        };
        Client { session: Session::new(database, options), _directory: directory }
    }

    /// Another session of the same database.
    fn another(&self) -> Client {
        let options = SessionOptions {
            user: "postgres".into(),
            database: "postgres".into(),
            application_name: String::new(),
            process_id: 2,
        };
        let session = Session::new(std::sync::Arc::clone(self.session.database()), options);
        Client { session, _directory: std::sync::Arc::clone(&self._directory) }
    }

    /// Runs a statement list: rows as `a|b` lines, tags in brackets.
    async fn try_run(&self, sql: &str) -> Result<String> {
        let mut out = String::new();
        for statement in self.session.parse(sql)? {
            let prepared = self.session.prepare(&statement, &[]).await?;
            out.push_str(&show(self.session.execute(&prepared, Vec::new()).await?).await?);
        }
        Ok(out)
    }

    async fn run(&self, sql: &str) -> String {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}: {:?} {error} {:?}", error.kind(), error.hint()))
    }

    async fn error(&self, sql: &str) -> Error {
        match self.try_run(sql).await {
            Ok(out) => panic!("{sql} gave {out}"),
            Err(error) => error,
        }
    }

    /// Runs a statement with parameters as text.
    async fn run_with(&self, sql: &str, values: &[&str]) -> String {
        let statement = self.session.parse(sql).expect(sql).remove(0);
        let prepared = self.session.prepare(&statement, &[]).await.expect(sql);
        let values: Vec<ScalarValue> = values
            .iter()
            .zip(prepared.parameter_types())
            .map(|(text, sql_type)| crate::text::parse_scalar(sql_type.sql_type(), text).expect(text))
            .collect();
        show(self.session.execute(&prepared, values).await.expect(sql)).await.expect(sql)
    }

    async fn parameter_types(&self, sql: &str) -> Vec<String> {
        let statement = self.session.parse(sql).expect(sql).remove(0);
        let prepared = self.session.prepare(&statement, &[]).await.expect(sql);
        prepared.parameter_types().iter().map(|known| known.sql_type().to_string()).collect()
    }
}

async fn show(execution: Execution) -> Result<String> {
    let mut out = String::new();
    match execution {
        Execution::Rows { schema, mut stream, .. } => {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
            let _ = writeln!(out, "{}", names.join("|"));
            while let Some(batch) = stream.next().await {
                let batch = batch.map_err(crate::from_datafusion)?;
                let options = FormatOptions::default().with_null("null");
                let columns: Vec<_> = batch
                    .columns()
                    .iter()
                    .map(|column| ArrayFormatter::try_new(column, &options).expect("printable"))
                    .collect();
                for row in 0..batch.num_rows() {
                    let cells: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
                    let _ = writeln!(out, "{}", cells.join("|"));
                }
            }
        }
        Execution::Done(tag) => {
            let _ = writeln!(out, "[{tag}]");
        }
        Execution::CopyOut(copy) => {
            let mut data = copy.stream();
            while let Some(rows) = data.next().await {
                for row in rows? {
                    out.push_str(&String::from_utf8_lossy(&row));
                }
            }
        }
        Execution::CopyIn(_) => out.push_str("[copy in]\n"),
        Execution::Empty => out.push_str("[empty]\n"),
    }
    Ok(out)
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_have_postgres_s_names() {
    let client = Client::new().await;
    assert_eq!(client.run("select 1, 1, 'x' as \"A\", upper('b')").await, "?column?|?column?|A|upper\n1|1|x|B\n");
    assert_eq!(client.run("").await, "[empty]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_inserted_changed_and_deleted() {
    let client = Client::new().await;
    let script = "create table t (id int primary key, name varchar(5) not null default 'x', v numeric(10,2));
        insert into t values (1, 'one', 1.5), (2, default, null);
        insert into t (id) select 3;
        insert into t (v, id) values ('2.25', '4');
        update t set name = 'u' || name, v = id where id >= 3;
        delete from t as d where d.id = 2;
        select * from t order by id";
    assert_eq!(
        client.run(script).await,
        "[CREATE TABLE]\n[INSERT 0 2]\n[INSERT 0 1]\n[INSERT 0 1]\n[UPDATE 2]\n[DELETE 1]\nid|name|v\n1|one|1.50\n3|ux|3.00\n4|ux|4.00\n"
    );
    assert_eq!(
        client.run("select count(*), max(v) from t where id in (select id from t)").await,
        "count|max\n3|4.00\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_their_own_kinds() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, name varchar(3) not null, b boolean)").await;
    client.run("insert into t values (1, 'a', true)").await;
    for (sql, kind) in [
        ("select * from nothing", ErrorKind::UndefinedTable),
        ("select x from t", ErrorKind::UndefinedColumn),
        ("select no_such(1)", ErrorKind::UndefinedFunction),
        ("insert into t values (1, 'b')", ErrorKind::UniqueViolation),
        ("insert into t (id) values (2)", ErrorKind::NotNullViolation),
        ("insert into t values (2, 'long')", ErrorKind::StringTooLong),
        ("insert into t values ('x', 'a')", ErrorKind::InvalidText),
        ("insert into t values (true, 'a')", ErrorKind::DatatypeMismatch),
        ("insert into t values (1, 'a', true, 4)", ErrorKind::Syntax),
        ("insert into t (id, id) values (1, 2)", ErrorKind::DuplicateColumn),
        ("insert into t (nope) values (1)", ErrorKind::UndefinedColumn),
        ("update t set nope = 1", ErrorKind::UndefinedColumn),
        ("select 1 / 0", ErrorKind::DivisionByZero),
        ("select 2147483647 + 1", ErrorKind::NumericOutOfRange),
        ("select 'x'::int", ErrorKind::InvalidText),
        ("select id, count(*) from t", ErrorKind::Grouping),
        ("create table t (a int)", ErrorKind::DuplicateTable),
        ("create table u (a int, a int)", ErrorKind::DuplicateColumn),
        ("create table u (a int unique deferrable)", ErrorKind::NotSupported),
        ("create temp table u (a int)", ErrorKind::NotSupported),
        ("create materialized view v as select 1", ErrorKind::NotSupported),
        ("with x as (delete from t returning id) select * from x", ErrorKind::NotSupported),
        ("set nonsense = 1", ErrorKind::UndefinedObject),
        ("copy t to '/tmp/x'", ErrorKind::InsufficientPrivilege),
        ("selct 1", ErrorKind::Syntax),
    ] {
        let error = client.error(sql).await;
        assert_eq!(error.kind(), kind, "{sql}: {error}");
    }
    let error = client.error("select 1,\n nope from t").await;
    assert_eq!((error.message(), error.position()), ("column \"nope\" does not exist", Some(12)));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_get_the_types_of_their_places() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, name text, e vector(2), at timestamptz)").await;
    for (sql, types) in [
        ("insert into t values ($1, $2, $3, $4)", "integer,text,vector(2),timestamp with time zone"),
        ("select * from t where id = $1 and name like $2 limit $3", "integer,text,bigint"),
        ("select id from t order by e <-> $1 limit 3", "vector(2)"),
        ("update t set name = $2 where id = $1", "integer,text"),
        ("select $1", "text"),
        ("select $1::int + 1", "integer"),
        ("delete from t where id in ($1, $2)", "integer,integer"),
        ("select id from t where at > $1", "timestamp with time zone"),
    ] {
        assert_eq!(client.parameter_types(sql).await.join(","), types, "{sql}");
    }
    assert_eq!(client.run_with("insert into t values ($1, $2, $3)", &["1", "a", "[1,2]"]).await, "[INSERT 0 1]\n");
    assert_eq!(client.run_with("select name from t where id = $1", &["1"]).await, "name\na\n");
    assert_eq!(client.run_with("select name from t where id = $1", &["2"]).await, "name\n");
    assert_eq!(client.run_with("update t set name = $2 where id = $1", &["1", "b"]).await, "[UPDATE 1]\n");
    assert_eq!(client.run_with("select name, $2 from t where id = $1", &["1", "z"]).await, "name|?column?\nb|z\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn nearest_neighbours_come_in_order() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, e vector(2))").await;
    client.run("insert into t values (1, '[1,0]'), (2, '[0,1]'), (3, '[5,5]'), (4, null)").await;
    assert_eq!(client.run("select id from t order by e <-> '[0,0.9]' limit 2").await, "id\n2\n1\n");
    assert_eq!(
        client.run_with("select id from t where id <> 2 order by e <=> $1 limit 1", &["[0,1]"]).await,
        "id\n3\n"
    );
    let error = client.error("select id from t order by e <-> '[1,2,3]'").await;
    assert_eq!(error.kind(), ErrorKind::DataException, "{error}");
    let error = client.error("insert into t values (5, '[1,2,3]')").await;
    assert_eq!(error.kind(), ErrorKind::DataException, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_reads_one_snapshot_and_what_it_wrote() {
    let client = Client::new().await;
    let other = client.another();
    client.run("create table t (id int primary key)").await;
    client.run("begin; select * from t").await;
    assert_eq!(client.session.transaction_status(), TransactionStatus::Active);
    other.run("insert into t values (1)").await;
    assert_eq!(client.run("select count(*) from t").await, "count\n0\n");
    assert_eq!(client.run("insert into t values (2)").await, "[INSERT 0 1]\n");
    assert_eq!(client.run("select id from t").await, "id\n2\n");
    assert_eq!(other.run("select id from t").await, "id\n1\n");
    assert_eq!(client.run("commit").await, "[COMMIT]\n");
    assert_eq!(client.session.transaction_status(), TransactionStatus::Idle);
    assert_eq!(other.run("select count(*) from t").await, "count\n2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_block_hears_only_its_end() {
    let client = Client::new().await;
    client.run("create table t (id int primary key)").await;
    client.run("begin; insert into t values (1)").await;
    assert_eq!(client.error("select 1 / 0").await.kind(), ErrorKind::DivisionByZero);
    assert_eq!(client.session.transaction_status(), TransactionStatus::Failed);
    for sql in ["select 1", "begin", "savepoint a", "release a", "set timezone = 'UTC'", "insert into t values (1)"] {
        assert_eq!(client.error(sql).await.kind(), ErrorKind::FailedTransaction, "{sql}");
    }
    assert_eq!(client.error("rollback to a").await.kind(), ErrorKind::UndefinedSavepoint);
    assert_eq!(client.run("commit and chain").await, "[ROLLBACK]\n");
    assert_eq!(client.session.transaction_status(), TransactionStatus::Active);
    assert_eq!(client.run("select count(*) from t; end").await, "count\n0\n[COMMIT]\n");
    client.error("begin; selct").await;
    client.run("begin").await;
    client.error("selct").await;
    assert_eq!(client.session.transaction_status(), TransactionStatus::Failed);
    assert_eq!(client.run("prepare transaction 'x'").await, "[ROLLBACK]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn savepoints_bring_a_block_back() {
    let client = Client::new().await;
    client.run("create table t (id int primary key)").await;
    client.run("begin; savepoint a; insert into t values (1); savepoint a; insert into t values (2)").await;
    client.error("insert into t values (1)").await;
    assert_eq!(client.run("rollback to a; select count(*) from t").await, "[ROLLBACK]\ncount\n1\n");
    assert_eq!(
        client.run("release a; rollback to a; select count(*) from t").await,
        "[RELEASE]\n[ROLLBACK]\ncount\n0\n"
    );
    assert_eq!(
        client.run("insert into t values (3); commit; select id from t").await,
        "[INSERT 0 1]\n[COMMIT]\nid\n3\n"
    );
    assert_eq!(client.error("savepoint a").await.kind(), ErrorKind::NoActiveTransaction);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implicit_block_is_undone_whole_and_can_become_the_client_s() {
    let client = Client::new().await;
    client.run("create table t (id int primary key)").await;
    client.session.begin_implicit();
    client.run("set timezone = 'Asia/Tokyo'; insert into t values (1)").await;
    assert_eq!(client.session.transaction_status(), TransactionStatus::Idle);
    client.error("insert into t values (1)").await;
    assert!(!client.session.in_block());
    assert_eq!(client.run("show timezone; select count(*) from t").await, "timezone\nUTC\ncount\n0\n");

    client.session.begin_implicit();
    client.run("insert into t values (1)").await;
    client.session.end_implicit().await.expect("commits");
    assert_eq!(client.run("select count(*) from t").await, "count\n1\n");

    client.session.begin_implicit();
    client.run("insert into t values (2); begin").await;
    client.session.end_implicit().await.expect("leaves the client's block alone");
    assert_eq!(client.session.transaction_status(), TransactionStatus::Active);
    assert!(client.session.take_warnings().is_empty());
    client.run("rollback").await;
    assert_eq!(client.run("select count(*) from t").await, "count\n1\n");

    client.session.begin_implicit();
    assert_eq!(client.run("insert into t values (3); commit").await, "[INSERT 0 1]\n[COMMIT]\n");
    let warnings: Vec<_> = client.session.take_warnings().iter().map(Error::kind).collect();
    assert_eq!(warnings, [ErrorKind::NoActiveTransaction]);
    client.session.begin_implicit();
    assert_eq!(client.error("vacuum").await.kind(), ErrorKind::ActiveTransaction);
    assert_eq!(client.run("select count(*) from t").await, "count\n2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_to_commit_a_row_is_told_and_alone_it_runs_again() {
    let client = Client::new().await;
    let other = client.another();
    client.run("create table t (id int primary key, n int); insert into t values (1, 0)").await;
    client.run("begin; update t set n = n + 1").await;
    other.run("update t set n = n + 10").await;
    assert_eq!(client.error("commit").await.kind(), ErrorKind::SerializationFailure);
    assert_eq!(client.session.transaction_status(), TransactionStatus::Idle);
    assert_eq!(client.run("select n from t").await, "n\n10\n");
    let increments = |client: Client| async move {
        for _ in 0..10 {
            client.run("update t set n = n + 1").await;
        }
    };
    let clients = (0..6).map(|_| tokio::spawn(increments(client.another())));
    for outcome in futures::future::join_all(clients).await {
        outcome.expect("every statement gets through");
    }
    assert_eq!(client.run("select n from t").await, "n\n70\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_away_leaves_nothing() {
    let client = Client::new().await;
    client.run("create table t (id int primary key)").await;
    let other = client.another();
    other.run("begin; insert into t values (1)").await;
    drop(other);
    assert_eq!(client.run("select count(*) from t").await, "count\n0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_reads_the_newest_snapshot_and_survives_ddl() {
    let client = Client::new().await;
    client.run("create table t (id int primary key)").await;
    let statement = client.session.parse("select * from t order by id").expect("parses").remove(0);
    let prepared = client.session.prepare(&statement, &[]).await.expect("plans");
    for count in 0..3 {
        let rows = show(client.session.execute(&prepared, vec![]).await.expect("runs")).await.expect("reads");
        assert_eq!(rows.lines().count(), count + 1);
        client.run(&format!("insert into t values ({count})")).await;
    }
    client.run("create table other (a int)").await;
    client.session.execute(&prepared, vec![]).await.expect("the same table is still there");
    client.run("drop table t; create table t (id text)").await;
    let error = match client.session.execute(&prepared, vec![]).await {
        Ok(_) => panic!("the result has another type"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::NotSupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_go_through_the_bulk_load() {
    let client = Client::new().await;
    let made = client
        .run("create table t as select value as id, 'row ' || value as name from generate_series(1, 30000)")
        .await;
    assert_eq!(made, "[SELECT 30000]\n");
    client.run("create table u (id bigint primary key, name text)").await;
    assert_eq!(client.run("insert into u select * from t").await, "[INSERT 0 30000]\n");
    assert_eq!(client.run("select count(*), max(id) from u").await, "count|max\n30000|30000\n");
    let error = client.error("insert into u select * from t").await;
    assert_eq!(error.kind(), ErrorKind::UniqueViolation, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_goes_both_ways() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, name text default 'd')").await;
    let statement = client.session.parse("copy t (id) from stdin").expect("parses").remove(0);
    let prepared = client.session.prepare(&statement, &[]).await.expect("plans");
    let Execution::CopyIn(mut copy) = client.session.execute(&prepared, vec![]).await.expect("begins") else {
        panic!("not a COPY");
    };
    copy.write("1\n2".into()).await.expect("takes data");
    copy.write("\n3\n".into()).await.expect("takes data");
    assert_eq!(copy.finish().await.expect("commits"), "COPY 3");
    assert_eq!(client.run("copy t to stdout with (format csv, header)").await, "id,name\n1,d\n2,d\n3,d\n");
    assert_eq!(client.run("copy (select id * 2 from t where id > 1) to stdout").await, "4\n6\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_read_with_sql_beside_it() {
    let client = Client::new().await;
    client
        .run(
            "create table person (id int primary key, name text, bio text);
             create table knows (id int primary key, src int not null, dst int not null, since int);
             insert into person values (1, 'ann', 'a'), (2, 'bob', 'b'), (3, 'cay', 'c');
             insert into knows values (1, 1, 2, 2020), (2, 2, 3, 2021);
             create property graph social
               vertex tables (person label person)
               edge tables (knows source key (src) references person (id) destination key (dst) references person (id) label knows)",
        )
        .await;
    let sql = "select * from cypher('social', $$ match (a:person)-[:knows]->(b:person) return a.name, b.name as friend $$) order by 1";
    assert_eq!(client.run(sql).await, "name|friend\nann|bob\nbob|cay\n");
    let sql = "select p.bio, g.hops from cypher('social', $$ match (a:person {id: $1})-[k:knows*1..2]->(b:person) return b.id as id, size(k) as hops $$) g
               join person p on p.id = g.id order by g.hops";
    let _ = sql;
    let sql = "select p.bio from cypher('social', $$ match (a:person {id: $1})-[:knows]->(b:person) return b.id $$) as (id int)
               join person p on p.id = cypher.id";
    assert_eq!(client.parameter_types(sql).await, ["integer"]);
    assert_eq!(client.run_with(sql, &["1"]).await, "bio\nb\n");
    assert_eq!(client.run_with(sql, &["2"]).await, "bio\nc\n");
    client.run("insert into person values (4, 'dan', 'd'); insert into knows values (3, 1, 4, 2022)").await;
    assert_eq!(client.run_with(&format!("{sql} order by 1"), &["1"]).await, "bio\nb\nd\n");
    assert_eq!(
        client.error("select * from cypher('nope', $$ match (a) return a $$)").await.kind(),
        ErrorKind::UndefinedTable
    );
    assert_eq!(client.error("drop table person").await.kind(), ErrorKind::DependentObjects);
    assert_eq!(client.run("drop table person cascade").await, "[DROP TABLE]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_pattern_take_the_short_path() {
    let client = Client::new().await;
    client
        .run(
            "create table person (id int primary key, name text);
             create property graph people vertex tables (person)",
        )
        .await;
    let pattern = "cypher('people', $$ match (p:person) return p.id as id, p.name as name $$)";
    let is_short = async |sql: String| {
        let plan = client.run(&format!("explain {sql}")).await;
        plan.starts_with("QUERY PLAN\nGraphIndexScan")
    };
    for columns in ["*", "name", "g.name as who, id, id"] {
        assert!(is_short(format!("select {columns} from {pattern} g")).await, "{columns}");
    }
    for sql in ["select id + 1 from", "select distinct id from", "select now(), id from"] {
        assert!(!is_short(format!("{sql} {pattern} g")).await, "{sql}");
    }
    for sql in ["where id = 1", "limit 1", "order by id", "join person p on p.id = g.id"] {
        assert!(!is_short(format!("select g.id from {pattern} g {sql}")).await, "{sql}");
    }
    client.run("set slipstream.graph_strategy = 'join'").await;
    assert!(!is_short(format!("select id from {pattern} g")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_shown() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, name text)").await;
    let plan = client.run("explain select name from t where name > 'a'").await;
    assert!(plan.starts_with("QUERY PLAN\n") && plan.contains("table=t"), "{plan}");
    assert!(client.run("explain update t set name = 'b'").await.contains("Update on t"));
    assert!(client.run("explain analyze select 1").await.contains("Execution Time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_shown_and_a_timeout_stops_a_statement() {
    let client = Client::new().await;
    assert_eq!(client.run("show durability").await, "durability\nfull\n");
    client.run("set statement_timeout = '50ms'").await;
    let started = std::time::Instant::now();
    let error = client.error("select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b").await;
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error}");
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "stopped after {:?}", started.elapsed());
    assert_eq!(client.run("reset all; show statement_timeout").await, "[RESET]\nstatement_timeout\n0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_repeat() {
    let client = Client::new().await;
    client.run("create table t (id int primary key, name text)").await;
    client.run("insert into t values (1, 'a')").await;
    assert_eq!(client.run("select id, t.id, * from t").await, "id|id|id|name\n1|1|1|a\n");
    assert_eq!(client.run("select a.id, b.id as id, (select id from t) from t a, t b").await, "id|id|id\n1|1|1\n");
    assert_eq!(client.run("select id from t order by id offset 0 rows fetch first 1 row only").await, "id\n1\n");
    assert_eq!(client.run("select count(*), count(*) from t").await, "count|count\n1|1\n");
    assert_eq!(client.run("insert into t select 2, 2::text").await, "[INSERT 0 1]\n");
}
