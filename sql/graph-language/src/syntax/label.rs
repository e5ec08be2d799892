//! Expressions over labels: `:a`, `:a|b`, `:a&!b`.

use super::Name;
use crate::lexer::Span;

/// Which labels an element may have.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelExpression {
    /// What it says.
    pub kind: LabelKind,
    /// Where it stands, without the colon.
    pub span: Span,
}

/// What an expression over labels says.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelKind {
    /// This label.
    Label(String),
    /// `%`: any label, but at least one.
    Any,
    /// `!a`
    Not(Box<LabelExpression>),
    /// `a&b`, `a:b`
    And(Vec<LabelExpression>),
    /// `a|b`, `a|:b`
    Or(Vec<LabelExpression>),
}

impl LabelExpression {
    /// The labels of `a:b:c`, which is all that can be given to an element; none where it is anything else.
    pub fn conjunction(&self) -> Option<Vec<Name>> {
        match &self.kind {
            LabelKind::Label(text) => Some(vec![Name { text: text.clone(), span: self.span }]),
            LabelKind::And(parts) => {
                let parts = parts.iter().map(LabelExpression::conjunction).collect::<Option<Vec<_>>>()?;
                Some(parts.into_iter().flatten().collect())
            }
            LabelKind::Or(_) | LabelKind::Not(_) | LabelKind::Any => None,
        }
    }
}
