//! What a statement says about searches, in words that can be planned.
//!
//! * `column @@@ search` becomes `search_matches(search, config, 'column', column)`, and so does `(a, b) @@@ search`, in which
//!   `a:word` looks in one of them. The configuration is that of the column's index, `english` without one.
//! * `bm25_score(...)` belongs to the searches in the WHERE of its SELECT: to those of the table that its argument is from, or
//!   to all. It becomes the sum of their `bm25_score_of(search, config, statistics, 'column', column)`, where the statistics
//!   are a subquery over the whole table, so that every row is scored by the same ones.
//! * `highlight(column, search [, options])` becomes `search_highlight(search, config, options, 'column', column)`.
//! * `text_search(...)` and `hybrid_search(...)` in FROM become queries ([`super::tables`]).

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
    Value, VisitMut, VisitorMut,
};
use slipstream_engine::catalog::Catalog;
use slipstream_engine::{Error, Result};

use super::search::{CORPUS, HIGHLIGHT, MATCHES, SCORE_OF};
use super::tables;
use crate::planner::syntax;

/// The operator, as the parser hands it on.
pub(crate) const OPERATOR: &str = "@@@";

/// Rewrites a statement.
pub(crate) fn rewrite(statement: &mut Statement, catalog: &Catalog) -> Result<()> {
    broken(statement.visit(&mut Rewriter { catalog }))
}

/// Rewrites a query.
pub(crate) fn rewrite_query(query: &mut Query, catalog: &Catalog) -> Result<()> {
    broken(query.visit(&mut Rewriter { catalog }))
}

fn broken(flow: ControlFlow<Error>) -> Result<()> {
    match flow {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    catalog: &'a Catalog,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match tables::expand(factor, self.catalog) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        if let (SetExpr::Select(select), Some(order_by)) = (query.body.as_ref(), &mut query.order_by) {
            let context = Context { catalog: self.catalog, from: select.from.clone() };
            let searches = context.searches(select.selection.as_ref());
            let _ = order_by.visit(&mut Scores { context: &context, searches: &searches });
        }
        ControlFlow::Continue(())
    }

    /// Inner queries first: what they leave over is about the query around them.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        let context = Context { catalog: self.catalog, from: select.from.clone() };
        context.select(select);
        context.operators(select);
        ControlFlow::Continue(())
    }
}

/// A search in a query.
#[derive(Clone)]
struct Found {
    /// The columns.
    columns: Vec<Expr>,
    search: Expr,
}

/// What a SELECT reads.
struct Context<'a> {
    catalog: &'a Catalog,
    from: Vec<TableWithJoins>,
}

impl Context<'_> {
    fn select(&self, select: &mut Select) {
        let searches = self.searches(select.selection.as_ref());
        let mut scores = Scores { context: self, searches: &searches };
        for item in &mut select.projection {
            // Without a name of its own the column keeps that of the function.
            let name = match item {
                SelectItem::UnnamedExpr(Expr::Function(function)) => {
                    function_name(function).filter(|name| matches!(name.as_str(), "bm25_score" | "highlight"))
                }
                _ => None,
            };
            let _ = item.visit(&mut scores);
            if let Some(name) = name
                && let SelectItem::UnnamedExpr(expr) = &mut *item
            {
                let expr = std::mem::replace(expr, syntax::number(0));
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::new(name) };
            }
        }
        if let Some(selection) = &mut select.selection {
            let _ = selection.visit(&mut scores);
        }
    }

    /// Says every `@@@` that is left as a function.
    fn operators(&self, select: &mut Select) {
        let mut operators = Operators { context: self };
        let _ = select.visit(&mut operators);
    }

    /// The searches that every row of a query satisfies.
    fn searches(&self, selection: Option<&Expr>) -> Vec<Found> {
        let mut found = Vec::new();
        let mut rest: Vec<&Expr> = selection.into_iter().collect();
        while let Some(expr) = rest.pop() {
            match expr {
                Expr::Nested(inner) => rest.push(inner),
                Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                    rest.extend([left.as_ref(), right.as_ref()]);
                }
                Expr::BinaryOp { left, op, right } if is_operator(op) => {
                    found.push(Found { columns: columns_of(left), search: right.as_ref().clone() });
                }
                _ => {}
            }
        }
        found.reverse();
        found
    }

    /// The table of FROM that a column is from.
    fn factor(&self, column: &Expr) -> Option<&TableFactor> {
        let mut factors = self
            .from
            .iter()
            .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
        match column {
            Expr::CompoundIdentifier(parts) if parts.len() > 1 => {
                let qualifier = folded(&parts[parts.len() - 2]);
                factors.find(|factor| name_of(factor).as_deref() == Some(&qualifier))
            }
            Expr::Identifier(column) => {
                let column = folded(column);
                let all: Vec<&TableFactor> = factors.collect();
                match all.as_slice() {
                    [only] => Some(only),
                    _ => all.into_iter().find(|factor| {
                        self.definition(factor).is_some_and(|table| table.get_column(&column).is_some())
                    }),
                }
            }
            _ => None,
        }
    }

    fn definition(&self, factor: &TableFactor) -> Option<&slipstream_engine::catalog::TableDefinition> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let name = folded(name.0.last()?.as_ident()?);
                self.catalog.get_table(&name).map(|table| table.as_ref())
            }
            _ => None,
        }
    }

    /// The configuration that makes lexemes of a column.
    fn config(&self, columns: &[Expr]) -> Expr {
        let definition =
            columns.first().and_then(|column| self.factor(column)).and_then(|factor| self.definition(factor));
        let column = columns.first().map(column_name).unwrap_or_default();
        text(super::config_of(definition, &column))
    }

    fn matches(&self, found: &Found) -> Expr {
        let args = [cast_to_text(found.search.clone()), self.config(&found.columns)];
        call(MATCHES, args.into_iter().chain(named(&found.columns)))
    }

    /// The score of a row for a search.
    fn score(&self, found: &Found) -> Option<Expr> {
        let factor = self.factor(found.columns.first()?)?;
        let gather = [cast_to_text(found.search.clone()), self.config(&found.columns)];
        let corpus = call(CORPUS, gather.clone().into_iter().chain(named(&found.columns)));
        let from = vec![TableWithJoins { relation: factor.clone(), joins: Vec::new() }];
        let corpus = syntax::select(vec![SelectItem::UnnamedExpr(corpus)], from, None);
        let args = gather.into_iter().chain([Expr::Subquery(Box::new(corpus))]).chain(named(&found.columns));
        Some(call(SCORE_OF, args))
    }

    fn highlight(&self, function: &Function) -> Option<Expr> {
        let mut args = plain_arguments(function)?.into_iter();
        let (column, search, options) = (args.next()?, args.next()?, args.next());
        if args.next().is_some() {
            return None;
        }
        let options = options.map_or_else(|| text(""), cast_to_text);
        let columns = [column];
        let leading = [cast_to_text(search), self.config(&columns), options];
        Some(call(HIGHLIGHT, leading.into_iter().chain(named(&columns))))
    }
}

