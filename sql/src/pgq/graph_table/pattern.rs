//! The pattern of a GRAPH_TABLE: paths of elements, as a syntax tree.
//!
//! | written | is |
//! |---|---|
//! | `(a IS person)`, `(a:person)` | a vertex |
//! | `-[e]->`, `->`, `<-[e]-`, `<-` | an edge in that direction |
//! | `-[e]-`, `-`, `<-[e]->`, `<->` | an edge in either |
//! | `~[e]~>`, `~>`, `<~[e]~`, `<~` | an edge without a direction, or in that one: every edge has one |
//! | `{m,n}`, `{m}`, `{,n}`, `?`, `{m,}`, `*`, `+` | that many edges in a row; the last three need TRAIL or a shortest path, or there would be no end of them |
//! | `WALK`, `TRAIL`, `ANY`, `ANY SHORTEST`, `ALL SHORTEST` before a path | which of its paths are meant |
//! | `IS a\|b&!c`, `IS %` | labels |
//!
//! Where two edges follow each other, and where a path begins or ends with one, there is a vertex without a name.

use slipstream_engine::{Error, ErrorKind, Result};
use slipstream_graph_language::lexer::Span;
use slipstream_graph_language::syntax::{
    Direction, LabelExpression, LabelKind, Length, Match, Name, NodePattern, PathMode, PathPattern, PathSearch,
    RelationshipPattern, SearchKind,
};

use super::pieces::Pieces;

/// How deep parentheses in an expression over labels may nest.
const MAX_DEPTH: usize = 64;

/// What may follow the variable of an element.
const AFTER_VARIABLE: &[&str] = &["IS", "WHERE", "COST"];

/// A pattern, and the places of the conditions that stand in its elements.
pub(super) struct Read {
    pub(super) pattern: Match,
    pub(super) conditions: Vec<Span>,
    /// Conditions on each of several edges in a row, with the place of the edge.
    pub(super) on_each: Vec<(Span, Span)>,
}

/// Reads a pattern.
pub(super) fn parse(pieces: &mut Pieces<'_>) -> Result<Read> {
    let start = pieces.span();
    let mut parser = Parser { pieces, mode: PathMode::Walk, conditions: Vec::new(), on_each: Vec::new() };
    parser.match_mode()?;
    let mut patterns = vec![parser.path()?];
    while parser.pieces.symbol(',') {
        patterns.push(parser.path()?);
    }
    if parser.pieces.at_word("KEEP") {
        return Err(parser.pieces.refused("KEEP is"));
    }
    let Parser { conditions, on_each, .. } = parser;
    let span = pieces.span_from(start);
    Ok(Read { pattern: Match { span, optional: false, patterns, filter: None }, conditions, on_each })
}

struct Parser<'p, 't> {
    pieces: &'p mut Pieces<'t>,
    /// What a path is that says nothing else.
    mode: PathMode,
    conditions: Vec<Span>,
    on_each: Vec<(Span, Span)>,
}

impl Parser<'_, '_> {
    /// `REPEATABLE ELEMENTS` or `DIFFERENT EDGES`
    fn match_mode(&mut self) -> Result<()> {
        if self.pieces.is_word_ahead(1, "ELEMENTS") || self.pieces.is_word_ahead(1, "ELEMENT") {
            self.pieces.expect("REPEATABLE")?;
            self.pieces.any_word(&["ELEMENTS", "ELEMENT"]);
        } else if self.pieces.at_word("DIFFERENT") && !self.pieces.is_symbol_ahead(1, '=') {
            self.pieces.expect("DIFFERENT")?;
            if !self.pieces.any_word(&["EDGES", "EDGE"]) {
                return Err(self.pieces.expected("EDGES"));
            }
            self.mode = PathMode::Different;
        }
        Ok(())
    }

    fn path(&mut self) -> Result<PathPattern> {
        let start = self.pieces.span();
        let named = self.pieces.at_name(&[]) && self.pieces.is_symbol_ahead(1, '=');
        let variable = if named { Some(self.pieces.name("the name of a path")?) } else { None };
        if named {
            self.pieces.expect_symbol('=')?;
        }
        let (mode, search) = self.prefix()?;
        let first = self.node()?;
        let mut steps = Vec::new();
        while let Some(edge) = self.edge()? {
            steps.push((edge, self.node()?));
        }
        self.end_of_path()?;
        let span = self.pieces.span_from(start);
        if steps.is_empty() && span.start == span.end {
            return Err(self.pieces.expected("a pattern"));
        }
        let unbounded = steps.iter().find_map(|(edge, _)| edge.length.filter(|length| length.upper.is_none()));
        if let (PathMode::Walk, None, Some(length)) = (mode, search, unbounded) {
            return Err(Error::not_supported("a path without an upper bound is not supported")
                .with_detail("A walk may go round and round, so there is no end of them.")
                .with_hint("Write a quantifier such as {1,5}, or ANY SHORTEST, ALL SHORTEST or TRAIL before the path.")
                .at(length.span.position()));
        }
        let searched = steps.len() == 1 && steps.iter().all(|(edge, _)| edge.length.is_some());
        if let (Some(search), false) = (search, searched) {
            return Err(Error::not_supported(
                "a shortest path of anything but one edge with a quantifier is not supported",
            )
            .at(search.span.position()));
        }
        Ok(PathPattern { span, variable, mode, search, start: first, steps })
    }

