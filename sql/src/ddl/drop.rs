//! DROP TABLE.

use slipstream_engine::catalog::Catalog;
use slipstream_engine::catalog::CatalogEdit;
use slipstream_engine::{Error, ErrorKind, Result};

use super::Definition;

/// Drops tables; with `cascade`, the graphs over them too.
pub(crate) fn drop_tables(catalog: &Catalog, names: &[String], if_exists: bool, cascade: bool) -> Result<Definition> {
    let mut definition = Definition { edits: Vec::new(), tag: "DROP TABLE", notices: Vec::new() };
    let mut graphs: Vec<String> = Vec::new();
    let mut tables = Vec::new();
    for name in names {
        let Some(table) = catalog.get_table(name) else {
            if !if_exists {
                return Err(missing(catalog, name));
            }
            definition.notices.push(format!("table \"{name}\" does not exist, skipping"));
            continue;
        };
        for graph in catalog.graphs_of(table.id) {
            if !cascade {
                return Err(in_use(name, &graph.name));
            }
            if !graphs.contains(&graph.name) {
                definition.notices.push(format!("drop cascades to property graph {}", graph.name));
                graphs.push(graph.name.clone());
            }
        }
        if !tables.contains(&table.id) {
            tables.push(table.id);
        }
    }
    definition.edits = graphs.into_iter().map(CatalogEdit::DropGraph).collect();
    definition.edits.extend(tables.into_iter().map(CatalogEdit::DropTable));
    Ok(definition)
}

fn missing(catalog: &Catalog, name: &str) -> Error {
    if catalog.graphs.contains_key(name) {
        return Error::new(ErrorKind::WrongObjectType, format!("\"{name}\" is not a table"))
            .with_hint("Use DROP PROPERTY GRAPH to remove a property graph.");
    }
    Error::new(ErrorKind::UndefinedTable, format!("table \"{name}\" does not exist")).on_table(name)
}

fn in_use(table: &str, graph: &str) -> Error {
    Error::new(ErrorKind::DependentObjects, format!("cannot drop table {table} because other objects depend on it"))
        .with_detail(format!("property graph {graph} depends on table {table}"))
        .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
        .on_table(table)
}
