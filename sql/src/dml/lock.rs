//! SELECT ... FOR UPDATE and FOR SHARE: the rows join the transaction's write set. Those of FOR UPDATE count as written, so that
//! two transactions which lock the same row and change anything at all are in conflict; those of FOR SHARE have to be unchanged.
//!
//! Nobody waits for anybody here, so there is nothing to lock. What the clause is for, that the rows are still as they were
//! read when the transaction commits, it gets: the rows are noted, and a commit that finds one of them changed by somebody else
//! is `40001`. NOWAIT and SKIP LOCKED have nothing to wait for or to skip.
//!
//! A query with the clause is rewritten before it is planned ([`rewrite`]): every table that it locks becomes
//! `(SELECT columns, identity, address FROM table)`, the identity under names of its own, and the select list gets these behind
//! its items. A node ([`LockNode`], in [`operator`]) takes them out of the rows on their way.

mod operator;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    self, Distinct, ExcludeSelectItem, FunctionArguments, GroupByExpr, Ident, JoinOperator, LockClause, LockType,
    ObjectName, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias,
    TableAliasColumnDef, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};
use slipstream_engine::catalog::{Relation, TableDefinition};
use slipstream_engine::change::ROW_ADDRESS;
use slipstream_engine::{Error, ErrorKind, Result};

use super::normalize;
use crate::planner::names::TARGET;
use crate::planner::{Planning, syntax};

pub(crate) use operator::{LockExec, LockNode, wrap};

/// What the columns are called that carry identities.
const HIDDEN: &str = "?lock";

/// What a subquery with the clause is called.
const LOCKED: &str = "?locked";

/// Whether a statement has a locking clause anywhere.
fn is_locking(statement: &Statement) -> bool {
    struct Search;
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if query.locks.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    }
    statement.visit(&mut Search).is_break()
}

/// The tables that a statement locks: for each its columns in the rows that carry it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locks {
    /// Of the statement's own query, whose last columns carry them.
    top: Vec<Lock>,
    /// Of subqueries, by their number.
    below: Vec<Vec<Lock>>,
}

#[derive(Debug, Clone)]
struct Lock {
    table: Arc<TableDefinition>,
    /// Whether it is FOR UPDATE.
    exclusive: bool,
    /// The identity columns and the address, as the table calls them.
    identity: Vec<String>,
    /// The number of the table in its statement.
    number: usize,
}

impl Locks {
    /// Whether nothing is locked.
    pub(crate) fn is_empty(&self) -> bool {
        self.top.is_empty() && self.below.is_empty()
    }
}

impl Lock {
    fn hidden(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.identity.len()).map(|index| format!("{HIDDEN}{}_{index}", self.number))
    }
}

/// Says the queries with a locking clause without it. [`wrap`] puts the nodes into the plan that comes of it.
pub(crate) fn rewrite(planning: &Planning<'_>, statement: &mut Statement) -> Result<Locks> {
    let mut locks = Locks::default();
    if !is_locking(statement) {
        return Ok(locks);
    }
    let mut rewriter =
        Rewriter { planning, locks: &mut locks, tables: 0, failure: None, common: common_names(statement) };
    if let Statement::Query(query) = statement
        && !query.locks.is_empty()
    {
        rewriter.locks.top = rewriter.query(query)?;
    }
    let _ = statement.visit(&mut rewriter);
    match rewriter.failure {
        Some(error) => Err(error),
        None => Ok(locks),
    }
}

