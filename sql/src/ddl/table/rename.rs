//! New names for tables, columns and constraints, and everything that has to follow.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, ObjectName, VisitMut, VisitorMut, visit_expressions};
use slipstream_engine::catalog::{CheckConstraint, ForeignKey, TableDefinition, TableId};
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::dependents::covers;
use super::super::names::{Place, already_exists, check_free, names_of};
use super::alter::{Alteration, bare_name, quoted};
use super::columns::{check_name, duplicate_column};
use crate::dml::normalize;
use crate::statement::parse_expression;

impl Alteration<'_> {
    /// RENAME TO. Keys keep the names that they have.
    pub(super) fn rename(&mut self, name: &ObjectName) -> Result<()> {
        let name = bare_name(name)?;
        let table = &mut self.draft.table;
        check_free(&self.planning.view.snapshot.catalog, &Place { schema: table.schema.clone(), name: name.clone() })?;
        if !table.primary_key.is_empty() {
            table.key_constraint = Some(table.primary_key_name());
        }
        table.name = name;
        Ok(())
    }

    /// RENAME COLUMN.
    pub(super) fn rename_column(&mut self, old: &str, new: &str) -> Result<()> {
        self.draft.table.column(old)?;
        if old == new {
            return Err(duplicate_column(new, &self.draft.table.name, true));
        }
        if self.draft.table.get_column(new).is_some() {
            return Err(duplicate_column(new, &self.draft.table.name, true));
        }
        check_name(new)?;
        self.refuse_named_elsewhere(old)?;
        let id = self.known.id;
        self.draft.column_mut(old)?.name = new.to_string();
        rename_in_constraints(&mut self.draft.table, old, new)?;
        rename_referenced(&mut self.draft.table.foreign_keys, id, old, new);
        for other in self.planning.view.snapshot.catalog.tables.values().filter(|other| other.id != id) {
            let other = self.others.get(&other.id).unwrap_or(other);
            if other.foreign_keys.iter().any(|key| key.table == id && key.referenced.iter().any(|name| name == old)) {
                let mut other = other.clone();
                rename_referenced(&mut other.foreign_keys, id, old, new);
                self.others.insert(other.id, other);
            }
        }
        for sequence in self.planning.view.snapshot.catalog.sequences.values() {
            let known = self.sequences.get(&sequence.id).unwrap_or(sequence);
            if known.owned_by.as_ref().is_some_and(|(owner, column)| *owner == id && column == old) {
                let mut sequence = known.clone();
                sequence.owned_by = Some((id, new.to_string()));
                self.sequences.insert(sequence.id, sequence);
            }
        }
        for sequence in &mut self.draft.sequences {
            if sequence.owned_by.as_ref().is_some_and(|(_, column)| column == old) {
                sequence.owned_by = Some((id, new.to_string()));
            }
        }
        Ok(())
    }

    /// Graphs and views know columns by their names.
    fn refuse_named_elsewhere(&self, column: &str) -> Result<()> {
        let catalog = &self.planning.view.snapshot.catalog;
        if let Some(graph) =
            catalog.graphs_of(self.known.id).find(|graph| covers(graph, self.known.id, &column.to_string()))
        {
            let message = format!("column \"{column}\" cannot be renamed: property graph \"{}\" has it", graph.name);
            return Err(
                Error::not_supported(message).with_hint("Drop the graph, rename the column, and make the graph again.")
            );
        }
        if let Some(view) = catalog.views.values().find(|view| view.uses(self.known.oid, column)) {
            let message = format!("column \"{column}\" cannot be renamed: view \"{}\" reads it", view.name);
            return Err(
                Error::not_supported(message).with_hint("Drop the view, rename the column, and make the view again.")
            );
        }
        Ok(())
    }

    /// RENAME CONSTRAINT.
    pub(super) fn rename_constraint(&mut self, old: &str, new: String) -> Result<()> {
        let taken = names_of(&self.draft.table).contains(&new);
        let is_key = self.draft.table.unique_keys().iter().any(|key| key.name == old);
        if is_key && self.draft.is_relation(&new) {
            return Err(already_exists(&new));
        }
        let table = &mut self.draft.table;
        if taken {
            let message = format!("constraint \"{new}\" for relation \"{}\" already exists", table.name);
            return Err(Error::new(ErrorKind::DuplicateObject, message));
        }
        if is_key && table.primary_key_name() == old && !table.primary_key.is_empty() {
            table.key_constraint = Some(new);
            return Ok(());
        }
        let names = table.unique.iter_mut().map(|unique| &mut unique.name);
        let names = names.chain(table.checks.iter_mut().map(|check| &mut check.name));
        let mut names = names.chain(table.foreign_keys.iter_mut().map(|key| &mut key.name));
        match names.find(|name| **name == old) {
            Some(name) => {
                *name = new;
                Ok(())
            }
            None => {
                let message = format!("constraint \"{old}\" for table \"{}\" does not exist", self.known.name);
                Err(Error::new(ErrorKind::UndefinedObject, message))
            }
        }
    }
}

fn rename_in_constraints(table: &mut TableDefinition, old: &str, new: &str) -> Result<()> {
    let rename = |columns: &mut Vec<String>| {
        for column in columns.iter_mut().filter(|column| *column == old) {
            *column = new.to_string();
        }
    };
    rename(&mut table.primary_key);
    table.unique.iter_mut().for_each(|unique| rename(&mut unique.columns));
    table.foreign_keys.iter_mut().for_each(|key| rename(&mut key.columns));
    for index in &mut table.indexes {
        for key in &mut index.keys {
            rename(&mut key.columns);
            rename_in_text(key.expression.as_mut(), old, new)?;
        }
        if let Some(predicate) = &mut index.predicate {
            rename(&mut predicate.columns);
            rename_in_text(Some(&mut predicate.expression), old, new)?;
        }
    }
    for column in &mut table.columns {
        rename_in_text(column.generated.as_mut(), old, new)?;
    }
    table.checks.iter_mut().try_for_each(|check| rename_in_text(Some(&mut check.expression), old, new))
}

/// Renames a column in the text of an expression.
fn rename_in_text(text: Option<&mut String>, old: &str, new: &str) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    let mut expression = parse_expression(text)?;
    if replace_column(&mut expression, old, new) {
        *text = expression.to_string();
    }
    Ok(())
}

fn rename_referenced(keys: &mut [ForeignKey], table: TableId, old: &str, new: &str) {
    for key in keys.iter_mut().filter(|key| key.table == table) {
        for column in key.referenced.iter_mut().filter(|column| *column == old) {
            *column = new.to_string();
        }
    }
}

/// Renames a column in an expression, and says whether it was there.
fn replace_column(expression: &mut Expr, old: &str, new: &str) -> bool {
    struct Columns<'a> {
        old: &'a str,
        new: &'a str,
        found: bool,
    }
    impl VisitorMut for Columns<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(ident) = expr
                && normalize(ident) == self.old
            {
                *ident = quoted(self.new);
                self.found = true;
            }
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns { old, new, found: false };
    let _ = expression.visit(&mut columns);
    columns.found
}

/// The CHECK constraints that do not name a column.
pub(super) fn checks_without(table: &TableDefinition, column: &str) -> Result<Vec<CheckConstraint>> {
    let mut kept = Vec::with_capacity(table.checks.len());
    for check in &table.checks {
        let names = visit_expressions(&parse_expression(&check.expression)?, |expr| match expr {
            Expr::Identifier(ident) if normalize(ident) == column => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        if names.is_continue() {
            kept.push(check.clone());
        }
    }
    Ok(kept)
}
