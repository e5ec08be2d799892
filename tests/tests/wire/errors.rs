//! Errors: their codes, where they point, and what they leave behind.

use slipstream_tests::{RawClient, error_of};
use tokio_postgres::error::ErrorPosition;

use super::{error, kinds, server, tags, values};

#[tokio::test]
async fn each_kind_of_mistake_has_its_own_sqlstate() {
    let (server, _data) = server();
    let client = server.connect().await;
    let setup = "CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL, small smallint);
                 INSERT INTO t VALUES (1, 'one', 1)";
    client.batch_execute(setup).await.expect("a table");
    let cases = [
        ("SELECT * FROM nowhere", "42P01"),
        ("INSERT INTO nowhere VALUES (1)", "42P01"),
        ("DROP TABLE nowhere", "42P01"),
        ("SELECT nothing FROM t", "42703"),
        ("SELEC 1", "42601"),
        ("SELECT 1 +", "42601"),
        ("SELECT no_such_function(1)", "42883"),
        ("CREATE TABLE t (id bigint)", "42P07"),
        ("CREATE TABLE u (a no_such_type)", "42704"),
        ("INSERT INTO t VALUES (1, 'again', 1)", "23505"),
        ("INSERT INTO t VALUES (2, NULL, 1)", "23502"),
        ("SELECT 'abc'::integer", "22P02"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT 9223372036854775807 + 1", "22003"),
        ("SELECT 300::smallint * 300::smallint", "22003"),
        ("SELECT '2024-02-30'::date", "22008"),
        ("SELECT $1", "42P02"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "0A000"),
    ];
    for (sql, code) in cases {
        let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("no error from {sql}"));
        assert_eq!(error_of(&error).code().code(), code, "{sql}: {error:?}");
    }
    let rows = client.query("SELECT id FROM t", &[]).await.expect("the session goes on");
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn errors_name_what_they_are_about() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, name text NOT NULL)").await.expect("a table");
    client.batch_execute("INSERT INTO t VALUES (1, 'one')").await.expect("a row");
    let error = client.batch_execute("INSERT INTO t VALUES (1, 'two')").await.expect_err("a duplicate");
    let report = error_of(&error);
    assert_eq!(report.message(), "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(report.detail(), Some("Key (id)=(1) already exists."));
    assert_eq!((report.table(), report.constraint()), (Some("t"), Some("t_pkey")));
    let error = client.batch_execute("INSERT INTO t (id) VALUES (2)").await.expect_err("a missing value");
    assert_eq!((error_of(&error).table(), error_of(&error).column()), (Some("t"), Some("name")));
}

#[tokio::test]
async fn syntax_errors_point_at_their_place() {
    let (server, _data) = server();
    let client = server.connect().await;
    for (sql, position) in [("SELEC 1", 1), ("SELECT 1 FROM", 14), ("SELECT 1;\nSELECT 'é' 2 3", 22)] {
        let error = client.simple_query(sql).await.expect_err(sql);
        assert_eq!(error_of(&error).position(), Some(&ErrorPosition::Original(position)), "{sql}");
    }
}

#[tokio::test]
async fn an_error_ends_its_statement_list_and_no_more() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let answers = client.query("SELECT 1; SELECT 2; SELECT nope; SELECT 3").answers().await;
    assert_eq!(kinds(&answers), "TDCTDCEZ");
    assert_eq!(values(&answers), ["1", "2"]);
    assert_eq!(tags(&answers), ["SELECT 1", "SELECT 1"]);
    let answers = client.query("").answers().await;
    assert_eq!(kinds(&answers), "IZ");
    let answers = client.query(" ; -- nothing\n").answers().await;
    assert_eq!(kinds(&answers), "IZ");
}

#[tokio::test]
async fn text_that_is_not_utf8_is_22021() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let answers = client.message(b'Q', b"SELECT '\xff'\0").answers().await;
    assert_eq!(error(&answers).0, "22021");
    assert_eq!(kinds(&answers), "EZ");
    assert_eq!(values(&client.query("SELECT 1").answers().await), ["1"]);
}

#[tokio::test]
async fn each_statement_has_its_command_tag() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let cases = [
        ("CREATE TABLE t (id bigint PRIMARY KEY, n integer)", "CREATE TABLE"),
        ("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", "INSERT 0 3"),
        ("UPDATE t SET n = 0 WHERE id < 3", "UPDATE 2"),
        ("DELETE FROM t WHERE id = 1", "DELETE 1"),
        ("SELECT * FROM t", "SELECT 2"),
        ("CREATE TABLE u AS SELECT * FROM t", "SELECT 2"),
        ("SET TimeZone = 'UTC'", "SET"),
        ("SHOW TimeZone", "SHOW"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("DROP TABLE u", "DROP TABLE"),
    ];
    for (sql, tag) in cases {
        assert_eq!(tags(&client.query(sql).answers().await), [tag], "{sql}");
    }
}
