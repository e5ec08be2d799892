//! Shortest paths, compared with a search that is written out here: every pair of nodes of seeded graphs, with edges from a node to
//! itself, several between the same nodes, and nodes that none leads to; by the graph index and by joins, in Cypher, where a
//! path does not come back to its start, and in SQL/PGQ, where it may.

use std::collections::BTreeMap;

use slipstream_tests::TestServer;
use tokio_postgres::{Client, SimpleQueryMessage};

const NODES: usize = 9;
const EDGES: usize = 14;

#[tokio::test]
async fn shortest_paths_are_those_of_a_plain_search() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY)",
        "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person) EDGE TABLES (knows KEY (id)
           SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows)",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    for seed in 1..=4_u64 {
        let edges = edges(seed);
        let mut values = Vec::new();
        for (id, (from, to)) in edges.iter().enumerate() {
            values.push(format!("({id}, {from}, {to})"));
        }
        let people: Vec<String> = (0..NODES).map(|id| format!("({id})")).collect();
        let filled = format!(
            "BEGIN; DELETE FROM knows; DELETE FROM person; INSERT INTO person VALUES {}; INSERT INTO knows VALUES {}; COMMIT",
            people.join(", "),
            values.join(", ")
        );
        client.batch_execute(&filled).await.expect("a graph");
        for (left, right, ways) in [("-", "->", Ways::Forward), ("<-", "-", Ways::Backward), ("-", "-", Ways::Both)] {
            for most in [None, Some(2)] {
                let star = most.map_or("*".to_string(), |most| format!("*..{most}"));
                let found = search(&edges, ways, most.unwrap_or(NODES), false);
                let path = format!("((a:person){left}[:knows{star}]{right}(b:person))");
                let one =
                    format!("MATCH p = shortestPath{path} RETURN a.id AS a, b.id AS b, length(p) AS n, 1 AS paths");
                let expected: Vec<String> = found.iter().map(|((a, b), (n, _))| format!("{a} {b} {n} 1")).collect();
                by_every_route(&client, &one, &expected, seed).await;
                let all = format!(
                    "MATCH p = allShortestPaths{path} RETURN a.id AS a, b.id AS b, length(p) AS n, count(*) AS paths"
                );
                let expected: Vec<String> =
                    found.iter().map(|((a, b), (n, paths))| format!("{a} {b} {n} {paths}")).collect();
                by_every_route(&client, &all, &expected, seed).await;
                // Between two nodes that are known.
                for (from, to) in [(0, 1), (1, 0), (3, 3), (2, 7)] {
                    let known = format!(
                        "MATCH (a:person {{id: {from}}}), (b:person {{id: {to}}}) \
                         MATCH p = shortestPath((a){left}[:knows{star}]{right}(b)) \
                         RETURN a.id AS a, b.id AS b, length(p) AS n, 1 AS paths"
                    );
                    let expected: Vec<String> =
                        found.get(&(from, to)).iter().map(|(n, _)| format!("{from} {to} {n} 1")).collect();
                    by_every_route(&client, &known, &expected, seed).await;
                }
                shortest_walks(&client, seed, &edges, ways, most).await;
            }
        }
    }
}

#[tokio::test]
async fn shortest_paths_are_longer_than_other_searches_may_be() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY)",
        "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
        "INSERT INTO person SELECT i FROM generate_series(0, 300) AS s(i)",
        "INSERT INTO knows SELECT i, i, i + 1 FROM generate_series(0, 299) AS s(i)",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person) EDGE TABLES (knows KEY (id)
           SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows)",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let query = "MATCH p = shortestPath((a:person {id: 0})-[:knows*]->(b:person {id: 300})) RETURN length(p) AS n";
    assert_eq!(rows(&client, query).await, ["300"]);
}

/// The answer by the index and by joins.
async fn by_every_route(client: &Client, query: &str, expected: &[String], seed: u64) {
    for strategy in ["index", "join"] {
        client.batch_execute(&format!("SET slipstream.graph_strategy = '{strategy}'")).await.expect("a setting");
        assert_eq!(rows(client, query).await, expected, "seed {seed}, {strategy}: {query}");
    }
    client.batch_execute("RESET slipstream.graph_strategy").await.expect("a setting");
}

/// SQL/PGQ's, which may end where they begin.
async fn shortest_walks(client: &Client, seed: u64, edges: &[(usize, usize)], ways: Ways, most: Option<usize>) {
    let found = search(edges, ways, most.unwrap_or(NODES), true);
    let (left, right) = match ways {
        Ways::Forward => ("-", "->"),
        Ways::Backward => ("<-", "-"),
        Ways::Both => ("-", "-"),
    };
    let quantifier = most.map_or("+".to_string(), |most| format!("{{1,{most}}}"));
    for all in [false, true] {
        let which = if all { "ALL" } else { "ANY" };
        let query = format!(
            "SELECT a, b, count(*) FROM GRAPH_TABLE (g MATCH {which} SHORTEST \
             (a IS person){left}[IS knows]{right}{quantifier}(b IS person) COLUMNS (a.id AS a, b.id AS b)) AS t GROUP BY a, b"
        );
        let paths = |paths: u64| if all { paths } else { 1 };
        let expected: Vec<String> =
            found.iter().map(|((a, b), (_, count))| format!("{a} {b} {}", paths(*count))).collect();
        assert_eq!(answer(client, &query).await, expected, "seed {seed}: {query}");
    }
}

