//! Medians and ratios, as a table that a note can quote.

use std::time::Duration;

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
    println!("\n{:<32} {:>12} {:>12} {:>7}  without SELECT 1", "median", "slipstream", "bare", "ratio");
    for measure in measures.iter() {
        print!("{:<32} {:>12}", measure.question.name(), milliseconds(measure.ours));
        if measure.question == Question::SelectOne {
            println!();
            continue;
        }
        let beyond = measure.ours.saturating_sub(round_trip.unwrap_or_default());
        println!(
            " {:>12} {:>7.2}  {:.2}",
            milliseconds(measure.theirs),
            ratio(measure.ours, measure.theirs),
            ratio(beyond, measure.theirs)
        );
    }
    println!("aims: hops within SELECT 1 + 3 x bare, scans within 1.2 x bare");
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9)
}
