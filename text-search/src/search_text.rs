//! The text of a search: `+must -not "a phrase"~2 fuzzy~1 pre* boosted^2 title:word (a AND b) OR NOT c`.
//!
//! Words beside each other are alternatives, unless one has a `+`: then those with a `+` must be there, and the others only
//! add to the score. AND binds more tightly than standing beside each other, OR less. What is only negative matches
//! everything else. Stop words have no say; a search of nothing but stop words, or of nothing at all, matches nothing.

use crate::config::Lexer;
use crate::error::{Error, ErrorKind, Result};
use crate::search::{Leaf, Node, Search, What, lexeme, runs};

/// How deep a search may nest.
const DEEPEST: usize = 100;
/// The most edits of a fuzzy term.
const MOST_EDITS: usize = 2;
/// The most leaves of a search.
const MOST_LEAVES: usize = 1024;

impl Search {
    /// Reads a search in fields of these names. The first error is told.
    pub fn parse(text: &str, lexer: &mut Lexer, fields: &[&str]) -> Result<Search> {
        let mut reader =
            Reader { text, at: 0, depth: 0, lexer, fields, leaves: Vec::new(), negated: false, field: None };
        let root = reader.either()?;
        match reader.peek() {
            None => Ok(Search { root, leaves: reader.leaves }),
            Some(')') => Err(reader.error("a parenthesis is closed that was not opened")),
            Some(_) => Err(reader.error("it ends too early")),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    lexer: &'a mut Lexer,
    fields: &'a [&'a str],
    leaves: Vec<Leaf>,
    /// What holds for the part that is read.
    negated: bool,
    field: Option<usize>,
}

/// The sign in front of an item.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    None,
    Must,
    Not,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let taken = self.rest().starts_with(wanted);
        if taken {
            self.at += wanted.len();
        }
        taken
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes an operator that is a word in capitals, or its sign.
    fn word(&mut self, word: &str, sign: &str) -> bool {
        self.blanks();
        if self.take(sign) {
            return true;
        }
        let ends =
            |rest: &str| rest.chars().next().is_none_or(|next| next.is_whitespace() || next == '(' || next == '"');
        let found = self.rest().strip_prefix(word).is_some_and(ends);
        if found {
            self.at += word.len();
        }
        found
    }

    fn error(&self, problem: &str) -> Error {
        Error::new(ErrorKind::Syntax, format!("syntax error in search: {problem}: \"{}\"", self.text))
    }

