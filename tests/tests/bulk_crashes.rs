//! SIGKILL in the middle of bulk work: a large COPY, a large INSERT ... SELECT, the build of a graph's index.
//!
//! Bulk loads of the graph index are not in its log (Kuzu does not log COPY), so these are crashes of their own kind. Each piece
//! of work is timed once, then killed at moments spread over that time. After every kill the server recovers, often killed
//! again in the middle of that, and twice in a row; the work is there as a whole or not at all, the graph says what the tables
//! say, before its index is brought forward and after, and `slipstream check` finds nothing.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::SinkExt;
use slipstream_tests::{TestServer, check_data};
use tokio_postgres::Client;

const ROWS: i64 = 200_000;
/// Edges of the load, each of which is looked up at both ends.
const EDGES_LOADED: i64 = 50_000;

const TABLES: &str = "
    CREATE TABLE person (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL);
";
const GRAPH: &str = "
    CREATE PROPERTY GRAPH social
      VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, name))
      EDGE TABLES (knows KEY (id) SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id)
                   LABEL knows PROPERTIES (id));
";
const PEOPLE: &str = "SELECT n FROM cypher('social', $$ MATCH (p:person) RETURN count(p) AS n $$) AS g";
const EDGES: &str =
    "SELECT n FROM cypher('social', $$ MATCH (:person)-[k:knows]->(:person) RETURN count(k) AS n $$) AS g";

/// Moments at which each piece of work is killed, as parts of its length: three, or as many as a soak asks for.
fn moments() -> impl Iterator<Item = f64> {
    let rounds = std::env::var("SLIPSTREAM_ROUNDS").ok().and_then(|text| text.parse().ok());
    let count: u32 = rounds.map_or(3, |rounds: u32| (rounds / 10).max(3));
    (0..count).map(move |number| (f64::from(number) + 0.7) / f64::from(count))
}

