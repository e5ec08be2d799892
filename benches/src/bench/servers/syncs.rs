//! Counting the sync calls of a server from outside, with strace.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::super::Result;

/// Calls that make a file or a directory durable. Writes to files opened with `O_DSYNC` would escape; nobody here does that.
const CALLS: &str = "fsync,fdatasync,syncfs,sync,sync_file_range,msync";
/// How long strace may take to attach.
const PATIENCE: usize = 200;

/// A tracer of a process and its children.
pub(in crate::bench) struct SyncCounter {
    process: Child,
    output: tempfile::NamedTempFile,
}

impl SyncCounter {
    /// Counts from here on; `None` where strace is not there or not allowed to trace.
    pub(in crate::bench) async fn attach(process: u32) -> Result<Option<SyncCounter>> {
        let (output, words) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
        let mut command = Command::new("strace");
        command.args(["--follow-forks", &format!("--trace={CALLS}"), "--output"]).arg(output.path());
        for process in with_children(process) {
            command.args(["--attach", &process.to_string()]);
        }
        let started = command.stdout(Stdio::null()).stderr(words.reopen()?).kill_on_drop(true).spawn();
        let Ok(mut process) = started else { return Ok(None) };
        for _ in 0..PATIENCE {
            if std::fs::read_to_string(words.path())?.contains("attached") {
                tokio::time::sleep(Duration::from_millis(300)).await;
                return Ok(Some(SyncCounter { process, output }));
            }
            if process.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(None)
    }

    /// Detaches, and says how many calls there were.
    pub(in crate::bench) async fn finish(mut self) -> Result<usize> {
        if let Some(id) = self.process.id() {
            Command::new("kill").args(["-s", "INT", &id.to_string()]).status().await?;
        }
        self.process.wait().await?;
        let text = std::fs::read_to_string(self.output.path())?;
        // A call that another one interrupts in the output has a second line for its end.
        Ok(text.lines().filter(|line| line.contains("sync") && !line.contains("resumed>")).count())
    }
}

/// A process, and those that it has started.
fn with_children(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let tasks = Path::new("/proc").join(process.to_string()).join("task");
    for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    all
}
