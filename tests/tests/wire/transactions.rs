//! Transactions as the protocol shows them: the status at every step, what a message of several statements and a pipeline are,
//! and what is left when a client goes away.

use slipstream_tests::{Message, RawClient, TestServer, error_of};
use tempfile::TempDir;

use super::{error, kinds, server, tags, values};

const INT8: u32 = 20;

/// A server with a table `t` of the key 1, and a client.
async fn table() -> (TestServer, TempDir, RawClient) {
    let (server, data) = server();
    let mut client = RawClient::connect(server.address()).await;
    client.query("CREATE TABLE t (id bigint PRIMARY KEY, v text)").answers().await;
    client.query("INSERT INTO t VALUES (1, 'one')").answers().await;
    (server, data, client)
}

/// What `ReadyForQuery` says.
fn status(messages: &[Message]) -> char {
    messages.last().expect("an answer").status()
}

/// The SQLSTATEs of the warnings.
fn warnings(messages: &[Message]) -> Vec<String> {
    messages.iter().filter(|message| message.kind == b'N').filter_map(|message| message.field('C')).collect()
}

/// The keys that are there, as another client sees them.
async fn keys(server: &TestServer) -> Vec<String> {
    let mut other = RawClient::connect(server.address()).await;
    values(&other.query("SELECT id FROM t ORDER BY id").answers().await)
}

#[tokio::test]
async fn the_status_is_told_at_every_step() {
    let (_server, _data, mut client) = table().await;
    for (sql, tag, expected) in [
        ("SELECT 1", "SELECT 1", 'I'),
        ("BEGIN", "BEGIN", 'T'),
        ("SELECT 1", "SELECT 1", 'T'),
        ("INSERT INTO t VALUES (2, 'two')", "INSERT 0 1", 'T'),
        ("SAVEPOINT s", "SAVEPOINT", 'T'),
        ("UPDATE t SET v = 'x'", "UPDATE 2", 'T'),
        ("ROLLBACK TO SAVEPOINT s", "ROLLBACK", 'T'),
        ("RELEASE s", "RELEASE", 'T'),
        ("COMMIT", "COMMIT", 'I'),
        ("START TRANSACTION", "START TRANSACTION", 'T'),
        ("END", "COMMIT", 'I'),
        ("BEGIN WORK", "BEGIN", 'T'),
        ("ABORT", "ROLLBACK", 'I'),
        ("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE", "BEGIN", 'T'),
        ("SET TRANSACTION READ ONLY", "SET", 'T'),
        ("ROLLBACK WORK", "ROLLBACK", 'I'),
        ("", "", 'I'),
    ] {
        let answers = client.query(sql).answers().await;
        assert_eq!(tags(&answers).first().map_or("", String::as_str), tag, "{sql}: {answers:?}");
        assert_eq!((status(&answers), warnings(&answers)), (expected, vec![]), "{sql}");
    }
    assert_eq!(values(&client.query("SELECT v FROM t ORDER BY id").answers().await), ["one", "two"]);
}

#[tokio::test]
async fn a_failed_block_takes_nothing_but_its_end() {
    let (server, _data, mut client) = table().await;
    client.query("BEGIN").query("INSERT INTO t VALUES (2, 'two')").query("SELECT nope").send().await;
    assert_eq!(status(&client.until_ready().await), 'T');
    assert_eq!(status(&client.until_ready().await), 'T');
    let failed = client.until_ready().await;
    assert_eq!((error(&failed).0.as_str(), status(&failed)), ("42703", 'E'));
    for sql in
        ["SELECT 1", "INSERT INTO t VALUES (3, 'three')", "BEGIN", "SAVEPOINT s", "CREATE TABLE u (id int)", "SHOW ALL"]
    {
        let answers = client.query(sql).answers().await;
        let expected = "current transaction is aborted, commands ignored until end of transaction block";
        assert_eq!(error(&answers), ("25P02".into(), expected.into()), "{sql}");
        assert_eq!(status(&answers), 'E', "{sql}");
    }
    // Mistakes in the text are told all the same, and an empty message is no statement.
    assert_eq!(error(&client.query("SELEC 1").answers().await).0, "42601");
    assert_eq!(kinds(&client.query("").answers().await), "IZ");
    let answers = client.query("COMMIT").answers().await;
    assert_eq!((tags(&answers), status(&answers), warnings(&answers)), (vec!["ROLLBACK".to_string()], 'I', vec![]));
    assert_eq!(keys(&server).await, ["1"]);
}

