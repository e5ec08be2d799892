//! Medians and ratios, as a table that a note can quote.

use std::time::Duration;

use super::super::report::{Columns, milliseconds, ratio};
use super::Question;

/// The medians of one question.
pub(super) struct Measure {
    pub(super) question: Question,
    pub(super) ours: Duration,
    pub(super) theirs: Duration,
}

/// How long a side took to load, step by step.
pub(super) struct Load {
    pub(super) steps: Vec<(&'static str, Duration)>,
}

impl Load {
    fn total(&self) -> Duration {
        self.steps.iter().map(|(_, time)| *time).sum()
    }

    fn print(&self, side: &str) {
        let steps: Vec<String> =
            self.steps.iter().map(|(name, time)| format!("{name} {:.2} s", time.as_secs_f64())).collect();
        println!("{side:<12} {:>7.2} s: {}", self.total().as_secs_f64(), steps.join(", "));
    }
}

pub(super) fn print_loads(ours: &Load, theirs: &Load) {
    println!("\nload");
    ours.print("slipstream");
    theirs.print("bare");
    let speed = theirs.total().as_secs_f64() / ours.total().as_secs_f64();
    println!("speed of slipstream: {speed:.2} of the bare libraries (aim: 0.7)");
}

pub(super) fn print_measures(measures: &[Measure]) {
    let round_trip =
        measures.iter().find(|measure| measure.question == Question::SelectOne).map(|measure| measure.ours);
    let mut columns = Columns::new(&["median", "slipstream", "bare", "ratio", "without SELECT 1"]);
    for measure in measures {
        let mut cells = vec![measure.question.name().to_string(), milliseconds(measure.ours)];
        if measure.question != Question::SelectOne {
            let beyond = measure.ours.saturating_sub(round_trip.unwrap_or_default());
            cells.push(milliseconds(measure.theirs));
            cells.push(format!("{:.2}", ratio(measure.ours, measure.theirs)));
            cells.push(format!("{:.2}", ratio(beyond, measure.theirs)));
        }
        columns.line(cells);
    }
    println!();
    columns.print();
    println!("aims: hops within SELECT 1 + 3 x bare, scans within 1.2 x bare");
}

pub(super) fn print_hybrid(measure: &Measure) {
    let faster = ratio(measure.theirs, measure.ours);
    let (name, theirs) = (measure.question.name(), milliseconds(measure.theirs));
    println!(
        "{name}: PostgreSQL {theirs}, slipstream {}, {faster:.2} times as fast (aim: 3)",
        milliseconds(measure.ours)
    );
}
