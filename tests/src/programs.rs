//! Real clients: psql, and Python with its drivers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::TestServer;
use crate::server::binary;

/// What a program has printed.
#[derive(Debug)]
pub struct Output {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether it ended well.
    pub success: bool,
}

/// Runs a script through psql, with `arguments` before it. Errors do not end the script unless it says so.
///
/// # Panics
/// When psql is not installed.
pub fn psql(server: &TestServer, arguments: &[&str], script: &str) -> Output {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet"]).args(arguments).args(["--file", "-"]);
    connect(&mut command, server);
    run(command, script, "psql is not installed; `make setup` installs it (Debian: postgresql-client)")
}

/// Runs a Python script with the drivers of `scripts/requirements.txt`; libpq's environment variables lead to the server.
///
/// # Panics
/// When that Python environment does not exist.
pub fn python(server: &TestServer, arguments: &[&str], script: &str) -> Output {
    let help = "the Python clients are not installed; `make test` installs them (scripts/setup.sh test)";
    let python = match std::env::var_os("SLIPSTREAM_PYTHON") {
        Some(path) => PathBuf::from(path),
        None => {
            let cache = std::env::var_os("SLIPSTREAM_CACHE").map(PathBuf::from);
            let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/slipstream");
            cache.unwrap_or_else(home).join("venv/bin/python")
        }
    };
    assert!(python.exists(), "{help}");
    let mut command = Command::new(python);
    command.arg("-").args(arguments);
    connect(&mut command, server);
    run(command, script, help)
}

/// Runs `slipstream check` on a folder that no server has open.
///
/// # Panics
/// When it finds something wrong, or does not run.
pub fn check_data(data: &Path) {
    let mut command = Command::new(binary());
    command.arg("check").arg(data);
    let output = run(command, "", "the server binary does not run");
    assert!(output.success, "slipstream check {}:\n{}\n{}", data.display(), output.stdout, output.stderr);
}

fn connect(command: &mut Command, server: &TestServer) {
    command
        .env("PGHOST", server.address().ip().to_string())
        .env("PGPORT", server.address().port().to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", "postgres")
        .env("PGCONNECT_TIMEOUT", "30")
        .env("LC_ALL", "C.UTF-8");
}

fn run(mut command: Command, input: &str, help: &str) -> Output {
    use std::io::Write;
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{help} ({error})"));
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // A program that ends early breaks the pipe; its output says why.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a program ends");
    Output {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        success: output.status.success(),
    }
}
