//! References between tables: foreign keys, and the end points of edge tables, which are foreign keys too.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::messages::{key_text, null_value, quoted};
use crate::catalog::{Catalog, ReferentialAction, TableDefinition, TableId};
use crate::error::{Error, ErrorKind, Result};

/// Rows of one table that need a row of another.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) name: String,
    pub(crate) from: Arc<TableDefinition>,
    pub(crate) columns: Vec<String>,
    pub(crate) to: Arc<TableDefinition>,
    pub(crate) referenced: Vec<String>,
    pub(crate) on_delete: ReferentialAction,
    /// The edge element's name, where it is an end point; it must not be NULL then.
    pub(crate) edge: Option<String>,
}

impl Catalog {
    /// Everything that rows of `table` refer to.
    pub(crate) fn references_from(&self, table: TableId) -> Result<Vec<Reference>> {
        let Some(from) = self.tables.get(&table) else { return Ok(Vec::new()) };
        let mut references = Vec::new();
        for key in &from.foreign_keys {
            references.push(Reference {
                name: key.name.clone(),
                from: Arc::clone(from),
                columns: key.columns.clone(),
                to: self.referenced_table(key.table, &key.name)?,
                referenced: key.referenced.clone(),
                on_delete: key.on_delete,
                edge: None,
            });
        }
        for graph in self.graphs_of(table) {
            for edge in graph.edges.iter().filter(|edge| edge.table == table) {
                for end in [&edge.source, &edge.destination] {
                    let vertex = graph
                        .get_vertex(&end.vertex)
                        .ok_or_else(|| Error::internal(format!("vertex element \"{}\" is missing", end.vertex)))?;
                    references.push(Reference {
                        name: format!("{}_{}_fkey", from.name, end.columns.join("_")),
                        from: Arc::clone(from),
                        columns: end.columns.clone(),
                        to: self.referenced_table(vertex.table, &end.vertex)?,
                        referenced: vertex.key.clone(),
                        on_delete: match edge.on_delete_cascade {
                            true => ReferentialAction::Cascade,
                            false => ReferentialAction::NoAction,
                        },
                        edge: Some(edge.name.clone()),
                    });
                }
            }
        }
        Ok(references)
    }

    /// Everything that refers to rows of `table`.
    pub(crate) fn references_to(&self, table: TableId) -> Result<Vec<Reference>> {
        let mut references = Vec::new();
        for from in self.tables.keys() {
            references.extend(self.references_from(*from)?.into_iter().filter(|reference| reference.to.id == table));
        }
        Ok(references)
    }

    fn referenced_table(&self, table: TableId, what: &str) -> Result<Arc<TableDefinition>> {
        let table = self.tables.get(&table).cloned();
        table.ok_or_else(|| Error::internal(format!("the table that \"{what}\" refers to is missing")))
    }
}

impl Reference {
    fn constraint(&self) -> &'static str {
        if self.edge.is_some() { "end point" } else { "foreign key" }
    }

    /// Refuses an edge without an end.
    pub(crate) fn refuse_null_end(&self, keys: &[ArrayRef]) -> Result<()> {
        let Some(edge) = &self.edge else { return Ok(()) };
        for (column, name) in keys.iter().zip(&self.columns) {
            if column.logical_null_count() > 0 {
                return Err(null_value(&self.from, name)
                    .with_detail(format!("Every edge of \"{edge}\" needs both of its end points.")));
            }
        }
        Ok(())
    }

    /// `23503` for a row whose partner is missing.
    pub(crate) fn missing(&self, keys: &[ArrayRef], row: usize) -> Error {
        let message = format!(
            "insert or update on table \"{}\" violates {} constraint \"{}\"",
            self.from.name,
            self.constraint(),
            self.name
        );
        let detail = format!(
            "Key ({})=({}) is not present in table \"{}\".",
            quoted(&self.columns),
            key_text(keys, row),
            self.to.name
        );
        Error::new(ErrorKind::ForeignKeyViolation, message)
            .with_detail(detail)
            .on_table(&self.from.name)
            .on_constraint(&self.name)
    }

    /// `23503` for a row whose partner is missing, where it is not known which row that is.
    pub(crate) fn missing_partner(&self) -> Error {
        let error = self.missing(&[], 0);
        error.with_detail(format!("A key of ({}) is not present in table \"{}\".", quoted(&self.columns), self.to.name))
    }

    /// `23503` for a row that goes and is needed; `keys` are those of a row that needs it.
    pub(crate) fn still_needed(&self, keys: &[ArrayRef]) -> Error {
        let message = format!(
            "update or delete on table \"{}\" violates {} constraint \"{}\" on table \"{}\"",
            self.to.name,
            self.constraint(),
            self.name,
            self.from.name
        );
        let detail = format!(
            "Key ({})=({}) is still referenced from table \"{}\".",
            quoted(&self.referenced),
            key_text(keys, 0),
            self.from.name
        );
        let error = Error::new(ErrorKind::ForeignKeyViolation, message)
            .with_detail(detail)
            .on_table(&self.from.name)
            .on_constraint(&self.name);
        match self.edge {
            Some(_) => error.with_hint("Delete the edges first, or declare the edge table with ON DELETE CASCADE."),
            None => error,
        }
    }
}