    /// Lists with OR between them.
    fn either(&mut self) -> Result<Option<Node>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Error::new(ErrorKind::TooLong, "search is too deeply nested"));
        }
        let mut nodes = Vec::new();
        loop {
            let before = self.at;
            nodes.extend(self.list()?);
            let empty = self.text[before..self.at].trim().is_empty();
            let more = self.word("OR", "||");
            if empty && (more || before > 0 && self.depth > 1 || before > 0 && !nodes.is_empty()) {
                return Err(self.error("OR stands between two conditions"));
            }
            if !more {
                self.depth -= 1;
                return Ok(joined(nodes, Node::Any));
            }
        }
    }

    /// Items beside each other.
    fn list(&mut self) -> Result<Option<Node>> {
        let (mut must, mut should, mut not) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks();
            let ends = match self.peek() {
                None | Some(')') => true,
                Some(_) => {
                    let at = self.at;
                    let or = self.word("OR", "||");
                    self.at = at;
                    or
                }
            };
            if ends {
                break;
            }
            let (sign, node) = self.chain()?;
            let Some(node) = node else { continue };
            match sign {
                Sign::Must => must.push(node),
                Sign::Not => not.push(Node::Not(Box::new(node))),
                Sign::None => should.push(node),
            }
        }
        if must.is_empty() {
            must.extend(joined(should, Node::Any));
        }
        must.extend(not);
        Ok(joined(must, Node::All))
    }

    /// Items with AND between them. One alone keeps its sign.
    fn chain(&mut self) -> Result<(Sign, Option<Node>)> {
        let (sign, first) = self.signed()?;
        let mut nodes: Vec<Node> = Vec::new();
        let signed = |sign, node| if sign == Sign::Not { Node::Not(Box::new(node)) } else { node };
        let mut alone = true;
        let mut kept = first;
        while self.word("AND", "&&") {
            if alone {
                nodes.extend(kept.take().map(|node| signed(sign, node)));
                alone = false;
            }
            self.blanks();
            if matches!(self.peek(), None | Some(')')) {
                return Err(self.error("AND stands between two conditions"));
            }
            let (sign, node) = self.signed()?;
            nodes.extend(node.map(|node| signed(sign, node)));
        }
        match alone {
            true => Ok((sign, kept)),
            false => Ok((Sign::None, joined(nodes, Node::All))),
        }
    }

    fn signed(&mut self) -> Result<(Sign, Option<Node>)> {
        self.blanks();
        let sign = if self.take("+") {
            Sign::Must
        } else if self.take("-") || self.take("!") || self.word("NOT", "!") {
            Sign::Not
        } else {
            Sign::None
        };
        self.blanks();
        let negated = self.negated;
        self.negated ^= sign == Sign::Not;
        let node = self.item()?;
        self.negated = negated;
        Ok((sign, node))
    }

    /// A group, a phrase or a word, with its field in front and its boost behind it.
    fn item(&mut self) -> Result<Option<Node>> {
        let outer = self.field;
        let field = self.field_name()?;
        self.field = field.or(outer);
        let first = self.leaves.len();
        let node = match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.either()?;
                if !self.take(")") {
                    return Err(self.error("a parenthesis is not closed"));
                }
                inner
            }
            Some('"') => self.phrase()?,
            _ => self.term()?,
        };
        self.field = outer;
        if self.take("^") {
            let boost = self.number().filter(|boost| boost.is_finite());
            let boost = boost.ok_or_else(|| self.error("a number stands behind ^"))?;
            self.leaves[first..].iter_mut().for_each(|leaf| leaf.boost *= boost);
        }
        match self.peek() {
            None | Some(')' | '(' | '"') => Ok(node),
            Some(next) if next.is_whitespace() => Ok(node),
            Some(next) => Err(self.error(&format!("\"{next}\" is unexpected"))),
        }
    }

    /// `title:` in front of what is looked for there.
    fn field_name(&mut self) -> Result<Option<usize>> {
        let is_name = |character: char| character.is_alphanumeric() || character == '_';
        let rest = self.rest();
        let end = rest.find(|character| !is_name(character)).unwrap_or(rest.len());
        let follows = rest[end..].strip_prefix(':').and_then(|after| after.chars().next());
        if end == 0 || !follows.is_some_and(|next| is_name(next) || next == '"' || next == '(') {
            return Ok(None);
        }
        let name = &rest[..end];
        let field = self.fields.iter().position(|field| field.eq_ignore_ascii_case(name));
        let field = field.ok_or_else(|| {
            let message = format!("column \"{name}\" is not searched");
            Error::new(ErrorKind::UndefinedField, message)
        })?;
        self.at += end + 1;
        Ok(Some(field))
    }

    fn phrase(&mut self) -> Result<Option<Node>> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let next = self.peek().ok_or_else(|| self.error("a quote is not closed"))?;
            self.at += next.len_utf8();
            match next {
                '"' => break,
                '\\' => {
                    let escaped = self.peek().ok_or_else(|| self.error("a quote is not closed"))?;
                    self.at += escaped.len_utf8();
                    text.push(escaped);
                }
                next => text.push(next),
            }
        }
        let slop = match self.take("~") {
            true => {
                let slop = self.number().filter(|slop| *slop >= 0.0 && slop.fract() == 0.0 && *slop <= 10_000.0);
                slop.ok_or_else(|| self.error("a whole number stands behind ~"))? as usize
            }
            false => 0,
        };
        self.words(&text, slop)
    }

    fn term(&mut self) -> Result<Option<Node>> {
        let start = self.at;
        let mut text = String::new();
        while let Some(next) = self.peek() {
            if next.is_whitespace() || matches!(next, '(' | ')' | '"' | '^' | '~' | '*') {
                break;
            }
            self.at += next.len_utf8();
            match next {
                '\\' => {
                    let escaped = self.peek().ok_or_else(|| self.error("nothing stands behind \\"))?;
                    self.at += escaped.len_utf8();
                    text.push(escaped);
                }
                next => text.push(next),
            }
        }
        if text.is_empty() {
            return Err(self.error(&match self.peek() {
                Some(next) => format!("\"{next}\" is unexpected"),
                None => "a condition is missing".to_string(),
            }));
        }
        if matches!(&self.text[start..self.at], "AND" | "NOT") {
            return Err(self.error("AND stands between two conditions"));
        }
        if self.take("*") {
            // What is cut off cannot be stemmed.
            let lower = crate::config::lower_case(&text);
            return Ok(match runs(&lower).count() {
                1 => self.leaf(What::Prefix(runs(&lower).collect())).map(Some)?,
                _ => return Err(self.error("one word stands in front of *")),
            });
        }
        if !self.take("~") {
            return self.words(&text, 0);
        }
        let edits = self.number().unwrap_or(MOST_EDITS as f32);
        if edits.fract() != 0.0 || !(0.0..=MOST_EDITS as f32).contains(&edits) {
            return Err(self.error("0, 1 or 2 stands behind ~"));
        }
        let mut words = runs(&text).map(str::to_string).collect::<Vec<_>>().into_iter();
        let (Some(word), None) = (words.next(), words.next()) else {
            return Err(self.error("one word stands in front of ~"));
        };
        match lexeme(self.lexer, &word) {
            Some(lexeme) => self.leaf(What::Fuzzy(lexeme, edits as usize)).map(Some),
            None => Ok(None),
        }
    }

    /// The words of a text, which stand one behind the other.
    fn words(&mut self, text: &str, slop: usize) -> Result<Option<Node>> {
        let mut lexemes: Vec<(String, usize)> = Vec::new();
        for (place, run) in runs(text).enumerate() {
            lexemes.extend(lexeme(self.lexer, run).map(|lexeme| (lexeme, place)));
        }
        let first = lexemes.first().map_or(0, |(_, place)| *place);
        lexemes.iter_mut().for_each(|(_, place)| *place -= first);
        let what = match lexemes.len() {
            0 => return Ok(None),
            1 => What::Term(lexemes.swap_remove(0).0),
            _ => What::Phrase(lexemes, slop),
        };
        self.leaf(what).map(Some)
    }

    fn leaf(&mut self, what: What) -> Result<Node> {
        if self.leaves.len() == MOST_LEAVES {
            let message = format!("a search has at most {MOST_LEAVES} terms");
            return Err(Error::new(ErrorKind::TooLong, message));
        }
        self.leaves.push(Leaf { what, field: self.field, boost: 1.0, scores: !self.negated });
        Ok(Node::Leaf(self.leaves.len() - 1))
    }

    /// The number that comes, if it is one.
    fn number(&mut self) -> Option<f32> {
        let rest = self.rest();
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
        let number = rest[..end].parse().ok()?;
        self.at += end;
        Some(number)
    }
}

