//! The extended protocol: statements, portals, formats, pipelines.

use slipstream_tests::RawClient;

use super::{error, kinds, server, tags, values};

const INT8: u32 = 20;
const INT4: u32 = 23;

#[tokio::test]
async fn a_statement_is_described_before_it_runs() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY, v varchar(10), n numeric(12,3), e vector(3))").answers().await;
    let answers = client.parse("s", "SELECT * FROM t WHERE id = $1", &[]).describe(b'S', "s").sync().answers().await;
    assert_eq!(kinds(&answers), "1tTZ");
    assert_eq!(answers[1].body[..], [&[0, 1][..], &INT8.to_be_bytes()].concat());
    let expected = [
        ("id".to_string(), INT8, 8, -1),
        ("v".to_string(), 1043, -1, 14),
        ("n".to_string(), 1700, -1, ((12 << 16) | 3) + 4),
        ("e".to_string(), 16388, -1, 3),
    ];
    assert_eq!(answers[2].columns(), expected);
    let insert = "INSERT INTO t (id) VALUES ($1)";
    assert_eq!(kinds(&client.parse("i", insert, &[]).describe(b'S', "i").sync().answers().await), "1tnZ");
}

#[tokio::test]
async fn rows_come_in_portions() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "SELECT * FROM generate_series(1, 5)", &[]).bind("p", "", 0, &[], 0);
    client.execute("p", 2).execute("p", 2).execute("p", 2).execute("p", 2);
    let answers = client.sync().answers().await;
    assert_eq!(kinds(&answers), "12DDsDDsDCCZ");
    assert_eq!(tags(&answers), ["SELECT 1", "SELECT 0"]);
    assert_eq!(values(&answers), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn portals_end_with_their_transaction() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "SELECT * FROM generate_series(1, 5)", &[]).bind("p", "", 0, &[], 0).execute("p", 2).sync();
    assert_eq!(kinds(&client.answers().await), "12DDsZ");
    assert_eq!(error(&client.execute("p", 2).sync().answers().await).0, "34000");
}

#[tokio::test]
async fn names_that_are_unknown_or_taken_are_refused() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let answers = client.bind("", "nowhere", 0, &[], 0).sync().answers().await;
    assert_eq!(error(&answers).0, "26000");
    assert_eq!(error(&client.execute("nowhere", 0).sync().answers().await).0, "34000");
    assert_eq!(error(&client.describe(b'P', "nowhere").sync().answers().await).0, "34000");
    let answers = client.parse("s", "SELECT 1", &[]).parse("s", "SELECT 2", &[]).sync().answers().await;
    assert_eq!(error(&answers).0, "42P05");
    client.query("BEGIN").answers().await;
    client.bind("p", "s", 0, &[], 0);
    assert_eq!(error(&client.bind("p", "s", 0, &[], 0).sync().answers().await).0, "42P03");
    client.query("ROLLBACK").answers().await;
    let answers = client.close(b'S', "s").parse("s", "SELECT 2", &[]).close(b'S', "nowhere").sync().answers().await;
    assert_eq!(kinds(&answers), "313Z");
}

#[tokio::test]
async fn an_error_skips_to_the_next_sync() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "SELECT nope", &[]).bind("", "", 0, &[], 0).execute("", 0).query("SELECT 7").sync();
    client.parse("", "SELECT 1", &[]).bind("", "", 0, &[], 0).execute("", 0).sync();
    client.send().await;
    let (first, second) = (client.until_ready().await, client.until_ready().await);
    assert_eq!(kinds(&first), "EZ");
    assert_eq!(error(&first).0, "42703");
    assert_eq!(kinds(&second), "12DCZ");
}

