//! MERGE: a join of source and target, whose rows go to the first WHEN clause that takes them.
//!
//! 1. The join keeps what some clause can take: unmatched rows of the source for NOT MATCHED, unmatched rows of the target for
//!    NOT MATCHED BY SOURCE.
//! 2. Every row gets the number of its clause ([`CLAUSE`]); rows without one are left out, and so are those of DO NOTHING.
//! 3. The columns of the row that comes are chosen by that number.
//!
//! A clause sees the columns of what is there: those of both for MATCHED, of the source for NOT MATCHED, of the target for NOT
//! MATCHED BY SOURCE.

use std::sync::Arc;

use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::conditional_expressions::CaseBuilder;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder, lit, when};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    self, JoinConstraint, JoinOperator, Merge, MergeAction, MergeClause, MergeClauseKind, MergeInsertExpr,
    MergeInsertKind, OutputClause, Statement, TableFactor, TableWithJoins, With,
};
use slipstream_engine::{Error, ErrorKind, Result};

use super::assign::assign;
use super::change::source_columns;
use super::conflict::{column_of, with_column};
use super::insert::{default_value, named_columns, takes_value};
use super::syntax::{is_nothing, merge_overriding};
use super::target::Target;
use super::write::{Action, Again, Command, Parts};
use super::{is_default, set};
use crate::error::from_datafusion;
use crate::planner::{Plan, Planning, Scope, syntax};

/// The number of the clause that a row goes to, counted from 1.
const CLAUSE: &str = "?clause";

/// Whether there is a row of the source.
const PRESENT: &str = "?present";

/// Plans a MERGE.
pub(super) async fn merge(
    planning: &Planning<'_>,
    statement: &Statement,
    with: Option<&With>,
    merge: &Merge,
) -> Result<Plan> {
    check_clauses(merge)?;
    let returning = match &merge.output {
        None => None,
        Some(OutputClause::Returning { select_items, .. }) => Some(&select_items[..]),
        Some(OutputClause::Output { .. }) => return Err(Error::not_supported("OUTPUT is not supported")),
    };
    let target = Target::of(planning, &merge.table)?;
    let mut scope = planning.scope(statement, with).await?;
    let joined = join(&mut scope, &target, merge).await?;
    let (base, actions) = numbered(&mut scope, &target, merge, joined)?;
    let mut rows = Vec::with_capacity(actions.len());
    for (clause, action) in &actions {
        rows.push((*clause, clause_row(&mut scope, &target, &merge.clauses[*clause], *action, &base)?));
    }
    let sources = source_columns(&target, &base)?;
    let plan = Parts {
        command: Command::Merge,
        target: &target,
        action: Some(chosen(actions.iter().map(|(clause, action)| (*clause, action.literal())))?),
        has_identity: true,
        row: (0..target.table.columns.len())
            .map(|column| chosen(rows.iter().map(|(clause, row)| (*clause, row[column].clone()))))
            .collect::<Result<_>>()?,
        sources,
        sources_first: true,
        again: Again::Error,
        arbiters: Vec::new(),
        arbiter_names: Vec::new(),
        returning,
        base,
    };
    let plan = plan.plan(&mut scope)?;
    Ok(scope.finish(plan))
}

/// What a clause is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Matched,
    NotMatched,
    NotMatchedBySource,
}

fn case(clause: &MergeClause) -> Case {
    match clause.clause_kind {
        MergeClauseKind::Matched => Case::Matched,
        MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => Case::NotMatched,
        MergeClauseKind::NotMatchedBySource => Case::NotMatchedBySource,
    }
}

