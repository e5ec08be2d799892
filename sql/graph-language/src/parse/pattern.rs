//! Path patterns: `(a:person {id: 1})-[r:knows*1..3]->(b)`.

use slipstream_engine::{Error, ErrorKind, Result};

use super::{MAX_ELEMENTS, Parser};
use crate::lexer::{Span, TokenKind};
use crate::syntax::{
    Direction, Expression, Length, Name, NodePattern, PathMode, PathPattern, PathSearch, Properties,
    RelationshipPattern, SearchKind,
};

impl Parser {
    /// Patterns between commas, to be matched.
    pub(super) fn match_patterns(&mut self) -> Result<Vec<PathPattern>> {
        let mut patterns = Vec::new();
        loop {
            let pattern = self.path_pattern()?;
            self.check_properties(&pattern, "MATCH")?;
            patterns.push(pattern);
            if !self.take_symbol(",") {
                return Ok(patterns);
            }
        }
    }

    /// `p = (a)-->(b)`, `p = shortestPath((a)-[*]->(b))`
    pub(super) fn path_pattern(&mut self) -> Result<PathPattern> {
        let start = self.span();
        let variable = if self.at_variable() && self.token_at_is_symbol(1, "=") {
            let name = self.variable()?;
            self.expect_symbol("=")?;
            Some(name)
        } else {
            None
        };
        let pattern = match self.search() {
            Some(search) => self.searched_path(search)?,
            None => self.path()?,
        };
        Ok(PathPattern { span: self.span_from(start), variable, ..pattern })
    }

    /// The search for paths that begins here.
    pub(super) fn search(&self) -> Option<PathSearch> {
        let TokenKind::Word(word) = &self.token().kind else { return None };
        let kind = match word.to_ascii_lowercase().as_str() {
            "shortestpath" => SearchKind::Shortest,
            "allshortestpaths" => SearchKind::AllShortest,
            _ => return None,
        };
        self.token_at_is_symbol(1, "(").then(|| PathSearch { span: self.span(), kind })
    }

    /// `shortestPath(...)`
    pub(super) fn searched_path(&mut self, search: PathSearch) -> Result<PathPattern> {
        self.advance();
        self.expect_symbol("(")?;
        let path = self.path()?;
        self.expect_symbol(")")?;
        if path.steps.len() != 1 {
            return Err(Error::new(ErrorKind::Syntax, "a shortest path is searched along one relationship pattern")
                .with_hint("Write it as shortestPath((a)-[*]-(b)).")
                .at(search.span.position()));
        }
        Ok(PathPattern { span: self.span_from(search.span), search: Some(search), ..path })
    }

    /// Nodes and the relationships between them.
    fn path(&mut self) -> Result<PathPattern> {
        self.path_while(|parser| parser.at_symbol("-") || parser.at_symbol("<"))
    }

    /// A path among operators, where `-` and `<` need not go on with it.
    pub(super) fn path_operand(&mut self) -> Result<PathPattern> {
        self.path_while(|parser| parser.relationship_at(0))
    }

    fn path_while(&mut self, goes_on: impl Fn(&Self) -> bool) -> Result<PathPattern> {
        let place = self.span();
        let start = self.node_pattern()?;
        let mut steps = Vec::new();
        while goes_on(self) {
            let relationship = self.relationship_pattern()?;
            steps.push((relationship, self.node_pattern()?));
        }
        let span = self.span_from(place);
        Ok(PathPattern { span, variable: None, mode: PathMode::Different, search: None, start, steps })
    }

    fn node_pattern(&mut self) -> Result<NodePattern> {
        let start = self.span();
        self.elements = self.count(self.elements, MAX_ELEMENTS, "nodes and relationships")?;
        if !self.take_symbol("(") {
            return Err(self.expected("a node pattern such as (n:label)"));
        }
        let variable = if self.at_variable() { Some(self.variable()?) } else { None };
        let labels = self.labels("a label")?;
        let properties = self.pattern_properties()?;
        let filter = self.filter()?.map(Box::new);
        if !self.take_symbol(")") {
            let what = if filter.is_some() || properties.is_some() {
                "\")\""
            } else if labels.is_some() {
                "\"{\" or \")\""
            } else {
                "\":\", \"{\" or \")\""
            };
            return Err(self.expected(what));
        }
        Ok(NodePattern { span: self.span_from(start), variable, labels, properties, filter })
    }