#[tokio::test]
async fn shortest_paths_are_found_by_joins_too() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    for statement in [
        "CREATE TABLE person (id bigint PRIMARY KEY, bio text)",
        "CREATE TABLE knows (id bigint PRIMARY KEY, src bigint NOT NULL, dst bigint NOT NULL)",
        "INSERT INTO person VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        "INSERT INTO knows VALUES (1, 1, 2), (2, 2, 3)",
        "CREATE PROPERTY GRAPH g VERTEX TABLES (person KEY (id) LABEL person PROPERTIES (id)) EDGE TABLES (knows KEY (id)
           SOURCE KEY (src) REFERENCES person (id) DESTINATION KEY (dst) REFERENCES person (id) LABEL knows)",
    ] {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let query = "MATCH p = shortestPath((a:person {id: 1})-[:knows*]->(b:person)) RETURN b.bio AS bio, length(p) AS n";
    assert_eq!(rows(&client, query).await, ["b 1", "c 2"]);
    let nodes = "MATCH p = shortestPath((a:person {id: 1})-[:knows*]->(b:person {id: 3})) \
                 RETURN [n IN nodes(p) | n.bio] AS bios, [r IN relationships(p) | r.id] AS edges";
    assert_eq!(rows(&client, nodes).await, [r#"["a", "b", "c"] [1, 2]"#]);
    // What each edge must be is part of the search.
    let by_few = "MATCH p = shortestPath((a:person {id: 1})-[r:knows* {id: 1}]->(b:person)) RETURN b.id AS b";
    assert_eq!(rows(&client, by_few).await, ["2"]);
    for refused in [
        "MATCH p = shortestPath((a:person)-[:knows*]->(b:person)) WHERE length(p) > 1 RETURN a.id AS a",
        "MATCH p = shortestPath((a:person)-[:knows*0..2]->(b:person)) RETURN a.id AS a",
        "MATCH (a)-[:knows]->(c), p = shortestPath((a:person)-[:knows*]->(b:person)) RETURN a.id AS a",
    ] {
        assert_eq!(code(&client, refused).await, "0A000", "{refused}");
    }
    assert_eq!(code(&client, "MATCH p = shortestPath((a:person)) RETURN a.id AS a").await, "42601");
    client.batch_execute("SET slipstream.graph_strategy = 'join'").await.expect("a setting");
    assert_eq!(rows(&client, query).await, ["b 1", "c 2"]);
    // In a transaction that has changed the graph the index is behind.
    client
        .batch_execute(
            "RESET slipstream.graph_strategy; BEGIN; INSERT INTO person VALUES (4, 'd'); INSERT INTO knows VALUES (3, 1, 3)",
        )
        .await
        .expect("a block");
    assert_eq!(rows(&client, query).await, ["b 1", "c 1"]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ways {
    Forward,
    Backward,
    Both,
}

fn edges(seed: u64) -> Vec<(usize, usize)> {
    let mut state = seed;
    let mut next = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    (0..EDGES)
        .map(|at| match at % 5 {
            0 => (at % 3, at % 3),
            1 => (0, 1),
            // Nothing leads to or from the last node.
            _ => (next(NODES - 1), next(NODES - 1)),
        })
        .collect()
}

/// How long the shortest paths between two nodes are, and how many there are, where they have at most so many edges. With
/// `cycles` they may lead from a node to itself.
fn search(edges: &[(usize, usize)], ways: Ways, most: usize, cycles: bool) -> BTreeMap<(usize, usize), (usize, u64)> {
    let steps = |from: usize| {
        edges.iter().flat_map(move |(source, destination)| {
            let forward = (ways != Ways::Backward && *source == from).then_some(*destination);
            let again = ways == Ways::Both && source == destination;
            let backward = (ways != Ways::Forward && *destination == from && !again).then_some(*source);
            forward.into_iter().chain(backward)
        })
    };
    let mut found = BTreeMap::new();
    for start in 0..NODES {
        let mut counts = BTreeMap::from([(start, 1_u64)]);
        let mut seen: Vec<usize> = if cycles { Vec::new() } else { vec![start] };
        for length in 1..=most {
            let mut reached: BTreeMap<usize, u64> = BTreeMap::new();
            for (node, paths) in &counts {
                for to in steps(*node).filter(|to| !seen.contains(to)) {
                    *reached.entry(to).or_default() += paths;
                }
            }
            for (node, paths) in &reached {
                found.insert((start, *node), (length, *paths));
                seen.push(*node);
            }
            counts = reached;
        }
    }
    found
}

fn sql(query: &str) -> String {
    format!("SELECT * FROM cypher('g', $$ {query} $$) AS answer")
}

/// A Cypher query's rows as text, in order.
async fn rows(client: &Client, query: &str) -> Vec<String> {
    answer(client, &sql(query)).await
}

/// A statement's rows as text, in order.
async fn answer(client: &Client, query: &str) -> Vec<String> {
    let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len()).map(|column| row.get(column).unwrap_or("NULL").to_string()).collect::<Vec<_>>().join(" "),
        ),
        _ => None,
    });
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

async fn code(client: &Client, query: &str) -> String {
    let error = client.simple_query(&sql(query)).await.expect_err("an error");
    error.as_db_error().map_or_else(|| error.to_string(), |report| report.code().code().to_string())
}
