//! Graph patterns answered by the index and by joins, compared row for row.
//!
//! A seeded generator writes queries over a small graph that has what goes wrong: edges from a node to itself, several edges
//! between the same nodes, cycles, missing properties. Each query is answered under `slipstream.graph_strategy` `index` and
//! `join`; the rows must be the same, in any order. A second graph over the same tables covers little: of its queries the index
//! answers a part, and joins go on from there. The queries of the scripts about patterns are compared as well.
//!
//! Patterns that depend on the rows beside them are asked for many rows at once by one route, and for each by the other ([`batches`]).
//!
//! Labels that several tables share, and patterns without them, are answered by an oracle too ([`labels`]).
//!
//! `SLIPSTREAM_MIRROR_SEED` and `SLIPSTREAM_MIRROR_QUERIES` choose other queries, and more of them.

mod batches;
mod comparison;
mod graph;
mod labels;
mod oracle;
mod random;
mod shapes;
mod writer;

use std::path::Path;

use slipstream_tests::TestServer;

use self::comparison::rows;
pub(crate) use self::comparison::{Comparison, compare};
pub(crate) use self::graph::make_graph;
pub(crate) use self::random::Random;
use self::writer::Writer;

/// Queries of a run, unless the environment wants another number.
const QUERIES: usize = 150;

#[tokio::test]
async fn the_index_and_joins_give_the_same_rows() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let seed = number("SLIPSTREAM_MIRROR_SEED", 1);
    let mut random = Random(seed as u64);
    make_graph(&client, &mut random).await;
    let (mut compared, mut refused, mut in_parts) = (0, 0, 0);
    let mut failures = Vec::new();
    for at in 0..number("SLIPSTREAM_MIRROR_QUERIES", QUERIES) {
        let query = Writer::new(&mut random).query();
        let sql = format!("SELECT * FROM cypher('g', $$ {query} $$) AS answer");
        match compare(&client, &sql).await {
            Comparison::Same => compared += 1,
            Comparison::Refused => refused += 1,
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}: {query}\n{difference}"))
            }
        }
        let little = format!("SELECT * FROM cypher('little', $$ {query} $$) AS answer");
        match compare(&client, &little).await {
            Comparison::Same => in_parts += 1,
            Comparison::Refused => {}
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}, in parts: {query}\n{difference}"))
            }
        }
    }
    assert!(in_parts * 3 > compared, "only {in_parts} queries were compared over the graph that covers little");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n\n"));
    assert!(compared > 2 * refused, "only {compared} queries were compared, {refused} refused");
}

#[tokio::test]
async fn the_queries_of_the_scripts_have_the_same_rows_by_joins() {
    for (script, call) in [("cypher", "cypher("), ("graph_table", "GRAPH_TABLE (")] {
        compare_script(script, call).await;
    }
}

/// Compares the queries of a script that have a call in them.
async fn compare_script(script: &str, call: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scripts/{script}.slt"));
    let script = std::fs::read_to_string(script).expect("the script is there");
    // In a block an error of the index would end it, and its own changes are for joins anyway.
    let (mut compared, mut in_block) = (0, false);
    for record in script.split("\n\n") {
        let lines: Vec<&str> = record.lines().filter(|line| !line.starts_with('#')).collect();
        let Some((head, rest)) = lines.split_first() else { continue };
        let sql = rest.iter().take_while(|line| **line != "----").copied().collect::<Vec<_>>().join("\n");
        if head.starts_with("statement ok") {
            client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            in_block = sql == "BEGIN" || in_block && sql != "COMMIT";
        } else if !in_block && head.starts_with("query") && sql.contains(call) && !sql.starts_with("EXPLAIN") {
            match compare(&client, &sql).await {
                Comparison::Same => compared += 1,
                Comparison::Refused => {}
                Comparison::Different(difference) => panic!("{sql}\n{difference}"),
            }
        }
    }
    assert!(compared > 15, "only {compared} queries were compared");
}

#[tokio::test]
async fn explain_says_how_a_pattern_is_answered_and_why() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY, name text, bio text)",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id, name))",
    ] {
        client.batch_execute(statement).await.expect("a graph");
    }
    let explain = |property: &str| {
        format!("EXPLAIN SELECT * FROM cypher('g', $$ MATCH (p:person) RETURN p.{property} AS it $$) AS answer")
    };
    let plan = |rows: Result<Vec<String>, String>| rows.expect("a plan").join("\n");
    let by_index = plan(rows(&client, "auto", &explain("name")).await);
    assert!(by_index.contains("GraphIndexScan: graph=g, "), "{by_index}");
    assert!(by_index.contains("GraphPattern: graph=g, route=index, MATCH (p:person)"), "{by_index}");
    let by_strategy = plan(rows(&client, "join", &explain("name")).await);
    assert!(by_strategy.contains("GraphPattern: graph=g, route=joins (slipstream.graph_strategy)"), "{by_strategy}");
    assert!(!by_strategy.contains("GraphIndexScan"), "{by_strategy}");
    let uncovered = plan(rows(&client, "auto", &explain("bio")).await);
    let lack = "the graph index does not cover property \"bio\" of \"person\"";
    let why = format!("route=joins ({lack}, and nothing keeps the rows few)");
    assert!(uncovered.contains(&why), "{uncovered}");
    let few = "MATCH (p:person {id: 1}) RETURN p.bio AS it";
    let fetched =
        plan(rows(&client, "auto", &format!("EXPLAIN SELECT * FROM cypher('g', $$ {few} $$) AS answer")).await);
    let why = format!("route=index for the first clause, joins from there on ({lack})");
    assert!(fetched.contains(&why), "{fetched}");
    assert!(fetched.contains("IndexThenStore: table=person") && fetched.contains("GraphIndexScan"), "{fetched}");
    client.batch_execute("BEGIN; INSERT INTO person VALUES (1, 'Ann', NULL)").await.expect("a transaction");
    let own = plan(rows(&client, "auto", &explain("name")).await);
    assert!(own.contains("route=joins (own uncommitted writes)"), "{own}");
}

#[tokio::test]
async fn a_search_without_end_can_be_stopped() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY)",
        "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
        "INSERT INTO person VALUES (0), (1), (2), (3), (4)",
        "INSERT INTO knows SELECT a.id * 5 + b.id, a.id, b.id FROM person a, person b",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person) EDGE TABLES (knows KEY (id)
           SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows)",
        "SET statement_timeout = '500ms'",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    // There are only 25 edges, so no path is as long as the second asks, and no row ever leaves the search.
    for pattern in ["(a:person)-[:knows*1..25]->(b:person)", "(a:person)-[:knows*30]->(b:person)"] {
        let sql = format!("SELECT n FROM cypher('g', $$ MATCH {pattern} RETURN count(*) AS n $$) AS answer");
        let started = std::time::Instant::now();
        let stopped = rows(&client, "join", &sql).await.expect_err("it does not end");
        assert!(stopped.starts_with("57014"), "{stopped}");
        assert!(started.elapsed().as_secs() < 20, "stopped after {:?}", started.elapsed());
    }
}
