//! `slipstream`: the server's command line.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use slipstream_engine::check::CheckOptions;
use slipstream_engine::database::{Database, OpenOptions};
use slipstream_engine::storage::{Durability, Storage};
use slipstream_engine::{Error, ErrorKind, Result, SpillLimits};
use slipstream_pgwire_server::{Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Slipstream: tables, vectors and a property graph in one database that speaks Postgres.
#[derive(Parser)]
#[command(name = "slipstream", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a database to Postgres clients
    ///
    /// Makes the database if the directory has none. Connect with `psql -h 127.0.0.1 -p 5433 -U postgres`. SIGTERM or
    /// SIGINT (Ctrl-C) ends the server in order; what was acknowledged is safe however it ends.
    Serve(Serve),
    /// Read a whole database and say whether it agrees
    ///
    /// Commit log, catalogs, the rows of every table with their keys and references, and the graph indexes; one line an
    /// object. Changes nothing, and may run beside a server. Ends with status 1 where something is wrong.
    Check(Check),
}

#[derive(Args)]
#[command(
    after_help = "Environment:\n  SLIPSTREAM_LOG  what to log, for example `debug` or `info,slipstream_engine=debug` \
                        [default: info]"
)]
struct Serve {
    /// Directory of the database, or a bucket with a prefix, such as s3://bucket/database
    #[arg(long, value_name = "DIR")]
    data: String,

    /// Directory for what is always local (lock file and graph indexes), where the database is in a bucket
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,

    /// Address to listen on, on this machine only; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5433", value_parser = address)]
    listen: SocketAddr,

    /// The most sessions at a time
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    max_connections: usize,

    /// Memory for the rows that a statement, or one table in a transaction block, changes; more go to a temporary file
    #[arg(long, value_name = "SIZE", default_value = "64MB", value_parser = size)]
    change_memory: u64,

    /// The most that temporary files of changed rows may take on disk, all together [default: the whole disk]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    temp_file_limit: Option<u64>,
}

#[derive(Args)]
struct Check {
    /// Directory of the database, or a bucket with a prefix
    #[arg(value_name = "DIR")]
    data: String,

    /// Directory of lock file and graph indexes, where the database is in a bucket
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,

    /// Take in table versions that other programs made, if schema, keys and references hold; no server may run
    #[arg(long)]
    adopt: bool,
}

/// Where a database is: the root, unless it is the local directory itself, and that directory.
struct Place {
    bucket: Option<Storage>,
    local: PathBuf,
}

impl Place {
    fn of(data: &str, local: Option<PathBuf>) -> Result<Self> {
        if !data.contains("://") {
            return match local {
                None => Ok(Place { bucket: None, local: PathBuf::from(data) }),
                Some(_) => Err(invalid("--local is for a database in a bucket")),
            };
        }
        let bucket = Some(Storage::bucket(data)?);
        let local = local.ok_or_else(|| {
            invalid("a database in a bucket needs --local DIR").with_hint("Lock file and graph indexes are kept there.")
        })?;
        Ok(Place { bucket, local })
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such host".to_string())
}

/// Bytes from a number with a unit, as Postgres writes it.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let unit: u64 = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return Err("the units are B, kB, MB, GB and TB".to_string()),
    };
    let number: u64 = text[..digits].parse().map_err(|_| "a size is a number and a unit, such as 64MB".to_string())?;
    number.checked_mul(unit).ok_or_else(|| "too large".to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(match cli.command {
        Command::Serve(_) => "info,lance=warn",
        Command::Check(_) => "warn",
    });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("slipstream").build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match cli.command {
        Command::Serve(options) => runtime.block_on(serve(options)).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => runtime.block_on(check(options)),
    };
    // The database is closed; what still computes, computes for nobody.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(code) => code,
        Err(error) => {
            match error.hint() {
                Some(hint) => tracing::error!("{error}. {hint}"),
                None => tracing::error!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn start_logging(default: &str) {
    let filter = EnvFilter::try_from_env("SLIPSTREAM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(backtrace = %std::backtrace::Backtrace::capture(), "panic: {panic}");
    }));
}

async fn serve(options: Serve) -> Result<()> {
    let place = Place::of(&options.data, options.local)?;
    // Before a database is made or taken over that could not be served.
    Server::may_listen(options.listen)?;
    let spill = SpillLimits {
        memory: usize::try_from(options.change_memory).unwrap_or(usize::MAX),
        disk: options.temp_file_limit.unwrap_or(u64::MAX),
    };
    let opening = OpenOptions { storage: place.bucket, spill, ..OpenOptions::new(place.local) };
    let database = Database::open(opening).await?;
    let config = ServerConfig { listen: options.listen, max_connections: options.max_connections };
    let server = Server::bind(config, database.clone()).await?;
    tracing::info!("serving {} on {}", options.data, server.local_addr());
    server.run(asked_to_stop()).await;
    database.close().await;
    tracing::info!("stopped");
    Ok(())
}

async fn check(options: Check) -> Result<ExitCode> {
    let place = Place::of(&options.data, options.local)?;
    let storage = match place.bucket {
        Some(bucket) => bucket,
        None => Storage::existing(&place.local, Durability::Full)?,
    };
    let what = CheckOptions::new(storage, place.local);
    let report = match options.adopt {
        true => slipstream_engine::check::adopt(&what).await?,
        false => slipstream_engine::check::check(&what).await?,
    };
    // A reader that has seen enough, such as `head`, is no error.
    drop(std::io::stdout().write_all(report.to_string().as_bytes()));
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Resolves at SIGTERM or SIGINT.
async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be caught: the server stops only when it is killed");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM received"),
        _ = interrupt.recv() => tracing::info!("SIGINT received"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_written_as_in_postgres() {
        assert_eq!((size("64MB"), size("8 kB"), size("12")), (Ok(64 << 20), Ok(8 << 10), Ok(12)));
        for wrong in ["", "MB", "1.5GB", "3 mb", "99999999999TB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
