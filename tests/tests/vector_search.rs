//! Nearest vectors by an index, compared with measuring every row here: recall on clustered data, as many rows as are wanted,
//! and rows that have come and gone since the index was built.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use slipstream_tests::TestServer;
use tokio_postgres::Client;

const DIMENSION: usize = 24;
const ROWS: i64 = 6_000;
const CLUSTERS: usize = 40;
const WANTED: usize = 10;
const QUERIES: usize = 25;

/// Recall that an index has to have by default.
const RECALL: f64 = 0.95;

type Vector = Vec<f32>;

/// Rows of the table, as they should be.
#[derive(Default)]
struct Model(BTreeMap<i64, Vector>);

#[derive(Debug, Clone, Copy)]
enum Metric {
    L2,
    Cosine,
    InnerProduct,
}

impl Metric {
    const ALL: [Metric; 3] = [Metric::L2, Metric::Cosine, Metric::InnerProduct];

    fn operator(self) -> &'static str {
        match self {
            Metric::L2 => "<->",
            Metric::Cosine => "<=>",
            Metric::InnerProduct => "<#>",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Metric::L2 => "vector_l2_ops",
            Metric::Cosine => "vector_cosine_ops",
            Metric::InnerProduct => "vector_ip_ops",
        }
    }

    fn measure(self, a: &[f32], b: &[f32]) -> f64 {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        match self {
            Metric::L2 => a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt(),
            Metric::Cosine => 1.0 - product(a, b) / (product(a, a) * product(b, b)).sqrt(),
            Metric::InnerProduct => -product(a, b),
        }
    }
}

/// Vectors around some centres.
struct Source {
    random: StdRng,
    centres: Vec<Vector>,
}

impl Source {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let centres = (0..CLUSTERS).map(|_| (0..DIMENSION).map(|_| random.random_range(-1.0..1.0)).collect()).collect();
        Source { random, centres }
    }

    fn vector(&mut self) -> Vector {
        let centre = self.centres[self.random.random_range(0..CLUSTERS)].clone();
        centre.into_iter().map(|number| number + self.random.random_range(-0.15..0.15)).collect()
    }
}

fn text(vector: &[f32]) -> String {
    format!("[{}]", vector.iter().map(f32::to_string).collect::<Vec<_>>().join(","))
}

impl Model {
    /// The distances of the nearest rows that satisfy a condition.
    fn nearest(&self, metric: Metric, query: &[f32], condition: impl Fn(i64) -> bool, count: usize) -> Vec<f64> {
        let rows = self.0.iter().filter(|(id, _)| condition(**id));
        let mut distances: Vec<f64> = rows.map(|(_, vector)| metric.measure(vector, query)).collect();
        distances.sort_by(f64::total_cmp);
        distances.truncate(count);
        distances
    }
}

