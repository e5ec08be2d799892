//! The same statements on Slipstream and on PostgreSQL 15, and the same answers.
//!
//! A seeded [`generator`] writes episodes: statement after statement over a handful of small tables, with what the features in
//! [`feature`] allow. PostgreSQL answers first, and the generator learns from its answer what there is. Every answer is compared
//! ([`outcome`]): rows (sorted, unless the order is total), names and types of columns, command tags, SQLSTATE and what an error
//! names, warnings, and the transaction status. A mismatch is cut down to the statements that it needs ([`shrink`]) and shown.
//!
//! * `SLIPSTREAM_SEED` starts at another episode: the number that a mismatch names replays its episode alone with
//!   `SLIPSTREAM_STATEMENTS=1`;
//! * `SLIPSTREAM_STATEMENTS` is how many statements are compared at least;
//! * `SLIPSTREAM_FEATURES` and `SLIPSTREAM_WITHOUT` choose the features, by name with commas between;
//! * `SLIPSTREAM_MISMATCHES` is how many mismatches are gathered before the test gives up, 1 otherwise.
//!
//! What is left out, because the two differ on purpose: keys that one UPDATE moves over each other (Postgres compares row by
//! row, Slipstream when the statement ends), which of several constraints a statement of many rows names, and the number of
//! digits of an average.

mod dice;
mod feature;
mod generator;
mod outcome;
mod schema;
mod shrink;
mod sides;

use feature::Features;
use generator::Generator;
use outcome::Outcome;
use sides::Sides;

/// Statements of `make test`.
const STATEMENTS: usize = 3000;
/// Statements of one episode, which begins with nothing.
const EPISODE: usize = 80;
/// Where `make test` begins; a soak begins elsewhere every time.
const SEED: u64 = 1;

/// One message to both servers.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    /// One statement, or a list of them.
    sql: String,
    /// What goes in after a COPY FROM STDIN.
    input: Option<String>,
    /// Whether the order of the rows is told.
    ordered: bool,
    /// Whether it takes the extended protocol.
    extended: bool,
    /// How alike errors have to be.
    errors: Alike,
}

/// How alike two errors have to be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Alike {
    /// The same SQLSTATE; of a constraint that is broken, also its name, the message and the detail.
    Details,
    /// The same SQLSTATE.
    Code,
    /// The same SQLSTATE, or on either side a broken constraint, one row that a statement affects twice, or a line of COPY that
    /// cannot be read: it may break several, of which either server names one.
    Class,
}

impl Step {
    fn new(sql: impl Into<String>) -> Step {
        Step { sql: sql.into(), input: None, ordered: false, extended: false, errors: Alike::Details }
    }
}

/// Where the two servers part, with the statements that lead there.
struct Mismatch {
    history: Vec<Step>,
    expected: Outcome,
    found: Outcome,
}

impl Mismatch {
    /// Whether it is the same mismatch, as far as one can tell: the same last statement, answered with the same SQLSTATEs.
    fn is_like(&self, other: &Mismatch) -> bool {
        let code = |outcome: &Outcome| outcome.error.as_ref().map(|error| error.code.clone());
        self.history.last() == other.history.last()
            && code(&self.expected) == code(&other.expected)
            && code(&self.found) == code(&other.found)
    }
}

#[tokio::test]
async fn statements_give_what_postgres_gives() {
    let seed = number("SLIPSTREAM_SEED").unwrap_or(SEED);
    let statements = number("SLIPSTREAM_STATEMENTS").map_or(STATEMENTS, |count| count as usize);
    let patience = number("SLIPSTREAM_MISMATCHES").unwrap_or(1);
    let features = Features::chosen();
    println!("seed {seed}, {statements} statements, features: {features}");
    let mut sides = Sides::start().await;
    let mut tally = outcome::Tally::default();
    let mut mismatches = 0;
    let mut episode = seed;
    while tally.statements < statements && mismatches < patience {
        if let Some(mismatch) = run_episode(&mut sides, episode, &features, &mut tally).await {
            mismatches += 1;
            let mismatch = shrink::shrink(&mut sides, mismatch).await;
            println!("{}", describe(&mismatch, episode, mismatches));
        }
        episode += 1;
    }
    println!("{tally}");
    assert_eq!(mismatches, 0, "PostgreSQL answers otherwise; see above");
    tally.assert_worth_it();
}

/// Runs one episode; its statements depend on the seed and on PostgreSQL's answers alone.
async fn run_episode(
    sides: &mut Sides,
    seed: u64,
    features: &Features,
    tally: &mut outcome::Tally,
) -> Option<Mismatch> {
    sides.reset().await;
    let mut generator = Generator::new(seed, features.clone());
    let mut history = Vec::new();
    while let Some(proposal) = generator.next(history.len() < EPISODE) {
        history.push(proposal.step.clone());
        let (expected, found) = sides.run(&proposal.step).await;
        tally.count(&expected);
        if !found.agrees(&expected, &proposal.step) {
            return Some(Mismatch { history, expected, found });
        }
        generator.learn(proposal.effect, &expected);
    }
    None
}

fn describe(mismatch: &Mismatch, seed: u64, number: u64) -> String {
    let mut text = format!("---- mismatch {number}, SLIPSTREAM_SEED={seed} SLIPSTREAM_STATEMENTS=1\n");
    for step in &mismatch.history {
        let protocol = if step.extended { " -- extended protocol" } else { "" };
        text += &format!("{};{protocol}\n", step.sql);
        if let Some(input) = &step.input {
            text += &format!("{input}\\.\n");
        }
    }
    format!("{text}-- PostgreSQL\n{}\n-- Slipstream\n{}", mismatch.expected, mismatch.found)
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}
