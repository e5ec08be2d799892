//! Changes of more rows than the server may keep in memory: their rows go to temporary files, and nothing else is different.

use bytes::Bytes;
use futures::SinkExt;
use slipstream_tests::{TestServer, check_data, error_of};
use tokio_postgres::Client;

/// A server that keeps next to nothing in memory.
fn start(data: &std::path::Path, limit: &str) -> TestServer {
    TestServer::start_with(data, &["--change-memory", "16kB", "--temp-file-limit", limit])
}

/// Bytes of temporary files that the server has open. They have no names.
fn temporary_bytes(server: &TestServer) -> u64 {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.process_id())).expect("the server runs");
    open.flatten()
        .filter(|file| {
            let target = std::fs::read_link(file.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            target.contains("/temp/") && target.ends_with("(deleted)")
        })
        .filter_map(|file| Some(std::fs::metadata(file.path()).ok()?.len()))
        .sum()
}

async fn run(client: &Client, statement: &str) -> u64 {
    client.execute(statement, &[]).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"))
}

/// Number of rows, and sums over all that is in them.
async fn sums(client: &Client) -> (i64, i64, i64, i64) {
    let query = "SELECT count(*), sum(id)::bigint, sum(a)::bigint, sum(length(b))::bigint FROM t";
    let row = client.query_one(query, &[]).await.expect("the table can be read");
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

async fn copy(client: &Client, ids: std::ops::Range<i64>) -> u64 {
    let text: String = ids.map(|id| format!("{id}\t{}\tcopied\n", id % 7)).collect();
    let sink = client.copy_in("COPY t FROM STDIN").await.expect("COPY starts");
    futures::pin_mut!(sink);
    sink.send(Bytes::from(text)).await.expect("rows are taken");
    sink.finish().await.expect("COPY ends")
}

const TABLE: &str = "CREATE TABLE t (id bigint PRIMARY KEY, a integer NOT NULL, b text)";
const ROWS: &str = "INSERT INTO t SELECT i, 1, 'row' FROM generate_series(1, 20000) AS g(i)";

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_bulk_changes_is_as_one_in_memory() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = start(data.path(), "1GB");
    let client = server.connect().await;
    run(&client, TABLE).await;
    run(&client, ROWS).await;

    run(&client, "BEGIN").await;
    assert_eq!(run(&client, "UPDATE t SET a = a + 1, b = b || '!'").await, 20_000);
    assert!(temporary_bytes(&server) > 100_000, "the rows are in memory");
    assert_eq!(copy(&client, 20_001..30_001).await, 10_000);
    // Stored rows are changed a second time, and rows of the block's own.
    assert_eq!(run(&client, "UPDATE t SET a = 10 WHERE id > 15000").await, 15_000);
    assert_eq!(run(&client, "DELETE FROM t WHERE id % 10 = 0").await, 3_000);
    let expected = (27_000, 405_000_000, 13_500 * 2 + 13_500 * 10, 18_000 * 4 + 9_000 * 6);
    assert_eq!(sums(&client).await, expected);

    run(&client, "SAVEPOINT s").await;
    let merge = "MERGE INTO t USING (SELECT i AS id FROM generate_series(1, 40000) AS g(i)) AS s ON t.id = s.id
                 WHEN MATCHED THEN UPDATE SET a = 0 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 5, 'merged')";
    assert_eq!(run(&client, merge).await, 40_000);
    assert_eq!(sums(&client).await.0, 40_000);
    assert_eq!(sums(&client).await.2, 13_000 * 5);
    let duplicate = client.execute("INSERT INTO t SELECT id, 1, 'x' FROM t WHERE id > 39000", &[]).await.unwrap_err();
    assert_eq!(error_of(&duplicate).code().code(), "23505");
    run(&client, "ROLLBACK TO s").await;
    assert_eq!(sums(&client).await, expected);
    let found = client.query_one("SELECT a, b FROM t WHERE id = 25001", &[]).await.expect("the row is there");
    assert_eq!((found.get::<_, i32>(0), found.get::<_, &str>(1)), (10, "copied"));
    run(&client, "COMMIT").await;

    assert_eq!(temporary_bytes(&server), 0, "the files are gone with the transaction");
    assert_eq!(sums(&client).await, expected);
    server.kill();
    let server = start(data.path(), "1GB");
    let client = server.connect().await;
    assert_eq!(sums(&client).await, expected);
    assert_eq!(run(&client, "INSERT INTO t VALUES (10, 1, 'gone before')").await, 1);
    server.stop();
    check_data(data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_alone_needs_no_memory_either() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = start(data.path(), "1GB");
    let client = server.connect().await;
    run(&client, TABLE).await;
    run(&client, ROWS).await;
    let returned = client.query("UPDATE t SET a = 2 RETURNING id, a", &[]).await.expect("the rows come");
    assert_eq!(returned.len(), 20_000);
    assert_eq!(run(&client, "UPDATE t SET a = n.a + 1 FROM t AS n WHERE n.id = t.id").await, 20_000);
    let upsert = "INSERT INTO t SELECT i, 0, 'new' FROM generate_series(10001, 30000) AS g(i)
                  ON CONFLICT (id) DO UPDATE SET a = 7";
    assert_eq!(run(&client, upsert).await, 20_000);
    assert_eq!(sums(&client).await, (30_000, 450_015_000, 10_000 * 3 + 10_000 * 7, 30_000 * 3));
    assert_eq!(run(&client, "DELETE FROM t").await, 30_000);
    assert_eq!(temporary_bytes(&server), 0);
    server.stop();
    check_data(data.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_rows_for_the_temporary_files_are_an_error() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = start(data.path(), "100kB");
    let client = server.connect().await;
    run(&client, TABLE).await;
    // Alone, new rows need no temporary file: they are loaded as they come.
    run(&client, ROWS).await;
    for begin in ["", "BEGIN"] {
        run(&client, begin).await;
        let error = client.execute("UPDATE t SET a = a + 1", &[]).await.unwrap_err();
        assert_eq!(error_of(&error).code().code(), "53400");
        assert_eq!(error_of(&error).message(), "temporary file size exceeds temp_file_limit (100kB)");
        run(&client, "ROLLBACK").await;
    }
    assert_eq!(temporary_bytes(&server), 0);
    assert_eq!(run(&client, "UPDATE t SET a = a + 1 WHERE id < 100").await, 99);
    assert_eq!(sums(&client).await.2, 20_099);
}
