//! CREATE PROPERTY GRAPH and DROP PROPERTY GRAPH.

use slipstream_engine::catalog::Catalog;
use slipstream_engine::catalog::CatalogEdit;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;
use crate::pgq::{self, CreateGraph, DropGraph, Statement};

/// What a property graph statement changes.
pub(crate) fn property_graph(statement: &Statement, catalog: &Catalog) -> Result<Definition> {
    match statement {
        Statement::Create(create) => create_graph(create, catalog),
        Statement::Drop(drop) => drop_graph(drop, catalog),
    }
}

fn create_graph(create: &CreateGraph, catalog: &Catalog) -> Result<Definition> {
    let mut definition = Definition { edits: Vec::new(), tag: "CREATE PROPERTY GRAPH", notices: Vec::new() };
    let name = &create.name.text;
    if catalog.graphs.contains_key(name) || catalog.get_table(name).is_some() {
        if create.if_not_exists {
            definition.notices.push(format!("relation \"{name}\" already exists, skipping"));
            return Ok(definition);
        }
        return Err(Error::new(ErrorKind::DuplicateTable, format!("relation \"{name}\" already exists"))
            .at(create.name.position));
    }
    definition.edits.push(CatalogEdit::CreateGraph(pgq::define(create, catalog)?));
    Ok(definition)
}

/// Drops a graph; its tables stay.
fn drop_graph(drop: &DropGraph, catalog: &Catalog) -> Result<Definition> {
    let mut definition = Definition { edits: Vec::new(), tag: "DROP PROPERTY GRAPH", notices: Vec::new() };
    let name = &drop.name.text;
    if catalog.graphs.contains_key(name) {
        definition.edits.push(CatalogEdit::DropGraph(name.clone()));
    } else if drop.if_exists {
        definition.notices.push(format!("property graph \"{name}\" does not exist, skipping"));
    } else {
        let message = format!("property graph \"{name}\" does not exist");
        return Err(Error::new(ErrorKind::UndefinedTable, message).at(drop.name.position));
    }
    Ok(definition)
}
