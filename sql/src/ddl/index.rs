//! CREATE UNIQUE INDEX, which is a UNIQUE constraint; DROP INDEX and ALTER INDEX of one.

use datafusion::sql::sqlparser::ast::{AlterIndexOperation, CreateIndex, ObjectName};
use slipstream_engine::catalog::{CatalogEdit, TableDefinition};
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::dependents::{Closure, Object};
use super::names::{Place, check_free, choose, is_taken};
use super::table::{Constraint, Draft, key_columns};
use crate::planner::Planning;

/// CREATE INDEX: a unique one over columns becomes a UNIQUE constraint.
pub(super) fn create_index(planning: &Planning<'_>, create: &CreateIndex) -> Result<Definition> {
    let plain = create.unique
        && !create.concurrently
        && create.include.is_empty()
        && create.nulls_distinct != Some(false)
        && create.with.is_empty()
        && create.predicate.is_none()
        && create.index_options.is_empty()
        && create.alter_options.is_empty()
        && create.using.as_ref().is_none_or(|using| using.to_string().eq_ignore_ascii_case("btree"));
    if !plain {
        return Err(Error::not_supported("CREATE INDEX is not supported yet").with_hint(
            "Primary keys and UNIQUE constraints are indexed by themselves; vector search is exact without an index.",
        ));
    }
    let table = planning.tables.written(&create.table_name)?;
    let columns = key_columns(&create.columns)?;
    let name = match &create.name {
        Some(name) => match planning.tables.split(name)? {
            (None, name) => Some(name),
            (Some(_), _) => return Err(Error::new(ErrorKind::Syntax, "an index is in the schema of its table")),
        },
        None => {
            let taken = |name: &str| {
                let place = Place { schema: table.schema.clone(), name: name.to_string() };
                is_taken(&planning.view.snapshot.catalog, &place)
            };
            Some(choose(&table.name, &columns, "idx", taken))
        }
    };
    if let (Some(name), true) = (&name, create.if_not_exists) {
        let place = Place { schema: table.schema.clone(), name: name.clone() };
        if is_taken(&planning.view.snapshot.catalog, &place) {
            let notice = format!("relation \"{name}\" already exists, skipping");
            return Ok(Definition::passed_over("CREATE INDEX", notice));
        }
    }
    let mut draft = Draft::new(planning, table.as_ref().clone());
    draft.add_constraint(Constraint::unique(name, columns))?;
    Ok(Definition::new("CREATE INDEX", vec![CatalogEdit::AlterTable(draft.into_table())]))
}

/// The table whose UNIQUE constraint an index is, and the constraint's name.
fn find(planning: &Planning<'_>, name: &ObjectName) -> Result<Option<(TableDefinition, String)>> {
    let (schema, name) = planning.tables.split(name)?;
    let schemas = match schema {
        Some(schema) => vec![schema],
        None => planning.tables.path().schemas().to_vec(),
    };
    let tables = &planning.view.snapshot.catalog.tables;
    let found = schemas.iter().find_map(|schema| {
        tables.values().find(|table| table.schema == *schema && table.unique_keys().iter().any(|key| key.name == name))
    });
    Ok(found.map(|table| (table.as_ref().clone(), name)))
}

fn missing(planning: &Planning<'_>, name: &ObjectName) -> Result<Error> {
    let (_, bare) = planning.tables.split(name)?;
    if planning.tables.relation(name)?.is_some() {
        return Err(Error::new(ErrorKind::WrongObjectType, format!("\"{bare}\" is not an index")));
    }
    Ok(Error::new(ErrorKind::UndefinedObject, format!("index \"{bare}\" does not exist")))
}

/// DROP INDEX.
pub(super) fn drop_index(
    planning: &Planning<'_>,
    names: &[ObjectName],
    if_exists: bool,
    cascade: bool,
) -> Result<Definition> {
    let [name] = names else { return Err(Error::not_supported("dropping several indexes at once is not supported")) };
    let Some((mut table, index)) = find(planning, name)? else {
        let error = missing(planning, name)?;
        return match if_exists {
            true => Ok(Definition::passed_over("DROP INDEX", format!("{}, skipping", error.message()))),
            false => Err(error),
        };
    };
    if index == table.primary_key_name() && !table.primary_key.is_empty() {
        let message =
            format!("cannot drop index {index} because constraint {index} on table {} requires it", table.name);
        return Err(Error::new(ErrorKind::DependentObjects, message)
            .with_hint(format!("You can drop constraint {index} on table {} instead.", table.name)));
    }
    let closure = Closure::of(planning, vec![Object::Key(table.id, index.clone())]);
    let notices = closure.check(cascade)?;
    let mut edits = closure.edits(Some(table.id));
    table.unique.retain(|unique| unique.name != index);
    edits.push(CatalogEdit::AlterTable(table));
    Ok(Definition { notices, ..Definition::new("DROP INDEX", edits) })
}

/// ALTER INDEX ... RENAME TO.
pub(super) fn alter_index(
    planning: &Planning<'_>,
    name: &ObjectName,
    operation: &AlterIndexOperation,
) -> Result<Definition> {
    let AlterIndexOperation::RenameIndex { index_name } = operation;
    let Some((mut table, known)) = find(planning, name)? else {
        let (_, bare) = planning.tables.split(name)?;
        return Err(Error::new(ErrorKind::UndefinedTable, format!("relation \"{bare}\" does not exist")));
    };
    let (_, new_name) = planning.tables.split(index_name)?;
    check_free(&planning.view.snapshot.catalog, &Place { schema: table.schema.clone(), name: new_name.clone() })?;
    if !table.primary_key.is_empty() && table.primary_key_name() == known {
        table.key_constraint = Some(new_name.clone());
    }
    for unique in table.unique.iter_mut().filter(|unique| unique.name == known) {
        unique.name.clone_from(&new_name);
    }
    Ok(Definition::new("ALTER INDEX", vec![CatalogEdit::AlterTable(table)]))
}
