//! ON CONFLICT: rows that meet others with the same key are passed over, or change those.
//!
//! The rows of the INSERT, under the name `excluded`, go through a [`lookup`] of the keys that count, the *arbiters*. DO
//! NOTHING keeps those that meet nobody. DO UPDATE keeps all, each with the row that it meets, and says for each what becomes
//! of it. Rows of one statement that meet each other are the operator's business ([`super::rows`]); those that meet somebody
//! else's commit are found by the engine, as `23505`, and the statement runs again.
//!
//! [`lookup`]: super::lookup

use std::collections::BTreeSet;

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, when};
use datafusion::sql::sqlparser::ast::{ConflictTarget, DoUpdate, Insert, OnConflict, OnConflictAction};
use slipstream_engine::catalog::{TableDefinition, UniqueConstraint};
use slipstream_engine::{Error, ErrorKind, Result};

use super::insert::new_rows;
use super::lookup::{self, Keep, Sought};
use super::target::Target;
use super::write::{Action, Again, Command, Parts};
use super::{checks, normalize, set, syntax};
use crate::error::from_datafusion;
use crate::planner::Scope;
use crate::statement::parse_expression;

/// What the rows of the INSERT are called.
const EXCLUDED: &str = "excluded";

/// Plans an INSERT ... ON CONFLICT of the rows of `source`.
pub(super) async fn plan(
    scope: &mut Scope<'_>,
    target: &Target,
    insert: &Insert,
    on: &OnConflict,
    source: LogicalPlan,
) -> Result<LogicalPlan> {
    let arbiters = arbiters(&target.table, on)?;
    if arbiters.is_empty() {
        return new_rows(target, insert, source).plan(scope);
    }
    let keyed = target.keyed(scope).await?;
    let keyed = scope
        .relation(vec![datafusion::sql::sqlparser::ast::TableWithJoins { relation: keyed, joins: vec![] }], None)?;
    if let Some(condition) = syntax::arbiter_predicate(insert) {
        // Every unique constraint here is over all rows, so a condition on them changes nothing; it must make sense, though.
        scope.expression(parse_expression(condition)?, &keyed)?;
    }
    let rows = LogicalPlanBuilder::from(source).alias(EXCLUDED).and_then(LogicalPlanBuilder::build);
    let rows = rows.map_err(from_datafusion)?;
    let keys = arbiters.iter().map(|arbiter| arbiter.columns.iter().map(|name| excluded(name)).collect()).collect();
    let checks = checks::plan(scope.planning, &target.table)?;
    let sought = Sought { constraints: &arbiters, keys, checks };
    let positions = arbiters.iter().map(|arbiter| positions(&target.table, arbiter)).collect();
    let names = arbiters.iter().map(|arbiter| arbiter.name.clone()).collect();
    let parts = match &on.action {
        OnConflictAction::DoNothing => {
            let base = lookup::plan(rows, keyed, sought, Keep::Strangers)?;
            new_rows(target, insert, base)
        }
        OnConflictAction::DoUpdate(update) => {
            let base = lookup::plan(rows, keyed, sought, Keep::Everybody)?;
            do_update(scope, target, insert, update, base)?
        }
    };
    Parts { arbiters: positions, arbiter_names: names, ..parts }.plan(scope)
}

fn excluded(name: &str) -> Expr {
    Expr::Column(Column::new(Some(EXCLUDED), name))
}

fn positions(table: &TableDefinition, arbiter: &UniqueConstraint) -> Vec<usize> {
    arbiter.columns.iter().filter_map(|name| table.columns.iter().position(|column| &column.name == name)).collect()
}

fn do_update<'a>(
    scope: &mut Scope<'_>,
    target: &'a Target,
    insert: &'a Insert,
    update: &DoUpdate,
    base: LogicalPlan,
) -> Result<Parts<'a>> {
    let condition = update.selection.clone().map(|selection| scope.expression(selection, &base)).transpose()?;
    let changed = Action::Update.literal();
    let met = match condition {
        None => changed,
        Some(condition) => when(condition, changed).otherwise(Action::Nothing.literal()).map_err(from_datafusion)?,
    };
    let action = when(target.address().is_null(), Action::Insert.literal()).otherwise(met).map_err(from_datafusion)?;
    let new_row = set::new_row(scope, target, &base, &update.assignments)?;
    let base = with_column(base, action, ACTION)?;
    let row = target.table.columns.iter().zip(new_row).map(|(column, value)| {
        when(column_of(ACTION).eq(Action::Insert.literal()), excluded(&column.name))
            .when(column_of(ACTION).eq(Action::Update.literal()), value)
            .end()
            .map_err(from_datafusion)
    });
    Ok(Parts {
        command: Command::Insert,
        target,
        action: Some(column_of(ACTION)),
        has_identity: true,
        row: row.collect::<Result<_>>()?,
        sources: Vec::new(),
        sources_first: false,
        again: Again::Error,
        arbiters: Vec::new(),
        arbiter_names: Vec::new(),
        returning: insert.returning.as_deref(),
        base,
    })
}

