//! PostgreSQL's processes, on a cluster of their own.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::super::Result;

/// PostgreSQL refuses to run as root; this is `nobody`.
const NOBODY: u32 = 65534;

/// Makes a cluster below `folder`, which is not there yet, and starts it. All settings that matter to speed are the defaults.
pub(super) async fn start(installation: &Path, folder: &Path, port: u16) -> Result<Child> {
    std::fs::create_dir_all(folder)?;
    if is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY))?;
        std::fs::set_permissions(
            folder.parent().unwrap_or(folder),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )?;
    }
    // Another user may not be able to reach the installation.
    let programs = folder.join("programs");
    run(Command::new("cp").arg("-rT").arg(installation).arg(&programs)).await?;
    let cluster = folder.join("cluster");
    let mut initdb = program(&programs, folder, "initdb")?;
    initdb.arg("-D").arg(&cluster).args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
    run(&mut initdb).await?;
    let mut server = program(&programs, folder, "postgres")?;
    server.arg("-D").arg(&cluster);
    for setting in ["listen_addresses=127.0.0.1", &format!("port={port}"), "unix_socket_directories="] {
        server.args(["-c", setting]);
    }
    Ok(server.kill_on_drop(true).spawn()?)
}

fn program(programs: &Path, folder: &Path, name: &str) -> Result<Command> {
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = Command::new(programs.join("bin").join(name));
    command.env("LD_LIBRARY_PATH", programs.join("lib"));
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    Ok(command)
}

async fn run(command: &mut Command) -> Result<()> {
    let status = command.status().await?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{:?} failed: {status}", command.as_std().get_program()).into()),
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
