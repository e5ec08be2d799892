//! `slipstream-bench`: Slipstream measured, see [`slipstream_benches::bench`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use slipstream_benches::bench::{Place, Result, commits, copying, patterns, reading, texts, vectors};

/// Compares Slipstream over loopback with bare Lance and bare Kuzu in process, and with PostgreSQL 17.
#[derive(Parser)]
#[command(name = "slipstream-bench", version)]
struct Arguments {
    /// The server's program; the default is the one beside this program
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// PostgreSQL's installation; without it only the libraries are compared with
    #[arg(long, global = true)]
    postgres: Option<PathBuf>,
    /// Where everything is stored while it is measured; the default is the folder for temporary files
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Which suite to run; all of them otherwise
    #[command(subcommand)]
    suite: Option<Suite>,
}

/// What there is to measure.
#[derive(Subcommand)]
enum Suite {
    /// Questions to Slipstream and the bare libraries
    Reading(Reading),
    /// Nine questions about a social network
    Patterns(Patterns),
    /// One-row commits
    Commits(Commits),
    /// COPY FROM STDIN
    Copying(Copying),
    /// Nearest vectors by an index
    Vectors(Vectors),
    /// The best texts by BM25
    Texts(Texts),
}

/// How much to read.
#[derive(Parser)]
struct Reading {
    /// Persons, and as many vectors; there are five times as many edges
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// How often each question is asked; a tenth of that for scans
    #[arg(long, default_value_t = 1000)]
    rounds: usize,
}

/// How much to ask of the network.
#[derive(Parser)]
struct Patterns {
    /// Persons; there are 24 times as many who follow whom
    #[arg(long, default_value_t = 100_000)]
    persons: usize,
    /// How often each question is asked
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// How much to commit.
#[derive(Parser)]
struct Commits {
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_value = "1,8,32")]
    clients: Vec<usize>,
    /// How often each side has its turn
    #[arg(long, default_value_t = 5)]
    turns: usize,
    /// Milliseconds of a turn
    #[arg(long, default_value_t = 2000)]
    span: u64,
}

/// How much to copy.
#[derive(Parser)]
struct Copying {
    /// Rows of one COPY
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// How often each side copies them
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// How many vectors to search.
#[derive(Parser)]
struct Vectors {
    /// Vectors
    #[arg(long, default_value_t = 200_000)]
    rows: usize,
    /// Numbers in each
    #[arg(long, default_value_t = 384)]
    dimension: usize,
    /// How often each client asks
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    clients: Vec<usize>,
}

/// How many texts to search.
#[derive(Parser)]
struct Texts {
    /// Texts at the most
    #[arg(long, default_value_t = 200_000)]
    texts: usize,
    /// How often each client asks
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Numbers of clients
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    clients: Vec<usize>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = match arguments.server {
        Some(server) => server,
        None => std::env::current_exe()?.with_file_name("slipstream"),
    };
    let folder = arguments.folder.unwrap_or_else(std::env::temp_dir);
    let place = Place { server, postgres: arguments.postgres, folder };
    match arguments.suite {
        Some(suite) => suite.run(&place).await,
        None => {
            for suite in all() {
                suite.run(&place).await?;
            }
            Ok(())
        }
    }
}

/// Every suite with its defaults.
fn all() -> [Suite; 6] {
    let none = ["slipstream-bench"];
    [
        Suite::Reading(Reading::parse_from(none)),
        Suite::Patterns(Patterns::parse_from(none)),
        Suite::Commits(Commits::parse_from(none)),
        Suite::Copying(Copying::parse_from(none)),
        Suite::Vectors(Vectors::parse_from(none)),
        Suite::Texts(Texts::parse_from(none)),
    ]
}

impl Suite {
    async fn run(self, place: &Place) -> Result<()> {
        match self {
            Suite::Reading(Reading { rows, rounds }) => reading::run(place, &reading::Options { rows, rounds }).await,
            Suite::Patterns(Patterns { persons, rounds }) => {
                patterns::run(place, &patterns::Options { persons, rounds }).await
            }
            Suite::Commits(Commits { clients, turns, span }) => {
                let span = Duration::from_millis(span);
                commits::run(place, &commits::Options { clients, turns, span }).await
            }
            Suite::Copying(Copying { rows, rounds }) => copying::run(place, &copying::Options { rows, rounds }).await,
            Suite::Vectors(Vectors { rows, dimension, rounds, clients }) => {
                vectors::run(place, &vectors::Options { rows, dimension, rounds, clients }).await
            }
            Suite::Texts(Texts { texts, rounds, clients }) => {
                texts::run(place, &texts::Options { texts, rounds, clients }).await
            }
        }
    }
}