#[tokio::test]
async fn ends_and_beginnings_out_of_place_are_warned_of() {
    let (server, _data, mut client) = table().await;
    for (sql, tag) in [("COMMIT", "COMMIT"), ("END", "COMMIT"), ("ROLLBACK", "ROLLBACK")] {
        let answers = client.query(sql).answers().await;
        assert_eq!(tags(&answers), [tag]);
        assert_eq!((status(&answers), warnings(&answers)), ('I', vec!["25P01".to_string()]), "{sql}");
        let warning = answers.iter().find(|message| message.kind == b'N').expect("a warning");
        assert_eq!(warning.field('M').as_deref(), Some("there is no transaction in progress"));
        assert_eq!(warning.field('S').as_deref(), Some("WARNING"));
    }
    for sql in ["SAVEPOINT s", "ROLLBACK TO s", "RELEASE s"] {
        let answers = client.query(sql).answers().await;
        assert_eq!((error(&answers).0.as_str(), status(&answers)), ("25P01", 'I'), "{sql}");
    }
    client.query("BEGIN").query("INSERT INTO t VALUES (2, 'two')").query("BEGIN").send().await;
    client.until_ready().await;
    client.until_ready().await;
    let answers = client.until_ready().await;
    assert_eq!((tags(&answers), status(&answers)), (vec!["BEGIN".to_string()], 'T'));
    assert_eq!(warnings(&answers), ["25001"]);
    client.query("COMMIT").answers().await;
    assert_eq!(keys(&server).await, ["1", "2"]);
}

#[tokio::test]
async fn modes_are_honoured_or_refused() {
    let (_server, _data, mut client) = table().await;
    let answers = client.query("BEGIN ISOLATION LEVEL SERIALIZABLE").answers().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("0A000", 'I'));
    client.query("BEGIN READ ONLY").answers().await;
    let answers = client.query("INSERT INTO t VALUES (2, 'two')").answers().await;
    assert_eq!(error(&answers), ("25006".into(), "cannot execute INSERT in a read-only transaction".into()));
    assert_eq!(status(&answers), 'E');
    client.query("ROLLBACK").answers().await;
    client
        .query("BEGIN")
        .query("SELECT 1 FROM t")
        .query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        .send()
        .await;
    client.until_ready().await;
    client.until_ready().await;
    let answers = client.until_ready().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("25001", 'E'));
    client.query("ROLLBACK").answers().await;
    for sql in ["PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'"] {
        assert_eq!(error(&client.query(sql).answers().await).0, "0A000", "{sql}");
    }
    client.query("BEGIN").answers().await;
    let answers = client.query("COMMIT AND CHAIN").answers().await;
    // Either it is done, or it says that it is not.
    let chained = answers.iter().all(|message| message.kind != b'E');
    assert!(if chained { status(&answers) == 'T' } else { error(&answers).0 == "0A000" }, "{answers:?}");
}

#[tokio::test]
async fn a_statement_list_is_one_transaction() {
    let (server, _data, mut client) = table().await;
    let answers =
        client.query("INSERT INTO t VALUES (2, 'b'); UPDATE t SET v = 'c'; SELECT 1 / 0; SELECT 1").answers().await;
    assert_eq!(tags(&answers), ["INSERT 0 1", "UPDATE 2"]);
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("22012", 'I'));
    assert_eq!(keys(&server).await, ["1"]);
    // Its later statements see its earlier ones.
    let answers = client
        .query("INSERT INTO t VALUES (2, 'b'); SELECT count(*) FROM t; DELETE FROM t WHERE id = 1")
        .answers()
        .await;
    assert_eq!(tags(&answers), ["INSERT 0 1", "SELECT 1", "DELETE 1"]);
    assert_eq!(values(&answers), ["2"]);
    assert_eq!(keys(&server).await, ["2"]);
    // DDL is part of it.
    let answers = client.query("CREATE TABLE u (id bigint PRIMARY KEY); INSERT INTO u VALUES (1), (1)").answers().await;
    assert_eq!(error(&answers).0, "23505");
    assert_eq!(error(&client.query("SELECT * FROM u").answers().await).0, "42P01");
    // A mistake in the text anywhere, and nothing runs at all.
    let answers = client.query("INSERT INTO t VALUES (9, 'x'); SELEC 1").answers().await;
    assert_eq!(kinds(&answers), "EZ");
    assert_eq!(keys(&server).await, ["2"]);
}

