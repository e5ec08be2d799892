//! Constraints: PRIMARY KEY, UNIQUE, CHECK and FOREIGN KEY, of columns and of tables.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{EmptyRelation, Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    self, ColumnOption, ConstraintCharacteristics, DeferrableInitial, Expr, ForeignKeyConstraint, IndexColumn,
    NullsDistinctOption, TableConstraint, VisitMut, VisitorMut,
};
use slipstream_engine::catalog::{
    CheckConstraint, ColumnDefinition, ForeignKey, ReferentialAction, Relation, TableDefinition, UniqueConstraint,
};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::columns::refuse_subqueries;
use super::draft::Draft;
use crate::dml::normalize;
use crate::error::from_datafusion;
use crate::planner::Planning;

/// A constraint as a statement says it.
#[derive(Debug, Clone)]
pub(crate) struct Constraint {
    pub(crate) name: Option<String>,
    pub(crate) kind: Kind,
}

/// What a constraint asks for.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// PRIMARY KEY
    PrimaryKey(Vec<String>),
    /// UNIQUE
    Unique(Vec<String>),
    /// CHECK
    Check(Box<Expr>),
    /// FOREIGN KEY
    Foreign(Vec<String>, Box<ForeignKeyConstraint>),
}

impl Constraint {
    /// The constraint that a column's option is; `None` where it is something else.
    pub(super) fn of_column(option: &ColumnOption, column: &str, name: Option<String>) -> Result<Option<Self>> {
        let column = vec![column.to_string()];
        let kind = match option {
            ColumnOption::PrimaryKey(key) => {
                check_characteristics(key.characteristics.as_ref())?;
                Kind::PrimaryKey(column)
            }
            ColumnOption::Unique(unique) => {
                check_characteristics(unique.characteristics.as_ref())?;
                Kind::Unique(column)
            }
            ColumnOption::Check(check) => {
                check_enforced(check.enforced)?;
                Kind::Check(check.expr.clone())
            }
            ColumnOption::ForeignKey(key) => Kind::Foreign(column, Box::new(key.clone())),
            _ => return Ok(None),
        };
        Ok(Some(Constraint { name, kind }))
    }

    /// A table's constraint.
    pub(super) fn of_table(constraint: &TableConstraint) -> Result<Self> {
        let (name, kind) = match constraint {
            TableConstraint::PrimaryKey(key) => {
                check_characteristics(key.characteristics.as_ref())?;
                (&key.name, Kind::PrimaryKey(key_columns(&key.columns)?))
            }
            TableConstraint::Unique(unique) => {
                check_characteristics(unique.characteristics.as_ref())?;
                if unique.nulls_distinct == NullsDistinctOption::NotDistinct {
                    return Err(Error::not_supported("UNIQUE NULLS NOT DISTINCT is not supported yet"));
                }
                (&unique.name, Kind::Unique(key_columns(&unique.columns)?))
            }
            TableConstraint::Check(check) => {
                check_enforced(check.enforced)?;
                (&check.name, Kind::Check(check.expr.clone()))
            }
            TableConstraint::ForeignKey(key) => {
                let columns = key.columns.iter().map(normalize).collect();
                (&key.name, Kind::Foreign(columns, Box::new(key.clone())))
            }
            other => return Err(Error::not_supported(format!("{other} is not supported yet"))),
        };
        Ok(Constraint { name: name.as_ref().map(normalize), kind })
    }

    /// UNIQUE over columns.
    pub(crate) fn unique(name: Option<String>, columns: Vec<String>) -> Self {
        Constraint { name, kind: Kind::Unique(columns) }
    }

    pub(super) fn is_primary_key(&self) -> bool {
        matches!(self.kind, Kind::PrimaryKey(_))
    }

    /// Keys come before what may refer to them.
    pub(super) fn order(&self) -> u8 {
        match self.kind {
            Kind::PrimaryKey(_) => 0,
            Kind::Unique(_) => 1,
            Kind::Check(_) => 2,
            Kind::Foreign(..) => 3,
        }
    }
}

