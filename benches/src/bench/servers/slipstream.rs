//! Slipstream's process.

use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::super::Result;

pub(super) fn start(program: &Path, folder: &Path, port: u16) -> Result<Child> {
    let started = Command::new(program)
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(folder)
        .env("SLIPSTREAM_LOG", std::env::var("SLIPSTREAM_LOG").unwrap_or_else(|_| "warn".into()))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    started.map_err(|error| format!("{}: {error}", program.display()).into())
}
