//! What row changes mean for a graph index.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::filter;
use arrow::datatypes::{Field, Schema};
use std::sync::Arc;

use crate::catalog::{Catalog, EdgeTable, GraphDefinition, TableDefinition, VertexTable};
use crate::change::RowChanges;
use crate::error::{Error, Result};
use crate::graph::index::{Change, IndexSchema, NodeSchema, Property, RelationshipSchema};
use crate::store::key_index::{KeySet, hash_keys};

/// The shape of the index of a graph.
pub(crate) fn index_schema(catalog: &Catalog, graph: &GraphDefinition) -> Result<IndexSchema> {
    let nodes = graph
        .vertices
        .iter()
        .map(|vertex| {
            let table = table(catalog, vertex.table)?;
            Ok(NodeSchema {
                element: vertex.name.clone(),
                key: property(table, &vertex.key[0])?,
                properties: covered(table, &vertex.key, &vertex.properties)?,
            })
        })
        .collect::<Result<_>>()?;
    let relationships = graph
        .edges
        .iter()
        .map(|edge| {
            let table = table(catalog, edge.table)?;
            Ok(RelationshipSchema {
                element: edge.name.clone(),
                from: edge.source.vertex.clone(),
                to: edge.destination.vertex.clone(),
                key: property(table, &edge.key[0])?,
                properties: covered(table, &edge.key, &edge.properties)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(IndexSchema { nodes, relationships })
}

/// Columns of a vertex table in the order of [`Change::PutNodes`].
pub(crate) fn node_columns(vertex: &VertexTable) -> Vec<String> {
    let others = vertex.properties.iter().filter(|name| !vertex.key.contains(name));
    vertex.key.iter().chain(others).cloned().collect()
}

/// Columns of an edge table in the order of [`Change::CreateRelationships`].
pub(crate) fn relationship_columns(edge: &EdgeTable) -> Vec<String> {
    let others = edge.properties.iter().filter(|name| !edge.key.contains(name));
    edge_identity(edge).into_iter().chain(others.cloned()).collect()
}

fn edge_identity(edge: &EdgeTable) -> Vec<String> {
    edge.source.columns.iter().chain(&edge.destination.columns).chain(&edge.key).cloned().collect()
}

/// The changes that `deltas` make to the index of `graph`, in the order in which they must be applied.
pub(crate) fn changes(graph: &GraphDefinition, deltas: &[RowChanges]) -> Result<Vec<Change>> {
    let of = |table| deltas.iter().find(move |delta: &&RowChanges| delta.table.id == table);
    let mut changes = Vec::new();
    for edge in &graph.edges {
        for batch in of(edge.table).iter().flat_map(|delta| delta.removed.iter()) {
            changes.push(Change::DeleteRelationships {
                element: edge.name.clone(),
                rows: pick(&batch?, &edge_identity(edge))?,
            });
        }
    }
    for vertex in &graph.vertices {
        for keys in of(vertex.table).map(|delta| removed_vertices(delta, vertex)).transpose()?.unwrap_or_default() {
            changes.push(Change::DeleteNodes { element: vertex.name.clone(), keys });
        }
    }
    for vertex in &graph.vertices {
        for batch in of(vertex.table).iter().flat_map(|delta| delta.added.iter()) {
            changes
                .push(Change::PutNodes { element: vertex.name.clone(), rows: pick(&batch?, &node_columns(vertex))? });
        }
    }
    for edge in &graph.edges {
        for batch in of(edge.table).iter().flat_map(|delta| delta.added.iter()) {
            changes.push(Change::CreateRelationships {
                element: edge.name.clone(),
                rows: pick(&batch?, &relationship_columns(edge))?,
            });
        }
    }
    changes.retain(|change| change.rows() > 0);
    Ok(changes)
}

/// Keys that are gone; a key that comes back in the same transaction is an update, which keeps its edges.
fn removed_vertices(delta: &RowChanges, vertex: &VertexTable) -> Result<Vec<ArrayRef>> {
    let mut kept = KeySet::default();
    for batch in delta.added.iter() {
        let keys = pick(&batch?, &vertex.key)?;
        kept.extend(hash_keys(keys.columns())?.into_iter().map(|key| (key, ())));
    }
    delta
        .removed
        .iter()
        .map(|batch| {
            let keys = pick(&batch?, &vertex.key)?;
            let gone = hash_keys(keys.columns())?.iter().map(|key| Some(!kept.contains_key(key))).collect();
            filter(keys.column(0), &gone).map_err(|error| Error::internal(error.to_string()))
        })
        .filter(|keys| keys.as_ref().map_or(true, |keys| !keys.is_empty()))
        .collect()
}

/// Columns by name; one column may stand in two places (an edge whose key is its end point).
fn pick(batch: &RecordBatch, names: &[String]) -> Result<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = Vec::with_capacity(names.len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(names.len());
    for name in names {
        let (position, field) = batch
            .schema_ref()
            .column_with_name(name)
            .ok_or_else(|| Error::internal(format!("rows lack column \"{name}\"")))?;
        fields.push(Arc::new(field.clone()));
        columns.push(Arc::clone(batch.column(position)));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| Error::internal(error.to_string()))
}

fn table(catalog: &Catalog, id: crate::catalog::TableId) -> Result<&TableDefinition> {
    catalog.tables.get(&id).map(AsRef::as_ref).ok_or_else(|| Error::internal(format!("table {id} is missing")))
}

fn property(table: &TableDefinition, name: &str) -> Result<Property> {
    let column = table.column(name)?;
    Ok(Property { name: column.name.clone(), sql_type: column.sql_type.clone() })
}

fn covered(table: &TableDefinition, key: &[String], properties: &[String]) -> Result<Vec<Property>> {
    properties.iter().filter(|name| !key.contains(name)).map(|name| property(table, name)).collect()
}