/// Puts the scores of searches in the place of `bm25_score(...)`, and `highlight(...)` in other words.
struct Scores<'a> {
    context: &'a Context<'a>,
    searches: &'a [Found],
}

impl VisitorMut for Scores<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        match function_name(function).as_deref() {
            Some("highlight") => {
                if let Some(marked) = self.context.highlight(function) {
                    *expr = marked;
                }
            }
            Some("bm25_score") => {
                let about = plain_arguments(function).unwrap_or_default();
                let table = about.first().and_then(|column| self.context.factor(column)).and_then(name_of);
                let of_table = |found: &&Found| {
                    about.is_empty()
                        || found.columns.first().and_then(|column| self.context.factor(column)).and_then(name_of)
                            == table
                };
                let scores = self.searches.iter().filter(of_table).filter_map(|found| self.context.score(found));
                let sum = scores.reduce(|left, right| Expr::BinaryOp {
                    left: Box::new(left),
                    op: BinaryOperator::Plus,
                    right: Box::new(right),
                });
                if let Some(sum) = sum {
                    *expr = Expr::Nested(Box::new(sum));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

struct Operators<'a> {
    context: &'a Context<'a>,
}

impl VisitorMut for Operators<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { left, op, right } = expr
            && is_operator(op)
        {
            let found = Found { columns: columns_of(left), search: right.as_ref().clone() };
            *expr = self.context.matches(&found);
        }
        ControlFlow::Continue(())
    }
}

fn is_operator(operator: &BinaryOperator) -> bool {
    matches!(operator, BinaryOperator::Custom(name) if name == OPERATOR)
}

/// The columns on the left side of the operator: one, or a row of them.
fn columns_of(left: &Expr) -> Vec<Expr> {
    match left {
        Expr::Tuple(columns) => columns.clone(),
        Expr::Nested(inner) => columns_of(inner),
        column => vec![column.clone()],
    }
}

/// Each column behind its name.
fn named(columns: &[Expr]) -> impl Iterator<Item = Expr> {
    columns.iter().flat_map(|column| [text(column_name(column)), column.clone()])
}

/// The name of a column; an expression has none.
fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => folded(name),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What a table is called in its FROM.
fn name_of(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(folded(&alias.name)),
            None => name.0.last()?.as_ident().map(folded),
        },
        TableFactor::Derived { alias, .. } | TableFactor::Function { alias, .. } => {
            alias.as_ref().map(|alias| folded(&alias.name))
        }
        _ => None,
    }
}

/// A name as Postgres compares it.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The name of a function that is not qualified.
fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [name] => name.as_ident().map(folded),
        _ => None,
    }
}

/// The arguments of a call without anything special.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(plain).collect()
}

/// A text literal.
fn text(value: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).into())
}

fn cast_to_text(expr: Expr) -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(expr),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

/// A call of a function.
fn call(name: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