    /// What comes before a path and says which of its paths are meant.
    fn prefix(&mut self) -> Result<(PathMode, Option<PathSearch>)> {
        let span = self.pieces.span();
        let mut search = None;
        let mut shortest = |kind| search = Some(PathSearch { span, kind });
        if self.pieces.word("ALL") {
            if self.pieces.word("SHORTEST") {
                shortest(SearchKind::AllShortest);
            }
        } else if self.pieces.word("ANY") {
            // A shortest one is one of any.
            let _ = self.pieces.word("SHORTEST");
            self.only_one("ANY")?;
            shortest(SearchKind::Shortest);
        } else if self.pieces.word("SHORTEST") {
            self.only_one("SHORTEST")?;
            shortest(SearchKind::Shortest);
        }
        let mode = self.path_mode()?;
        if self.pieces.any_word(&["PATH", "PATHS"]) && self.pieces.at_word("GROUPS") {
            return Err(self.pieces.refused("GROUPS is"));
        }
        if self.pieces.any_word(&["GROUP", "GROUPS"]) {
            return Err(Error::not_supported("groups of shortest paths are not supported").at(span.position()));
        }
        Ok((mode, search))
    }

    fn only_one(&mut self, what: &str) -> Result<()> {
        let place = self.pieces.span();
        match self.pieces.number()? {
            None | Some(1) => Ok(()),
            Some(_) => {
                Err(Error::not_supported(format!("{what} of more than one path is not supported")).at(place.position()))
            }
        }
    }

    fn path_mode(&mut self) -> Result<PathMode> {
        for refused in ["SIMPLE", "ACYCLIC"] {
            if self.pieces.at_word(refused) {
                return Err(self.pieces.refused(&format!("path mode {refused} is")));
            }
        }
        if self.pieces.word("TRAIL") {
            return Ok(if self.mode == PathMode::Different { PathMode::Different } else { PathMode::Trail });
        }
        let _ = self.pieces.word("WALK");
        Ok(self.mode)
    }

    /// A vertex; one without a name where none is written.
    fn node(&mut self) -> Result<NodePattern> {
        let start = self.pieces.span();
        if !self.pieces.symbol('(') {
            let span = Span { end: start.start, ..start };
            return Ok(NodePattern { span, variable: None, labels: None, properties: None, filter: None });
        }
        if matches!(self.pieces.symbol_ahead(0), Some('(' | '-' | '<' | '~')) {
            return Err(self.pieces.refused("a path in parentheses is"));
        }
        let (variable, labels) = self.filler(')')?;
        let span = self.pieces.span_from(start);
        Ok(NodePattern { span, variable, labels, properties: None, filter: None })
    }

    /// What stands in the parentheses or brackets of an element: `[variable] [IS labels] [WHERE condition]`
    fn filler(&mut self, close: char) -> Result<(Option<Name>, Option<LabelExpression>)> {
        let named = self.pieces.at_name(AFTER_VARIABLE);
        let variable = if named { Some(self.pieces.name("a variable")?) } else { None };
        let labels = if self.pieces.word("IS") || self.pieces.symbol(':') { Some(self.labels(0)?) } else { None };
        if self.pieces.word("WHERE") {
            let condition = self.pieces.until(&["COST"], "a condition")?;
            self.conditions.push(condition);
        }
        if self.pieces.at_word("COST") {
            return Err(self.pieces.refused("COST is"));
        }
        if !self.pieces.symbol(close) {
            let what = match (&variable, &labels) {
                (None, None) => format!("a variable, IS, WHERE or \"{close}\""),
                (_, None) => format!("IS, WHERE or \"{close}\""),
                _ => format!("WHERE or \"{close}\""),
            };
            return Err(self.pieces.expected(&what));
        }
        Ok((variable, labels))
    }

