//! `slipstream-demo crates|apt`: loads real data of this machine into a running server and prints statements to try.

use std::error::Error as _;
use std::process::ExitCode;

use clap::Parser;
use slipstream_benches::demo::{self, DatasetName, Error};

/// Loads real data of this machine into a running Slipstream server, and prints statements to try.
///
/// Data that is in the server already is not loaded again.
#[derive(Parser)]
#[command(name = "slipstream-demo", version)]
struct Arguments {
    /// `crates`: what this project is built of; `apt`: the packages that Debian offers to this machine
    dataset: DatasetName,
    /// The address of the server
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port of the server
    #[arg(long, default_value_t = 5433)]
    port: u16,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let client = demo::connect(&arguments.host, arguments.port).await?;
    demo::load_unless_there(&client, arguments.dataset).await?;
    demo::print_examples(arguments.dataset, &arguments.host, arguments.port);
    Ok(())
}

/// An error with its causes, one a line.
fn report(error: &Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        eprintln!("  {inner}");
        cause = inner.source();
    }
}
