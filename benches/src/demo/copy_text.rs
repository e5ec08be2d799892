//! Rows in the text format of `COPY ... FROM STDIN`: fields between tabs, `\N` for NULL, backslash escapes.

use std::fmt::{Display, Write};

/// One row in the making; [`Row::finish`] gives its line.
#[derive(Default)]
pub struct Row {
    line: String,
    has_fields: bool,
}

impl Row {
    /// A row without fields.
    pub fn new() -> Self {
        Row::default()
    }

    /// A field whose text needs no escaping: a number or a boolean.
    pub fn plain(mut self, value: impl Display) -> Self {
        self.separate();
        write!(self.line, "{value}").expect("writing to a string does not fail");
        self
    }

    /// A text field.
    pub fn text(mut self, value: &str) -> Self {
        self.separate();
        self.escape(value);
        self
    }

    /// A text field, or NULL.
    pub fn nullable_text(self, value: Option<&str>) -> Self {
        match value {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// A number, or NULL.
    pub fn nullable_plain(self, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.plain(value),
            None => self.null(),
        }
    }

    /// A `text[]` field.
    pub fn text_array(self, items: &[String]) -> Self {
        let mut literal = String::from("{");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                literal.push(',');
            }
            literal.push('"');
            for character in item.chars() {
                if matches!(character, '"' | '\\') {
                    literal.push('\\');
                }
                literal.push(character);
            }
            literal.push('"');
        }
        literal.push('}');
        self.text(&literal)
    }

    /// A `vector` field; five decimals are plenty for the parts of a unit vector.
    pub fn vector(mut self, parts: &[f32]) -> Self {
        self.separate();
        self.line.push('[');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.line.push(',');
            }
            write!(self.line, "{part:.5}").expect("writing to a string does not fail");
        }
        self.line.push(']');
        self
    }

    /// The line, with its end.
    pub fn finish(mut self) -> String {
        self.line.push('\n');
        self.line
    }

    fn null(mut self) -> Self {
        self.separate();
        self.line.push_str("\\N");
        self
    }

    fn separate(&mut self) {
        if self.has_fields {
            self.line.push('\t');
        }
        self.has_fields = true;
    }

    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '\\' => self.line.push_str("\\\\"),
                '\n' => self.line.push_str("\\n"),
                '\r' => self.line.push_str("\\r"),
                '\t' => self.line.push_str("\\t"),
                // Postgres has no NUL in text.
                '\0' => {}
                other => self.line.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        let line = Row::new().plain(1).text("a\tb\\c\nd\0").finish();
        assert_eq!(line, "1\ta\\tb\\\\c\\nd\n");
    }

    #[test]
    fn null_differs_from_the_empty_text() {
        let line = Row::new().plain(1).nullable_text(None).nullable_text(Some("")).nullable_plain(Some(true)).finish();
        assert_eq!(line, "1\t\\N\t\ttrue\n");
    }

    #[test]
    fn array_items_are_quoted_and_then_escaped_as_text() {
        let items = ["plain".to_string(), "with \"quotes\" and \\".to_string()];
        let line = Row::new().plain(1).text_array(&items).finish();
        assert_eq!(line, "1\t{\"plain\",\"with \\\\\"quotes\\\\\" and \\\\\\\\\"}\n");
    }

    #[test]
    fn vectors_are_written_as_pgvector_reads_them() {
        assert_eq!(Row::new().plain(7).vector(&[0.5, -0.25]).finish(), "7\t[0.50000,-0.25000]\n");
    }
}
