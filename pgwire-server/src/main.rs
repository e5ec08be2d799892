//! `slipstream`: the server's command line.

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use slipstream_engine::Result;
use slipstream_engine::database::{Database, OpenOptions};
use slipstream_pgwire_server::{Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Slipstream: tables, vectors and a property graph in one database that speaks Postgres.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
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
}

#[derive(Args)]
#[command(
    after_help = "Environment:\n  SLIPSTREAM_LOG  what to log, for example `debug` or `info,slipstream_engine=debug` \
                        [default: info]"
)]
struct Serve {
    /// Directory of the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Address to listen on, on this machine only; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5433", value_parser = address)]
    listen: SocketAddr,

    /// The most sessions at a time
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    max_connections: usize,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "no such host".to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("slipstream").build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match cli.command {
        Command::Serve(options) => runtime.block_on(serve(options)),
    };
    // The database is closed; what still computes, computes for nobody.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.hint() {
                Some(hint) => tracing::error!("{error}. {hint}"),
                None => tracing::error!("{error}"),
            }
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    let filter = EnvFilter::try_from_env("SLIPSTREAM_LOG").unwrap_or_else(|_| EnvFilter::new("info,lance=warn"));
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
    let database = Database::open(OpenOptions::new(options.data.clone())).await?;
    let config = ServerConfig { listen: options.listen, max_connections: options.max_connections };
    let server = Server::bind(config, database.clone()).await?;
    tracing::info!("serving {} on {}", options.data.display(), server.local_addr());
    server.run(asked_to_stop()).await;
    database.close().await;
    tracing::info!("stopped");
    Ok(())
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