fn check_clauses(merge: &Merge) -> Result<()> {
    for (position, clause) in merge.clauses.iter().enumerate() {
        let (predicates, insert) = match &clause.action {
            MergeAction::Update(update) => {
                (update.update_predicate.is_some() || update.delete_predicate.is_some(), None)
            }
            MergeAction::Insert(insert) => {
                (insert.insert_predicate.is_some() && merge_overriding(insert).is_none(), Some(insert))
            }
            MergeAction::Delete { .. } => (false, None),
        };
        if predicates || insert.is_some_and(|insert| matches!(insert.kind, MergeInsertKind::Row)) {
            return Err(Error::not_supported("this form of MERGE is not supported"));
        }
        let earlier = &merge.clauses[..position];
        if earlier.iter().any(|other| case(other) == case(clause) && other.predicate.is_none()) {
            let message = "unreachable WHEN clause specified after unconditional WHEN clause";
            return Err(Error::new(ErrorKind::Syntax, message));
        }
    }
    Ok(())
}

/// The rows of source and target that some clause may take.
async fn join(scope: &mut Scope<'_>, target: &Target, merge: &Merge) -> Result<LogicalPlan> {
    let has = |wanted: Case| merge.clauses.iter().any(|clause| case(clause) == wanted);
    let by_source = has(Case::NotMatchedBySource);
    let source = if by_source { with_mark(&merge.source)? } else { merge.source.clone() };
    let operator: fn(JoinConstraint) -> JoinOperator = match (has(Case::NotMatched), by_source) {
        (true, true) => JoinOperator::FullOuter,
        (true, false) => JoinOperator::LeftOuter,
        (false, true) => JoinOperator::RightOuter,
        (false, false) => JoinOperator::Inner,
    };
    let rows = syntax::join(target.rows(scope).await?, operator, merge.on.as_ref().clone());
    scope.relation(vec![TableWithJoins { relation: source, joins: vec![rows] }], None)
}

/// The source with a column that is true.
fn with_mark(source: &TableFactor) -> Result<TableFactor> {
    let alias = match source {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            alias.name.clone()
        }
        TableFactor::Table { name, .. } => name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .cloned()
            .ok_or_else(|| Error::internal("a table without a name"))?,
        _ => return Err(Error::not_supported("WHEN NOT MATCHED BY SOURCE takes a source with a name")),
    };
    let mark = syntax::aliased(ast::Expr::Value(ast::Value::Boolean(true).into()), PRESENT);
    let from = TableWithJoins { relation: source.clone(), joins: Vec::new() };
    let query = syntax::select(vec![syntax::wildcard(), mark], vec![from], None);
    Ok(syntax::derived(query, syntax::table_alias(alias)))
}

/// Gives every row of the join the number of its clause, and leaves out those that nothing happens to. Also gives the
/// clauses at which something happens, with what it is.
fn numbered(
    scope: &mut Scope<'_>,
    target: &Target,
    merge: &Merge,
    joined: LogicalPlan,
) -> Result<(LogicalPlan, Vec<(usize, Action)>)> {
    let present = joined.schema().has_column_with_unqualified_name(PRESENT);
    let source = joined.schema().iter().find(|(_, field)| field.name() == PRESENT);
    let source = source.map(|field| Expr::Column(field.into())).filter(|_| present);
    let mut actions = Vec::new();
    let mut number: Option<CaseBuilder> = None;
    for (position, clause) in merge.clauses.iter().enumerate() {
        let place = match case(clause) {
            Case::Matched => match &source {
                Some(source) => target.address().is_not_null().and(source.clone().is_not_null()),
                None => target.address().is_not_null(),
            },
            Case::NotMatched => target.address().is_null(),
            Case::NotMatchedBySource => match &source {
                Some(source) => source.clone().is_null(),
                None => lit(false),
            },
        };
        let condition = match &clause.predicate {
            Some(predicate) => {
                let predicate = scope.expression(predicate.clone(), &visible(target, &joined, case(clause))?)?;
                place.and(predicate)
            }
            None => place,
        };
        let action = match (&clause.action, is_nothing(&clause.action)) {
            (_, true) => None,
            (MergeAction::Insert(_), _) => Some(Action::Insert),
            (MergeAction::Update(_), _) => Some(Action::Update),
            (MergeAction::Delete { .. }, _) => Some(Action::Delete),
        };
        let value = action.map(|_| clause_number(position));
        let value = lit(ScalarValue::Int32(value));
        number = Some(match number {
            None => when(condition, value),
            Some(mut number) => number.when(condition, value),
        });
        actions.extend(action.map(|action| (position, action)));
    }
    let number = match number {
        Some(number) => number.end().map_err(from_datafusion)?,
        None => lit(ScalarValue::Int32(None)),
    };
    let base = with_column(joined, number, CLAUSE)?;
    let base =
        LogicalPlanBuilder::from(base).filter(column_of(CLAUSE).is_not_null()).and_then(LogicalPlanBuilder::build);
    Ok((base.map_err(from_datafusion)?, actions))
}

