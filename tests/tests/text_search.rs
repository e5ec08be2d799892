//! Searches of text by indexes, compared with the same over a table without any: the same rows in the same order with the same
//! scores, whatever has come and gone since the indexes were built.

use bytes::Bytes;
use futures::SinkExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use slipstream_tests::TestServer;
use tokio_postgres::{Client, SimpleQueryMessage};

const ROWS: i64 = 1_500;
const SEED: u64 = 20_261_121;
/// Questions of each kind at each stage.
const QUESTIONS: usize = 3;

/// Words from frequent to rare, some of which become the same lexeme, some of which are stop words or become one, and some that
/// are written in ways that go wrong easily.
const WORDS: [&str; 48] = [
    "the",
    "data",
    "Table",
    "tables",
    "index",
    "and",
    "indexes",
    "query",
    "graph",
    "vector",
    "fast",
    "run",
    "runs",
    "running",
    "our",
    "ours",
    "Database",
    "databases",
    "node",
    "edge",
    "edges",
    "search",
    "searching",
    "Rust",
    "crate",
    "memory",
    "safe",
    "safely",
    "time",
    "travel",
    "example.com",
    "user@example.com",
    "3.14",
    "v1.0",
    "foo-bars",
    "and/or",
    "Straße",
    "naïve",
    "İstanbul",
    "ΣΊΣΥΦΟΣ",
    "книги",
    "日本語",
    "x²",
    "don't",
    "10km",
    "ﬁne",
    "100%",
    "a_b",
];

struct Source(StdRng);

impl Source {
    /// A word; those in front come more often.
    fn word(&mut self) -> &'static str {
        let place = self.0.random_range(0.0..1.0_f64).powi(3) * WORDS.len() as f64;
        WORDS[place as usize]
    }

    fn text(&mut self, longest: usize) -> Option<String> {
        match self.0.random_range(0..30) {
            0 => None,
            1 => Some(String::new()),
            2 => Some("--- !".to_string()),
            _ => {
                let words: Vec<&str> = (0..self.0.random_range(1..longest)).map(|_| self.word()).collect();
                Some(words.join(" "))
            }
        }
    }

    /// A word that searches ask for: anything but what their language gives a meaning.
    fn asked(&mut self) -> String {
        let word = *WORDS.choose(&mut self.0).expect("there are words");
        word.replace('\'', "")
    }

    /// What `@@@` looks for.
    fn search(&mut self) -> String {
        let (a, b, c) = (self.asked(), self.asked(), self.asked());
        let quote = |word: &str| format!("\"{word}\"");
        match self.0.random_range(0..8) {
            0 => quote(&a),
            1 => format!("{} {}", quote(&a), quote(&b)),
            2 => format!("{} AND {}", quote(&a), quote(&b)),
            3 => format!("{} {} {}", quote(&a), quote(&b), quote(&c)),
            4 => format!("{} -{}", quote(&a), quote(&b)),
            5 => format!("\"{a} {b}\""),
            6 => format!("{}^2 OR ({} AND {})", quote(&a), quote(&b), quote(&c)),
            _ => format!("{} AND NOT {}", quote(&a), quote(&c)),
        }
    }

    /// A question, with `TABLE` for the table; whether an index can be of use depends on the words.
    fn question(&mut self, kind: usize) -> String {
        let search = self.search().replace('\'', "''");
        let (word, other) = (self.asked(), self.asked());
        let count = self.0.random_range(1..30);
        match kind {
            0 => format!(
                "SELECT id, bm25_score(body) AS score FROM TABLE WHERE body @@@ '{search}' ORDER BY score DESC, id LIMIT {count}"
            ),
            1 => format!(
                "SELECT id, bm25_score(body) AS score FROM TABLE WHERE body @@@ '{search}' AND bucket < 10 AND id % 7 > 1 \
                 ORDER BY score DESC, id LIMIT {count} OFFSET 2"
            ),
            2 => format!(
                "SELECT id, bm25_score() AS score FROM TABLE WHERE (title, body) @@@ '{search} title:{word:?}' \
                 ORDER BY score DESC, id LIMIT {count}"
            ),
            3 => format!("SELECT count(*), min(id), max(id) FROM TABLE WHERE body @@@ '{search}'"),
            4 => format!(
                "SELECT id FROM TABLE WHERE to_tsvector('english', body) @@ plainto_tsquery('english', '{word} {other}') ORDER BY id"
            ),
            5 => format!(
                "SELECT id FROM TABLE WHERE to_tsvector('english', body) @@ websearch_to_tsquery('english', '\"{word} {other}\" or {word} -{other}') ORDER BY id"
            ),
            6 => format!("SELECT id FROM TABLE WHERE body LIKE '%{word}%' AND NOT title LIKE '%{other}%' ORDER BY id"),
            7 => format!(
                "SELECT id FROM TABLE WHERE body ILIKE '%{}%_' OR title ~ '{other}s?$' ORDER BY id",
                word.to_uppercase()
            ),
            8 => format!(
                "SELECT id FROM TABLE WHERE starts_with(body, '{word}') OR body ~* '^{other} (run|data)' ORDER BY id"
            ),
            _ => format!(
                "SELECT id, score, rank FROM text_search('TABLE', column => 'body', query => '{search}', k => {count}) ORDER BY rank"
            ),
        }
    }
}

