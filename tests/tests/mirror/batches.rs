//! Patterns with values of the rows beside them: the index is asked for many rows at once, joins for one after the other.

use slipstream_tests::TestServer;

use super::comparison::{Comparison, compare, rows};
use super::graph::make_graph;
use super::random::Random;
use super::writer::Writer;

/// Queries of a run, unless the environment wants another number.
const QUERIES: usize = 60;

#[tokio::test]
async fn many_rows_at_once_have_the_answers_of_each() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let seed = number("SLIPSTREAM_MIRROR_SEED", 1);
    let mut random = Random(seed as u64);
    make_graph(&client, &mut random).await;
    client
        .batch_execute(
            "CREATE TABLE row (n bigint PRIMARY KEY, a bigint, b bigint);
             INSERT INTO row VALUES (1, 1, 1), (2, 1, 2), (3, NULL, 0), (4, 2, NULL), (5, 99, 1), (6, 1, 1), (7, 5, 3)",
        )
        .await
        .expect("rows");
    let (mut compared, mut together, mut failures) = (0, 0, Vec::new());
    for at in 0..number("SLIPSTREAM_MIRROR_QUERIES", QUERIES) {
        let query = Writer::of_rows(&mut random).query();
        let sql = format!(
            "SELECT row.n, answer.* FROM row LEFT JOIN LATERAL cypher('g', $$ {query} $$, jsonb_build_object('a', row.a, 'b', row.b)) AS answer ON true"
        );
        match compare(&client, &sql).await {
            Comparison::Same => compared += 1,
            Comparison::Refused => continue,
            Comparison::Different(difference) => {
                failures.push(format!("query {at} of seed {seed}: {query}\n{difference}"))
            }
        }
        let plan = rows(&client, "index", &format!("EXPLAIN {sql}")).await.unwrap_or_default().join("\n");
        together += usize::from(plan.contains("Apply: for groups of rows"));
    }
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n\n"));
    assert!(together * 3 > compared, "only {together} of {compared} queries were asked for many rows at once");
}
