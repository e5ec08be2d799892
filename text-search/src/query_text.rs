//! The text form of a `tsquery`: `'fat' & ( 'rat' | !'cat':*AB ) <2> 'dog'`.
//!
//! What an operand means is the caller's: the type's own reader takes it as it is, `to_tsquery` makes lexemes of it.

use crate::config::LONGEST_LEXEME;
use crate::error::{Error, ErrorKind, Result};
use crate::query::{Node, Operand, TsQuery, checked_distance};
use crate::vector::Weight;

/// How deep a query may nest.
const DEEPEST: usize = 500;

impl TsQuery {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<TsQuery> {
        let node = parse(text, &mut |operand| {
            if operand.lexeme.is_empty() {
                return Err(Error::syntax("tsquery", text));
            }
            Ok(Part::Node(Node::Lexeme(operand)))
        })?;
        Ok(node.and_then(Part::into_node).into())
    }
}

/// A part of a query on its way: where stop words were is remembered until distances are put right.
pub(crate) enum Part {
    /// A condition.
    Node(Node),
    /// A stop word.
    Stop,
    /// An operator with a stop word somewhere under it.
    Not(Box<Part>),
    /// The same.
    And(Box<Part>, Box<Part>),
    /// The same.
    Or(Box<Part>, Box<Part>),
    /// The same.
    Phrase(Box<Part>, Box<Part>, u16),
}

impl Part {
    /// The condition without its stop words.
    pub(crate) fn into_node(self) -> Option<Node> {
        self.clean().node
    }

    /// Takes stop words out. What they stood for in distances goes to the operator that has an operand on that side.
    fn clean(self) -> Cleaned {
        match self {
            Part::Node(node) => Cleaned { node: Some(node), left: 0, right: 0 },
            Part::Stop => Cleaned { node: None, left: 0, right: 0 },
            Part::Not(inner) => {
                let inner = inner.clean();
                Cleaned { node: inner.node.map(|node| Node::Not(Box::new(node))), ..inner }
            }
            Part::And(left, right) => join(left.clean(), right.clean(), Node::And),
            Part::Or(left, right) => join(left.clean(), right.clean(), Node::Or),
            Part::Phrase(left, right, distance) => join_phrase(left.clean(), right.clean(), distance.into()),
        }
    }
}

/// A condition, and how many words have gone to the left and to the right of it.
struct Cleaned {
    node: Option<Node>,
    left: u32,
    right: u32,
}

fn join(left: Cleaned, right: Cleaned, operator: impl FnOnce(Box<Node>, Box<Node>) -> Node) -> Cleaned {
    match (left.node, right.node) {
        (Some(a), Some(b)) => Cleaned { node: Some(operator(Box::new(a), Box::new(b))), left: 0, right: 0 },
        (Some(node), None) => Cleaned { node: Some(node), left: left.left, right: left.right },
        (None, Some(node)) => Cleaned { node: Some(node), left: right.left, right: right.right },
        (None, None) => {
            let gone = left.left.max(right.left);
            Cleaned { node: None, left: gone, right: gone }
        }
    }
}

fn join_phrase(left: Cleaned, right: Cleaned, distance: u32) -> Cleaned {
    match (left.node, right.node) {
        (Some(a), Some(b)) => {
            let distance = distance + left.right + right.left;
            let distance = u16::try_from(distance).unwrap_or(u16::MAX).min(crate::query::LONGEST_DISTANCE);
            let node = Some(Node::Phrase(Box::new(a), Box::new(b), distance));
            Cleaned { node, left: left.left, right: right.right }
        }
        (Some(node), None) => Cleaned { node: Some(node), left: left.left, right: left.right + distance + right.right },
        (None, Some(node)) => Cleaned { node: Some(node), left: left.left + distance + right.left, right: right.right },
        (None, None) => {
            let gone = left.left + distance + right.left;
            Cleaned { node: None, left: gone, right: gone }
        }
    }
}

/// Reads the grammar; `operand` says what an operand stands for. `None` for a text without any.
pub(crate) fn parse(text: &str, operand: &mut dyn FnMut(Operand) -> Result<Part>) -> Result<Option<Part>> {
    let mut reader = Reader { text, at: 0, depth: 0, operand };
    reader.blanks();
    if reader.peek().is_none() {
        return Ok(None);
    }
    let part = reader.binary(0)?;
    match reader.peek() {
        None => Ok(Some(part)),
        Some(_) => Err(reader.error()),
    }
}

