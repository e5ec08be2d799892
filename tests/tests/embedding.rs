//! `embed()` against an HTTP server of the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slipstream_tests::{TestServer, error_of};
use tempfile::TempDir;
use tokio_postgres::Client;

/// What the service does with a request: its status and body, after it has thought about it.
type Answer = dyn Fn(usize, &str) -> (u16, String) + Send + Sync;

/// An embedding service that notes what it is asked.
struct Service {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// A service that answers the request of a number, counted from 0, and body.
    fn start(answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, answer, count) = (Arc::clone(&requests), Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer, count) = (Arc::clone(&noted), Arc::clone(&answer), Arc::clone(&count));
                std::thread::spawn(move || serve(stream, &noted, answer.as_ref(), &count));
            }
        });
        Service { url, requests }
    }

    /// A service whose vectors of three dimensions are the lengths of the text, of its first word, and 1.
    fn of_lengths() -> Service {
        Self::start(|_, body| (200, answer_of(body, 3)))
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, noted: &Mutex<Vec<String>>, answer: &Answer, count: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let mut stream = stream;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = number.trim().parse().expect("a length");
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let body = String::from_utf8(body).expect("UTF-8");
        noted.lock().expect("not poisoned").push(format!("{head}{body}"));
        let (status, text) = answer(count.fetch_add(1, Ordering::SeqCst), &body);
        let response = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// The texts of a request, which have no quotes in them.
fn texts(body: &str) -> Vec<&str> {
    let (_, list) = body.split_once("\"input\":[").expect("texts");
    let (list, _) = list.split_once(']').expect("an end");
    list.split("\",\"").map(|text| text.trim_matches('"')).collect()
}

fn answer_of(body: &str, dimensions: usize) -> String {
    let items = texts(body).into_iter().enumerate().map(|(index, text)| {
        let first = text.split(' ').next().unwrap_or_default().len();
        let vector = [text.len(), first, 1, 0, 0][..dimensions].iter().map(usize::to_string).collect::<Vec<_>>();
        format!("{{\"index\":{index},\"embedding\":[{}]}}", vector.join(","))
    });
    format!("{{\"data\":[{}]}}", items.collect::<Vec<_>>().join(","))
}

async fn connect(service: &Service) -> (Client, TestServer, TempDir) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let settings = format!(
        "SET slipstream.embed_base_url = '{}'; SET slipstream.embed_dimensions = 3; SET slipstream.embed_model = 'lengths'",
        service.url
    );
    client.batch_execute(&settings).await.expect("settings");
    (client, server, data)
}

async fn text(client: &Client, sql: &str) -> String {
    let row = client.query_one(&format!("SELECT ({sql})::text"), &[]).await.expect(sql);
    row.get(0)
}

#[tokio::test]
async fn constants_are_asked_for_once_and_parameters_when_they_are_known() {
    let service = Service::of_lengths();
    let (client, _server, _data) = connect(&service).await;
    client.batch_execute("SET slipstream.embed_key = 'secret'").await.expect("a setting");
    assert_eq!(text(&client, "embed('two words')").await, "[9,3,1]");
    let requests = service.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("POST /v1/embeddings "), "{requests:?}");
    assert!(requests[0].to_lowercase().contains("authorization: bearer secret"), "{requests:?}");
    assert!(requests[0].contains("\"model\":\"lengths\""), "{requests:?}");
    client
        .batch_execute(
            "CREATE TABLE note (id bigint PRIMARY KEY, body text, e vector(3));
             INSERT INTO note SELECT i, repeat('x', i::integer), ('[' || i || ',' || i || ',1]')::vector(3)
               FROM generate_series(1, 9) AS s(i)",
        )
        .await
        .expect("a table");
    let sql =
        "SELECT id, e <-> embed('xxxx') FROM note WHERE e <-> embed('xxxx') < 3 ORDER BY e <-> embed('xxxx') LIMIT 1";
    let row = client.query_one(sql, &[]).await.expect("the nearest");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, f64>(1)), (4, 0.0));
    assert_eq!(service.requests().len(), 2, "the same text is asked for once");
    let nearest = client.prepare("SELECT id FROM note ORDER BY e <-> embed($1) LIMIT 1").await.expect("prepares");
    for (word, id) in [("xxxxxxx", 7_i64), ("x", 1)] {
        assert_eq!(client.query_one(&nearest, &[&word]).await.expect("runs").get::<_, i64>(0), id);
    }
    let none = client.query_one("SELECT embed(NULL) IS NULL", &[]).await.expect("NULL");
    assert!(none.get::<_, bool>(0));
}

