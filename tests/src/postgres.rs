//! A PostgreSQL of our own, to compare with.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian's `postgresql-15` puts its programs; `SLIPSTREAM_POSTGRES` names another folder.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// PostgreSQL refuses to run as root; this is `nobody`.
const NOBODY: u32 = 65534;
/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running PostgreSQL on a new, empty cluster in a temporary folder: no syncs, no passwords, collation C, UTF-8.
/// It goes, and its folder with it, when this is dropped.
pub struct Postgres {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When PostgreSQL 15 is not installed, or does not come up.
    pub fn start() -> Postgres {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if is_root() {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give folders away");
        }
        make_cluster(folder.path());
        // The port was free a moment ago; when somebody else has taken it since, another one is tried.
        for _ in 0..5 {
            let address = free_address();
            let mut process = serve(folder.path(), address);
            if wait_for(&mut process, folder.path()) {
                return Postgres { process, address, _folder: folder };
            }
        }
        panic!("PostgreSQL does not start:\n{}", log_of(folder.path()));
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // QUIT is its immediate shutdown; a kill would leave its children to notice by themselves.
        let _ = Command::new("kill").args(["-s", "QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

fn make_cluster(folder: &Path) {
    let mut command = program("initdb", folder);
    command.arg("-D").arg(folder.join("cluster"));
    command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--lc-collate=C", "--lc-ctype=C.UTF-8"]);
    let status = command.args(["--no-sync", "--no-instructions"]).status();
    assert!(status.expect("initdb runs").success(), "initdb fails:\n{}", log_of(folder));
}

fn serve(folder: &Path, address: SocketAddr) -> Child {
    let mut command = program("postgres", folder);
    command.arg("-D").arg(folder.join("cluster"));
    for setting in [
        "listen_addresses=127.0.0.1",
        &format!("port={}", address.port()),
        "unix_socket_directories=",
        "fsync=off",
        "autovacuum=off",
        "shared_buffers=32MB",
        "timezone=UTC",
        "lc_messages=C",
    ] {
        command.args(["-c", setting]);
    }
    command.spawn().expect("postgres runs")
}

/// Whether it says that it is ready before it ends.
fn wait_for(process: &mut Child, folder: &Path) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if process.try_wait().expect("a process can be waited for").is_some() {
            return false;
        }
        if log_of(folder).contains("ready to accept connections") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = process.kill();
    let _ = process.wait();
    false
}

/// One of PostgreSQL's programs, as a user that it accepts, with its words in the folder's log.
fn program(name: &str, folder: &Path) -> Command {
    let programs = std::env::var_os("SLIPSTREAM_POSTGRES").map_or_else(|| PathBuf::from(PROGRAMS), PathBuf::from);
    let path = programs.join(name);
    let help = "PostgreSQL 15 is not installed; `make test` installs it (Debian: postgresql-15)";
    assert!(path.exists(), "{help}: {}", path.display());
    let log = File::options().create(true).append(true).open(folder.join("log")).expect("a log file");
    let mut command = Command::new(path);
    command.current_dir(folder).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
