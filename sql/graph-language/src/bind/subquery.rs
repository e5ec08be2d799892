//! Queries inside expressions: patterns as conditions, `EXISTS { ... }`, `COUNT { ... }`, comprehensions over patterns, and the
//! nodes at the ends of a relationship.

use std::collections::BTreeSet;

use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Binder;
use super::expression::list_of;
use super::scope::Element;
use crate::bound::{
    Answer, BoundClause, BoundItem, BoundMatch, BoundNode, BoundPath, BoundProjection, Function, Subquery, Value,
    ValueKind,
};
use crate::lexer::Span;
use crate::syntax::{Clause, Comparison, Expression, ExpressionKind, Match, Part, PathPattern, Projection, Query};

impl Binder<'_> {
    /// `(a)-[:t]->(b)` as a condition. It names what is there and nothing new.
    pub(super) fn pattern_exists(&mut self, pattern: &PathPattern, span: Span) -> Result<Value> {
        if let Some(search) = pattern.search {
            return Err(Error::not_supported("searching for shortest paths in an expression is not supported")
                .with_hint("Give the path a name in MATCH.")
                .at(search.span.position()));
        }
        let nodes = pattern.nodes().filter_map(|node| node.variable.as_ref());
        let relationships = pattern.relationships().filter_map(|relationship| relationship.variable.as_ref());
        for name in nodes.chain(relationships) {
            self.scope.binding(&name.text, name.span)?;
        }
        let clause = Clause::Match(one_match(pattern, None, span));
        self.asked(&[&clause], Ask::Exists, span)
    }

    /// `EXISTS { ... }`
    pub(super) fn exists(&mut self, query: &Query, span: Span) -> Result<Value> {
        let parts = query.parts.iter().map(|part| self.part(part, Ask::Exists, span)).collect::<Result<Vec<_>>>()?;
        Ok(match <[Value; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Value::new(ValueKind::Or(parts), SqlType::Boolean),
        })
    }

    /// `COUNT { ... }`
    pub(super) fn count(&mut self, query: &Query, span: Span) -> Result<Value> {
        match query.parts.as_slice() {
            [part] => self.part(part, Ask::Count, span),
            _ => Err(Error::not_supported("UNION in COUNT { } is not supported").at(span.position())),
        }
    }

    /// `size((a)-->(b))`
    pub(super) fn pattern_count(&mut self, pattern: &PathPattern, span: Span) -> Result<Value> {
        let clause = Clause::Match(one_match(pattern, None, span));
        self.asked(&[&clause], Ask::Count, span)
    }

    /// `[(a)-->(b) WHERE filter | result]`
    pub(super) fn pattern_comprehension(
        &mut self,
        pattern: &PathPattern,
        filter: Option<&Expression>,
        result: &Expression,
        span: Span,
    ) -> Result<Value> {
        let clause = Clause::Match(one_match(pattern, filter, span));
        self.asked(&[&clause], Ask::Collect(result), span)
    }

    fn part(&mut self, part: &Part, ask: Ask<'_>, span: Span) -> Result<Value> {
        if let Some(clause) = part.clauses.iter().find(|clause| clause.writes()) {
            return Err(Error::new(ErrorKind::Syntax, format!("{} inside an expression", clause.keyword()))
                .at(clause.span().position()));
        }
        for clause in &part.clauses {
            if let Clause::With(projection, _) | Clause::Return(projection) = clause {
                check_projection(projection)?;
            }
        }
        let clauses: Vec<&Clause> = part.clauses.iter().collect();
        self.asked(&clauses, ask, span)
    }

    /// Binds clauses in a scope that begins with what there is here.
    fn asked(&mut self, clauses: &[&Clause], ask: Ask<'_>, span: Span) -> Result<Value> {
        let (scope, identity) = (self.scope.clone(), self.identity.clone());
        let (outputs, unindexed) = (std::mem::take(&mut self.outputs), std::mem::take(&mut self.unindexed));
        let lacks = (std::mem::take(&mut self.lacks), std::mem::take(&mut self.item_lacks));
        let bound = self.inner(clauses, ask);
        (self.scope, self.identity, self.outputs, self.unindexed) = (scope, identity, outputs, unindexed);
        (self.lacks, self.item_lacks) = lacks;
        self.beyond_index("queries inside expressions", span);
        let (clauses, answer) = bound?;
        let (answer, sql_type) = match answer {
            Answer::Exists => (Answer::Exists, SqlType::Boolean),
            Answer::Count => (Answer::Count, SqlType::BigInt),
            Answer::Collect(value) => {
                let value = if value.sql_type.is_none() { self.dynamic(value) } else { value };
                let sql_type = list_of(value.sql_type.clone().unwrap_or(SqlType::Jsonb));
                (Answer::Collect(value), sql_type)
            }
        };
        self.subquery(clauses, answer, sql_type, span)
    }

    fn inner(&mut self, clauses: &[&Clause], ask: Ask<'_>) -> Result<(Vec<BoundClause>, Answer)> {
        let bound = clauses
            .iter()
            .map(|clause| match clause {
                Clause::Return(projection) => Ok(BoundClause::With(self.return_clause(projection)?, None)),
                clause => self.clause(clause),
            })
            .collect::<Result<Vec<_>>>()?;
        let answer = match ask {
            Ask::Exists => Answer::Exists,
            Ask::Count => Answer::Count,
            Ask::Collect(result) => Answer::Collect(self.value(result)?),
        };
        Ok((bound, answer))
    }

    /// The value of a query inside an expression.
    fn subquery(&mut self, clauses: Vec<BoundClause>, answer: Answer, sql_type: SqlType, span: Span) -> Result<Value> {
        let mut names = Names::default();
        clauses.iter().for_each(|clause| names.clause(clause));
        if let Answer::Collect(value) = &answer {
            names.value(value);
        }
        if names.has_free_local() {
            return Err(Error::not_supported(
                "a pattern that depends on the variable of a list comprehension is not supported",
            )
            .with_hint("UNWIND the list before the pattern.")
            .at(span.position()));
        }
        let captured: Vec<String> = names.used.difference(&names.made).cloned().collect();
        let mut clauses = clauses;
        clauses.iter_mut().for_each(|clause| carry(clause, &captured));
        let subquery = Subquery { variable: self.fresh('s'), captured, clauses, answer };
        Ok(Value::new(ValueKind::Subquery(Box::new(subquery)), sql_type))
    }

    /// The node of a vertex table with a key, as a value; NULL where there is none.
    pub(super) fn node_with_key(&mut self, vertex: usize, key: Value, span: Span) -> Result<Value> {
        self.beyond_index("nodes at the ends of relationships as values", span);
        let element = self.vertex_element(vertex)?;
        let node =
            BoundNode { variable: element.variable.clone(), written: None, tables: element.tables(), introduced: true };
        let same = ValueKind::Compare(Comparison::Equal, Box::new(element.key_value()), Box::new(key));
        let pattern = BoundMatch {
            optional: false,
            impossible: false,
            paths: vec![BoundPath { start: node, steps: Vec::new() }],
            distinct: Vec::new(),
            conditions: vec![Value::new(same, SqlType::Boolean)],
            deduplicate: Vec::new(),
        };
        let whole = Value::new(ValueKind::Whole(element.part()), SqlType::Jsonb);
        let found = self.subquery(vec![BoundClause::Match(pattern)], Answer::Collect(whole), SqlType::Jsonb, span)?;
        Ok(Value::new(ValueKind::Call(Function::Head, vec![found]), SqlType::Jsonb))
    }
}

