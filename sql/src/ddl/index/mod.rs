//! CREATE INDEX, DROP INDEX, ALTER INDEX, REINDEX.
//!
//! - [`create`]: what an index is of, its operator classes and its name. A unique one is a UNIQUE constraint.
//! - [`options`]: what WITH says.
//!
//! An index is a definition in its table's catalog entry, and data that the engine builds: before the definition is
//! committed where the statement is alone, afterwards where it is part of a block.

mod create;
mod options;

pub(super) use create::{create_index, refuse_unfit_type};

use datafusion::sql::sqlparser::ast::{AlterIndexOperation, ObjectName};
use slipstream_engine::catalog::{CatalogEdit, IndexDefinition, TableDefinition, TableId};
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::ReindexTarget;
use super::dependents::{Closure, Object};
use super::names::{Place, check_free};
use crate::planner::Planning;

/// What the name of an index means.
pub(super) enum Found {
    /// The index of a key: its table and the key's name.
    Key(TableDefinition, String),
    /// An index that somebody has made.
    Index(TableDefinition, IndexDefinition),
}

/// The index of that name.
pub(super) fn find(planning: &Planning<'_>, name: &ObjectName) -> Result<Option<Found>> {
    let (schema, name) = planning.tables.split(name)?;
    let schemas = match schema {
        Some(schema) => vec![schema],
        None => planning.tables.path().schemas().to_vec(),
    };
    let catalog = &planning.view.snapshot.catalog;
    let of_key = |schema: &String| {
        let mut tables = catalog.tables.values().filter(|table| table.schema == *schema);
        tables.find(|table| table.unique_keys().iter().any(|key| key.name == name))
    };
    Ok(schemas.iter().find_map(|schema| match catalog.get_index(schema, &name) {
        Some((table, index)) => Some(Found::Index(table.as_ref().clone(), index.clone())),
        None => of_key(schema).map(|table| Found::Key(table.as_ref().clone(), name.clone())),
    }))
}

fn missing(planning: &Planning<'_>, name: &ObjectName) -> Result<Error> {
    let (_, bare) = planning.tables.split(name)?;
    if planning.tables.relation(name)?.is_some() {
        return Err(Error::new(ErrorKind::WrongObjectType, format!("\"{bare}\" is not an index")));
    }
    Ok(Error::new(ErrorKind::UndefinedObject, format!("index \"{bare}\" does not exist")))
}

/// The indexes that REINDEX builds anew, by table; all of a table's where none is named. Those of keys are in memory, and
/// built whenever they are missing.
pub(crate) fn to_reindex(planning: &Planning<'_>, target: &ReindexTarget) -> Result<Vec<(TableId, Option<u32>)>> {
    let tables = &planning.view.snapshot.catalog.tables;
    let all = |schema: Option<&String>| {
        let chosen = tables.values().filter(|table| schema.is_none_or(|schema| table.schema == *schema));
        chosen.map(|table| (table.id, None)).collect()
    };
    match target {
        ReindexTarget::Index(name) => match find(planning, name)? {
            Some(Found::Index(table, index)) => Ok(vec![(table.id, Some(index.oid))]),
            Some(Found::Key(..)) => Ok(Vec::new()),
            None => {
                missing(planning, name)?;
                let (_, bare) = planning.tables.split(name)?;
                Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{bare}\" does not exist")))
            }
        },
        ReindexTarget::Table(name) => Ok(vec![(planning.tables.written(name)?.id, None)]),
        ReindexTarget::Schema(name) if planning.view.snapshot.catalog.has_schema(name) => Ok(all(Some(name))),
        ReindexTarget::Schema(name) => Err(super::names::undefined_schema(name)),
        ReindexTarget::Database => Ok(all(None)),
    }
}

/// DROP INDEX.
pub(super) fn drop_index(
    planning: &Planning<'_>,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Definition> {
    let mut definition = Definition::new("DROP INDEX", Vec::new());
    let mut seen = Vec::new();
    for name in names {
        match find(planning, name)? {
            None => {
                let error = missing(planning, name)?;
                if !if_exists {
                    return Err(error);
                }
                definition.notices.push(format!("{}, skipping", error.message()));
            }
            Some(Found::Index(table, index)) if !seen.contains(&index.oid) => {
                seen.push(index.oid);
                definition.changes.catalog.push(CatalogEdit::DropIndex { table: table.id, oid: index.oid });
            }
            Some(Found::Index(..)) => {}
            Some(Found::Key(table, key)) if names.len() == 1 => {
                drop_key(planning, table, key, cascade, &mut definition)?
            }
            Some(Found::Key(..)) => {
                let message = "dropping the index of a UNIQUE constraint together with others is not supported";
                return Err(Error::not_supported(message));
            }
        }
    }
    Ok(definition)
}

/// The index of a UNIQUE constraint goes with the constraint.
fn drop_key(
    planning: &Planning<'_>,
    mut table: TableDefinition,
    index: String,
    cascade: bool,
    definition: &mut Definition,
) -> Result<()> {
    if index == table.primary_key_name() && !table.primary_key.is_empty() {
        let message =
            format!("cannot drop index {index} because constraint {index} on table {} requires it", table.name);
        return Err(Error::new(ErrorKind::DependentObjects, message)
            .with_hint(format!("You can drop constraint {index} on table {} instead.", table.name)));
    }
    let closure = Closure::of(planning, vec![Object::Key(table.id, index.clone())]);
    definition.notices.extend(closure.check(cascade)?);
    let edits = &mut definition.changes.catalog;
    edits.extend(closure.edits(Some(table.id)));
    table.unique.retain(|unique| unique.name != index);
    edits.push(CatalogEdit::AlterTable(table));
    Ok(())
}

/// ALTER INDEX ... RENAME TO.
pub(super) fn alter_index(
    planning: &Planning<'_>,
    name: &ObjectName,
    operation: &AlterIndexOperation,
) -> Result<Definition> {
    let AlterIndexOperation::RenameIndex { index_name } = operation;
    let Some(found) = find(planning, name)? else {
        let (_, bare) = planning.tables.split(name)?;
        return Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{bare}\" does not exist")));
    };
    let (_, new_name) = planning.tables.split(index_name)?;
    let (Found::Key(table, _) | Found::Index(table, _)) = &found;
    check_free(&planning.view.snapshot.catalog, &Place { schema: table.schema.clone(), name: new_name.clone() })?;
    let edit = match found {
        Found::Index(table, index) => {
            CatalogEdit::AlterIndex { table: table.id, index: IndexDefinition { name: new_name, ..index } }
        }
        Found::Key(mut table, known) => {
            if !table.primary_key.is_empty() && table.primary_key_name() == known {
                table.key_constraint = Some(new_name.clone());
            }
            for unique in table.unique.iter_mut().filter(|unique| unique.name == known) {
                unique.name.clone_from(&new_name);
            }
            CatalogEdit::AlterTable(table)
        }
    };
    Ok(Definition::new("ALTER INDEX", vec![edit]))
}
