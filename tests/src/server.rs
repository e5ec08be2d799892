//! A server process under test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;
use tokio_postgres::error::DbError;

/// How long a server may take to start or to stop. Generous: tests share two cores with a compiler.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `slipstream serve`; it is killed when this is dropped.
pub struct TestServer {
    process: Child,
    address: SocketAddr,
    log: Log,
}

/// What a server has written to its standard error, gathered by a thread.
struct Log {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a server on `data`, which may be empty, and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not come up; the message has its log.
    pub fn start(data: &Path) -> TestServer {
        Self::start_with(data, &[])
    }

    /// Like [`TestServer::start`], with more arguments on the command line.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_with(data: &Path, arguments: &[&str]) -> TestServer {
        Self::try_start(data, arguments).unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    /// Starts a server that may refuse to.
    ///
    /// # Errors
    /// Its log, when it ends before it serves.
    ///
    /// # Panics
    /// When the binary is missing, or does nothing for a minute.
    pub fn try_start(data: &Path, arguments: &[&str]) -> Result<TestServer, String> {
        let free_port = if arguments.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let mut process = spawn(data, &[free_port, arguments].concat(), Stdio::piped());
        let (mut log, ready) = Log::follow(process.stderr.take().expect("standard error is piped"));
        match ready.recv_timeout(PATIENCE) {
            Ok(address) => Ok(TestServer { process, address, log }),
            Err(reason) => {
                let _ = process.kill();
                let _ = process.wait();
                let text = log.finish();
                assert!(
                    reason == std::sync::mpsc::RecvTimeoutError::Disconnected,
                    "the server hangs at start:\n{text}"
                );
                Err(text)
            }
        }
    }

    /// Starts a server on `data` and kills it after `delay`, wherever it is then: in recovery, or ready.
    ///
    /// # Panics
    /// When it cannot be started or killed.
    pub fn kill_while_starting(data: &Path, delay: Duration) {
        let mut process = spawn(data, &["--listen", "127.0.0.1:0"], Stdio::null());
        std::thread::sleep(delay);
        process.kill().expect("the server can be killed");
        process.wait().expect("a killed server ends");
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its operating system process id.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.text.lock().expect("the log's reader does not panic").clone()
    }

    /// Waits until the log contains `text`.
    ///
    /// # Panics
    /// When it does not within a minute.
    pub fn wait_for_log(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "the log never said {text:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A client of it.
    ///
    /// # Panics
    /// When it is not let in.
    pub async fn connect(&self) -> tokio_postgres::Client {
        self.try_connect("user=postgres dbname=postgres").await.expect("a client is let in")
    }

    /// A client with the given settings beside host and port.
    ///
    /// # Errors
    /// When it is not let in.
    pub async fn try_connect(&self, settings: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let settings = format!("host={} port={} {settings}", self.address.ip(), self.address.port());
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
        // The connection's own error is told to the client's callers as well.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// Ends it as a power cut would, without a chance to react.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(mut self) {
        self.process.kill().expect("the server can be killed");
        self.process.wait().expect("a killed server ends");
    }

    /// Asks it to stop, waits, and returns its log.
    ///
    /// # Panics
    /// When it does not stop in order.
    pub fn stop(mut self) -> String {
        self.send_signal("TERM");
        let status = self.wait();
        let log = self.log.finish();
        assert!(status.success(), "the server ended with {status}:\n{log}");
        log
    }

    /// Sends it a signal by name.
    ///
    /// # Panics
    /// When there is no such signal.
    pub fn send_signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "SIG{signal} could not be sent");
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("the server can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "the server does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

impl Log {
    /// Gathers the log; the receiver gets the address when the server serves, and is closed when the log ends.
    fn follow(stderr: impl Read + Send + 'static) -> (Log, Receiver<SocketAddr>) {
        let text = Arc::new(Mutex::new(String::new()));
        let (sender, ready) = channel();
        let gathered = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut sender = Some(sender);
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = serving_address(&line)
                    && let Some(sender) = sender.take()
                {
                    // Nobody listens any more when the start was given up.
                    let _ = sender.send(address);
                }
                let mut text = gathered.lock().expect("nobody panics with the log");
                text.push_str(&line);
                text.push('\n');
            }
        });
        (Log { text, reader: Some(reader) }, ready)
    }

    /// All of it, once the server has ended.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log's reader does not panic");
        }
        self.text.lock().expect("the log's reader does not panic").clone()
    }
}

/// A server process with its log on standard error.
fn spawn(data: &Path, arguments: &[&str], log: Stdio) -> Child {
    Command::new(binary())
        .args(["serve", "--data"])
        .arg(data)
        .args(arguments)
        .env("SLIPSTREAM_LOG", "info,slipstream_pgwire_server=debug")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the server binary runs")
}

/// Reads `serving <data> on <address>`.
fn serving_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("serving ")?;
    let (_, address) = rest.rsplit_once(" on ")?;
    address.trim().parse().ok()
}

/// The program under test.
///
/// # Panics
/// When it has not been built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("SLIPSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let beside = test.ancestors().nth(2).map(|folder| folder.join("slipstream")).unwrap_or_default();
    assert!(beside.exists(), "{} is missing; run `make test`, or `cargo build` first", beside.display());
    beside
}

/// The server's report inside a client error.
///
/// # Panics
/// When the error is not from the server.
pub fn error_of(error: &tokio_postgres::Error) -> &DbError {
    error.as_db_error().unwrap_or_else(|| panic!("not an error of the server: {error}"))
}