/// Kinds of questions.
const KINDS: usize = 10;

async fn run(client: &Client, statement: &str) {
    client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

async fn rows(client: &Client, query: &str) -> Vec<String> {
    let messages = client.simple_query(query).await.unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join("|"))
        }
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

async fn add(client: &Client, source: &mut Source, ids: std::ops::Range<i64>) {
    let mut lines = String::new();
    for id in ids {
        let field = |text: Option<String>| text.unwrap_or_else(|| "\\N".to_string());
        let (title, body) = (field(source.text(6)), field(source.text(50)));
        lines.push_str(&format!("{id}\t{}\t{title}\t{body}\n", id % 100));
    }
    for table in ["plain", "indexed"] {
        let sink = client.copy_in(&format!("COPY {table} FROM STDIN")).await.expect("COPY starts");
        futures::pin_mut!(sink);
        sink.send(Bytes::from(lines.clone())).await.expect("rows are taken");
        sink.finish().await.expect("COPY ends");
    }
}

async fn on_both(client: &Client, statement: &str) {
    for table in ["plain", "indexed"] {
        run(client, &statement.replace("TABLE", table)).await;
    }
}

/// Questions of every kind; how many rows they found.
async fn compare(client: &Client, source: &mut Source, stage: &str) -> usize {
    let mut found = 0;
    for kind in 0..KINDS {
        for _ in 0..QUESTIONS {
            let question = source.question(kind);
            let expected = rows(client, &question.replace("TABLE", "plain")).await;
            let answered = rows(client, &question.replace("TABLE", "indexed")).await;
            assert_eq!(answered, expected, "{stage}: {question}");
            found += expected.len();
        }
    }
    found
}

async fn explain(client: &Client, query: &str) -> String {
    rows(client, &format!("EXPLAIN {query}")).await.join("\n")
}

const BEST: &str = "SELECT id FROM indexed WHERE body @@@ 'graph vectors' ORDER BY bm25_score(body) DESC LIMIT 5";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_gives_what_a_scan_gives() {
    let data = tempfile::tempdir().expect("a directory");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let mut source = Source(StdRng::seed_from_u64(SEED));
    for table in ["plain", "indexed"] {
        let columns = "id bigint PRIMARY KEY, bucket integer, title text, body text";
        run(&client, &format!("CREATE TABLE {table} ({columns})")).await;
    }
    add(&client, &mut source, 0..ROWS).await;
    for index in [
        "words ON indexed USING bm25 (title, body) WITH (key_field = 'id')",
        "vectors ON indexed USING gin (to_tsvector('simple', body))",
        "substrings ON indexed USING ngram (body)",
        "titles ON indexed USING gin (title gin_trgm_ops)",
    ] {
        run(&client, &format!("CREATE INDEX {index}")).await;
    }
    let covered = format!("covered={ROWS} of {ROWS} rows");
    let plan = explain(&client, BEST).await;
    assert!(plan.contains("best=5") && plan.contains("index=words (bm25)") && plan.contains(&covered), "{plan}");
    assert!(plan.contains("TextStatistics") && !plan.contains("AggregateExec"), "{plan}");
    for (condition, index) in [
        ("to_tsvector('english', body) @@ to_tsquery('english', 'graphs & vector')", "words (bm25)"),
        ("to_tsvector('simple', body) @@ to_tsquery('simple', 'graph & vector')", "vectors (gin)"),
        ("body LIKE '%aph vec%'", "substrings (ngram)"),
        ("title ~* 'graph (data|query)'", "titles (gin)"),
    ] {
        let plan = explain(&client, &format!("SELECT id FROM indexed WHERE {condition}")).await;
        assert!(plan.contains(&format!("index={index}, {covered}")), "{plan}");
    }

    let found = compare(&client, &mut source, "built").await;
    assert!(found > 200, "questions find something: {found}");
    add(&client, &mut source, ROWS..ROWS + 300).await;
    compare(&client, &mut source, "rows have come").await;
    on_both(&client, "DELETE FROM TABLE WHERE id % 13 = 5").await;
    compare(&client, &mut source, "rows have gone").await;
    on_both(&client, "UPDATE TABLE SET body = 'vector graphs ' || coalesce(title, '') WHERE id % 17 = 3").await;
    compare(&client, &mut source, "rows have changed").await;
    run(&client, "BEGIN").await;
    on_both(&client, "INSERT INTO TABLE VALUES (100000, 1, 'graph', 'a graph of vectors in a graph')").await;
    on_both(&client, "DELETE FROM TABLE WHERE id < 100").await;
    compare(&client, &mut source, "in a transaction").await;
    run(&client, "ROLLBACK").await;
    on_both(&client, &format!("DELETE FROM TABLE WHERE id < {ROWS}")).await;
    compare(&client, &mut source, "none is left that was covered").await;
    add(&client, &mut source, 0..ROWS).await;
    run(&client, "REINDEX TABLE indexed").await;
    on_both(&client, "DELETE FROM TABLE WHERE id % 19 = 2").await;
    drop(client);
    drop(server);
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    compare(&client, &mut source, "built anew").await;
    let plan = explain(&client, BEST).await;
    assert!(plan.contains("best=5") && plan.contains("index=words (bm25), covered="), "{plan}");
}