#[tokio::test]
async fn columns_are_embedded_in_batches_each_text_once() {
    let service = Service::of_lengths();
    let (client, _server, _data) = connect(&service).await;
    client
        .batch_execute(
            "CREATE TABLE note (id bigint PRIMARY KEY, body text, e vector(3));
             INSERT INTO note (id, body) SELECT i, 'note ' || (i % 100) FROM generate_series(1, 1000) AS s(i);
             INSERT INTO note (id) VALUES (0)",
        )
        .await
        .expect("a table");
    client.batch_execute("UPDATE note SET e = embed(body)").await.expect("an update");
    let count =
        client.query_one("SELECT count(*) FROM note WHERE e IN ('[6,4,1]', '[7,4,1]')", &[]).await.expect("rows");
    assert_eq!(count.get::<_, i64>(0), 1000);
    let asked: usize = service.requests().iter().map(|request| texts(request).len()).sum();
    assert!(asked <= 400 && service.requests().iter().all(|request| texts(request).len() <= 64), "{asked}");
    client.batch_execute("INSERT INTO note SELECT 2000, 'abc', embed('abc d')").await.expect("a row");
    assert_eq!(text(&client, "SELECT e FROM note WHERE id = 2000").await, "[5,3,1]");
    let error = client.batch_execute("SELECT count(*) FROM note GROUP BY embed(body)").await.expect_err("not there");
    assert_eq!(error_of(&error).code().code(), "0A000");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_lasts_is_told() {
    let service = Service::start(|count, body| match count {
        0 => (503, "busy".to_string()),
        1 => (429, "slower".to_string()),
        2 => (200, answer_of(body, 3)),
        3 => (404, "{\"error\": {\"message\": \"model not found\"}}".to_string()),
        4 => (200, answer_of(body, 5)),
        5 => (200, "{\"data\": [{\"embedding\": [1, 2, 1e300]}]}".to_string()),
        _ => {
            std::thread::sleep(Duration::from_secs(20));
            (200, answer_of(body, 3))
        }
    });
    let (client, _server, _data) = connect(&service).await;
    assert_eq!(text(&client, "embed('abc')").await, "[3,3,1]");
    for (code, message) in [
        ("58000", "embedding service answered 404"),
        ("22000", "expected 3 dimensions, not 5"),
        ("22000", "infinite value not allowed in vector"),
    ] {
        let error = client.batch_execute("SELECT embed('abc')").await.expect_err(message);
        let error = error_of(&error);
        assert_eq!((error.code().code(), error.message()), (code, message));
    }
    assert_eq!(service.requests().len(), 6);
    client.batch_execute("SET slipstream.embed_timeout = '200ms'").await.expect("a setting");
    let error = client.batch_execute("SELECT embed('abc')").await.expect_err("too slow");
    assert_eq!(error_of(&error).message(), "embedding service did not answer in time");
    client.batch_execute("SET slipstream.embed_base_url = 'http://127.0.0.1:9/v1'").await.expect("a setting");
    let error = client.batch_execute("SELECT embed('abc')").await.expect_err("nobody there");
    assert_eq!(error_of(&error).message(), "embedding service cannot be reached");
    client.batch_execute("SET slipstream.embed_base_url = 'nonsense'").await.expect("a setting");
    let error = client.batch_execute("SELECT embed('abc')").await.expect_err("no URL");
    assert_eq!(error_of(&error).code().code(), "22023");
}

#[tokio::test]
async fn a_waiting_statement_holds_nobody_and_can_be_cancelled() {
    let service = Service::start(|_, body| {
        std::thread::sleep(Duration::from_secs(3));
        (200, answer_of(body, 3))
    });
    let (client, server, _data) = connect(&service).await;
    client.batch_execute("CREATE TABLE note (id bigint PRIMARY KEY, e vector(3))").await.expect("a table");
    let other = server.connect().await;
    let started = std::time::Instant::now();
    let waiting = client.batch_execute("INSERT INTO note SELECT 1, embed('abc')");
    let writing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.batch_execute("INSERT INTO note VALUES (2, '[1,2,3]')").await.expect("nobody is in its way");
        started.elapsed()
    };
    let (waited, wrote) = tokio::join!(waiting, writing);
    waited.expect("it is answered in the end");
    assert!(wrote < Duration::from_secs(2), "{wrote:?}");
    client.batch_execute("SET statement_timeout = '300ms'").await.expect("a setting");
    let started = std::time::Instant::now();
    let error = client.batch_execute("SELECT embed('abcd')").await.expect_err("too slow");
    assert_eq!(error_of(&error).code().code(), "57014");
    assert!(started.elapsed() < Duration::from_secs(2));
}

/// Texts that the service was asked for since somebody looked.
fn asked(service: &Service) -> usize {
    service.requests.lock().expect("not poisoned").drain(..).map(|request| texts(&request).len()).sum()
}