#[tokio::test]
async fn a_message_that_makes_no_sense_fails_an_open_block() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("s", "SELECT $1::integer", &[]).sync().answers().await;
    let status = |answers: &[slipstream_tests::Message]| answers.last().map(|ready| ready.body[0]);
    let mut after = async |add: &dyn for<'a> Fn(&'a mut RawClient) -> &'a mut RawClient| {
        client.query("BEGIN").answers().await;
        add(&mut client);
        let answers = client.sync().answers().await;
        let code = error(&answers).0;
        let refused = error(&client.query("SELECT 1").answers().await).0;
        client.query("ROLLBACK").answers().await;
        (code, status(&answers), refused)
    };
    let failed = |code: &str| (code.to_string(), Some(b'E'), "25P02".to_string());
    assert_eq!(after(&|client| client.bind("", "s", 0, &[], 0)).await, failed("08P01"));
    assert_eq!(after(&|client| client.bind("", "s", 0, &[Some(b"x")], 0)).await, failed("22P02"));
    assert_eq!(after(&|client| client.bind("", "nowhere", 0, &[], 0)).await, failed("26000"));
    assert_eq!(after(&|client| client.execute("nowhere", 0)).await, failed("34000"));
    assert_eq!(after(&|client| client.describe(b'?', "s")).await, failed("08P01"));
    assert_eq!(after(&|client| client.parse("t", "SELEKT", &[])).await, failed("42601"));
    assert_eq!(after(&|client| client.message(b'E', b"torn")).await, failed("08P01"));
}

#[tokio::test]
async fn many_executions_go_in_one_pipeline() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY)").answers().await;
    client.parse("insert", "INSERT INTO t VALUES ($1)", &[INT8]);
    for id in 0..20i64 {
        client.bind("", "insert", 1, &[Some(&id.to_be_bytes())], 0).execute("", 0);
    }
    let answers = client.sync().answers().await;
    assert_eq!(tags(&answers), ["INSERT 0 1"; 20]);
    assert_eq!(values(&client.query("SELECT count(*) FROM t").answers().await), ["20"]);
}

#[tokio::test]
async fn nothing_is_a_statement_too() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "", &[]).bind("", "", 0, &[], 0).describe(b'P', "").execute("", 0).sync();
    assert_eq!(kinds(&client.answers().await), "12nIZ");
    let answers = client.parse("", "SELECT 1; SELECT 2", &[]).sync().answers().await;
    assert_eq!(error(&answers).0, "42601");
}

#[tokio::test]
async fn flush_brings_the_answers_without_a_sync() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "SELECT 1", &[]).message(b'H', &[]).send().await;
    assert_eq!(client.read().await.map(|message| message.kind), Some(b'1'));
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.parse("s", "SELECT $1 + 1", &[INT4]).sync().answers().await;
    let mut code = async |format: i16, parameters: &[Option<&[u8]>]| {
        error(&client.bind("", "s", format, parameters, 0).sync().answers().await).0
    };
    assert_eq!(code(1, &[Some(&[1, 2])]).await, "22P03");
    assert_eq!(code(0, &[Some(b"one")]).await, "22P02");
    assert_eq!(code(0, &[Some(b"\xff")]).await, "22021");
    assert_eq!(code(0, &[]).await, "08P01");
    assert_eq!(code(2, &[Some(b"1")]).await, "22023");
    assert_eq!(error(&client.parse("", "SELECT $1", &[869]).sync().answers().await).0, "42704");
}

#[tokio::test]
async fn a_changed_table_does_not_change_a_described_result() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY)").answers().await;
    client.parse("s", "SELECT * FROM t", &[]).describe(b'S', "s").sync().answers().await;
    client.query("DROP TABLE t; CREATE TABLE t (id text PRIMARY KEY)").answers().await;
    let answers = client.bind("", "s", 0, &[], 0).execute("", 0).sync().answers().await;
    assert_eq!(error(&answers), ("0A000".into(), "cached plan must not change result type".into()));
}

#[tokio::test]
async fn a_large_result_keeps_memory_flat() {
    let (server, _data) = server();
    let mut client = RawClient::connect(server.address()).await;
    let before = resident_kilobytes(server.process_id());
    // Some 600 MB of text, of which the client reads a little and then all.
    client.query("SELECT repeat('x', 10000) FROM generate_series(1, 60000)").send().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let waiting = resident_kilobytes(server.process_id());
    let mut rows = 0;
    while let Some(message) = client.read().await {
        match message.kind {
            b'D' => rows += 1,
            b'Z' => break,
            _ => {}
        }
    }
    assert_eq!(rows, 60_000);
    assert!(waiting < before + 300_000, "the server grew from {before} to {waiting} kB while its client did not read");
}

fn resident_kilobytes(process_id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
