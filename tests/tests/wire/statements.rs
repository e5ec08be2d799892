//! Prepared statements by name, whether the protocol made them or SQL did.

use slipstream_tests::RawClient;

use super::{error, kinds, server, tags, values};

#[tokio::test]
async fn a_statement_of_sql_is_one_of_the_protocol() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("PREPARE p (integer) AS SELECT $1 + 1 AS next").answers().await;
    let answers = client.describe(b'S', "p").bind("", "p", 0, &[Some(b"41")], 0).execute("", 0).sync().answers().await;
    assert_eq!(kinds(&answers), "tT2DCZ");
    assert_eq!(values(&answers), ["42"]);
    client.parse("q", "SELECT $1::text || '!'", &[]).sync().answers().await;
    let answers = client.query("EXECUTE q('hey'); DEALLOCATE q; EXECUTE q('again')").answers().await;
    assert_eq!((values(&answers), error(&answers).0), (vec!["hey!".to_string()], "26000".to_string()));
    assert_eq!(error(&client.bind("", "q", 0, &[Some(b"")], 0).sync().answers().await).0, "26000");
}

#[tokio::test]
async fn execute_is_described_by_what_it_runs() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("PREPARE p AS SELECT 7::smallint AS seven").answers().await;
    let answers = client.parse("", "EXECUTE p", &[]).describe(b'S', "").bind("", "", 0, &[], 1).execute("", 0);
    let answers = answers.sync().answers().await;
    assert_eq!(kinds(&answers), "1tT2DCZ");
    assert_eq!(answers[2].columns(), [("seven".to_string(), 21, 2, -1)]);
    assert_eq!(answers[4].row()[0].as_deref(), Some(&[0, 7][..]));
}

#[tokio::test]
async fn arguments_take_the_types_of_their_parameters() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let setup = "CREATE TABLE t (id bigint PRIMARY KEY, d date, e vector(2));
                 PREPARE i AS INSERT INTO t VALUES ($1, $2, $3);
                 EXECUTE i(1 + 1, '2024-02-29', '[1,2]'); EXECUTE i(3, NULL, NULL)";
    let answers = client.query(setup).answers().await;
    assert_eq!(tags(&answers), ["CREATE TABLE", "PREPARE", "INSERT 0 1", "INSERT 0 1"]);
    assert_eq!(values(&client.query("SELECT id FROM t ORDER BY id").answers().await), ["2", "3"]);
    let mut code = async |sql: &str| error(&client.query(sql).answers().await).0;
    assert_eq!(code("EXECUTE i(1)").await, "42601");
    assert_eq!(code("EXECUTE i(true, NULL, NULL)").await, "42804");
    assert_eq!(code("EXECUTE i(5, 'x', NULL)").await, "22007");
    assert_eq!(code("PREPARE i AS SELECT 1").await, "42P05");
    assert_eq!(code("PREPARE j AS CREATE TABLE u (id bigint)").await, "42601");
}

#[tokio::test]
async fn what_a_client_discards_is_gone() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    for forget in ["DEALLOCATE ALL", "DISCARD ALL"] {
        client.query("PREPARE p AS SELECT 1").parse("q", "SELECT 2", &[]).sync().send().await;
        client.until_ready().await;
        client.until_ready().await;
        assert_eq!(tags(&client.query(forget).answers().await), [forget]);
        for name in ["p", "q"] {
            assert_eq!(error(&client.query(&format!("EXECUTE {name}")).answers().await).0, "26000");
        }
    }
}
