//! Operators, a function per level of precedence, the loosest first: OR, XOR, AND, NOT, comparison, string, list and
//! null predicates, `+ -`, `* / %`, `^`, sign. What they stand between is `atom`'s.

use slipstream_engine::Result;

use super::Parser;
use crate::lexer::TokenKind;
use crate::syntax::{
    Arithmetic, BinaryOperator, Comparison, Expression, ExpressionKind, MAX_DEPTH, StringMatch, too_complex,
};

impl Parser {
    pub(super) fn expression(&mut self) -> Result<Expression> {
        self.nested(false)
    }

    /// An expression that `|` may follow, which then is no choice of labels.
    pub(super) fn expression_before_bar(&mut self) -> Result<Expression> {
        self.nested(true)
    }

    fn nested(&mut self, bar_ends: bool) -> Result<Expression> {
        if self.nesting >= MAX_DEPTH {
            return Err(too_complex(self.span()));
        }
        self.nesting += 1;
        let around = std::mem::replace(&mut self.bar_ends, bar_ends);
        let expression = self.disjunction();
        self.bar_ends = around;
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

    /// `a STARTS WITH b`, `a ENDS WITH b`, `a CONTAINS b`, `a =~ b`, `a IN b`, `a IS [NOT] NULL`.
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
        Ok(if self.take_symbol("=~") {
            Some(BinaryOperator::Regex)
        } else if self.take_keyword("STARTS") {
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
