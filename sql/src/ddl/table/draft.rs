//! A table's definition in the making.

use slipstream_engine::catalog::{CatalogEdit, ColumnDefinition, SequenceDefinition, TableDefinition};
use slipstream_engine::types::SqlType;
use slipstream_engine::{Error, ErrorKind, Result};

use super::super::names::{self, Place, already_exists};
use crate::planner::Planning;

/// A table that is made or altered, and the sequences that come with it.
pub(crate) struct Draft<'a> {
    pub(super) planning: &'a Planning<'a>,
    pub(super) table: TableDefinition,
    pub(super) sequences: Vec<SequenceDefinition>,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(planning: &'a Planning<'a>, table: TableDefinition) -> Self {
        Draft { planning, table, sequences: Vec::new() }
    }

    /// The definition as it has become.
    pub(crate) fn into_table(self) -> TableDefinition {
        self.table
    }

    /// The column of that name, to be changed.
    pub(super) fn column_mut(&mut self, name: &str) -> Result<&mut ColumnDefinition> {
        self.table.column(name)?;
        let column = self.table.columns.iter_mut().find(|column| column.name == name);
        column.ok_or_else(|| Error::internal("a column has gone"))
    }

    /// Whether a relation of the table's schema has that name, in the catalog or in this draft.
    pub(super) fn is_relation(&self, name: &str) -> bool {
        let place = Place { schema: self.table.schema.clone(), name: name.to_string() };
        name == self.table.name
            || self.table.unique_keys().iter().any(|key| key.name == name)
            || self.sequences.iter().any(|sequence| sequence.name == name)
            || names::is_taken(&self.planning.view.snapshot.catalog, &place)
    }

    /// Whether a constraint of the table's schema has that name.
    pub(super) fn is_constraint(&self, name: &str) -> bool {
        names::names_of(&self.table).iter().any(|known| known == name)
            || names::constraint_names(&self.planning.view.snapshot.catalog, &self.table.schema).contains(name)
    }

    /// The name of the index of a key: the one that was given, or one of its own.
    pub(super) fn key_name(&self, given: Option<String>, columns: &[String], label: &str) -> Result<String> {
        match given {
            Some(name) if names::names_of(&self.table).contains(&name) => Err(self.duplicate_constraint(&name)),
            Some(name) if self.is_relation(&name) => Err(already_exists(&name)),
            Some(name) => Ok(name),
            None => {
                let taken = |name: &str| self.is_relation(name) || self.is_constraint(name);
                Ok(names::choose(&self.table.name, columns, label, taken))
            }
        }
    }

    /// The name of a CHECK or FOREIGN KEY: the one that was given, or one of its own.
    pub(super) fn constraint_name(&self, given: Option<String>, columns: &[String], label: &str) -> Result<String> {
        match given {
            Some(name) if names::names_of(&self.table).contains(&name) => Err(self.duplicate_constraint(&name)),
            Some(name) => Ok(name),
            None => Ok(names::choose(&self.table.name, columns, label, |name| self.is_constraint(name))),
        }
    }

    fn duplicate_constraint(&self, name: &str) -> Error {
        let message = format!("constraint \"{name}\" for relation \"{}\" already exists", self.table.name);
        Error::new(ErrorKind::DuplicateObject, message).on_table(&self.table.name).on_constraint(name)
    }

    /// Adds a sequence that belongs to a column and gives its values.
    pub(super) fn own_sequence(
        &mut self,
        column: &str,
        sql_type: SqlType,
        options: &super::super::sequence::SequenceOptions,
    ) -> Result<String> {
        let name = names::choose(&self.table.name, &[column.to_string()], "seq", |name| self.is_relation(name));
        let place = Place { schema: self.table.schema.clone(), name };
        let mut sequence = options.create(place, sql_type)?;
        sequence.oid = self.planning.view.snapshot.catalog.reserve_oid();
        sequence.owned_by = Some((self.table.id, column.to_string()));
        let default = names::nextval(&sequence.schema, &sequence.name);
        self.sequences.push(sequence);
        Ok(default)
    }

    /// The edits that make the sequences; they come after the table.
    pub(super) fn sequence_edits(&mut self) -> Vec<CatalogEdit> {
        self.sequences.drain(..).map(CatalogEdit::CreateSequence).collect()
    }
}
