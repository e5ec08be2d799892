//! Upkeep statements are planned as lookups, never as scans or products.

use kuzu::Value;

use super::super::generation::Generation;
use super::super::statements;
use super::*;

/// The operators of a statement's plan.
async fn plan(generation: &Generation, statement: String, parameters: Vec<(&'static str, Value)>) -> String {
    let explain = format!("EXPLAIN {statement}");
    let explained = generation.writer().run(move |session| {
        let rows: Vec<_> = session.execute(&explain, parameters)?.collect();
        Ok(format!("{rows:?}").replace("\\n", "\n"))
    });
    explained.await.unwrap()
}

#[tokio::test]
async fn upkeep_finds_its_nodes_by_key() {
    let directory = tempfile::tempdir().unwrap();
    let schema = social();
    let (generation, _) = Generation::open_newest(directory.path(), &schema, &options()).await.unwrap();
    let person = &schema.nodes[0];
    let knows = &schema.relationships[0];
    let (id, name, day) = (Value::Int64(1), Value::String(String::new()), Value::Null(kuzu::LogicalType::Date));
    let ends = vec![("p0", id.clone()), ("p1", id.clone()), ("p2", id.clone())];
    let with_since = ends.iter().cloned().chain([("p3", day)]).collect();
    let cases = [
        (statements::put_node(person), vec![("p0", id.clone()), ("p1", name.clone())]),
        (statements::delete_node(person), vec![("p0", id.clone())]),
        (statements::create_relationship(&schema, knows), with_since),
        (statements::delete_relationship(&schema, knows), ends),
        (statements::write_standing(), vec![("p0", name), ("p1", id.clone()), ("p2", id)]),
    ];
    for (statement, parameters) in cases {
        let plan = plan(&generation, statement.clone(), parameters).await;
        // A product of two nodes that were found by key has one row.
        let scans = plan.matches("SCAN_NODE_TABLE").count();
        let lookups = plan.matches("PRIMARY_KEY_SCAN_NODE_TABLE").count();
        assert!(lookups > 0 && scans == lookups, "{statement}\n{plan}");
    }
    generation.close().await;
}
