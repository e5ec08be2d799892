//! INSERT, UPDATE, DELETE, MERGE and TRUNCATE, RETURNING, and the rows that SELECT ... FOR UPDATE locks.
//!
//! # A write, step by step
//!
//! 1. [`syntax`] says on tokens what sqlparser has no grammar for; [`set`] gives every column of `SET (a, b) = (SELECT ...)` a
//!    subquery of its own.
//! 2. The statement is planned as a query whose rows say what changes: [`mod@insert`] and [`conflict`], [`change`] for UPDATE
//!    and DELETE, [`mod@merge`]. [`target`] is the table that is written, read with the address of every row; [`assign`] decides which
//!    values fit a column. A row of an INSERT that may meet others finds them by its keys ([`lookup`]).
//! 3. [`write`](mod@write) puts a node over the query, and the expressions of RETURNING ([`returning`]) over the node. So a write is a plan
//!    like any other: it is optimized, kept, bound to a snapshot and shown by EXPLAIN.
//! 4. [`operator`] runs it: [`rows`] decides row by row, [`checks`] refuses rows that break NOT NULL or CHECK, a [`sink`] takes
//!    those that come, and the statement's [`gathering`] has all changes in the end.
//! 5. `execute` gives them to the transaction, and only then sends what RETURNING asked for, because a statement that met
//!    somebody else's changes runs again.
//!
//! The values of generated columns are computed in the plan ([`generated`]). Keys and references are the engine's to check. TRUNCATE ([`mod@truncate`]) has no plan: it names no rows.
//!
//! # What is not here
//!
//! A data-modifying statement in WITH, WHERE CURRENT OF, `merge_action()`, `RETURNING WITH (OLD AS ...)`: each is an error.

pub(crate) mod assign;
mod change;
pub(crate) mod checks;
mod conflict;
pub(crate) mod gathering;
pub(crate) mod generated;
mod insert;
mod lock;
mod lookup;
mod merge;
mod operator;
mod returning;
pub(crate) mod rows;
pub(crate) mod set;
pub(crate) mod sink;
pub(crate) mod syntax;
mod target;
mod truncate;
mod write;

pub(crate) use insert::defaults;
pub(crate) use lock::{Locks, rewrite as rewrite_locks, wrap as wrap_locks};
pub(crate) use operator::{Operators, WriteExec};
pub(crate) use truncate::truncate;
pub(crate) use write::{Command, find_write};

use datafusion::sql::sqlparser::ast::{self, Ident, SelectItem, SetExpr, Statement, With};
use slipstream_engine::{Error, Result};

use crate::planner::{Plan, Planning};

/// Whether a statement writes rows; its WITH, and the statement behind it.
pub(crate) fn write_of(statement: &Statement) -> Option<(Option<&With>, &Statement)> {
    match statement {
        Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) => {
            Some((None, statement))
        }
        Statement::Query(query) => match query.body.as_ref() {
            SetExpr::Insert(write) | SetExpr::Update(write) | SetExpr::Delete(write) | SetExpr::Merge(write) => {
                Some((query.with.as_ref(), write))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The items of a statement's RETURNING.
pub(crate) fn returning_of(statement: &Statement) -> Option<&[SelectItem]> {
    match write_of(statement)?.1 {
        Statement::Insert(insert) => insert.returning.as_deref(),
        Statement::Update(update) => update.returning.as_deref(),
        Statement::Delete(delete) => delete.returning.as_deref(),
        Statement::Merge(merge) => match &merge.output {
            Some(ast::OutputClause::Returning { select_items, .. }) => Some(select_items),
            _ => None,
        },
        _ => None,
    }
}

/// Plans a statement that writes rows.
pub(crate) async fn plan(planning: &Planning<'_>, statement: &Statement) -> Result<(Command, Plan)> {
    let Some((with, write)) = write_of(statement) else {
        return Err(Error::internal("a statement that does not write was planned as one"));
    };
    match write {
        Statement::Insert(write) => Ok((Command::Insert, insert::insert(planning, statement, with, write).await?)),
        Statement::Update(write) => Ok((Command::Update, change::update(planning, statement, with, write).await?)),
        Statement::Delete(write) => Ok((Command::Delete, change::delete(planning, statement, with, write).await?)),
        Statement::Merge(write) => Ok((Command::Merge, merge::merge(planning, statement, with, write).await?)),
        _ => Err(Error::internal("a statement that does not write was planned as one")),
    }
}

/// An identifier as it is meant: folded to lower case unless it is quoted.
pub(crate) fn normalize(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Whether an expression is the word DEFAULT.
pub(crate) fn is_default(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Identifier(ident)
        if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
