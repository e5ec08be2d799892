//! The syntax tree: what was written, with the place of every name and expression, before anything is looked up.
//!
//! It has all of openCypher 9 but procedure calls, and of SQL/PGQ what its patterns have beyond Cypher's: labels combined
//! with `&`, `|` and `!`, a condition inside an element, and paths that use a relationship again. What is bound of it is the binder's choice.

mod clause;
mod expression;
mod label;
mod pattern;

pub use clause::{
    Clause, Create, Delete, Item, Match, Merge, Part, Projection, Query, Remove, RemoveItem, Set, SetItem, SortItem,
    Unwind,
};
pub use expression::{
    Arithmetic, BinaryOperator, Comparison, Expression, ExpressionKind, MAX_DEPTH, MAX_SIZE, MapProjectionItem,
    Quantifier, StringMatch, too_complex,
};
pub use label::{LabelExpression, LabelKind};
pub use pattern::{
    Direction, Length, NodePattern, PathMode, PathPattern, PathSearch, Properties, RelationshipPattern, SearchKind,
};

use super::lexer::Span;

/// A name as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}