impl Draft<'_> {
    /// Adds a constraint, under its own name or one that is made up.
    pub(crate) fn add_constraint(&mut self, Constraint { name, kind }: Constraint) -> Result<()> {
        match kind {
            Kind::PrimaryKey(columns) => self.add_primary_key(name, columns),
            Kind::Unique(columns) => {
                self.check_key_columns(&columns, "unique")?;
                let name = self.key_name(name, &columns, "key")?;
                self.table.unique.push(UniqueConstraint { name, columns });
                Ok(())
            }
            Kind::Check(expression) => self.add_check(name, *expression),
            Kind::Foreign(columns, key) => self.add_foreign_key(name, columns, &key),
        }
    }

    fn add_primary_key(&mut self, name: Option<String>, columns: Vec<String>) -> Result<()> {
        if !self.table.primary_key.is_empty() {
            let message = format!("multiple primary keys for table \"{}\" are not allowed", self.table.name);
            return Err(Error::new(ErrorKind::InvalidTableDefinition, message).on_table(&self.table.name));
        }
        self.check_key_columns(&columns, "primary key")?;
        let name = self.key_name(name, &[], "pkey")?;
        for column in &columns {
            self.column_mut(column)?.not_null = true;
        }
        self.table.primary_key = columns;
        self.table.key_constraint = Some(name);
        Ok(())
    }

    fn check_key_columns(&self, columns: &[String], what: &str) -> Result<()> {
        for (position, name) in columns.iter().enumerate() {
            let column = self.table.get_column(name).ok_or_else(|| {
                let message = format!("column \"{name}\" named in key does not exist");
                Error::new(ErrorKind::UndefinedColumn, message).on_column(name)
            })?;
            if columns[..position].contains(name) {
                let message = format!("column \"{name}\" appears twice in {what} constraint");
                return Err(Error::new(ErrorKind::DuplicateColumn, message).on_column(name));
            }
            check_key_type(column, what)?;
        }
        Ok(())
    }

    fn add_check(&mut self, name: Option<String>, mut expression: Expr) -> Result<()> {
        refuse_subqueries(&expression, "cannot use subquery in check constraint")?;
        unqualify_columns(&mut expression, &self.table);
        let planned = checked_condition(self.planning, &self.table, expression.clone())?;
        let columns: BTreeSet<String> = planned.column_refs().into_iter().map(|column| column.name.clone()).collect();
        let named = match columns.len() {
            1 => columns.into_iter().collect(),
            _ => Vec::new(),
        };
        let name = self.constraint_name(name, &named, "check")?;
        self.table.checks.push(CheckConstraint { name, expression: expression.to_string() });
        Ok(())
    }

    fn add_foreign_key(
        &mut self,
        name: Option<String>,
        columns: Vec<String>,
        key: &ForeignKeyConstraint,
    ) -> Result<()> {
        check_characteristics(key.characteristics.as_ref())?;
        let on_delete = action(key)?;
        let to = self.referred_table(key)?;
        let referenced = referenced_columns(&to, key)?;
        for (column, table) in columns.iter().map(|c| (c, &self.table)).chain(referenced.iter().map(|c| (c, &*to))) {
            if table.get_column(column).is_none() {
                let message = format!("column \"{column}\" referenced in foreign key constraint does not exist");
                return Err(Error::new(ErrorKind::UndefinedColumn, message).on_table(&table.name).on_column(column));
            }
        }
        if columns.len() != referenced.len() {
            let message = "number of referencing and referenced columns for foreign key disagree";
            return Err(Error::new(ErrorKind::InvalidForeignKey, message));
        }
        if let Some(twice) = (1..columns.len()).find(|at| columns[..*at].contains(&columns[*at])) {
            let message = format!("column \"{}\" appears twice in foreign key constraint", columns[twice]);
            return Err(Error::new(ErrorKind::DuplicateColumn, message));
        }
        if !to.unique_keys().iter().any(|unique| same_columns(&unique.columns, &referenced)) {
            let message =
                format!("there is no unique constraint matching given keys for referenced table \"{}\"", to.name);
            return Err(Error::new(ErrorKind::InvalidForeignKey, message).on_table(&to.name));
        }
        let name = self.constraint_name(name, &columns, "fkey")?;
        for (column, other) in columns.iter().zip(&referenced) {
            check_types(&name, self.table.column(column)?, to.column(other)?)?;
        }
        self.table.foreign_keys.push(ForeignKey { name, columns, table: to.id, referenced, on_delete });
        Ok(())
    }

    /// The table that a foreign key refers to, which may be the one in the making.
    fn referred_table(&self, key: &ForeignKeyConstraint) -> Result<Arc<TableDefinition>> {
        let tables = &self.planning.tables;
        let (schema, name) = tables.split(&key.foreign_table)?;
        let found = tables.relation(&key.foreign_table)?;
        let is_this = name == self.table.name && schema.is_none_or(|schema| schema == self.table.schema);
        match found {
            Some(Relation::Table(table)) if table.id != self.table.id => Ok(table),
            Some(Relation::Table(_)) => Ok(Arc::new(self.table.clone())),
            None if is_this => Ok(Arc::new(self.table.clone())),
            None => tables.written(&key.foreign_table),
            Some(_) => {
                let message = format!("referenced relation \"{name}\" is not a table");
                Err(Error::new(ErrorKind::WrongObjectType, message))
            }
        }
    }
}

