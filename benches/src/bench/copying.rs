//! Rows a second of `COPY FROM STDIN`, into a new table with a primary key each time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_postgres::Client;

use super::report::{Columns, print_title};
use super::servers::Server;
use super::wire::copy;
use super::{Place, Result, quantile};

/// What to run.
pub struct Options {
    /// Rows of one COPY.
    pub rows: usize,
    /// How often each side copies them.
    pub rounds: usize,
}

/// One server, and how long its loads took.
struct Side {
    name: &'static str,
    server: Server,
    client: Client,
    times: Vec<Duration>,
}

/// Copies the same text into both servers in turns, and prints rows a second.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    print_title(&format!("COPY FROM STDIN of {} rows, durable on both sides", options.rows));
    let text = rows(options.rows)?;
    let slipstream = Server::slipstream(place, &folder.path().join("slipstream")).await?;
    let mut sides = vec![Side::new("slipstream", slipstream).await?];
    if let Some(postgres) = Server::postgres(place, &folder.path().join("postgres")).await? {
        sides.push(Side::new("postgres", postgres).await?);
    }
    for round in 0..options.rounds {
        for side in &mut sides {
            side.load(&format!("bulk_{round}"), &text, options.rows).await?;
        }
    }
    print_sides(&mut sides, text.len(), options.rows);
    for side in sides {
        drop(side.client);
        side.server.stop().await?;
    }
    Ok(())
}

impl Side {
    async fn new(name: &'static str, server: Server) -> Result<Side> {
        let client = server.connect().await?;
        Ok(Side { name, server, client, times: Vec::new() })
    }

    async fn load(&mut self, table: &str, text: &Bytes, rows: usize) -> Result<()> {
        let create = format!(
            "CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL, amount double precision, day date NOT NULL)"
        );
        self.client.batch_execute(&create).await?;
        let started = Instant::now();
        let stored = copy(&self.client, table, text.clone()).await?;
        self.times.push(started.elapsed());
        match stored == rows as u64 {
            true => Ok(()),
            false => Err(format!("{}: {stored} rows stored of {rows}", self.name).into()),
        }
    }
}

fn print_sides(sides: &mut [Side], bytes: usize, rows: usize) {
    let mut columns = Columns::new(&["median of the rounds", "seconds", "rows/s", "MB/s"]);
    let mut medians = Vec::new();
    for side in sides {
        let median = quantile(&mut side.times, 0.5).as_secs_f64();
        medians.push(median);
        let cells = [
            format!("{median:.2}"),
            format!("{:.0}", rows as f64 / median),
            format!("{:.1}", bytes as f64 / median / 1e6),
        ];
        columns.line([side.name.to_string()].into_iter().chain(cells).collect());
    }
    columns.print();
    if let [ours, theirs] = medians[..] {
        println!("slipstream copies at {:.2} times the speed of PostgreSQL (aim: 3)", theirs / ours);
    }
}

fn rows(count: usize) -> Result<Bytes> {
    let mut text = String::new();
    for id in 1..=count {
        let day = 1 + id % 28;
        writeln!(text, "{id}\tcustomer number {}\t{}.25\t2024-02-{day:02}", id * 7919 % 100_003, id % 10_000)?;
    }
    Ok(text.into())
}
