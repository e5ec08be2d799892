//! `tsquery`: a condition on the lexemes of a text.

use std::fmt::{self, Write};

use crate::error::{Error, ErrorKind, Result};
use crate::vector::{Weight, write_quoted};

/// The longest distance of a phrase.
pub const LONGEST_DISTANCE: u16 = 16_384;

/// A condition. An empty one, of stop words only, is `None` in [`TsQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A lexeme is there.
    Lexeme(Operand),
    /// Not.
    Not(Box<Node>),
    /// Both.
    And(Box<Node>, Box<Node>),
    /// One of them, or both.
    Or(Box<Node>, Box<Node>),
    /// The second stands that many words behind the first.
    Phrase(Box<Node>, Box<Node>, u16),
}

/// A lexeme that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// The lexeme.
    pub lexeme: String,
    /// Only with one of these labels; all when there are none.
    pub weights: Vec<Weight>,
    /// Any lexeme that begins so.
    pub prefix: bool,
}

impl Operand {
    /// A lexeme as it is.
    pub fn new(lexeme: impl Into<String>) -> Operand {
        Operand { lexeme: lexeme.into(), weights: Vec::new(), prefix: false }
    }
}

/// A condition, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TsQuery {
    root: Option<Node>,
}

impl From<Option<Node>> for TsQuery {
    fn from(root: Option<Node>) -> Self {
        TsQuery { root }
    }
}

impl TsQuery {
    /// The condition; `None` matches nothing.
    pub fn root(&self) -> Option<&Node> {
        self.root.as_ref()
    }

    /// `a && b`; what is empty has no say.
    #[must_use]
    pub fn and(self, other: TsQuery) -> TsQuery {
        self.with(other, Node::And)
    }

    /// `a || b`
    #[must_use]
    pub fn or(self, other: TsQuery) -> TsQuery {
        self.with(other, Node::Or)
    }

    /// `a <-> b`
    pub fn phrase(self, other: TsQuery, distance: i64) -> Result<TsQuery> {
        let distance = checked_distance(distance)?;
        Ok(self.with(other, |left, right| Node::Phrase(left, right, distance)))
    }

    /// `!! a`
    #[must_use]
    pub fn negated(self) -> TsQuery {
        TsQuery { root: self.root.map(|root| Node::Not(Box::new(root))) }
    }

    fn with(self, other: TsQuery, join: impl FnOnce(Box<Node>, Box<Node>) -> Node) -> TsQuery {
        let root = match (self.root, other.root) {
            (Some(left), Some(right)) => Some(join(Box::new(left), Box::new(right))),
            (left, right) => left.or(right),
        };
        TsQuery { root }
    }

    /// `numnode`: lexemes and operators.
    pub fn nodes(&self) -> usize {
        self.root.as_ref().map_or(0, Node::nodes)
    }

    /// The lexemes, each once, in their order.
    pub fn operands(&self) -> Vec<&Operand> {
        let mut operands = Vec::new();
        if let Some(root) = &self.root {
            root.collect(&mut operands);
        }
        operands.sort_by(|a, b| a.lexeme.cmp(&b.lexeme));
        operands.dedup_by(|a, b| a.lexeme == b.lexeme);
        operands
    }

    /// The lexemes that a text has because of which it matches, for highlighting: all but those under NOT.
    pub fn wanted(&self) -> Vec<&Operand> {
        let mut operands = Vec::new();
        if let Some(root) = &self.root {
            root.collect_wanted(&mut operands);
        }
        operands
    }
}

/// A distance that a phrase can have.
pub(crate) fn checked_distance(distance: i64) -> Result<u16> {
    match u16::try_from(distance) {
        Ok(distance) if distance <= LONGEST_DISTANCE => Ok(distance),
        _ => {
            let message = format!(
                "distance in phrase operator must be an integer value between zero and {LONGEST_DISTANCE} inclusive"
            );
            Err(Error::new(ErrorKind::InvalidParameter, message))
        }
    }
}

impl Node {
    fn nodes(&self) -> usize {
        match self {
            Node::Lexeme(_) => 1,
            Node::Not(inner) => 1 + inner.nodes(),
            Node::And(left, right) | Node::Or(left, right) | Node::Phrase(left, right, _) => {
                1 + left.nodes() + right.nodes()
            }
        }
    }

    fn collect<'a>(&'a self, operands: &mut Vec<&'a Operand>) {
        match self {
            Node::Lexeme(operand) => operands.push(operand),
            Node::Not(inner) => inner.collect(operands),
            Node::And(left, right) | Node::Or(left, right) | Node::Phrase(left, right, _) => {
                left.collect(operands);
                right.collect(operands);
            }
        }
    }

    fn collect_wanted<'a>(&'a self, operands: &mut Vec<&'a Operand>) {
        match self {
            Node::Lexeme(operand) => operands.push(operand),
            Node::Not(_) => {}
            Node::And(left, right) | Node::Or(left, right) | Node::Phrase(left, right, _) => {
                left.collect_wanted(operands);
                right.collect_wanted(operands);
            }
        }
    }

    /// How tightly it binds.
    fn precedence(&self) -> u8 {
        match self {
            Node::Or(..) => 1,
            Node::And(..) => 2,
            Node::Phrase(..) => 3,
            Node::Not(_) => 4,
            Node::Lexeme(_) => 5,
        }
    }

    /// Writes it, in parentheses where the operator around it binds more tightly.
    fn write(&self, f: &mut fmt::Formatter<'_>, around: u8, on_the_right_of_a_phrase: bool) -> fmt::Result {
        let own = self.precedence();
        let parentheses = own < around || (on_the_right_of_a_phrase && matches!(self, Node::Phrase(..)));
        if parentheses {
            f.write_str("( ")?;
        }
        match self {
            Node::Lexeme(operand) => write!(f, "{operand}")?,
            Node::Not(inner) => {
                f.write_char('!')?;
                inner.write(f, own, false)?;
            }
            Node::And(left, right) | Node::Or(left, right) => {
                left.write(f, own, false)?;
                f.write_str(if own == 1 { " | " } else { " & " })?;
                right.write(f, own, false)?;
            }
            Node::Phrase(left, right, distance) => {
                left.write(f, own, false)?;
                match distance {
                    1 => f.write_str(" <-> ")?,
                    distance => write!(f, " <{distance}> ")?,
                }
                right.write(f, own, true)?;
            }
        }
        if parentheses {
            f.write_str(" )")?;
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_quoted(f, &self.lexeme)?;
        if self.prefix || !self.weights.is_empty() {
            f.write_char(':')?;
        }
        if self.prefix {
            f.write_char('*')?;
        }
        for (weight, letter) in [(Weight::A, 'A'), (Weight::B, 'B'), (Weight::C, 'C'), (Weight::D, 'D')] {
            if self.weights.contains(&weight) {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TsQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Some(root) => root.write(f, 0, false),
            None => Ok(()),
        }
    }
}