/// Several nodes as one; `None` where there are none.
fn joined(mut nodes: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Option<Node> {
    match nodes.len() {
        0 => None,
        1 => nodes.pop(),
        _ => Some(join(nodes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::search::Words;

    fn matches(search: &str, title: &str, body: &str) -> bool {
        let mut english = Config::ENGLISH.lexer();
        let search = Search::parse(search, &mut english, &["title", "body"]).expect(search);
        let fields = [title, body].map(|text| Some(Words::of(&mut english, text)));
        search.holds(&search.frequencies(&fields))
    }

    #[test]
    fn searches_match() {
        let (title, body) = ("Lazy dogs", "The quick brown fox jumped over the lazy dog");
        for (search, expected) in [
            ("fox", true),
            ("foxes jumping", true),
            ("cat", false),
            ("cat fox", true),
            ("+cat fox", false),
            ("+fox cat", true),
            ("fox -dog", false),
            ("-cat", true),
            ("NOT fox", false),
            ("fox AND dog", true),
            ("fox AND cat", false),
            ("cat OR dog", true),
            ("cat fox AND dog", true),
            ("(cat OR fox) AND NOT cow", true),
            ("\"quick brown\"", true),
            ("\"quick fox\"", false),
            ("\"quick fox\"~1", true),
            ("\"over the lazy\"", true),
            ("\"jumped lazy\"", false),
            // A word that says nothing is no part of a phrase that begins with it.
            ("\"over lazy\"", true),
            ("quick-brown", true),
            ("brwn~1", true),
            ("brwn", false),
            ("bro*", true),
            ("title:fox", false),
            ("title:dog", true),
            ("body:(cat fox)", true),
            ("title:\"lazy dog\"", true),
            ("fox^2 cat^0.5", true),
            ("the", false),
            ("", false),
            ("the fox", true),
            ("fo\\x", true),
        ] {
            assert_eq!(matches(search, title, body), expected, "{search}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for search in [
            "\"fox",
            "(fox",
            "fox)",
            "fox AND",
            "AND fox",
            "fox OR",
            "OR fox",
            "fox~3",
            "fox~x",
            "fox^",
            "fox^x",
            "*",
            "+",
            "-",
            "fox OR OR dog",
            "()",
            "\"a b\"~x",
            "\\",
            "a*b",
        ] {
            let error = Search::parse(search, &mut Config::ENGLISH.lexer(), &["body"]);
            assert_eq!(error.expect_err(search).kind, ErrorKind::Syntax, "{search}");
        }
        let error = Search::parse("nobody:fox", &mut Config::ENGLISH.lexer(), &["body"]).expect_err("unknown");
        assert_eq!(error.kind, ErrorKind::UndefinedField);
        let deep = Search::parse(&"(".repeat(9999), &mut Config::ENGLISH.lexer(), &["body"]).expect_err("deep");
        assert_eq!(deep.kind, ErrorKind::TooLong);
    }
}
