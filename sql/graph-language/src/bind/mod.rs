//! The syntax tree, bound: names looked up in the graph's tables, labels inferred, types checked.
//!
//! A clause is bound with the scope that the clauses before it leave; it adds to the scope (MATCH, UNWIND) or replaces it
//! (WITH). What nobody can answer is refused here, at its place in the text, so that lowering cannot fail. What the graph
//! index alone lacks, or does differently from openCypher, is noted clause by clause and condition by condition
//! ([`Unindexed`], [`Lack`]): from there on the query is answered without it.

mod aggregate;
mod candidates;
mod distinct;
mod dynamic;
mod expression;
mod function;
mod known;
mod labels;
mod lambda;
mod parameters;
mod pattern;
mod projection;
mod scope;
mod subquery;
mod types;
mod union;
mod untyped_list;
mod walk;
mod with_filter;
mod write;

use std::collections::HashSet;

use slipstream_engine::catalog::{Catalog, GraphDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use self::parameters::Parameters;
use self::scope::{Binding, Scope};
use self::untyped_list::UntypedList;
use super::CypherParameter;
use super::bound::{BoundClause, BoundQuery, Output, Value, ValueKind};
use super::index::Lack;
use super::syntax::{Clause, Query, Unwind};

/// A query, bound.
pub(super) struct Bound {
    pub(super) query: BoundQuery,
    /// Its parameters, in order of first use.
    pub(super) parameters: Vec<CypherParameter>,
    /// What the index lacks of each clause.
    pub(super) lacks: Vec<Lack>,
}

/// The first thing that the index lacks of what is being bound: of a condition, or of all of its clause that is none.
#[derive(Debug, Default)]
struct Unindexed(Option<Error>);

impl Unindexed {
    fn note(&mut self, lack: impl FnOnce() -> Error) {
        self.0.get_or_insert_with(lack);
    }

    /// What has been noted since the last time.
    fn take(&mut self) -> Option<Error> {
        self.0.take()
    }
}

/// Binds a query. Errors point into its text, in characters from 1.
pub(super) fn bind(
    syntax: &Query,
    catalog: &Catalog,
    graph: &GraphDefinition,
    declared: &[CypherParameter],
) -> Result<Bound> {
    let (bound, lists) = bind_once(syntax, catalog, graph, declared)?;
    let typed = lists.into_iter().filter_map(|list| list.parameter(&bound.query)).collect::<Vec<_>>();
    if typed.is_empty() {
        return Ok(bound);
    }
    let declared: Vec<CypherParameter> = declared.iter().cloned().chain(typed).collect();
    bind_once(syntax, catalog, graph, &declared).map(|(bound, _)| bound)
}

fn bind_once(
    syntax: &Query,
    catalog: &Catalog,
    graph: &GraphDefinition,
    declared: &[CypherParameter],
) -> Result<(Bound, Vec<UntypedList>)> {
    let mut binder = Binder {
        catalog,
        graph,
        scope: Scope::default(),
        parameters: Parameters::new(declared),
        identity: Some(Vec::new()),
        variables: 0,
        outputs: Vec::new(),
        unindexed: Unindexed::default(),
        item_lacks: Vec::new(),
        lacks: Vec::new(),
        deleted: HashSet::new(),
        untyped_lists: Vec::new(),
    };
    let (clauses, more) = binder.parts(syntax)?;
    let parameters = binder.parameters.finish()?;
    let query = BoundQuery { clauses, outputs: binder.outputs, more, distinct: !syntax.all };
    if query.writes()
        && let Some(second) = syntax.parts.get(1)
    {
        return Err(Error::not_supported("UNION in a query that writes is not supported").at(second.span.position()));
    }
    Ok((Bound { query, parameters, lacks: binder.lacks }, binder.untyped_lists))
}

struct Binder<'a> {
    catalog: &'a Catalog,
    graph: &'a GraphDefinition,
    scope: Scope,
    parameters: Parameters,
    /// The variables that tell the rows so far from each other; none where rows may be equal.
    identity: Option<Vec<String>>,
    /// How many variables have been made.
    variables: usize,
    /// The columns of RETURN, once it is bound.
    outputs: Vec<Output>,
    /// What the index lacks of the clause.
    unindexed: Unindexed,
    /// What it lacks of the items of a projection.
    item_lacks: Vec<Option<Error>>,
    /// What it lacks of the clauses so far.
    lacks: Vec<Lack>,
    /// Elements that have been deleted.
    deleted: HashSet<String>,
    /// Parameters that are unwound, and of which nothing has said what their items are.
    untyped_lists: Vec<UntypedList>,
}

impl Binder<'_> {
    fn clause(&mut self, clause: &Clause) -> Result<BoundClause> {
        let mut conditions = Vec::new();
        let bound = match clause {
            Clause::Match(pattern) => self.match_clause(pattern, &mut conditions).map(BoundClause::Match)?,
            Clause::Unwind(unwind) => self.unwind(unwind)?,
            Clause::With(projection, filter) => {
                let before = self.scope.clone();
                let bound = self.with(projection)?;
                let whole = self.unindexed.take();
                let filter = filter.as_ref().map(|filter| self.condition_after(filter, &before, &bound)).transpose()?;
                conditions.push(std::mem::replace(&mut self.unindexed.0, whole));
                BoundClause::With(bound, filter)
            }
            Clause::Return(projection) => self.return_clause(projection).map(BoundClause::Return)?,
            Clause::Create(create) => self.create(create)?,
            Clause::Merge(merge) => self.merge(merge)?,
            Clause::Set(set) => BoundClause::Set(self.set_items(&set.items)?),
            Clause::Remove(remove) => self.remove(remove)?,
            Clause::Delete(delete) => self.delete(delete)?,
        };
        if clause.writes() {
            self.identity = None;
            self.unindexed.note(|| {
                Error::not_supported(format!("{} is not done by the graph index", clause.keyword()))
                    .at(clause.span().position())
            });
        }
        let (whole, items) = (self.unindexed.take(), std::mem::take(&mut self.item_lacks));
        self.lacks.push(Lack { whole, conditions, items });
        Ok(bound)
    }

    fn unwind(&mut self, unwind: &Unwind) -> Result<BoundClause> {
        let list = self.value(&unwind.list)?;
        let untyped = match &list.kind {
            ValueKind::Parameter(name) if list.sql_type.is_none() => Some(name.clone()),
            _ => None,
        };
        let list = if list.sql_type.is_none() { self.dynamic(list) } else { list };
        let list_type = list.sql_type.clone().unwrap_or(SqlType::Jsonb);
        let item = match &list_type {
            SqlType::Array(item) => item.as_ref().clone(),
            SqlType::Jsonb => {
                self.beyond_index("UNWIND of a list of anything", unwind.list.span);
                SqlType::Jsonb
            }
            _ => {
                let message = format!("UNWIND needs a list, not {list_type}");
                return Err(Error::new(ErrorKind::DatatypeMismatch, message).at(unwind.list.span.position()));
            }
        };
        let list = self.assume(list, &list_type);
        self.identity = None;
        let variable = self.fresh('v');
        if let Some(parameter) = untyped {
            self.untyped_lists.push(UntypedList { parameter, variable: variable.clone() });
        }
        let value = Value::new(ValueKind::Variable { name: variable.clone(), key: None }, item);
        self.scope.introduce(&unwind.variable, Binding::Value(value))?;
        Ok(BoundClause::Unwind { list, variable })
    }

    /// A variable of the bound query that nothing else has.
    fn fresh(&mut self, prefix: char) -> String {
        self.variables += 1;
        format!("{prefix}{}", self.variables)
    }
}
