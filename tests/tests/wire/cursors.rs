//! Cursors of SQL, as psql, psycopg and BI tools use them.

use slipstream_tests::RawClient;

use super::{error, kinds, server, tags, values};

const SERIES: &str = "SELECT g FROM generate_series(1, 10) AS s(g)";

#[tokio::test]
async fn rows_are_fetched_some_at_a_time() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let answers = client.query(&format!("BEGIN; DECLARE c NO SCROLL CURSOR FOR {SERIES}")).answers().await;
    assert_eq!(tags(&answers), ["BEGIN", "DECLARE CURSOR"]);
    let mut run = async |sql: &str| {
        let answers = client.query(sql).answers().await;
        (values(&answers).join(" "), tags(&answers).join(" "))
    };
    let says = |rows: &str, tag: &str| (rows.to_string(), tag.to_string());
    assert_eq!(run("FETCH FORWARD 3 FROM c").await, says("1 2 3", "FETCH 3"));
    assert_eq!(run("FETCH c").await, says("4", "FETCH 1"));
    assert_eq!(run("MOVE 2 IN c").await, says("", "MOVE 2"));
    assert_eq!(run("FETCH ALL FROM c").await, says("7 8 9 10", "FETCH 4"));
    assert_eq!(run("FETCH NEXT FROM c").await, says("", "FETCH 0"));
    assert_eq!(run("CLOSE c").await, says("", "CLOSE CURSOR"));
    assert_eq!(error(&client.query("FETCH c").answers().await).0, "34000");
}

#[tokio::test]
async fn a_cursor_ends_with_its_transaction_unless_it_is_held() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let declare = |name: &str, hold: &str| format!("DECLARE {name} CURSOR {hold} FOR {SERIES}");
    assert_eq!(error(&client.query(&declare("c", "")).answers().await).0, "25P01");
    client
        .query(&format!("BEGIN; {}; {}; FETCH 2 FROM h", declare("c", ""), declare("h", "WITH HOLD")))
        .answers()
        .await;
    client.query("COMMIT").answers().await;
    assert_eq!(error(&client.query("FETCH c").answers().await).0, "34000");
    assert_eq!(values(&client.query("FETCH 2 FROM h").answers().await), ["3", "4"]);
    assert_eq!(error(&client.query(&declare("h", "WITH HOLD")).answers().await).0, "42P03");
    client.query("BEGIN").answers().await;
    client.query(&declare("r", "WITH HOLD")).answers().await;
    client.query("ROLLBACK").answers().await;
    assert_eq!(error(&client.query("FETCH r").answers().await).0, "34000");
    assert_eq!(values(&client.query("FETCH h").answers().await), ["5"]);
    client.query("DISCARD ALL").answers().await;
    assert_eq!(error(&client.query("FETCH h").answers().await).0, "34000");
}

#[tokio::test]
async fn a_held_cursor_reads_the_snapshot_that_it_began_with() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t VALUES (1), (2)").answers().await;
    client.query("DECLARE c CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id").answers().await;
    client.query("DELETE FROM t").answers().await;
    assert_eq!(values(&client.query("FETCH ALL c").answers().await), ["1", "2"]);
}

#[tokio::test]
async fn the_protocol_describes_and_fetches_in_binary() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("BEGIN; DECLARE c CURSOR FOR SELECT 7::smallint AS seven").answers().await;
    let answers = client.describe(b'P', "c").sync().answers().await;
    assert_eq!(kinds(&answers), "TZ");
    assert_eq!(answers[0].columns(), [("seven".to_string(), 21, 2, -1)]);
    client.parse("", "FETCH FORWARD 5 FROM c", &[]).bind("", "", 0, &[], 1).describe(b'P', "").execute("", 0);
    let answers = client.sync().answers().await;
    assert_eq!(kinds(&answers), "12TDCZ");
    assert_eq!(answers[3].row()[0].as_deref(), Some(&[0, 7][..]));
}

#[tokio::test]
async fn a_declaration_takes_the_parameters_of_its_query() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("BEGIN").answers().await;
    let declare = "DECLARE c CURSOR FOR SELECT g FROM generate_series(1, 9) AS s(g) WHERE g > $1 ORDER BY g";
    client.parse("", declare, &[]).describe(b'S', "").bind("", "", 0, &[Some(b"6")], 0).execute("", 0);
    let answers = client.sync().answers().await;
    assert_eq!(kinds(&answers), "1tn2CZ");
    assert_eq!(values(&client.query("FETCH ALL c").answers().await), ["7", "8", "9"]);
}

#[tokio::test]
async fn what_cursors_do_not_do_is_refused() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY)").answers().await;
    for (sql, code) in [
        ("DECLARE c SCROLL CURSOR FOR SELECT 1", "0A000"),
        ("DECLARE c BINARY CURSOR FOR SELECT 1", "0A000"),
        ("DECLARE c CURSOR WITH HOLD FOR DELETE FROM t", "42601"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT $1::integer", "42P02"),
        ("FETCH BACKWARD 1 FROM c", "0A000"),
        ("CLOSE c", "34000"),
    ] {
        assert_eq!(error(&client.query(sql).answers().await).0, code, "{sql}");
    }
}
