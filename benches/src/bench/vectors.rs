//! Nearest vectors by an index: Slipstream and PostgreSQL with pgvector, over the wire, recall measured in the same run.
//!
//! The vectors lie around centres, as embeddings of texts do. Both sides get the same rows and the same questions: the ten
//! nearest of all rows, of a tenth and of a hundredth, by one client and by several. What each finds is compared with
//! measuring every row here, so that speed and recall are of the same answers.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::try_join_all;

use super::asking::{Session, ask_all};
use super::random::Random;
use super::report::{Columns, milliseconds, print_title};
use super::servers::Server;
use super::wire::copy;
use super::{Place, Result, quantile};

/// What to run.
pub struct Options {
    /// Vectors.
    pub rows: usize,
    /// Numbers in each.
    pub dimension: usize,
    /// How often each question is asked by each client.
    pub rounds: usize,
    /// Clients that ask at a time.
    pub clients: Vec<usize>,
}

/// Rows that a question wants.
const WANTED: usize = 10;
/// Clusters that the vectors lie in.
const CLUSTERS: usize = 500;
/// Questions whose answers are compared with measuring every row.
const MEASURED: usize = 50;
/// Rows of one COPY.
const CHUNK: usize = 20_000;

/// Which rows take part: of a hundred, those below.
const SHARES: [(usize, &str); 3] = [(100, "of all rows"), (10, "of 10 %"), (1, "of 1 %")];

/// The rows, and questions about them.
struct Data {
    dimension: usize,
    numbers: Vec<f32>,
    questions: Vec<Vec<f32>>,
}

impl Data {
    fn make(options: &Options) -> Self {
        let mut random = Random::new(42);
        let origin = vec![0.0; options.dimension];
        let centres: Vec<Vec<f32>> = (0..CLUSTERS).map(|_| around(&origin, 1.0, &mut random)).collect();
        let mut vector = || {
            let centre = random.below(CLUSTERS);
            around(&centres[centre], 0.4, &mut random)
        };
        let numbers = (0..options.rows).flat_map(|_| vector()).collect();
        let questions = (0..options.rounds.max(MEASURED)).map(|_| vector()).collect();
        Data { dimension: options.dimension, numbers, questions }
    }

    fn rows(&self) -> usize {
        self.numbers.len() / self.dimension
    }

    fn row(&self, id: usize) -> &[f32] {
        &self.numbers[id * self.dimension..(id + 1) * self.dimension]
    }

    /// Rows in COPY's text format.
    fn copy_text(&self, ids: std::ops::Range<usize>) -> Result<Bytes> {
        let mut text = String::new();
        for id in ids {
            writeln!(text, "{id}\t{}\t{}", share_of(id), literal(self.row(id)))?;
        }
        Ok(text.into())
    }

    /// The greatest distance among the nearest rows.
    fn furthest(&self, question: &[f32], share: usize) -> f64 {
        let rows = (0..self.rows()).filter(|id| share_of(*id) < share);
        let mut distances: Vec<f64> = rows.map(|id| cosine_distance(self.row(id), question)).collect();
        let last = WANTED.min(distances.len()) - 1;
        *distances.select_nth_unstable_by(last, f64::total_cmp).1
    }
}

/// A vector whose numbers are at most so far from another's.
fn around(centre: &[f32], spread: f64, random: &mut Random) -> Vec<f32> {
    centre.iter().map(|number| number + ((random.unit() * 2.0 - 1.0) * spread) as f32).collect()
}

/// The part of the table, of a hundred, that a row is in.
fn share_of(id: usize) -> usize {
    id * 7919 % 100
}

fn literal(vector: &[f32]) -> String {
    let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
    format!("[{}]", numbers.join(","))
}