fn common_names(statement: &Statement) -> HashSet<String> {
    struct Names(HashSet<String>);
    impl Visitor for Names {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let tables = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(tables.map(|table| normalize(&table.alias.name)));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(HashSet::new());
    let _ = statement.visit(&mut names);
    names.0
}

struct Rewriter<'a> {
    planning: &'a Planning<'a>,
    locks: &'a mut Locks,
    tables: usize,
    failure: Option<Error>,
    /// Names of common table expressions, whose rows are not locked.
    common: HashSet<String>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if query.locks.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.query(query) {
            Ok(locks) => {
                let name = format!("{LOCKED}{}", self.locks.below.len());
                let hidden = locks.iter().flat_map(Lock::hidden).collect();
                self.locks.below.push(locks);
                let alias = syntax::table_alias(syntax::quoted(&name));
                let from = TableWithJoins { relation: syntax::derived(query.clone(), alias), joins: Vec::new() };
                *query = syntax::select(vec![star_without(hidden)], vec![from], None);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

fn star_without(hidden: Vec<String>) -> SelectItem {
    SelectItem::Wildcard(without(hidden))
}

fn without(hidden: Vec<String>) -> WildcardAdditionalOptions {
    let names = hidden.iter().map(|name| ObjectName::from(vec![syntax::quoted(name)])).collect();
    WildcardAdditionalOptions { opt_exclude: Some(ExcludeSelectItem::Multiple(names)), ..Default::default() }
}

impl Rewriter<'_> {
    /// Takes the locking clauses out of a query. Its rows carry the identities of the rows that it locks behind their own
    /// columns.
    fn query(&mut self, query: &mut Query) -> Result<Vec<Lock>> {
        let clauses = std::mem::take(&mut query.locks);
        let clause = name(&clauses[0]);
        let SetExpr::Select(select) = query.body.as_mut() else {
            let what = match query.body.as_ref() {
                SetExpr::Values(_) => "VALUES",
                _ => "UNION/INTERSECT/EXCEPT",
            };
            return Err(not_allowed(clause, what));
        };
        refuse_grouping(select, clause)?;
        let mut wanted: Option<Vec<(String, &'static str)>> = Some(Vec::new());
        let mut exclusive = Vec::new();
        for clause in &clauses {
            if matches!(clause.lock_type, LockType::Update) {
                exclusive.push(clause.of.as_ref().and_then(last_name));
            }
            match (&clause.of, &mut wanted) {
                (None, wanted) => *wanted = None,
                (Some(of), Some(wanted)) => {
                    wanted.push((last_name(of).unwrap_or_default(), name(clause)));
                }
                (Some(_), None) => {}
            }
        }
        let mut found = Found { wanted, exclusive, seen: HashSet::new(), locks: Vec::new(), clause };
        for tables in &mut select.from {
            self.tables(tables, &mut found)?;
        }
        if let Some((missing, clause)) = found.wanted.iter().flatten().find(|(name, _)| !found.seen.contains(name)) {
            let message = format!("relation \"{missing}\" in {clause} clause not found in FROM clause");
            return Err(Error::new(ErrorKind::UndefinedTable, message));
        }
        for item in &mut select.projection {
            hide(item, &found.locks);
        }
        for (alias, lock) in &found.locks {
            let columns = lock.hidden().map(|name| {
                SelectItem::UnnamedExpr(ast::Expr::CompoundIdentifier(vec![alias.clone(), syntax::quoted(&name)]))
            });
            select.projection.extend(columns);
        }
        Ok(found.locks.into_iter().map(|(_, lock)| lock).collect())
    }

    /// The tables of a join. Rows that an outer join may make of nothing cannot be locked.
    fn tables(&mut self, tables: &mut TableWithJoins, found: &mut Found) -> Result<()> {
        let (mut left_is_nullable, mut nullable) = (false, Vec::with_capacity(tables.joins.len()));
        for join in tables.joins.iter().rev() {
            let (left, right) = match &join.join_operator {
                JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => (false, true),
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => (true, false),
                JoinOperator::FullOuter(_) => (true, true),
                _ => (false, false),
            };
            nullable.push(right || left_is_nullable);
            left_is_nullable |= left;
        }
        self.table(&mut tables.relation, left_is_nullable, found)?;
        for (join, nullable) in tables.joins.iter_mut().zip(nullable.into_iter().rev()) {
            self.table(&mut join.relation, nullable, found)?;
        }
        Ok(())
    }

    fn table(&mut self, factor: &mut TableFactor, is_nullable: bool, found: &mut Found) -> Result<()> {
        let alias = match &*factor {
            TableFactor::Table { name, alias, .. } => match alias {
                Some(alias) => alias.name.clone(),
                None => match name.0.last().and_then(|part| part.as_ident()) {
                    Some(name) => name.clone(),
                    None => return Ok(()),
                },
            },
            TableFactor::Derived { alias: Some(alias), .. } => alias.name.clone(),
            TableFactor::NestedJoin { .. } | TableFactor::Derived { alias: None, .. } if found.wanted.is_none() => {
                return Err(Error::not_supported(format!("{} of a join in parentheses or a subquery", found.clause)));
            }
            _ => return Ok(()),
        };
        let called = normalize(&alias);
        let is_wanted = match &found.wanted {
            None => true,
            Some(wanted) => wanted.iter().any(|(name, _)| *name == called),
        };
        if !is_wanted {
            return Ok(());
        }
        let by_name = found.wanted.is_some();
        let exclusive = found.exclusive.iter().any(|table| table.as_ref().is_none_or(|name| *name == called));
        found.seen.insert(called);
        let TableFactor::Table { name, args: None, alias: old_alias, .. } = &*factor else {
            return match factor {
                TableFactor::Derived { .. } => {
                    Err(Error::not_supported(format!("{} of a subquery in FROM", found.clause)))
                }
                _ if by_name => Err(Error::new(
                    ErrorKind::NotSupported,
                    format!("{} cannot be applied to a function", found.clause),
                )),
                _ => Ok(()),
            };
        };
        let is_common =
            name.0.len() == 1 && name.0[0].as_ident().is_some_and(|name| self.common.contains(&normalize(name)));
        if is_common {
            return match by_name {
                true => Err(Error::not_supported(format!("{} cannot be applied to a WITH query", found.clause))),
                false => Ok(()),
            };
        }
        let table = match self.planning.tables.relation(name)? {
            Some(Relation::Table(table)) => table,
            Some(Relation::View(_)) => return Err(Error::not_supported(format!("{} of a view", found.clause))),
            // Metadata never changes under a transaction, and what there is not the planner reports.
            Some(Relation::Sequence(_) | Relation::Graph(_)) | None => return Ok(()),
        };
        if is_nullable {
            let message = format!("{} cannot be applied to the nullable side of an outer join", found.clause);
            return Err(Error::not_supported(message));
        }
        let mut identity = self.planning.view.snapshot.catalog.identity_columns(&table);
        identity.push(ROW_ADDRESS.to_string());
        let lock = Lock { table, exclusive, identity, number: self.tables };
        self.tables += 1;
        *factor = carrying(&lock, &alias, old_alias.as_ref());
        found.locks.push((alias, lock));
        Ok(())
    }
}

/// What a locking clause is about, and what was found of it.
struct Found {
    /// The tables that OF names, each with its clause; `None` for all of them.
    wanted: Option<Vec<(String, &'static str)>>,
    /// The tables that FOR UPDATE is about; `None` for all of them.
    exclusive: Vec<Option<String>>,
    seen: HashSet<String>,
    locks: Vec<(Ident, Lock)>,
    clause: &'static str,
}

/// `(SELECT columns, identity FROM table) AS alias`
fn carrying(lock: &Lock, alias: &Ident, old_alias: Option<&TableAlias>) -> TableFactor {
    let table = &lock.table;
    let name = [TARGET, &table.schema, &table.name].map(syntax::quoted).to_vec();
    let column = |name: &str| ast::Expr::Identifier(syntax::quoted(name));
    let mut items: Vec<SelectItem> =
        table.columns.iter().map(|definition| SelectItem::UnnamedExpr(column(&definition.name))).collect();
    items.extend(lock.identity.iter().zip(lock.hidden()).map(|(name, hidden)| syntax::aliased(column(name), &hidden)));
    let query = syntax::select(items, vec![syntax::table(ObjectName::from(name), None)], None);
    let mut new_alias = TableAlias { columns: Vec::new(), ..syntax::table_alias(alias.clone()) };
    if let Some(renamed) = old_alias.map(|alias| &alias.columns).filter(|columns| !columns.is_empty()) {
        new_alias.columns = renamed.clone();
        let rest = table.columns.iter().skip(renamed.len()).map(|column| column.name.clone()).chain(lock.hidden());
        new_alias.columns.extend(rest.map(|name| TableAliasColumnDef { name: syntax::quoted(&name), data_type: None }));
    }
    syntax::derived(query, new_alias)
}

/// Keeps the identities out of what `*` gives.
fn hide(item: &mut SelectItem, locks: &[(Ident, Lock)]) {
    match item {
        SelectItem::Wildcard(options) => {
            let hidden: Vec<String> = locks.iter().flat_map(|(_, lock)| lock.hidden()).collect();
            if !hidden.is_empty() {
                *options = without(hidden);
            }
        }
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let table = name.0.last().and_then(|part| part.as_ident()).map(normalize);
            if let Some((_, lock)) = locks.iter().find(|(alias, _)| Some(normalize(alias)) == table) {
                *options = without(lock.hidden().collect());
            }
        }
        _ => {}
    }
}

fn last_name(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(normalize)
}

fn name(clause: &LockClause) -> &'static str {
    match clause.lock_type {
        LockType::Update => "FOR UPDATE",
        LockType::Share => "FOR SHARE",
    }
}

fn not_allowed(clause: &str, what: &str) -> Error {
    Error::not_supported(format!("{clause} is not allowed with {what}"))
}

fn refuse_grouping(select: &ast::Select, clause: &str) -> Result<()> {
    let grouped = match &select.group_by {
        GroupByExpr::All(_) => true,
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
    };
    let refused = [
        (matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))), "DISTINCT clause"),
        (grouped, "GROUP BY clause"),
        (select.having.is_some(), "HAVING clause"),
        (calls(select, Kind::Aggregate), "aggregate functions"),
        (calls(select, Kind::Window), "window functions"),
        (calls(select, Kind::Set), "set-returning functions in the target list"),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => Err(not_allowed(clause, what)),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Aggregate,
    Window,
    Set,
}

/// Whether the select list calls a function of a kind, outside of subqueries.
fn calls(select: &ast::Select, wanted: Kind) -> bool {
    struct Search {
        depth: usize,
        wanted: Kind,
    }
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
            let ast::Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
            if self.depth > 0 || !matches!(function.args, FunctionArguments::List(_)) {
                return ControlFlow::Continue(());
            }
            let name = function.name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
            let found = match self.wanted {
                Kind::Window => function.over.is_some(),
                Kind::Set => matches!(name.as_str(), "unnest" | "generate_series"),
                Kind::Aggregate => function.over.is_none() && is_aggregate(&name),
            };
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    select.projection.visit(&mut Search { depth: 0, wanted }).is_break()
}

fn is_aggregate(name: &str) -> bool {
    crate::planner::state::Engine::shared().is_ok_and(|engine| engine.session.aggregate_functions().contains_key(name))
}
