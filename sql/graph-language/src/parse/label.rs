//! Expressions over labels. `!` binds tightest, then `&` and `:`, then `|`.

use slipstream_engine::Result;

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{LabelExpression, LabelKind, MAX_DEPTH, too_complex};

impl Parser {
    /// `:a`, `:a|b`, `:a|:b`, `:a:b`, `:a&!b`; nothing where there is no colon.
    pub(super) fn labels(&mut self, what: &str) -> Result<Option<LabelExpression>> {
        if self.take_symbol(":") { self.label_expression(what, true).map(Some) } else { Ok(None) }
    }

    /// What follows the colon. `choice` says whether `|` belongs to it, or ends it.
    pub(super) fn label_expression(&mut self, what: &str, choice: bool) -> Result<LabelExpression> {
        let start = self.span();
        let mut parts = vec![self.label_conjunction(what)?];
        while choice && self.take_symbol("|") {
            self.take_symbol(":");
            parts.push(self.label_conjunction(what)?);
        }
        Ok(self.combined(parts, start, LabelKind::Or))
    }

    fn label_conjunction(&mut self, what: &str) -> Result<LabelExpression> {
        let start = self.span();
        let mut parts = vec![self.label_factor(what)?];
        while self.take_symbol("&") || self.take_symbol(":") {
            parts.push(self.label_factor(what)?);
        }
        Ok(self.combined(parts, start, LabelKind::And))
    }

    fn label_factor(&mut self, what: &str) -> Result<LabelExpression> {
        let start = self.span();
        if self.nesting >= MAX_DEPTH {
            return Err(too_complex(start));
        }
        let kind = match &self.token().kind {
            TokenKind::Symbol("!") => {
                self.advance();
                self.nesting += 1;
                let operand = self.label_factor(what);
                self.nesting -= 1;
                LabelKind::Not(Box::new(operand?))
            }
            TokenKind::Symbol("(") => {
                self.advance();
                self.nesting += 1;
                let inner = self.label_expression(what, true);
                self.nesting -= 1;
                let inner = inner?;
                self.expect_symbol(")")?;
                return Ok(LabelExpression { span: self.span_from(start), ..inner });
            }
            TokenKind::Symbol("%") => {
                self.advance();
                LabelKind::Any
            }
            _ => LabelKind::Label(self.name(what)?.text),
        };
        Ok(LabelExpression { kind, span: self.span_from(start) })
    }

    /// One part as it is, several under one node.
    fn combined(
        &self,
        mut parts: Vec<LabelExpression>,
        start: Span,
        node: fn(Vec<LabelExpression>) -> LabelKind,
    ) -> LabelExpression {
        match parts.len() {
            1 => parts.remove(0),
            _ => LabelExpression { kind: node(parts), span: self.span_from(start) },
        }
    }
}