#[tokio::test]
async fn a_generated_column_follows_its_text() {
    let service = Service::start(|_, body| match body.contains("broken") {
        true => (404, "{\"error\": {\"message\": \"no\"}}".to_string()),
        false => (200, answer_of(body, 3)),
    });
    let (client, _server, _data) = connect(&service).await;
    let run = async |sql: &str| client.batch_execute(sql).await.expect(sql);
    run("CREATE TABLE note (id bigint PRIMARY KEY, body text, stars integer,
                            e vector(3) GENERATED ALWAYS AS (embed(body)) STORED)")
    .await;
    assert_eq!(asked(&service), 0);
    run("INSERT INTO note (id, body) VALUES (1, 'abc d'), (2, NULL), (3, 'xyz')").await;
    assert_eq!(asked(&service), 2);
    let vectors = "(SELECT array_agg(e::text ORDER BY id) FROM note WHERE id < 10)";
    assert_eq!(text(&client, vectors).await, "{\"[5,3,1]\",NULL,\"[3,3,1]\"}");
    // Rows whose texts stay are not asked for.
    run("UPDATE note SET stars = 1").await;
    run("UPDATE note SET body = body WHERE id > 0").await;
    assert_eq!(asked(&service), 0);
    run("UPDATE note SET body = body || 'e' WHERE id < 3").await;
    assert_eq!(asked(&service), 1);
    assert_eq!(text(&client, vectors).await, "{\"[6,3,1]\",NULL,\"[3,3,1]\"}");
    run("UPDATE note SET e = DEFAULT WHERE id = 3").await;
    assert_eq!(asked(&service), 1);
    run("INSERT INTO note (id, body) VALUES (1, 'abc d') ON CONFLICT (id) DO UPDATE SET stars = 2").await;
    assert_eq!((asked(&service), text(&client, vectors).await), (1, "{\"[6,3,1]\",NULL,\"[3,3,1]\"}".to_string()));
    run("INSERT INTO note (id, body) VALUES (1, 'abcd e') ON CONFLICT (id) DO UPDATE SET body = excluded.body").await;
    assert_eq!(text(&client, vectors).await, "{\"[6,4,1]\",NULL,\"[3,3,1]\"}");
    run("MERGE INTO note USING (VALUES (2, 'ab'), (4, 'abcd')) AS s (id, body) ON note.id = s.id
         WHEN MATCHED THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (s.id, s.body)")
    .await;
    assert_eq!(text(&client, vectors).await, "{\"[6,4,1]\",\"[2,2,1]\",\"[3,3,1]\",\"[4,4,1]\"}");
    asked(&service);
    let copy = client.copy_in("COPY note (id, body) FROM STDIN").await.expect("copies");
    let mut copy = std::pin::pin!(copy);
    let rows: String = (10..1010).map(|id| format!("{id}\tnote {}\n", id % 100)).collect();
    futures::SinkExt::send(&mut copy, bytes::Bytes::from(rows)).await.expect("sends");
    assert_eq!(copy.finish().await.expect("ends"), 1000);
    assert!((100..=1000).contains(&asked(&service)));
    assert_eq!(text(&client, "SELECT count(*) FROM note WHERE e IN ('[6,4,1]', '[7,4,1]') AND id > 9").await, "1000");
    // A table that has rows gets such a column, each text once.
    run("CREATE TABLE old AS SELECT id, body FROM note WHERE id > 9").await;
    run("ALTER TABLE old ADD COLUMN e vector(3) GENERATED ALWAYS AS (embed(body)) STORED").await;
    assert_eq!(asked(&service), 100);
    assert_eq!(text(&client, "SELECT count(*) FROM old JOIN note USING (id) WHERE old.e <-> note.e = 0").await, "1000");
    // What the service refuses, or answers with too few numbers, changes nothing.
    let before = text(&client, "SELECT count(*) FROM note").await;
    for (sql, code) in [
        ("INSERT INTO note (id, body) VALUES (5000, 'fine'), (5001, 'broken')", "58000"),
        ("UPDATE note SET body = 'broken' WHERE id = 1", "58000"),
        ("INSERT INTO note (id, e) VALUES (5000, '[1,2,3]')", "428C9"),
        ("SET slipstream.embed_dimensions = 5; INSERT INTO note (id, body) VALUES (5000, 'fine')", "22000"),
    ] {
        let error = client.batch_execute(sql).await.expect_err(sql);
        assert_eq!(error_of(&error).code().code(), code, "{sql}");
    }
    assert_eq!(text(&client, "SELECT count(*) FROM note").await, before);
    assert_eq!(text(&client, "SELECT body FROM note WHERE id = 1").await, "abcd e");
}
