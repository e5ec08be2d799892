//! ALTER TABLE: one or several actions, carried out in order on a draft.
//!
//! The draft remembers where the values of its columns come from. If every column is still its own source, the definition
//! alone changes; otherwise the engine makes the rows again. What the rows must hold (keys, references, NOT NULL) the engine
//! checks when it applies the edit; CHECK is checked here.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::DFSchema;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, DropBehavior, Ident, ObjectName, Owner,
    RenameTableNameKind,
};
use slipstream_catalog::pg_catalog::definitions::quote_identifier;
use slipstream_engine::catalog::{
    CatalogEdit, CheckConstraint, SequenceDefinition, SequenceId, TableDefinition, TableId,
};
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::Definition;
use super::super::dependents::{Closure, Object, drop_default};
use super::super::grammar::IdentityChange;
use super::super::names::{Place, check_free, check_schema, shown};
use super::super::rows::Source;
use super::super::sequence::{SequenceOptions, follow, redirected};
use super::super::{rows, schema};
use super::columns::{checked_default, duplicate_column, identity};
use super::constraints::Constraint;
use super::create::check_columns;
use super::draft::Draft;
use super::generated::generated_from;
use super::retype;
use crate::dml::assign::{assign, typed_null};
use crate::dml::normalize;
use crate::planner::Planning;
use crate::statement::parse_expression;

/// A table that is being altered.
pub(super) struct Alteration<'a> {
    pub(super) planning: &'a Planning<'a>,
    /// The table as it was.
    pub(super) known: Arc<TableDefinition>,
    pub(super) draft: Draft<'a>,
    /// Where the values of the draft's columns come from.
    pub(super) sources: Vec<Source>,
    /// Other tables that change along.
    pub(super) others: BTreeMap<TableId, TableDefinition>,
    /// Edits that come before that of the table, and after it.
    pub(super) before: Vec<CatalogEdit>,
    pub(super) sequences: BTreeMap<SequenceId, SequenceDefinition>,
    after: Vec<CatalogEdit>,
    notices: Vec<String>,
    restarts: Vec<(SequenceDefinition, i64)>,
}

/// ALTER TABLE.
pub(crate) async fn alter_table(planning: &Planning<'_>, alter: &AlterTable) -> Result<Definition> {
    if alter.location.is_some() || alter.on_cluster.is_some() || alter.table_type.is_some() {
        return Err(Error::not_supported("this form of ALTER TABLE is not supported"));
    }
    let Some(table) = find(planning, &alter.name, alter.if_exists)? else { return missing(planning, &alter.name) };
    let mut alteration = Alteration::of(planning, table);
    for operation in &alter.operations {
        alteration.apply(operation).await?;
    }
    alteration.finish().await
}

/// ALTER TABLE ... SET SCHEMA: the sequences that the table owns go along.
pub(crate) fn set_schema(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
    schema: &str,
) -> Result<Definition> {
    let Some(table) = find(planning, name, if_exists)? else { return missing(planning, name) };
    let catalog = &planning.view.snapshot.catalog;
    check_schema(catalog, schema)?;
    if table.schema == schema {
        return Ok(Definition::new("ALTER TABLE", Vec::new()));
    }
    let keys = table.unique_keys().into_iter().map(|key| key.name);
    let indexes = table.indexes.iter().map(|index| index.name.clone());
    let names = std::iter::once(table.name.clone()).chain(keys).chain(indexes);
    for name in names {
        check_free(catalog, &Place { schema: schema.to_string(), name })?;
    }
    let mut moved = TableDefinition { schema: schema.to_string(), ..table.as_ref().clone() };
    let mut edits = Vec::new();
    let owned = catalog.sequences.values().filter(|s| s.owned_by.as_ref().is_some_and(|(owner, _)| *owner == table.id));
    for sequence in owned {
        check_free(catalog, &Place { schema: schema.to_string(), name: sequence.name.clone() })?;
        let there = SequenceDefinition { schema: schema.to_string(), ..sequence.as_ref().clone() };
        edits.extend(follow(planning, sequence, &there, Some(table.id)));
        if let Some(redirected) = redirected(&moved, sequence, &there) {
            moved = redirected;
        }
        edits.push(CatalogEdit::AlterSequence(there));
    }
    edits.push(CatalogEdit::AlterTable(moved));
    Ok(Definition::new("ALTER TABLE", edits))
}

