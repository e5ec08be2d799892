//! DROP of tables, views, sequences, schemas and indexes.

use datafusion::sql::sqlparser::ast::{self, ObjectName, ObjectType};
use slipstream_catalog::search_path::{is_system_schema, schema_exists};
use slipstream_engine::catalog::{CatalogEdit, DEFAULT_SCHEMA, Relation};
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::dependents::{Closure, Object};
use super::names::undefined_schema;
use crate::planner::Planning;

/// DROP.
pub(super) fn drop_objects(planning: &Planning<'_>, statement: &ast::Statement) -> Result<Definition> {
    let ast::Statement::Drop { object_type, if_exists, names, cascade, purge, temporary, table, .. } = statement else {
        return Err(super::refused(statement));
    };
    if *purge || *temporary || table.is_some() {
        return Err(Error::not_supported("this form of DROP is not supported"));
    }
    let (tag, what) = match object_type {
        ObjectType::Table => ("DROP TABLE", "table"),
        ObjectType::View => ("DROP VIEW", "view"),
        ObjectType::Sequence => ("DROP SEQUENCE", "sequence"),
        ObjectType::Schema => ("DROP SCHEMA", "schema"),
        ObjectType::Index => ("DROP INDEX", "index"),
        _ => return Err(super::refused(statement)),
    };
    let mut roots = Vec::new();
    let mut notices = Vec::new();
    for name in names {
        let found = match object_type {
            ObjectType::Schema => schema(planning, name)?,
            ObjectType::Index => return super::index::drop_index(planning, names, *if_exists, *cascade),
            _ => object(planning, name, what)?,
        };
        match found {
            Found::Object(object) if roots.contains(&object) => {}
            Found::Object(object) => roots.push(object),
            Found::Missing(error) if !*if_exists => return Err(error),
            Found::Missing(error) => notices.push(format!("{}, skipping", error.message())),
        }
    }
    let closure = Closure::of(planning, roots);
    notices.extend(closure.check(*cascade)?);
    let mut definition = Definition::new(tag, closure.edits(None));
    definition.notices = notices;
    Ok(definition)
}

enum Found {
    Object(Object),
    /// Nothing of that name, and the error that says so.
    Missing(Error),
}

fn object(planning: &Planning<'_>, name: &ObjectName, what: &str) -> Result<Found> {
    let (schema, bare) = planning.tables.split(name)?;
    if let Some(schema) = &schema {
        if is_system_schema(schema) {
            let message = format!("permission denied: \"{schema}.{bare}\" is a system catalog");
            return Err(Error::new(ErrorKind::InsufficientPrivilege, message));
        }
        if !schema_exists(&planning.view.snapshot.catalog, schema) {
            return Ok(Found::Missing(undefined_schema(schema)));
        }
    }
    let Some(relation) = planning.tables.relation(name)? else {
        let shown = schema.map_or(bare.clone(), |schema| format!("{schema}.{bare}"));
        let message = format!("{what} \"{shown}\" does not exist");
        return Ok(Found::Missing(Error::new(ErrorKind::UndefinedTable, message).on_table(bare)));
    };
    let (object, kind) = match &relation {
        Relation::Table(table) => (Object::Table(table.id), "table"),
        Relation::View(view) => (Object::View(view.oid), "view"),
        Relation::Sequence(sequence) => (Object::Sequence(sequence.id), "sequence"),
        Relation::Graph(graph) => (Object::Graph(graph.name.clone()), "property graph"),
    };
    if kind != what {
        let article = if what.starts_with('i') { "an" } else { "a" };
        let message = format!("\"{bare}\" is not {article} {what}");
        let verb = kind.to_uppercase();
        return Err(
            Error::new(ErrorKind::WrongObjectType, message).with_hint(format!("Use DROP {verb} to remove a {kind}."))
        );
    }
    if let Relation::Sequence(sequence) = &relation {
        refuse_needed_sequence(planning, sequence)?;
    }
    Ok(Found::Object(object))
}

/// An identity column cannot be without its sequence.
fn refuse_needed_sequence(
    planning: &Planning<'_>,
    sequence: &slipstream_engine::catalog::SequenceDefinition,
) -> Result<()> {
    let Some((table, column)) = &sequence.owned_by else { return Ok(()) };
    let Some(table) = planning.view.snapshot.catalog.tables.get(table) else { return Ok(()) };
    if table.get_column(column).is_none_or(|column| column.identity.is_none()) {
        return Ok(());
    }
    let message =
        format!("cannot drop sequence {} because column {column} of table {} requires it", sequence.name, table.name);
    Err(Error::new(ErrorKind::DependentObjects, message)
        .with_hint(format!("You can drop column {column} of table {} instead.", table.name)))
}

fn schema(planning: &Planning<'_>, name: &ObjectName) -> Result<Found> {
    let (qualifier, schema) = planning.tables.split(name)?;
    if qualifier.is_some() {
        return Err(Error::new(ErrorKind::Syntax, format!("\"{name}\" is not the name of a schema")));
    }
    if schema == DEFAULT_SCHEMA {
        return Err(Error::not_supported("the schema public cannot be dropped"));
    }
    if is_system_schema(&schema) {
        let message = format!("cannot drop schema {schema} because it is required by the database system");
        return Err(Error::new(ErrorKind::DependentObjects, message));
    }
    match planning.view.snapshot.catalog.has_schema(&schema) {
        true => Ok(Found::Object(Object::Schema(schema))),
        false => Ok(Found::Missing(undefined_schema(&schema))),
    }
}

/// The edits that drop a graph with what reads it.
pub(super) fn drop_graph(
    planning: &Planning<'_>,
    name: &str,
    cascade: bool,
) -> Result<(Vec<CatalogEdit>, Vec<String>)> {
    let closure = Closure::of(planning, vec![Object::Graph(name.to_string())]);
    let notices = closure.check(cascade)?;
    Ok((closure.edits(None), notices))
}
