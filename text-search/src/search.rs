//! The conditions of `@@@`: terms, phrases, fuzzy terms and prefixes, joined by AND, OR, NOT, `+` and `-`, weighted by boosts.
//!
//! A text is the runs of letters and digits in it, made lexemes by a configuration. Nothing else counts, so that an index of
//! such runs knows everything that a condition asks. [`bm25`](crate::bm25) scores what matches.

use std::collections::HashMap;

use crate::config::{LONGEST_LEXEME, Lexer};
use crate::token::Kind;

/// What a search looks for. [`crate::search_text`] reads one.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// How the leaves hang together; `None` when nothing but stop words is asked for, which matches nothing.
    pub(crate) root: Option<Node>,
    /// What is looked for in the texts.
    pub(crate) leaves: Vec<Leaf>,
}

/// How leaves hang together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// The leaf of that number.
    Leaf(usize),
    /// Not.
    Not(Box<Node>),
    /// All of them.
    All(Vec<Node>),
    /// At least one of them.
    Any(Vec<Node>),
}

/// Something that a text has or has not.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    /// What it is.
    pub what: What,
    /// The field to look in, by its number; all of them without.
    pub field: Option<usize>,
    /// What its score is multiplied with.
    pub boost: f32,
    /// Whether it adds to a score: not under NOT.
    pub scores: bool,
}

/// What a leaf looks for.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A lexeme.
    Term(String),
    /// Lexemes that a few edits make of this one.
    Fuzzy(String, usize),
    /// Lexemes that begin so.
    Prefix(String),
    /// Lexemes in this order, each at its distance from the first; that many words more may stand between them.
    Phrase(Vec<(String, usize)>, usize),
}

/// The words of one field of a text.
#[derive(Debug, Default)]
pub struct Words {
    places: HashMap<String, Vec<usize>>,
    /// How many there are, stop words among them.
    pub length: usize,
}

impl Words {
    /// The words of a text.
    pub fn of(lexer: &mut Lexer, text: &str) -> Words {
        let mut words = Words::default();
        for (place, run) in runs(text).enumerate() {
            words.length += 1;
            if let Some(lexeme) = lexeme(lexer, run) {
                words.places.entry(lexeme).or_default().push(place);
            }
        }
        words
    }

    /// How often a text has what a leaf looks for.
    pub fn frequency(&self, what: &What) -> usize {
        let sum_of = |wanted: &dyn Fn(&str) -> bool| -> usize {
            self.places.iter().filter(|(lexeme, _)| wanted(lexeme)).map(|(_, places)| places.len()).sum()
        };
        match what {
            What::Term(lexeme) => self.places.get(lexeme).map_or(0, Vec::len),
            What::Prefix(prefix) => sum_of(&|lexeme| lexeme.starts_with(prefix.as_str())),
            What::Fuzzy(term, edits) => sum_of(&|lexeme| is_within(term, lexeme, *edits)),
            What::Phrase(lexemes, slop) => self.phrases(lexemes, *slop),
        }
    }

    fn phrases(&self, lexemes: &[(String, usize)], slop: usize) -> usize {
        let Some(((first, _), rest)) = lexemes.split_first() else { return 0 };
        let starts = self.places.get(first).map(Vec::as_slice).unwrap_or_default();
        let found = |start: &&usize| {
            // Each word as early as it can be leaves the most room for the next.
            let mut extra = 0;
            rest.iter().all(|(lexeme, distance)| {
                let earliest = *start + distance + extra;
                let places = self.places.get(lexeme).map(Vec::as_slice).unwrap_or_default();
                let next = places.iter().find(|place| **place >= earliest);
                next.is_some_and(|place| {
                    extra = place - *start - distance;
                    extra <= slop
                })
            })
        };
        starts.iter().filter(found).count()
    }
}

/// The runs of letters and digits of a text.
pub fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// The lexeme of a run; `None` for a stop word, and for what is too long to be one.
pub(crate) fn lexeme(lexer: &mut Lexer, run: &str) -> Option<String> {
    if run.len() > LONGEST_LEXEME { None } else { lexer.lexeme(Kind::Word, run) }
}

impl Search {
    /// The leaves, by their numbers.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// How often a text has each leaf, in each of its fields.
    pub fn frequencies(&self, fields: &[Option<Words>]) -> Vec<Vec<usize>> {
        let frequency = |leaf: &Leaf| {
            let field = |(at, words): (usize, &Option<Words>)| match words {
                Some(words) if leaf.field.is_none_or(|wanted| wanted == at) => words.frequency(&leaf.what),
                _ => 0,
            };
            fields.iter().enumerate().map(field).collect()
        };
        self.leaves.iter().map(frequency).collect()
    }

    /// Whether a text with these [`Search::frequencies`] matches.
    pub fn holds(&self, frequencies: &[Vec<usize>]) -> bool {
        self.root.as_ref().is_some_and(|root| root.holds(frequencies))
    }

    /// Whether a lexeme is one of those that make a text match, for highlighting.
    pub fn wants(&self, lexeme: &str) -> bool {
        self.leaves.iter().filter(|leaf| leaf.scores).any(|leaf| match &leaf.what {
            What::Term(term) => term == lexeme,
            What::Fuzzy(term, edits) => is_within(term, lexeme, *edits),
            What::Prefix(prefix) => lexeme.starts_with(prefix.as_str()),
            What::Phrase(lexemes, _) => lexemes.iter().any(|(word, _)| word == lexeme),
        })
    }
}

impl Node {
    fn holds(&self, frequencies: &[Vec<usize>]) -> bool {
        match self {
            Node::Leaf(number) => frequencies.get(*number).is_some_and(|counts| counts.iter().any(|count| *count > 0)),
            Node::Not(inner) => !inner.holds(frequencies),
            Node::All(nodes) => nodes.iter().all(|node| node.holds(frequencies)),
            Node::Any(nodes) => nodes.iter().any(|node| node.holds(frequencies)),
        }
    }
}

/// Whether a few edits (a letter more, less or another) make one word of another.
fn is_within(a: &str, b: &str, edits: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > edits {
        return false;
    }
    // One row of the table of distances after the other.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for column in 1..row.len() {
            let replaced = diagonal + usize::from(*letter != b[column - 1]);
            diagonal = row[column];
            row[column] = replaced.min(row[column] + 1).min(row[column - 1] + 1);
        }
        if row.iter().min().is_some_and(|least| *least > edits) {
            return false;
        }
    }
    row.last().is_some_and(|distance| *distance <= edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, distance) in [("kitten", "sitting", 3), ("cat", "cat", 0), ("cat", "cart", 1), ("", "ab", 2)] {
            assert!(is_within(a, b, distance), "{a} {b}");
            assert!(distance == 0 || !is_within(a, b, distance - 1), "{a} {b}");
        }
    }
}
