//! The text that a client sent, and where a line and column of it lies.

use slipstream_engine::Error;

/// The whole text of one message; a statement list is split into statements that share it.
#[derive(Debug)]
pub(crate) struct SourceText {
    /// For every line, how many characters come before it.
    line_starts: Vec<usize>,
}

impl SourceText {
    pub(crate) fn new(text: &str) -> Self {
        let starts = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(index, _)| index + 1);
        SourceText { line_starts: std::iter::once(0).chain(starts).collect() }
    }

    /// The character at a line and column, all three counted from 1. Line 0 stands for "nowhere".
    pub(crate) fn position(&self, line: u64, column: u64) -> Option<usize> {
        let before = self.line_starts.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
        Some(before + usize::try_from(column).ok()?.max(1))
    }

    /// Points an error at a line and column.
    pub(crate) fn point(&self, error: Error, line: u64, column: u64) -> Error {
        match self.position(line, column) {
            Some(position) => error.at(position),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SourceText;

    #[test]
    fn positions_count_characters_not_bytes() {
        let source = SourceText::new("é;\nselect ü, x");
        assert_eq!(source.position(1, 1), Some(1));
        assert_eq!(source.position(2, 11), Some(14));
        assert_eq!(source.position(0, 0), None);
    }
}
