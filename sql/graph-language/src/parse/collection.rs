//! Lists and maps: literals, comprehensions, conditions over elements, lookups, projections.

use slipstream_engine::Result;

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{Expression, ExpressionKind, MapProjectionItem, Name, Quantifier};

impl Parser {
    /// What begins with `[`.
    pub(super) fn list(&mut self) -> Result<Expression> {
        let start = self.span();
        let kind = if self.at_pattern_comprehension() {
            self.pattern_comprehension()?
        } else if self.at_list_comprehension() {
            self.list_comprehension()?
        } else {
            self.expect_symbol("[")?;
            ExpressionKind::List(self.expressions("]")?)
        };
        Expression::new(kind, self.span_from(start))
    }

    fn list_comprehension(&mut self) -> Result<ExpressionKind> {
        self.expect_symbol("[")?;
        let (variable, list) = self.iteration()?;
        let filter = self.filter_before_bar()?;
        let result = if self.take_symbol("|") { Some(Box::new(self.expression()?)) } else { None };
        if !self.take_symbol("]") {
            return Err(self.expected(if result.is_some() { "\"]\"" } else { "WHERE, \"|\" or \"]\"" }));
        }
        Ok(ExpressionKind::ListComprehension { variable, list, filter, result })
    }

    fn pattern_comprehension(&mut self) -> Result<ExpressionKind> {
        self.expect_symbol("[")?;
        let pattern = Box::new(self.in_expression(Parser::path_pattern)?);
        self.check_properties(&pattern, "an expression")?;
        let filter = self.filter_before_bar()?;
        self.expect_symbol("|")?;
        let result = Box::new(self.expression()?);
        self.expect_symbol("]")?;
        Ok(ExpressionKind::PatternComprehension { pattern, filter, result })
    }

    /// `x IN list`, before WHERE or `|`.
    fn iteration(&mut self) -> Result<(Name, Box<Expression>)> {
        let variable = self.variable()?;
        self.expect_keyword("IN")?;
        Ok((variable, Box::new(self.expression_before_bar()?)))
    }

    fn filter_before_bar(&mut self) -> Result<Option<Box<Expression>>> {
        if self.take_keyword("WHERE") { self.expression_before_bar().map(Box::new).map(Some) } else { Ok(None) }
    }

    /// `any(x IN list WHERE condition)`
    pub(super) fn quantified(&mut self, start: Span, quantifier: Quantifier) -> Result<Expression> {
        self.advance();
        self.expect_symbol("(")?;
        let variable = self.variable()?;
        self.expect_keyword("IN")?;
        let list = Box::new(self.expression()?);
        self.expect_keyword("WHERE")?;
        let condition = Box::new(self.expression()?);
        self.expect_symbol(")")?;
        let kind = ExpressionKind::Quantified { quantifier, variable, list, condition };
        Expression::new(kind, self.span_from(start))
    }

    /// `reduce(accumulator = start, x IN list | step)`
    pub(super) fn reduce(&mut self, start: Span) -> Result<Expression> {
        self.advance();
        self.expect_symbol("(")?;
        let accumulator = self.variable()?;
        self.expect_symbol("=")?;
        let first = Box::new(self.expression()?);
        self.expect_symbol(",")?;
        let (variable, list) = self.iteration()?;
        self.expect_symbol("|")?;
        let step = Box::new(self.expression()?);
        self.expect_symbol(")")?;
        let kind = ExpressionKind::Reduce { accumulator, start: first, variable, list, step };
        Expression::new(kind, self.span_from(start))
    }

    /// `[index]`, `[from..to]`
    pub(super) fn element_or_slice(&mut self, list: Expression) -> Result<ExpressionKind> {
        let list = Box::new(list);
        self.expect_symbol("[")?;
        let from = if self.at_symbol("..") { None } else { Some(Box::new(self.expression()?)) };
        let kind = if self.take_symbol("..") {
            let to = if self.at_symbol("]") { None } else { Some(Box::new(self.expression()?)) };
            ExpressionKind::Slice { list, from, to }
        } else if let Some(index) = from {
            if !self.at_symbol("]") {
                return Err(self.expected("\"..\" or \"]\""));
            }
            ExpressionKind::Index(list, index)
        } else {
            return Err(self.expected("an expression"));
        };
        self.expect_symbol("]")?;
        Ok(kind)
    }

    /// `n {.name, .*, other: value, variable}`
    pub(super) fn map_projection(&mut self, variable: Name) -> Result<Expression> {
        let start = variable.span;
        self.expect_symbol("{")?;
        let mut items = Vec::new();
        while !self.take_symbol("}") {
            if !items.is_empty() && !self.take_symbol(",") {
                return Err(self.expected("\",\" or \"}\""));
            }
            items.push(self.map_projection_item()?);
        }
        Expression::new(ExpressionKind::MapProjection { variable, items }, self.span_from(start))
    }

    fn map_projection_item(&mut self) -> Result<MapProjectionItem> {
        if self.take_symbol(".") {
            let span = self.span();
            if self.take_symbol("*") {
                return Ok(MapProjectionItem::All(span));
            }
            return self.name("a property name or \"*\"").map(MapProjectionItem::Property);
        }
        if !matches!(self.token().kind, TokenKind::Word(_) | TokenKind::Quoted(_)) {
            return Err(self.expected("\".\" or a name"));
        }
        if !self.token_at_is_symbol(1, ":") {
            return self.variable().map(MapProjectionItem::Variable);
        }
        let name = self.name("a name")?;
        self.expect_symbol(":")?;
        Ok(MapProjectionItem::Entry(name, self.expression()?))
    }
}