fn clause_number(position: usize) -> i32 {
    position as i32 + 1
}

/// A value for each clause.
fn chosen(values: impl Iterator<Item = (usize, Expr)>) -> Result<Expr> {
    let mut choice: Option<CaseBuilder> = None;
    for (clause, value) in values {
        let number = lit(clause_number(clause));
        choice = Some(match choice {
            None => when(column_of(CLAUSE).eq(number), value),
            Some(mut choice) => choice.when(column_of(CLAUSE).eq(number), value),
        });
    }
    match choice {
        Some(choice) => choice.end().map_err(from_datafusion),
        None => Ok(lit(ScalarValue::Int32(None))),
    }
}

/// The columns of a plan that a clause may name, as a plan of their own.
fn visible(target: &Target, plan: &LogicalPlan, case: Case) -> Result<LogicalPlan> {
    let qualifier = target.qualifier();
    let is_seen = |of: Option<&TableReference>| match case {
        Case::Matched => true,
        Case::NotMatched => of != Some(&qualifier),
        Case::NotMatchedBySource => of == Some(&qualifier),
    };
    let fields = plan.schema().iter().filter(|(of, _)| is_seen(*of));
    let fields = fields.map(|(of, field)| (of.cloned(), Arc::clone(field))).collect();
    let schema = DFSchema::new_with_metadata(fields, Default::default()).map_err(from_datafusion)?;
    Ok(LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(schema) }))
}

/// The row that a clause makes, in the order of the table's columns.
fn clause_row(
    scope: &mut Scope<'_>,
    target: &Target,
    clause: &MergeClause,
    action: Action,
    base: &LogicalPlan,
) -> Result<Vec<Expr>> {
    let seen = visible(target, base, case(clause))?;
    match &clause.action {
        MergeAction::Update(update) => set::new_row(scope, target, &seen, &update.assignments),
        MergeAction::Insert(insert) => inserted_row(scope, target, insert, &seen),
        MergeAction::Delete { .. } if action == Action::Delete => Ok(target.columns()),
        MergeAction::Delete { .. } => Err(Error::internal("a DELETE of MERGE that does not delete")),
    }
}

fn inserted_row(
    scope: &mut Scope<'_>,
    target: &Target,
    insert: &MergeInsertExpr,
    seen: &LogicalPlan,
) -> Result<Vec<Expr>> {
    let table = &target.table;
    let named = named_columns(table, &insert.columns)?;
    let MergeInsertKind::Values(values) = &insert.kind else {
        return Err(Error::not_supported("this form of MERGE is not supported"));
    };
    let [values] = &values.rows[..] else {
        return Err(Error::new(ErrorKind::Syntax, "INSERT of MERGE takes one row of values"));
    };
    let values = &values.content;
    if values.len() > named.len() {
        return Err(Error::new(ErrorKind::Syntax, "INSERT has more expressions than target columns"));
    }
    if values.len() < named.len() && !insert.columns.is_empty() {
        return Err(Error::new(ErrorKind::Syntax, "INSERT has more target columns than expressions"));
    }
    let overriding = merge_overriding(insert);
    let mut row = Vec::with_capacity(table.columns.len());
    for (position, column) in table.columns.iter().enumerate() {
        let value = named[..values.len()].iter().position(|named| *named == position).map(|index| &values[index]);
        row.push(match value {
            Some(value) if !is_default(value) && takes_value(column, overriding)? => {
                let value = scope.expression(value.clone(), seen)?;
                assign(value, seen.schema(), column)?.unalias()
            }
            _ => default_value(scope.planning, column)?,
        });
    }
    Ok(row)
}