/// Plans a CHECK over the rows of a table: it must be a condition.
pub(crate) fn checked_condition(
    planning: &Planning<'_>,
    table: &TableDefinition,
    expression: Expr,
) -> Result<PlanExpr> {
    let schema = DFSchema::try_from(table.arrow_schema().as_ref().clone()).map_err(from_datafusion)?;
    let planned = planning.row_expression(expression, &schema)?;
    refuse_aggregates(&planned)?;
    let schema = Arc::new(schema);
    let empty = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::clone(&schema) });
    let projected = LogicalPlanBuilder::from(empty)
        .project([planned.clone().alias("condition")])
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| planning.error(error))?;
    let analyzed = planning.analyze(projected)?;
    let field = analyzed.schema().field(0);
    match SqlType::of_field(field) {
        Some(SqlType::Boolean) => Ok(planned),
        _ if field.data_type().is_null() => Ok(planned),
        other => {
            let found = other.map_or_else(|| field.data_type().to_string(), |sql_type| sql_type.to_string());
            let message = format!("argument of CHECK must be type boolean, not type {found}");
            Err(Error::new(ErrorKind::DatatypeMismatch, message))
        }
    }
}

fn refuse_aggregates(expr: &PlanExpr) -> Result<()> {
    let mut refused = None;
    expr.apply(|expr| {
        refused = match expr {
            PlanExpr::AggregateFunction(_) => Some("aggregate functions are not allowed in check constraints"),
            PlanExpr::WindowFunction(_) => Some("window functions are not allowed in check constraints"),
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(from_datafusion)?;
    match refused {
        Some(message) => Err(Error::new(ErrorKind::Grouping, message)),
        None => Ok(()),
    }
}

/// Takes the table's own name off the columns of an expression, so that it means the same when the table is renamed.
pub(super) fn unqualify_columns(expression: &mut Expr, table: &TableDefinition) {
    struct Columns<'a>(&'a TableDefinition);
    impl VisitorMut for Columns<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr {
                let names: Vec<String> = parts.iter().map(normalize).collect();
                let own = match &names[..] {
                    [table, _] => *table == self.0.name,
                    [schema, table, _] => *schema == self.0.schema && *table == self.0.name,
                    _ => false,
                };
                if let (true, Some(column)) = (own, parts.pop()) {
                    *expr = Expr::Identifier(column);
                }
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expression.visit(&mut Columns(table));
}

/// Columns of a key. Each is a name; an order or a collation would not be honoured.
pub(crate) fn key_columns(columns: &[IndexColumn]) -> Result<Vec<String>> {
    columns
        .iter()
        .map(|column| {
            let plain = column.operator_class.is_none()
                && column.column.options == ast::OrderByOptions::default()
                && column.column.with_fill.is_none();
            match &column.column.expr {
                Expr::Identifier(ident) if plain => Ok(normalize(ident)),
                Expr::Identifier(_) => Err(Error::not_supported("a key column with an order is not supported")),
                other => Err(Error::new(ErrorKind::Syntax, format!("a key is made of columns, not of {other}"))),
            }
        })
        .collect()
}

fn check_key_type(column: &ColumnDefinition, what: &str) -> Result<()> {
    use SqlType::{Array, Bit, Halfvec, Interval, Json, Jsonb, Sparsevec, TsQuery, TsVector, Varbit, Vector};
    match column.sql_type {
        Array(_) | Interval | Json | Jsonb | TsVector | TsQuery | Vector(_) | Halfvec(_) | Sparsevec(_) | Bit(_)
        | Varbit(_) => Err(Error::not_supported(format!(
            "column \"{}\" of type {} cannot be in a {what} constraint",
            column.name, column.sql_type
        ))),
        _ => Ok(()),
    }
}

fn check_enforced(enforced: Option<bool>) -> Result<()> {
    if enforced == Some(false) { Err(Error::not_supported("NOT ENFORCED is not supported")) } else { Ok(()) }
}

fn check_characteristics(characteristics: Option<&ConstraintCharacteristics>) -> Result<()> {
    let Some(ConstraintCharacteristics { deferrable, initially, enforced }) = characteristics else { return Ok(()) };
    check_enforced(*enforced)?;
    if *deferrable == Some(true) || *initially == Some(DeferrableInitial::Deferred) {
        return Err(Error::not_supported("DEFERRABLE constraints are not supported yet"));
    }
    Ok(())
}

/// What happens when the referenced row is deleted. RESTRICT is NO ACTION: both look when the statement has ended.
fn action(key: &ForeignKeyConstraint) -> Result<ReferentialAction> {
    use ast::ReferentialAction::{Cascade, NoAction, Restrict, SetDefault, SetNull};
    if !matches!(key.on_update, None | Some(NoAction | Restrict)) {
        return Err(Error::not_supported(
            "ON UPDATE of a foreign key with another action than NO ACTION is not supported yet",
        ));
    }
    if key.match_kind.as_ref().is_some_and(|kind| *kind != ast::ConstraintReferenceMatchKind::Simple) {
        return Err(Error::not_supported("MATCH FULL and MATCH PARTIAL are not supported yet"));
    }
    match key.on_delete {
        None | Some(NoAction | Restrict) => Ok(ReferentialAction::NoAction),
        Some(Cascade) => Ok(ReferentialAction::Cascade),
        Some(SetNull) => Ok(ReferentialAction::SetNull),
        Some(SetDefault) => Err(Error::not_supported("ON DELETE SET DEFAULT is not supported yet")),
    }
}

fn referenced_columns(to: &TableDefinition, key: &ForeignKeyConstraint) -> Result<Vec<String>> {
    if !key.referred_columns.is_empty() {
        return Ok(key.referred_columns.iter().map(normalize).collect());
    }
    if to.primary_key.is_empty() {
        let message = format!("there is no primary key for referenced table \"{}\"", to.name);
        return Err(Error::new(ErrorKind::UndefinedObject, message).on_table(&to.name));
    }
    Ok(to.primary_key.clone())
}

fn same_columns(left: &[String], right: &[String]) -> bool {
    left.len() == right.len() && left.iter().all(|column| right.contains(column))
}

fn check_types(constraint: &str, column: &ColumnDefinition, other: &ColumnDefinition) -> Result<()> {
    let is_text = |sql_type: &SqlType| matches!(sql_type, SqlType::Text | SqlType::Varchar(_));
    let (from, to) = (&column.sql_type, &other.sql_type);
    if from == to || (is_text(from) && is_text(to)) {
        return Ok(());
    }
    let number = |sql_type: &SqlType| {
        use SqlType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
        matches!(sql_type, SmallInt | Integer | BigInt | Real | Double | Numeric { .. })
    };
    let detail =
        format!("Key columns \"{}\" and \"{}\" are of incompatible types: {from} and {to}.", column.name, other.name);
    if number(from) && number(to) {
        let message =
            format!("foreign key constraint \"{constraint}\" between different number types is not supported");
        return Err(Error::not_supported(message).with_detail(detail).with_hint("Give both columns the same type."));
    }
    let message = format!("foreign key constraint \"{constraint}\" cannot be implemented");
    Err(Error::new(ErrorKind::DatatypeMismatch, message).with_detail(detail))
}