/// ALTER TABLE ... ALTER COLUMN ... with a change of its identity.
pub(crate) async fn change_identity(
    planning: &Planning<'_>,
    name: &ObjectName,
    if_exists: bool,
    column: &str,
    changes: &[IdentityChange],
) -> Result<Definition> {
    let Some(table) = find(planning, name, if_exists)? else { return missing(planning, name) };
    let mut alteration = Alteration::of(planning, table);
    for change in changes {
        alteration.change_identity(column, change)?;
    }
    alteration.finish().await
}

fn find(planning: &Planning<'_>, name: &ObjectName, if_exists: bool) -> Result<Option<Arc<TableDefinition>>> {
    if if_exists && planning.tables.relation(name)?.is_none() {
        return Ok(None);
    }
    planning.tables.written(name).map(Some)
}

fn missing(planning: &Planning<'_>, name: &ObjectName) -> Result<Definition> {
    let (_, name) = planning.tables.split(name)?;
    Ok(Definition::passed_over("ALTER TABLE", format!("relation \"{name}\" does not exist, skipping")))
}

impl<'a> Alteration<'a> {
    fn of(planning: &'a Planning<'a>, known: Arc<TableDefinition>) -> Self {
        let sources = known.columns.iter().map(|column| Source::Column(column.name.clone())).collect();
        Alteration {
            planning,
            draft: Draft::new(planning, known.as_ref().clone()),
            known,
            sources,
            others: BTreeMap::new(),
            before: Vec::new(),
            sequences: BTreeMap::new(),
            after: Vec::new(),
            notices: Vec::new(),
            restarts: Vec::new(),
        }
    }

