//! What a one-row commit costs: a row of a table, and an edge (a row and its entry in the graph index).
//!
//! The sides, which take turns, and what a power cut takes from each:
//!
//! * Slipstream ([`wire`]) with `durability = full`: nothing that was acknowledged;
//! * PostgreSQL ([`wire`]) with its default settings: the same. An edge is a row with two foreign keys there;
//! * bare [`lance`], which syncs nothing: what the system has not written by itself;
//! * bare [`kuzu`], which syncs its log.
//!
//! In each turn the [`disk`] is asked how long one sync takes. At the end strace counts the sync calls of a few more commits.

mod disk;
mod kuzu;
mod lance;
mod wire;
mod writer;

use std::path::Path;
use std::time::Duration;

use disk::Disk;
use writer::{Sample, Writer, Writers};

use super::report::{Columns, milliseconds, print_title, ratio};
use super::servers::{Server, SyncCounter};
use super::{Place, Result, quantile};

/// Vertices that edges may have as their ends.
const VERTICES: i64 = 10_000;

/// Bare Lance is measured up to so many writers: more of them only overtake one another.
const LANCE_WRITERS: usize = 8;

/// What to run.
pub struct Options {
    /// Numbers of clients.
    pub clients: Vec<usize>,
    /// How often each side has its turn.
    pub turns: usize,
    /// How long a turn is.
    pub span: Duration,
}

/// What is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// A row of a table that is in no graph.
    Row,
    /// A row of an edge table.
    Edge,
}

impl Work {
    const ALL: [Work; 2] = [Work::Row, Work::Edge];

    fn name(self) -> &'static str {
        match self {
            Work::Row => "row",
            Work::Edge => "edge",
        }
    }
}

/// The ends of an edge, spread over the vertices.
fn ends(id: i64) -> (i64, i64) {
    (1 + id * 7919 % VERTICES, 1 + id * 104_729 % VERTICES)
}

/// The servers of the run.
struct Servers {
    slipstream: Server,
    postgres: Option<Server>,
}

impl Servers {
    async fn start(place: &Place, folder: &Path) -> Result<Servers> {
        let slipstream = Server::slipstream(place, &folder.join("slipstream")).await?;
        wire::create(&slipstream, true).await?;
        let postgres = Server::postgres(place, &folder.join("postgres")).await?;
        if let Some(postgres) = &postgres {
            wire::create(postgres, false).await?;
        }
        Ok(Servers { slipstream, postgres })
    }

    fn named(&self) -> impl Iterator<Item = (&'static str, &Server)> {
        [("slipstream", &self.slipstream)].into_iter().chain(self.postgres.iter().map(|server| ("postgres", server)))
    }
}

/// Writers of all sides for one work.
struct Sides {
    servers: Vec<(&'static str, Writers<wire::Session>)>,
    lance: Writers<lance::Appender>,
    kuzu: Writers<kuzu::Caller>,
}

impl Sides {
    async fn new(servers: &Servers, folder: &Path, work: Work, clients: usize) -> Result<Sides> {
        let mut sessions = Vec::new();
        for (name, server) in servers.named() {
            sessions.push((name, wire::writers(server, work, clients).await?));
        }
        let lance = lance::writers(folder, work, clients.min(LANCE_WRITERS)).await?;
        Ok(Sides { servers: sessions, lance, kuzu: kuzu::writers(folder, work, clients)? })
    }

    /// Every side's turn, and the disk's.
    async fn turn(&mut self, clients: usize, span: Duration, measured: &mut Measured) -> Result<()> {
        measured.disk.probe().await?;
        for (name, writers) in &mut self.servers {
            measured.note(name, turn(writers, clients, span).await?);
        }
        if clients <= LANCE_WRITERS {
            measured.note("bare lance", turn(&mut self.lance, clients, span).await?);
        }
        measured.note("bare kuzu", turn(&mut self.kuzu, clients, span).await?);
        Ok(())
    }
}

async fn turn<W: Writer>(writers: &mut Writers<W>, clients: usize, span: Duration) -> Result<Sample> {
    writers.turn(clients, span).await
}

/// What came out for one work and one number of clients.
struct Measured {
    disk: Disk,
    sides: Vec<(&'static str, Sample)>,
}

impl Measured {
    fn note(&mut self, side: &'static str, sample: Sample) {
        match self.sides.iter_mut().find(|(name, _)| *name == side) {
            Some((_, so_far)) => so_far.add(sample),
            None => self.sides.push((side, sample)),
        }
    }

    fn add_to(mut self, columns: &mut Columns, clients: usize) {
        let sync = quantile(&mut self.disk.times, 0.5);
        let postgres = self.sides.iter().find(|(name, _)| *name == "postgres");
        let postgres = postgres.map(|(_, sample)| sample.commits_per_second());
        for (side, sample) in &mut self.sides {
            let rate = sample.commits_per_second();
            let median = quantile(&mut sample.latencies, 0.5);
            columns.line(vec![
                format!("{clients:>2} {side}"),
                format!("{rate:.0}"),
                milliseconds(median),
                milliseconds(quantile(&mut sample.latencies, 0.99)),
                postgres.map_or_else(String::new, |postgres| format!("{:.2}", rate / postgres)),
                format!("{:.1}", ratio(median, sync)),
            ]);
        }
        let (late, text) = (quantile(&mut self.disk.times, 0.99), format!("{clients:>2} the disk's sync"));
        columns.line(vec![text, String::new(), milliseconds(sync), milliseconds(late)]);
    }
}

/// Runs every work with every number of clients, and prints what came out.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    let servers = Servers::start(place, folder.path()).await?;
    let most = options.clients.iter().copied().max().unwrap_or(1);
    for work in Work::ALL {
        print_title(&format!("commits of one {}", work.name()));
        let mut sides = Sides::new(&servers, folder.path(), work, most).await?;
        let mut columns = Columns::new(&["clients", "commits/s", "median", "99 %", "of postgres", "median / sync"]);
        for &clients in &options.clients {
            let mut measured = Measured { disk: Disk::new(folder.path()), sides: Vec::new() };
            for _ in 0..options.turns {
                sides.turn(clients, options.span, &mut measured).await?;
            }
            measured.add_to(&mut columns, clients);
        }
        columns.print();
        count_syncs(&servers, &mut sides, options).await?;
    }
    println!("aims: 32 clients at half of PostgreSQL's commits or more, one client within 8 syncs of the disk");
    servers.slipstream.stop().await?;
    match servers.postgres {
        Some(postgres) => postgres.stop().await,
        None => Ok(()),
    }
}

/// Sync calls for each commit, which tracing makes slower.
async fn count_syncs(servers: &Servers, sides: &mut Sides, options: &Options) -> Result<()> {
    let mut columns = Columns::new(&["clients", "sync calls a commit"]);
    for &clients in &options.clients {
        for ((name, server), (_, writers)) in servers.named().zip(&mut sides.servers) {
            let Some(process) = server.process_id() else { continue };
            let Some(counter) = SyncCounter::attach(process).await? else {
                println!("strace cannot be used here, so sync calls are not counted");
                return Ok(());
            };
            let commits = writers.turn(clients, options.span).await?.latencies.len();
            let calls = counter.finish().await?;
            columns.line(vec![format!("{clients:>2} {name}"), format!("{:.2}", calls as f64 / commits.max(1) as f64)]);
        }
    }
    columns.print();
    Ok(())
}