struct Reader<'a, 'b> {
    text: &'a str,
    at: usize,
    depth: usize,
    operand: &'b mut dyn FnMut(Operand) -> Result<Part>,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn error(&self) -> Error {
        let rest = self.text[self.at..].trim();
        match rest.is_empty() {
            true => Error::new(ErrorKind::Syntax, format!("no operand in tsquery: \"{}\"", self.text)),
            false => Error::syntax("tsquery", self.text),
        }
    }

    /// The operator that comes, with its precedence; nothing is taken.
    fn operator(&self) -> Result<Option<(u8, u16, usize)>> {
        let rest = &self.text[self.at..];
        Ok(match rest.as_bytes().first() {
            Some(b'|') => Some((1, 0, 1)),
            Some(b'&') => Some((2, 0, 1)),
            Some(b'<') => {
                let Some(end) = rest.find('>') else { return Err(self.error()) };
                let distance = match &rest[1..end] {
                    "-" => 1,
                    number if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
                        checked_distance(number.parse().unwrap_or(i64::MAX))?
                    }
                    _ => return Err(self.error()),
                };
                Some((3, distance, end + 1))
            }
            _ => None,
        })
    }

    /// Operators that bind more tightly than `above`, from the left.
    fn binary(&mut self, above: u8) -> Result<Part> {
        let mut left = self.unary()?;
        loop {
            self.blanks();
            let Some((precedence, distance, length)) = self.operator()? else { return Ok(left) };
            if precedence <= above {
                return Ok(left);
            }
            self.at += length;
            let right = self.binary(precedence)?;
            left = match precedence {
                1 => Part::Or(Box::new(left), Box::new(right)),
                2 => Part::And(Box::new(left), Box::new(right)),
                _ => Part::Phrase(Box::new(left), Box::new(right), distance),
            };
        }
    }

    fn unary(&mut self) -> Result<Part> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::new(ErrorKind::TooLong, "tsquery is too deeply nested"));
        }
        self.blanks();
        let part = match self.peek() {
            Some('!') => {
                self.next();
                Part::Not(Box::new(self.unary()?))
            }
            Some('(') => {
                self.next();
                let inner = self.binary(0)?;
                self.blanks();
                if self.next() != Some(')') {
                    return Err(Error::syntax("tsquery", self.text));
                }
                inner
            }
            _ => self.lexeme()?,
        };
        self.depth -= 1;
        Ok(part)
    }

    fn lexeme(&mut self) -> Result<Part> {
        let mut lexeme = String::new();
        if self.peek() == Some('\'') {
            self.next();
            loop {
                match self.next().ok_or_else(|| Error::syntax("tsquery", self.text))? {
                    '\'' if self.peek() == Some('\'') => lexeme.extend(self.next()),
                    '\'' => break,
                    '\\' => lexeme.push(self.next().ok_or_else(|| Error::syntax("tsquery", self.text))?),
                    character => lexeme.push(character),
                }
            }
        } else {
            while let Some(character) = self.peek() {
                match character {
                    '!' | '&' | '|' | '(' | ')' | ':' | '<' => break,
                    '\\' => {
                        self.next();
                        lexeme.push(self.next().ok_or_else(|| Error::syntax("tsquery", self.text))?);
                    }
                    character if character.is_whitespace() => break,
                    character => {
                        self.next();
                        lexeme.push(character);
                    }
                }
            }
            if lexeme.is_empty() {
                return Err(self.error());
            }
        }
        if lexeme.len() > LONGEST_LEXEME {
            let message = format!("word is too long in tsquery: \"{}\"", self.text);
            return Err(Error::new(ErrorKind::TooLong, message));
        }
        let mut operand = Operand::new(lexeme);
        if self.peek() == Some(':') {
            self.next();
            while let Some(flag) = self.peek() {
                match (flag, Weight::of(flag)) {
                    ('*', _) => operand.prefix = true,
                    (_, Some(weight)) => operand.weights.push(weight),
                    _ => break,
                }
                self.next();
            }
        }
        operand.weights.sort();
        operand.weights.dedup();
        (self.operand)(operand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_read_back() {
        for (text, expected) in [
            ("fat & rat", "'fat' & 'rat'"),
            ("fat&rat|!cat", "'fat' & 'rat' | !'cat'"),
            ("fat & (rat | cat)", "'fat' & ( 'rat' | 'cat' )"),
            ("fat <-> rat <2> cat", "'fat' <-> 'rat' <2> 'cat'"),
            ("fat <-> (rat <2> cat)", "'fat' <-> ( 'rat' <2> 'cat' )"),
            ("fat:ab* & 'it''s'", "'fat':*AB & 'it''s'"),
            ("!(a & b)", "!( 'a' & 'b' )"),
            ("!!a", "!!'a'"),
            ("a | b & c <-> !d", "'a' | 'b' & 'c' <-> !'d'"),
            ("", ""),
        ] {
            let query = TsQuery::parse(text).expect(text);
            assert_eq!(query.to_string(), expected, "{text}");
            assert_eq!(TsQuery::parse(expected).as_ref(), Ok(&query));
        }
        for text in ["a &", "a b", "(a", "a)", "!", "''", "'a", "a <x> b", "a <-", "|", ":*"] {
            assert_eq!(TsQuery::parse(text).expect_err(text).kind, ErrorKind::Syntax, "{text}");
        }
        assert_eq!(TsQuery::parse("a <99999> b").expect_err("far").kind, ErrorKind::InvalidParameter);
        assert_eq!(TsQuery::parse(&"(".repeat(9999)).expect_err("deep").kind, ErrorKind::TooLong);
    }
}
