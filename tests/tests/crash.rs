//! What is left after the server is killed.
//!
//! A writer inserts into a vertex table and an edge table, one statement at a time, and notes which were acknowledged. The
//! server is killed at some moment of that, started again, and looked at: every acknowledged statement is there as a whole,
//! any other is there as a whole or not at all, and the graph says what the tables say.

use std::path::Path;
use std::time::Duration;

use slipstream_tests::TestServer;
use tokio_postgres::Client;

const ROUNDS: u64 = 100;
/// Rows of one statement.
const BATCH: i64 = 3;

const SETUP: &str = "
    CREATE TABLE person (id bigint PRIMARY KEY, batch bigint NOT NULL);
    CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL);
    CREATE PROPERTY GRAPH social
      VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, batch))
      EDGE TABLES (knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id)
                   LABEL knows PROPERTIES (id));
";

/// What a writer knows: statements up to these numbers were acknowledged, and no later one was sent but the next.
#[derive(Debug, Default, Clone, Copy)]
struct Acknowledged {
    people: i64,
    edges: i64,
}

#[tokio::test]
async fn sigkill_loses_no_acknowledged_row_and_leaves_no_half_statement() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    server.connect().await.batch_execute(SETUP).await.expect("tables and a graph");
    server.kill();
    let mut acknowledged = Acknowledged::default();
    for round in 0..ROUNDS {
        let server = TestServer::start(data.path());
        let client = server.connect().await;
        acknowledged = check(&client, acknowledged, round).await;
        // The delays walk over a commit's length in steps that share no factor with it.
        let delay = Duration::from_millis(20 + (round * 37) % 150);
        acknowledged = write_until_killed(server, client, acknowledged, delay).await;
    }
    let server = TestServer::start(data.path());
    let found = check(&server.connect().await, acknowledged, ROUNDS).await;
    assert!(found.people > 10, "the writer hardly wrote: {found:?}");
    server.stop();
    answers_without_the_index_files_are_the_same(data.path()).await;
}

/// Inserts until the server is gone, which it is `delay` after the first statement was acknowledged: on a machine that has other
/// work to do nothing might be written otherwise.
async fn write_until_killed(
    server: TestServer,
    client: Client,
    mut acknowledged: Acknowledged,
    delay: Duration,
) -> Acknowledged {
    let (first_one, written) = tokio::sync::oneshot::channel();
    let writer = tokio::spawn(async move {
        let mut first_one = Some(first_one);
        loop {
            let next = acknowledged.people + 1;
            let first = next * BATCH;
            let rows: Vec<String> = (first..first + BATCH).map(|id| format!("({id}, {next})")).collect();
            if client.batch_execute(&format!("INSERT INTO person VALUES {}", rows.join(", "))).await.is_err() {
                return acknowledged;
            }
            acknowledged.people = next;
            if let Some(first_one) = first_one.take() {
                first_one.send(()).expect("somebody waits for it");
            }
            let rows: Vec<String> = (first..first + BATCH).map(|id| format!("({id}, {id}, {first})")).collect();
            if client.batch_execute(&format!("INSERT INTO knows VALUES {}", rows.join(", "))).await.is_err() {
                return acknowledged;
            }
            acknowledged.edges = next;
        }
    });
    written.await.expect("a statement is acknowledged");
    tokio::time::sleep(delay).await;
    server.kill();
    writer.await.expect("the writer notices that the server is gone")
}

/// Looks at what is there, and returns it: the statement in flight may have got through.
async fn check(client: &Client, acknowledged: Acknowledged, round: u64) -> Acknowledged {
    let people = count(client, "SELECT count(*) FROM person").await;
    let edges = count(client, "SELECT count(*) FROM knows").await;
    let context = format!("round {round}: {people} people, {edges} edges, {acknowledged:?}");
    assert_eq!((people % BATCH, edges % BATCH), (0, 0), "half a statement; {context}");
    let found = Acknowledged { people: people / BATCH, edges: edges / BATCH };
    assert!(found.people == acknowledged.people || found.people == acknowledged.people + 1, "{context}");
    assert!(found.edges == acknowledged.edges || found.edges == acknowledged.edges + 1, "{context}");
    let halves = "SELECT count(*) FROM (SELECT batch FROM person GROUP BY batch HAVING count(*) <> 3) AS halves";
    assert_eq!(count(client, halves).await, 0, "{context}");
    let vertices = "SELECT n FROM cypher('social', $$ MATCH (p:person) RETURN count(p) AS n $$) AS g";
    assert_eq!(count(client, vertices).await, people, "vertices; {context}");
    let relationships =
        "SELECT n FROM cypher('social', $$ MATCH (:person)-[k:knows]->(:person) RETURN count(k) AS n $$) AS g";
    assert_eq!(count(client, relationships).await, edges, "relationships; {context}");
    // An edge statement follows its vertices' statement; a lost edge statement is sent again with its vertices' number.
    if found.edges < found.people { finish_edges(client, found).await } else { found }
}

/// Inserts the edges of the newest people, so that both tables are at the same statement again.
async fn finish_edges(client: &Client, found: Acknowledged) -> Acknowledged {
    let first = found.people * BATCH;
    let rows: Vec<String> = (first..first + BATCH).map(|id| format!("({id}, {id}, {first})")).collect();
    client.batch_execute(&format!("INSERT INTO knows VALUES {}", rows.join(", "))).await.expect("edges");
    Acknowledged { edges: found.people, ..found }
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// Deleting the graph folder changes no answer.
async fn answers_without_the_index_files_are_the_same(data: &Path) {
    let server = TestServer::start(data);
    let with = graph_answers(&server.connect().await).await;
    server.stop();
    std::fs::remove_dir_all(data.join("graph")).expect("the graph folder can be deleted");
    let server = TestServer::start(data);
    let client = server.connect().await;
    assert_eq!(graph_answers(&client).await, with);
    client.batch_execute("INSERT INTO person VALUES (-1, 0)").await.expect("writes go on");
    client.batch_execute("INSERT INTO knows VALUES (-1, -1, 3)").await.expect("writes go on");
    assert_eq!(graph_answers(&client).await.len(), with.len() + 1);
}

/// Who knows whom, as the graph has it.
async fn graph_answers(client: &Client) -> Vec<(i64, i64)> {
    let sql = "SELECT a, b FROM cypher('social', $$ MATCH (a:person)-[:knows]->(b:person) RETURN a.id AS a, b.id AS b $$) AS g
               ORDER BY a, b";
    let rows = client.query(sql, &[]).await.expect("an answer");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn a_deleted_graph_folder_is_built_again() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    client.batch_execute(SETUP).await.expect("tables and a graph");
    let load = "INSERT INTO person SELECT i, i FROM generate_series(1, 500) AS s(i);
                INSERT INTO knows SELECT i, i, i % 500 + 1 FROM generate_series(1, 500) AS s(i);
                INSERT INTO person VALUES (0, 3)";
    client.batch_execute(load).await.expect("rows");
    server.stop();
    answers_without_the_index_files_are_the_same(data.path()).await;
}