    fn relationship_pattern(&mut self) -> Result<RelationshipPattern> {
        let start = self.span();
        self.elements = self.count(self.elements, MAX_ELEMENTS, "nodes and relationships")?;
        let left = self.take_symbol("<");
        self.expect_symbol("-")?;
        let (mut variable, mut types, mut length, mut properties, mut filter) = (None, None, None, None, None);
        if self.take_symbol("[") {
            if self.at_variable() {
                variable = Some(self.variable()?);
            }
            types = self.labels("a relationship type")?;
            length = self.length()?;
            properties = self.pattern_properties()?;
            filter = self.filter()?.map(Box::new);
            self.expect_symbol("]")?;
        }
        self.expect_symbol("-")?;
        let right = self.take_symbol(">");
        let direction = match (left, right) {
            (true, false) => Direction::Left,
            (false, true) => Direction::Right,
            _ => Direction::Either,
        };
        let span = self.span_from(start);
        Ok(RelationshipPattern { span, variable, types, length, properties, filter, direction })
    }

    /// `{name: value, ...}`, `$parameter`; nothing where there is neither.
    fn pattern_properties(&mut self) -> Result<Option<Properties>> {
        if let TokenKind::Parameter(name) = &self.token().kind {
            let name = Name { text: name.clone(), span: self.span() };
            self.advance();
            return Ok(Some(Properties::Parameter(name)));
        }
        if self.at_symbol("{") { Ok(Some(Properties::Map(self.entries()?))) } else { Ok(None) }
    }

    /// `{name: value, ...}`
    pub(super) fn entries(&mut self) -> Result<Vec<(Name, Expression)>> {
        let mut entries = Vec::new();
        self.expect_symbol("{")?;
        if self.take_symbol("}") {
            return Ok(entries);
        }
        loop {
            let name = self.name("a property name")?;
            self.expect_symbol(":")?;
            entries.push((name, self.expression()?));
            if !self.take_symbol(",") {
                if !self.take_symbol("}") {
                    return Err(self.expected("\",\" or \"}\""));
                }
                return Ok(entries);
            }
        }
    }

    /// Refuses a parameter for all properties of an element where equality with a whole map has no meaning.
    pub(super) fn check_properties(&self, pattern: &PathPattern, clause: &str) -> Result<()> {
        let nodes = pattern.nodes().map(|node| &node.properties);
        let all = nodes.chain(pattern.relationships().map(|relationship| &relationship.properties));
        match all.flatten().find_map(|properties| match properties {
            Properties::Parameter(name) => Some(name),
            Properties::Map(_) => None,
        }) {
            Some(name) => Err(Error::new(
                ErrorKind::Syntax,
                format!("a parameter cannot stand for all properties of a pattern in {clause}"),
            )
            .with_hint(format!("Write each of them, as in {{name: ${}.name}}.", name.text))
            .at(name.span.position())),
            None => Ok(()),
        }
    }

    /// `*`, `*n`, `*m..n`, `*..n`, `*m..`; nothing where there is no star.
    fn length(&mut self) -> Result<Option<Length>> {
        let start = self.span();
        if !self.take_symbol("*") {
            return Ok(None);
        }
        let lower = self.bound()?;
        let ranged = self.take_symbol("..");
        let upper = if ranged { self.bound()? } else { lower };
        let length = Length { span: self.span_from(start), lower: lower.unwrap_or(1), upper };
        Ok(Some(length))
    }

    fn bound(&mut self) -> Result<Option<u32>> {
        let TokenKind::Integer(value) = self.token().kind else { return Ok(None) };
        let span: Span = self.span();
        self.advance();
        u32::try_from(value)
            .map(Some)
            .map_err(|_| Error::new(ErrorKind::NumericOutOfRange, "number out of range").at(span.position()))
    }
}
