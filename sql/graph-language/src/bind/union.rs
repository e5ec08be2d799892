//! UNION: parts with the same columns.

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::scope::Scope;
use crate::bound::{BoundClause, BoundItem, Made, Output, Value, ValueKind};
use crate::parse::MAX_CLAUSES;
use crate::syntax::{Clause, Part, Query};

/// Whether the values of an element depend on others that are made before it.
fn sees(made: &Made, before: &[Made]) -> bool {
    let asks = |value: &Value| before.iter().any(|one| value.variables().contains(one.variable.as_str()));
    made.values().any(|value| asks(value) || !value.is_plain())
}

/// The clauses of the first part of a query, and those of the others.
type Parts = (Vec<BoundClause>, Vec<Vec<BoundClause>>);

impl Binder<'_> {
    /// Binds the parts of a query. Each begins with nothing.
    pub(super) fn parts(&mut self, query: &Query) -> Result<Parts> {
        let (first, rest) = query.parts.split_first().ok_or_else(|| Error::internal("a query without parts"))?;
        if let Some(second) = rest.first() {
            self.beyond_index("UNION", second.span);
        }
        let mut clauses = self.part_clauses(first)?;
        let mut more = Vec::with_capacity(rest.len());
        for part in rest {
            let before = (std::mem::take(&mut self.outputs), std::mem::take(&mut self.lacks));
            self.scope = Scope::default();
            self.identity = Some(Vec::new());
            let bound = self.part_clauses(part)?;
            let outputs = std::mem::take(&mut self.outputs);
            (self.outputs, self.lacks) = before;
            self.same_columns(&outputs, part)?;
            more.push(bound);
        }
        if !more.is_empty() {
            clauses.iter_mut().chain(more.iter_mut().flatten()).for_each(|clause| self.as_outputs(clause));
        }
        Ok((clauses, more))
    }

    fn part_clauses(&mut self, part: &Part) -> Result<Vec<BoundClause>> {
        let mut bound = Vec::with_capacity(part.clauses.len());
        for clause in &part.clauses {
            match self.passing_on(clause) {
                Some(clauses) => {
                    for clause in &clauses {
                        self.push_clause(clause, &mut bound)?;
                    }
                }
                None => self.push_clause(clause, &mut bound)?,
            }
        }
        Ok(bound)
    }

    /// Binds the next clause. A CREATE that needs nothing of the CREATE before it becomes part of that one.
    fn push_clause(&mut self, clause: &Clause, bound: &mut Vec<BoundClause>) -> Result<()> {
        let next = self.clause(clause)?;
        if let (Some(BoundClause::Create(before)), BoundClause::Create(made)) = (bound.last_mut(), &next)
            && made.iter().all(|one| !sees(one, before))
        {
            before.extend(made.iter().cloned());
            self.lacks.pop();
            return Ok(());
        }
        if bound.len() >= MAX_CLAUSES {
            return Err(Error::new(ErrorKind::TooComplex, "query has too many clauses")
                .with_detail(format!("A query may have {MAX_CLAUSES} clauses."))
                .at(clause.span().position()));
        }
        bound.push(next);
        Ok(())
    }

    /// Checks that a part has the columns of those before it, and finds the types that they have in common: a dynamic one
    /// where there is no other.
    fn same_columns(&mut self, outputs: &[Output], part: &Part) -> Result<()> {
        let names = |outputs: &[Output]| outputs.iter().map(|output| output.name.clone()).collect::<Vec<_>>();
        let (expected, found) = (names(&self.outputs), names(outputs));
        if expected != found {
            let span = part.clauses.iter().rfind(|clause| matches!(clause, Clause::Return(_))).map(Clause::span);
            return Err(Error::new(ErrorKind::Syntax, "the parts of UNION must return the same columns")
                .with_detail(format!("One returns {}, another {}.", expected.join(", "), found.join(", ")))
                .at(span.unwrap_or(part.span).position()));
        }
        for (output, other) in self.outputs.iter_mut().zip(outputs) {
            output.key = None;
            if output.sql_type != other.sql_type {
                output.sql_type = super::types::merge(&output.sql_type, &other.sql_type).unwrap_or(SqlType::Jsonb);
            }
        }
        Ok(())
    }

    /// Makes RETURN give the types of the whole query.
    fn as_outputs(&self, clause: &mut BoundClause) {
        let BoundClause::Return(projection) = clause else { return };
        for (item, output) in projection.items.iter_mut().zip(&self.outputs) {
            if let BoundItem::Value { value, .. } = item
                && !matches!(value.kind, ValueKind::Aggregate { .. })
            {
                *value = std::mem::replace(value, Value::null()).cast(output.sql_type.clone());
            }
        }
    }
}
