//! Labels of several tables, and patterns with labels to choose from or none, answered by an oracle, by joins and by the index.
//!
//! The graph has what goes wrong: tables with the same keys, keys of different types, tables with two labels and with none,
//! edges beside each other and from a vertex to itself, properties that one table has and another lacks.

use std::collections::BTreeMap;

use slipstream_tests::TestServer;
use tokio_postgres::Client;

use super::comparison::{difference, rows};
use super::oracle::{Edge, Graph, Vertex};
use super::random::Random;
use super::shapes::{Shaper, Vocabulary};

/// Queries of a run, unless the environment wants another number.
const QUERIES: usize = 120;

/// An element table: its name, the type of its key, its labels and its properties.
struct Table {
    name: &'static str,
    key: &'static str,
    labels: &'static [&'static str],
    properties: &'static [&'static str],
    rows: usize,
}

const VERTICES: [Table; 5] = [
    Table { name: "person", key: "bigint", labels: &["Person", "Being"], properties: &["age"], rows: 4 },
    Table { name: "robot", key: "bigint", labels: &["Being"], properties: &["age", "size"], rows: 3 },
    Table { name: "city", key: "text", labels: &["Place"], properties: &["size"], rows: 2 },
    Table { name: "hut", key: "integer", labels: &["Place", "Small"], properties: &["age", "size"], rows: 2 },
    Table { name: "thing", key: "bigint", labels: &[], properties: &["age"], rows: 2 },
];

/// Edge tables, with the tables of their ends.
const EDGES: [(Table, &str, &str); 6] = [
    (Table { name: "knows", key: "bigint", labels: &["KNOWS"], properties: &["since"], rows: 6 }, "person", "person"),
    (
        Table { name: "helps", key: "bigint", labels: &["HELPS", "KNOWS"], properties: &["since"], rows: 4 },
        "robot",
        "person",
    ),
    (
        Table { name: "lives", key: "text", labels: &["IN"], properties: &["since", "weight"], rows: 4 },
        "person",
        "city",
    ),
    (Table { name: "stands", key: "bigint", labels: &["IN"], properties: &["weight"], rows: 3 }, "robot", "hut"),
    (Table { name: "near", key: "bigint", labels: &["NEAR"], properties: &["since"], rows: 3 }, "city", "hut"),
    (Table { name: "owns", key: "bigint", labels: &[], properties: &["since"], rows: 2 }, "person", "thing"),
];

const WORDS: Vocabulary = Vocabulary {
    labels: &["Person", "Being", "Place", "Small"],
    types: &["KNOWS", "HELPS", "IN", "NEAR"],
    node_properties: &["age", "size"],
    edge_properties: &["since", "weight"],
};

#[tokio::test]
async fn labels_of_several_tables_have_the_rows_of_the_oracle() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let seed = number("SLIPSTREAM_MIRROR_SEED", 1);
    let mut random = Random(seed as u64);
    let graph = make(&client, &mut random).await;
    let (mut compared, mut indexed, mut failures) = (0, 0, Vec::new());
    for at in 0..number("SLIPSTREAM_MIRROR_QUERIES", QUERIES) {
        let query = Shaper::new(&mut random, &WORDS).query();
        let sql = format!("SELECT * FROM cypher('l', $$ {} $$) AS answer", query.text());
        let Some(expected) = graph.answer(&query).map(Ok) else { continue };
        for strategy in ["join", "auto", "index"] {
            let found = rows(&client, strategy, &sql).await;
            match &found {
                // None of the tables that an element may be from has the property.
                Err(error) if error.starts_with("42703") => break,
                Err(error) if strategy == "index" && error.starts_with("0A000") => {}
                found if *found == expected => {
                    compared += usize::from(strategy == "join");
                    indexed += usize::from(strategy == "index");
                }
                _ => failures.push(format!(
                    "query {at} of seed {seed} ({strategy}): {}\n{}",
                    query.text(),
                    difference(expected.clone(), found).replace("index:", "oracle:").replace("joins:", strategy)
                )),
            }
        }
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n\n"));
    assert!(compared > 60 && indexed * 3 > compared, "only {compared} queries were compared, {indexed} by the index");
}

/// The graph, in memory and in the database.
async fn make(client: &Client, random: &mut Random) -> Graph {
    let mut graph = Graph::default();
    let mut sql = Vec::new();
    let mut keys = BTreeMap::new();
    for table in &VERTICES {
        sql.push(format!("CREATE TABLE {} (id {} PRIMARY KEY, tag text{})", table.name, table.key, columns(table)));
        for row in 0..table.rows {
            let (tag, properties) = (format!("{}{row}", table.name), properties(random, table));
            sql.push(insert(table, row, &tag, "", &properties));
            keys.entry(table.name).or_insert_with(Vec::new).push(graph.vertices.len());
            graph.vertices.push(Vertex { tag, labels: table.labels, properties });
        }
    }
    for (table, source, destination) in &EDGES {
        let key = |name: &str| VERTICES.iter().find(|table| table.name == name).expect("a vertex table").key;
        let ends = format!(", src {} NOT NULL, dst {} NOT NULL", key(source), key(destination));
        sql.push(format!(
            "CREATE TABLE {} (id {} PRIMARY KEY{ends}, tag text{})",
            table.name,
            table.key,
            columns(table)
        ));
        for row in 0..table.rows {
            // The first leads back to where it starts, if it can; the second lies beside the third.
            let (from, to) = match row {
                0 => (0, 0),
                1 | 2 => (0, 1),
                _ => (random.below(keys[source].len()), random.below(keys[destination].len())),
            };
            let (tag, properties) = (format!("{}{row}", table.name), properties(random, table));
            sql.push(insert(table, row, &tag, &format!("'{from}', '{to}', "), &properties));
            let (from, to) = (keys[source][from], keys[destination][to]);
            graph.edges.push(Edge { tag, labels: table.labels, properties, from, to });
        }
    }
    sql.push(definition());
    for statement in &sql {
        client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    graph
}

fn columns(table: &Table) -> String {
    table.properties.iter().map(|property| format!(", {property} bigint")).collect()
}

fn properties(random: &mut Random, table: &Table) -> BTreeMap<&'static str, i64> {
    let mut properties = BTreeMap::new();
    for property in table.properties {
        let value = random.below(4) as i64;
        if !random.percent(25) {
            properties.insert(*property, value);
        }
    }
    properties
}

fn insert(table: &Table, key: usize, tag: &str, ends: &str, properties: &BTreeMap<&'static str, i64>) -> String {
    let values: String = table
        .properties
        .iter()
        .map(|property| match properties.get(property) {
            Some(value) => format!(", {value}"),
            None => ", NULL".to_string(),
        })
        .collect();
    format!("INSERT INTO {} VALUES ('{key}', {ends}'{tag}'{values})", table.name)
}

fn definition() -> String {
    let labels = |table: &Table| match table.labels {
        [] => "NO LABEL".to_string(),
        labels => labels.iter().map(|label| format!("LABEL \"{label}\"")).collect::<Vec<_>>().join(" "),
    };
    let vertices: Vec<String> = VERTICES.iter().map(|table| format!("{} {}", table.name, labels(table))).collect();
    let edges: Vec<String> = EDGES
        .iter()
        .map(|(table, source, destination)| {
            format!(
                "{} SOURCE KEY (src) REFERENCES {source} (id) DESTINATION KEY (dst) REFERENCES {destination} (id) {}",
                table.name,
                labels(table)
            )
        })
        .collect();
    format!("CREATE PROPERTY GRAPH l VERTEX TABLES ({}) EDGE TABLES ({})", vertices.join(", "), edges.join(", "))
}
