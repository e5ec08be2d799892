//! Slipstream against the bare libraries it is made of: the same work over loopback and in this process, as ratios.
//!
//! 1. [`data`] makes a social graph and a table of vectors, the same in every run.
//! 2. Both sides load it: [`slipstream`] copies the rows into a server of its own over the wire; [`bare`] writes the same
//!    rows with Lance and copies them into Kuzu.
//! 3. Every question is asked of both sides with the same rotating keys. Their answers are compared before any time is
//!    taken; then the sides take turns, so that whatever else the machine does falls on both.
//! 4. The question of all kinds of data at once is asked of [`postgres`] too.
//! 5. [`report`] prints medians and ratios, with `SELECT 1` as the price of a round trip and a statement.
//!
//! Durability: the server runs with its default, `full`, while the bare libraries sync nothing but Kuzu's checkpoint. That
//! is in the ratio of the load.

mod bare;
mod data;
mod postgres;
mod report;
mod slipstream;

use std::time::{Duration, Instant};

use bare::Bare;
use data::Data;
use postgres::Postgres;
use report::{Measure, print_hybrid, print_loads, print_measures};
use slipstream::Slipstream;

use super::report::print_title;
use super::{Place, Result, quantile};

/// What to run.
pub struct Options {
    /// Persons, and as many vectors; there are five times as many edges.
    pub rows: usize,
    /// How often each question is asked.
    pub rounds: usize,
}

/// What both sides are asked. Answers are ids, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// `SELECT 1`: a round trip and the least statement there is.
    SelectOne,
    /// Whom a person knows.
    OneHop,
    /// Whom those know, each path once.
    TwoHops,
    /// The rows below a price, one in a hundred.
    FilteredScan,
    /// The ten nearest vectors, exactly.
    Nearest,
    /// The persons of the twenty nearest vectors, whom those know in two steps, and how many of those have which age: for each
    /// decade, its number times [`DECADE`] and the persons.
    Hybrid,
}

/// What the number of a decade is multiplied with in an answer.
const DECADE: i64 = 1_000_000;

impl Question {
    const ALL: [Question; 6] = [
        Question::SelectOne,
        Question::OneHop,
        Question::TwoHops,
        Question::FilteredScan,
        Question::Nearest,
        Question::Hybrid,
    ];

    fn name(self) -> &'static str {
        match self {
            Question::SelectOne => "SELECT 1",
            Question::OneHop => "1 hop by key",
            Question::TwoHops => "2 hops by key",
            Question::FilteredScan => "filtered scan, 1 % of the rows",
            Question::Nearest => "10 nearest of all, exact",
            Question::Hybrid => "20 nearest, 2 hops, by age",
        }
    }

    /// Scans take milliseconds and settle sooner.
    fn rounds(self, rounds: usize) -> usize {
        match self {
            Question::SelectOne | Question::OneHop | Question::TwoHops => rounds,
            Question::FilteredScan | Question::Nearest | Question::Hybrid => (rounds / 10).max(5),
        }
    }
}

/// Loads both sides, asks every question of both, and prints what came out.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    print_title("reading: Slipstream over loopback, bare Lance and Kuzu in process");
    println!("making {} persons, {} edges, {} vectors", options.rows, 5 * options.rows, options.rows);
    let data = Data::make(options.rows);

    let (slipstream, slipstream_load) = Slipstream::load(place, &folder.path().join("slipstream"), &data).await?;
    let (bare, bare_load) = Bare::load(&folder.path().join("bare"), &data).await?;
    print_loads(&slipstream_load, &bare_load);

    let mut measures = Vec::new();
    for question in Question::ALL {
        measures.push(ask(question, options, &data, &slipstream, &bare).await?);
    }
    print_measures(&measures);
    if let Some(postgres) = Postgres::load(place, &folder.path().join("postgres"), &data).await? {
        let hybrid = ask_postgres(options, &data, &slipstream, &postgres).await?;
        print_hybrid(&hybrid);
        postgres.stop().await?;
    }
    slipstream.stop().await
}

/// Compares the answers, then times the sides in turns.
async fn ask(
    question: Question,
    options: &Options,
    data: &Data,
    slipstream: &Slipstream,
    bare: &Bare,
) -> Result<Measure> {
    let rounds = question.rounds(options.rounds);
    let keys: Vec<i64> = (0..rounds).map(|round| data.key(round)).collect();
    for key in &keys[..rounds.min(20)] {
        let (ours, theirs) = (slipstream.answer(question, data, *key).await?, bare.answer(question, data, *key).await?);
        if ours != theirs {
            let message = format!("{} of {key}: {} rows, {} expected", question.name(), ours.len(), theirs.len());
            return Err(format!("the answers differ. {message}").into());
        }
    }
    let mut ours = Vec::with_capacity(rounds);
    let mut theirs = Vec::with_capacity(rounds);
    for key in keys {
        ours.push(timed(slipstream.answer(question, data, key)).await?);
        theirs.push(timed(bare.answer(question, data, key)).await?);
    }
    Ok(Measure { question, ours: quantile(&mut ours, 0.5), theirs: quantile(&mut theirs, 0.5) })
}

/// The question of all kinds of data at once, also of PostgreSQL.
async fn ask_postgres(options: &Options, data: &Data, slipstream: &Slipstream, postgres: &Postgres) -> Result<Measure> {
    let question = Question::Hybrid;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..question.rounds(options.rounds) {
        let key = data.key(round);
        if round < 20 && slipstream.answer(question, data, key).await? != postgres.hybrid(data, key).await? {
            return Err(format!("PostgreSQL's answer to {} of {key} is another", question.name()).into());
        }
        ours.push(timed(slipstream.answer(question, data, key)).await?);
        theirs.push(timed(postgres.hybrid(data, key)).await?);
    }
    Ok(Measure { question, ours: quantile(&mut ours, 0.5), theirs: quantile(&mut theirs, 0.5) })
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<Duration> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed())
}
