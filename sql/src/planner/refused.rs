//! Clauses that parse and that the planner would pass over in silence. They are errors instead.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Query, Select, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use slipstream_engine::{Error, Result};

use super::duplicate_names;
use crate::graph::age;

/// Refuses what would be accepted and not honoured.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    let inner = match statement {
        Statement::Explain { statement, .. } => statement,
        other => other,
    };
    // A write with a WITH in front is a query whose body is the write.
    let is_write = matches!(inner, Statement::Query(query) if is_write(&query.body));
    match statement.visit(&mut Check { may_write: is_write }) {
        ControlFlow::Continue(()) => duplicate_names::check(statement),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Check {
    /// Whether the next query may be a write: it is the statement itself.
    may_write: bool,
}

impl Visitor for Check {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let may_write = std::mem::take(&mut self.may_write);
        let refused = [
            (query.for_clause.is_some(), "FOR XML, JSON or BROWSE"),
            (query.settings.is_some() || query.format_clause.is_some(), "SETTINGS and FORMAT"),
            (!query.pipe_operators.is_empty(), "the pipe operator"),
            (query.fetch.as_ref().is_some_and(|fetch| fetch.with_ties || fetch.percent), "FETCH ... WITH TIES"),
            (!may_write && is_write(&query.body), "a data-modifying statement in WITH"),
        ];
        first(&refused)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        let refused = [
            (select.into.is_some(), "SELECT INTO (CREATE TABLE AS is)"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (select.value_table_mode.is_some(), "SELECT AS VALUE"),
        ];
        first(&refused)
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        match expr {
            Expr::Function(function) => refused_function(&function.name),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } = factor {
            refused_function(name)?;
        }
        let refused = match factor {
            TableFactor::Table {
                version,
                with_ordinality,
                sample,
                with_hints,
                partitions,
                json_path,
                index_hints,
                ..
            } => [
                (version.is_some(), "a table version"),
                (*with_ordinality, "WITH ORDINALITY"),
                (sample.is_some(), "TABLESAMPLE"),
                (json_path.is_some(), "a path after a table name"),
                (!with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty(), "a table hint"),
            ],
            TableFactor::Function { with_ordinality, .. } => only(*with_ordinality, "WITH ORDINALITY"),
            TableFactor::Derived { sample, .. } => only(sample.is_some(), "TABLESAMPLE"),
            _ => only(false, ""),
        };
        first(&refused)
    }
}

/// Functions of others, of which people are told what there is instead.
fn refused_function(name: &ObjectName) -> ControlFlow<Error> {
    match age::refused(name) {
        Some(error) => ControlFlow::Break(error),
        None => ControlFlow::Continue(()),
    }
}

fn is_write(body: &SetExpr) -> bool {
    matches!(body, SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_))
}

fn only(refused: bool, what: &'static str) -> [(bool, &'static str); 5] {
    [(refused, what), (false, ""), (false, ""), (false, ""), (false, "")]
}

fn first(refused: &[(bool, &'static str)]) -> ControlFlow<Error> {
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, what)) => ControlFlow::Break(Error::not_supported(format!("{what} is not supported yet"))),
        None => ControlFlow::Continue(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::{Command, parse};

    #[test]
    fn what_the_planner_would_pass_over_is_refused() {
        for sql in [
            "select * from generate_series(1, 2) with ordinality",
            "select * from t tablesample bernoulli (10)",
            "select * into u from t",
            "with x as (insert into t values (1) returning *) select * from x",
        ] {
            let statements = parse(sql).expect(sql);
            let Command::Sql(statement) = statements[0].command() else { panic!("{sql}") };
            super::check(statement).expect_err(sql);
        }
    }
}
