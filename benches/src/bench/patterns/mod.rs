//! Nine questions about a social network: Slipstream by its graph index, by joins and as it chooses, and bare Kuzu.
//!
//! [`data`] makes the network, [`questions`] has the questions; [`slipstream`] and [`kuzu`] load the one and answer the others.
//! Answers are compared before any time is taken; then the sides take turns.

mod data;
mod kuzu;
mod questions;
mod slipstream;

use std::time::{Duration, Instant};

use kuzu::Kuzu;
use questions::QUESTIONS;
use slipstream::Slipstream;

use super::report::{Columns, milliseconds, print_title, ratio};
use super::{Place, Result, quantile};

/// What to run.
pub struct Options {
    /// Persons; there are 24 times as many who follow whom.
    pub persons: usize,
    /// How often each question is asked.
    pub rounds: usize,
}

/// The ways in which Slipstream answers a pattern.
const STRATEGIES: [&str; 3] = ["auto", "index", "join"];

/// A value that comes back.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Number(i64),
    Text(String),
}

impl Cell {
    /// A mean, to as many places as all agree on.
    fn mean(number: f64) -> Cell {
        Cell::Text(format!("{number:.6}"))
    }
}

type Answer = Vec<Vec<Cell>>;

/// Loads both sides, asks every question of both, and prints what came out.
pub async fn run(place: &Place, options: &Options) -> Result<()> {
    let folder = place.temporary_folder()?;
    print_title("patterns: Slipstream over loopback, bare Kuzu in process");
    let tables = data::tables(options.persons);
    for table in &tables {
        print!("{} {}  ", table.rows.len(), table.name);
    }
    println!();
    let slipstream = Slipstream::load(place, &folder.path().join("slipstream"), &tables, &STRATEGIES).await?;
    let kuzu = Kuzu::load(&folder.path().join("bare"), &tables)?;

    let mut columns = Columns::new(&["median", "auto", "index", "joins", "kuzu", "auto / best"]);
    for at in 0..QUESTIONS.len() {
        columns.line(ask(at, options, &slipstream, &kuzu).await?);
    }
    columns.print();
    println!("aim: at most 1.3 times the best of the others");
    slipstream.stop().await
}

/// Compares the answers, then times the sides in turns.
async fn ask(at: usize, options: &Options, slipstream: &Slipstream, kuzu: &Kuzu) -> Result<Vec<String>> {
    let question = &QUESTIONS[at];
    let expected = kuzu.answer(question.cypher)?;
    for (way, strategy) in STRATEGIES.iter().enumerate() {
        let answer = slipstream.answer(way, at).await?;
        if answer != expected {
            let message = format!("{}, {strategy}: {answer:?}, {expected:?} expected", question.name);
            return Err(format!("the answers differ. {message}").into());
        }
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); STRATEGIES.len() + 1];
    let mut round_trips = Vec::new();
    for _ in 0..options.rounds {
        for (way, times) in times.iter_mut().enumerate() {
            let started = Instant::now();
            match way < STRATEGIES.len() {
                true => drop(slipstream.answer(way, at).await?),
                false => drop(kuzu.answer(question.cypher)?),
            }
            times.push(started.elapsed());
        }
        let started = Instant::now();
        slipstream.round_trip().await?;
        round_trips.push(started.elapsed());
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| quantile(times, 0.5)).collect();
    // The library is spared the way over the wire.
    let kuzu_served = medians[STRATEGIES.len()] + quantile(&mut round_trips, 0.5);
    let best = medians[1].min(medians[2]).min(kuzu_served);
    let mut line = vec![question.name.to_string()];
    line.extend(medians.iter().map(|time| milliseconds(*time)));
    line.push(format!("{:.2}", ratio(medians[0], best)));
    Ok(line)
}
