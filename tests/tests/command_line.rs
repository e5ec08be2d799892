//! The program `slipstream` beside serving: checking a database, and refusing what it cannot do.

use std::process::{Command, Output};

use slipstream_tests::{TestServer, binary};

fn slipstream(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn check_says_line_by_line_what_is_sound_and_ends_with_a_status() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let directory = data.path().to_str().expect("a readable path");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    let statements = "CREATE TABLE person (id bigint PRIMARY KEY, name text);
                      INSERT INTO person VALUES (1, 'ann'), (2, 'bob')";
    client.batch_execute(statements).await.expect("a table with rows");
    let beside = slipstream(&["check", directory]);
    assert!(beside.status.success(), "{}", text(&beside.stdout));
    server.kill();

    let after = slipstream(&["check", directory]);
    assert!(after.status.success(), "{}", text(&after.stdout));
    assert!(text(&after.stdout).contains("table person: 2 rows at version"), "{}", text(&after.stdout));

    let log = data.path().join("commits");
    let record = std::fs::read_dir(&log).expect("a log").next().expect("a record").expect("an entry").path();
    std::fs::write(record, "{").expect("a damaged record");
    let damaged = slipstream(&["check", directory]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged.stdout).contains("BAD  log: commit record"), "{}", text(&damaged.stdout));
}

#[test]
fn a_database_that_is_not_there_is_an_error() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let missing = data.path().join("missing");
    let refused = slipstream(&["check", missing.to_str().expect("a readable path")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("there is no directory"), "{}", text(&refused.stderr));
    assert!(!missing.exists());
}

#[test]
fn nothing_is_made_where_there_is_something_else_or_where_it_could_not_be_served() {
    let data = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(data.path().join("letter.txt"), "dear").expect("a file");
    let directory = data.path().to_str().expect("a readable path");
    let refused = slipstream(&["serve", "--data", directory, "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("is not a Slipstream database"), "{}", text(&refused.stderr));
    assert_eq!(std::fs::read_dir(data.path()).expect("a folder").count(), 1);

    let missing = data.path().join("missing");
    let refused = slipstream(&["serve", "--data", missing.to_str().expect("a readable path"), "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("only loopback addresses"), "{}", text(&refused.stderr));
    assert!(!missing.exists());
}

#[test]
fn a_bucket_that_is_not_built_in_is_refused_by_name() {
    let refused = slipstream(&["serve", "--data", "s3://bucket/database", "--local", "anywhere"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("cannot keep a database at") && said.contains("without support for \"s3\""), "{said}");
}
