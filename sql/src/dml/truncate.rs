//! TRUNCATE: all rows of tables go, without being named.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{CascadeOption, Truncate, TruncateIdentityOption};
use slipstream_engine::catalog::{Catalog, SequenceDefinition, TableDefinition, TableId};
use slipstream_engine::change::{Changes, RowChanges};
use slipstream_engine::{Error, ErrorKind, Result};

use crate::planner::Planning;

/// What a TRUNCATE does.
pub(crate) struct Truncation {
    pub(crate) changes: Changes,
    /// Sequences that begin again.
    pub(crate) restarted: Vec<Arc<SequenceDefinition>>,
    /// Tables that go along, as notices.
    pub(crate) notices: Vec<String>,
}

/// What a TRUNCATE does to the tables that it names.
pub(crate) fn truncate(planning: &Planning<'_>, statement: &Truncate) -> Result<Truncation> {
    if statement.partitions.is_some() || statement.on_cluster.is_some() || statement.if_exists {
        return Err(Error::new(ErrorKind::Syntax, "TRUNCATE takes the names of tables"));
    }
    let named = statement.table_names.iter().map(|target| planning.tables.written(&target.name));
    let mut tables: Vec<Arc<TableDefinition>> = Vec::new();
    let mut known = BTreeSet::new();
    for table in named {
        let table = table?;
        if known.insert(table.id) {
            tables.push(table);
        }
    }
    let catalog = &planning.view.snapshot.catalog;
    let cascade = matches!(statement.cascade, Some(CascadeOption::Cascade));
    let mut notices = Vec::new();
    let mut position = 0;
    while let Some(table) = tables.get(position).cloned() {
        position += 1;
        for referencing in referencing(catalog, table.id) {
            if !known.insert(referencing.id) {
                continue;
            }
            if !cascade {
                return Err(still_referenced(&table, &referencing));
            }
            notices.push(format!("truncate cascades to table \"{}\"", referencing.name));
            tables.push(referencing);
        }
    }
    let restart = matches!(statement.identity, Some(TruncateIdentityOption::Restart));
    let restarted = catalog
        .sequences
        .values()
        .filter(|sequence| restart && sequence.owned_by.as_ref().is_some_and(|(owner, _)| known.contains(owner)));
    let rows = tables.iter().map(|table| RowChanges { truncated: true, ..RowChanges::new(Arc::clone(table)) });
    Ok(Truncation {
        restarted: restarted.cloned().collect(),
        changes: Changes { rows: rows.collect(), ..Changes::default() },
        notices,
    })
}

/// The tables whose rows may refer to rows of `table`: by a foreign key, or as edges with an end there.
fn referencing(catalog: &Catalog, table: TableId) -> Vec<Arc<TableDefinition>> {
    let mut found = BTreeSet::new();
    for other in catalog.tables.values() {
        if other.foreign_keys.iter().any(|key| key.table == table) {
            found.insert(other.id);
        }
    }
    for graph in catalog.graphs_of(table) {
        for edge in &graph.edges {
            let ends = [&edge.source.vertex, &edge.destination.vertex];
            let refers = ends.iter().any(|label| graph.get_vertex(label).is_some_and(|vertex| vertex.table == table));
            if refers {
                found.insert(edge.table);
            }
        }
    }
    found.iter().filter_map(|id| catalog.tables.get(id).cloned()).collect()
}

fn still_referenced(table: &TableDefinition, referencing: &TableDefinition) -> Error {
    Error::not_supported("cannot truncate a table referenced in a foreign key constraint")
        .with_detail(format!("Table \"{}\" references \"{}\".", referencing.name, table.name))
        .with_hint(format!("Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.", referencing.name))
        .on_table(&table.name)
}