    async fn apply(&mut self, operation: &AlterTableOperation) -> Result<()> {
        match operation {
            AlterTableOperation::AddColumn { if_not_exists, column_def, column_position: None, .. } => {
                self.add_column(column_def, *if_not_exists).await
            }
            AlterTableOperation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                let names = column_names.iter().map(normalize);
                for name in names {
                    self.drop_column(&name, *if_exists, cascades(drop_behavior.as_ref()))?;
                }
                Ok(())
            }
            AlterTableOperation::AddConstraint { not_valid: true, .. } => {
                Err(Error::not_supported("ADD CONSTRAINT ... NOT VALID is not supported yet"))
            }
            AlterTableOperation::AddConstraint { constraint, not_valid: false } => {
                self.draft.add_constraint(Constraint::of_table(constraint)?)
            }
            AlterTableOperation::DropConstraint { if_exists, name, drop_behavior } => {
                self.drop_constraint(&normalize(name), *if_exists, cascades(drop_behavior.as_ref()))
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.rename_column(&normalize(old_column_name), &normalize(new_column_name))
            }
            AlterTableOperation::RenameConstraint { old_name, new_name } => {
                self.rename_constraint(&normalize(old_name), normalize(new_name))
            }
            AlterTableOperation::RenameTable { table_name: RenameTableNameKind::To(name) } => self.rename(name),
            AlterTableOperation::AlterColumn { column_name, op } => self.alter_column(&normalize(column_name), op),
            AlterTableOperation::OwnerTo { new_owner: Owner::Ident(role) } => schema::check_owner(role),
            AlterTableOperation::OwnerTo { .. } => Ok(()),
            other => Err(Error::not_supported(format!("ALTER TABLE ... {other} is not supported yet"))),
        }
    }

    async fn add_column(&mut self, definition: &ColumnDef, if_not_exists: bool) -> Result<()> {
        let (planning, name) = (self.planning, normalize(&definition.name));
        if self.draft.table.get_column(&name).is_some() {
            let error = duplicate_column(&name, &self.draft.table.name, true);
            if !if_not_exists {
                return Err(error);
            }
            self.notices.push(format!("{}, skipping", error.message()));
            return Ok(());
        }
        let constraints = self.draft.add_column(definition)?;
        let column = self.draft.table.column(&name)?.clone();
        if let Some(source) = self.generated_source(&column).await? {
            self.sources.push(source);
            check_columns(&self.draft.table)?;
            return constraints.into_iter().try_for_each(|constraint| self.draft.add_constraint(constraint));
        }
        let value = match &column.default {
            Some(text) => {
                let value = assign(planning.constant(parse_expression(text)?)?, &DFSchema::empty(), &column)?;
                match value.is_volatile() {
                    false => Some(value.unalias()),
                    true if rows::has_rows(planning, &self.known).await? => return Err(volatile_default(&name)),
                    true => None,
                }
            }
            None => None,
        };
        let value = match value {
            Some(value) => rows::value(planning, value).await?,
            None => null_of(&column.sql_type)?,
        };
        let primary = constraints.iter().any(Constraint::is_primary_key);
        if value.is_null() && (column.not_null || primary) && rows::has_rows(planning, &self.known).await? {
            return Err(contains_nulls(&self.draft.table.name, &name));
        }
        self.sources.push(Source::Value(value));
        check_columns(&self.draft.table)?;
        constraints.into_iter().try_for_each(|constraint| self.draft.add_constraint(constraint))
    }

    fn drop_column(&mut self, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        if self.draft.table.get_column(name).is_some() {
            self.drop_generated_from(name, cascade)?;
        }
        let Some(position) = self.draft.table.columns.iter().position(|column| column.name == name) else {
            let error = self.draft.table.column(name).err();
            return self.passed_over(if_exists, error);
        };
        // A column that this statement has made itself has nothing that depends on it.
        let was = match &self.sources[position] {
            Source::Column(was) => Some(was.clone()),
            Source::Value(_) | Source::Computed(_) => None,
        };
        if let Some(was) = was {
            self.drop_with_dependents(vec![Object::Column(self.known.id, was)], cascade)?;
        }
        let table = &mut self.draft.table;
        table.columns.remove(position);
        self.sources.remove(position);
        if table.primary_key.iter().any(|key| key == name) {
            table.primary_key.clear();
            table.key_constraint = None;
        }
        table.unique.retain(|unique| !unique.columns.iter().any(|column| column == name));
        table.foreign_keys.retain(|key| !key.columns.iter().any(|column| column == name));
        table.indexes.retain(|index| !index.reads(name));
        let kept = super::rename::checks_without(table, name)?;
        table.checks = kept;
        self.draft.sequences.retain(|sequence| !owned(sequence, name));
        check_columns(&self.draft.table)
    }

    /// Columns that are generated from one go with it, if the statement says CASCADE.
    fn drop_generated_from(&mut self, name: &str, cascade: bool) -> Result<()> {
        let generated = generated_from(&self.draft.table, name);
        if generated.is_empty() {
            return Ok(());
        }
        let table = shown(self.planning, &self.draft.table.schema, &self.draft.table.name);
        if !cascade {
            let line =
                |other: &String| format!("column {other} of table {table} depends on column {name} of table {table}");
            let message = format!("cannot drop column {name} of table {table} because other objects depend on it");
            return Err(Error::new(ErrorKind::DependentObjects, message)
                .with_detail(generated.iter().map(line).collect::<Vec<_>>().join("\n"))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        for other in generated {
            self.notices.push(format!("drop cascades to column {other} of table {table}"));
            self.drop_column(&other, false, true)?;
        }
        Ok(())
    }

    fn drop_constraint(&mut self, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let is_key = self.draft.table.unique_keys().iter().any(|key| key.name == name);
        let was_key = self.known.unique_keys().iter().any(|key| key.name == name);
        if is_key && was_key {
            self.drop_with_dependents(vec![Object::Key(self.known.id, name.to_string())], cascade)?;
        }
        let table = &mut self.draft.table;
        if is_key && table.primary_key_name() == name {
            table.primary_key.clear();
            table.key_constraint = None;
            return Ok(());
        }
        let before = table.unique.len() + table.checks.len() + table.foreign_keys.len();
        table.unique.retain(|unique| unique.name != name);
        table.checks.retain(|check| check.name != name);
        table.foreign_keys.retain(|key| key.name != name);
        if table.unique.len() + table.checks.len() + table.foreign_keys.len() < before {
            return Ok(());
        }
        let message = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
        self.passed_over(if_exists, Some(Error::new(ErrorKind::UndefinedObject, message)))
    }

    /// Lets go of what needs something of this table.
    fn drop_with_dependents(&mut self, roots: Vec<Object>, cascade: bool) -> Result<()> {
        let id = self.known.id;
        let closure = Closure::of(self.planning, roots);
        self.notices.extend(closure.check(cascade)?);
        for edit in closure.edits(Some(id)) {
            match edit {
                CatalogEdit::AlterTable(table) => drop(self.others.insert(table.id, table)),
                CatalogEdit::DropSequence(_) => self.after.push(edit),
                edit => self.before.push(edit),
            }
        }
        let keys = closure.of_table(id, |object| match object {
            Object::ForeignKey(table, name) => Some((*table, name)),
            _ => None,
        });
        self.draft.table.foreign_keys.retain(|key| !keys.contains(&&key.name));
        let defaults = closure.of_table(id, |object| match object {
            Object::Default(table, column) => Some((*table, column)),
            _ => None,
        });
        for column in defaults {
            drop_default(&mut self.draft.table, column);
        }
        Ok(())
    }

    pub(super) fn passed_over(&mut self, if_exists: bool, error: Option<Error>) -> Result<()> {
        match error {
            Some(error) if !if_exists => Err(error),
            Some(error) => {
                self.notices.push(format!("{}, skipping", error.message()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn alter_column(&mut self, name: &str, operation: &AlterColumnOperation) -> Result<()> {
        let table = self.draft.table.name.clone();
        let is_key = self.draft.table.primary_key.iter().any(|key| key == name);
        let planning = self.planning;
        if matches!(
            operation,
            AlterColumnOperation::SetDefault { .. }
                | AlterColumnOperation::DropDefault
                | AlterColumnOperation::AddGenerated { .. }
        ) {
            self.refuse_default(name, matches!(operation, AlterColumnOperation::DropDefault))?;
        }
        let column = self.draft.column_mut(name)?;
        let identity_column = || {
            let message = format!("column \"{name}\" of relation \"{table}\" is an identity column");
            Error::new(ErrorKind::Syntax, message)
        };
        match operation {
            AlterColumnOperation::SetNotNull => column.not_null = true,
            AlterColumnOperation::DropNotNull if is_key => {
                let message = format!("column \"{name}\" is in a primary key");
                return Err(Error::new(ErrorKind::InvalidTableDefinition, message));
            }
            AlterColumnOperation::DropNotNull if column.identity.is_some() => return Err(identity_column()),
            AlterColumnOperation::DropNotNull => column.not_null = false,
            AlterColumnOperation::SetDefault { .. } | AlterColumnOperation::DropDefault
                if column.identity.is_some() =>
            {
                return Err(identity_column());
            }
            AlterColumnOperation::SetDefault { value } => column.default = checked_default(planning, value, column)?,
            AlterColumnOperation::DropDefault => column.default = None,
            AlterColumnOperation::AddGenerated { generated_as: Some(generated), sequence_options } => {
                let sequence = SequenceOptions::of_identity(sequence_options.as_deref().unwrap_or_default())?;
                let state = if column.identity.is_some() {
                    Some("is already an identity column")
                } else if column.default.is_some() {
                    Some("already has a default value")
                } else if !column.not_null {
                    Some("must be declared NOT NULL before identity can be added")
                } else {
                    None
                };
                if let Some(state) = state {
                    let message = format!("column \"{name}\" of relation \"{table}\" {state}");
                    return Err(Error::new(ErrorKind::ObjectState, message));
                }
                let mut column = column.clone();
                self.draft.make_identity(&mut column, identity(generated)?, &sequence)?;
                *self.draft.column_mut(name)? = column;
            }
            AlterColumnOperation::SetDataType { data_type, using, .. } => {
                return self.change_type(name, data_type, using.as_ref());
            }
            other => return Err(Error::not_supported(format!("ALTER COLUMN ... {other} is not supported"))),
        }
        Ok(())
    }

    fn change_identity(&mut self, name: &str, change: &IdentityChange) -> Result<()> {
        let table = self.draft.table.name.clone();
        if let IdentityChange::DropExpression { if_exists } = change {
            return self.drop_expression(name, *if_exists);
        }
        let column = self.draft.column_mut(name)?;
        if column.identity.is_none() {
            let message = format!("column \"{name}\" of relation \"{table}\" is not an identity column");
            let if_exists = matches!(change, IdentityChange::Drop { if_exists: true });
            return self.passed_over(if_exists, Some(Error::new(ErrorKind::ObjectState, message)));
        }
        match change {
            IdentityChange::Drop { .. } => {
                (column.identity, column.default) = (None, None);
                let sequence = self.owned_sequence(name).map(|sequence| CatalogEdit::DropSequence(sequence.id));
                self.after.extend(sequence);
            }
            IdentityChange::DropExpression { .. } => {}
            IdentityChange::Generated(identity) => column.identity = Some(*identity),
            IdentityChange::Restart(value) => {
                if let Some(sequence) = self.owned_sequence(name) {
                    let value = value.unwrap_or(sequence.start);
                    self.restarts.push((sequence, value));
                }
            }
        }
        Ok(())
    }

    fn owned_sequence(&self, column: &str) -> Option<SequenceDefinition> {
        let mut sequences = self.planning.view.snapshot.catalog.sequences.values();
        let belongs = |sequence: &&Arc<SequenceDefinition>| {
            sequence.owned_by.as_ref().is_some_and(|(owner, owned)| *owner == self.known.id && owned == column)
        };
        sequences.find(belongs).map(|sequence| sequence.as_ref().clone())
    }

    /// Checks what sql checks, and puts the edits in order.
    async fn finish(mut self) -> Result<Definition> {
        self.draft.check_generated()?;
        let is_retyped = self.sources.iter().any(|source| matches!(source, Source::Computed(_)));
        let is_new = |check: &CheckConstraint| !self.known.checks.contains(check);
        let open = self.draft.table.checks.iter().filter(|check| is_retyped || is_new(check)).cloned();
        for check in open.collect::<Vec<_>>() {
            let is_renamed = self.known.checks.iter().any(|known| known.name == check.name);
            if is_retyped || !is_renamed {
                rows::check(self.planning, &self.known, &self.draft.table, &self.sources, &check).await?;
            }
        }
        for (column, source) in self.draft.table.columns.iter().zip(&self.sources).filter(|(column, _)| column.not_null)
        {
            let Source::Column(was) = source else { continue };
            let is_fresh = self.known.get_column(was).is_some_and(|known| !known.not_null);
            if is_fresh && rows::has_null(self.planning, &self.known, was).await? {
                return Err(contains_nulls(&self.draft.table.name, &column.name));
            }
        }
        let mut edits = self.before;
        edits.extend(self.others.into_values().map(CatalogEdit::AlterTable));
        let sequences = self.draft.sequence_edits();
        let table = self.draft.table;
        if is_reshaped(&self.known, &table, &self.sources) {
            let source = |source| retype::source(self.planning, &self.known, source);
            let sources = self.sources.into_iter().map(source).collect::<Result<_>>()?;
            edits.push(CatalogEdit::ReshapeTable { table, sources });
        } else if table != *self.known {
            edits.push(CatalogEdit::AlterTable(table));
        }
        edits.extend(sequences);
        edits.extend(self.sequences.into_values().map(CatalogEdit::AlterSequence));
        edits.extend(self.after);
        let definition = Definition::new("ALTER TABLE", edits);
        Ok(Definition { notices: self.notices, restarts: self.restarts, ..definition })
    }
}

/// Whether rows of the known table are not rows of the other as they are.
fn is_reshaped(known: &TableDefinition, table: &TableDefinition, sources: &[Source]) -> bool {
    let same = known.columns.len() == table.columns.len()
        && known
            .columns
            .iter()
            .zip(&table.columns)
            .zip(sources)
            .all(|((was, column), source)| was.name == column.name && *source == Source::Column(was.name.clone()));
    !same
}

fn owned(sequence: &SequenceDefinition, column: &str) -> bool {
    sequence.owned_by.as_ref().is_some_and(|(_, owned)| owned == column)
}

fn cascades(behavior: Option<&DropBehavior>) -> bool {
    matches!(behavior, Some(DropBehavior::Cascade))
}

fn null_of(sql_type: &slipstream_engine::types::SqlType) -> Result<ScalarValue> {
    match typed_null(sql_type)? {
        datafusion::logical_expr::Expr::Literal(value, _) => Ok(value),
        _ => Err(Error::internal("NULL is not a literal")),
    }
}

fn contains_nulls(table: &str, column: &str) -> Error {
    let message = format!("column \"{column}\" of relation \"{table}\" contains null values");
    Error::new(ErrorKind::NotNullViolation, message).on_table(table).on_column(column)
}

fn volatile_default(column: &str) -> Error {
    let message = format!("column \"{column}\" has a default that differs from row to row, and the table has rows");
    Error::not_supported(message).with_hint("Add the column without it, UPDATE the rows, then SET DEFAULT.")
}

/// The name that a table gets: one without a schema, because it stays in its own.
pub(super) fn bare_name(name: &ObjectName) -> Result<String> {
    match &name.0[..] {
        [part] => part.as_ident().map(normalize).ok_or_else(|| not_a_name(name)),
        _ => Err(not_a_name(name)),
    }
}

fn not_a_name(name: &ObjectName) -> Error {
    Error::new(ErrorKind::Syntax, format!("\"{name}\" is not a name without a schema"))
        .with_hint("ALTER TABLE ... SET SCHEMA moves a table.")
}

/// An identifier that means exactly this name.
pub(super) fn quoted(name: &str) -> Ident {
    if quote_identifier(name) == name { Ident::new(name) } else { Ident::with_quote('"', name) }
}
