//! Queries: clauses that read, their order, UNION.

use slipstream_engine::{Error, ErrorKind, Result};

use super::{MAX_CLAUSES, Parser};
use crate::lexer::{Span, TokenKind};
use crate::syntax::{Clause, Expression, Item, Match, Part, Projection, Query, SortItem, Unwind};

/// What may begin a clause, for errors.
const CLAUSES: &str = "MATCH, OPTIONAL MATCH, UNWIND, WITH, RETURN, CREATE, MERGE, SET, REMOVE or DELETE";

/// Clauses of openCypher or its dialects that are not done.
const UNDONE: &[&str] = &["CALL", "FOREACH", "LOAD", "USE", "FINISH"];

impl Parser {
    /// A query, and nothing after it.
    pub(super) fn whole_query(&mut self) -> Result<Query> {
        let query = self.query(false)?;
        self.take_symbol(";");
        match self.token().kind {
            TokenKind::End => Ok(query),
            _ => Err(self.expected("the end of the query")),
        }
    }

    /// Parts with UNION between them. A subquery need not say what it returns.
    pub(super) fn query(&mut self, subquery: bool) -> Result<Query> {
        let mut parts = vec![self.part(subquery)?];
        let mut all = None;
        while self.at_keyword("UNION") {
            let place = self.span();
            self.advance();
            let this = self.take_keyword("ALL");
            if *all.get_or_insert(this) != this {
                return Err(Error::new(ErrorKind::Syntax, "UNION and UNION ALL cannot be mixed in one query")
                    .at(place.position()));
            }
            parts.push(self.part(subquery)?);
        }
        let all = all.unwrap_or(false);
        if let Some(part) = parts.iter().find(|part| !subquery && parts.len() > 1 && !part.returns()) {
            return Err(Error::new(ErrorKind::Syntax, "every part of a UNION needs RETURN").at(part.span.end + 1));
        }
        Ok(Query { parts, all })
    }

    /// Clauses up to RETURN, or to the last one that writes.
    fn part(&mut self, subquery: bool) -> Result<Part> {
        let start = self.span();
        let mut clauses: Vec<Clause> = Vec::new();
        while !matches!(clauses.last(), Some(Clause::Return(_))) && !self.at_end_of_part(&clauses, subquery) {
            // They become one, unless the binder finds that they do not.
            let goes_on = matches!(clauses.last(), Some(Clause::Create(_))) && self.at_keyword("CREATE");
            if !goes_on {
                self.clauses = self.count(self.clauses, MAX_CLAUSES, "clauses")?;
            }
            let place = self.span();
            let clause = self.clause()?;
            if let Some(last) = clauses.last() {
                check_order(last, &clause, place)?;
            }
            clauses.push(clause);
        }
        Ok(Part { span: self.span_from(start), clauses })
    }

    /// Whether a part can end here, and does.
    fn at_end_of_part(&self, clauses: &[Clause], subquery: bool) -> bool {
        let can = clauses.last().is_some_and(|last| last.writes() || (subquery && matches!(last, Clause::Match(_))));
        can && (self.token().kind == TokenKind::End
            || self.at_symbol(";")
            || self.at_keyword("UNION")
            || (subquery && self.at_symbol("}")))
    }

    fn clause(&mut self) -> Result<Clause> {
        self.refuse_undone()?;
        let start = self.span();
        let TokenKind::Word(word) = &self.token().kind else { return Err(self.expected(CLAUSES)) };
        match word.to_ascii_uppercase().as_str() {
            "OPTIONAL" | "MATCH" => self.match_clause().map(Clause::Match),
            "UNWIND" => self.unwind().map(Clause::Unwind),
            "WITH" => {
                self.advance();
                let projection = self.projection(start)?;
                let filter = self.filter()?;
                Ok(Clause::With(projection, filter))
            }
            "RETURN" => {
                self.advance();
                self.projection(start).map(Clause::Return)
            }
            "CREATE" => self.create().map(Clause::Create),
            "MERGE" => self.merge().map(Clause::Merge),
            "SET" => self.set().map(Clause::Set),
            "REMOVE" => self.remove().map(Clause::Remove),
            "DETACH" | "DELETE" => self.delete().map(Clause::Delete),
            _ => Err(self.expected(CLAUSES)),
        }
    }

    /// Refuses, by its name, a clause that is not done here.
    fn refuse_undone(&self) -> Result<()> {
        let TokenKind::Word(word) = &self.token().kind else { return Ok(()) };
        let word = word.to_ascii_uppercase();
        match word.as_str() {
            "LOAD" => Err(self.refused("LOAD CSV in Cypher is").with_hint("Load the tables of the graph with COPY.")),
            "FOREACH" => Err(self.refused("FOREACH in Cypher is").with_hint("Write UNWIND before the writing clause.")),
            _ if UNDONE.contains(&word.as_str()) => Err(self.refused(format!("{word} in Cypher is"))),
            _ => Ok(()),
        }
    }

    fn match_clause(&mut self) -> Result<Match> {
        let start = self.span();
        let optional = self.take_keyword("OPTIONAL");
        self.expect_keyword("MATCH")?;
        let patterns = self.match_patterns()?;
        let filter = self.filter()?;
        Ok(Match { span: self.span_from(start), optional, patterns, filter })
    }

    fn unwind(&mut self) -> Result<Unwind> {
        let start = self.span();
        self.expect_keyword("UNWIND")?;
        let list = self.expression()?;
        self.expect_keyword("AS")?;
        let variable = self.variable()?;
        Ok(Unwind { span: self.span_from(start), list, variable })
    }

    pub(super) fn filter(&mut self) -> Result<Option<Expression>> {
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

impl Part {
    fn returns(&self) -> bool {
        matches!(self.clauses.last(), Some(Clause::Return(_)))
    }
}

/// Clauses that write are followed by others that write, by WITH or RETURN.
fn check_order(last: &Clause, next: &Clause, place: Span) -> Result<()> {
    let reads = matches!(next, Clause::Match(_) | Clause::Unwind(_));
    if last.writes() && reads {
        return Err(Error::new(
            ErrorKind::Syntax,
            format!("WITH is required between {} and {}", last.keyword(), next.keyword()),
        )
        .at(place.position()));
    }
    Ok(())
}
