//! What a bracket begins, told from the tokens behind it.

use super::Parser;
use crate::lexer::TokenKind;

impl Parser {
    /// Whether a pattern with a relationship begins here: a node in parentheses, and a dash or arrow behind it.
    pub(super) fn at_path(&self) -> bool {
        self.path_at(0)
    }

    fn path_at(&self, ahead: usize) -> bool {
        if !self.token_at_is_symbol(ahead, "(") || !self.node_at(ahead + 1) {
            return false;
        }
        self.closing(ahead).is_some_and(|close| self.relationship_at(close + 1))
    }

    /// Whether a relationship begins there: `--`, `-[`, `<--`, `<-[`.
    pub(super) fn relationship_at(&self, ahead: usize) -> bool {
        let dash = ahead + usize::from(self.token_at_is_symbol(ahead, "<"));
        let goes_on = ["-", "["].iter().any(|symbol| self.token_at_is_symbol(dash + 1, symbol));
        self.token_at_is_symbol(dash, "-") && goes_on
    }

    /// Whether what follows an opening parenthesis can be inside a node.
    fn node_at(&self, ahead: usize) -> bool {
        let ahead = ahead + usize::from(self.variable_at(ahead));
        [")", ":", "{"].iter().any(|symbol| self.token_at_is_symbol(ahead, symbol))
            || self.token_at_is_keyword(ahead, "WHERE")
            || matches!(self.token_at(ahead).kind, TokenKind::Parameter(_))
    }

    /// Whether `[` begins a comprehension over a pattern: `[(a)-->(b) | ...`, `[p = (a)-->(b) | ...`.
    pub(super) fn at_pattern_comprehension(&self) -> bool {
        let named = self.variable_at(1) && self.token_at_is_symbol(2, "=");
        self.path_at(if named { 3 } else { 1 }) && self.has_inside("|")
    }

    /// Whether `[` begins a comprehension over a list: `[x IN list ...`.
    pub(super) fn at_list_comprehension(&self) -> bool {
        self.variable_at(1) && self.token_at_is_keyword(2, "IN") && !self.has_inside(",")
    }

    /// Whether the bracket here has this symbol directly in it.
    fn has_inside(&self, symbol: &str) -> bool {
        let Some(close) = self.closing(0) else { return false };
        let mut depth = 0_usize;
        (0..close).any(|ahead| {
            match self.token_at(ahead).kind {
                TokenKind::Symbol("(" | "[" | "{") => depth += 1,
                TokenKind::Symbol(")" | "]" | "}") => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 1 && self.token_at_is_symbol(ahead, symbol)
        })
    }

    /// How far ahead the bracket closes that opens `ahead` of here.
    fn closing(&self, ahead: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.get(self.at + ahead..)?.iter().enumerate() {
            match token.kind {
                TokenKind::Symbol("(" | "[" | "{") => depth += 1,
                TokenKind::Symbol(")" | "]" | "}") => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(ahead + at);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
