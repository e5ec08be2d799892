//! Where rows stood in the data, for errors that are found after they were read.

/// The lines of rows, which are kept as runs of lines that follow each other.
#[derive(Debug, Default)]
pub(crate) struct RowLines {
    /// The first row of each run, and its line.
    runs: Vec<(u64, u64)>,
    rows: u64,
}

impl RowLines {
    /// Adds a row.
    fn push(&mut self, line: u64) {
        if self.runs.last().is_none_or(|(row, first)| line != first + (self.rows - row)) {
            self.runs.push((self.rows, line));
        }
        self.rows += 1;
    }

    /// Adds the rows of a batch.
    pub(crate) fn extend(&mut self, batch: &RowLines) {
        for (at, (row, line)) in batch.runs.iter().enumerate() {
            let end = batch.runs.get(at + 1).map_or(batch.rows, |(row, _)| *row);
            if end > *row {
                self.push(*line);
                self.rows += end - row - 1;
            }
        }
    }

    /// The line of a row, counted from 0.
    pub(crate) fn line(&self, row: u64) -> Option<u64> {
        let run = self.runs.partition_point(|(first, _)| *first <= row).checked_sub(1)?;
        let (first, line) = self.runs.get(run)?;
        (row < self.rows).then(|| line + (row - first))
    }
}

/// Where the rows of a batch stood, and what they looked like.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    lines: RowLines,
    text: String,
    /// Where the text of each row ends.
    ends: Vec<usize>,
}

impl Origin {
    /// Adds a row that ended in a line.
    pub(super) fn push(&mut self, line: u64, text: &str) {
        self.lines.push(line);
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// Adds a row that has no text.
    pub(super) fn push_without_text(&mut self, line: u64) {
        self.lines.push(line);
    }

    /// The lines of the rows.
    pub(crate) fn lines(&self) -> &RowLines {
        &self.lines
    }

    /// The text of a row.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { *self.ends.get(row - 1)? };
        self.text.get(start..*self.ends.get(row)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_lines_are_found_again() {
        let mut all = RowLines::default();
        let mut expected: Vec<u64> = Vec::new();
        for batch in [&[2, 3, 4][..], &[5], &[], &[7, 8, 12], &[13]] {
            let mut origin = Origin::default();
            batch.iter().for_each(|line| origin.push(*line, &format!("row {line}")));
            assert_eq!(origin.text(batch.len()), None);
            for (row, line) in batch.iter().enumerate() {
                assert_eq!(origin.text(row), Some(format!("row {line}").as_str()));
                assert_eq!(origin.lines().line(row as u64), Some(*line));
            }
            all.extend(origin.lines());
            expected.extend(batch);
        }
        let found: Vec<u64> = (0..expected.len() as u64).filter_map(|row| all.line(row)).collect();
        assert_eq!(found, expected);
        assert_eq!(all.line(expected.len() as u64), None);
        assert_eq!(all.runs.len(), 3);
    }
}
