//! May the values of covered columns be kept by a graph index?
//!
//! A value that the index refuses would leave it behind for good, so it is refused where it comes in, by name.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

use crate::catalog::{Catalog, GraphDefinition, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::cover::MAX_TEXT_BYTES;
use crate::pending::Pending;
use crate::snapshot::Snapshot;
use crate::store::ScanRequest;
use crate::stream;

/// Checks rows that come into `table`.
pub(crate) fn texts_fit(catalog: &Catalog, table: &TableDefinition, added: &RecordBatch) -> Result<()> {
    for graph in catalog.graphs_of(table.id) {
        for properties in covered(graph, table.id) {
            check(graph, table, properties, added)?;
        }
    }
    Ok(())
}

/// Checks the rows that the tables of a graph have already, for a graph that is being declared.
pub(crate) async fn stored_texts_fit(
    head: &Snapshot,
    state: &Pending,
    catalog: &Catalog,
    graph: &GraphDefinition,
) -> Result<()> {
    for id in graph.tables() {
        let Some(table) = catalog.tables.get(&id) else { continue };
        for properties in covered(graph, id) {
            let texts: Vec<String> = properties
                .iter()
                .filter(|name| table.get_column(name).is_some_and(|c| c.sql_type.arrow_type() == DataType::Utf8))
                .cloned()
                .collect();
            if texts.is_empty() {
                continue;
            }
            let request = ScanRequest { columns: Some(texts.clone()), ..ScanRequest::default() };
            let mut rows = head.table_state(table, state).await?.read(&request).await?;
            while let Some(batch) = stream::next(&mut rows).await? {
                check(graph, table, &texts, &batch)?;
            }
        }
    }
    Ok(())
}

/// The covered columns of a table, for each of its roles in a graph.
fn covered(graph: &GraphDefinition, table: TableId) -> impl Iterator<Item = &Vec<String>> {
    let vertices = graph.vertices.iter().filter(move |vertex| vertex.table == table).map(|vertex| &vertex.properties);
    vertices.chain(graph.edges.iter().filter(move |edge| edge.table == table).map(|edge| &edge.properties))
}

fn check(graph: &GraphDefinition, table: &TableDefinition, properties: &[String], batch: &RecordBatch) -> Result<()> {
    for name in properties {
        let Some(texts) = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()) else { continue };
        let longest = (0..texts.len()).filter(|row| texts.is_valid(*row)).map(|row| texts.value_length(row)).max();
        if let Some(bytes) = longest.filter(|bytes| *bytes as usize > MAX_TEXT_BYTES) {
            return Err(Error::new(
                ErrorKind::StringTooLong,
                format!("value too long for property \"{name}\" of graph \"{}\"", graph.name),
            )
            .with_detail(format!("It has {bytes} bytes; a property may have {MAX_TEXT_BYTES}."))
            .with_hint(format!(
                "Declare the graph with a PROPERTIES list of \"{}\" that leaves \"{name}\" out.",
                table.name
            ))
            .on_table(&table.name)
            .on_column(name));
        }
    }
    Ok(())
}
