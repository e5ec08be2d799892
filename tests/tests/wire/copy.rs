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

#[tokio::test]
async fn rows_of_every_type_go_through_binary() {
    let (server, _data) = server();
    let client = server.connect().await;
    let columns =
        "id bigint PRIMARY KEY, b boolean, s smallint, i integer, r real, d double precision, n numeric(12,3),
                   t text, v varchar(5), y bytea, u uuid, da date, ti time, ts timestamp, tz timestamptz, iv interval,
                   j json, jb jsonb, ia integer[], ta text[], e vector(3)";
    client.batch_execute(&format!("CREATE TABLE a ({columns}); CREATE TABLE b ({columns})")).await.expect("tables");
    let row = "INSERT INTO a VALUES (1, true, -2, 3, 1.5, 0.1, -123456.789, 'h\u{e4}\u{df}lich', 'abcde', '\\x00ff',
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2024-02-29', '23:59:59.999999', '1969-12-31 23:59:59.5',
        '2024-02-29 12:00:00+02', '1 year 2 days 03:04:05.6', '{\"a\":  1}', '{\"b\": [1]}', '{1,NULL,3}', '{a,NULL}',
        '[1,-2.5,0.125]'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL)";
    client.batch_execute(row).await.expect("rows");
    let stream = client.copy_out("COPY a TO STDOUT WITH (FORMAT binary)").await.expect("a copy begins");
    let data: Vec<Bytes> = stream.try_collect().await.expect("rows come");
    assert!(data[0].starts_with(b"PGCOPY\n\xff\r\n\0"), "the signature comes with the first row");
    assert_eq!((data.len(), &data[2][..]), (3, &[0xff, 0xff][..]));
    let sink = client.copy_in("COPY b FROM STDIN BINARY").await.expect("a copy begins");
    let mut sink = std::pin::pin!(sink);
    for chunk in data.concat().chunks(7) {
        sink.send(Bytes::copy_from_slice(chunk)).await.expect("rows are taken");
    }
    assert_eq!(sink.finish().await.expect("a copy ends"), 2);
    let text = async |table: &str| -> Vec<u8> {
        let stream = client.copy_out(&format!("COPY {table} TO STDOUT")).await.expect("a copy begins");
        stream.try_collect::<Vec<Bytes>>().await.expect("rows come").concat()
    };
    assert_eq!(String::from_utf8(text("b").await), String::from_utf8(text("a").await));
    let empty = client.copy_out("COPY (SELECT 1 WHERE false) TO STDOUT WITH (FORMAT binary)").await.expect("a copy");
    assert_eq!(empty.try_collect::<Vec<Bytes>>().await.expect("no rows").concat().len(), 21);
}

#[tokio::test]
async fn broken_rows_name_their_line() {
    let (server, _data) = server();
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, x integer)").await.expect("a table");
    let fails = async |sql: &str, data: &'static [u8]| {
        let mut sink = Box::pin(client.copy_in::<_, Bytes>(sql).await.expect("a copy begins"));
        sink.send(Bytes::from_static(data)).await.expect("rows are taken");
        let error = sink.as_mut().finish().await.expect_err("broken rows");
        let report = error_of(&error);
        (report.code().code().to_string(), report.where_().unwrap_or_default().to_string())
    };
    let text = fails("COPY t FROM STDIN", b"1\t1\n2\t2\n3\tthree\n").await;
    assert_eq!(text, ("22P02".into(), "COPY t, line 3, column x: \"three\"".into()));
    let csv = fails("COPY t FROM STDIN WITH (FORMAT csv)", b"1,1\n2\n").await;
    assert_eq!(csv, ("22P04".into(), "COPY t, line 2: \"2\"".into()));
    let signature = fails("COPY t FROM STDIN WITH (FORMAT binary)", b"1\t1\n").await;
    assert_eq!(signature, ("22P04".into(), String::new()));
    let header = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
    let short = [&header[..], &[0, 2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 7]].concat();
    let value = fails("COPY t FROM STDIN WITH (FORMAT binary)", short.leak()).await;
    assert_eq!(value, ("22P03".into(), "COPY t, line 1, column x".into()));
    let fields = [&header[..], &[0, 1, 0, 0, 0, 0]].concat();
    let fields = fails("COPY t FROM STDIN WITH (FORMAT binary)", fields.leak()).await;
    assert_eq!(fields, ("22P04".into(), "COPY t, line 1".into()));
}

#[tokio::test]
async fn rows_that_constraints_refuse_name_their_line() {
    let (server, _data) = server();
    let client = server.connect().await;
    let table = "CREATE TABLE t (id bigint PRIMARY KEY, \"Odd Name\" text NOT NULL UNIQUE, x integer CHECK (x < 10))";
    client.batch_execute(table).await.expect("a table");
    let fails = async |sql: &str, data: String| {
        let mut sink = Box::pin(client.copy_in::<_, Bytes>(sql).await.expect("a copy begins"));
        let sent = sink.send(Bytes::from(data)).await;
        let ended = match sent {
            Ok(()) => sink.as_mut().finish().await.map(drop),
            Err(error) => Err(error),
        };
        let error = ended.expect_err("a refused row");
        let report = error_of(&error);
        let detail = report.detail().unwrap_or_default().to_string();
        (report.code().code().to_string(), report.where_().unwrap_or_default().to_string(), detail)
    };
    let (code, place, _) = fails("COPY t FROM STDIN", "1\ta\t1\n2\t\\N\t1\n".into()).await;
    assert_eq!((code.as_str(), place.as_str()), ("23502", "COPY t, line 2: \"2\t\\N\t1\""));
    // A quoted field has lines of its own.
    let csv = "id,name,x\n1,\"a\nb\",1\n2,c,30\n";
    let (code, place, _) = fails("COPY t FROM STDIN CSV HEADER", csv.into()).await;
    assert_eq!((code.as_str(), place.as_str()), ("23514", "COPY t, line 4: \"2,c,30\""));
    let (code, place, detail) = fails("COPY t FROM STDIN CSV", "1,\"a\nb\",1\n2,c,3\n3,c,4\n".into()).await;
    assert_eq!((code.as_str(), place.as_str()), ("23505", "COPY t, line 4"));
    assert_eq!(detail, "Key (\"Odd Name\")=(c) already exists.");
    // As many rows as are loaded in bulk, and the same in a block, where they wait for the commit.
    let many =
        |twice: usize| (0..30_000).map(|row| format!("{}\tn{row}\t1\n", if row == twice { 7 } else { row })).collect();
    for begin in ["", "BEGIN"] {
        client.batch_execute(begin).await.expect("a block");
        let (code, place, detail) = fails("COPY t FROM STDIN", many(25_000)).await;
        assert_eq!((code.as_str(), place.as_str()), ("23505", "COPY t, line 25001"), "{begin}");
        assert_eq!(detail, "Key (id)=(7) already exists.");
        client.batch_execute("ROLLBACK").await.expect("no block");
    }
}