impl Binder<'_> {
    /// The place of a vertex table among those of the graph.
    pub(super) fn vertex_place(&self, label: &str) -> Result<usize> {
        let place = self.graph.vertices.iter().position(|vertex| vertex.name == label);
        place.ok_or_else(|| Error::internal(format!("no vertex \"{label}\" in the graph")))
    }

    /// A node of a vertex table, under a variable that nothing else has.
    pub(super) fn vertex_element(&mut self, at: usize) -> Result<Element> {
        let members = vec![self.vertex_member(&self.graph.vertices[at])?];
        Ok(Element { variable: self.fresh('n'), members, optional: false, ends: Vec::new() })
    }
}

/// What is asked of a query inside an expression.
#[derive(Clone, Copy)]
enum Ask<'e> {
    Exists,
    Count,
    Collect(&'e Expression),
}

fn one_match(pattern: &PathPattern, filter: Option<&Expression>, span: Span) -> Match {
    Match { span, optional: false, patterns: vec![pattern.clone()], filter: filter.cloned() }
}

/// A projection is of all rows of a query, and here there is a query for each row: limits would count the wrong ones, and
/// an aggregate of no rows would be missing.
fn check_projection(projection: &Projection) -> Result<()> {
    if let [only] = projection.items.as_slice()
        && matches!(only.expression.kind, ExpressionKind::CountRows)
    {
        return Err(Error::not_supported("an aggregate over all rows inside an expression is not supported")
            .with_hint("Use COUNT { }.")
            .at(only.expression.span.position()));
    }
    if let Some(limit) = projection.skip.as_ref().or(projection.limit.as_ref()) {
        return Err(
            Error::not_supported("SKIP and LIMIT inside an expression are not supported").at(limit.span.position())
        );
    }
    Ok(())
}

