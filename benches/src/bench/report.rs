//! Tables of numbers that a note can quote.

use std::time::Duration;

/// A title, and the machine it was measured on.
pub(super) fn print_title(title: &str) {
    let processors = std::thread::available_parallelism().map_or(0, |number| number.get());
    println!("\n== {title} ({processors} processors)");
}

/// Columns under their names, the first to the left, the others to the right.
pub(super) struct Columns {
    names: Vec<&'static str>,
    lines: Vec<Vec<String>>,
}

impl Columns {
    pub(super) fn new(names: &[&'static str]) -> Self {
        Columns { names: names.to_vec(), lines: Vec::new() }
    }

    pub(super) fn line(&mut self, cells: Vec<String>) {
        self.lines.push(cells);
    }

    pub(super) fn print(&self) {
        let width = |index: usize, name: &str| {
            let cells = self.lines.iter().filter_map(|line| line.get(index));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(name.len())
        };
        let widths: Vec<usize> = self.names.iter().enumerate().map(|(index, name)| width(index, name)).collect();
        let print = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).enumerate().map(|(index, (cell, width))| match index {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
        };
        print(self.names.clone());
        self.lines.iter().for_each(|line| print(line.iter().map(String::as_str).collect()));
    }
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

pub(super) fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64().max(1e-9)
}