    /// An edge, if one comes next.
    fn edge(&mut self) -> Result<Option<RelationshipPattern>> {
        let start = self.pieces.span();
        let (left, line) = if self.pieces.symbols("<-") {
            (true, '-')
        } else if self.pieces.symbols("<~") {
            (true, '~')
        } else if self.pieces.symbol('-') {
            (false, '-')
        } else if self.pieces.symbol('~') {
            (false, '~')
        } else {
            return Ok(None);
        };
        let before = self.conditions.len();
        let (mut variable, mut labels) = (None, None);
        if self.pieces.symbol('[') {
            (variable, labels) = self.filler(']')?;
            self.pieces.expect_symbol(line)?;
        }
        let right = self.pieces.symbol('>');
        let direction = match (left, right, line) {
            (true, false, _) => Direction::Left,
            (false, true, _) => Direction::Right,
            (_, _, '-') => Direction::Either,
            _ => {
                return Err(Error::not_supported("a pattern of edges without a direction is not supported")
                    .with_detail("The edges of a graph have directions.")
                    .with_hint("Write -[e]-> or -[e]-.")
                    .at(start.position()));
            }
        };
        let span = self.pieces.span_from(start);
        let length = self.quantifier()?;
        if length.is_some() {
            // It is about each edge, and there are several.
            self.on_each.extend(self.conditions.drain(before..).map(|condition| (span, condition)));
        }
        let types = labels;
        Ok(Some(RelationshipPattern { span, variable, types, length, properties: None, filter: None, direction }))
    }

    /// How many edges there are in a row, where it is said.
    fn quantifier(&mut self) -> Result<Option<Length>> {
        let start = self.pieces.span();
        let (lower, upper) = if self.pieces.symbol('*') {
            (0, None)
        } else if self.pieces.symbol('+') {
            (1, None)
        } else if self.pieces.symbol('?') {
            (0, Some(1))
        } else if self.pieces.symbol('{') {
            let bounds = self.bounds()?;
            self.pieces.expect_symbol('}')?;
            bounds
        } else {
            return Ok(None);
        };
        let span = self.pieces.span_from(start);
        if upper.is_some_and(|upper| upper < lower || upper == 0) {
            let message = "the upper bound of a quantifier must be positive, and not less than the lower one";
            return Err(Error::new(ErrorKind::Syntax, message).at(span.position()));
        }
        Ok(Some(Length { span, lower, upper }))
    }

    /// `m,n`, `m`, `,n` or `m,`
    fn bounds(&mut self) -> Result<(u32, Option<u32>)> {
        let lower = self.pieces.number()?;
        if !self.pieces.symbol(',') {
            return match lower {
                Some(exactly) => Ok((exactly, Some(exactly))),
                None => Err(self.pieces.expected("a number or \",\"")),
            };
        }
        let upper = self.pieces.number()?;
        if lower.is_none() && upper.is_none() {
            return Err(self.pieces.expected("a number"));
        }
        Ok((lower.unwrap_or(0), upper))
    }

    /// Says what stands behind a path and is not done.
    fn end_of_path(&mut self) -> Result<()> {
        match self.pieces.symbol_ahead(0) {
            Some('|') => Err(self.pieces.refused("a choice of paths is")),
            Some('(') => Err(self.pieces.expected("an edge between two vertices")),
            Some('{' | '*' | '+' | '?') => Err(self.pieces.expected("an edge before a quantifier")),
            _ => Ok(()),
        }
    }

    /// `a|b`
    fn labels(&mut self, depth: usize) -> Result<LabelExpression> {
        self.label_list(depth, '|', LabelKind::Or, Self::label_conjunction)
    }

    /// `a&b`
    fn label_conjunction(&mut self, depth: usize) -> Result<LabelExpression> {
        self.label_list(depth, '&', LabelKind::And, Self::label)
    }

    fn label_list(
        &mut self,
        depth: usize,
        separator: char,
        kind: fn(Vec<LabelExpression>) -> LabelKind,
        part: fn(&mut Self, usize) -> Result<LabelExpression>,
    ) -> Result<LabelExpression> {
        let start = self.pieces.span();
        let first = part(self, depth)?;
        if !self.pieces.at_symbol(separator) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.pieces.symbol(separator) {
            parts.push(part(self, depth)?);
        }
        Ok(LabelExpression { kind: kind(parts), span: self.pieces.span_from(start) })
    }

    /// `a`, `!a`, `%`, `(a|b)`
    fn label(&mut self, depth: usize) -> Result<LabelExpression> {
        let start = self.pieces.span();
        if depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::TooComplex, "expression nests too deep").at(start.position()));
        }
        let kind = if self.pieces.symbol('!') {
            LabelKind::Not(Box::new(self.label(depth + 1)?))
        } else if self.pieces.symbol('%') {
            LabelKind::Any
        } else if self.pieces.symbol('(') {
            let inner = self.labels(depth + 1)?;
            self.pieces.expect_symbol(')')?;
            inner.kind
        } else {
            LabelKind::Label(self.pieces.name("a label")?.text)
        };
        Ok(LabelExpression { kind, span: self.pieces.span_from(start) })
    }
}
