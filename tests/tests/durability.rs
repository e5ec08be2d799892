//! `durability = full` means that a commit is on the disk when it is acknowledged: shown by the system calls of one commit.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use slipstream_tests::TestServer;

/// A tracer of a server's sync calls.
struct Tracer {
    process: Child,
    output: tempfile::NamedTempFile,
}

impl Tracer {
    #[expect(clippy::zombie_processes, reason = "it is waited for in `calls`, or the test has failed and ends")]
    fn attach(server: &TestServer) -> Tracer {
        let output = tempfile::NamedTempFile::new().expect("a temporary file");
        let words = tempfile::NamedTempFile::new().expect("a temporary file");
        let process = Command::new("strace")
            .args(["--follow-forks", "--decode-fds=path", "--trace=fsync,fdatasync,syncfs,sync_file_range"])
            .arg("--output")
            .arg(output.path())
            .args(["--attach", &server.process_id().to_string()])
            .stderr(words.reopen().expect("a file can be opened twice"))
            .spawn()
            .expect("strace is not installed; `make test` installs it (Debian: strace)");
        // It says when it has attached to all threads, or why it could not.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let said = std::fs::read_to_string(words.path()).expect("strace speaks plainly");
            if said.contains("attached") {
                return Tracer { process, output };
            }
            let hopeless = said.contains("strace:") || Instant::now() > deadline;
            assert!(!hopeless, "strace cannot trace the server: {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Detaches and returns the calls.
    fn calls(mut self) -> Vec<String> {
        let interrupted = Command::new("kill").args(["-s", "INT", &self.process.id().to_string()]).status();
        assert!(interrupted.expect("kill runs").success());
        self.process.wait().expect("strace ends");
        let text = std::fs::read_to_string(self.output.path()).expect("strace has written");
        text.lines().filter(|line| !line.contains("+++") && !line.contains("---")).map(str::to_string).collect()
    }
}

#[tokio::test]
async fn a_commit_is_synced_before_it_is_acknowledged() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY, name text)").await.expect("a table");
    let shown = client.query_one("SHOW durability", &[]).await.expect("a setting");
    assert_eq!(shown.get::<_, &str>(0), "full");
    let tracer = Tracer::attach(&server);
    client.batch_execute("INSERT INTO t VALUES (1, 'one')").await.expect("a row");
    let calls = tracer.calls();
    let syncs: Vec<&String> = calls.iter().filter(|call| call.contains("sync(") || call.contains("syncfs(")).collect();
    let synced = |part: &str| syncs.iter().any(|call| call.contains(part));
    let all = calls.join("\n");
    assert!(!syncs.is_empty(), "nothing was synced:\n{all}");
    assert!(synced("/tables/"), "no file of a table was synced:\n{all}");
    assert!(synced("/commits"), "the commit record was not synced:\n{all}");
    println!("{} sync calls in one commit", syncs.len());
}

#[tokio::test]
async fn a_query_syncs_nothing() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = TestServer::start(data.path());
    let client = server.connect().await;
    client.batch_execute("CREATE TABLE t (id bigint PRIMARY KEY)").await.expect("a table");
    let tracer = Tracer::attach(&server);
    client.query("SELECT count(*) FROM t", &[]).await.expect("an answer");
    client.batch_execute("DELETE FROM t WHERE id = 1").await.expect("nothing to delete");
    let calls = tracer.calls();
    assert!(calls.iter().all(|call| !call.contains("sync")), "{}", calls.join("\n"));
}
