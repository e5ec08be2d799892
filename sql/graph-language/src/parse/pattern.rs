//! Path patterns: `(a:person {id: 1})-[r:knows*1..3]->(b)`.

use slipstream_engine::{Error, ErrorKind, Result};

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{Direction, Expression, Length, Name, NodePattern, PathPattern, RelationshipPattern};

/// Functions around a pattern that choose among its paths.
const PATH_SEARCHES: &[&str] = &["shortestPath", "allShortestPaths", "shortest", "any", "all"];

impl Parser {
    pub(super) fn path_pattern(&mut self) -> Result<PathPattern> {
        let variable = if self.at_variable() && self.token_at_is_symbol(1, "=") {
            let name = self.variable()?;
            self.expect_symbol("=")?;
            Some(name)
        } else {
            None
        };
        if PATH_SEARCHES.iter().any(|search| self.at_keyword(search)) {
            return Err(self.refused("searching for shortest paths is"));
        }
        let start = self.node_pattern()?;
        let mut steps = Vec::new();
        while self.at_symbol("-") || self.at_symbol("<") {
            let relationship = self.relationship_pattern()?;
            steps.push((relationship, self.node_pattern()?));
        }
        Ok(PathPattern { variable, start, steps })
    }

    fn node_pattern(&mut self) -> Result<NodePattern> {
        let start = self.span();
        if !self.take_symbol("(") {
            return Err(self.expected("a node pattern such as (n:label)"));
        }
        let variable = if self.at_variable() { Some(self.variable()?) } else { None };
        let labels = self.labels("a label")?;
        let properties = self.pattern_properties()?;
        if self.at_keyword("WHERE") {
            return Err(self.refused("WHERE inside a node pattern is").with_hint("Write it after the pattern."));
        }
        if !self.take_symbol(")") {
            let what = if !properties.is_empty() {
                "\")\""
            } else if !labels.is_empty() {
                "\"{\" or \")\""
            } else {
                "\":\", \"{\" or \")\""
            };
            return Err(self.expected(what));
        }
        Ok(NodePattern { span: self.span_from(start), variable, labels, properties })
    }

    fn relationship_pattern(&mut self) -> Result<RelationshipPattern> {
        let start = self.span();
        let left = self.take_symbol("<");
        self.expect_symbol("-")?;
        let (mut variable, mut types, mut length, mut properties) = (None, Vec::new(), None, Vec::new());
        if self.take_symbol("[") {
            if self.at_variable() {
                variable = Some(self.variable()?);
            }
            types = self.labels("a relationship type")?;
            length = self.length()?;
            properties = self.pattern_properties()?;
            if self.at_keyword("WHERE") {
                let refusal = self.refused("WHERE inside a relationship pattern is");
                return Err(refusal.with_hint("Write it after the pattern."));
            }
            self.expect_symbol("]")?;
        }
        self.expect_symbol("-")?;
        let right = self.take_symbol(">");
        let direction = match (left, right) {
            (true, false) => Direction::Left,
            (false, true) => Direction::Right,
            _ => Direction::Either,
        };
        Ok(RelationshipPattern { span: self.span_from(start), variable, types, length, properties, direction })
    }

    /// `:a`, `:a|b`, `:a|:b`; nothing where there is no colon.
    fn labels(&mut self, what: &str) -> Result<Vec<Name>> {
        let mut labels = Vec::new();
        if !self.take_symbol(":") {
            return Ok(labels);
        }
        loop {
            if self.at_symbol("!") || self.at_symbol("%") || self.at_symbol("(") {
                return Err(self.refused("an expression over labels is"));
            }
            labels.push(self.name(what)?);
            if self.at_symbol(":") || self.at_symbol("&") {
                return Err(self
                    .refused("a pattern with several labels on one element is")
                    .with_detail("Every row of a vertex or edge table has one label."));
            }
            if !self.take_symbol("|") {
                return Ok(labels);
            }
            self.take_symbol(":");
        }
    }

    /// `{name: value, ...}`; nothing where there is no brace.
    fn pattern_properties(&mut self) -> Result<Vec<(Name, Expression)>> {
        let mut properties = Vec::new();
        if matches!(self.token().kind, TokenKind::Parameter(_)) {
            return Err(self
                .refused("a parameter for all properties of a pattern is")
                .with_hint("Write {name: $parameter} for each of them."));
        }
        if !self.take_symbol("{") || self.take_symbol("}") {
            return Ok(properties);
        }
        loop {
            let name = self.name("a property name")?;
            self.expect_symbol(":")?;
            properties.push((name, self.expression()?));
            if !self.take_symbol(",") {
                self.expect_symbol("}")?;
                return Ok(properties);
            }
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
        if length.upper.is_some_and(|upper| upper < length.lower) {
            return Err(Error::new(ErrorKind::Syntax, "a range of lengths must not end before it starts")
                .at(length.span.position()));
        }
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
