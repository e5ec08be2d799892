//! `websearch_to_tsquery`: what people type into a search box. Words, "phrases", `or`, and `-` for not. Nothing is an error.

use crate::config::Lexer;
use crate::query::TsQuery;
use crate::query_text::Part;
use crate::to_query::{Joint, words};

/// More signs than this in front of a word are a line, and mean as much as this many.
const MOST_NEGATIONS: usize = 2;
/// What a `tsquery` has as operators ends a word.
const OPERATORS: [char; 7] = ['!', '&', '|', '(', ')', ':', '<'];

/// What a search box's text asks for.
pub fn websearch(lexer: &mut Lexer, text: &str) -> TsQuery {
    let mut whole: Option<Part> = None;
    let mut all: Option<Part> = None;
    for piece in pieces(text) {
        let (text, negations) = match piece {
            Piece::Or => {
                whole = either(whole, all.take());
                continue;
            }
            Piece::Text { text, negations } => (text, negations),
        };
        let part = words(lexer, text, &[], false, Joint::Phrase);
        let part = (0..negations.min(MOST_NEGATIONS)).fold(part, |part, _| Part::Not(Box::new(part)));
        all = Some(match all {
            Some(before) => Part::And(Box::new(before), Box::new(part)),
            None => part,
        });
    }
    either(whole, all).and_then(Part::into_node).into()
}

fn either(left: Option<Part>, right: Option<Part>) -> Option<Part> {
    match (left, right) {
        (Some(left), Some(right)) => Some(Part::Or(Box::new(left), Box::new(right))),
        (left, right) => left.or(right),
    }
}

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A word or a phrase.
    Text { text: &'a str, negations: usize },
    /// `or` between two others.
    Or,
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let unsigned = rest.trim_start_matches(|character: char| {
            character == '-' || character.is_whitespace() || OPERATORS.contains(&character)
        });
        let negations = rest[..rest.len() - unsigned.len()].matches('-').count();
        rest = unsigned;
        let Some(first) = rest.chars().next() else { break };
        if first == '"' {
            // A quote that is never closed closes at the end.
            let (phrase, after) = rest[1..].split_once('"').unwrap_or((&rest[1..], ""));
            pieces.push(Piece::Text { text: phrase, negations });
            rest = after;
            continue;
        }
        let ends = |character: char| character.is_whitespace() || character == '"' || OPERATORS.contains(&character);
        let end = rest.find(ends).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let between = !pieces.is_empty() && !matches!(pieces.last(), Some(Piece::Or)) && !after.trim().is_empty();
        match word.eq_ignore_ascii_case("or") && negations == 0 && between {
            true => pieces.push(Piece::Or),
            false => pieces.push(Piece::Text { text: word, negations }),
        }
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// What PostgreSQL 15 says.
    #[test]
    fn search_boxes_are_understood() {
        let mut english = Config::ENGLISH.lexer();
        for (text, expected) in [
            ("fat rats", "'fat' & 'rat'"),
            ("\"fat rats\" or cat -dog", "'fat' <-> 'rat' | 'cat' & !'dog'"),
            ("cat or \"the dog", "'cat' | 'dog'"),
            ("or cat or", "'cat'"),
            ("-\"sad cat\"", "!( 'sad' <-> 'cat' )"),
            ("a b:c & (d)", "'b' & 'c' & 'd'"),
            ("- cat --dog b - c", "!'cat' & !!'dog' & 'b' & !'c'"),
            ("b*c foo@bar", "'b' <-> 'c' & 'foo' <-> 'bar'"),
            ("foo-bar", "'foo-bar' <-> 'foo' <-> 'bar'"),
            ("", ""),
            ("the", ""),
            ("\"\"", ""),
        ] {
            assert_eq!(websearch(&mut english, text).to_string(), expected, "{text}");
        }
    }
}
