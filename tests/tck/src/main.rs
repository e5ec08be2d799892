//! The openCypher Technology Compatibility Kit, run against a server.
//!
//! `slipstream-tck FOLDER` runs every scenario of the feature files in a folder, says which pass and why the others do not,
//! and fails when one does not pass that the scoreboard names. The kit is not part of the project.
//!
//! [`feature`] reads the files, [`schema`] derives the tables that a scenario needs, [`scenario`] runs one, [`value`] compares
//! what comes back, and [`scoreboard`] remembers.

mod feature;
mod scenario;
mod schema;
mod scoreboard;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use slipstream_tests::TestServer;

use crate::feature::Scenario;
use crate::scenario::{Graphs, Reason};

/// Connections that run scenarios side by side.
const CONNECTIONS: usize = 2;

/// How long a scenario may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the openCypher TCK.
#[derive(Parser)]
struct Arguments {
    /// The folder with the feature files, and the named graphs below `graphs`.
    folder: PathBuf,
    /// The scenarios that must pass.
    #[arg(long)]
    scoreboard: PathBuf,
    /// Add those that pass to the scoreboard.
    #[arg(long)]
    update: bool,
    /// Run only scenarios whose name contains this, and say of each how it went.
    #[arg(long)]
    only: Option<String>,
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(CONNECTIONS).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(run(&Arguments::parse())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("tck: {error}");
    ExitCode::FAILURE
}

/// Whether every scenario of the scoreboard passed.
async fn run(arguments: &Arguments) -> Result<bool, String> {
    let mut scenarios = feature::scenarios(&arguments.folder)?;
    if let Some(only) = &arguments.only {
        scenarios.retain(|scenario| scenario.name.contains(only));
    }
    if scenarios.is_empty() {
        return Err(format!("no scenario found in {}", arguments.folder.display()));
    }
    let graphs = graphs(&arguments.folder).map_err(|error| format!("graphs: {error}"))?;
    let outcomes = outcomes(scenarios, graphs).await?;
    let passed: BTreeSet<String> =
        outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(name, _)| name.clone()).collect();
    match arguments.only {
        Some(_) => outcomes.iter().for_each(|(name, outcome)| match outcome {
            Ok(()) => println!("pass  {name}"),
            Err(reason) => println!("FAIL  {name}\n      {reason}"),
        }),
        None => print_reasons(&outcomes),
    }
    println!("{} of {} scenarios pass", passed.len(), outcomes.len());
    let mut known = scoreboard::read(&arguments.scoreboard).map_err(|error| error.to_string())?;
    let lost: Vec<&String> = known.iter().filter(|name| outcomes.get(*name).is_some_and(Result::is_err)).collect();
    for name in &lost {
        println!("passed before: {name}");
    }
    let kept = lost.is_empty();
    if arguments.update {
        known.extend(passed);
        scoreboard::write(&arguments.scoreboard, &known).map_err(|error| error.to_string())?;
    }
    Ok(kept)
}

fn graphs(folder: &std::path::Path) -> std::io::Result<Graphs> {
    let mut graphs = Graphs::new();
    let folder = folder.join("graphs");
    if !folder.is_dir() {
        return Ok(graphs);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        let file = path.join(format!("{name}.cypher"));
        if file.is_file() {
            graphs.insert(name, std::fs::read_to_string(file)?);
        }
    }
    Ok(graphs)
}

async fn outcomes(scenarios: Vec<Scenario>, graphs: Graphs) -> Result<BTreeMap<String, Result<(), Reason>>, String> {
    let data = tempfile::tempdir().map_err(|error| error.to_string())?;
    let server = Arc::new(TestServer::start(data.path()));
    let (scenarios, graphs) = (Arc::new(scenarios), Arc::new(graphs));
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = Vec::new();
    for _ in 0..CONNECTIONS {
        let (server, scenarios, graphs) = (Arc::clone(&server), Arc::clone(&scenarios), Arc::clone(&graphs));
        let next = Arc::clone(&next);
        workers.push(tokio::spawn(async move {
            let mut outcomes = Vec::new();
            let mut client = server.connect().await;
            while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                let run = tokio::time::timeout(PATIENCE, scenario::run(scenario, &graphs, &client));
                let outcome = run.await.unwrap_or_else(|_| Err("no answer within a minute".to_string()));
                if outcome.is_err() || client.is_closed() {
                    client = server.connect().await;
                }
                outcomes.push((scenario.name.clone(), outcome));
            }
            outcomes
        }));
    }
    let mut all = BTreeMap::new();
    for worker in workers {
        all.extend(worker.await.map_err(|error| error.to_string())?);
    }
    Ok(all)
}

/// How many scenarios did not pass for each reason, the most frequent first.
fn print_reasons(outcomes: &BTreeMap<String, Result<(), Reason>>) {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, outcome) in outcomes {
        if let Err(reason) = outcome {
            reasons.entry(shared(reason)).or_default().push(name);
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, names)| std::cmp::Reverse(names.len()));
    for (reason, names) in reasons {
        println!("{:4}  {reason}\n      such as {}", names.len(), names[0]);
    }
}

/// A reason without what differs from scenario to scenario.
fn shared(reason: &str) -> String {
    if let Some((kind, _)) = reason.split_once(": ")
        && kind.starts_with("wrong")
    {
        return kind.to_string();
    }
    let mut words = String::new();
    for (at, part) in reason.split('"').enumerate() {
        words.push_str(if at % 2 == 0 { part } else { "\"...\"" });
    }
    words
}
