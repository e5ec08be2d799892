//! `slipstream-bench`: Slipstream against the bare libraries, see [`slipstream_benches::bench`].

use std::path::PathBuf;

use clap::Parser;
use slipstream_benches::bench::{self, Options, Result};

/// Compares Slipstream over loopback with bare Lance and bare Kuzu in process, and prints ratios.
#[derive(Parser)]
#[command(name = "slipstream-bench", version)]
struct Arguments {
    /// The server's program; the default is the one beside this program
    #[arg(long)]
    server: Option<PathBuf>,
    /// Persons, and as many vectors; there are five times as many edges
    #[arg(long, default_value_t = 100_000)]
    rows: usize,
    /// How often each question is asked; a tenth of that for scans
    #[arg(long, default_value_t = 1000)]
    rounds: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = match arguments.server {
        Some(server) => server,
        None => std::env::current_exe()?.with_file_name("slipstream"),
    };
    bench::run(&Options { server, rows: arguments.rows, rounds: arguments.rounds }).await
}