/// A database with the tables and what `rows` inserts, kept to be copied.
async fn prepared(statements: &[&str]) -> tempfile::TempDir {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in statements {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    server.stop();
    data
}

fn copy_of(data: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let status = std::process::Command::new("cp").arg("-a").arg(data.join(".")).arg(copy.path()).status();
    assert!(status.expect("cp runs").success());
    copy
}

/// Kills the server at `moment` of the work, and recovers: killed once more in there, and twice in a row. What the work has left
/// is looked at both times.
async fn killed_at<W, L>(data: &Path, moment: Duration, work: W, look: L)
where
    W: AsyncFnOnce(Client),
    L: AsyncFn(&Client),
{
    let server = TestServer::start(data);
    let client = server.connect().await;
    let killer = tokio::task::spawn_blocking(move || {
        std::thread::sleep(moment);
        server.kill();
    });
    work(client).await;
    killer.await.expect("the server can be killed");
    TestServer::kill_while_starting(data, Duration::from_millis(150 + moment.as_millis() as u64 % 400));
    for _ in 0..2 {
        let server = TestServer::start(data);
        let client = server.connect().await;
        look(&client).await;
        until_ready(&client).await.expect("the server stays");
        look(&client).await;
        server.kill();
    }
    check_data(data);
}

/// Waits until the graph's index stands at the newest commit, as far as there is a graph.
async fn until_ready(client: &Client) -> Result<(), tokio_postgres::Error> {
    let start = Instant::now();
    let behind = "SELECT count(*) FROM slipstream.graphs WHERE state <> 'ready'";
    while client.query_one(behind, &[]).await?.get::<_, i64>(0) > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the graph's index stays behind");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// How long the work takes when nobody kills it.
async fn timed<W: AsyncFnOnce(Client)>(data: &Path, work: W) -> Duration {
    let server = TestServer::start(data);
    let client = server.connect().await;
    let start = Instant::now();
    work(client).await;
    let length = start.elapsed();
    server.stop();
    length
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).get(0)
}

/// Copies `ROWS` people in; fails when the server goes.
async fn copy_people(client: Client) {
    let Ok(sink) = client.copy_in("COPY person FROM STDIN").await else { return };
    let mut sink = std::pin::pin!(sink);
    for first in (1..=ROWS).step_by(5000) {
        let rows: String = (first..first + 5000).map(|id| format!("{id}\tperson {id}\n")).collect();
        if sink.send(Bytes::from(rows)).await.is_err() {
            return;
        }
    }
    // Errors here are the kill's.
    let _ = sink.finish().await;
    let _ = until_ready(&client).await;
}

#[tokio::test]
async fn a_copy_killed_in_the_middle_is_whole_or_gone() {
    let before = prepared(&[TABLES, GRAPH, "INSERT INTO person VALUES (0, 'before')"]).await;
    let length = timed(copy_of(before.path()).path(), copy_people).await;
    println!("COPY of {ROWS} rows: {length:?}");
    for moment in moments() {
        let data = copy_of(before.path());
        killed_at(data.path(), length.mul_f64(moment), copy_people, async |client: &Client| {
            let rows = count(client, "SELECT count(*) FROM person").await;
            assert!(rows == 1 || rows == ROWS + 1, "{rows} rows");
            assert_eq!(count(client, PEOPLE).await, rows, "vertices");
            assert_eq!(count(client, "SELECT count(*) FROM person WHERE id = 0").await, 1);
        })
        .await;
    }
}

#[tokio::test]
async fn an_edge_load_killed_in_the_middle_is_whole_or_gone() {
    let people = format!("INSERT INTO person SELECT i, 'person' FROM generate_series(1, {ROWS}) AS s(i)");
    let before = prepared(&[TABLES, &people, GRAPH, "INSERT INTO knows VALUES (0, 1, 2)"]).await;
    let load = async |client: Client| {
        let edges = format!("INSERT INTO knows SELECT id, id, id % {ROWS} + 1 FROM person WHERE id <= {EDGES_LOADED}");
        // Errors here are the kill's.
        let _ = client.batch_execute(&edges).await;
        let _ = until_ready(&client).await;
    };
    let length = timed(copy_of(before.path()).path(), load).await;
    println!("INSERT ... SELECT of {EDGES_LOADED} edges: {length:?}");
    for moment in moments() {
        let data = copy_of(before.path());
        killed_at(data.path(), length.mul_f64(moment), load, async |client: &Client| {
            let rows = count(client, "SELECT count(*) FROM knows").await;
            assert!(rows == 1 || rows == EDGES_LOADED + 1, "{rows} rows");
            assert_eq!(count(client, EDGES).await, rows, "relationships");
            assert_eq!(count(client, PEOPLE).await, ROWS, "vertices");
        })
        .await;
    }
}

#[tokio::test]
async fn a_graph_build_killed_in_the_middle_is_made_up_for() {
    let people = format!("INSERT INTO person SELECT i, 'person ' || i FROM generate_series(1, {ROWS}) AS s(i)");
    let edges = format!("INSERT INTO knows SELECT id, id, id % {ROWS} + 1 FROM person");
    let before = prepared(&[TABLES, &people, &edges]).await;
    let build = async |client: Client| {
        // Errors here are the kill's.
        let _ = client.batch_execute(GRAPH).await;
        let _ = until_ready(&client).await;
    };
    let length = timed(copy_of(before.path()).path(), build).await;
    println!("CREATE PROPERTY GRAPH over {ROWS} vertices and edges: {length:?}");
    for moment in moments() {
        let data = copy_of(before.path());
        killed_at(data.path(), length.mul_f64(moment), build, async |client: &Client| {
            let graphs = count(client, "SELECT count(*) FROM slipstream.graphs WHERE name = 'social'").await;
            if graphs == 0 {
                client.batch_execute(GRAPH).await.expect("what is not there can be made");
            }
            assert_eq!(count(client, PEOPLE).await, ROWS, "vertices");
            assert_eq!(count(client, EDGES).await, ROWS, "relationships");
            let around = "SELECT n FROM cypher('social', $$ MATCH (a:person {id: 7})-[:knows]->(b:person) RETURN b.id AS n $$) AS g";
            assert_eq!(count(client, around).await, 8);
        })
        .await;
    }
}