/// Makes a projection pass on variables of the row around the query, by which its rows are put together with that row.
fn carry(clause: &mut BoundClause, captured: &[String]) {
    let (BoundClause::With(projection, _) | BoundClause::Return(projection)) = clause else { return };
    let carried = |items: &mut Vec<BoundItem>| {
        for variable in captured {
            let held = |item: &BoundItem| matches!(item, BoundItem::Variable(held) if held == variable);
            if !items.iter().any(held) {
                items.push(BoundItem::Variable(variable.clone()));
            }
        }
    };
    if !projection.stage.is_empty() {
        carried(&mut projection.stage);
    }
    carried(&mut projection.items);
}

/// The variables that clauses name, and those that they make.
#[derive(Default)]
struct Names {
    used: BTreeSet<String>,
    made: BTreeSet<String>,
    locals: BTreeSet<String>,
    own_locals: BTreeSet<String>,
}

impl Names {
    fn has_free_local(&self) -> bool {
        !self.locals.is_subset(&self.own_locals)
    }

    fn clause(&mut self, clause: &BoundClause) {
        match clause {
            BoundClause::Match(pattern) => {
                self.made.extend(pattern.introduced().into_iter().map(str::to_string));
                for path in &pattern.paths {
                    let nodes = std::iter::once(&path.start).chain(path.steps.iter().map(|(_, node)| node));
                    self.used.extend(nodes.map(|node| node.variable.clone()));
                }
                pattern.conditions.iter().for_each(|condition| self.value(condition));
            }
            BoundClause::Unwind { list, variable } => {
                self.value(list);
                self.made.insert(variable.clone());
            }
            BoundClause::With(projection, filter) => {
                self.projection(projection);
                filter.iter().for_each(|filter| self.value(filter));
            }
            BoundClause::Return(projection) => self.projection(projection),
            // Nothing inside an expression writes.
            BoundClause::Create(_) | BoundClause::Merge(_) | BoundClause::Set(_) | BoundClause::Delete { .. } => {}
        }
    }

    fn projection(&mut self, projection: &BoundProjection) {
        for item in projection.stage.iter().chain(&projection.items) {
            match item {
                BoundItem::Variable(variable) => {
                    self.used.insert(variable.clone());
                }
                BoundItem::Value { value, variable } => {
                    self.value(value);
                    self.made.insert(variable.clone());
                }
            }
        }
        projection.order.iter().for_each(|(value, _)| self.value(value));
    }

    fn value(&mut self, value: &Value) {
        self.used.extend(value.variables().into_iter().map(str::to_string));
        self.local(value);
    }

    fn local(&mut self, value: &Value) {
        match &value.kind {
            ValueKind::Local(name) => {
                self.locals.insert(name.clone());
            }
            ValueKind::Comprehension { variable, .. } | ValueKind::Quantified { variable, .. } => {
                self.own_locals.insert(variable.clone());
            }
            ValueKind::Reduce { accumulator, variable, .. } => {
                self.own_locals.extend([accumulator.clone(), variable.clone()]);
            }
            _ => {}
        }
        value.children().into_iter().for_each(|child| self.local(child));
    }
}