#[tokio::test]
async fn begin_and_commit_inside_a_list_divide_it() {
    let (server, _data, mut client) = table().await;
    // What COMMIT has committed stays.
    let answers = client
        .query("BEGIN; INSERT INTO t VALUES (2, 'b'); COMMIT; INSERT INTO t VALUES (3, 'c'); SELECT 1 / 0")
        .answers()
        .await;
    assert_eq!(tags(&answers), ["BEGIN", "INSERT 0 1", "COMMIT", "INSERT 0 1"]);
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("22012", 'I'));
    assert_eq!(keys(&server).await, ["1", "2"]);
    // BEGIN takes in what stands before it.
    let answers =
        client.query("INSERT INTO t VALUES (3, 'c'); BEGIN; INSERT INTO t VALUES (4, 'd'); ROLLBACK").answers().await;
    assert_eq!(tags(&answers), ["INSERT 0 1", "BEGIN", "INSERT 0 1", "ROLLBACK"]);
    assert_eq!(status(&answers), 'I');
    assert_eq!(keys(&server).await, ["1", "2"]);
    // A block that begins in a list goes on after it.
    let answers = client.query("INSERT INTO t VALUES (3, 'c'); BEGIN").answers().await;
    assert_eq!(status(&answers), 'T');
    assert_eq!(keys(&server).await, ["1", "2"]);
    let answers = client.query("INSERT INTO t VALUES (4, 'd'); COMMIT").answers().await;
    assert_eq!((tags(&answers), status(&answers)), (vec!["INSERT 0 1".to_string(), "COMMIT".to_string()], 'I'));
    assert_eq!(keys(&server).await, ["1", "2", "3", "4"]);
    // An end without a beginning ends the list's own transaction, with a warning.
    let answers = client
        .query("INSERT INTO t VALUES (5, 'e'); COMMIT; INSERT INTO t VALUES (6, 'f'); SELECT 1 / 0")
        .answers()
        .await;
    assert_eq!(warnings(&answers), ["25P01"]);
    assert_eq!(keys(&server).await, ["1", "2", "3", "4", "5"]);
    let answers =
        client.query("INSERT INTO t VALUES (6, 'f'); ROLLBACK; INSERT INTO t VALUES (7, 'g')").answers().await;
    assert_eq!(warnings(&answers), ["25P01"]);
    assert_eq!(keys(&server).await, ["1", "2", "3", "4", "5", "7"]);
    // An error inside an explicit block leaves it failed, whatever stands behind it in the list.
    let answers = client.query("BEGIN; SELECT 1 / 0; ROLLBACK").answers().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("22012", 'E'));
    assert_eq!(status(&client.query("ROLLBACK").answers().await), 'I');
    // A savepoint needs a block of its own making.
    let answers = client.query("SELECT 1; SAVEPOINT s").answers().await;
    assert_eq!(error(&answers).0, "25P01");
}

