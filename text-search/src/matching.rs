//! Whether a text's lexemes satisfy a query.

use crate::query::{Node, Operand, TsQuery};
use crate::vector::{Position, TsVector};

impl TsQuery {
    /// `vector @@ query`. An empty query matches nothing.
    pub fn matches(&self, vector: &TsVector) -> bool {
        self.root().is_some_and(|root| holds(root, vector))
    }
}

fn holds(node: &Node, vector: &TsVector) -> bool {
    match node {
        Node::Lexeme(operand) => !found(operand, vector).is_none(),
        Node::Not(inner) => !holds(inner, vector),
        Node::And(left, right) => holds(left, vector) && holds(right, vector),
        Node::Or(left, right) => holds(left, vector) || holds(right, vector),
        Node::Phrase(..) => {
            let places = places(node, vector);
            places.everywhere_but || !places.ends.is_empty()
        }
    }
}

/// What a vector has of an operand.
enum Found {
    Nothing,
    /// The lexeme, and nobody knows where.
    Somewhere,
    At(Vec<u16>),
}

impl Found {
    fn is_none(&self) -> bool {
        matches!(self, Found::Nothing)
    }
}

/// Looks for the lexemes of an operand, with one of its labels if it has any.
fn found(operand: &Operand, vector: &TsVector) -> Found {
    let has_label = |position: &Position| operand.weights.is_empty() || operand.weights.contains(&position.weight);
    let (mut places, mut somewhere) = (Vec::new(), false);
    let mut look = |positions: &[Position]| {
        // Lexemes without positions are as good as any, unless a label is asked for.
        somewhere |= positions.is_empty() && operand.weights.is_empty();
        places.extend(positions.iter().filter(|position| has_label(position)).map(|position| position.place));
    };
    match operand.prefix {
        true => vector.with_prefix(&operand.lexeme).for_each(|(_, positions)| look(positions)),
        false => vector.positions(&operand.lexeme).into_iter().for_each(&mut look),
    }
    if places.is_empty() {
        return if somewhere { Found::Somewhere } else { Found::Nothing };
    }
    places.sort_unstable();
    places.dedup();
    Found::At(places)
}

/// Where something ends in a text, and how many words before that it begins.
#[derive(Default)]
struct Places {
    ends: Vec<u16>,
    width: u32,
    /// It is everywhere but there.
    everywhere_but: bool,
}

/// Which places of two sets to keep.
#[derive(Clone, Copy)]
struct Keep {
    left: bool,
    both: bool,
    right: bool,
}

fn places(node: &Node, vector: &TsVector) -> Places {
    match node {
        Node::Lexeme(operand) => match found(operand, vector) {
            Found::At(ends) => Places { ends, ..Places::default() },
            // A phrase needs to know where.
            Found::Nothing | Found::Somewhere => Places::default(),
        },
        Node::Not(inner) => {
            let inner = places(inner, vector);
            Places { everywhere_but: !inner.everywhere_but, ..inner }
        }
        Node::Phrase(left, right, distance) => {
            let (left, right) = (places(left, vector), places(right, vector));
            let offset = u32::from(*distance) + right.width;
            let width = offset + left.width;
            both(left, right, (offset, 0), width)
        }
        Node::And(left, right) => {
            let (left, right) = (places(left, vector), places(right, vector));
            let width = left.width.max(right.width);
            let offsets = (width - left.width, width - right.width);
            both(left, right, offsets, width)
        }
        Node::Or(left, right) => {
            let (left, right) = (places(left, vector), places(right, vector));
            let width = left.width.max(right.width);
            let offsets = (width - left.width, width - right.width);
            let keep = |left, both, right| Keep { left, both, right };
            let (keep, everywhere_but) = match (left.everywhere_but, right.everywhere_but) {
                (true, true) => (keep(false, true, false), true),
                (true, false) => (keep(true, false, false), true),
                (false, true) => (keep(false, false, true), true),
                (false, false) => (keep(true, true, true), false),
            };
            Places { ends: merge(&left.ends, &right.ends, offsets, keep), width, everywhere_but }
        }
    }
}

fn both(left: Places, right: Places, offsets: (u32, u32), width: u32) -> Places {
    let keep = |left, both, right| Keep { left, both, right };
    let (keep, everywhere_but) = match (left.everywhere_but, right.everywhere_but) {
        (true, true) => (keep(true, true, true), true),
        (true, false) => (keep(false, false, true), false),
        (false, true) => (keep(true, false, false), false),
        (false, false) => (keep(false, true, false), false),
    };
    Places { ends: merge(&left.ends, &right.ends, offsets, keep), width, everywhere_but }
}

/// Merges two sorted lists of places, each moved by its offset.
fn merge(left: &[u16], right: &[u16], offsets: (u32, u32), keep: Keep) -> Vec<u16> {
    let mut merged = Vec::new();
    let (mut at_left, mut at_right) = (0, 0);
    loop {
        let a = left.get(at_left).map(|place| u32::from(*place) + offsets.0);
        let b = right.get(at_right).map(|place| u32::from(*place) + offsets.1);
        let (place, keeps) = match (a, b) {
            (None, None) => return merged,
            (Some(a), Some(b)) if a == b => {
                (at_left, at_right) = (at_left + 1, at_right + 1);
                (a, keep.both)
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                at_left += 1;
                (a, keep.left)
            }
            (_, Some(b)) => {
                at_right += 1;
                (b, keep.right)
            }
            (Some(_), None) => return merged,
        };
        if keeps {
            merged.push(u16::try_from(place).unwrap_or(u16::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(vector: &str, query: &str) -> bool {
        TsQuery::parse(query).expect(query).matches(&TsVector::parse(vector).expect(vector))
    }

    #[test]
    fn queries_match_as_in_postgres() {
        for (vector, query, expected) in [
            ("a:1 b:2 c:3", "a & b", true),
            ("a:1 b:2 c:3", "a & !b", false),
            ("a:1 b:2 c:3", "a <-> b", true),
            ("a:1 b:2 c:3", "a <-> c", false),
            ("a:1 b:2 c:3", "a <2> c", true),
            ("a:1 b:2 c:3", "(a <-> b) <-> c", true),
            ("a:1 b:2 c:3", "a <-> (b <-> c)", true),
            ("a:1 b:2 c:3", "a <-> !b", false),
            ("a:1 b:2 c:3", "a <-> !c", true),
            ("a:1 b:2 c:3", "!a <-> c", true),
            ("a:1 b:2 c:3", "!b <-> c", false),
            ("a:1 b:2 c:3", "a <-> (b | x)", true),
            ("a:1 b:2 c:3", "(a & x) <-> b", false),
            ("a:1A b:2", "a:A", true),
            ("a:1A b:2", "a:BC", false),
            ("a b", "a", true),
            ("a b", "a <-> b", false),
            ("cat:1 catalog:5", "cata:*", true),
            ("cat:1 catalog:5", "dog:*", false),
            ("cat:1 catalog:5", "", false),
            ("", "!a", true),
        ] {
            assert_eq!(matches(vector, query), expected, "{vector} @@ {query}");
        }
    }
}
