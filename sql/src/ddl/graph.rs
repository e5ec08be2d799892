//! CREATE PROPERTY GRAPH and DROP PROPERTY GRAPH.

use slipstream_engine::catalog::{CatalogEdit, DEFAULT_SCHEMA};
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use super::drop::drop_graph as graph_edits;
use super::names::{Place, is_taken};
use crate::pgq::{self, CreateGraph, DropGraph, Statement};
use crate::planner::Planning;

/// What a property graph statement changes.
pub(super) fn property_graph(planning: &Planning<'_>, statement: &Statement) -> Result<Definition> {
    match statement {
        Statement::Create(create) => create_graph(planning, create),
        Statement::Drop(drop) => drop_graph(planning, drop),
    }
}

fn create_graph(planning: &Planning<'_>, create: &CreateGraph) -> Result<Definition> {
    let catalog = &planning.view.snapshot.catalog;
    let name = &create.name.text;
    let place = Place { schema: DEFAULT_SCHEMA.to_string(), name: name.clone() };
    if is_taken(catalog, &place) {
        if create.if_not_exists {
            let notice = format!("relation \"{name}\" already exists, skipping");
            return Ok(Definition::passed_over("CREATE PROPERTY GRAPH", notice));
        }
        return Err(Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists"))
            .at(create.name.position));
    }
    let graph = pgq::define(create, catalog, planning.tables.path())?;
    Ok(Definition::new("CREATE PROPERTY GRAPH", vec![CatalogEdit::CreateGraph(graph)]))
}

/// Drops a graph; its tables stay.
fn drop_graph(planning: &Planning<'_>, drop: &DropGraph) -> Result<Definition> {
    let name = &drop.name.text;
    if planning.view.snapshot.catalog.graphs.contains_key(name) {
        let (edits, notices) = graph_edits(planning, name, drop.cascade)?;
        return Ok(Definition { notices, ..Definition::new("DROP PROPERTY GRAPH", edits) });
    }
    let message = format!("property graph \"{name}\" does not exist");
    if drop.if_exists {
        return Ok(Definition::passed_over("DROP PROPERTY GRAPH", format!("{message}, skipping")));
    }
    Err(Error::new(ErrorKind::UndefinedTable, message).at(drop.name.position))
}