async fn run(client: &Client, statement: &str) {
    client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

async fn add(client: &Client, model: &mut Model, source: &mut Source, ids: std::ops::Range<i64>) {
    let mut lines = String::new();
    for id in ids {
        let vector = source.vector();
        lines.push_str(&format!("{id}\t{}\t{}\n", id % 1000, text(&vector)));
        model.0.insert(id, vector);
    }
    let sink = client.copy_in("COPY items FROM STDIN").await.expect("COPY starts");
    futures::pin_mut!(sink);
    sink.send(Bytes::from(lines)).await.expect("rows are taken");
    sink.finish().await.expect("COPY ends");
}

async fn fill(client: &Client, seed: u64) -> (Model, Source) {
    run(client, &format!("CREATE TABLE items (id bigint PRIMARY KEY, bucket integer, v vector({DIMENSION}))")).await;
    let (mut model, mut source) = (Model::default(), Source::new(seed));
    add(client, &mut model, &mut source, 0..ROWS).await;
    (model, source)
}

async fn explain(client: &Client, query: &str) -> String {
    let rows = client.query(&format!("EXPLAIN {query}"), &[]).await.expect("a plan");
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

/// A condition, and which rows satisfy it.
type Condition = (&'static str, fn(i64) -> bool);

/// Conditions that leave all rows, a tenth, a hundredth and a thousandth; one of them is for the server to compute.
const CONDITIONS: [Condition; 4] = [
    ("true", |_| true),
    ("bucket % 10 = 3", |id| id % 1000 % 10 == 3),
    ("bucket < 10", |id| id % 1000 < 10),
    ("bucket = 7 AND id >= 0", |id| id % 1000 == 7),
];

/// Recall over some queries, for each condition. Rows must be as many as there are, satisfy the condition, and be in order.
async fn check(client: &Client, model: &Model, source: &mut Source, metric: Metric, context: &str) {
    for (condition, holds) in CONDITIONS {
        let (mut found, mut wanted) = (0, 0);
        for _ in 0..QUERIES {
            let query = source.vector();
            let expected = model.nearest(metric, &query, holds, WANTED);
            let statement = format!(
                "SELECT id, v {0} '{1}' AS d FROM items WHERE {condition} ORDER BY v {0} '{1}' LIMIT {WANTED}",
                metric.operator(),
                text(&query)
            );
            let rows = client.query(&statement, &[]).await.unwrap_or_else(|error| panic!("{context}: {error:?}"));
            let answer: Vec<(i64, f64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(answer.len(), expected.len(), "{context}, {condition}");
            assert!(answer.is_sorted_by(|a, b| a.1 <= b.1), "{context}, {condition}: {answer:?}");
            for (id, distance) in &answer {
                assert!(holds(*id), "{context}, {condition}: row {id}");
                let measured = metric.measure(&model.0[id], &query);
                assert!((measured - distance).abs() < 1e-3, "{context}: {measured} and {distance}");
            }
            let furthest = expected.last().copied().unwrap_or(f64::MAX);
            found += answer.iter().filter(|(_, distance)| *distance <= furthest + 1e-5).count();
            wanted += expected.len();
        }
        let recall = found as f64 / wanted as f64;
        assert!(recall >= RECALL, "{context}, {condition}: recall {recall}");
    }
}

async fn an_index_finds_the_nearest(method: &str, metrics: &[Metric]) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (mut model, mut source) = fill(&client, 7).await;
    for metric in metrics.iter().copied() {
        let context = format!("{method}, {metric:?}");
        run(&client, &format!("CREATE INDEX by_v ON items USING {method} (v {})", metric.class())).await;
        let query =
            format!("SELECT id FROM items ORDER BY v {} '{}' LIMIT 5", metric.operator(), text(&source.vector()));
        let plan = explain(&client, &query).await;
        let covered = format!("index=by_v ({method}), covered={0} of {0} rows", model.0.len());
        assert!(plan.contains(&covered), "{context}: {plan}");
        check(&client, &model, &mut source, metric, &context).await;
        run(&client, "DROP INDEX by_v").await;
    }
    // What has come, gone and changed since.
    let metric = metrics[0];
    run(&client, &format!("CREATE INDEX by_v ON items USING {method} (v {})", metric.class())).await;
    add(&client, &mut model, &mut source, ROWS..ROWS + 500).await;
    run(&client, "DELETE FROM items WHERE id % 7 = 2").await;
    model.0.retain(|id, _| id % 7 != 2);
    for id in (0..ROWS).filter(|id| id % 7 != 2).step_by(100) {
        let vector = source.vector();
        run(&client, &format!("UPDATE items SET v = '{}' WHERE id = {id}", text(&vector))).await;
        model.0.insert(id, vector);
    }
    check(&client, &model, &mut source, metric, &format!("{method}, written to")).await;
    run(&client, "REINDEX INDEX by_v").await;
    check(&client, &model, &mut source, metric, &format!("{method}, built again")).await;
    drop(client);
    drop(server);
    let server = TestServer::start(data.path());
    check(&server.connect().await, &model, &mut source, metric, &format!("{method}, opened again")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hnsw_finds_the_nearest() {
    an_index_finds_the_nearest("hnsw", &Metric::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ivfflat_finds_the_nearest() {
    an_index_finds_the_nearest("ivfflat", &Metric::ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ivf_pq_finds_the_nearest() {
    an_index_finds_the_nearest("ivf_pq", &[Metric::L2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ivf_hnsw_sq_finds_the_nearest() {
    an_index_finds_the_nearest("ivf_hnsw_sq", &[Metric::Cosine]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ivf_rq_finds_the_nearest() {
    an_index_finds_the_nearest("ivf_rq", &[Metric::Cosine]).await;
}

/// However the question is put, the index answers it as reading all rows would.
#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_is_answered_by_the_index() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (_, mut source) = fill(&client, 11).await;
    // The same rows twice, so that one can be asked without an index.
    run(&client, "CREATE TABLE plain AS SELECT * FROM items").await;
    run(&client, "CREATE TABLE buckets (id integer PRIMARY KEY, name text)").await;
    run(&client, "INSERT INTO buckets SELECT i, 'bucket ' || i FROM generate_series(0, 999) AS s(i)").await;
    // All clusters are searched, so that the rows are the same ones.
    run(
        &client,
        "CREATE INDEX by_v ON items USING ivfflat (v vector_l2_ops) WITH (lists = 20); SET ivfflat.probes = 20",
    )
    .await;
    let (first, second) = (text(&source.vector()), text(&source.vector()));
    let asked = format!("(VALUES (1, '{first}'::vector), (2, '{second}'::vector), (0, NULL)) AS q (i, v)");
    let questions = [
        format!("SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 7"),
        format!("SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 7 OFFSET 5"),
        format!("SELECT id FROM items ORDER BY '{first}' <-> v FETCH FIRST 7 ROWS ONLY"),
        format!("SELECT id, v <-> '{first}' AS d FROM items ORDER BY d LIMIT 7"),
        format!(
            "SELECT id, bucket FROM items AS i WHERE i.bucket < 500 AND id % 3 = 0 ORDER BY i.v <-> '{first}', id LIMIT 7"
        ),
        format!(
            "SELECT b.name, n.id FROM (SELECT * FROM items ORDER BY v <-> '{first}' LIMIT 7) AS n JOIN buckets AS b ON b.id = n.bucket ORDER BY n.id"
        ),
        format!(
            "WITH n AS (SELECT id, bucket FROM items WHERE bucket > 3 ORDER BY v <-> '{first}' LIMIT 20) SELECT bucket % 4, count(*) FROM n GROUP BY 1 ORDER BY 1"
        ),
        format!(
            "SELECT * FROM ((SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 3) UNION ALL (SELECT id FROM items ORDER BY v <-> '{second}' LIMIT 3)) AS u ORDER BY 1"
        ),
        "SELECT id FROM items WHERE id != 5 ORDER BY v <-> (SELECT v FROM items WHERE id = 5) LIMIT 7".to_string(),
        format!("SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 9) AS t"),
        format!("SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 5000) AS t"),
        format!("SELECT id FROM items ORDER BY v <-> '{first}', id LIMIT 2000 OFFSET 1990"),
        format!("SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '{first}' LIMIT 1000000) AS t"),
        // For each row beside.
        format!(
            "SELECT q.i, n.id FROM {asked}, LATERAL (SELECT id FROM items ORDER BY items.v <-> q.v LIMIT 4) AS n ORDER BY 1, 2"
        ),
        format!(
            "SELECT q.i, n.id FROM {asked} LEFT JOIN LATERAL (SELECT id FROM items AS t WHERE t.bucket < q.i * 300 ORDER BY t.v <-> q.v LIMIT 3) AS n ON true ORDER BY 1, 2"
        ),
        format!("SELECT q.i, (SELECT id FROM items AS t ORDER BY q.v <-> t.v LIMIT 1) FROM {asked} ORDER BY 1"),
    ];
    for question in &questions {
        let plan = explain(&client, question).await;
        assert!(plan.contains("VectorSearch: table=items"), "{question}: {plan}");
        let without = question.replace("items", "plain");
        assert!(!explain(&client, &without).await.contains("VectorSearch"), "{without}");
        assert_eq!(rows(&client, question).await, rows(&client, &without).await, "{question}");
    }
    // Prepared, with the vector, the count and the offset as parameters.
    let prepared = "SELECT id FROM items WHERE bucket < $4 ORDER BY v <-> ($1::text)::vector LIMIT $2 OFFSET $3";
    let with = client.prepare(prepared).await.expect("prepared");
    let without = client.prepare(&prepared.replace("items", "plain")).await.expect("prepared");
    for _ in 0..8 {
        let query = text(&source.vector());
        let ask = async |statement| {
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&query, &6_i64, &2_i64, &700_i32];
            let rows = client.query(statement, &parameters).await.expect("rows");
            rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>()
        };
        assert_eq!(ask(&with).await, ask(&without).await);
    }
    // Rows of a transaction's own, and without those that it has removed.
    run(&client, "BEGIN").await;
    for table in ["items", "plain"] {
        run(&client, &format!("INSERT INTO {table} VALUES (-1, 1, '{first}'), (-2, 2, '{second}')")).await;
        run(&client, &format!("DELETE FROM {table} WHERE id % 5 = 0")).await;
        run(&client, &format!("UPDATE {table} SET bucket = 3 WHERE id % 11 = 0")).await;
    }
    for question in &questions {
        let without = question.replace("items", "plain");
        assert_eq!(rows(&client, question).await, rows(&client, &without).await, "in a block: {question}");
    }
    let nearest = rows(&client, &questions[0]).await;
    assert_eq!(nearest[0], "-1");
    run(&client, "ROLLBACK").await;
}

/// What a vector index cannot know is answered all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_index_knows_is_answered_by_the_rows() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (_, mut source) = fill(&client, 13).await;
    run(&client, "CREATE INDEX by_v ON items USING hnsw (v vector_cosine_ops)").await;
    let zeros = text(&[0.0; DIMENSION]);
    // NULLs and vectors without a direction come last, in this order: distances, NaN, NULL.
    run(&client, &format!("INSERT INTO items VALUES (10001, 1, NULL), (10002, 1, '{zeros}')")).await;
    let query = text(&source.vector());
    let statement = format!("SELECT id FROM items WHERE bucket = 1 ORDER BY v <=> '{query}' LIMIT 100");
    let found = rows(&client, &statement).await;
    assert_eq!(found.len(), 8, "{found:?}");
    assert_eq!(found[6..], ["10002", "10001"]);
    let all = rows(&client, &format!("SELECT id FROM items ORDER BY v <=> '{query}' LIMIT 10000")).await;
    assert_eq!(all.len(), 6_002);
    assert_eq!(all[6_000..], ["10002", "10001"]);
    // No direction to be near to: all are as far.
    assert_eq!(rows(&client, &format!("SELECT id FROM items ORDER BY v <=> '{zeros}' LIMIT 5")).await.len(), 5);
    assert_eq!(rows(&client, "SELECT id FROM items ORDER BY v <=> NULL LIMIT 5").await.len(), 5);
    let error =
        client.query("SELECT id FROM items ORDER BY v <=> '[1,2]' LIMIT 5", &[]).await.expect_err("two numbers");
    let error = error.as_db_error().expect("an error of the server");
    assert_eq!((error.code().code(), error.message()), ("22000", "different vector dimensions 24 and 2"));
    // Another distance than that of the index.
    let plan = explain(&client, &format!("SELECT id FROM items ORDER BY v <-> '{query}' LIMIT 5")).await;
    assert!(!plan.contains("VectorSearch"), "{plan}");
}

async fn rows(client: &Client, statement: &str) -> Vec<String> {
    let messages = client.simple_query(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    let mut rows = Vec::new();
    for message in messages {
        if let tokio_postgres::SimpleQueryMessage::Row(row) = message {
            let values = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL"));
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows
}

/// Waits until the plan of a search says something.
async fn until_plan_says(client: &Client, query: &str, what: &str) {
    for _ in 0..300 {
        if explain(client, query).await.contains(what) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: {}", explain(client, query).await);
}

/// What an index holds follows its table, by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_follows_its_table() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (mut model, mut source) = fill(&client, 17).await;
    let query = format!("SELECT id FROM items ORDER BY v <-> '{}' LIMIT 5", text(&source.vector()));
    // A block makes a definition; the rest comes after it.
    run(&client, "BEGIN; CREATE INDEX by_v ON items USING ivfflat (v)").await;
    assert!(explain(&client, &query).await.contains("exact: index by_v has no data"));
    run(&client, "ROLLBACK").await;
    assert!(!explain(&client, &query).await.contains("by_v"));
    run(&client, "BEGIN; CREATE INDEX by_v ON items USING ivfflat (v); COMMIT").await;
    until_plan_says(&client, &query, "covered=6000 of 6000 rows").await;
    // What writes the table anew takes the data along.
    run(&client, "ALTER TABLE items ADD COLUMN extra integer DEFAULT 1").await;
    until_plan_says(&client, &query, "covered=6000 of 6000 rows").await;
    run(&client, "ALTER TABLE items RENAME COLUMN v TO w; ALTER INDEX by_v RENAME TO by_w").await;
    let query = query.replace("ORDER BY v", "ORDER BY w");
    until_plan_says(&client, &query, "index=by_w (ivfflat), covered=6000 of 6000 rows").await;
    run(&client, "ALTER TABLE items RENAME COLUMN w TO v; ALTER TABLE items DROP COLUMN extra").await;
    // Rows that are many get data of their own.
    add(&client, &mut model, &mut source, ROWS..ROWS + 11_000).await;
    let query = query.replace("ORDER BY w", "ORDER BY v");
    until_plan_says(&client, &query, "covered=17000 of 17000 rows").await;
    check(&client, &model, &mut source, Metric::L2, "after upkeep").await;
    in_order(&client, &model, &source.vector(), 9_000).await;
    run(&client, "TRUNCATE items").await;
    assert_eq!(rows(&client, &query).await, Vec::<String>::new());
    run(&client, "DROP INDEX by_w").await;
    assert!(!explain(&client, &query).await.contains("by_w"));
}

/// More rows than fit in a batch are the nearest, and in order.
async fn in_order(client: &Client, model: &Model, query: &[f32], count: usize) {
    let statement = format!("SELECT id FROM items ORDER BY v <-> '{}' LIMIT {count}", text(query));
    let found = rows(client, &statement).await;
    let distance = |id: &String| Metric::L2.measure(&model.0[&id.parse::<i64>().expect("a number")], query);
    let distances: Vec<f64> = found.iter().map(distance).collect();
    assert!(distances.is_sorted_by(|a, b| *a <= b + 1e-6), "{count} rows are not in order");
    let expected = model.nearest(Metric::L2, query, |_| true, count);
    assert_eq!(distances.len(), expected.len());
    assert!(distances.iter().zip(&expected).all(|(found, wanted)| (found - wanted).abs() < 1e-3));
}

/// What was there at an older version is found by the data that the index had then.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_is_searched_by_its_own_data() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (mut model, mut source) = fill(&client, 23).await;
    run(&client, "CREATE INDEX by_v ON items USING ivfflat (v vector_l2_ops)").await;
    run(&client, "CALL slipstream.create_snapshot('before')").await;
    let was = Model(model.0.clone());
    run(&client, "DELETE FROM items WHERE id % 3 = 0").await;
    model.0.retain(|id, _| id % 3 != 0);
    add(&client, &mut model, &mut source, ROWS..ROWS + 900).await;
    run(&client, "DROP INDEX by_v").await;
    run(&client, "CALL slipstream.compact('items')").await;
    run(&client, "CREATE INDEX by_other ON items USING hnsw (v vector_l2_ops)").await;
    let query = text(&source.vector());
    let old = format!("SELECT id FROM items VERSION AS OF 'before' ORDER BY v <-> '{query}' LIMIT 5");
    let plan = explain(&client, &old).await;
    assert!(plan.contains("index=by_v (ivfflat), covered=6000 of 6000 rows"), "{plan}");
    let plan = explain(&client, &old.replace(" VERSION AS OF 'before'", "")).await;
    assert!(plan.contains("index=by_other (hnsw)"), "{plan}");
    check(&client, &model, &mut source, Metric::L2, "as it is").await;
    run(&client, "SET slipstream.as_of = 'before'").await;
    check(&client, &was, &mut source, Metric::L2, "as it was").await;
}

/// Others write while an index is built, see how far it is, and whoever builds may stop.
#[tokio::test(flavor = "multi_thread")]
async fn building_blocks_nobody() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (mut model, mut source) = fill(&client, 19).await;
    run(&client, "SET statement_timeout = '20ms'").await;
    let stopped = client.batch_execute("CREATE INDEX by_v ON items USING hnsw (v vector_l2_ops)").await;
    let stopped = stopped.expect_err("a build takes longer");
    assert_eq!(stopped.code().map(|code| code.code()), Some("57014"));
    run(&client, "RESET statement_timeout").await;
    assert_eq!(rows(&client, "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_v'").await, ["0"]);
    assert_eq!(rows(&client, "SELECT count(*) FROM pg_stat_progress_create_index").await, ["0"]);
    let building = server.connect().await;
    let build = tokio::spawn(async move {
        run(&building, "CREATE INDEX by_v ON items USING hnsw (v vector_l2_ops)").await;
    });
    let mut seen = false;
    let mut id = ROWS;
    while !build.is_finished() {
        let vector = source.vector();
        run(&client, &format!("INSERT INTO items VALUES ({id}, 1, '{}')", text(&vector))).await;
        model.0.insert(id, vector);
        let found =
            "SELECT p.command, c.relname FROM pg_stat_progress_create_index AS p JOIN pg_class AS c ON c.oid = p.relid";
        seen |= rows(&client, found).await == ["CREATE INDEX items"];
        id += 1;
    }
    build.await.expect("the index is built");
    assert!(seen && id > ROWS + 1, "{seen}, {id}");
    check(&client, &model, &mut source, Metric::L2, "written to while it was built").await;
}

/// `vector_search` in FROM is the query that it stands for.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_in_from_is_a_table() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (_, mut source) = fill(&client, 23).await;
    run(&client, "CREATE INDEX by_v ON items USING ivfflat (v vector_cosine_ops); SET ivfflat.probes = 1000").await;
    let query = text(&source.vector());
    let expected = rows(&client, &format!("SELECT id FROM items ORDER BY v <=> '{query}' LIMIT 5")).await;
    for call in [
        format!("vector_search('items', column => 'v', query => '{query}', k => 5)"),
        format!("vector_search(items, query => '{query}', k => 5)"),
        format!("vector_search('public.items', 'v', '{query}', 5)"),
        format!("vector_search(items, '{query}', 5, metric => 'cosine') AS n"),
    ] {
        assert_eq!(rows(&client, &format!("SELECT id FROM {call} ORDER BY rank")).await, expected, "{call}");
        let plan = explain(&client, &format!("SELECT id FROM {call}")).await;
        assert!(plan.contains("VectorSearch: table=items"), "{call}: {plan}");
    }
    let whole = format!(
        "SELECT n.bucket, n.rank, round(n.distance::numeric, 6) = round((n.v <=> '{query}')::numeric, 6), round((n.score + n.distance)::numeric, 6) = 1 \
         FROM vector_search(items, query => '{query}', k => 3, filter => bucket < 100 AND id > 5) AS n WHERE n.bucket < 100"
    );
    let found = rows(&client, &whole).await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|row| row.ends_with(" t t")), "{found:?}");
    let textual = whole.replace("filter => bucket < 100 AND id > 5", "filter => 'bucket < 100 AND id > 5'");
    assert_eq!(rows(&client, &textual).await, found);
    let prepared = client.prepare("SELECT id FROM vector_search(items, query => ($1::text)::vector, k => $2)").await;
    let found = client.query(&prepared.expect("prepared"), &[&query, &5_i64]).await.expect("rows");
    assert_eq!(found.iter().map(|row| row.get::<_, i64>(0).to_string()).collect::<Vec<_>>(), expected);
    for (call, code) in [
        ("vector_search(nowhere, query => '[1]')", "42P01"),
        ("vector_search(items, column => 'bucket', query => '[1]')", "42804"),
        ("vector_search(items, column => 'none', query => '[1]')", "42703"),
        ("vector_search(items)", "42883"),
        ("vector_search(items, nothing => 1)", "42883"),
        ("vector_search(items, query => '[1,2]')", "22000"),
        ("vector_search(items, query => '[1,2]', metric => 'far')", "22023"),
    ] {
        let error = client.simple_query(&format!("SELECT * FROM {call}")).await.expect_err(call);
        assert_eq!(error.code().map(|found| found.code()), Some(code), "{call}: {error:?}");
    }
}

/// Vectors of half precision and bits are searched by an index too; what the store has no index for is searched exactly.
#[tokio::test(flavor = "multi_thread")]
async fn other_kinds_of_vectors_have_indexes() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let (_, mut source) = fill(&client, 29).await;
    for table in ["kinds", "plain"] {
        run(
            &client,
            &format!(
                "CREATE TABLE {table} AS SELECT id, bucket, v::halfvec({DIMENSION}) AS h,
                   binary_quantize(v)::bit({DIMENSION}) AS b, v::sparsevec({DIMENSION}) AS s FROM items"
            ),
        )
        .await;
    }
    for (method, column, class, operator, searched) in [
        ("hnsw", "h", "halfvec_l2_ops", "<->", true),
        ("hnsw", "h", "halfvec_cosine_ops", "<=>", true),
        ("ivfflat", "h", "halfvec_ip_ops", "<#>", true),
        ("ivf_pq", "h", "halfvec_l2_ops", "<->", true),
        ("hnsw", "b", "bit_hamming_ops", "<~>", true),
        ("ivfflat", "b", "bit_hamming_ops", "<~>", true),
        ("hnsw", "h", "halfvec_l1_ops", "<+>", false),
        ("hnsw", "b", "bit_jaccard_ops", "<%>", false),
        ("hnsw", "s", "sparsevec_cosine_ops", "<=>", false),
    ] {
        run(&client, &format!("CREATE INDEX by_it ON kinds USING {method} ({column} {class})")).await;
        let (mut found, mut wanted) = (0, 0);
        for condition in ["true", "bucket < 100"] {
            for _ in 0..QUERIES {
                let query = text(&source.vector());
                let query = match column {
                    "h" => format!("'{query}'::halfvec({DIMENSION})"),
                    "b" => format!("binary_quantize('{query}'::vector({DIMENSION}))::bit({DIMENSION})"),
                    _ => format!("'{query}'::vector({DIMENSION})::sparsevec({DIMENSION})"),
                };
                let distance = format!("{column} {operator} {query}");
                let question =
                    format!("SELECT {distance} FROM kinds WHERE {condition} ORDER BY {distance} LIMIT {WANTED}");
                let plan = explain(&client, &question).await;
                let by_index = format!("index=by_it ({method}), covered=6000 of 6000 rows");
                assert_eq!(plan.contains(&by_index), searched, "{question}: {plan}");
                let number = |row: &String| row.parse::<f64>().expect("a distance");
                let answer: Vec<f64> = rows(&client, &question).await.iter().map(number).collect();
                let exact = rows(&client, &question.replace("kinds", "plain")).await;
                let exact: Vec<f64> = exact.iter().map(number).collect();
                assert_eq!(answer.len(), exact.len(), "{question}");
                assert!(answer.is_sorted(), "{question}: {answer:?}");
                let furthest = exact.last().copied().unwrap_or(f64::MAX);
                found += answer.iter().filter(|distance| **distance <= furthest + 1e-5).count();
                wanted += exact.len();
            }
        }
        let recall = found as f64 / wanted as f64;
        assert!(recall >= RECALL, "{method}, {class}: recall {recall}");
        run(&client, "DROP INDEX by_it").await;
    }
}
