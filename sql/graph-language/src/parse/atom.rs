//! Operands: literals, names, calls, what is in brackets, and the lookups behind them.

use slipstream_engine::{Error, ErrorKind, Result};

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{Clause, Expression, ExpressionKind, Match, Name, Part, Quantifier, Query};

impl Parser {
    /// An atom and the lookups after it: property, element, slice, labels.
    pub(super) fn operand(&mut self) -> Result<Expression> {
        let mut operand = self.atom()?;
        loop {
            let start = operand.span;
            let kind = if self.take_symbol(".") {
                let name = self.name("a property name")?;
                ExpressionKind::Property(Box::new(operand), name)
            } else if self.at_symbol("[") {
                self.element_or_slice(operand)?
            } else if self.take_symbol(":") {
                let labels = self.label_expression("a label", !self.bar_ends)?;
                ExpressionKind::HasLabels(Box::new(operand), labels)
            } else {
                return Ok(operand);
            };
            operand = Expression::new(kind, self.span_from(start))?;
        }
    }

    fn atom(&mut self) -> Result<Expression> {
        let start = self.span();
        let kind = match self.token().kind.clone() {
            TokenKind::Integer(value) => ExpressionKind::Integer(value),
            TokenKind::Float(value) => ExpressionKind::Float(value),
            TokenKind::String(value) => ExpressionKind::String(value),
            TokenKind::Parameter(name) => ExpressionKind::Parameter(name),
            TokenKind::IntegerBound => {
                return Err(Error::new(ErrorKind::NumericOutOfRange, "number out of range").at(start.position()));
            }
            TokenKind::Symbol("(") => return self.parenthesized(),
            TokenKind::Symbol("[") => return self.list(),
            TokenKind::Symbol("{") => {
                let entries = self.entries()?;
                return Expression::new(ExpressionKind::Map(entries), self.span_from(start));
            }
            TokenKind::Word(word) => return self.word(&word, start),
            TokenKind::Quoted(_) => return self.named(start),
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.expected("an expression")),
        };
        self.advance();
        Expression::new(kind, start)
    }

    fn word(&mut self, word: &str, start: Span) -> Result<Expression> {
        let call = self.token_at_is_symbol(1, "(");
        let kind = match word.to_ascii_uppercase().as_str() {
            "TRUE" => ExpressionKind::Boolean(true),
            "FALSE" => ExpressionKind::Boolean(false),
            "NULL" => ExpressionKind::Null,
            "CASE" => return self.case(),
            "EXISTS" if self.token_at_is_symbol(1, "{") => return self.subquery(start, ExpressionKind::Exists),
            "EXISTS" if call => return self.call(start),
            "COUNT" if self.token_at_is_symbol(1, "{") => return self.subquery(start, ExpressionKind::Count),
            "COLLECT" if self.token_at_is_symbol(1, "{") => return Err(self.refused("COLLECT of a subquery is")),
            "ALL" if call => return self.quantified(start, Quantifier::All),
            "ANY" if call => return self.quantified(start, Quantifier::Any),
            "NONE" if call => return self.quantified(start, Quantifier::None),
            "SINGLE" if call => return self.quantified(start, Quantifier::Single),
            "REDUCE" if call => return self.reduce(start),
            _ => return self.named(start),
        };
        self.advance();
        Expression::new(kind, start)
    }

    /// A variable, a function call, a search for paths, or a projection of a map.
    fn named(&mut self, start: Span) -> Result<Expression> {
        if self.at_reserved() {
            return Err(self.expected("an expression"));
        }
        if let Some(search) = self.search() {
            let path = self.in_expression(|parser| parser.searched_path(search))?;
            self.check_properties(&path, "an expression")?;
            return Expression::new(ExpressionKind::Pattern(Box::new(path)), self.span_from(start));
        }
        if self.at_call() {
            return self.call(start);
        }
        let name = self.name("an expression")?;
        if self.at_symbol("{") {
            return self.map_projection(name);
        }
        Expression::new(ExpressionKind::Variable(name.text), start)
    }

    /// Whether a function's name begins here: words with dots between them, and a parenthesis behind.
    fn at_call(&self) -> bool {
        let mut ahead = 1;
        while self.token_at_is_symbol(ahead, ".") {
            ahead += 2;
        }
        self.token_at_is_symbol(ahead, "(")
    }

    fn call(&mut self, start: Span) -> Result<Expression> {
        let mut name = self.name("a function")?;
        while self.take_symbol(".") {
            let part = self.name("a function")?;
            name = Name { text: format!("{}.{}", name.text, part.text), span: name.span.to(part.span) };
        }
        self.expect_symbol("(")?;
        if name.text.eq_ignore_ascii_case("count") && self.at_symbol("*") {
            self.advance();
            self.expect_symbol(")")?;
            return Expression::new(ExpressionKind::CountRows, self.span_from(start));
        }
        let distinct = self.take_keyword("DISTINCT");
        let arguments = self.expressions(")")?;
        Expression::new(ExpressionKind::Call { name, distinct, arguments }, self.span_from(start))
    }

    /// `(expression)`, or a pattern as a condition.
    fn parenthesized(&mut self) -> Result<Expression> {
        let start = self.span();
        if self.at_path() {
            let path = self.in_expression(Parser::path_operand)?;
            self.check_properties(&path, "an expression")?;
            return Expression::new(ExpressionKind::Pattern(Box::new(path)), self.span_from(start));
        }
        self.expect_symbol("(")?;
        let inner = self.expression()?;
        if !self.take_symbol(")") {
            return Err(self.expected("an operator or \")\""));
        }
        Ok(inner.within(self.span_from(start)))
    }

    /// `EXISTS { query }`, `EXISTS { pattern, ... WHERE condition }`, and COUNT in the same way.
    fn subquery(&mut self, start: Span, node: fn(Box<Query>) -> ExpressionKind) -> Result<Expression> {
        self.advance();
        self.expect_symbol("{")?;
        let pattern = self.at_symbol("(") || self.search().is_some() || self.token_at_is_symbol(1, "=");
        let query = if pattern {
            self.in_expression(Parser::pattern_query)?
        } else {
            self.in_expression(|parser| parser.query(true))?
        };
        if let Some(clause) = query.parts.iter().flat_map(|part| &part.clauses).find(|clause| clause.writes()) {
            return Err(Error::new(ErrorKind::Syntax, format!("a subquery cannot {}", clause.keyword()))
                .at(clause.span().position()));
        }
        if !self.take_symbol("}") {
            return Err(self.expected("\"}\""));
        }
        Expression::new(node(Box::new(query)), self.span_from(start))
    }

    fn pattern_query(&mut self) -> Result<Query> {
        let start = self.span();
        let patterns = self.match_patterns()?;
        let filter = self.filter()?;
        let span = self.span_from(start);
        let clause = Clause::Match(Match { span, optional: false, patterns, filter });
        Ok(Query { parts: vec![Part { span, clauses: vec![clause] }], all: false })
    }

    /// Expressions between commas, up to and with the closing bracket.
    pub(super) fn expressions(&mut self, close: &str) -> Result<Vec<Expression>> {
        let mut items = Vec::new();
        if self.take_symbol(close) {
            return Ok(items);
        }
        loop {
            items.push(self.expression()?);
            if self.take_symbol(close) {
                return Ok(items);
            }
            if !self.take_symbol(",") {
                return Err(self.expected(format!("\",\" or \"{close}\"")));
            }
        }
    }

    fn case(&mut self) -> Result<Expression> {
        let start = self.span();
        self.expect_keyword("CASE")?;
        let operand = if self.at_keyword("WHEN") { None } else { Some(Box::new(self.expression()?)) };
        let mut branches = Vec::new();
        while self.take_keyword("WHEN") {
            let when = self.expression()?;
            self.expect_keyword("THEN")?;
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err(self.expected("WHEN"));
        }
        let otherwise = if self.take_keyword("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        self.expect_keyword("END")?;
        Expression::new(ExpressionKind::Case { operand, branches, otherwise }, self.span_from(start))
    }
}
