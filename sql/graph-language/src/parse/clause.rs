//! Clauses: MATCH, UNWIND, WITH, RETURN and what they are made of.

use slipstream_engine::{Error, ErrorKind, Result};

use super::Parser;
use crate::lexer::{Span, TokenKind};
use crate::syntax::{Clause, Expression, Item, Match, Projection, Query, SortItem, Unwind};

/// Clauses that change the graph.
const WRITES: &[&str] = &["CREATE", "MERGE", "SET", "DELETE", "DETACH", "REMOVE", "FOREACH"];

/// Other clauses of openCypher or its dialects.
const UNDONE: &[&str] = &["CALL", "UNION", "LOAD", "USE", "FINISH"];

impl Parser {
    /// Clauses up to RETURN, and nothing after it.
    pub(super) fn query(&mut self) -> Result<Query> {
        let mut clauses = Vec::new();
        while !matches!(clauses.last(), Some(Clause::Return(_))) {
            clauses.push(self.clause()?);
        }
        self.take_symbol(";");
        if self.token().kind == TokenKind::End {
            return Ok(Query { clauses });
        }
        self.refuse_undone()?;
        Err(self.expected("the end of the query"))
    }

    fn clause(&mut self) -> Result<Clause> {
        self.refuse_undone()?;
        let start = self.span();
        if self.at_keyword("OPTIONAL") || self.at_keyword("MATCH") {
            self.match_clause().map(Clause::Match)
        } else if self.take_keyword("UNWIND") {
            self.unwind().map(Clause::Unwind)
        } else if self.take_keyword("WITH") {
            let projection = self.projection(start)?;
            let filter = self.filter()?;
            Ok(Clause::With(projection, filter))
        } else if self.take_keyword("RETURN") {
            self.projection(start).map(Clause::Return)
        } else {
            Err(self.expected("MATCH, OPTIONAL MATCH, UNWIND, WITH or RETURN"))
        }
    }

    /// Refuses, by its name, a clause that is not done here.
    fn refuse_undone(&self) -> Result<()> {
        let TokenKind::Word(word) = &self.token().kind else { return Ok(()) };
        let word = word.to_ascii_uppercase();
        if WRITES.contains(&word.as_str()) {
            return Err(self.refused(format!("{word} in cypher() is")).with_hint(
                "cypher() reads; change the tables of the graph with INSERT, UPDATE and DELETE, and the graph follows.",
            ));
        }
        if UNDONE.contains(&word.as_str()) {
            return Err(self.refused(format!("{word} in Cypher is")));
        }
        Ok(())
    }

    fn match_clause(&mut self) -> Result<Match> {
        let optional = self.take_keyword("OPTIONAL");
        self.expect_keyword("MATCH")?;
        let mut patterns = vec![self.path_pattern()?];
        while self.take_symbol(",") {
            patterns.push(self.path_pattern()?);
        }
        Ok(Match { optional, patterns, filter: self.filter()? })
    }

    fn unwind(&mut self) -> Result<Unwind> {
        let list = self.expression()?;
        self.expect_keyword("AS")?;
        Ok(Unwind { list, variable: self.variable()? })
    }

    fn filter(&mut self) -> Result<Option<Expression>> {
        if self.take_keyword("WHERE") { self.expression().map(Some) } else { Ok(None) }
    }

    fn projection(&mut self, start: Span) -> Result<Projection> {
        let distinct = self.take_keyword("DISTINCT");
        let star = self.at_symbol("*").then(|| self.span());
        let mut items = Vec::new();
        if star.is_some() {
            self.advance();
        } else {
            items.push(self.item()?);
        }
        while self.take_symbol(",") {
            items.push(self.item()?);
        }
        let order = self.order()?;
        let skip =
            if self.take_keyword("SKIP") || self.take_keyword("OFFSET") { Some(self.expression()?) } else { None };
        let limit = if self.take_keyword("LIMIT") { Some(self.expression()?) } else { None };
        if limit.is_some() && (self.at_keyword("SKIP") || self.at_keyword("OFFSET")) {
            return Err(Error::new(ErrorKind::Syntax, "SKIP stands before LIMIT").at(self.span().position()));
        }
        Ok(Projection { span: self.span_from(start), distinct, star, items, order, skip, limit })
    }

    fn item(&mut self) -> Result<Item> {
        let expression = self.expression()?;
        let text = self.text(expression.span);
        let alias = if self.take_keyword("AS") { Some(self.variable()?) } else { None };
        Ok(Item { expression, alias, text })
    }

    fn order(&mut self) -> Result<Vec<SortItem>> {
        let mut items = Vec::new();
        if !self.take_keyword("ORDER") {
            return Ok(items);
        }
        self.expect_keyword("BY")?;
        loop {
            let expression = self.expression()?;
            let descending = self.take_keyword("DESC") || self.take_keyword("DESCENDING");
            if !descending && !self.take_keyword("ASC") {
                self.take_keyword("ASCENDING");
            }
            items.push(SortItem { expression, descending });
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }
}