#[tokio::test]
async fn a_list_inside_a_block_is_part_of_it() {
    let (server, _data, mut client) = table().await;
    client.query("BEGIN").answers().await;
    client.query("INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (3, 'c')").answers().await;
    assert_eq!(keys(&server).await, ["1"]);
    client.query("SAVEPOINT s").answers().await;
    let answers = client.query("INSERT INTO t VALUES (4, 'd'); SELECT 1 / 0").answers().await;
    assert_eq!(status(&answers), 'E');
    assert_eq!(status(&client.query("ROLLBACK TO s").answers().await), 'T');
    client.query("COMMIT").answers().await;
    assert_eq!(keys(&server).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_pipeline_is_one_transaction_up_to_its_sync() {
    let (server, _data, mut client) = table().await;
    client.parse("insert", "INSERT INTO t VALUES ($1, 'piped')", &[INT8]).sync().answers().await;
    let mut insert = async |keys: &[i64]| {
        for key in keys {
            client.bind("", "insert", 1, &[Some(&key.to_be_bytes())], 0).execute("", 0);
        }
        client.sync().answers().await
    };
    let answers = insert(&[2, 3, 1, 4]).await;
    assert_eq!(tags(&answers), ["INSERT 0 1", "INSERT 0 1"]);
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("23505", 'I'));
    assert_eq!(keys(&server).await, ["1"]);
    let answers = insert(&[2, 3]).await;
    assert_eq!((tags(&answers).len(), status(&answers)), (2, 'I'));
    assert_eq!(keys(&server).await, ["1", "2", "3"]);
    // Two pipelines in one packet: the first fails, the second does not.
    client.bind("", "insert", 1, &[Some(&4i64.to_be_bytes())], 0).execute("", 0);
    client.bind("", "insert", 1, &[Some(&1i64.to_be_bytes())], 0).execute("", 0).sync();
    client.bind("", "insert", 1, &[Some(&5i64.to_be_bytes())], 0).execute("", 0).sync();
    client.send().await;
    assert_eq!(error(&client.until_ready().await).0, "23505");
    assert_eq!(tags(&client.until_ready().await), ["INSERT 0 1"]);
    assert_eq!(keys(&server).await, ["1", "2", "3", "5"]);
}

#[tokio::test]
async fn blocks_in_the_extended_protocol() {
    let (server, _data, mut client) = table().await;
    let run = |client: &mut RawClient, sql: &str| {
        client.parse("", sql, &[]).bind("", "", 0, &[], 0).execute("", 0);
    };
    // As drivers send it: everything up to one Sync.
    run(&mut client, "BEGIN");
    run(&mut client, "INSERT INTO t VALUES (2, 'b')");
    let answers = client.sync().answers().await;
    assert_eq!((tags(&answers), status(&answers)), (vec!["BEGIN".to_string(), "INSERT 0 1".to_string()], 'T'));
    assert_eq!(keys(&server).await, ["1"]);
    run(&mut client, "COMMIT");
    assert_eq!(status(&client.sync().answers().await), 'I');
    assert_eq!(keys(&server).await, ["1", "2"]);
    // A failed block refuses to parse and to bind, but for what ends it.
    client.parse("select", "SELECT id FROM t", &[]).sync().answers().await;
    run(&mut client, "BEGIN");
    run(&mut client, "SELECT 1 / 0");
    assert_eq!(status(&client.sync().answers().await), 'E');
    assert_eq!(error(&client.parse("", "SELECT 1", &[]).sync().answers().await).0, "25P02");
    assert_eq!(error(&client.bind("", "select", 0, &[], 0).execute("", 0).sync().answers().await).0, "25P02");
    run(&mut client, "COMMIT");
    let answers = client.sync().answers().await;
    assert_eq!((tags(&answers), status(&answers)), (vec!["ROLLBACK".to_string()], 'I'));
    // The statement is still there: preparing is not undone.
    let answers = client.bind("", "select", 0, &[], 0).execute("", 0).sync().answers().await;
    assert_eq!(values(&answers).len(), 2);
}

#[tokio::test]
async fn a_portal_outlives_a_sync_inside_a_block() {
    let (_server, _data, mut client) = table().await;
    client.query("INSERT INTO t VALUES (2, 'b'), (3, 'c')").answers().await;
    client.query("BEGIN").answers().await;
    client.parse("", "SELECT id FROM t ORDER BY id", &[]).bind("p", "", 0, &[], 0).execute("p", 1).sync();
    assert_eq!(kinds(&client.answers().await), "12DsZ");
    // It shows what there was when it was opened.
    client.query("DELETE FROM t").answers().await;
    let answers = client.execute("p", 0).sync().answers().await;
    assert_eq!((values(&answers), status(&answers)), (vec!["2".to_string(), "3".to_string()], 'T'));
    client.query("COMMIT").answers().await;
    assert_eq!(error(&client.execute("p", 0).sync().answers().await).0, "34000");
}

#[tokio::test]
async fn a_conflict_is_40001_and_ends_the_block() {
    let (server, _data, mut client) = table().await;
    client.query("BEGIN").query("UPDATE t SET v = 'mine' WHERE id = 1").send().await;
    client.until_ready().await;
    client.until_ready().await;
    let other = server.connect().await;
    other.batch_execute("UPDATE t SET v = 'theirs' WHERE id = 1").await.expect("nothing is locked");
    let answers = client.query("COMMIT").answers().await;
    assert_eq!(error(&answers), ("40001".into(), "could not serialize access due to concurrent update".into()));
    assert_eq!((tags(&answers), status(&answers)), (vec![], 'I'));
    assert_eq!(values(&client.query("SELECT v FROM t").answers().await), ["theirs"]);
}

#[tokio::test]
async fn statements_outside_blocks_run_again_by_themselves() {
    let (server, _data, _client) = table().await;
    const CLIENTS: i64 = 4;
    const ROUNDS: i64 = 15;
    let setup = server.connect().await;
    setup
        .batch_execute("CREATE TABLE counter (id int PRIMARY KEY, n bigint); INSERT INTO counter VALUES (1, 0)")
        .await
        .expect("a counter");
    let mut workers = Vec::new();
    for _ in 0..CLIENTS {
        let client = server.connect().await;
        workers.push(tokio::spawn(async move {
            for _ in 0..ROUNDS {
                client.batch_execute("UPDATE counter SET n = n + 1 WHERE id = 1").await.expect("no conflict is told");
            }
        }));
    }
    for worker in workers {
        worker.await.expect("a worker ends");
    }
    let n: i64 = setup.query_one("SELECT n FROM counter", &[]).await.expect("a number").get(0);
    assert_eq!(n, CLIENTS * ROUNDS);
}

#[tokio::test]
async fn transactions_of_a_driver() {
    let (server, _data, _raw) = table().await;
    let mut client = server.connect().await;
    let mut transaction = client.transaction().await.expect("BEGIN");
    transaction.execute("INSERT INTO t VALUES ($1, $2)", &[&2i64, &"two"]).await.expect("a row");
    let savepoint = transaction.savepoint("s").await.expect("SAVEPOINT");
    let failure =
        savepoint.execute("INSERT INTO t VALUES ($1, $2)", &[&1i64, &"again"]).await.expect_err("a duplicate");
    assert_eq!(error_of(&failure).code().code(), "23505");
    savepoint.rollback().await.expect("ROLLBACK TO");
    let rows = transaction.query("SELECT v FROM t WHERE id > $1", &[&1i64]).await.expect("rows");
    assert_eq!(rows.len(), 1);
    transaction.commit().await.expect("COMMIT");
    // A transaction that is dropped is rolled back before anything else happens.
    let transaction = client.transaction().await.expect("BEGIN");
    transaction.execute("DELETE FROM t", &[]).await.expect("a deletion");
    drop(transaction);
    assert_eq!(client.query("SELECT 1 FROM t", &[]).await.expect("rows").len(), 2);
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let (server, _data, mut client) = table().await;
    // Between the statements of a block.
    client.query("BEGIN").query("INSERT INTO t VALUES (2, 'b')").query("UPDATE t SET v = 'gone'").send().await;
    for _ in 0..3 {
        client.until_ready().await;
    }
    drop(client);
    // Inside a COPY, in a block and outside.
    for before in ["", "BEGIN; "] {
        let mut client = RawClient::connect(server.address()).await;
        client.query(&format!("{before}COPY t FROM STDIN")).send().await;
        loop {
            let message = client.read().await.expect("an answer");
            if message.kind == b'G' {
                break;
            }
        }
        client.message(b'd', b"3\tc\n4\td\n").send().await;
        drop(client);
    }
    // Between Parse and the end of a pipeline.
    let mut client = RawClient::connect(server.address()).await;
    client.parse("", "INSERT INTO t VALUES (5, 'e')", &[]).bind("", "", 0, &[], 0).execute("", 0).message(b'H', &[]);
    client.send().await;
    while client.read().await.expect("an answer").kind != b'C' {}
    drop(client);
    // With an unread answer, in a block.
    let mut client = RawClient::connect(server.address()).await;
    client
        .query("BEGIN; INSERT INTO t VALUES (6, 'f'); SELECT repeat('x', 1000) FROM generate_series(1, 100000)")
        .send()
        .await;
    client.read().await.expect("an answer");
    drop(client);
    let mut other = RawClient::connect(server.address()).await;
    let answers = other.query("UPDATE t SET v = 'still here'").answers().await;
    assert_eq!(tags(&answers), ["UPDATE 1"]);
    let answers = other.query("INSERT INTO t SELECT i, 'new' FROM generate_series(2, 6) AS s(i)").answers().await;
    assert_eq!(tags(&answers), ["INSERT 0 5"]);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let rows = other.query("SELECT DISTINCT v FROM t ORDER BY v").answers().await;
    assert_eq!(values(&rows), ["new", "still here"]);
    server.stop();
}

#[tokio::test]
async fn a_copy_is_part_of_its_block() {
    let (server, _data, mut client) = table().await;
    client.query("BEGIN").query("COPY t FROM STDIN").message(b'd', b"2\tb\n3\tc\n").message(b'c', &[]).send().await;
    client.until_ready().await;
    let answers = client.until_ready().await;
    assert_eq!((tags(&answers), status(&answers)), (vec!["COPY 2".to_string()], 'T'));
    assert_eq!(keys(&server).await, ["1"]);
    assert_eq!(values(&client.query("SELECT count(*) FROM t").answers().await), ["3"]);
    client.query("SAVEPOINT s").answers().await;
    client.query("COPY t FROM STDIN").message(b'd', b"4\td\n1\tagain\n").message(b'c', &[]);
    let answers = client.answers().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("23505", 'E'));
    client.query("ROLLBACK TO s").answers().await;
    client.query("COMMIT").answers().await;
    assert_eq!(keys(&server).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn settings_go_back_with_their_transaction() {
    let (_server, _data, mut client) = table().await;
    client.query("SET application_name = 'before'").answers().await;
    client
        .query("BEGIN; SET application_name = 'inside'; SAVEPOINT s; SET application_name = 'deeper'; ROLLBACK TO s")
        .answers()
        .await;
    assert_eq!(values(&client.query("SHOW application_name").answers().await), ["inside"]);
    client.query("ROLLBACK").answers().await;
    assert_eq!(values(&client.query("SHOW application_name").answers().await), ["before"]);
    client.query("BEGIN; SET LOCAL application_name = 'local'").answers().await;
    assert_eq!(values(&client.query("SHOW application_name").answers().await), ["local"]);
    client.query("COMMIT").answers().await;
    assert_eq!(values(&client.query("SHOW application_name").answers().await), ["before"]);
    client.query("BEGIN; SET application_name = 'kept'; COMMIT").answers().await;
    assert_eq!(values(&client.query("SHOW application_name").answers().await), ["kept"]);
}

#[tokio::test]
async fn a_timeout_and_a_cancel_fail_the_block() {
    let (server, _data, mut client) = table().await;
    client.query("BEGIN; INSERT INTO t VALUES (2, 'b'); SET LOCAL statement_timeout = '50ms'").answers().await;
    let long = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let answers = client.query(long).answers().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("57014", 'E'));
    assert_eq!(tags(&client.query("COMMIT").answers().await), ["ROLLBACK"]);
    assert_eq!(values(&client.query("SHOW statement_timeout").answers().await), ["0"]);
    client.query("BEGIN; INSERT INTO t VALUES (2, 'b')").answers().await;
    client.query(long).send().await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let mut canceller = RawClient::open(server.address()).await;
    let key = [client.key.0.to_be_bytes(), client.key.1.to_be_bytes()].concat();
    canceller.packet(80_877_102, &key).send().await;
    let answers = client.until_ready().await;
    assert_eq!((error(&answers).0.as_str(), status(&answers)), ("57014", 'E'));
    client.query("ROLLBACK").answers().await;
    assert_eq!(keys(&server).await, ["1"]);
}
