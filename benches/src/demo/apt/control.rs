//! Debian's control format (Debian policy, chapter 5): paragraphs between empty lines, `Field: value`, and lines that begin
//! with a space go on with the value before.

/// One paragraph, borrowed from the text. Values of several lines keep their line breaks.
pub(super) struct Paragraph<'a> {
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Paragraph<'a> {
    /// The value of a field, without the space around it.
    pub(super) fn get(&self, field: &str) -> Option<&'a str> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, value)| *value)
    }

    fn parse(text: &'a str) -> Self {
        let mut fields = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (field, after) = rest.split_at(end_of_field(rest));
            if let Some((name, value)) = field.split_once(':') {
                fields.push((name, value.trim()));
            }
            rest = after;
        }
        Paragraph { fields }
    }
}

/// Where the first line stands that does not go on with the value before it.
fn end_of_field(text: &str) -> usize {
    let goes_on = |at: usize| text[at..].starts_with([' ', '\t']);
    text.match_indices('\n').map(|(at, _)| at + 1).find(|at| !goes_on(*at)).unwrap_or(text.len())
}

/// The paragraphs of a text.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    text.split("\n\n")
        .map(|paragraph| paragraph.trim_matches('\n'))
        .filter(|text| !text.is_empty())
        .map(Paragraph::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_on_in_lines_that_begin_with_a_space() {
        let text = "Package: a\nTag: x::y,\n z::w\nSection: games\n\n\nPackage: b\nHomepage: https://example.org/\n";
        let paragraphs: Vec<_> = paragraphs(text).collect();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].get("Tag"), Some("x::y,\n z::w"));
        assert_eq!(paragraphs[0].get("Section"), Some("games"));
        assert_eq!(paragraphs[1].get("Homepage"), Some("https://example.org/"));
        assert_eq!(paragraphs[1].get("Section"), None);
    }
}
