//! COPY in both protocols.

use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use slipstream_tests::{RawClient, error_of};

use super::{error, kinds, server, tags, values};

#[tokio::test]
async fn rows_go_in_and_come_out_as_text() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY, name text)").answers().await;
    client.query("COPY t FROM STDIN; SELECT count(*) FROM t").send().await;
    assert_eq!(client.read().await.map(|message| message.kind), Some(b'G'));
    // Chunks need not end where rows end.
    client.message(b'd', b"1\tone\n2\t").message(b'd', b"\\N\n3\tta\\tb\n").message(b'c', &[]);
    let answers = client.answers().await;
    assert_eq!(kinds(&answers), "CTDCZ");
    assert_eq!(tags(&answers), ["COPY 3", "SELECT 1"]);
    assert_eq!(values(&answers), ["3"]);
    let answers = client.query("COPY t TO STDOUT").answers().await;
    let data: Vec<u8> = answers.iter().filter(|message| message.kind == b'd').flat_map(|m| m.body.to_vec()).collect();
    assert_eq!(String::from_utf8_lossy(&data), "1\tone\n2\t\\N\n3\tta\\tb\n");
    assert_eq!(kinds(&answers), "HdddcCZ", "each row is a message of its own");
    assert_eq!(tags(&answers), ["COPY 3"]);
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing_and_the_session_goes_on() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY, name text)").answers().await;
    client.query("COPY t FROM STDIN").message(b'd', b"1\tone\n").message(b'f', b"changed my mind\0");
    let (code, message) = error(&client.answers().await);
    assert_eq!(code, "57014");
    assert!(message.contains("changed my mind"), "{message}");
    // The client goes on to send after a broken row; what it sends then is dropped.
    client.query("COPY t FROM STDIN").message(b'd', b"x\tone\n").message(b'd', b"2\ttwo\n").message(b'c', &[]);
    assert_eq!(error(&client.answers().await).0, "22P02");
    assert_eq!(values(&client.query("SELECT count(*) FROM t").answers().await), ["0"]);
    client.query("COPY t FROM STDIN").query("SELECT 1");
    assert_eq!(error(&client.answers().await).0, "08P01");
}

#[tokio::test]
async fn drivers_copy_both_ways() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)").await.expect("a table");
    let sink = client.copy_in("COPY t (id, name) FROM STDIN WITH (FORMAT csv)").await.expect("a copy begins");
    let mut sink = std::pin::pin!(sink);
    for chunk in 0..10 {
        let rows: String = (0..1000).map(|row| format!("{},\"n, {row}\"\n", chunk * 1000 + row)).collect();
        sink.send(Bytes::from(rows)).await.expect("rows are taken");
    }
    assert_eq!(sink.finish().await.expect("a copy ends"), 10_000);
    let stream = client.copy_out("COPY (SELECT * FROM t ORDER BY id) TO STDOUT WITH (FORMAT csv)").await;
    let chunks: Vec<Bytes> = stream.expect("a copy begins").try_collect().await.expect("rows come");
    let text = String::from_utf8(chunks.concat()).expect("text");
    assert_eq!(text.lines().count(), 10_000);
    assert_eq!(text.lines().nth(1001), Some("1001,\"n, 1\""));
}

#[tokio::test]
async fn a_duplicate_key_fails_the_whole_copy() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY)").await.expect("a table");
    let sink = client.copy_in("COPY t FROM STDIN").await.expect("a copy begins");
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from("1\n2\n1\n")).await.expect("rows are taken");
    let error = sink.finish().await.expect_err("a duplicate");
    assert_eq!(error_of(&error).code().code(), "23505");
    assert_eq!(client.query_one("SELECT count(*) FROM t", &[]).await.expect("a count").get::<_, i64>(0), 0);
}
