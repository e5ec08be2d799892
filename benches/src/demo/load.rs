//! Loading a data set into a server over the Postgres wire, with its progress and rate on the terminal.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, pin_mut};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::{DatasetName, Description, Error, Result, Table};

/// How much COPY data goes into one message.
const CHUNK: usize = 256 * 1024;

/// How often a running load says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Connects as the superuser and leaves the connection to a task of its own.
pub async fn connect(host: &str, port: u16) -> Result<Client> {
    let (client, connection) = Config::new()
        .host(host)
        .port(port)
        .user("postgres")
        .dbname("postgres")
        .application_name("slipstream-demo")
        .connect(NoTls)
        .await
        .map_err(Error::server(format!("connecting to {host}:{port}")))?;
    // A broken connection shows itself in the statement that was under way.
    tokio::spawn(connection);
    Ok(client)
}

/// Loads the data set, unless its property graph says that it is there.
pub async fn load_unless_there(client: &Client, dataset: DatasetName) -> Result<()> {
    let description = dataset.description();
    if graph_exists(client, description.graph).await? {
        println!("demo: the graph {} is in the server already", description.graph);
        return Ok(());
    }
    let started = Instant::now();
    println!("demo: reading the data");
    let tables = dataset.read()?;
    println!("demo: read in {:.1} s", started.elapsed().as_secs_f64());
    load(client, description, tables).await
}

async fn graph_exists(client: &Client, graph: &str) -> Result<bool> {
    let query = format!("SELECT count(*) FROM slipstream.graphs WHERE name = '{graph}'");
    let answer = client.simple_query(&query).await.map_err(Error::server("looking for an earlier load"))?;
    Ok(answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) != Some("0"))))
}

async fn load(client: &Client, description: &Description, tables: Vec<Table>) -> Result<()> {
    let started = Instant::now();
    let rows: usize = tables.iter().map(|table| table.count).sum();
    drop_leftovers(client, &tables).await?;
    for table in tables {
        run(client, format!("creating the table {}", table.name), table.create).await?;
        copy(client, table).await?;
    }
    let graph_started = Instant::now();
    print!("demo: graph {:<15} ", description.graph);
    flush();
    run(client, format!("creating the graph {}", description.graph), description.create_graph).await?;
    println!("indexed in {:.1} s", graph_started.elapsed().as_secs_f64());
    let seconds = started.elapsed().as_secs_f64();
    println!("demo: loaded {} rows in {seconds:.1} s, {} rows/s", grouped(rows), grouped(rate(rows, seconds)));
    Ok(())
}

/// An interrupted load leaves tables without the graph. Edges go first, as they were made last.
async fn drop_leftovers(client: &Client, tables: &[Table]) -> Result<()> {
    for table in tables.iter().rev() {
        let statement = format!("DROP TABLE IF EXISTS {}", table.name);
        run(client, format!("dropping the unfinished table {}", table.name), &statement).await?;
    }
    Ok(())
}

async fn run(client: &Client, step: String, statement: &str) -> Result<()> {
    client.batch_execute(statement).await.map_err(Error::server(step))
}

async fn copy(client: &Client, table: Table) -> Result<()> {
    let failed = || Error::server(format!("loading the table {}", table.name));
    let mut progress = Progress::new(table.name, table.count);
    let sink = client.copy_in(&format!("COPY {} FROM STDIN", table.name)).await.map_err(failed())?;
    pin_mut!(sink);
    let mut chunk = String::with_capacity(CHUNK + CHUNK / 4);
    for row in table.rows {
        chunk.push_str(&row);
        progress.row();
        if chunk.len() >= CHUNK {
            sink.send(Bytes::from(std::mem::take(&mut chunk))).await.map_err(failed())?;
        }
    }
    sink.send(Bytes::from(chunk)).await.map_err(failed())?;
    let stored = sink.finish().await.map_err(failed())?;
    progress.finish(stored);
    Ok(())
}

/// The progress of one table: a line that is rewritten on a terminal, only its last form elsewhere.
struct Progress {
    table: &'static str,
    total: usize,
    sent: usize,
    started: Instant,
    shown: Instant,
    live: bool,
}

impl Progress {
    fn new(table: &'static str, total: usize) -> Self {
        let now = Instant::now();
        Progress { table, total, sent: 0, started: now, shown: now, live: stdout().is_terminal() }
    }

    fn row(&mut self) {
        self.sent += 1;
        if self.live && self.shown.elapsed() >= PROGRESS_INTERVAL {
            self.shown = Instant::now();
            let percent = 100 * self.sent / self.total.max(1);
            print!(
                "\rdemo: table {:<15} {percent:>3}% {:>9} rows{}",
                self.table,
                grouped(self.sent),
                self.rate(self.sent)
            );
            flush();
        }
    }

    fn finish(&self, stored: u64) {
        let stored = stored as usize;
        let start = if self.live { "\r" } else { "" };
        println!("{start}demo: table {:<15} 100% {:>9} rows{}", self.table, grouped(stored), self.rate(stored));
    }

    fn rate(&self, rows: usize) -> String {
        format!(", {:>8} rows/s", grouped(rate(rows, self.started.elapsed().as_secs_f64())))
    }
}

fn rate(rows: usize, seconds: f64) -> usize {
    (rows as f64 / seconds.max(1e-3)) as usize
}

/// 1234567 as 1,234,567.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn flush() {
    // A terminal that is gone is no reason to stop loading.
    let _ = stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1234), "1,234");
        assert_eq!(grouped(1234567), "1,234,567");
    }
}