const ACTION: &str = "?what";

pub(super) fn column_of(name: &str) -> Expr {
    Expr::Column(Column::new_unqualified(name))
}

/// A plan with one more column, so that what it says is computed once.
pub(super) fn with_column(plan: LogicalPlan, value: Expr, name: &str) -> Result<LogicalPlan> {
    let mut columns: Vec<Expr> = plan.schema().iter().map(|field| Expr::Column(Column::from(field))).collect();
    columns.push(value.alias(name));
    LogicalPlanBuilder::from(plan).project(columns).and_then(LogicalPlanBuilder::build).map_err(from_datafusion)
}

/// The unique constraints that a conflict target means: all of them where there is none.
fn arbiters(table: &TableDefinition, on: &OnConflict) -> Result<Vec<UniqueConstraint>> {
    let keys = table.unique_keys();
    match &on.conflict_target {
        None => match &on.action {
            OnConflictAction::DoNothing => Ok(keys),
            OnConflictAction::DoUpdate(_) => Err(Error::new(
                ErrorKind::Syntax,
                "ON CONFLICT DO UPDATE requires inference specification or constraint name",
            )
            .with_hint("For example, ON CONFLICT (column_name).")),
        },
        Some(ConflictTarget::OnConstraint(name)) => {
            let name = name.0.last().and_then(|part| part.as_ident()).map(normalize).unwrap_or_default();
            let found = keys.into_iter().find(|key| key.name == name).ok_or_else(|| {
                let message = format!("constraint \"{name}\" for table \"{}\" does not exist", table.name);
                Error::new(ErrorKind::UndefinedObject, message)
            })?;
            Ok(vec![found])
        }
        Some(ConflictTarget::Columns(columns)) => {
            let mut wanted = BTreeSet::new();
            for column in columns {
                let name = normalize(column);
                if table.get_column(&name).is_none() {
                    let message = format!("column \"{name}\" does not exist");
                    return Err(Error::new(ErrorKind::UndefinedColumn, message).on_column(name));
                }
                wanted.insert(name);
            }
            let matches = |key: &UniqueConstraint| key.columns.iter().cloned().collect::<BTreeSet<_>>() == wanted;
            let found: Vec<UniqueConstraint> = keys.into_iter().filter(matches).take(1).collect();
            if found.is_empty() {
                return Err(Error::new(
                    ErrorKind::InvalidColumnReference,
                    "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                ));
            }
            Ok(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::{OnInsert, Statement};
    use slipstream_engine::catalog::ColumnDefinition;
    use slipstream_engine::types::SqlType;

    use super::*;
    use crate::statement::{Command, parse};

    fn table() -> TableDefinition {
        let column = |name: &str| ColumnDefinition {
            name: name.into(),
            sql_type: SqlType::Integer,
            not_null: false,
            default: None,
            identity: None,
            generated: None,
        };
        let mut table = TableDefinition::new("t", vec![column("a"), column("b"), column("c")], vec!["a".into()]);
        table.unique.push(UniqueConstraint { name: "t_b_c_key".into(), columns: vec!["b".into(), "c".into()] });
        table
    }

    fn names(clause: &str) -> Result<Vec<String>> {
        let statements = parse(&format!("insert into t values (1) on conflict {clause}"))?;
        let Command::Sql(statement) = statements[0].command() else { panic!("{clause}") };
        let Statement::Insert(insert) = statement.as_ref() else { panic!("{clause}") };
        let Some(OnInsert::OnConflict(on)) = &insert.on else { panic!("{clause}") };
        Ok(arbiters(&table(), on)?.into_iter().map(|arbiter| arbiter.name).collect())
    }

    #[test]
    fn arbiters_are_found_by_columns_in_any_order_and_by_name() {
        assert_eq!(names("do nothing").unwrap(), ["t_pkey", "t_b_c_key"]);
        assert_eq!(names("(a) do nothing").unwrap(), ["t_pkey"]);
        assert_eq!(names("(c, b) where a > 1 do update set a = 1").unwrap(), ["t_b_c_key"]);
        assert_eq!(names("on constraint t_b_c_key do nothing").unwrap(), ["t_b_c_key"]);
    }

    #[test]
    fn what_is_not_unique_is_no_arbiter() {
        for (clause, kind) in [
            ("(b) do nothing", ErrorKind::InvalidColumnReference),
            ("(d) do nothing", ErrorKind::UndefinedColumn),
            ("on constraint t_x do nothing", ErrorKind::UndefinedObject),
            ("do update set a = 1", ErrorKind::Syntax),
        ] {
            assert_eq!(names(clause).unwrap_err().kind(), kind, "{clause}");
        }
    }
}