fn cosine_distance(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    1.0 - product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

/// A server with the rows in it.
struct Side {
    name: &'static str,
    server: Server,
    load: Duration,
    build: Duration,
}

/// Loads both sides, asks them in turns, and prints what came out.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    print_title(&format!("vectors: {} x {}, the {WANTED} nearest by cosine", options.rows, options.dimension));
    let data = Data::make(options);
    let slipstream = Server::slipstream(place, &folder.path().join("slipstream")).await?;
    let mut sides = vec![Side::load("slipstream", slipstream, &data).await?];
    if let Some(postgres) = Server::postgres(place, &folder.path().join("postgres")).await? {
        let client = postgres.connect().await?;
        // What a person gives a machine that builds such an index; its defaults would spill.
        client.batch_execute("ALTER SYSTEM SET maintenance_work_mem = '2GB'").await?;
        client.batch_execute("SELECT pg_reload_conf()").await?;
        sides.push(Side::load("pgvector", postgres, &data).await?);
    }
    print_builds(&sides);
    let mut columns = Columns::new(&["question", "clients", "side", "recall", "median", "p99", "per second"]);
    for (share, name) in SHARES {
        let mut recalls = Vec::new();
        for side in &sides {
            recalls.push(side.recall(&data, share).await?);
        }
        for clients in &options.clients {
            for (side, recall) in sides.iter().zip(&recalls) {
                let (mut times, took) = side.ask(&data, share, *clients, options.rounds).await?;
                let per_second = times.len() as f64 / took.as_secs_f64();
                columns.line(vec![
                    name.to_string(),
                    clients.to_string(),
                    side.name.to_string(),
                    format!("{recall:.3}"),
                    milliseconds(quantile(&mut times, 0.5)),
                    milliseconds(quantile(&mut times, 0.99)),
                    format!("{per_second:.0}"),
                ]);
            }
        }
    }
    columns.print();
    println!("aim: at least pgvector's questions a second at equal recall, 5 times at 1 %, builds 5 times faster");
    for side in sides {
        side.server.stop().await?;
    }
    Ok(())
}

impl Side {
    async fn load(name: &'static str, server: Server, data: &Data) -> Result<Side> {
        let client = server.connect().await?;
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").await?;
        let table = format!(
            "CREATE TABLE items (id bigint PRIMARY KEY, share integer NOT NULL, v vector({}) NOT NULL)",
            data.dimension
        );
        client.batch_execute(&table).await?;
        let started = Instant::now();
        for start in (0..data.rows()).step_by(CHUNK) {
            copy(&client, "items", data.copy_text(start..(start + CHUNK).min(data.rows()))?).await?;
        }
        let load = started.elapsed();
        let started = Instant::now();
        client.batch_execute("CREATE INDEX ON items USING hnsw (v vector_cosine_ops)").await?;
        let build = started.elapsed();
        client.batch_execute("ANALYZE items").await?;
        Ok(Side { name, server, load, build })
    }

    async fn session(&self, share: usize) -> Result<Session> {
        let condition = if share == 100 { String::new() } else { format!("WHERE share < {share}") };
        let text = format!("SELECT id FROM items {condition} ORDER BY v <=> ($1::text)::vector LIMIT {WANTED}");
        // Without it pgvector finds too few rows of a share.
        Session::open(&self.server, "SET hnsw.iterative_scan = strict_order", &text).await
    }

    /// The share of the nearest that the index finds.
    async fn recall(&self, data: &Data, share: usize) -> Result<f64> {
        let session = self.session(share).await?;
        let (mut found, mut wanted) = (0, 0);
        for question in &data.questions[..MEASURED] {
            let furthest = data.furthest(question, share);
            let ids = session.ask(&literal(question)).await?;
            if ids.len() != WANTED || ids.iter().any(|id| share_of(*id) >= share) {
                return Err(format!("{}: {} rows of {WANTED}", self.name, ids.len()).into());
            }
            found += ids.iter().filter(|id| cosine_distance(data.row(**id), question) <= furthest + 1e-6).count();
            wanted += WANTED;
        }
        Ok(found as f64 / wanted as f64)
    }

    /// How long each question took of several clients, and all of them together.
    async fn ask(&self, data: &Data, share: usize, clients: usize, rounds: usize) -> Result<(Vec<Duration>, Duration)> {
        let sessions = try_join_all((0..clients).map(|_| self.session(share))).await?;
        let questions: Vec<String> = data.questions.iter().map(|question| literal(question)).collect();
        ask_all(&sessions, &questions, rounds).await
    }
}

fn print_builds(sides: &[Side]) {
    let mut columns = Columns::new(&["side", "load", "index build"]);
    for side in sides {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        columns.line(vec![side.name.to_string(), seconds(side.load), seconds(side.build)]);
    }
    columns.print();
}
