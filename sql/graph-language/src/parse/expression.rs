//! Expressions, a function per level of precedence, the loosest first: OR, XOR, AND, NOT, comparison, string, list and
//! null predicates, `+ -`, `* / %`, `^`, sign, property.

use slipstream_engine::{Error, ErrorKind, Result};

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{
    Arithmetic, BinaryOperator, Comparison, Expression, ExpressionKind, MAX_DEPTH, StringMatch, too_complex,
};

impl Parser {
    pub(super) fn expression(&mut self) -> Result<Expression> {
        if self.nesting == MAX_DEPTH {
            return Err(too_complex(self.span()));
        }
        self.nesting += 1;
        let expression = self.disjunction();
        self.nesting -= 1;
        expression
    }

    fn disjunction(&mut self) -> Result<Expression> {
        let mut operands = vec![self.exclusive_disjunction()?];
        while self.take_keyword("OR") {
            operands.push(self.exclusive_disjunction()?);
        }
        join(operands, ExpressionKind::Or)
    }

    fn exclusive_disjunction(&mut self) -> Result<Expression> {
        let mut left = self.conjunction()?;
        while self.take_keyword("XOR") {
            let right = self.conjunction()?;
            left = binary(BinaryOperator::Xor, left, right)?;
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Expression> {
        let mut operands = vec![self.negation()?];
        while self.take_keyword("AND") {
            operands.push(self.negation()?);
        }
        join(operands, ExpressionKind::And)
    }

    fn negation(&mut self) -> Result<Expression> {
        let mut words = Vec::new();
        while self.at_keyword("NOT") {
            words.push(self.span());
            self.advance();
        }
        let mut operand = self.comparison()?;
        for word in words.into_iter().rev() {
            let span = word.to(operand.span);
            operand = Expression::new(ExpressionKind::Not(Box::new(operand)), span)?;
        }
        Ok(operand)
    }

    /// A chain `a < b <= c` means `a < b AND b <= c`.
    fn comparison(&mut self) -> Result<Expression> {
        let mut left = self.predicate()?;
        let mut links = Vec::new();
        while let Some(comparison) = self.take_comparison() {
            let right = self.predicate()?;
            links.push(binary(BinaryOperator::Compare(comparison), left, right.clone())?);
            left = right;
        }
        if links.is_empty() { Ok(left) } else { join(links, ExpressionKind::And) }
    }

    fn take_comparison(&mut self) -> Option<Comparison> {
        let TokenKind::Symbol(symbol) = self.token().kind else { return None };
        let comparison = match symbol {
            "=" => Comparison::Equal,
            "<>" | "!=" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.advance();
        Some(comparison)
    }

    /// `a STARTS WITH b`, `a ENDS WITH b`, `a CONTAINS b`, `a IN b`, `a IS [NOT] NULL`.
    fn predicate(&mut self) -> Result<Expression> {
        let mut left = self.arithmetic(0)?;
        loop {
            if self.take_keyword("IS") {
                let negated = self.take_keyword("NOT");
                self.expect_keyword("NULL")?;
                let span = self.span_from(left.span);
                left = Expression::new(ExpressionKind::IsNull { operand: Box::new(left), negated }, span)?;
            } else if let Some(operator) = self.take_predicate()? {
                let right = self.arithmetic(0)?;
                left = binary(operator, left, right)?;
            } else {
                return Ok(left);
            }
        }
    }

    fn take_predicate(&mut self) -> Result<Option<BinaryOperator>> {
        if self.at_symbol("=~") {
            return Err(self.refused("matching by regular expression in Cypher is"));
        }
        Ok(if self.take_keyword("STARTS") {
            self.expect_keyword("WITH")?;
            Some(BinaryOperator::Match(StringMatch::Prefix))
        } else if self.take_keyword("ENDS") {
            self.expect_keyword("WITH")?;
            Some(BinaryOperator::Match(StringMatch::Suffix))
        } else if self.take_keyword("CONTAINS") {
            Some(BinaryOperator::Match(StringMatch::Infix))
        } else if self.take_keyword("IN") {
            Some(BinaryOperator::In)
        } else {
            None
        })
    }

    /// Operators that bind at least as tightly as `level`; all of them group from the left.
    fn arithmetic(&mut self, level: usize) -> Result<Expression> {
        let mut left = self.sign()?;
        while let Some((operator, own)) = self.arithmetic_operator().filter(|(_, own)| *own >= level) {
            self.advance();
            let right = self.arithmetic(own + 1)?;
            left = binary(BinaryOperator::Arithmetic(operator), left, right)?;
        }
        Ok(left)
    }

    fn arithmetic_operator(&self) -> Option<(Arithmetic, usize)> {
        let TokenKind::Symbol(symbol) = self.token().kind else { return None };
        Some(match symbol {
            "+" => (Arithmetic::Add, 0),
            "-" => (Arithmetic::Subtract, 0),
            "*" => (Arithmetic::Multiply, 1),
            "/" => (Arithmetic::Divide, 1),
            "%" => (Arithmetic::Modulo, 1),
            "^" => (Arithmetic::Power, 2),
            _ => return None,
        })
    }

    fn sign(&mut self) -> Result<Expression> {
        let mut signs = Vec::new();
        while self.at_symbol("-") || self.at_symbol("+") {
            signs.push((self.at_symbol("-"), self.span()));
            self.advance();
        }
        let mut operand = match (signs.last(), &self.token().kind) {
            (Some((true, sign)), TokenKind::IntegerBound) => {
                let span = sign.to(self.span());
                signs.pop();
                self.advance();
                Expression::new(ExpressionKind::Integer(i64::MIN), span)?
            }
            _ => self.operand()?,
        };
        for (_, sign) in signs.into_iter().rev().filter(|(minus, _)| *minus) {
            let span = sign.to(operand.span);
            let kind = match operand.kind {
                ExpressionKind::Integer(value) if value != i64::MIN => ExpressionKind::Integer(-value),
                ExpressionKind::Float(value) => ExpressionKind::Float(-value),
                _ => ExpressionKind::Negate(Box::new(operand)),
            };
            operand = Expression::new(kind, span)?;
        }
        Ok(operand)
    }

    /// An atom and the property lookups after it.
    fn operand(&mut self) -> Result<Expression> {
        let mut operand = self.atom()?;
        loop {
            if self.take_symbol(".") {
                let name = self.name("a property name")?;
                let span = self.span_from(operand.span);
                operand = Expression::new(ExpressionKind::Property(Box::new(operand), name), span)?;
            } else if self.at_symbol("[") {
                return Err(self.refused("an element or slice of a list is"));
            } else if self.at_symbol(":") && matches!(operand.kind, ExpressionKind::Variable(_)) {
                return Err(self.refused("a label as a condition is").with_hint("Write the label in the pattern."));
            } else if self.at_symbol("{") && matches!(operand.kind, ExpressionKind::Variable(_)) {
                return Err(self.refused("a projection of properties is"));
            } else {
                return Ok(operand);
            }
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
            TokenKind::Symbol("{") => return Err(self.refused("a map is")),
            TokenKind::Word(word) => return self.word(&word, start),
            TokenKind::Quoted(_) => return self.named(start),
            TokenKind::Symbol(_) | TokenKind::End => return Err(self.expected("an expression")),
        };
        self.advance();
        Expression::new(kind, start)
    }

    fn word(&mut self, word: &str, start: Span) -> Result<Expression> {
        let kind = match word.to_ascii_uppercase().as_str() {
            "TRUE" => ExpressionKind::Boolean(true),
            "FALSE" => ExpressionKind::Boolean(false),
            "NULL" => ExpressionKind::Null,
            "CASE" => return self.case(),
            "EXISTS" => return Err(self.refused("EXISTS is")),
            "COUNT" | "COLLECT" if self.token_at_is_symbol(1, "{") => return Err(self.refused("a subquery is")),
            "ALL" | "ANY" | "NONE" | "SINGLE" | "REDUCE" if self.at_quantifier() => {
                return Err(self.refused("a condition over a list is"));
            }
            _ => return self.named(start),
        };
        self.advance();
        Expression::new(kind, start)
    }

    /// `any(x IN ...)`
    fn at_quantifier(&self) -> bool {
        self.token_at_is_symbol(1, "(") && (self.token_at_is_keyword(3, "IN") || self.token_at_is_symbol(3, "="))
    }

    /// A variable or a function call.
    fn named(&mut self, start: Span) -> Result<Expression> {
        if self.at_reserved() {
            return Err(self.expected("an expression"));
        }
        let name = self.name("an expression")?;
        if !self.take_symbol("(") {
            return Expression::new(ExpressionKind::Variable(name.text), start);
        }
        if name.text.eq_ignore_ascii_case("count") && self.at_symbol("*") {
            self.advance();
            self.expect_symbol(")")?;
            return Expression::new(ExpressionKind::CountRows, self.span_from(start));
        }
        let distinct = self.take_keyword("DISTINCT");
        let arguments = self.expressions(")")?;
        Expression::new(ExpressionKind::Call { name, distinct, arguments }, self.span_from(start))
    }

    /// `(expression)`, or a pattern as a condition, which is told apart by what follows.
    fn parenthesized(&mut self) -> Result<Expression> {
        let start = self.span();
        if self.token_at_is_symbol(1, ")") || self.token_at_is_symbol(1, ":") {
            return Err(self.refused("a pattern as a condition is"));
        }
        self.expect_symbol("(")?;
        let inner = self.expression()?;
        self.expect_symbol(")")?;
        let dash = usize::from(self.at_symbol("<"));
        let arrow = self.token_at_is_symbol(dash, "-")
            && (self.token_at_is_symbol(dash + 1, "[")
                || (self.token_at_is_symbol(dash + 1, "-")
                    && (self.token_at_is_symbol(dash + 2, "(") || self.token_at_is_symbol(dash + 2, ">"))));
        if arrow && matches!(inner.kind, ExpressionKind::Variable(_)) {
            return Err(self.refused("a pattern as a condition is"));
        }
        Ok(inner.within(self.span_from(start)))
    }

    fn list(&mut self) -> Result<Expression> {
        let start = self.span();
        if self.token_at_is_keyword(2, "IN") || self.at_pattern_comprehension() {
            return Err(self.refused("a list comprehension is"));
        }
        self.expect_symbol("[")?;
        let items = self.expressions("]")?;
        Expression::new(ExpressionKind::List(items), self.span_from(start))
    }

    /// `[(a)-...`
    fn at_pattern_comprehension(&self) -> bool {
        self.token_at_is_symbol(1, "(")
            && self.token_at_is_symbol(3, ")")
            && (self.token_at_is_symbol(4, "-") || self.token_at_is_symbol(4, "<"))
    }

    /// Expressions between commas, up to and with the closing bracket.
    fn expressions(&mut self, close: &str) -> Result<Vec<Expression>> {
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

fn binary(operator: BinaryOperator, left: Expression, right: Expression) -> Result<Expression> {
    let span = left.span.to(right.span);
    Expression::new(ExpressionKind::Binary(operator, Box::new(left), Box::new(right)), span)
}

/// One operand as it is, several under one node.
fn join(mut operands: Vec<Expression>, node: fn(Vec<Expression>) -> ExpressionKind) -> Result<Expression> {
    match operands.len() {
        1 => Ok(operands.remove(0)),
        _ => {
            let span = operands[0].span.to(operands[operands.len() - 1].span);
            Expression::new(node(operands), span)
        }
    }
}
